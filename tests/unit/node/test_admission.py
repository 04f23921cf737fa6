"""The gate of the pool: each check, each signature once, and what happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from node.admission import Admission
from node.mempool import IdCache, IdState, Mempool, MempoolLimits
from node.metrics import Metrics
from node.refusal import RefusalReason
from node.signatures import SignatureVerifier
from primitives.genesis import compute_chain_id
from primitives.hashing import Address, TransactionId
from primitives.params import ChainParams
from primitives.transaction import Transaction, decode_transaction
from tests.unit.node.support import MEMBER, STRANGER, TEST_PARAMS, Signer, make_genesis

GENESIS = make_genesis()


@dataclass(slots=True)
class Rules:
    """A committed state in memory."""

    height: int = 10
    params: ChainParams = TEST_PARAMS
    committed: set[TransactionId] = field(default_factory=set)

    def is_member(self, sender: Address) -> bool:
        return sender == MEMBER.public_key

    def is_committed(self, transaction_id: TransactionId) -> bool:
        return transaction_id in self.committed


@dataclass(slots=True)
class Gate:
    rules: Rules
    mempool: Mempool
    ids: IdCache
    metrics: Metrics
    admission: Admission
    admitted: list[Transaction]

    async def submit(self, *encoded: bytes) -> list[RefusalReason | None]:
        verdicts = await self.admission.submit(encoded, "rpc")
        return [item.refusal.reason if item.refusal else None for item in verdicts]

    def count_verified(self) -> float:
        value = self.metrics.registry.get_sample_value("carbonode_signatures_verified_total")
        return value or 0.0


def check(work: Callable[[Gate], Awaitable[None]], limits: MempoolLimits | None = None) -> None:
    """Run ``work`` with a fresh gate, bounded in time."""

    async def main() -> None:
        rules, ids, metrics = Rules(), IdCache(1_000), Metrics()
        mempool = Mempool(limits or MempoolLimits(1_000, 1_000_000, 1_000))
        mempool.commit(rules.height, ())
        verifier = SignatureVerifier(2)
        admission = Admission(compute_chain_id(GENESIS), mempool, ids, verifier, rules, metrics)
        gate = Gate(rules, mempool, ids, metrics, admission, [])
        admission.attach(lambda items, origin: gate.admitted.extend(items))
        try:
            async with asyncio.timeout(20):
                await work(gate)
        finally:
            verifier.close()

    asyncio.run(main())


def forge(transaction: Transaction) -> bytes:
    return transaction.encoded[:-1] + bytes([transaction.encoded[-1] ^ 1])


def test_a_list_is_judged_item_by_item_in_order() -> None:
    async def work(gate: Gate) -> None:
        signer = Signer(GENESIS)
        good = [signer.make() for _ in range(3)]
        outcome = await gate.submit(
            good[0].encoded,
            b"junk",
            forge(good[1]),
            good[2].encoded,
            good[0].encoded,
            signer.make(valid_until=10).encoded,
            signer.make(valid_until=111).encoded,
            signer.make(valid_until=110).encoded,
        )
        assert outcome == [
            None,
            RefusalReason.MALFORMED,
            RefusalReason.BAD_SIGNATURE,
            None,
            RefusalReason.DUPLICATE,
            RefusalReason.EXPIRED,
            RefusalReason.TOO_FAR_AHEAD,
            None,
        ]
        assert [item.id for item in gate.admitted][:2] == [good[0].id, good[2].id]
        assert len(gate.mempool) == 3

    check(work)


def test_two_lists_at_once_verify_a_signature_once() -> None:
    async def work(gate: Gate) -> None:
        signer = Signer(GENESIS)
        encoded = [signer.make().encoded for _ in range(200)]
        first, second = await asyncio.gather(gate.submit(*encoded), gate.submit(*encoded))
        assert first == [None] * 200
        assert second == [RefusalReason.DUPLICATE] * 200
        assert gate.count_verified() == 200

    check(work)


def test_what_was_verified_for_a_block_is_not_verified_for_the_pool() -> None:
    async def work(gate: Gate) -> None:
        transaction = Signer(GENESIS).make()
        received = decode_transaction(transaction.encoded)
        assert await gate.admission.verify_body([received]) == [True]
        assert await gate.submit(transaction.encoded) == [None]
        assert gate.count_verified() == 1

    check(work)


def test_a_bad_signature_is_not_remembered_as_verified() -> None:
    async def work(gate: Gate) -> None:
        bad = forge(Signer(GENESIS).make())
        for _ in range(2):
            assert await gate.submit(bad) == [RefusalReason.BAD_SIGNATURE]
        assert await gate.admission.verify_body([decode_transaction(bad)]) == [False]

    check(work)


def test_what_a_block_took_during_the_check_does_not_enter() -> None:
    async def work(gate: Gate) -> None:
        signer = Signer(GENESIS)
        transactions = [signer.make() for _ in range(100)]
        task = asyncio.create_task(gate.submit(*(item.encoded for item in transactions)))
        await asyncio.sleep(0)
        assert gate.admission.is_checking(transactions[7].id)
        # The block is committed while the signatures are on the threads.
        gate.ids.put([transactions[7].id], IdState.COMMITTED)
        outcome = await task
        assert outcome[7] is RefusalReason.DUPLICATE
        assert outcome.count(None) == 99
        assert gate.ids.get(transactions[7].id) is IdState.COMMITTED
        assert transactions[7].id not in gate.mempool

    check(work)


def test_an_id_committed_long_ago_is_found_in_the_store_and_not_verified() -> None:
    async def work(gate: Gate) -> None:
        transaction = Signer(GENESIS).make()
        gate.rules.committed.add(transaction.id)
        assert await gate.submit(transaction.encoded) == [RefusalReason.DUPLICATE]
        assert gate.count_verified() == 0
        assert gate.ids.get(transaction.id) is IdState.COMMITTED

    check(work)


def test_strangers_and_full_pools_cost_no_signature() -> None:
    async def work(gate: Gate) -> None:
        signer = Signer(GENESIS)
        assert await gate.submit(signer.make().encoded) == [None]
        assert await gate.submit(signer.make().encoded) == [RefusalReason.FULL]
        stranger = Signer(GENESIS, STRANGER).make()
        assert await gate.submit(stranger.encoded) == [RefusalReason.NOT_PERMITTED]
        assert gate.count_verified() == 1
        assert gate.admission.refused["mempool-full"] == 1

    check(work, MempoolLimits(1, 1_000_000, 1))


def test_parameters_of_the_committed_state_decide() -> None:
    async def work(gate: Gate) -> None:
        gate.rules.params = replace(TEST_PARAMS, transaction_gas_max=100_000)
        signer = Signer(GENESIS)
        assert await gate.submit(signer.make(gas_limit=100_001).encoded) == [RefusalReason.LIMIT]
        assert await gate.submit(signer.make(gas_limit=100_000).encoded) == [None]

    check(work)
