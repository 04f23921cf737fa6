"""The replica: every input of the consensus core, each returning effects in order.

PBFT (Castro & Liskov, OSDI 1999) for one undecided height at a time. Pure: no socket,
file, clock or randomness. README.md in this folder is the driver's contract and maps
rules R1-R6 to code.
"""

from __future__ import annotations

from consensus.bounds import STATUS_INTERVAL_MS
from consensus.core import ReplicaConfig
from consensus.departures import Cause, Departure
from consensus.description import Description, describe
from consensus.effects import (
    Broadcast,
    Candidate,
    CommittedTip,
    Effect,
    Grade,
    Proposal,
    RequestBlock,
    Send,
    SetTimer,
    TimerName,
)
from consensus.finality import Claim
from consensus.height import Accepted
from consensus.messages import (
    EvidenceMessage,
    GetProposal,
    PrePrepare,
    ProposalMessage,
    Status,
    VerifiedViewChange,
    VerifiedVote,
    ViewChangeMessage,
    Vote,
    decode_message,
    encode_message,
)
from consensus.normal import make_leader_vote, make_received_proposal
from consensus.recovery import Recovered
from consensus.repair import compute_repair, make_status
from consensus.views import ViewChanges
from primitives.block import compute_header_hash
from primitives.certificate import Phase
from primitives.errors import CodecError, ProofError
from primitives.hashing import Address, Hash

__all__ = ["Replica", "ReplicaConfig"]


