"""Replicas with one bug each, which the simulator must find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consensus.core import ReplicaConfig
from consensus.effects import CommittedTip
from consensus.errors import SignerRefusedError
from consensus.finality import Finality
from consensus.height import HeightState
from consensus.messages import Status, VerifiedVote, ViewChange
from consensus.recovery import Recovered, recover
from consensus.replica import Replica
from consensus.signing import INITIAL_LAST_SIGNED, SignerGuard, Step
from consensus.verification import Verifier
from consensus.votes import VoteBook
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, Phase, compute_vote_bytes
from primitives.errors import ProofError
from primitives.hashing import Address, Hash
from primitives.validators import ValidatorSet


class _MessageCountingBook(VoteBook):
    """Counts messages, not signers."""

    def __init__(self) -> None:
        super().__init__()
        self._copies: dict[tuple[int, int], list[VerifiedVote]] = {}

    def find(self, view: int, phase: int, signer: int) -> VerifiedVote | None:
        return None if phase == Phase.COMMIT else super().find(view, phase, signer)

    def add(self, vote: VerifiedVote) -> bool:
        copies = self._copies.setdefault((vote.view, vote.phase), [])
        if len(copies) < 20:
            copies.append(vote)
        return super().add(vote)

    def find_certificate(self, view: int, phase: int, quorum: int) -> Certificate | None:
        groups: dict[tuple[Hash, Hash], list[VerifiedVote]] = {}
        for vote in self._copies.get((view, phase), []):
            groups.setdefault((vote.block_hash, vote.exec_hash), []).append(vote)
        for (block_hash, exec_hash), votes in groups.items():
            if len(votes) >= quorum:
                chosen = votes[:quorum]
                return Certificate(
                    chosen[0].height,
                    view,
                    block_hash,
                    exec_hash,
                    tuple(vote.signer for vote in chosen),
                    tuple(vote.signature for vote in chosen),
                )
        return None


class CountsRepeatedVotes(Replica):
    """Besu counted messages, not signers; Sawtooth counted the primary twice."""

    def _make_state(self, tip: CommittedTip) -> HeightState:
        state = super()._make_state(tip)
        state.votes = _MessageCountingBook()
        return state

    def _step_commit(self) -> None:
        state = self._state
        sent = VoteBook.find(state.votes, state.view, Phase.COMMIT, state.me or 0)
        if sent is None:
            super()._step_commit()


class CommitsUnprepared(Replica):
    """Breaks R3: sends COMMIT as soon as the block is executed."""

    def _is_prepared(self) -> bool:
        return self._state.accepted is not None


class ForgetsVoteLog(Replica):
    """Starts from nothing after a crash."""

    def __init__(self, config: ReplicaConfig, tip: CommittedTip, recovered: Recovered) -> None:
        super().__init__(config, tip, recover(config.chain_id, tip, [], INITIAL_LAST_SIGNED))


class _AgreeableSigner(SignerGuard):
    """Signs whatever it is asked to."""

    def sign(self, height: int, view: int, step: Step, message: bytes) -> bytes:
        try:
            return super().sign(height, view, step, message)
        except SignerRefusedError:
            return self._signer.sign(message)


class VotesInTwoViews(Replica):
    """Breaks R1: after VIEW-CHANGE it still sends the COMMIT of the view it left."""

    def __init__(self, config: ReplicaConfig, tip: CommittedTip, recovered: Recovered) -> None:
        super().__init__(config, tip, recovered)
        if config.key is not None:
            self._guard = _AgreeableSigner(config.key, recovered.last)

    def _move_to(self, view: int, now_ms: int) -> None:
        state = self._state
        left, accepted = state.view, state.accepted
        super()._move_to(view, now_ms)
        if accepted is not None and state.view != left and accepted.block_hash in state.executions:
            here, state.view = state.view, left
            self._send_commit(accepted.block_hash, state.executions[accepted.block_hash])
            state.view = here


class _TrustingVerifier(Verifier):
    """Verifies every signature and counts them all, whoever they are from."""

    def check_final(self, certificate: Certificate, epoch: int, validators: ValidatorSet) -> None:
        signers = certificate.signers
        if len(signers) < validators.quorum or max(signers) >= len(validators.members):
            raise ProofError("too few signers", code="certificate-quorum")
        message = compute_vote_bytes(
            Phase.COMMIT,
            self._chain_id,
            epoch,
            certificate.height,
            certificate.view,
            certificate.block_hash,
            certificate.exec_hash,
        )
        for signer, signature in zip(signers, certificate.signatures, strict=False):
            if not self.is_signed(validators.members[signer].public_key, message, signature):
                raise ProofError("bad signature", code="certificate-signature")


class AcceptsPaddedCertificate(Replica):
    """Breaks R6: a certificate filled up with copies of one signature passes."""

    def _make_verifier(self) -> Verifier:
        return _TrustingVerifier(self._config.chain_id, self._config.check)


class IgnoresHighestPrepared(Replica):
    """Breaks R2: always proposes and accepts a new block in a new view."""

    def _choose(self, proof: Sequence[ViewChange]) -> Certificate | None:
        return None

    def _check_new_view(self, message: object) -> Certificate | None:
        return None


class ForgetsItsPreparedBlock(Replica):
    """Breaks the VIEW-CHANGE: never tells what it prepared."""

    def _move_to(self, view: int, now_ms: int) -> None:
        self._state.prepared = None
        super()._move_to(view, now_ms)


class HoardsItsCertificate(Replica):
    """Tells nobody of a certificate whose block it lacks: one liar can stop the chain."""

    def _say_status(self, now_ms: int) -> None:
        certificate, self._state.certificate = self._state.certificate, None
        super()._say_status(now_ms)
        self._state.certificate = certificate

    def _answer_laggard(self, peer: Address | None, now_ms: int) -> None:
        certificate, self._state.certificate = self._state.certificate, None
        super()._answer_laggard(peer, now_ms)
        self._state.certificate = certificate


class WaitsForSyncAlone(Replica):
    """Leaves a certified block on its own disk and waits for somebody to send it."""

    def _finish(self, certificate: Certificate, peer: Address | None) -> None:
        Finality._finish(self, certificate, peer)


class NeverMoves(Replica):
    """Has no view change: a dead leader ends the chain."""

    def _move_to(self, view: int, now_ms: int) -> None:
        return


class KeepsTheClockOfAReproposal(Replica):
    """plenum's bug: a re-proposed block fails the clock check."""

    def _check_new_view(self, message: object) -> Certificate | None:
        super()._check_new_view(message)  # type: ignore[arg-type]  # same parameter
        return None


