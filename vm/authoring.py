"""For those who write contracts: check, run on an empty state, ABI, gas by line.

Pure: text in, values out; the commands are in tools/cli/contract.py. ``Bench`` is
what a test fixture uses to run a contract in microseconds. Source: docs/contracts.md.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from primitives.codec import check_value
from primitives.errors import CarbonodeError, CodecError
from primitives.hashing import ZERO_HASH, Address
from primitives.transaction import Call
from vm.abi import Abi, AbiError
from vm.compiler import check_source, compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.machine import DEFAULT_GAS_LIMIT, BlockContext, Machine
from vm.outcome import (
    STATUS_FAULT,
    STATUS_OK,
    STATUS_OUT_OF_GAS,
    STATUS_REJECTED,
    STATUS_REVERTED,
    CallsOutcome,
    Problem,
)
from vm.pricing import get_deploy_price
from vm.state import MemoryReader, Overlay

CONTRACT_NAME: Final = "main"
CALL_CHARACTERS_MAX: Final = 64 * 1024
LITERAL_DEPTH_MAX: Final = 16
_BARE_ADDRESS: Final = re.compile(r"[0-9a-fA-F]{64}\Z")
_JSON_NAMES: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


class CallTextError(CarbonodeError):
    """Text that is not ``method(literal, ...)``, or a sender that is no address."""

    code = "call-text"


@dataclass(frozen=True, slots=True)
class TextCall:
    """A call as people write it. ``arguments`` are Python literals by position or by name."""

    method: str
    arguments: list[Any] | dict[str, Any]


def parse_sender(text: str) -> Address:
    """Return the address of 64 hex digits, with or without ``0x``, or of a label (its SHA-256)."""
    if _BARE_ADDRESS.match(text):
        return Address(bytes.fromhex(text))
    if text.startswith("0x"):
        try:
            address = bytes.fromhex(text[2:])
        except ValueError:
            raise CallTextError("a sender is 0x and 64 hex digits, or a label") from None
        if len(address) != 32:
            raise CallTextError("an address has 32 bytes", size=len(address))
        return Address(address)
    return Address(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def parse_call(text: str) -> TextCall:
    """Return the call that ``text`` spells; raises CallTextError."""
    if len(text) > CALL_CHARACTERS_MAX:
        raise CallTextError("call text too long", size=len(text))
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise CallTextError("write method(arguments)", text=text[:80])
        if node.keywords and not node.args:
            named = {item.arg or "": _read_literal(item.value) for item in node.keywords}
            return TextCall(node.func.id, named)
        if node.keywords:
            raise CallTextError("arguments by position or by name, not both", text=text[:80])
        return TextCall(node.func.id, [_read_literal(item) for item in node.args])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CallTextError("write method(arguments)", text=text[:80]) from None


def parse_arguments_text(text: str) -> list[Any] | dict[str, Any]:
    """Return the literals of ``a, b, ...``."""
    return parse_call(f"init({text})").arguments


def _read_literal(node: ast.expr, depth: int = LITERAL_DEPTH_MAX) -> Any:
    if depth == 0:
        raise CallTextError("literal nested too deep")
    match node:
        case ast.Constant(value=int() | str() | bytes() | None):
            return node.value
        case ast.Name() if node.id in _JSON_NAMES:
            return _JSON_NAMES[node.id]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
            return -node.operand.value  # type: ignore[attr-defined]  # a Constant, just matched
        case ast.List():
            return [_read_literal(item, depth - 1) for item in node.elts]
        case ast.Tuple():
            return tuple(_read_literal(item, depth - 1) for item in node.elts)
        case ast.Dict():
            entries = zip(node.keys, node.values, strict=True)
            result = {}
            for key, value in entries:
                name = None if key is None else _read_literal(key, depth - 1)
                if not isinstance(name, str | bytes | int):
                    raise CallTextError("a dict's keys are text, bytes or integers")
                result[name] = _read_literal(value, depth - 1)
            return result
    raise CallTextError("only literals: integers, text, bytes, lists, dicts, True, False, None")


class Bench:
    """A contract on an empty state: deploy, then call as anyone."""

    def __init__(self, source: str, *, height: int = 1, time_s: int = 0) -> None:
        self.problems: list[Problem] = check_source(source)
        self.machine = Machine()
        self.overlay = Overlay(MemoryReader())
        self.context = BlockContext(ZERO_HASH, height, time_s, 0, Address(ZERO_HASH))
        self.source = source
        self.abi: Abi | None = None if self.problems else get_abi(source)

    def deploy(
        self,
        arguments: list[Any] | dict[str, Any] | None = None,
        *,
        sender: str = "sender",
        gas_limit: int = DEFAULT_GAS_LIMIT,
    ) -> CallsOutcome:
        """Deploy the contract and run its @init, which has ``gas_limit`` to itself."""
        if self.abi is None:
            return CallsOutcome(STATUS_REJECTED, self.problems[0].code, 0, None, (), ())
        admin = parse_sender(sender)
        values: tuple[Any, ...] = ()
        if self.abi.init is not None:
            try:
                values = self.abi.arguments_from_literals(self.abi.init, arguments or [])
            except AbiError:
                return CallsOutcome(STATUS_FAULT, "arguments", 0, 0, (), ())
        elif arguments:
            return CallsOutcome(STATUS_FAULT, "arguments", 0, 0, (), ())
        return self.machine.deploy(
            self.overlay, CONTRACT_NAME, self.source, admin,
            context=self.context, sender=admin, init_arguments=values,
            gas_limit=gas_limit + get_deploy_price(self.source, get_schedule(VM_VERSION)),
        )  # fmt: skip

    def run(
        self,
        calls: Sequence[TextCall],
        *,
        sender: str = "sender",
        gas_limit: int = DEFAULT_GAS_LIMIT,
    ) -> CallsOutcome:
        """Run ``calls`` as one transaction."""
        encoded = [Call(CONTRACT_NAME, call.method, self._encode_arguments(call)) for call in calls]
        return self.machine.run_calls(
            self.overlay, self.context, hashlib.sha256(b"transaction").digest(),
            parse_sender(sender), encoded, gas_limit,
        )  # fmt: skip

    def call(self, text: str, *, sender: str = "sender", gas_limit: int = DEFAULT_GAS_LIMIT) -> Any:
        """Run one call written as text and return its outcome."""
        return self.run([parse_call(text)], sender=sender, gas_limit=gas_limit)

    def _encode_arguments(self, call: TextCall) -> tuple[Any, ...]:
        """Return wire arguments; what does not fit is left for the VM to refuse."""
        if self.abi is not None and call.method in self.abi.methods:
            try:
                values = self.abi.arguments_from_literals(call.method, call.arguments)
                for value in values:
                    check_value(value)
                return values
            except (AbiError, CodecError):
                return (_UNFIT,) * 33
        return ()


_UNFIT: Final = "arguments that do not fit"


def outcome_to_json(outcome: CallsOutcome, abi: Abi | None, method: str | None) -> dict[str, Any]:
    """Return what ``carbonode contract run`` prints; ``value`` is the last call's."""
    value = None
    if outcome.status == STATUS_OK and outcome.values and abi is not None and method is not None:
        value = abi.result_to_json(method, outcome.values[-1])
    events = [] if abi is None else [abi.event_to_json(event) for event in outcome.events]
    return {
        "status": outcome.status,
        "code": outcome.code,
        "gas": outcome.gas,
        "value": value,
        "events": events,
    }


