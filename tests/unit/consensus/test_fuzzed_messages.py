"""Messages with a field changed and signed again by a validator: an answer, never an exception.

Random, from a stated seed: kinds, heights, views, epochs, chains, huge integers, padded and
swapped certificates, cut bytes; between them bodies, executions, timers and commits.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from consensus.effects import Commit, Execute, FetchBody, Persist, TimerName
from consensus.evidence import make_evidence
from consensus.messages import (
    EvidenceMessage,
    GetProposal,
    Message,
    PrePrepare,
    ProposalMessage,
    Status,
    ViewChange,
    ViewChangeMessage,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    encode_message,
)
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, Phase
from primitives.errors import CodecError
from primitives.hashing import ZERO_HASH, Hash
from tests.unit.consensus.harness import CHAIN, Bench, hash_of, only

STEPS = 250
INTEGERS = (0, 1, 2, 3, 9, 10, 11, 999, 1_000, 1_001, (1 << 31), (1 << 32) - 1, (1 << 63) - 1)
HELD_MAX = 1_500


class Fuzzer:
    """One replica and three validators that lie at random. Over f, so only robustness counts."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.bench = Bench()
        self.hashes = [ZERO_HASH, hash_of("junk")]

    def integer(self, near: int) -> int:
        if self.rng.random() < 0.9:
            return near
        return self.rng.choice((near + 1, max(near - 1, 0), self.rng.choice(INTEGERS)))

    def hash(self) -> Hash:
        return self.rng.choice(self.hashes)

    def view(self) -> int:
        return self.integer(self.bench.replica.describe(self.bench.now).view) % (1 << 32)

    def sign_vote(self, vote: Vote) -> Vote:
        epoch = self.bench.rules.epoch if self.rng.random() < 0.95 else self.integer(1)
        chain = CHAIN if self.rng.random() < 0.95 else hash_of("other chain")
        key = self.bench.keys[vote.signer % 3 if self.rng.random() < 0.95 else 0]
        return replace(vote, signature=key.sign(compute_signed_vote(vote, chain, epoch)))

    def vote(self) -> Vote:
        phase = self.rng.choice((1, 2))
        height, executed = self.integer(self.bench.rules.height), hash_of("state")
        if phase == 1 and self.rng.random() < 0.9:
            executed = ZERO_HASH
        signer = self.rng.choice((0, 1, 2) * 9 + (4, 65_535))
        return self.sign_vote(Vote(phase, height, self.view(), self.hash(), executed, signer, b""))

    def certificate(self, phase: Phase) -> Certificate | None:
        if phase is Phase.COMMIT and self.rng.random() < 0.9:
            return self.bench.rules.tip.certificate
        executed = hash_of("state") if phase is Phase.COMMIT else ZERO_HASH
        height = max(self.integer(self.bench.rules.height), 1)
        signers = (0, 1, 2)
        if self.rng.random() < 0.3:
            signers = self.rng.choice(((0, 0, 1), (2, 1, 0), (0, 1), (0, 1, 9)))
        view, block = self.view(), self.hash()
        made = [self.bench.vote(n % 3, phase, view, block, executed, height) for n in signers]
        signatures = tuple(item.signature for item in made)
        if self.rng.random() < 0.1:
            signatures = signatures[:-1]
        return Certificate(height, view, block, executed, signers, signatures)

    def view_change(self, view: int | None = None, signer: int | None = None) -> ViewChange:
        prepared = self.certificate(Phase.PREPARE) if self.rng.random() < 0.1 else None
        if signer is None:
            signer = self.rng.choice((0, 1, 2) * 9 + (7,))
        height = self.integer(self.bench.rules.height)
        view = self.view() + 1 if view is None else view
        item = ViewChange(height, view % (1 << 32), prepared, signer, b"")
        message = compute_signed_view_change(item, CHAIN, self.bench.rules.epoch)
        return replace(item, signature=self.bench.keys[signer % 3].sign(message))

    def pre_prepare(self) -> PrePrepare:
        bench, rng = self.bench, self.rng
        view = self.view()
        proposer = bench.leader(view) if rng.random() < 0.9 else rng.randrange(4)
        proposal = bench.proposal(proposer, (f"tx {rng.randrange(3)}",), bench.now)
        name = rng.choice(("time_ms", "height", "epoch", "tx_count", "version"))
        header = proposal.header
        if rng.random() < 0.2:
            header = replace(header, **{name: self.integer(getattr(header, name))})
        proposal = replace(proposal, header=header, block_hash=compute_header_hash(header))
        self.hashes = [*self.hashes, proposal.block_hash][-4:]
        count = 0 if view == 0 else 3
        if rng.random() < 0.1:
            count = rng.randrange(5)
        proof = tuple(self.view_change(view, n % 3) for n in range(count))
        evidence = (self.evidence(),) if rng.random() < 0.05 else ()
        message = bench.pre_prepare(proposal, view, proof, signer=min(bench.leader(view), 2))
        certificate = self.certificate(Phase.COMMIT) if rng.random() < 0.2 else None
        height = self.integer(bench.rules.height)
        message = replace(message, evidence=evidence, height=height)
        return replace(message, certificate=certificate or message.certificate)

    def hope(self) -> None:
        """Now and then two honest votes, or the chain would never move."""
        state = self.bench.replica.describe(self.bench.now)
        for signer in (0, 1, 2):
            phase, executed = self.rng.choice(
                ((Phase.PREPARE, ZERO_HASH), (Phase.COMMIT, hash_of("state")))
            )
            vote = self.bench.vote(signer, phase, state.view, self.hashes[-1], executed)
            self.bench.hear(vote, signer)

    def evidence(self) -> bytes:
        vote = self.vote()
        one, other = replace(vote, signer=1), replace(vote, signer=1, block_hash=self.hash())
        epoch = self.integer(self.bench.rules.epoch)
        return make_evidence(
            self.sign_vote(one), self.sign_vote(other), epoch, self.bench.validators
        )

    def message(self) -> Message:
        rng, bench = self.rng, self.bench
        kind = rng.choice((0, 0, 0, 0, 2, 2, 3, 4, 5, 6, 7))
        if kind == 0:
            return self.vote()
        if kind == 2:
            return self.pre_prepare()
        if kind == 3:
            return ViewChangeMessage(self.view_change(), self.certificate(Phase.COMMIT))
        if kind == 4:
            maps = [rng.choice((0, 15, (1 << 100) - 1)) for _ in range(3)]
            certificate = self.certificate(Phase.COMMIT)
            height = (certificate.height if certificate else 0) + 1
            return Status(self.integer(height), self.view(), rng.random() < 0.5, *maps, certificate)
        if kind == 5:
            return GetProposal(self.integer(bench.rules.height), self.hash())
        if kind == 6:
            item = self.pre_prepare()
            return ProposalMessage(
                item.header, item.transaction_ids, item.evidence, item.certificate
            )
        return EvidenceMessage(self.evidence())

    def disturb(self) -> None:
        """What the driver may answer at any time, also for things long gone."""
        bench, rng = self.bench, self.rng
        block_hash = self.hash()
        choice = rng.randrange(12)
        if choice == 0:
            bench.now += rng.choice((1, 500, 500, 500, 40_000))
            bench.note(bench.replica.expire(rng.choice(tuple(TimerName)), bench.now))
        elif choice == 1:
            bench.note(bench.replica.body_ready(block_hash, bench.now))
        elif choice == 2 and rng.random() < 0.2:
            bench.note(bench.replica.body_refused(block_hash, "why", bench.now))
        elif choice == 3:
            bench.note(bench.replica.executed(block_hash, hash_of("state"), bench.now))
        elif choice == 4:
            bench.note(bench.replica.transactions_waiting(bench.now))
        elif choice == 5 and rng.random() < 0.2:
            bench.commit_next()
        for effect in only(bench.seen, FetchBody)[-1:]:
            bench.have_body(effect.proposal)
        for execute in only(bench.seen, Execute)[-1:]:
            bench.have_executed(execute.proposal)

    def step(self) -> None:
        data = encode_message(self.message())
        if self.rng.random() < 0.02:
            cut = bytearray(data)
            cut[self.rng.randrange(len(cut))] = self.rng.randrange(256)
            data = bytes(cut[: self.rng.randrange(len(cut)) or None])
        peer = self.bench.keys[self.rng.randrange(3)].public_key
        self.bench.note(self.bench.replica.receive(peer, data, self.bench.now))
        if self.rng.random() < 0.3:
            self.disturb()
        if self.rng.random() < 0.1:
            self.hope()
        for commit in only(self.bench.seen, Commit):
            self.bench.tip = self.bench.make_next_tip(commit.proposal, commit.certificate)
            self.bench.seen = []
            self.bench.note(self.bench.replica.caught_up(self.bench.tip, self.bench.now))


