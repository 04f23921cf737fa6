"""The normal case: PRE-PREPARE, PREPARE, COMMIT (Castro & Liskov 4.2, for one slot).

``_advance`` looks at the whole state after every input and takes each step that is
due; steps are idempotent, so the order in which messages and results arrive does not
matter. What we promise is persisted before it is sent.
"""

from __future__ import annotations

from consensus.bounds import VIEWS_KEPT_MAX
from consensus.core import NO_EXECUTION, is_same_vote
from consensus.departures import Cause
from consensus.effects import Broadcast, Candidate, Execute, FetchBody, Grade, Proposal
from consensus.evidence import verify_evidence
from consensus.finality import Finality
from consensus.height import Accepted
from consensus.messages import (
    PrePrepare,
    ProposalMessage,
    VerifiedVote,
    ViewChange,
    Vote,
    encode_message,
)
from consensus.recovery import RecordKind
from consensus.rules import check_content, check_fresh, check_successor, make_proposal
from consensus.viewchange import check_new_view
from primitives import limits
from primitives.block import compute_header_hash
from primitives.certificate import CERTIFICATE, Certificate, Phase
from primitives.errors import CodecError, ProofError
from primitives.evidence import Evidence
from primitives.hashing import Address, Hash


class NormalCase(Finality):
    """Adds: proposals and votes."""

    def _note_departure(self, to: int, cause: Cause, now_ms: int, detail: str = "") -> None:
        """Remember why the current view is left; for people, decides nothing."""
        self._state.departures.note(self._state.view, to, cause, now_ms, detail)

    # -- proposing -------------------------------------------------------------------

    def _propose(self, proposal: Proposal, proof: tuple[ViewChange, ...]) -> None:
        """Send our PRE-PREPARE for the current view; the body is with us."""
        state = self._state
        vote = self._sign_vote(Phase.PREPARE, proposal.block_hash, NO_EXECUTION)
        data = encode_message(
            PrePrepare(
                state.height,
                state.view,
                proposal.header,
                proposal.transaction_ids,
                proposal.evidence,
                proposal.parent_certificate,
                proof,
                vote.signature,
            )
        )
        state.leading = None
        state.keep_proposal(proposal)
        state.accepted = Accepted(state.view, proposal.block_hash, data)
        self._have_body(proposal)
        self._persist(
            self._record(RecordKind.PROPOSAL, data),
            self._record(RecordKind.VOTE, encode_message(vote)),
            body=proposal.block_hash,
        )
        self._emit(Broadcast(data))
        self._count(vote)

    def _propose_new(
        self, candidate: Candidate, proof: tuple[ViewChange, ...], now_ms: int
    ) -> None:
        state = self._state
        assert state.me is not None
        proposer = state.rules.validators.members[state.me].public_key
        # Evidence of an epoch that has just ended no longer verifies.
        proven = tuple(item for item in candidate.evidence if self._is_evidence(item))
        candidate = Candidate(candidate.time_ms, candidate.transaction_ids, proven)
        self._propose(make_proposal(state.rules, proposer, candidate), proof)
        self._start_view_timer(now_ms, due_ms=now_ms)
        self._advance()

    # -- receiving a proposal --------------------------------------------------------

    def _on_pre_prepare(
        self, peer: Address | None, message: PrePrepare, data: bytes, now_ms: int
    ) -> None:
        state = self._state
        if message.view > state.view + limits.VIEW_AHEAD_MAX:
            # Useless, not worse: an honest neighbour one view ahead of us hands such things on.
            self._reject(peer, "view too far ahead", Grade.USELESS)
            return
        if message.view < state.view:
            self._reject(peer, "proposal of a view that is over", Grade.USELESS)
            return
        block_hash = compute_header_hash(message.header)
        known = state.accepted
        if known and (known.view, known.block_hash) == (message.view, block_hash):
            if known.data != data:
                self._reject(peer, "another copy of the proposal", Grade.USELESS)
            return
        vote = self._verifier.verify_vote(
            make_leader_vote(message, block_hash, state.rules.get_leader(message.view)),
            state.rules.epoch,
            state.rules.validators,
        )
        if vote is None:
            self._reject(peer, "the leader did not sign this proposal", Grade.FORGED)
            return
        leader = vote.signer
        held = state.votes.find(message.view, Phase.PREPARE, leader)
        if held is not None and not is_same_vote(held, vote):
            self._accuse(held, vote)
            return
        proposal = make_received_proposal(message)
        try:
            self._check_proposal(message, proposal, leader, now_ms)
        except (ProofError, CodecError) as error:
            if message.view == state.view:
                state.departures.note_turned_down(message.view, f"{error.code}: {error}")
            # The leader signed it, so the fault is the leader's; a neighbour may have handed
            # it on before it could look inside. Clocks differ, and nobody is to blame.
            is_leaders = peer == state.rules.validators.members[leader].public_key
            is_fault = is_leaders and error.code != "header-time-ahead"
            grade = Grade.MALFORMED if is_fault else Grade.USELESS
            self._reject(peer, f"proposal: {error.code}", grade)
            return
        self._accept(proposal, message.view, vote, data, now_ms)

    def _check_proposal(
        self, message: PrePrepare, proposal: Proposal, leader: int, now_ms: int
    ) -> None:
        """Raise ProofError unless the proposal may be accepted in its view."""
        rules = self._state.rules
        check_successor(rules, message.header, message.certificate)
        check_content(proposal)
        if message.certificate is not None:
            self._verifier.check_final(message.certificate, rules.tip_epoch, rules.tip.validators)
        for encoded in message.evidence:
            self._check_evidence(encoded)
        chosen = self._check_new_view(message)
        if chosen is None:
            check_fresh(rules, message.header, leader, now_ms)
        elif chosen.block_hash != proposal.block_hash:
            raise ProofError("not the block of the highest prepared view", code="new-view-choice")

    def _check_evidence(self, encoded: bytes) -> Evidence:
        """Return the evidence. Raises ProofError or CodecError when it proves nothing."""
        rules = self._state.rules
        return verify_evidence(
            encoded, rules.chain_id, rules.epoch, rules.validators, self._verifier.is_signed
        )

    def _is_evidence(self, encoded: bytes) -> bool:
        try:
            self._check_evidence(encoded)
        except (CodecError, ProofError):
            return False
        return True

    def _check_new_view(self, message: PrePrepare) -> Certificate | None:
        if message.view == 0:
            if message.new_view:
                raise ProofError("view 0 needs no proof", code="new-view-unneeded")
            return None
        return check_new_view(message.new_view, message.view, self._state.rules, self._verifier)

    def _accept(
        self, proposal: Proposal, view: int, vote: VerifiedVote, data: bytes, now_ms: int
    ) -> None:
        """Take the proposal as that of its view, and enter the view if it is a later one."""
        state = self._state
        if view > state.view:
            self._note_departure(view, Cause.NEW_VIEW, now_ms)
            state.due_at_ms = None
        state.view = view
        state.leading = None
        state.accepted = Accepted(view, proposal.block_hash, data)
        state.keep_proposal(proposal)
        self._count(vote)
        self._start_view_timer(now_ms, due_ms=now_ms)
        self._fetch(proposal)
        self._advance()

    def _fetch(self, proposal: Proposal) -> None:
        """Ask for the body once; `FetchBody` goes on until the height is over."""
        state = self._state
        block_hash = proposal.block_hash
        if block_hash in state.bodies or block_hash in state.fetching:
            return
        state.fetching[block_hash] = None
        members = state.rules.validators.members
        holders = [members[index].public_key for index in state.get_holders(block_hash)]
        self._emit(FetchBody(proposal, tuple(holders)))

    def _finish(self, certificate: Certificate, peer: Address | None) -> None:
        """As below; and fetch the body of a final block that we hold without it.

        After a restart in a later view nobody may have asked for it yet. When all restarted,
        nobody committed it, and sync alone would wait for ever.
        """
        super()._finish(certificate, peer)
        proposal = self._state.proposals.get(certificate.block_hash)
        if proposal is not None:
            self._fetch(proposal)

    def _have_body(self, proposal: Proposal) -> None:
        """The body is here and good: execution starts while votes travel."""
        state = self._state
        state.fetching.pop(proposal.block_hash, None)
        if proposal.block_hash not in state.bodies:
            state.bodies[proposal.block_hash] = None
            self._emit(Execute(proposal))

    # -- votes -----------------------------------------------------------------------

    def _on_vote(self, peer: Address | None, vote: Vote) -> None:
        state = self._state
        if vote.view > state.view + limits.VIEW_AHEAD_MAX:
            # Useless, not worse: an honest neighbour one view ahead of us hands such things on.
            self._reject(peer, "view too far ahead", Grade.USELESS)
            return
        held = state.votes.find(vote.view, vote.phase, vote.signer)
        if held is not None and is_same_vote(held, vote):
            if held != vote:
                self._reject(peer, "vote: another signature", Grade.USELESS)
            return
        if held is None and self._is_needless(vote):
            self._reject(peer, "vote: no longer needed", Grade.USELESS)
            return
        verified = self._verifier.verify_vote(vote, state.rules.epoch, state.rules.validators)
        if verified is None:
            self._reject(peer, "vote: bad signature", Grade.FORGED)
        elif held is not None:
            self._accuse(held, vote)
        else:
            self._count(verified)
            self._advance()

    def _is_needless(self, vote: Vote) -> bool:
        """A PREPARE for what is prepared, or a vote of views long gone: not worth verifying."""
        state = self._state
        if vote.view + VIEWS_KEPT_MAX < state.view:
            return True
        prepared = state.prepared
        return (
            vote.phase == Phase.PREPARE
            and prepared is not None
            and (prepared.view, prepared.block_hash) == (vote.view, vote.block_hash)
        )

    def _count(self, vote: VerifiedVote) -> None:
        """Count a vote, ours or another's, in the same way."""
        self._state.votes.add(vote)

    # -- steps -----------------------------------------------------------------------

    def _advance(self) -> None:
        """Take every step that is due: PREPARE, prepared, COMMIT, final."""
        if self._state.committing or self._halted is not None:
            return
        self._step_prepare()
        self._step_prepared()
        self._step_commit()
        self._step_final()

    def _step_prepare(self) -> None:
        """Vote for the accepted proposal once its body is here and good."""
        state, accepted, me = self._state, self._state.accepted, self._state.me
        if accepted is None or me is None or not self._may_vote():
            return
        if accepted.block_hash not in state.bodies:
            return
        if state.votes.find(accepted.view, Phase.PREPARE, me) is not None:
            return
        vote = self._sign_vote(Phase.PREPARE, accepted.block_hash, NO_EXECUTION)
        data = encode_message(vote)
        self._persist(
            self._record(RecordKind.PROPOSAL, accepted.data),
            self._record(RecordKind.VOTE, data),
            body=accepted.block_hash,
        )
        self._emit(Broadcast(data))
        self._count(vote)

    def _step_prepared(self) -> None:
        """q PREPAREs for the accepted proposal in its view make it prepared."""
        state, accepted = self._state, self._state.accepted
        if accepted is None or (state.prepared and state.prepared.view >= accepted.view):
            return
        quorum = state.rules.validators.quorum
        certificate = state.votes.find_certificate(accepted.view, Phase.PREPARE, quorum)
        if certificate is not None and certificate.block_hash == accepted.block_hash:
            state.prepared = certificate

    def _step_commit(self) -> None:
        """COMMIT what is prepared in this view and executed here (rule R3)."""
        state, accepted, me = self._state, self._state.accepted, self._state.me
        if accepted is None or me is None or not self._may_vote() or not self._is_prepared():
            return
        executed = state.executions.get(accepted.block_hash)
        if executed is None or state.votes.find(accepted.view, Phase.COMMIT, me):
            return
        self._send_commit(accepted.block_hash, executed)

    def _is_prepared(self) -> bool:
        accepted, prepared = self._state.accepted, self._state.prepared
        return (
            accepted is not None
            and prepared is not None
            and (prepared.view, prepared.block_hash) == (accepted.view, accepted.block_hash)
        )

    def _send_commit(self, block_hash: Hash, exec_hash: Hash) -> None:
        vote = self._sign_vote(Phase.COMMIT, block_hash, exec_hash)
        data = encode_message(vote)
        records = [self._record(RecordKind.VOTE, data)]
        if self._state.prepared is not None:
            prepared = CERTIFICATE.encode(self._state.prepared)
            records.insert(0, self._record(RecordKind.PREPARED, prepared))
        self._persist(*records)
        self._emit(Broadcast(data))
        self._count(vote)

    def _step_final(self) -> None:
        """q COMMITs for one (view, block, execution), in any view, are the certificate."""
        state = self._state
        if state.certificate is not None:
            self._finish(state.certificate, None)
            return
        quorum = state.rules.validators.quorum
        for view in state.votes.get_views(Phase.COMMIT):
            certificate = state.votes.find_certificate(view, Phase.COMMIT, quorum)
            if certificate is not None:
                self._finish(certificate, None)
                return


def make_leader_vote(message: PrePrepare, block_hash: Hash, leader: int) -> Vote:
    """Return the PREPARE of the leader (an index) that signs a PRE-PREPARE."""
    return Vote(
        int(Phase.PREPARE),
        message.height,
        message.view,
        block_hash,
        NO_EXECUTION,
        leader,
        message.signature,
    )


def make_received_proposal(message: PrePrepare | ProposalMessage) -> Proposal:
    """Return header, ids and evidence of a message under the hash they really have."""
    return Proposal(
        compute_header_hash(message.header),
        message.header,
        message.transaction_ids,
        message.evidence,
        message.certificate,
    )
