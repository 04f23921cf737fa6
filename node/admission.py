"""The gate of the mempool: what a transaction passes before it may wait.

In order of cost: known id, decoding, chain, gas, expiry window, membership, room; then
stored ids and signatures in chunks on threads; then the pool. Lists in, lists out.
Transactions of a proposed block pass the same stateless checks (``check_static``)
without the pool's bounds, because a full pool must not make a block invalid.
Source: DESIGN.md, "The way of a transaction".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from node.mempool import IdCache, IdState, Mempool
from node.metrics import Metrics
from node.refusal import Refusal, RefusalReason
from node.signatures import Finding, IsCommitted, SignatureVerifier
from primitives import limits
from primitives.errors import CodecError
from primitives.hashing import Address, Hash, TransactionId
from primitives.params import ChainParams
from primitives.transaction import (
    ReceivedTransaction,
    Transaction,
    compute_transaction_id,
    decode_transaction,
)


class CommittedRules(Protocol):
    """What admission asks of the last committed height."""

    @property
    def height(self) -> int:
        """The last committed height."""
        ...

    @property
    def params(self) -> ChainParams:
        """The parameters of the next height."""
        ...

    def is_member(self, sender: Address) -> bool:
        """Whether governance knows the sender as an organisation's account."""
        ...

    def is_committed(self, transaction_id: TransactionId) -> bool:
        """Whether a block holds this id. Called from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one submitted transaction; ``refusal`` None means accepted.

    ``id`` is None when the bytes are too large to be hashed for free.
    """

    id: TransactionId | None
    refusal: Refusal | None


OnAdmitted = Callable[[Sequence[Transaction], str], None]
"""Told of the transactions that entered the pool, and of their origin."""


