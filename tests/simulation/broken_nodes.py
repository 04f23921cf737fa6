"""Nodes with one deliberate fault each in driver, sync, mempool, journal or committer.

Each names the promise that it breaks; the simulator of whole nodes must find it within
SEEDS_MAX seeds of the profile named. ``put`` replaces an attribute until the test ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.effects import Effect, Persist
from consensus.signing import INITIAL_LAST_SIGNED
from node import sync
from node.catchup import FetchedBlock
from node.committed import CommittedState
from node.driver import Driver
from node.execution import Executed, ExecutionWorker
from node.indexer import Indexer
from node.journal import Journal, Replayed
from node.mempool import IdCache, IdState, Mempool
from node.wire import CertifiedBlock
from primitives.block import BLOCK, Block
from primitives.certificate import CERTIFICATE, Certificate
from primitives.hashing import TransactionId
from primitives.transaction import Transaction, decode_transaction
from storage.chain import BlockRecord
from storage.engine import KeyValueStore

Put = Callable[[Any, str, Any], None]

SEEDS_MAX = 40


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault, the profile whose seeds find it, and what the simulator says of it."""

    name: str
    break_it: Callable[[Put], None]
    profile: str
    finding: str


def send_before_persist(put: Put) -> None:
    """What we say is heard before it is on disk: a crash makes us say another thing."""
    honest = Driver._perform

    async def perform(self: Driver, effects: Sequence[Effect], *, is_judged: bool = False) -> None:
        later = [effect for effect in effects if isinstance(effect, Persist)]
        first = [effect for effect in effects if not isinstance(effect, Persist)]
        await honest(self, [*first, *later], is_judged=is_judged)

    put(Driver, "_perform", perform)


def forget_words(put: Put) -> None:
    """A restarted node does not look at what it has said."""

    def replay(self: Journal, from_height: int) -> Replayed:
        return Replayed((), INITIAL_LAST_SIGNED, ())

    put(Journal, "replay", replay)


def import_without_proof(put: Put) -> None:
    """Catch-up takes a block without looking at its certificate and links."""

    def take(served: CertifiedBlock, _chain_id: object, _tip: object) -> FetchedBlock:
        block = BLOCK.decode(served.block)
        received = [decode_transaction(encoded) for encoded in block.transactions]
        transactions = tuple(Transaction(item.id, item.body, item.encoded) for item in received)
        return FetchedBlock(block, CERTIFICATE.decode(served.certificate), transactions)

    put(sync, "verify_fetched", take)


def keep_committed(put: Put) -> None:
    """The pool keeps what a block took, and it is proposed again."""

    def commit(self: Mempool, height: int, ids: Iterable[TransactionId]) -> list[TransactionId]:
        self._height = max(self._height, height)
        return []

    put(Mempool, "commit", commit)


def admit_committed(put: Put) -> None:
    """Nobody remembers which transactions are in blocks already."""

    def remember(self: IdCache, ids: Iterable[TransactionId], state: IdState) -> None:
        honest(self, ids, IdState.VERIFIED)

    honest = IdCache.put
    put(IdCache, "put", remember)
    put(CommittedState, "is_committed", lambda self, transaction_id: False)


class Unsynced:
    """A store that never waits for the disk."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    def write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), *, sync: bool
    ) -> None:
        self._store.write(puts, deletes, sync=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def tell_before_write(put: Put) -> None:
    """Clients hear that a block is final while it is still on its way to the disk."""

    async def commit(
        self: ExecutionWorker,
        block: Block,
        certificate: Certificate,
        executed: Executed,
        ids: Sequence[TransactionId],
    ) -> None:
        record = BlockRecord(
            block=block,
            block_hash=executed.block_hash,
            certificate=certificate,
            result=executed.result,
            receipts=executed.outcome.receipts,
            events=executed.outcome.events,
            change=executed.change,
            writes=executed.outcome.writes,
            transaction_ids=ids,
        )
        if not isinstance(self._chain._store, Unsynced):
            self._chain._store = Unsynced(self._chain._store)
        self._chain.commit(record)

    put(ExecutionWorker, "commit", commit)


def outlive_the_node(put: Put) -> None:
    """A task takes no for an answer."""

    async def run(self: Indexer) -> None:
        while True:
            try:
                await self._notifier.wait_tip()
            except asyncio.CancelledError:
                await asyncio.sleep(3_600)

    put(Indexer, "run", run)


def blame_for_old_blocks(put: Put) -> None:
    """Sync blames a peer for a block that consensus committed while it travelled."""
    honest = sync.Sync._take

    async def take(self: sync.Sync, served: sync._Served) -> bool:
        return await honest(self, sync._Served(served.peer, 1 << 60, served.blocks))

    put(sync.Sync, "_take", take)


BROKEN = (
    Broken("send-before-persist", send_before_persist, "calm", "said before it was on disk"),
    # The signer record in its file is the last guard: it refuses, and that ends the node.
    Broken("forget-words", forget_words, "crashes", "SignerRecordError"),
    # So does the store, which knows what a certificate certifies.
    Broken("import-without-proof", import_without_proof, "liar", "certified block does not fit"),
    Broken("keep-committed", keep_committed, "calm", "a transaction twice"),
    Broken("admit-committed", admit_committed, "lossy", "a transfer failed that nobody else"),
    Broken("tell-before-write", tell_before_write, "restarts", "no progress"),
    Broken("outlive-the-node", outlive_the_node, "calm", "a node does not stop"),
    Broken("blame-for-old-blocks", blame_for_old_blocks, "lossy", "an honest peer was banned"),
)
