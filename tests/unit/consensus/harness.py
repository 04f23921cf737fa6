"""Validators' keys and words by hand, and one replica under test. Real Ed25519, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from consensus.effects import (
    Broadcast,
    Candidate,
    Commit,
    CommittedTip,
    Effect,
    Execute,
    FetchBody,
    Persist,
    Proposal,
    Signer,
)
from consensus.messages import (
    Message,
    PrePrepare,
    Status,
    ViewChange,
    ViewChangeMessage,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    decode_message,
    encode_message,
)
from consensus.recovery import Recovered, recover
from consensus.replica import Replica, ReplicaConfig
from consensus.rules import HeightRules, make_proposal
from consensus.signing import INITIAL_LAST_SIGNED
from primitives.certificate import Certificate, Phase
from primitives.hashing import ZERO_HASH, Address, Hash, TransactionId
from primitives.keys import PrivateKey
from primitives.leaders import NO_MISSES
from primitives.params import ChainParams
from primitives.validators import Validator, ValidatorSet

NOW = 1_700_000_000_000
CHAIN = Hash(hashlib.sha256(b"chain").digest())
PARAMS = ChainParams(
    transaction_gas_max=20_000_000,  # golden vectors hold the hash of these parameters
    epoch_blocks=10,
    timeout_base_ms=1_000,
    timeout_max_ms=30_000,
)
E = TypeVar("E")
M = TypeVar("M")


def hash_of(text: str) -> Hash:
    return Hash(hashlib.sha256(text.encode()).digest())


def make_keys(count: int) -> list[PrivateKey]:
    return [PrivateKey.from_seed(hashlib.sha256(b"key %d" % n).digest()) for n in range(count)]


def make_set(keys: Sequence[PrivateKey]) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(f"v{n}", key.public_key) for n, key in enumerate(keys)))


@dataclass
class Bench:
    """``count`` validators; the replica under test is number ``me``."""

    count: int = 4
    me: int | None = 3
    params: ChainParams = PARAMS
    last_signed: bytes | None = INITIAL_LAST_SIGNED
    records: Sequence[bytes] = ()
    tip: CommittedTip | None = None
    vote_anyway: bool = False
    keys: list[PrivateKey] = field(init=False)
    seen: list[Effect] = field(init=False, default_factory=list)
    replica: Replica = field(init=False)

    def __post_init__(self) -> None:
        self.keys = make_keys(self.count)
        self.validators = make_set(self.keys)
        if self.tip is None:
            self.tip = CommittedTip(
                0, ZERO_HASH, hash_of("genesis"), NOW - 60_000, None,
                self.validators, self.validators, self.params, NO_MISSES,
            )  # fmt: skip
        recovered: Recovered = recover(CHAIN, self.tip, self.records, self.last_signed)
        key: Signer | None = None if self.me is None else self.keys[self.me]
        config = ReplicaConfig(CHAIN, key, vote_anyway=self.vote_anyway)
        self.replica = Replica(config, self.tip, recovered)
        self.now = NOW
        self.started = self.note(self.replica.start(NOW))

    # -- words of others ---------------------------------------------------------------------

    @property
    def rules(self) -> HeightRules:
        assert self.tip is not None
        return HeightRules.of(CHAIN, self.tip)

    def leader(self, view: int = 0) -> int:
        return self.rules.get_leader(view)

    def vote(
        self, signer: int, phase: Phase, view: int, block: Hash, exec_hash: Hash = ZERO_HASH,
        height: int | None = None,
    ) -> Vote:  # fmt: skip
        height = self.rules.height if height is None else height
        epoch = (height - 1) // self.params.epoch_blocks
        vote = Vote(int(phase), height, view, block, exec_hash, signer, b"")
        return replace(
            vote, signature=self.keys[signer].sign(compute_signed_vote(vote, CHAIN, epoch))
        )

    def certificate(
        self, signers: Iterable[int], phase: Phase, view: int, block: Hash,
        exec_hash: Hash = ZERO_HASH, height: int | None = None,
    ) -> Certificate:  # fmt: skip
        votes = [self.vote(n, phase, view, block, exec_hash, height) for n in signers]
        return Certificate(
            votes[0].height, view, block, exec_hash,
            tuple(vote.signer for vote in votes), tuple(vote.signature for vote in votes),
        )  # fmt: skip

    def view_change(
        self, signer: int, view: int, prepared: Certificate | None = None
    ) -> ViewChange:
        item = ViewChange(self.rules.height, view, prepared, signer, b"")
        message = compute_signed_view_change(item, CHAIN, self.rules.epoch)
        return replace(item, signature=self.keys[signer].sign(message))

    def proposal(
        self, proposer: int | None = None, ids: Sequence[str] = ("tx",), time_ms: int = NOW
    ) -> Proposal:
        proposer = self.leader() if proposer is None else proposer
        transactions = tuple(TransactionId(hash_of(item)) for item in ids)
        address = self.keys[proposer].public_key
        return make_proposal(self.rules, address, Candidate(time_ms, transactions))

    def pre_prepare(
        self, proposal: Proposal, view: int = 0, new_view: Sequence[ViewChange] = (),
        signer: int | None = None,
    ) -> PrePrepare:  # fmt: skip
        signer = self.leader(view) if signer is None else signer
        signature = self.vote(signer, Phase.PREPARE, view, proposal.block_hash).signature
        return PrePrepare(
            self.rules.height, view, proposal.header, proposal.transaction_ids,
            proposal.evidence, proposal.parent_certificate, tuple(new_view), signature,
        )  # fmt: skip

    def status(self, height: int, certificate: Certificate | None, view: int = 0) -> Status:
        return Status(height, view, False, 0, 0, 0, certificate)

    # -- what happens to the replica ---------------------------------------------------------

    def note(self, effects: list[Effect]) -> list[Effect]:
        self.seen.extend(effects)
        return effects

    def hear(self, message: Message | ViewChange, peer: int | None = 0) -> list[Effect]:
        if isinstance(message, ViewChange):
            message = ViewChangeMessage(message, self.rules.tip.certificate)
        link = None if peer is None else self.keys[peer].public_key
        return self.note(self.replica.receive(link, encode_message(message), self.now))

    def have_body(self, proposal: Proposal) -> list[Effect]:
        return self.note(self.replica.body_ready(proposal.block_hash, self.now))

    def have_executed(self, proposal: Proposal, text: str = "state") -> list[Effect]:
        return self.note(self.replica.executed(proposal.block_hash, hash_of(text), self.now))

    def prepare(self, proposal: Proposal, view: int = 0) -> None:
        """Bring a proposal of view 0 to prepared, on this replica, and execute it."""
        self.hear(self.pre_prepare(proposal, view))
        self.have_body(proposal)
        for signer in range(self.count):
            if signer not in (self.me, self.leader(view)):
                self.hear(self.vote(signer, Phase.PREPARE, view, proposal.block_hash))
        self.have_executed(proposal)

    def make_next_tip(self, proposal: Proposal, certificate: Certificate) -> CommittedTip:
        return CommittedTip(
            self.rules.height, proposal.block_hash, certificate.exec_hash,
            proposal.header.time_ms, certificate, self.validators, self.validators, self.params,
            NO_MISSES,
        )  # fmt: skip

    def commit_next(self, proposal: Proposal | None = None) -> list[Effect]:
        """Have the others' certificate committed by the store, whoever wrote it."""
        proposal = proposal or self.proposal()
        certificate = self.certificate(
            range(self.validators.quorum), Phase.COMMIT, 0, proposal.block_hash, hash_of("state")
        )
        self.tip = self.make_next_tip(proposal, certificate)
        return self.note(self.replica.caught_up(self.tip, self.now))

    @property
    def records_seen(self) -> list[bytes]:
        return [r for effect in self.seen if isinstance(effect, Persist) for r in effect.records]


def only(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def said(effects: Iterable[Effect], kind: type[M]) -> list[M]:
    """Return the messages of one kind that are broadcast."""
    messages = [decode_message(effect.data) for effect in only(effects, Broadcast)]
    return [message for message in messages if isinstance(message, kind)]


def votes_said(effects: Iterable[Effect], phase: Phase) -> list[Vote]:
    return [vote for vote in said(effects, Vote) if vote.phase == phase]


__all__ = [
    "CHAIN", "NOW", "PARAMS", "Address", "Bench", "Commit", "Execute", "FetchBody",
    "hash_of", "make_keys", "make_set", "only", "said", "votes_said",
]  # fmt: skip
