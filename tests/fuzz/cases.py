"""A case: contracts, transactions, and what came of them on the VM and on the reference.

A case is one line of text (a Python literal), so that another interpreter, a shrinker or
a named test can take it. An observation is plain data too: two that differ are a bug.
"""

import ast
import hashlib
from dataclasses import dataclass
from typing import Any

from primitives.hashing import ZERO_HASH, Address, Tag, compute_hash
from primitives.transaction import Call
from tests.fuzz.reference.prices import price_of_text
from tests.fuzz.reference.world import World
from vm.compiler import compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.language import is_name_allowed
from vm.machine import DEPLOY_GAS_LIMIT, BlockContext, Machine
from vm.outcome import FAULT_CODES, Rejected
from vm.state import MemoryReader, Overlay

HEIGHT, TIME_S, TRANSACTION = 7, 1_700_000_000, hashlib.sha256(b"transaction").digest()
NEW_BLOCK = -1
"""As the sender of a transaction: a block ends here, and its writes become the state below."""
STATUSES = {"ok", "reverted", "fault", "out-of-gas", "rejected"}
_CONTEXT = BlockContext(ZERO_HASH, HEIGHT, TIME_S, 0, Address(ZERO_HASH))


@dataclass(frozen=True)
class Case:
    """``contracts``: (name, source, init arguments). ``transactions``: (sender, gas, calls),
    a call being (contract, method, wire arguments)."""

    contracts: tuple[tuple[str, str, list[Any]], ...]
    transactions: tuple[tuple[int, int, list[tuple[str, str, list[Any]]]], ...]

    def to_line(self) -> str:
        return repr((self.contracts, self.transactions))

    @staticmethod
    def from_line(line: str) -> "Case":
        return Case(*ast.literal_eval(line))


def sender_of(number: int) -> bytes:
    return hashlib.sha256(b"sender %d" % number).digest()


def observe(case: Case, machine: Machine) -> list[Any]:
    """What the VM makes of a case: the outcome of each step, then the state."""
    overlay = Overlay(MemoryReader())
    seen: list[Any] = []
    for name, source, arguments in case.contracts:
        outcome = machine.deploy(
            overlay, name, source, Address(sender_of(0)), context=_CONTEXT,
            sender=Address(sender_of(0)), init_arguments=arguments, transaction_id=TRANSACTION,
        )  # fmt: skip
        seen.append(_row(outcome, None))
    base: dict[bytes, bytes] = {}
    for sender, gas, calls in case.transactions:
        if sender == NEW_BLOCK:
            base = _fold(base, overlay)
            overlay = Overlay(MemoryReader(base))
            continue
        made = [Call(*call) for call in calls]
        address = Address(sender_of(sender))
        outcome = machine.run_calls(overlay, _CONTEXT, TRANSACTION, address, made, gas)
        seen.append(_row(outcome, machine._runtime.meter.memory))
    state = {key: value for key, value in (base | overlay.writes).items() if key[0] != 0}
    return [*seen, sorted(state.items())]


def _fold(base: dict[bytes, bytes], overlay: Overlay) -> dict[bytes, bytes]:
    """The state after a block: what is deleted is gone, and no scan steps over it any more."""
    return {key: value for key, value in (base | overlay.writes).items() if value is not None}


def _row(outcome: Any, memory: int | None) -> Any:
    """An outcome with the memory left; in a failed transaction the order of steps decides that."""
    events = [(event.contract, event.name, event.values) for event in outcome.events]
    row = (outcome.status, outcome.code, outcome.gas, outcome.failed_call)
    return (*row, outcome.values, tuple(events), memory if outcome.status == "ok" else None)


def check(source: str, machine: Machine | None = None, vm_version: int = VM_VERSION) -> Any:
    """The checked contract of ``source``, or the code of the first reason to refuse it.

    What ``machine`` has compiled already is not compiled again: a checked tree is only read.
    """
    if machine is not None and source.isascii():
        program = machine._programs.get(compute_hash(Tag.CONTRACT_CODE, source.encode()))
        if program is not None:
            return program.contract
    try:
        return compile_source(source, get_schedule(vm_version)).contract
    except Rejected as refusal:
        return refusal.code


def refer(case: Case, machine: Machine | None = None, vm_version: int = VM_VERSION) -> list[Any]:
    """What the reference makes of a case, in the form of ``observe``."""
    prices = get_schedule(vm_version)
    world = World(prices, HEIGHT, TIME_S, TRANSACTION)
    seen: list[Any] = []
    for name, source, arguments in case.contracts:
        price = price_of_text(source, prices)
        refusal = None
        if price > DEPLOY_GAS_LIMIT:
            seen.append(("out-of-gas", "out-of-gas", DEPLOY_GAS_LIMIT, 0, (), (), None))
            continue
        if not is_name_allowed(name) or name == "system":
            refusal = "contract-name"
        elif name in world.contracts:
            refusal = "contract-exists"
        elif isinstance(checked := check(source, machine, vm_version), str):
            refusal = checked
        if refusal is not None:
            seen.append(("rejected", refusal, price, None, (), (), None))
            continue
        outcome = world.deploy(name, source, checked, sender_of(0), arguments, DEPLOY_GAS_LIMIT)
        seen.append(_row_of_reference(outcome, None))
    for sender, gas, calls in case.transactions:
        if sender == NEW_BLOCK:
            world.state = {key: entry for key, entry in world.state.items() if entry is not None}
            continue
        outcome = world.transact(sender_of(sender), calls, gas)
        seen.append(_row_of_reference(outcome, world.purse.memory))
    state = {key: None if entry is None else entry[0] for key, entry in world.state.items()}
    return [*seen, sorted(state.items())]


def _row_of_reference(outcome: Any, memory: int | None) -> Any:
    row = (outcome.status, outcome.code, outcome.gas, outcome.failed_call)
    return (*row, outcome.values, outcome.events, memory if outcome.status == "ok" else None)


def find_leak(seen: list[Any]) -> str | None:
    """Why an observation has what no receipt may have, None when it has not."""
    for status, code, *_ in seen[:-1]:
        if status not in STATUSES:
            return f"status {status!r}"
        if status == "fault" and (code not in FAULT_CODES or code == "internal"):
            return f"fault {code!r}"
        if (
            (status == "ok" and code)
            or (status not in ("ok", "reverted") and not code)
            or (status == "out-of-gas" and code != status)
        ):
            return f"{status} with {code!r}"
        # A contract's own code is a text that stands in its source, or made by it.
        if status == "rejected" and not code.replace("-", "").isalpha():
            return f"rejected {code!r}"
    return None


def digest(seen: list[Any]) -> str:
    """One short text for an observation."""
    return hashlib.sha256(repr(seen).encode("utf-8", "backslashreplace")).hexdigest()[:32]


def compare(
    case: Case,
    machine: Machine,
    seen: list[Any] | None = None,
    vm_version: int = VM_VERSION,
) -> str | None:
    """Return what the two evaluators make of a case differently, None when nothing.

    ``seen`` is what the VM made of it, if that is known already; ``vm_version`` the machine's.
    """
    seen = observe(case, machine) if seen is None else seen
    leak = find_leak(seen)
    if leak is not None:
        return f"{leak} ({machine.internal_fault})"
    reference = refer(case, machine, vm_version)
    for index, (one, other) in enumerate(zip(seen, reference, strict=True)):
        if repr(one) != repr(other):
            return f"step {index}: the VM {one!r:.600}, the reference {other!r:.600}"
    return None
