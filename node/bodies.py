"""The transactions of proposed blocks: from the pool, from our log, else from peers.

A proposal names ids; a PREPARE says "I can produce this block". Here the bytes are
gathered and pass the stateless checks that decide whether a block may be voted for,
the same on every node: after them only a transaction can fail, never a block (FISCO
BCOS's block that reached consensus and could not be executed is why).
Source: design/consensus.md, "Normal case" 1.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus.effects import Proposal
from node.admission import Admission, CommittedRules, check_static
from node.mempool import Mempool
from node.requests import PeerRequests, Peers
from node.wire import BODY_ANSWER, BODY_REQUEST, BodyAnswer, BodyRequest
from p2p.frames import FrameKind, encode_request
from p2p.peers import Offence
from primitives import limits
from primitives.errors import CodecError
from primitives.hashing import Address, Hash, TransactionId
from primitives.transaction import ReceivedTransaction, Transaction, decode_transaction

BODIES_MAX = 8
"""Proposals of one height whose bodies are kept: one for each recent view."""
PROPOSALS_MAX = 64
"""Proposals found good, of which a body that gave way is put together again."""
ASK_TIMEOUT_S = 1.0
CHECKING_WAIT_S = 0.1
"""How long a body waits for signatures that are being verified anyway."""
RETRY_WAIT_S = 0.05
"""Pause when nobody is there, and when everyone was asked: one who hands out a
transaction at a time must not make us ask the others a thousand times a second."""
ANSWER_BYTES_MAX = 1024 * 1024
"""An answer stops growing here: a frame goes out whole, and a vote must not wait behind
8 MiB. Who has more is asked again at once."""
GATHERED_BYTES_MAX = 8 * limits.BLOCK_BYTES_MAX
"""Transactions of this height that came from peers. What no good proposal names gives way;
beyond that a proposal is refused, for losing a body that was found good ends the node."""


@dataclass(frozen=True, slots=True)
class Body:
    """A proposal with its checked transactions, in its order."""

    proposal: Proposal
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class BodyRefusal:
    """Why a block must not be voted for; ``reason`` is for people and metrics."""

    reason: str


class Bodies:
    """Bodies of the height under decision. Lives on the event loop."""

    def __init__(
        self,
        chain_id: Hash,
        mempool: Mempool,
        admission: Admission,
        rules: CommittedRules,
        requests: PeerRequests,
        peers: Peers,
        rng: random.Random,
    ) -> None:
        self._chain_id = chain_id
        self._mempool = mempool
        self._admission = admission
        self._rules = rules
        self._requests = requests
        self._peers = peers
        self._rng = rng
        self._bodies: dict[Hash, Body] = {}
        self._proposals: dict[Hash, Proposal] = {}
        self._restored: dict[TransactionId, Transaction] = {}
        self._gathered: dict[TransactionId, Transaction] = {}
        self._gathered_bytes = 0

    def restore(self, transactions: Sequence[bytes]) -> None:
        """Take transactions from our own log: their signatures were verified before."""
        for encoded in transactions:
            received = decode_transaction(encoded)
            self._restored[received.id] = Transaction(received.id, received.body, encoded)

    def get(self, block_hash: Hash) -> Body | None:
        """Return a body that was found good.

        Consensus may vote for a block many views after its body came: one that gave way
        to later ones is put together again, for a vote without its body ends the node.
        """
        body, proposal = self._bodies.get(block_hash), self._proposals.get(block_hash)
        if body is not None or proposal is None:
            return body
        outcome = self.try_assemble(proposal)
        return outcome if isinstance(outcome, Body) else None

    def clear(self) -> None:
        """Forget everything: the height is decided."""
        self._bodies.clear()
        self._proposals.clear()
        self._restored.clear()
        self._gathered.clear()
        self._gathered_bytes = 0

    def try_assemble(self, proposal: Proposal) -> Body | BodyRefusal | None:
        """Return the body or its refusal; None when bytes are missing."""
        known = self._bodies.get(proposal.block_hash)
        if known is not None:
            return known
        transactions: list[Transaction] = []
        for transaction_id in proposal.transaction_ids:
            transaction = self._find(transaction_id)
            if transaction is None:
                return None
            transactions.append(transaction)
        reason = self._check(proposal, transactions)
        if reason is not None:
            return BodyRefusal(reason)
        body = Body(proposal, tuple(transactions))
        while len(self._bodies) >= BODIES_MAX:
            del self._bodies[next(iter(self._bodies))]
        self._bodies[proposal.block_hash] = body
        while len(self._proposals) >= PROPOSALS_MAX:
            del self._proposals[next(iter(self._proposals))]
        self._proposals[proposal.block_hash] = proposal
        return body

    async def fetch(
        self, proposal: Proposal, holders: Sequence[Address], *, is_certified: bool = False
    ) -> Body | BodyRefusal:
        """Return the body, asking one peer after another until it is whole.

        Runs until then; whoever started it cancels it when the height is over. There is
        always room for what a quorum voted for (``is_certified``).
        """
        to_ask: list[Address] = []
        while True:
            outcome = self.try_assemble(proposal)
            if outcome is not None:
                return outcome
            # Once each: a leader may name an id twice, and asking twice is an offence.
            ids = dict.fromkeys(proposal.transaction_ids)
            missing = [item for item in ids if self._find(item) is None]
            wanted = [item for item in missing if not self._admission.is_checking(item)]
            to_ask = to_ask or self._order_peers(holders)
            if not wanted:
                await self._wait_for_admission()
            elif not to_ask:
                await asyncio.sleep(RETRY_WAIT_S)
            else:
                taken = await self._ask(to_ask[0], proposal, wanted)
                if isinstance(taken, BodyRefusal):
                    return taken
                refusal = self._check_room(proposal, is_certified)
                if refusal is not None:
                    return refusal
                if taken > ANSWER_BYTES_MAX - limits.TRANSACTION_BYTES_MAX:
                    continue  # a full answer: the rest is there, too
                del to_ask[0]
                if not to_ask:
                    await asyncio.sleep(RETRY_WAIT_S)

    def serve(self, payload_request_id: int, body: bytes) -> bytes | None:
        """Return the payload that answers a GET_BODY, None when it is malformed."""
        try:
            request = BODY_REQUEST.decode(body)
        except CodecError:
            return None
        if len(set(request.ids)) != len(request.ids):
            return None  # one large transaction asked for ten thousand times
        found: list[bytes] = []
        size = 0
        for transaction_id in request.ids:
            transaction = self._find(transaction_id)
            if transaction is not None:
                size += len(transaction.encoded)
                if size > ANSWER_BYTES_MAX:
                    break
                found.append(transaction.encoded)
        answer = BodyAnswer(request.block_hash, tuple(found))
        return encode_request(payload_request_id, BODY_ANSWER.encode(answer))

    def _find(self, transaction_id: TransactionId) -> Transaction | None:
        return (
            self._mempool.get(transaction_id)
            or self._gathered.get(transaction_id)
            or self._restored.get(transaction_id)
        )

    def _order_peers(self, holders: Sequence[Address]) -> list[Address]:
        """Return connected holders in random order, then everyone else."""
        connected = self._peers.get_connected()
        first = [peer for peer in holders if peer in connected]
        others = [peer for peer in connected if peer not in first]
        self._rng.shuffle(first)
        self._rng.shuffle(others)
        return first + others

    async def _wait_for_admission(self) -> None:
        try:
            async with asyncio.timeout(CHECKING_WAIT_S):
                await self._admission.wait_settled()
        except TimeoutError:
            return

    async def _ask(
        self, peer: Address, proposal: Proposal, wanted: Sequence[TransactionId]
    ) -> BodyRefusal | int:
        """Return the bytes of the transactions that a peer had, or why the block is bad."""
        request = BODY_REQUEST.encode(BodyRequest(proposal.block_hash, tuple(wanted)))
        answer = await self._requests.ask(
            peer, FrameKind.GET_BODY, request, FrameKind.BODY, ASK_TIMEOUT_S
        )
        if answer is None:
            return 0
        received = _decode_answer(answer, set(wanted))
        if received is None:
            self._peers.report(peer, Offence.PROTOCOL, "a body that was not asked for")
            return 0
        valid = await self._admission.verify_body(received)
        if proposal.header.height != self._rules.height + 1:
            # Sync committed this block meanwhile: its transactions must not enter the pool
            # again, or we would propose them until they expire, and be refused each time.
            return BodyRefusal("the height was decided meanwhile")
        for item, is_valid in zip(received, valid, strict=True):
            if not is_valid:
                # The id covers the signature: it is the proposal that is bad, not the peer.
                return BodyRefusal(f"bad signature in {item.id.hex()}")
            transaction = Transaction(item.id, item.body, item.encoded)
            self._gather(transaction)
            # Should this block fail, the next leader may be us; the pool may also refuse.
            if self._rules.is_member(item.body.sender):
                self._mempool.add((transaction,))
        return sum(len(item.encoded) for item in received)

    def _gather(self, transaction: Transaction) -> None:
        if transaction.id not in self._gathered:
            self._gathered[transaction.id] = transaction
            self._gathered_bytes += len(transaction.encoded)

    def _check_room(self, proposal: Proposal, is_certified: bool) -> BodyRefusal | None:
        """Refuse what is too large before it is whole: ids alone may name a gigabyte."""
        found = [self._find(item) for item in proposal.transaction_ids]
        size = sum(len(item.encoded) for item in found if item is not None)
        size_max = self._rules.params.block_bytes_max
        if size > size_max:
            return BodyRefusal(f"more than {size_max} bytes")
        if self._gathered_bytes > GATHERED_BYTES_MAX:
            self._forget_unnamed([*self._proposals.values(), proposal])
        if self._gathered_bytes > GATHERED_BYTES_MAX and not is_certified:
            self._forget_unnamed(self._proposals.values())
            return BodyRefusal("too many bodies at one height")
        return None

    def _forget_unnamed(self, proposals: Iterable[Proposal]) -> None:
        named = {item for proposal in proposals for item in proposal.transaction_ids}
        self._gathered = {key: item for key, item in self._gathered.items() if key in named}
        self._gathered_bytes = sum(len(item.encoded) for item in self._gathered.values())

    def _check(self, proposal: Proposal, transactions: Sequence[Transaction]) -> str | None:
        params, height = self._rules.params, proposal.header.height
        if height != self._rules.height + 1:
            return f"height {height} is not the next"
        if len(transactions) > params.block_transactions_max:
            return f"{len(transactions)} transactions"
        if len(set(proposal.transaction_ids)) != len(transactions):
            return "a transaction twice"
        size = gas = 0
        for item in transactions:
            refusal = check_static(item, self._chain_id, height, params)
            if refusal is not None:
                return f"{item.id.hex()}: {refusal.message}"
            if item.id not in self._mempool and self._rules.is_committed(item.id):
                return f"{item.id.hex()} is committed already"
            size += len(item.encoded)
            gas += item.body.gas_limit
        if size > params.block_bytes_max:
            return f"{size} bytes"
        if gas > params.block_gas_max:
            return f"gas limits of {gas}"
        return None


def _decode_answer(answer: bytes, wanted: set[TransactionId]) -> list[ReceivedTransaction] | None:
    """Return the transactions of an answer; None when it holds anything else."""
    try:
        decoded = BODY_ANSWER.decode(answer)
        received = [decode_transaction(encoded) for encoded in decoded.transactions]
    except CodecError:
        return None
    ids = {item.id for item in received}
    if len(ids) != len(received) or not ids <= wanted:
        return None
    return received