class TrustsClaimedHeight(Replica):
    """CometBFT's bug: takes a neighbour's word for its height, and waits to get there."""

    def __init__(self, config: ReplicaConfig, tip: CommittedTip, recovered: Recovered) -> None:
        self._claimed = 0
        super().__init__(config, tip, recovered)

    def _on_status(self, peer: Address | None, status: Status, now_ms: int) -> None:
        self._claimed = max(self._claimed, status.height)
        super()._on_status(peer, status, now_ms)

    def _may_vote(self) -> bool:
        return self._state.height >= self._claimed - 1 and super()._may_vote()


class _EndlessBook(VoteBook):
    """Keeps the votes of every view."""

    def add(self, vote: VerifiedVote) -> bool:
        self._by_place.setdefault((vote.view, vote.phase), {}).setdefault(vote.signer, vote)
        return True


class KeepsEveryView(Replica):
    """plenum's bug: no cap on views, so one validator fills everybody's memory."""

    def _make_state(self, tip: CommittedTip) -> HeightState:
        state = super()._make_state(tip)
        state.votes = _EndlessBook()
        return state


class UsesWrongValidatorSet(Replica):
    """FISCO BCOS's other bug: checks an old proof with the new set."""

    def _make_state(self, tip: CommittedTip) -> HeightState:
        return super()._make_state(replace(tip, validators=tip.next_validators))


class ReproposesWithNewTime(Replica):
    """Makes the prepared block anew, so that its clock is right, and its hash another."""

    def _lead_on(self, now_ms: int) -> None:
        state, leading = self._state, self._state.leading
        if leading is not None and leading.chosen is not None:
            old = state.proposals.get(leading.chosen.block_hash)
            if old is not None and old.block_hash in state.bodies:
                header = replace(old.header, time_ms=max(now_ms, old.header.time_ms + 1))
                state.leading = replace(leading, chosen=None)
                self._propose(
                    replace(old, header=header, block_hash=compute_header_hash(header)),
                    leading.proof,
                )
                return
        super()._lead_on(now_ms)


THE_TEN: dict[str, tuple[type[Replica], str]] = {
    "count repeated votes": (CountsRepeatedVotes, "every"),
    "commit without prepared certificate": (CommitsUnprepared, "every"),
    "forget the vote log": (ForgetsVoteLog, "every"),
    "vote in two views": (VotesInTwoViews, "every"),
    "accept a padded certificate": (AcceptsPaddedCertificate, "every"),
    "trust a claimed height": (TrustsClaimedHeight, "every"),
    "ignore the highest prepared view": (IgnoresHighestPrepared, "every"),
    "no cap on views": (KeepsEveryView, "every"),
    "wrong validator set": (UsesWrongValidatorSet, "every"),
    "re-proposal with a new time": (ReproposesWithNewTime, "every"),
}
"""The ten that the simulator must find, with the profile in which it looks."""

MORE: dict[str, tuple[type[Replica], str]] = {
    "forget the prepared block": (ForgetsItsPreparedBlock, "every"),
    "no view change": (NeverMoves, "every"),
    "a re-proposal fails the clock check": (KeepsTheClockOfAReproposal, "every"),
}