@pytest.mark.parametrize("seed", range(12))
def test_no_signed_nonsense_ends_in_an_exception_or_in_memory_without_bound(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    for number in range(STEPS):
        try:
            fuzzer.step()
        except Exception as error:
            raise AssertionError(f"seed {seed}, step {number}: {error!r}") from error
        assert fuzzer.bench.replica.count_held() < HELD_MAX, (seed, number)
    assert only(fuzzer.bench.seen, Persist) is not None


def test_random_bytes_are_refused() -> None:
    rng, bench = random.Random(5), Bench()
    peer = bench.keys[0].public_key
    for _ in range(500):
        data = rng.randbytes(rng.randrange(60))
        effects = bench.replica.receive(peer, data, bench.now)
        assert len(effects) == 1, data.hex()


def test_integers_beyond_their_field_do_not_decode() -> None:
    bench = Bench()
    vote = bench.vote(0, Phase.PREPARE, 0, hash_of("b"))
    for changes in ({"view": 1 << 32}, {"height": 1 << 63}, {"signer": 1 << 16}, {"phase": 300}):
        data = encode_message(replace(vote, **changes))
        (reject,) = bench.replica.receive(None, data, bench.now)
        assert "Reject" in type(reject).__name__
    with pytest.raises(CodecError):
        encode_message(replace(vote, height=1 << 300))