class Replica(ViewChanges):
    """One node's part in consensus. Call from one task; perform effects in order."""

    # -- inputs --------------------------------------------------------------------------

    def start(self, now_ms: int) -> list[Effect]:
        """Go on where the vote log ended: finish the height, say the same bytes again."""
        self._open_height(now_ms)
        self._say_status(now_ms)
        return self._take_effects()

    def receive(self, peer: Address | None, data: bytes, now_ms: int) -> list[Effect]:
        """Take one message. ``peer`` is the link it came over, never believed as its author."""
        if self._halted is None:
            self._receive(peer, data, now_ms)
        return self._take_effects()

    def expire(self, timer: TimerName, now_ms: int) -> list[Effect]:
        """A timer that we set has run out. Late or cancelled ones are ignored."""
        if self._halted is None:
            if timer is TimerName.VIEW:
                self._on_view_expired(now_ms)
            else:
                self._pursue_again()
                self._say_status(now_ms)
        return self._take_effects()

    def transactions_waiting(self, now_ms: int) -> list[Effect]:
        """Something could be proposed: from now on view 0 owes a proposal."""
        state = self._state
        idle = state.view == 0 and state.accepted is None and state.due_at_ms is None
        if self._halted is None and idle and not state.committing:
            self._start_view_timer(now_ms, due_ms=now_ms)
        return self._take_effects()

    def offer(self, height: int, view: int, candidate: Candidate, now_ms: int) -> list[Effect]:
        """The block we asked for with ``RequestBlock``; ignored when it is no longer wanted."""
        state = self._state
        wanted = (height, view) == (state.height, state.view) and state.accepted is None
        over = state.committing or state.certificate is not None or self._halted is not None
        if wanted and not over and self._is_leader():
            leading = state.leading
            if view == 0:
                self._propose_new(candidate, (), now_ms)
            elif leading is not None and leading.chosen is None:
                self._propose_new(candidate, leading.proof, now_ms)
        return self._take_effects()

    def body_ready(self, block_hash: Hash, now_ms: int) -> list[Effect]:
        """The transactions are here and each passed the stateless checks."""
        proposal = self._state.proposals.get(block_hash)
        if proposal is not None and self._halted is None and not self._state.committing:
            self._have_body(proposal)
            self._lead_on(now_ms)
            self._advance()
        return self._take_effects()

    def body_refused(self, block_hash: Hash, reason: str, now_ms: int) -> list[Effect]:
        """A transaction of the block fails the stateless checks: leave its view at once."""
        state = self._state
        if block_hash in state.proposals and self._halted is None and not state.committing:
            state.fetching.pop(block_hash, None)
            state.refused[block_hash] = reason[:200]
            current = state.accepted is not None and state.accepted.block_hash == block_hash
            if current and state.certificate is None and self._may_vote():
                self._note_departure(state.view + 1, Cause.REFUSED, now_ms, reason)
                self._move_to(state.view + 1, now_ms)
        return self._take_effects()

    def executed(self, block_hash: Hash, exec_hash: Hash, now_ms: int) -> list[Effect]:
        """Execution of a block ended with this result."""
        state = self._state
        if block_hash in state.bodies and self._halted is None:
            state.executions.setdefault(block_hash, exec_hash)
            self._advance()
        return self._take_effects()

    def caught_up(self, tip: CommittedTip, now_ms: int) -> list[Effect]:
        """The store's tip moved, by our Commit or by sync. Older or equal tips change nothing."""
        if tip.height >= self._state.height and self._halted is None:
            due = self._state.due_at_ms
            if due is not None and tip.height == self._state.height:
                self._pacing.observe(now_ms - due)
            self._stop_view_timer()
            self._state = self._make_state(tip)
            self._open_height(now_ms)
            for peer, data in self._future.take_all():
                self._receive(peer, data, now_ms)
        return self._take_effects()

    @property
    def departures(self) -> tuple[Departure, ...]:
        """The views that were left at this height, and why; for logs and metrics."""
        return tuple(self._state.departures)

    @property
    def wanted_at_ms(self) -> int | None:
        """When this height's block was first due; None while it is not."""
        return self._state.wanted_at_ms

    def describe(self, now_ms: int) -> Description:
        """Return a snapshot for people. Changes nothing, waits for nothing."""
        return describe(
            self._state,
            now_ms,
            halted=self._halted,
            watching=self._explain_watch(),
            peers=self._peers.get_all(),
            accused=tuple(self._accused),
        )

    def count_held(self) -> int:
        """Return how many items peers made us keep; bounded by the number of validators."""
        return (
            self._state.count_held()
            + self._future.held
            + self._peers.held
            + self._verifier.held
            + len(self._accused)
        )

    # -- a height begins -----------------------------------------------------------------

    def _open_height(self, now_ms: int) -> None:
        state, params = self._state, self._state.rules.params
        recovered, self._recovered = self._recovered, None
        if recovered is not None:
            self._restore(now_ms, recovered)
        if state.view or state.accepted is not None:
            self._advance_view(now_ms)
            self._advance()
            return
        self._start_view_timer(now_ms, due_ms=now_ms + params.empty_block_interval_ms)
        if self._is_leader():
            empty_at_ms = now_ms + params.empty_block_interval_ms
            self._emit(RequestBlock(state.height, 0, now_ms, empty_at_ms))

    def _restore(self, now_ms: int, recovered: Recovered) -> None:
        """Take up what the vote log holds for this height and say the same bytes again.

        An unfinished height comes before anything new (SmartBFT's restarted leader waited
        for new transactions instead), and waits for no peer that is ahead (Besu).
        """
        state = self._state
        state.prepared = recovered.prepared
        for data in recovered.proposals:
            self._restore_proposal(data)
        if recovered.view_change is not None:
            state.view = max(state.view, recovered.view_change.view)
            state.view_changes.add(VerifiedViewChange(recovered.view_change))
            self._emit(Broadcast(self._encode_view_change(recovered.view_change)))
        if state.accepted is not None and state.accepted.view != state.view:
            state.accepted = None
        if state.accepted is not None:
            if state.leader == state.me:
                self._emit(Broadcast(state.accepted.data))
            self._start_view_timer(now_ms, due_ms=now_ms)
            self._fetch(state.proposals[state.accepted.block_hash])
        for vote in recovered.votes:
            self._count(VerifiedVote(vote))
            if vote.view == state.view or vote.phase == Phase.COMMIT:
                self._emit(Broadcast(encode_message(vote)))

    def _restore_proposal(self, data: bytes) -> None:
        message = decode_message(data)
        assert isinstance(message, PrePrepare)
        state = self._state
        block_hash = compute_header_hash(message.header)
        state.keep_proposal(make_received_proposal(message))
        if message.view >= state.view:
            state.view = message.view
            state.accepted = Accepted(message.view, block_hash, data)
            leader = state.rules.get_leader(message.view)
            self._count(VerifiedVote(make_leader_vote(message, block_hash, leader)))

    # -- messages ------------------------------------------------------------------------

    def _receive(self, peer: Address | None, data: bytes, now_ms: int) -> None:
        try:
            message = decode_message(data)
        except CodecError as error:
            self._reject(peer, f"message: {error.args[0]}", Grade.MALFORMED)
            return
        if isinstance(message, Status):
            self._on_status(peer, message, now_ms)
        elif isinstance(message, EvidenceMessage):
            self._on_evidence(peer, message)
        elif isinstance(message, GetProposal):
            self._on_get_proposal(peer, message, now_ms)
        elif isinstance(message, ProposalMessage):
            self._on_proposal(peer, message, now_ms)
        elif self._is_for_now(peer, message, data, now_ms):
            self._dispatch(peer, message, data, now_ms)

    def _dispatch(
        self,
        peer: Address | None,
        message: PrePrepare | Vote | ViewChangeMessage,
        data: bytes,
        now_ms: int,
    ) -> None:
        if isinstance(message, Vote):
            self._on_vote(peer, message)
        elif isinstance(message, PrePrepare):
            self._on_pre_prepare(peer, message, data, now_ms)
        else:
            self._on_view_change(peer, message, now_ms)

    def _is_for_now(
        self,
        peer: Address | None,
        message: PrePrepare | Vote | ViewChangeMessage,
        data: bytes,
        now_ms: int,
    ) -> bool:
        """Whether it is about the height we decide; learns from, keeps or answers others."""
        height = get_height(message)
        if not isinstance(message, Vote):
            certificate = message.certificate
            if height != (0 if certificate is None else certificate.height) + 1:
                self._reject(peer, "a height without its proof", Grade.MALFORMED)
                return False
            if certificate is not None and self._learn_certificate(peer, certificate) is Claim.LIE:
                return False
        state = self._state
        if height == state.height and not state.committing:
            return True
        if height == state.height + 1:
            if not self._future.add(peer, data):
                self._reject(peer, "too many early messages", Grade.USELESS)
            elif not self._is_signed_early(message):
                self._reject(peer, "early: kept, not verified yet", Grade.USELESS)
            return False
        if height < state.height and isinstance(message, ViewChangeMessage):
            self._answer_laggard(peer, now_ms)
        self._reject(peer, "about another height", Grade.USELESS)
        return False

    def _is_signed_early(self, message: PrePrepare | Vote | ViewChangeMessage) -> bool:
        """Whether a message of the next height verifies by this height's set.

        Within an epoch that is its own set, as a rule; it is checked again in its time. A
        neighbour is blamed for a proposal that is not its leader's, so one is not handed on
        before the block is here from which it follows who leads.
        """
        rules, validators = self._state.rules, self._state.rules.validators
        if isinstance(message, ViewChangeMessage):
            try:
                item = message.view_change
                self._verifier.verify_view_change(item, rules.epoch, validators)
            except ProofError:
                return False
            return True
        if isinstance(message, PrePrepare):
            decided = self._find_parent(message)
            if decided is None:
                return False
            leader = rules.get_next_leader(decided, message.view)
            message = make_leader_vote(message, compute_header_hash(message.header), leader)
        return self._verifier.verify_vote(message, rules.epoch, validators) is not None

    def _find_parent(self, message: PrePrepare) -> Proposal | None:
        parent = message.certificate
        return None if parent is None else self._state.proposals.get(parent.block_hash)

    def _on_status(self, peer: Address | None, status: Status, now_ms: int) -> None:
        """A neighbour says where it stands: learn if it is ahead, help if it is not."""
        if peer is None:
            return
        certificate = status.certificate
        if status.height != (0 if certificate is None else certificate.height) + 1:
            self._reject(peer, "a height without its proof", Grade.MALFORMED)
            return
        state = self._state
        if certificate is not None:
            claim = self._learn_certificate(peer, certificate)
            if claim is not Claim.PROVEN:
                return
        self._peers.hear(peer, status.height, status.view, now_ms)
        if self._guard is not None:
            own, validators = self._guard.public_key, state.rules.validators
            self._watch.hear(peer, status.height - 1, own, validators)
        if status.height < state.height:
            self._answer_laggard(peer, now_ms)
        elif status.height == state.height and not state.committing:
            repair = compute_repair(state, status)
            if repair and self._peers.may_answer(peer, "repair", now_ms):
                self._emit(*[Send(peer, data) for data in repair])

    def _answer_laggard(self, peer: Address | None, now_ms: int) -> None:
        """Our STATUS holds the certificate that ends the laggard's height."""
        if peer is not None and self._peers.may_answer(peer, "status", now_ms):
            self._emit(Send(peer, encode_message(make_status(self._state))))

    def _say_status(self, now_ms: int) -> None:
        state = self._state
        self._emit(Broadcast(encode_message(make_status(state)), relay=False))
        interval = min(STATUS_INTERVAL_MS, state.rules.params.timeout_base_ms)
        self._emit(SetTimer(TimerName.STATUS, now_ms + interval))

    def _on_evidence(self, peer: Address | None, message: EvidenceMessage) -> None:
        try:
            evidence = self._check_evidence(message.evidence)
        except (CodecError, ProofError) as error:
            elsewhen = error.code == "evidence-epoch"
            grade = Grade.USELESS if elsewhen else Grade.FORGED
            self._reject(peer, f"evidence: {error.code}", grade)
            return
        self._publish_evidence(evidence.validator, message.evidence)

    def _explain_watch(self) -> str:
        state = self._state
        return "" if state.me is None else self._watch.explain(state.height)


def get_height(message: PrePrepare | Vote | ViewChangeMessage) -> int:
    """Return the height that the message is about."""
    if isinstance(message, ViewChangeMessage):
        return message.view_change.height
    return message.height
