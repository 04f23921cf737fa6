"""A chain in memory on which a test deploys contracts and calls them as anyone, at any time.

Sender, time and height are the test's: nothing moves them by itself. Every call is a transaction
of its own, all or nothing. There is no network, no organisation and no price to pay; whatever
the contracts decide is decided by the same Machine as on a node. Source: docs/contracts.md,
"Testing a contract".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from primitives.codec import check_value
from primitives.errors import CarbonodeError
from primitives.hashing import ZERO_HASH, Address, compute_contract_address
from primitives.transaction import Call
from tools.authoring.values import make_readable
from vm.abi import Abi
from vm.authoring import parse_sender
from vm.compiler import check_source, compile_source
from vm.declarations import Contract
from vm.gas import VM_VERSION, get_schedule
from vm.machine import DEFAULT_GAS_LIMIT, BlockContext, Machine
from vm.outcome import STATUS_OK, STATUS_REVERTED, CallsOutcome
from vm.pricing import get_deploy_price
from vm.state import MemoryReader, Overlay

START_HEIGHT: Final = 1
START_TIME_S: Final = 1_700_000_000
"""14 November 2023: contracts that compute dates meet ordinary ones."""


class CallFailed(CarbonodeError):
    """A call that did not end well; ``status`` and ``code`` are the receipt's."""

    def __init__(self, method: str, outcome: CallsOutcome) -> None:
        what = f"{method} ended with {outcome.status} {outcome.code!r}"
        super().__init__(what, code=outcome.code, gas=outcome.gas)
        self.method, self.status = method, outcome.status


class NotRefused(AssertionError):
    """``reverts`` or ``fails`` saw another end than the one it waits for."""


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """What a contract announced; ``values`` has a field for each of the event's."""

    contract: str
    name: str
    values: Any


class Deployed:
    """One contract of a ContractChain."""

    def __init__(self, chain: ContractChain, name: str, contract: Contract) -> None:
        self.chain, self.name, self.contract = chain, name, contract
        self.abi = Abi(contract)

    @property
    def address(self) -> Address:
        """What other contracts see as ``ctx.sender`` when this one calls them."""
        return compute_contract_address(self.name)

    def call(self, method: str, *arguments: Any, sender: str | bytes | None = None) -> Any:
        """Run ``method`` as a transaction and return its result; raises CallFailed."""
        return self.chain.run(self, method, arguments, sender, keep=True)

    def view(self, method: str, *arguments: Any, sender: str | bytes | None = None) -> Any:
        """Run ``method`` and drop what it wrote; raises CallFailed."""
        return self.chain.run(self, method, arguments, sender, keep=False)


