"""A chain in memory for tests: genesis, one block for each transaction, views. No network."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from primitives.block import EVENT, RECEIPT, Event, Receipt
from primitives.codec import Value
from primitives.evidence import Evidence
from primitives.genesis import Genesis
from primitives.hashing import Address, Hash, TransactionId
from primitives.keys import PrivateKey
from primitives.params import ChainParams, compute_epoch
from primitives.transaction import Call, Transaction, TransactionBody, make_nonce
from primitives.validators import Validator, ValidatorSet
from tools.genesis_files import load_contracts
from vm.executor import BlockInputs, BlockOutcome, execute_block, execute_genesis
from vm.genesis_builder import (
    Accreditation,
    Administration,
    Member,
    build_genesis,
    derive_development_key,
)
from vm.machine import BlockContext, Machine

START_SECONDS = 1_700_000_000
DAY = 24 * 3600
HASH = bytes(range(32))
FOREST = Accreditation("forest", START_SECONDS - DAY, START_SECONDS + 1000 * DAY)
IMPORT = Accreditation("import:ACR", START_SECONDS - DAY, START_SECONDS + 1000 * DAY)
CALIBRATION = Accreditation("calibration", START_SECONDS - DAY, START_SECONDS + 1000 * DAY)

PLAN: tuple[tuple[str, tuple[str, ...], tuple[Accreditation, ...]], ...] = (
    ("regulator", ("regulator",), ()),
    ("regulator-two", ("regulator",), ()),
    ("registry", ("registry",), (FOREST, IMPORT)),
    ("owner", ("project-owner",), ()),
    ("verifier", ("verifier",), (FOREST,)),
    ("alice", ("enterprise",), (IMPORT,)),
    ("bob", ("enterprise",), ()),
    ("bank", ("bank",), ()),
    ("metering", ("enterprise",), ()),
    ("laboratory", ("laboratory",), (CALIBRATION,)),
)


MACHINE = Machine()
"""Shared as in a process: the contracts are compiled once. Outcomes do not depend on it."""


class MemoryState:
    """A StateReader that blocks are applied to."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        start = bisect_left(self._keys, prefix)
        if after is not None and after >= prefix:
            start = bisect_right(self._keys, after)
        rows = [(key, self.values[key]) for key in self._keys[start : start + limit]]
        return [row for row in rows if row[0].startswith(prefix)]

    def apply(self, writes: dict[bytes, bytes | None]) -> None:
        for key, value in writes.items():
            if value is None:
                if self.values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self.values:
                    insort(self._keys, key)
                self.values[key] = value


def key_of(organisation: str) -> PrivateKey:
    return derive_development_key(organisation)


def address_of(organisation: str) -> Address:
    return key_of(organisation).public_key


def make_members() -> tuple[Member, ...]:
    return tuple(
        Member(name, name.title(), "CN", roles, (address_of(name),), scopes)
        for name, roles, scopes in PLAN
    )


def make_genesis(
    params: ChainParams | None = None,
    administration: Administration | None = None,
    members: Sequence[Member] | None = None,
) -> Genesis:
    regulator = address_of("regulator")
    return build_genesis(
        "test",
        START_SECONDS * 1000,
        ValidatorSet(tuple(Validator(f"v{n}", address_of(f"node-{n}")) for n in range(4))),
        params or ChainParams(epoch_blocks=10),
        make_members() if members is None else members,
        administration or Administration((regulator,), 1, (regulator,), 0),
        load_contracts(),
    )


class Chain:
    """State, height and time; every ``send`` is a block of one transaction."""

    def __init__(self, genesis: Genesis | None = None, machine: Machine | None = None) -> None:
        self.genesis = genesis or make_genesis()
        self.machine = machine or MACHINE
        outcome = execute_genesis(self.machine, self.genesis)
        self.state = MemoryState()
        self.state.apply(outcome.writes)
        self.params, self.validators = outcome.next_params, outcome.next_validators
        self.height = 0
        self.time = START_SECONDS
        self.nonce = 0
        self.events: list[Event] = []

    def make(self, sender: str | Address, *calls: Call, gas: int = 2_000_000) -> Transaction:
        """Return a transaction as if verified: what is under test is what comes after."""
        self.nonce += 1
        address = address_of(sender) if isinstance(sender, str) else sender
        body = TransactionBody(
            1, Hash(bytes(32)), address, make_nonce(self.nonce), self.height + 100, gas, calls
        )
        return Transaction(TransactionId(self.nonce.to_bytes(32, "big")), body, b"")

    def context(self) -> BlockContext:
        epoch = compute_epoch(self.height, self.params.epoch_blocks)
        return BlockContext(Hash(bytes(32)), self.height, self.time, epoch, address_of("node-0"))

    def run(
        self,
        *transactions: Transaction,
        parent_view: int = 0,
        evidence: Sequence[Evidence] = (),
    ) -> tuple[list[Receipt], BlockOutcome]:
        self.height += 1
        self.time += 1
        inputs = BlockInputs(self.context(), transactions, parent_view, evidence)
        outcome = execute_block(self.machine, self.state, inputs, self.params, self.validators)
        self.state.apply(outcome.writes)
        self.params, self.validators = outcome.next_params, outcome.next_validators
        self.events = [EVENT.decode(item) for item in outcome.events]
        return [RECEIPT.decode(item) for item in outcome.receipts], outcome

    def send(self, sender: str | Address, contract: str, method: str, *arguments: Value) -> Receipt:
        receipts, _ = self.run(self.make(sender, Call(contract, method, arguments)))
        return receipts[0]

    def ok(self, sender: str | Address, contract: str, method: str, *arguments: Value) -> Any:
        receipt = self.send(sender, contract, method, *arguments)
        assert (receipt.status, receipt.code) == ("ok", ""), (method, receipt)
        return receipt.values[0]

    def refused(
        self, code: str, sender: str | Address, contract: str, method: str, *arguments: Value
    ) -> None:
        """The call reverts with ``code`` and leaves no trace but gas."""
        before = {k: v for k, v in self.state.values.items() if not k.startswith(b"\0gas")}
        receipt = self.send(sender, contract, method, *arguments)
        assert (receipt.status, receipt.code) == ("reverted", code), (method, receipt)
        after = {k: v for k, v in self.state.values.items() if not k.startswith(b"\0gas")}
        assert before == after

    def view(self, contract: str, method: str, *arguments: Value) -> Any:
        outcome = self.machine.view(
            self.state, self.context(), address_of("bob"), Call(contract, method, arguments)
        )
        assert outcome.status == "ok", (method, outcome)
        return outcome.values[0]

    def view_refused(self, code: str, contract: str, method: str, *arguments: Value) -> None:
        outcome = self.machine.view(
            self.state, self.context(), address_of("bob"), Call(contract, method, arguments)
        )
        assert (outcome.status, outcome.code) == ("reverted", code), (method, outcome)

    def issue(self, batch: str = "b1", kg: int = 1000, buffer_kg: int = 0, start: int = 0) -> None:
        """Attest and issue ``kg`` of ``batch`` to ``owner``."""
        report = f"report-{self.nonce}"
        self.ok("verifier", "units", "attest", report, "project", 2024, "forest", kg, "owner", HASH)
        self.ok("registry", "units", "issue", batch, report, start, start + kg, kg, buffer_kg)


def with_params(**changes: int) -> ChainParams:
    return replace(ChainParams(epoch_blocks=10), **changes)