class Admission:
    """Checks transactions and puts them into the pool. Lives on the event loop."""

    def __init__(
        self,
        chain_id: Hash,
        mempool: Mempool,
        ids: IdCache,
        verifier: SignatureVerifier,
        rules: CommittedRules,
        metrics: Metrics,
    ) -> None:
        self._chain_id = chain_id
        self._mempool = mempool
        self._ids = ids
        self._verifier = verifier
        self._rules = rules
        self._metrics = metrics
        self._on_admitted: OnAdmitted | None = None
        self._checking: dict[TransactionId, None] = {}
        self._settled = asyncio.Event()
        self.refused: dict[str, int] = {reason.value: 0 for reason in RefusalReason}

    def attach(self, on_admitted: OnAdmitted) -> None:
        """Name who is told of new transactions in the pool."""
        self._on_admitted = on_admitted

    def is_checking(self, transaction_id: TransactionId) -> bool:
        """Whether its signature is being verified at this moment."""
        return transaction_id in self._checking

    async def wait_settled(self) -> None:
        """Return when the next list has been checked."""
        await self._settled.wait()

    async def submit(self, encoded: Sequence[bytes], origin: str) -> list[Verdict]:
        """Check each and put it into the pool; one verdict each, in the same order."""
        verdicts: list[Verdict | None] = []
        passed: list[ReceivedTransaction] = []
        seen: set[TransactionId] = set()
        for item in encoded:
            outcome = self._check_before_signature(item, seen)
            if isinstance(outcome, Verdict):
                verdicts.append(outcome)
            else:
                seen.add(outcome.id)
                passed.append(outcome)
                verdicts.append(None)
        refusals = await self._admit(passed, origin)
        settled = iter(zip(passed, refusals, strict=True))
        complete: list[Verdict] = []
        for verdict in verdicts:
            if verdict is None:
                received, refusal = next(settled)
                verdict = Verdict(received.id, refusal)
            if verdict.refusal is not None:
                self._count_refusal(verdict.refusal)
            complete.append(verdict)
        return complete

    async def verify_body(self, received: Sequence[ReceivedTransaction]) -> list[bool]:
        """Return whether each one's signature is valid; ids verified before are not again."""
        for item in received:
            self._checking[item.id] = None
        try:
            findings = await self._find(received, None)
        finally:
            for item in received:
                self._checking.pop(item.id, None)
        return [finding is Finding.VALID for finding in findings]

    async def _find(
        self, received: Sequence[ReceivedTransaction], is_committed: IsCommitted | None
    ) -> list[Finding]:
        """Return a finding for each; what was verified before is valid without looking."""
        unknown = [item for item in received if self._ids.get(item.id) is IdState.UNKNOWN]
        self._metrics.signature_hits.inc(len(received) - len(unknown))
        findings = await self._verifier.check(unknown, is_committed)
        found = {item.id: finding for item, finding in zip(unknown, findings, strict=True)}
        committed = [key for key, finding in found.items() if finding is Finding.COMMITTED]
        self._metrics.signatures.inc(len(unknown) - len(committed))
        # A block may have taken one of them meanwhile: COMMITTED is never taken back.
        valid = [
            key
            for key, finding in found.items()
            if finding is Finding.VALID and self._ids.get(key) is IdState.UNKNOWN
        ]
        self._ids.put(valid, IdState.VERIFIED)
        self._ids.put(committed, IdState.COMMITTED)
        return [found.get(item.id, Finding.VALID) for item in received]

    def _check_before_signature(
        self, encoded: bytes, seen: set[TransactionId]
    ) -> Verdict | ReceivedTransaction:
        if len(encoded) > limits.TRANSACTION_BYTES_MAX:
            text = f"{len(encoded)} bytes, at most {limits.TRANSACTION_BYTES_MAX}"
            return Verdict(None, Refusal(RefusalReason.LIMIT, text))
        transaction_id = compute_transaction_id(encoded)
        if (
            transaction_id in self._mempool
            or transaction_id in self._checking
            or transaction_id in seen
        ):
            return Verdict(transaction_id, Refusal(RefusalReason.DUPLICATE, "already waiting"))
        if self._ids.get(transaction_id) is IdState.COMMITTED:
            return Verdict(transaction_id, Refusal(RefusalReason.DUPLICATE, "already committed"))
        try:
            received = decode_transaction(encoded)
        except CodecError as error:
            return Verdict(transaction_id, Refusal(RefusalReason.MALFORMED, str(error)))
        refusal = self._check_rules(received)
        return received if refusal is None else Verdict(transaction_id, refusal)

    def _check_rules(self, received: ReceivedTransaction) -> Refusal | None:
        rules, body = self._rules, received.body
        refusal = check_static(received, self._chain_id, rules.height + 1, rules.params)
        if refusal is not None:
            return refusal
        if body.valid_until > rules.height + rules.params.transaction_window_blocks:
            return _too_far_ahead(body.valid_until, rules.height, rules.params)
        if not rules.is_member(body.sender):
            return Refusal(RefusalReason.NOT_PERMITTED, f"no organisation owns {body.sender.hex()}")
        return self._mempool.check_room(body.sender, len(received.encoded))

    async def _admit(
        self, passed: Sequence[ReceivedTransaction], origin: str
    ) -> list[Refusal | None]:
        if not passed:
            return []
        for item in passed:
            self._checking[item.id] = None
        try:
            findings = await self._find(passed, self._rules.is_committed)
        finally:
            for item in passed:
                self._checking.pop(item.id, None)
        refusals: list[Refusal | None] = []
        admitted: list[Transaction] = []
        for item, finding in zip(passed, findings, strict=True):
            refusal: Refusal | None
            if finding is Finding.BAD_SIGNATURE:
                refusal = Refusal(RefusalReason.BAD_SIGNATURE, "the signature is not the sender's")
            elif self._ids.get(item.id) is IdState.COMMITTED:
                # Long ago, or while its signature was being verified here.
                refusal = Refusal(RefusalReason.DUPLICATE, "already committed")
            else:
                transaction = Transaction(item.id, item.body, item.encoded)
                refusal = self._mempool.add((transaction,))[0]
                if refusal is None:
                    admitted.append(transaction)
            refusals.append(refusal)
        if admitted:
            self._metrics.admitted.labels(origin).inc(len(admitted))
            if self._on_admitted is not None:
                self._on_admitted(admitted, origin)
        self._settled.set()
        self._settled = asyncio.Event()
        return refusals

    def _count_refusal(self, refusal: Refusal) -> None:
        self.refused[refusal.reason.value] += 1
        self._metrics.refused.labels(refusal.reason.value).inc()


def check_static(
    received: ReceivedTransaction | Transaction, chain_id: Hash, height: int, params: ChainParams
) -> Refusal | None:
    """Return why no block at ``height`` may hold it; the same on every node."""
    body = received.body
    if body.chain_id != chain_id:
        return Refusal(RefusalReason.WRONG_CHAIN, f"signed for chain {body.chain_id.hex()}")
    if body.valid_until < height:
        return Refusal(
            RefusalReason.EXPIRED, f"valid until {body.valid_until}, the next block is {height}"
        )
    if body.valid_until > height + params.transaction_window_blocks:
        return _too_far_ahead(body.valid_until, height, params)
    if not 0 < body.gas_limit <= params.transaction_gas_max:
        return Refusal(
            RefusalReason.LIMIT, f"gas limit {body.gas_limit}, 1 to {params.transaction_gas_max}"
        )
    return None


def _too_far_ahead(valid_until: int, height: int, params: ChainParams) -> Refusal:
    latest = height + params.transaction_window_blocks
    return Refusal(
        RefusalReason.TOO_FAR_AHEAD, f"valid until {valid_until}, at most {latest} is taken"
    )
