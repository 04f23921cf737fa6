"""The second evaluator's chain: deployed contracts, transactions, calls, events, outcomes.

Source: docs/contracts.md; design/vm.md, "State, calls, errors".
"""

import ast
from dataclasses import dataclass, field
from typing import Any

from primitives.hashing import compute_contract_address
from primitives.limits import EVENTS_PER_TRANSACTION_MAX
from tests.fuzz.reference.basics import WORD, Addr, Fail, Purse, Rec, fault
from tests.fuzz.reference.evaluate import Frame, local_names
from tests.fuzz.reference.operations import Operations
from tests.fuzz.reference.prices import Prices, price_of_text
from tests.fuzz.reference.storage import Cell
from tests.fuzz.reference.wire import Wire, adopt, measure
from tests.fuzz.reference.words import Builtins, Methods, make_sdk
from vm import gas as limits
from vm.declarations import Contract, Function
from vm.gas import Schedule
from vm.inclusion import compute_code_hash
from vm.language import is_name_allowed
from vm.types import RecordType


@dataclass
class Deployed:
    name: str
    address: Addr
    contract: Contract
    code_hash: bytes
    cells: dict[str, Cell] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    status: str
    code: str
    gas: int
    failed_call: int | None
    values: tuple[Any, ...]
    events: tuple[Any, ...]