@dataclass(slots=True)
class ContractChain:
    """Deploys and calls. ``folder`` is where the paths given to ``deploy`` begin.

    ``sender`` (a label, 0x hex or 32 bytes), ``time`` (seconds) and ``height`` hold for the calls
    that follow; ``events`` and ``gas`` are those of the last transaction: views leave them.
    """

    folder: Path = field(default_factory=Path)
    machine: Machine = field(default_factory=Machine)
    sender: str | bytes = "sender"
    time: int = START_TIME_S
    height: int = START_HEIGHT
    gas_limit: int = DEFAULT_GAS_LIMIT
    events: list[SeenEvent] = field(default_factory=list)
    gas: int = 0
    contracts: dict[str, Deployed] = field(default_factory=dict)
    _overlay: Overlay = field(default_factory=lambda: Overlay(MemoryReader()))
    _transactions: int = 0

    def deploy(
        self,
        source: str | Path,
        *arguments: Any,
        name: str = "main",
        sender: str | bytes | None = None,
    ) -> Deployed:
        """Deploy a file, or a text of more than one line, and run its @init.

        Raises CallFailed; a text that the check refuses is an AssertionError with every reason.
        """
        if name in self.contracts:
            raise AssertionError(f"a contract is already deployed under the name {name!r}")
        text = source if isinstance(source, str) and "\n" in source else self._read(source)
        deployed = Deployed(self, name, _read_contract(text))
        method = deployed.abi.init
        wire = self._encode(deployed, method, arguments) if method else arguments
        who = self.address(self.sender if sender is None else sender)
        outcome = self.machine.deploy(
            self._overlay, name, text, who, context=self._make_context(), sender=who,
            init_arguments=wire, transaction_id=self._take_id(),
            gas_limit=self.gas_limit + get_deploy_price(text, get_schedule(VM_VERSION)),
        )  # fmt: skip
        self.contracts[name] = deployed
        try:
            self._read_outcome(method or "deploy", outcome)
        except CallFailed:
            del self.contracts[name]
            raise
        return deployed

    def call(self, method: str, *arguments: Any, sender: str | bytes | None = None) -> Any:
        """Call the contract deployed first; see Deployed.call."""
        return self._get_first().call(method, *arguments, sender=sender)

    def view(self, method: str, *arguments: Any, sender: str | bytes | None = None) -> Any:
        """Call the contract deployed first and drop what it wrote."""
        return self._get_first().view(method, *arguments, sender=sender)

    @contextmanager
    def reverts(self, code: str) -> Iterator[None]:
        """The block must end in a revert with ``code``: ``with contract.reverts("amount"):``."""
        yield from _expect(STATUS_REVERTED, code)

    @contextmanager
    def fails(self, status: str, code: str) -> Iterator[None]:
        """As ``reverts`` for any status: ``contract.fails("fault", "overflow")``."""
        yield from _expect(status, code)

    def address(self, who: str | bytes) -> Address:
        """Return the address that a label, 0x and hex, or 32 bytes stand for."""
        return Address(who) if isinstance(who, bytes) else parse_sender(who)

    def advance(self, seconds: int = 0, blocks: int = 0) -> None:
        """Move the block's time and height on."""
        if seconds < 0 or blocks < 0:
            raise ValueError("time and height only go forward")
        self.time += seconds
        self.height += blocks

    def fresh(self) -> ContractChain:
        """Return another chain, empty, that shares nothing with this one but compiled code."""
        return ContractChain(self.folder, self.machine)

    def run(
        self,
        deployed: Deployed,
        method: str,
        arguments: tuple[Any, ...],
        sender: str | bytes | None,
        *,
        keep: bool,
    ) -> Any:
        """Run one call of ``deployed``; see Deployed.call and Deployed.view."""
        call = Call(deployed.name, method, self._encode(deployed, method, arguments))
        who = self.address(self.sender if sender is None else sender)
        overlay = self._overlay if keep else Overlay(self._overlay)
        outcome = self.machine.run_calls(
            overlay, self._make_context(), self._take_id(), who, (call,), self.gas_limit
        )
        if keep:
            self._read_outcome(method, outcome)
        elif outcome.status != STATUS_OK:
            raise CallFailed(method, outcome)
        return make_readable(deployed.abi.get_function(method).returns, outcome.values[0])

    def _encode(self, deployed: Deployed, method: str, arguments: tuple[Any, ...]) -> Any:
        """Return wire arguments; raises AbiError where one does not fit: the test is wrong."""
        values = deployed.abi.arguments_from_literals(method, list(arguments))
        for value in values:
            check_value(value)
        return values

    def _read_outcome(self, method: str, outcome: CallsOutcome) -> None:
        self.gas, self.events = outcome.gas, []
        if outcome.status != STATUS_OK:
            raise CallFailed(method, outcome)
        for event in outcome.events:
            kind = self.contracts[event.contract].contract.records[event.name]
            values = make_readable(kind, event.values)
            self.events.append(SeenEvent(event.contract, event.name, values))

    def _make_context(self) -> BlockContext:
        return BlockContext(ZERO_HASH, self.height, self.time, 0, Address(ZERO_HASH))

    def _take_id(self) -> bytes:
        self._transactions += 1
        return self._transactions.to_bytes(32, "big")

    def _read(self, path: str | Path) -> str:
        # As bytes: what an editor put at the ends of lines is the check's to judge.
        return (self.folder / path).read_bytes().decode("latin-1")

    def _get_first(self) -> Deployed:
        if not self.contracts:
            raise AssertionError("deploy a contract first")
        return next(iter(self.contracts.values()))


@lru_cache(maxsize=64)
def _read_contract(text: str) -> Contract:
    """Return what a text declares; cached, since a property deploys it again for each example."""
    problems = check_source(text)
    reasons = [f"{item.line}:{item.column} {item.code} {item.message}" for item in problems]
    if reasons:
        raise AssertionError("the check refuses this contract:\n" + "\n".join(reasons))
    return compile_source(text, get_schedule(VM_VERSION)).contract


def _expect(status: str, code: str) -> Iterator[None]:
    try:
        yield
    except CallFailed as failed:
        if (failed.status, failed.code) != (status, code):
            raise NotRefused(f"waited for {status} {code!r}: {failed}") from failed
    else:
        raise NotRefused(f"waited for {status} {code!r}, but nothing was refused")