def run_contract(
    source: str,
    calls: Sequence[TextCall],
    *,
    init_arguments: list[Any] | dict[str, Any] | None = None,
    sender: str = "sender",
    gas_limit: int = DEFAULT_GAS_LIMIT,
    height: int = 1,
    time_s: int = 0,
) -> dict[str, Any]:
    """Deploy ``source`` on an empty state, run ``calls`` as one transaction, tell what came.

    ``gas_limit`` is that of the calls: @init, in a transaction of its own before theirs,
    has at least the default, so that a run repeated with the gas it used ends the same.
    """
    bench = Bench(source, height=height, time_s=time_s)
    init_limit = max(gas_limit, DEFAULT_GAS_LIMIT) if calls else gas_limit
    deployed = bench.deploy(init_arguments, sender=sender, gas_limit=init_limit)
    if deployed.status != STATUS_OK or not calls:
        init = None if bench.abi is None else bench.abi.init
        told = outcome_to_json(deployed, bench.abi, init)
        if deployed.status in (STATUS_OUT_OF_GAS, STATUS_REVERTED, STATUS_FAULT):
            # What @init used of its limit: the price of storing the text is not part of it.
            price = get_deploy_price(source, get_schedule(VM_VERSION))
            told["gas"] = max(0, deployed.gas - price)
        return told
    outcome = bench.run(calls, sender=sender, gas_limit=gas_limit)
    return outcome_to_json(outcome, bench.abi, calls[-1].method)


def get_abi(source: str) -> Abi:
    """Return the ABI of ``source``; raises Rejected."""
    return Abi(compile_source(source, get_schedule(VM_VERSION)).contract)


def get_gas_by_line(source: str) -> list[tuple[int, int]]:
    """Return (line, gas) of each basic block, by line; raises Rejected."""
    prices: dict[int, int] = {}
    for line, price in compile_source(source, get_schedule(VM_VERSION)).blocks:
        prices[line] = prices.get(line, 0) + price
    return sorted(prices.items())