class World:
    """One chain. ``height``, ``time`` and ``tx`` are those of every transaction."""

    def __init__(self, prices: Schedule, height: int, time: int, tx: bytes) -> None:
        self.purse = Purse(prices)
        self.operations = Operations(self.purse)
        self.builtins, self.methods = Builtins(self.operations), Methods(self.operations)
        self.wire = Wire(self.purse)
        self._sdk = make_sdk(self.operations)
        self._sdk |= {"emit": self.emit, "call": self.call}
        self.height, self.time, self.tx = height, time, tx
        self.contracts: dict[str, Deployed] = {}
        self.state: dict[bytes, Any] = {}
        self._prices: dict[int, Prices] = {}
        self._turns: dict[int, list[int]] = {}
        self._runs: dict[tuple[int, int], int] = {}

    # Transactions

    def _begin(self, gas: int) -> None:
        self.purse.gas, self.limit = gas, gas
        self.events: list[Any] = []
        self.event_bytes = self.result_bytes = self.read_only = 0
        self.stack: list[Deployed] = []
        self.sender = Addr(bytes(32))
        self._fresh_memory()

    def _finish(self, work: Any) -> Outcome:
        before = dict(self.state)
        self.position = 0
        try:
            values = work()
        except Fail as error:
            self.state = before
            if error.status == "out-of-gas":
                self.purse.gas = 0
            used = self.limit - self.purse.gas
            return Outcome(error.status, error.code, used, self.position, (), ())
        used = self.limit - self.purse.gas
        return Outcome("ok", "", used, None, tuple(values), tuple(self.events))

    def deploy(
        self, name: str, source: str, contract: Contract, sender: bytes, arguments: Any, gas: int
    ) -> Outcome:
        """Deploy a contract that the check accepts and run its @init."""
        self._begin(gas)
        p = self.purse.prices
        init = next((f for f in contract.functions.values() if f.role == "init"), None)

        def work() -> list[Any]:
            self.purse.pay(price_of_text(source, p))
            if init is None:
                if arguments:
                    raise fault("arguments")
                return []
            self._fresh_memory()
            return [self._enter(deployed, init, sender, arguments)]

        address = Addr(compute_contract_address(name))
        code_hash = bytes(compute_code_hash(source))
        deployed = self.contracts[name] = Deployed(name, address, contract, code_hash)
        outcome = self._finish(work)
        if outcome.status != "ok":
            del self.contracts[name]
        return outcome

    def transact(self, sender: bytes, calls: Any, gas: int) -> Outcome:
        """Run (contract, method, wire arguments) in order, all or none."""
        self._begin(gas)

        def work() -> list[Any]:
            values = []
            for index, (name, method, arguments) in enumerate(calls):
                self.position = index
                self._fresh_memory()
                self.purse.pay(self.purse.prices.contract_call)
                deployed, function = self._find(name, method)
                values.append(self._enter(deployed, function, sender, arguments))
            return values

        return self._finish(work)

    def _fresh_memory(self) -> None:
        self.purse.memory = limits.MEMORY_BYTES_MAX - 4 * (self.event_bytes + self.result_bytes)

    def _find(self, name: str, method: str) -> tuple[Deployed, Function]:
        deployed = self.contracts.get(name)
        function = None if deployed is None else deployed.contract.functions.get(method)
        if deployed is None or function is None or function.role not in ("export", "view"):
            raise fault("no-method")
        return deployed, function

    def _enter(self, deployed: Deployed, function: Function, sender: bytes, wire: Any) -> Any:
        self.sender = Addr(sender)
        self.read_only = int(function.role == "view")
        result = self._run(deployed, function, wire)
        size = measure(result)
        self.result_bytes += size
        if size > limits.RESULT_BYTES_MAX or self.result_bytes > limits.RESULTS_BYTES_MAX:
            raise fault("size")
        self.purse.pay(size)
        return result

    def _run(self, deployed: Deployed, function: Function, wire: Any) -> Any:
        """Arguments in, the function, its result out, as wire."""
        if len(wire) != len(function.parameters):
            raise fault("arguments")
        kinds = [kind for _, kind in function.parameters]
        values = [self.wire.parse(kind, item) for kind, item in zip(kinds, wire, strict=True)]
        self.stack.append(deployed)
        result = Frame(self, deployed.contract, function).call(values)
        result = self.wire.leave(function.returns, result)
        self.stack.pop()
        return result

    def _ask_system(self, method: str, arguments: Any) -> bytes:
        """What every contract may ask the engine: which code another contract has."""
        if method != "get_code":
            raise fault("no-method")
        if len(arguments) != 1 or type(arguments[0]) is not str:
            raise fault("arguments")
        if not is_name_allowed(arguments[0]):
            return b""
        self.purse.pay(self.purse.prices.state_read)
        found = self.contracts.get(arguments[0])
        return b"" if found is None else found.code_hash

    def call(self, target: Any, method: str, *arguments: Any) -> Any:
        """``call(contract, 'method', ...)``."""
        self.purse.pay(self.purse.prices.contract_call)
        if type(target) is Addr:
            self.purse.pay(self.purse.prices.state_read)
            names = [name for name, item in self.contracts.items() if item.address == target]
            target = names[0] if names else ""
        elif type(target) is not str:
            raise fault("type")
        if not is_name_allowed(target):
            raise fault("no-method")
        if any(frame.name == target for frame in self.stack):
            raise fault("reentrancy")
        if len(self.stack) >= limits.FRAMES_MAX:
            raise fault("depth")
        if target == "system":
            return self._ask_system(method, arguments)
        deployed, function = self._find(target, method)
        wire = [self.wire.leave_any(argument) for argument in arguments]
        caller, sender, read_only = self.stack[-1], self.sender, self.read_only
        self.sender = caller.address
        self.read_only += function.role == "view"
        result = self._run(deployed, function, wire)
        self.sender, self.read_only = sender, read_only
        return self.wire.enter(adopt(function.returns, caller.contract), result)

    # What a frame asks for

    def prices_of(self, contract: Contract, function: Function) -> Prices:
        key = id(function)
        if key not in self._prices:
            self._prices[key] = Prices(contract, self.purse.prices, local_names(function))
        return self._prices[key]

    def run_of(self, prices: Prices, body: list[ast.stmt], start: int) -> int:
        key = (id(body), start)
        if key not in self._runs:
            self._runs[key] = prices.run(body, start)
        return self._runs[key]

    def turn_of(self, prices: Prices, node: ast.For | ast.While) -> int:
        key = (id(node), -1)
        if key not in self._runs:
            self._runs[key] = prices.turn(node)
        return self._runs[key]

    def turns_of(self, frame: Frame, node: ast.ListComp | ast.DictComp) -> list[int]:
        if id(node) not in self._turns:
            self._turns[id(node)] = frame.prices.turns(node)
        return self._turns[id(node)]

    def cell(self, contract: Contract, name: str) -> Cell | None:
        variable = contract.variables.get(name)
        if variable is None:
            return None
        deployed = self.stack[-1]
        if name not in deployed.cells:
            deployed.cells[name] = Cell(self, deployed.name, variable)
        return deployed.cells[name]

    def context(self, name: str) -> Any:
        return {
            "sender": self.sender, "contract": self.stack[-1].address, "height": self.height,
            "time": self.time, "tx": self.tx,
        }[name]  # fmt: skip

    def make_record(self, kind: RecordType, values: list[Any], named: dict[str, Any]) -> Rec:
        names = [name for name, _ in kind.fields][len(values) :]
        record = Rec(kind, (*values, *[named[name] for name in names]))
        self.purse.hold(WORD * (1 + len(kind.fields)))
        memory = self.purse.memory
        self.wire.leave(kind, record)
        self.purse.memory = memory
        return record

    def sdk(self, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        if name == "replace":
            return self.replace(arguments[0], named)
        return self._sdk[name](*arguments)

    def replace(self, record: Any, changes: dict[str, Any]) -> Rec:
        if not isinstance(record, Rec):
            raise fault("type")
        names = [name for name, _ in record.kind.fields]
        if not set(changes) <= set(names):
            raise fault("type")
        p = self.purse.prices
        self.purse.pay(2 * (p.record + p.record_field * len(names)))
        old = dict(zip(names, record.fields, strict=True))
        return self.make_record(record.kind, [], old | changes)

    def emit(self, event: Any) -> None:
        if not isinstance(event, Rec) or not event.kind.is_event:
            raise fault("type")
        fields = self.wire.leave(event.kind, event)
        p = self.purse.prices
        self.purse.pay(p.event)
        if self.read_only:
            raise fault("read-only")
        size = measure(fields)
        self.purse.pay(p.event_byte * size)
        self.event_bytes += size
        too_large = size > limits.EVENT_PAYLOAD_BYTES_MAX
        if too_large or self.event_bytes > limits.EVENTS_BYTES_MAX:
            raise fault("size")
        if len(self.events) >= EVENTS_PER_TRANSACTION_MAX:
            raise fault("size")
        self.events.append((self.stack[-1].name, event.kind.name, tuple(fields)))
