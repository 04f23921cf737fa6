"""Clients that move units about with signed transactions and remember what they were told.

Each has a range of serials of its own and moves it from holder to holder, the next
move only when the last one is final or certainly expired: so every final transfer must
have succeeded, or somebody was told something untrue. They resend the same bytes to
other nodes when one does not answer, as careful clients do.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from primitives.genesis import Genesis, compute_chain_id
from primitives.transaction import (
    TRANSACTION_VERSION,
    Call,
    Transaction,
    TransactionBody,
    make_nonce,
    sign_transaction,
)
from tools.simulator.whole.chain import HOLDERS, OWNER, REGISTRY, VERIFIER
from tools.simulator.whole.machine import Machine, UnreachableError
from vm.genesis_builder import derive_development_key

BATCH, SERIALS = "b1", 1_000
VALID_BLOCKS = 25
GAS_LIMIT = 2_000_000
WAIT_MS = 1_500
DUPLICATE_CHANCE = 0.2
"""So often a transaction is handed to two nodes at once."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A client was told that this is final."""

    id: bytes
    height: int
    index: int


class World(Protocol):
    """The run, as a client sees it."""

    genesis: Genesis
    seed: int
    acknowledged: list[Acknowledged]
    is_closing: bool

    def get_machines(self) -> Sequence[Machine]:
        """Return the machines that clients trust."""
        ...

    def note(self, text: str) -> None:
        """Write a line of history."""
        ...

    def fail(self, what: str, **details: object) -> None:
        """Report a breach."""
        ...


class Client:
    """See the module."""

    def __init__(self, world: World, number: int) -> None:
        self._world, self.number = world, number
        self._rng = random.Random(f"client/{world.seed}/{number}")
        self._chain_id = compute_chain_id(world.genesis)
        self._nonce = number << 32
        self._holder = OWNER
        self.moves = 0
        self.expired = 0

    async def prepare(self, kilograms: int) -> None:
        """Have a batch of units issued, once for all clients."""
        evidence = bytes(range(32))
        attest = Call(
            "units", "attest",
            ("report", "project", 2023, "forest", kilograms, OWNER, evidence),
        )  # fmt: skip
        issue = Call("units", "issue", (BATCH, "report", 0, kilograms, kilograms, 0))
        for sender, call in ((VERIFIER, attest), (REGISTRY, issue)):
            while not await self._settle(sender, call):
                pass

    async def run(self) -> None:
        """Move our serials until the run closes."""
        start = (self.number - 1) * SERIALS
        while not self._world.is_closing:
            await asyncio.sleep(self._rng.uniform(0.01, 0.6))
            others = [holder for holder in HOLDERS if holder != self._holder]
            taker = self._rng.choice(others)
            call = Call("units", "transfer", (BATCH, start, start + SERIALS, taker))
            if await self._settle(self._holder, call):
                self._holder = taker
                self.moves += 1
            else:
                self.expired += 1

    async def _settle(self, sender: str, call: Call) -> bool:
        """Return whether it became final; False when it certainly never will."""
        valid_until = await self._ask_height() + VALID_BLOCKS
        transaction = self._sign(sender, call, valid_until)
        shown = "0x" + transaction.id.hex()
        self._world.note(f"client {self.number} signs {shown[:10]} until {valid_until}")
        while True:
            machine = self._pick()
            try:
                if self._rng.random() < DUPLICATE_CHANCE:
                    await asyncio.gather(
                        self._submit(machine, transaction), self._submit(self._pick(), transaction)
                    )
                else:
                    await self._submit(machine, transaction)
                waiter = machine if self._rng.random() < 0.7 else self._pick()
                height = await _get_height(waiter)
                timeout_ms = 0 if height >= valid_until else WAIT_MS
                answer = await waiter.call("tx_wait", {"id": shown, "timeoutMs": timeout_ms})
            except UnreachableError:
                await asyncio.sleep(self._rng.uniform(0.05, 0.3))
                continue
            if answer.get("final"):
                self._take(transaction, answer)
                return True
            if height >= valid_until and "error" not in answer:
                # Every block that might have held it is on that node's disk.
                self._world.note(f"client {self.number}: {shown[:10]} expired")
                return False
            await asyncio.sleep(0.02)

    def _take(self, transaction: Transaction, answer: dict[str, Any]) -> None:
        height, index = int(answer["height"]), int(answer["index"])
        self._world.acknowledged.append(Acknowledged(transaction.id, height, index))
        self._world.note(f"client {self.number}: {transaction.id.hex()[:8]} final at {height}")
        status = answer["receipt"]["status"]
        if status != "ok":
            self._world.fail(
                "a transfer failed that nobody else could have made",
                client=self.number, receipt=answer["receipt"],
            )  # fmt: skip

    async def _submit(self, machine: Machine, transaction: Transaction) -> None:
        await machine.call("tx_submit", {"transaction": "0x" + transaction.encoded.hex()})

    async def _ask_height(self) -> int:
        while True:
            try:
                return await _get_height(self._pick())
            except UnreachableError:
                await asyncio.sleep(0.1)

    def _pick(self) -> Machine:
        return self._rng.choice(self._world.get_machines())

    def _sign(self, sender: str, call: Call, valid_until: int) -> Transaction:
        key = derive_development_key(sender)
        self._nonce += 1
        body = TransactionBody(
            TRANSACTION_VERSION, self._chain_id, key.public_key, make_nonce(self._nonce),
            valid_until, GAS_LIMIT, (call,),
        )  # fmt: skip
        return sign_transaction(body, key)


async def _get_height(machine: Machine) -> int:
    answer = await machine.call("chain_status", {})
    return int(answer["height"])
