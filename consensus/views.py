"""View changes (Castro & Liskov 4.4, for one slot): rules R1, R2 and R5.

A replica leaves a view when its timer expires, when its leader's block is refused, or
when f+1 validators claim later views. In the new view nothing is due, and no timer
runs, until q validators claim it or a later one: a replica that is cut off does not
run away from the others, and the others wait for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus.departures import Cause
from consensus.effects import (
    Behind,
    Broadcast,
    Grade,
    RequestBlock,
    Send,
    SetTimer,
    TimerName,
)
from consensus.height import Leading
from consensus.messages import (
    GetProposal,
    ProposalMessage,
    ViewChange,
    ViewChangeMessage,
    encode_message,
)
from consensus.normal import NormalCase, make_received_proposal
from consensus.recovery import RecordKind
from consensus.rules import check_content, check_successor
from consensus.viewchange import choose_prepared
from primitives import limits
from primitives.certificate import Certificate
from primitives.errors import ProofError
from primitives.hashing import Address, Hash


class ViewChanges(NormalCase):
    """Adds: leaving a view, entering one, leading a new one."""

    # -- leaving -----------------------------------------------------------------------

    def _move_to(self, view: int, now_ms: int) -> None:
        """Leave the current view for good; say so, durably first (rule R1)."""
        state = self._state
        if view <= state.view or not self._may_vote():
            return
        state.view = view
        state.accepted = None
        state.leading = None
        state.due_at_ms = None
        self._stop_view_timer()
        mine = self._sign_view_change()
        data = self._encode_view_change(mine)
        self._persist(self._record(RecordKind.VIEW_CHANGE, data))
        self._emit(Broadcast(data))
        state.view_changes.add(mine)
        self._advance_view(now_ms)

    def _on_view_expired(self, now_ms: int) -> None:
        state = self._state
        if state.timer_at_ms is None or state.committing:
            return
        if now_ms < state.timer_at_ms:
            # A timer of another clock rang early. It rings once: without another we would
            # never leave this view.
            self._emit(SetTimer(TimerName.VIEW, state.timer_at_ms))
            return
        state.timer_at_ms = None
        if state.certificate is None:
            self._note_departure(state.view + 1, Cause.TIMEOUT, now_ms)
            self._move_to(state.view + 1, now_ms)

    # -- hearing of others' ------------------------------------------------------------

    def _on_view_change(
        self, peer: Address | None, message: ViewChangeMessage, now_ms: int
    ) -> None:
        state, rules, item = self._state, self._state.rules, message.view_change
        if item.view > state.view + limits.VIEW_AHEAD_MAX:
            # Useless, not worse: an honest neighbour one view ahead of us hands such things on.
            self._reject(peer, "view too far ahead", Grade.USELESS)
            return
        if item.view == 0:
            self._reject(peer, "nobody changes to view 0", Grade.MALFORMED)
            return
        held = state.view_changes.find(item.signer)
        if held == item:
            return
        if held is not None and held.view > item.view:
            self._reject(peer, "view change: a later one is known", Grade.USELESS)
            return
        try:
            verified = self._verifier.verify_view_change(item, rules.epoch, rules.validators)
        except ProofError as error:
            self._reject(peer, f"view change: {error.code}", Grade.FORGED)
            return
        if held is not None and held.view == item.view:
            self._accuse(held, item)
            return
        state.view_changes.add(verified)
        self._advance_view(now_ms)

    def _advance_view(self, now_ms: int) -> None:
        """Follow f+1 claims, start the clock under q claims, lead when it is our turn."""
        state = self._state
        if state.committing or state.certificate is not None:
            return
        validators = state.rules.validators
        jump = state.view_changes.compute_jump(state.view, validators.weak_quorum)
        if jump is not None and self._may_vote():
            self._note_departure(jump, Cause.FOLLOWED, now_ms)
            self._move_to(jump, now_ms)
            return
        if state.view == 0 or state.accepted is not None:
            return
        due = state.view_changes.count_from(state.view) >= validators.quorum
        if due and state.timer_at_ms is None:
            self._start_view_timer(now_ms, due_ms=now_ms)
        if self._is_leader():
            proof = self._find_proof()
            if proof is not None:
                self._lead(proof, now_ms)

    # -- leading a new view --------------------------------------------------------------

    def _lead(self, proof: tuple[ViewChange, ...], now_ms: int) -> None:
        """We hold q view changes for our view: work out what must be proposed."""
        state = self._state
        chosen = self._choose(proof)
        state.leading = Leading(state.view, proof, chosen)
        if chosen is None:
            self._emit(RequestBlock(state.height, state.view, now_ms, now_ms))
        else:
            self._pursue(chosen)
            self._lead_on(now_ms)

    def _find_proof(self) -> tuple[ViewChange, ...] | None:
        """Return a quorum's view changes to lead under; None when there is none, or no better.

        Any quorum will do, since every quorum reports what may be committed. While the
        block that one quorum reports cannot be had, a quorum that reports only what we
        hold frees us: a liar may show a certificate whose block nobody else has any more.
        """
        state, quorum = self._state, self._state.rules.validators.quorum
        if state.leading is None:
            return state.view_changes.find_proof(state.view, quorum)
        chosen = state.leading.chosen
        if chosen is None or chosen.block_hash in state.bodies:
            return None
        return state.view_changes.find_proof(state.view, quorum, held=state.bodies)

    def _choose(self, proof: Sequence[ViewChange]) -> Certificate | None:
        return choose_prepared(proof)

    def _pursue(self, chosen: Certificate) -> None:
        """Get header and ids, then the body, of the block that we must propose again.

        At least f+1 honest validators sent a PREPARE for it, and so hold it on disk.
        """
        state = self._state
        proposal = state.proposals.get(chosen.block_hash)
        if proposal is not None:
            self._fetch(proposal)
            return
        question = encode_message(GetProposal(state.height, chosen.block_hash))
        for signer in chosen.signers:
            if signer != state.me:
                self._emit(Send(state.rules.validators.members[signer].public_key, question))

    def _lead_on(self, now_ms: int) -> None:
        """Propose the chosen block again as soon as we can produce it."""
        state, leading = self._state, self._state.leading
        if leading is None or leading.chosen is None or leading.view != state.view:
            return
        block_hash = leading.chosen.block_hash
        if block_hash in state.bodies and block_hash in state.proposals:
            self._propose(state.proposals[block_hash], leading.proof)
            self._start_view_timer(now_ms, due_ms=now_ms)
            self._advance()

    # -- header and ids by hash ------------------------------------------------------------

    def _on_get_proposal(self, peer: Address | None, message: GetProposal, now_ms: int) -> None:
        proposal = self._state.proposals.get(message.block_hash)
        if proposal is None or peer is None:
            return
        if self._peers.may_answer(peer, "proposal", now_ms):
            answer = ProposalMessage(
                proposal.header,
                proposal.transaction_ids,
                proposal.evidence,
                proposal.parent_certificate,
            )
            self._emit(Send(peer, encode_message(answer)))

    def _get_wanted(self) -> Hash | None:
        leading = self._state.leading
        if leading is None or leading.chosen is None:
            return None
        block_hash = leading.chosen.block_hash
        return None if block_hash in self._state.proposals else block_hash

    def _on_proposal(self, peer: Address | None, message: ProposalMessage, now_ms: int) -> None:
        """Header and ids we asked for: their hash is their proof."""
        proposal = make_received_proposal(message)
        if proposal.block_hash != self._get_wanted():
            return
        rules = self._state.rules
        try:
            check_content(proposal)
            check_successor(rules, message.header, message.certificate)
            if message.certificate is not None:
                self._verifier.check_final(
                    message.certificate, rules.tip_epoch, rules.tip.validators
                )
        except ProofError as error:
            self._reject(peer, f"proposal: {error.code}", Grade.MALFORMED)
            return
        self._state.keep_proposal(proposal)
        self._fetch(proposal)
        self._lead_on(now_ms)

    def _pursue_again(self) -> None:
        """Ask again for what is still missing, and all neighbours; at every STATUS tick.

        Those who signed may be no neighbours of ours.
        """
        state, wanted = self._state, self._get_wanted()
        if wanted is not None:
            question = encode_message(GetProposal(state.height, wanted))
            self._emit(Broadcast(question, relay=False))
        if state.certificate is not None and not state.committing:
            missing = state.certificate.block_hash not in state.bodies
            if missing:
                self._emit(Behind(state.height, state.certificate, None, verified=True))
