"""What bench/vm.py times: blocks of transfers, empty calls, a loop, and what they are held against.

Every case is prepared once and then run over and over on the same state, so that each
run does the same work. Nothing is timed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primitives.block import ExecutionResult
from primitives.codec import pack
from primitives.genesis import Genesis
from primitives.hashing import ZERO_HASH, Address, Hash, TransactionId
from primitives.keys import PrivateKey, verify
from primitives.params import ChainParams
from primitives.transaction import Call, Transaction, TransactionBody, make_nonce
from primitives.validators import Validator, ValidatorSet
from storage.chain import ChainStore, GenesisRecord
from tools.genesis_files import load_contracts
from vm.engine_view import compute_account_key
from vm.executor import BlockInputs, execute_block, execute_genesis
from vm.genesis_builder import (
    Accreditation,
    Administration,
    Member,
    build_genesis,
    derive_development_key,
)
from vm.machine import BlockContext, Machine
from vm.state import MemoryReader, Overlay, StateReader

TIME_S = 1_700_000_000
BLOCK = 200
"""Transactions in a block, verifications and calls in a run."""
LOT_KG = 1_000
GAS = 200_000
VALIDATORS = ValidatorSet(tuple(Validator(f"v{n}", Address(bytes([n]) * 32)) for n in range(4)))
PARAMS = ChainParams(epoch_blocks=100, gas_allowance=1 << 60)

REFERENCE = '''"""The transfer of design/vm.md: role check, 3 reads, 2 writes, 1 event."""
from vm import Address, Map, Var, ctx, emit, event, export, init, require

@event
class Moved:
    sender: Address
    to: Address
    amount: int

roles = Map[Address, str](default="")
balances = Map[Address, int](default=0)

@init
def create(owner: Address) -> None:
    roles[owner] = "trader"
    balances[owner] = 1000000

@export
def transfer(to: Address, amount: int) -> None:
    require(roles[ctx.sender] == "trader", "role")
    left = balances[ctx.sender] - amount
    require(0 < amount and left >= 0, "amount")
    balances[ctx.sender] = left
    balances[to] += amount
    emit(Moved(ctx.sender, to, amount))

@export
def nothing() -> None:
    pass
'''

LOOP = """
def loop(count: int) -> int:
    total = 0
    seen = [0, 0, 0, 0, 0, 0, 0]
    for i in range(count):
        rest = i % 7
        if rest < 3:
            total += i * rest
        else:
            total -= rest
        seen[rest] = total
    return total + seen[3]
"""
LOOP_TURNS = 20_000
LOOP_GAS = 40_000_000
"""A block's: no transaction ever has more, and small ints are quicker than large ones."""


@dataclass(frozen=True, slots=True)
class Case:
    """``run`` does ``count`` of whatever ``name`` says."""

    name: str
    count: int
    run: Callable[[], object]


def make_verification() -> Case:
    """Ed25519 by PyNaCl over a message of a transaction's size."""
    key = PrivateKey.from_seed(b"\x01" * 32)
    signed = [(m, key.sign(m)) for m in (number.to_bytes(200, "big") for number in range(BLOCK))]

    def run() -> None:
        for message, signature in signed:
            assert verify(key.public_key, message, signature)

    return Case("verification", BLOCK, run)


def make_small() -> tuple[Case, Case]:
    """Return the reference transfer as a block through the executor, and the empty call."""
    machine, owner = Machine(), derive_development_key("owner").public_key
    overlay = Overlay(MemoryReader())
    outcome = machine.deploy(
        overlay, "small", REFERENCE, owner, context=_make_context(1), sender=owner,
        init_arguments=(owner,),
    )  # fmt: skip
    assert outcome.status == "ok", outcome
    overlay.put(compute_account_key(owner), pack("organisation"))
    reader = MemoryReader({key: value for key, value in overlay.writes.items() if value})
    takers = [bytes([number, 7]) * 16 for number in range(BLOCK)]
    calls = [Call("small", "transfer", (taker, 5)) for taker in takers]
    nothing = (Call("small", "nothing", ()),)

    def run_empty() -> None:
        empty, context = Overlay(reader), _make_context(2)
        for _ in range(BLOCK):
            machine.run_calls(empty, context, ZERO_HASH, owner, nothing, GAS)

    return (
        make_block("transfer", machine, reader, owner, calls),
        Case("empty call", BLOCK, run_empty),
    )


def make_units_state() -> dict[bytes, bytes]:
    """Return the state of a chain whose ``owner`` holds BLOCK lots of one batch."""
    machine = Machine()
    state = dict(execute_genesis(machine, make_genesis()).writes)
    overlay = Overlay(MemoryReader({key: value for key, value in state.items() if value}))
    kg = BLOCK * LOT_KG
    _send(machine, overlay, "verifier", "attest",
          "report", "project", 2024, "forest", kg, "owner", b"h" * 32)  # fmt: skip
    for start in range(0, kg, LOT_KG):
        end = start + LOT_KG
        _send(machine, overlay, "registry", "issue", "batch", "report", start, end, LOT_KG, 0)
    state |= overlay.writes
    return {key: value for key, value in state.items() if value is not None}


