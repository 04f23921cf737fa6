"""What all parts of the replica share: its state, its signer and the list of effects.

The replica is built in layers, one file each, every layer using only those before:
``Core`` (here) <- ``Finality`` <- ``NormalCase`` <- ``ViewChanges`` <- ``Replica``.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.bounds import EVIDENCE_KEPT_MAX
from consensus.effects import (
    Accuse,
    Broadcast,
    CancelTimer,
    CommittedTip,
    Effect,
    Grade,
    Persist,
    Reject,
    SetTimer,
    Signer,
    TimerName,
)
from consensus.evidence import make_evidence
from consensus.height import HeightState
from consensus.inbox import FutureBox, PeerTable
from consensus.messages import (
    EvidenceMessage,
    VerifiedViewChange,
    VerifiedVote,
    ViewChange,
    ViewChangeMessage,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    encode_message,
)
from consensus.pacing import Pacing
from consensus.recovery import STEP_OF_PHASE, RecordKind, Recovered, encode_record
from consensus.rules import HeightRules
from consensus.signing import LAST_SIGNED, SignerGuard, Step
from consensus.verification import Check, Verifier
from consensus.watch import Watch
from primitives.certificate import Phase
from primitives.hashing import ZERO_HASH, Address, Hash
from primitives.keys import verify


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """``key`` is None for an observer. ``vote_anyway`` is the operator's override.

    ``vote_anyway`` makes a validator vote although its last-signed record is lost; the
    driver logs it. It overrides nothing else: left on for years, it must not make a
    replica vote at a height of which it lost the log. ``check`` verifies one signature.
    """

    chain_id: Hash
    key: Signer | None
    vote_anyway: bool = False
    check: Check = verify


class Core:
    """State and the small helpers; decides nothing."""

    def __init__(self, config: ReplicaConfig, tip: CommittedTip, recovered: Recovered) -> None:
        self._config = config
        self._guard = SignerGuard(config.key, recovered.last) if config.key else None
        self._verifier = self._make_verifier()
        self._recovered: Recovered | None = recovered
        is_unknown = recovered.vote_from is None
        self._watch = Watch(
            0 if config.vote_anyway and is_unknown else recovered.vote_from, recovered.reason
        )
        self._future = FutureBox()
        self._peers = PeerTable()
        self._pacing = Pacing()
        self._accused: dict[Address, int] = {}
        self._halted: str | None = None
        self._effects: list[Effect] = []
        self._state = self._make_state(tip)

    def _make_verifier(self) -> Verifier:
        return Verifier(self._config.chain_id, self._config.check)

    def _make_state(self, tip: CommittedTip) -> HeightState:
        rules = HeightRules.of(self._config.chain_id, tip)
        me = None if self._guard is None else rules.validators.get_index(self._guard.public_key)
        return HeightState(rules, me)

    def _emit(self, *effects: Effect) -> None:
        self._effects.extend(effects)

    def _take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _reject(self, peer: Address | None, reason: str, grade: Grade) -> None:
        if peer is not None and grade is not Grade.USELESS:
            self._peers.blame(peer, reason)
        self._emit(Reject(peer, reason, grade))

    def _may_vote(self) -> bool:
        return self._state.me is not None and self._watch.may_vote(self._state.height)

    def _is_leader(self) -> bool:
        return self._state.leader == self._state.me and self._may_vote()

    def _start_view_timer(self, now_ms: int, *, due_ms: int) -> None:
        """The proposal of the current view is due at ``due_ms``: T(v) runs from there."""
        state = self._state
        if not self._may_vote() or state.certificate is not None:
            return
        timeout = self._pacing.compute_timeout(state.view, state.rules.params)
        state.timer_at_ms = max(due_ms, now_ms) + timeout
        if due_ms <= now_ms and state.due_at_ms is None:
            state.due_at_ms = now_ms
            if state.wanted_at_ms is None:
                state.wanted_at_ms = now_ms
        self._emit(SetTimer(TimerName.VIEW, state.timer_at_ms))

    def _stop_view_timer(self) -> None:
        if self._state.timer_at_ms is not None:
            self._state.timer_at_ms = None
            self._emit(CancelTimer(TimerName.VIEW))

    def _sign_vote(self, phase: Phase, block_hash: Hash, exec_hash: Hash) -> VerifiedVote:
        """Sign a vote for the current view; nobody has heard it yet."""
        state, rules = self._state, self._state.rules
        assert self._guard is not None and state.me is not None
        unsigned = Vote(int(phase), state.height, state.view, block_hash, exec_hash, state.me, b"")
        message = compute_signed_vote(unsigned, rules.chain_id, rules.epoch)
        signature = self._guard.sign(state.height, state.view, STEP_OF_PHASE[phase], message)
        return VerifiedVote(
            Vote(int(phase), state.height, state.view, block_hash, exec_hash, state.me, signature)
        )

    def _sign_view_change(self) -> VerifiedViewChange:
        """Sign the VIEW-CHANGE into the current view, with what we prepared."""
        state, rules = self._state, self._state.rules
        assert self._guard is not None and state.me is not None
        unsigned = ViewChange(state.height, state.view, state.prepared, state.me, b"")
        message = compute_signed_view_change(unsigned, rules.chain_id, rules.epoch)
        signature = self._guard.sign(state.height, state.view, Step.VIEW_CHANGE, message)
        return VerifiedViewChange(
            ViewChange(state.height, state.view, state.prepared, state.me, signature)
        )

    def _persist(self, *records: bytes, body: Hash | None = None) -> None:
        assert self._guard is not None
        self._emit(Persist(records, LAST_SIGNED.encode(self._guard.last), body))

    def _record(self, kind: RecordKind, data: bytes) -> bytes:
        return encode_record(kind, self._state.height, data)

    def _encode_view_change(self, item: ViewChange) -> bytes:
        return encode_message(ViewChangeMessage(item, self._state.rules.tip.certificate))

    def _accuse(self, one: Vote | ViewChange, other: Vote | ViewChange) -> None:
        """Two verified statements of one validator at one place: tell everyone, once an epoch."""
        rules = self._state.rules
        validator = rules.validators.members[one.signer].public_key
        evidence = make_evidence(one, other, rules.epoch, rules.validators)
        self._publish_evidence(validator, evidence)

    def _publish_evidence(self, validator: Address, evidence: bytes) -> None:
        epoch = self._state.rules.epoch
        if self._accused.get(validator) == epoch:
            return
        if len(self._accused) >= EVIDENCE_KEPT_MAX:
            del self._accused[next(iter(self._accused))]
        self._accused[validator] = epoch
        self._emit(Accuse(validator, evidence))
        self._emit(Broadcast(encode_message(EvidenceMessage(evidence))))


def is_same_vote(one: Vote, other: Vote) -> bool:
    """Whether two votes of one signer at one place say the same."""
    return (one.block_hash, one.exec_hash) == (other.block_hash, other.exec_hash)


NO_EXECUTION = ZERO_HASH
"""What a PREPARE says about execution."""