def make_units(name: str, reader: StateReader) -> Case:
    """Return a block of real ``units.transfer``, each of a whole lot, on that state."""
    owner = derive_development_key("owner").public_key
    calls = [
        Call("units", "transfer", ("batch", start, start + LOT_KG, "alice"))
        for start in range(0, BLOCK * LOT_KG, LOT_KG)
    ]
    return make_block(name, Machine(), reader, owner, calls)


def put_on_disk(state: dict[bytes, bytes], folder: Path, stack: ExitStack) -> StateReader:
    """Return a view of a LevelDB store with ``state``, as the execution worker has it."""
    chain = stack.enter_context(ChainStore.open(folder, Hash(ZERO_HASH)))
    change = chain.compute_state(dict(state))
    result = ExecutionResult(0, change.root, ZERO_HASH, ZERO_HASH, 0, ZERO_HASH, ZERO_HASH)
    chain.commit_genesis(GenesisRecord(TIME_S * 1_000, result, [], [], change, dict(state)))
    return stack.enter_context(chain.view())


def make_block(
    name: str, machine: Machine, reader: StateReader, sender: Address, calls: Sequence[Call]
) -> Case:
    """Return the case of one block with a transaction for each call; all must succeed."""
    transactions = [
        Transaction(
            TransactionId(number.to_bytes(32, "big")),
            TransactionBody(1, Hash(ZERO_HASH), sender, make_nonce(number), 100, GAS, (call,)),
            b"",
        )
        for number, call in enumerate(calls)
    ]

    inputs = BlockInputs(_make_context(2), transactions)

    def run() -> Any:
        return execute_block(machine, reader, inputs, PARAMS, VALIDATORS)

    events = run().events
    assert len(events) == len(transactions), "a transaction of the benchmark failed"
    return Case(name, len(transactions), run)


def make_loops() -> tuple[Case, Case]:
    """Return the loop in a contract and the same text as plain Python."""
    source = f"from vm import export\n\n@export{LOOP}"
    machine, sender = Machine(), Address(ZERO_HASH)
    overlay, context = Overlay(MemoryReader()), _make_context(1)
    outcome = machine.deploy(overlay, "loops", source, sender, context=context, sender=sender)
    assert outcome.status == "ok", outcome
    namespace: dict[str, Any] = {}
    exec(LOOP, namespace)
    call = (Call("loops", "loop", (LOOP_TURNS,)),)

    def run_contract() -> None:
        outcome = machine.run_calls(overlay, context, ZERO_HASH, sender, call, LOOP_GAS)
        assert outcome.values == (expected,)

    expected = namespace["loop"](LOOP_TURNS)
    return (
        Case("loop", LOOP_TURNS, run_contract),
        Case("plain loop", LOOP_TURNS, lambda: namespace["loop"](LOOP_TURNS)),
    )


def make_genesis() -> Genesis:
    """Return a chain with one member of each kind that a transfer needs."""
    scope = (Accreditation("forest", TIME_S - 1_000, TIME_S + 1_000_000),)
    plan = (
        ("regulator", ("regulator",), ()), ("registry", ("registry",), scope),
        ("verifier", ("verifier",), scope), ("owner", ("project-owner",), ()),
        ("alice", ("enterprise",), ()),
    )  # fmt: skip
    members = tuple(
        Member(name, name, "CN", roles, (derive_development_key(name).public_key,), scopes)
        for name, roles, scopes in plan
    )
    regulator = derive_development_key("regulator").public_key
    administration = Administration((regulator,), 1, (regulator,), 0)
    return build_genesis(
        "bench", TIME_S * 1_000, VALIDATORS, PARAMS, members, administration, load_contracts()
    )


def make_transfer(machine: Machine, reader: StateReader) -> Case:
    """Return the first of ``make_units``' transactions alone; its first run is now."""
    owner = derive_development_key("owner").public_key
    call = Call("units", "transfer", ("batch", 0, LOT_KG, "alice"))
    return make_block("one transfer", machine, reader, owner, [call])


def load_source(name: str) -> str:
    """Return the source of a shipped contract."""
    path = Path(__file__).resolve().parents[1] / "vm" / "contracts" / f"{name}.py"
    return path.read_text("ascii")


def _send(machine: Machine, overlay: Overlay, sender: str, method: str, *arguments: Any) -> None:
    call = Call("units", method, arguments)
    key = derive_development_key(sender).public_key
    outcome = machine.run_calls(overlay, _make_context(1), ZERO_HASH, key, (call,), 1 << 40)
    assert outcome.status == "ok", (method, outcome)


def _make_context(height: int) -> BlockContext:
    return BlockContext(Hash(ZERO_HASH), height, TIME_S + height, 0, Address(ZERO_HASH))
