"""Certificates of final blocks: our own quorum's, or anybody's.

A certificate for our height means that the height is over, whoever brings it. If we
hold the block and computed the same result, we commit; if we computed something else,
we halt before serving it; if we lack it, we say that we are behind. A certificate of
a later height makes us sync. Nobody's mere word about a height counts (CometBFT:
peers lied about their height and sync never ended).
"""

from __future__ import annotations

from enum import Enum

from consensus.core import Core
from consensus.effects import Behind, Commit, Grade, Halt
from primitives.certificate import Certificate, Phase
from primitives.errors import ProofError
from primitives.hashing import Address
from primitives.params import compute_epoch


class Claim(Enum):
    """What a certificate that came with a message is worth as a proof of its height."""

    LIE = "lie"
    HINT = "hint"
    """Nobody here can say: the set of its epoch is not known yet."""
    PROVEN = "proven"
    """It verified, or it claims less than we know."""


class Finality(Core):
    """Adds: what a certificate does."""

    def _learn_certificate(self, peer: Address | None, certificate: Certificate) -> Claim:
        """Use a certificate that came in any message.

        One below our height teaches us nothing; only our parent's is looked at, because
        whoever is a height behind will look at it when we hand the message on.
        """
        state, rules = self._state, self._state.rules
        if certificate.height < state.height:
            return self._check_parent(peer, certificate)
        epoch = compute_epoch(certificate.height, rules.params.epoch_blocks)
        if epoch != rules.epoch:
            # Its validators may be others; sync verifies each block on the way there.
            if not state.committing:
                self._emit(Behind(certificate.height, certificate, peer, verified=False))
            return Claim.HINT
        try:
            self._verifier.check_final(certificate, epoch, rules.validators)
        except ProofError as error:
            self._reject(peer, f"certificate: {error.code}", Grade.FORGED)
            return Claim.LIE
        if certificate.height == state.height:
            self._finish(certificate, peer)
        elif not state.committing:
            self._emit(Behind(certificate.height, certificate, peer, verified=True))
        return Claim.PROVEN

    def _check_parent(self, peer: Address | None, certificate: Certificate) -> Claim:
        """Verify another quorum's certificate of our tip; older ones are not looked at."""
        rules, tip = self._state.rules, self._state.rules.tip
        if certificate.height < tip.height or certificate == tip.certificate:
            return Claim.PROVEN
        try:
            if (certificate.block_hash, certificate.exec_hash) != (tip.block_hash, tip.exec_hash):
                raise ProofError("not our parent", code="certificate-parent")
            self._verifier.check_final(certificate, rules.tip_epoch, tip.validators)
        except ProofError as error:
            self._reject(peer, f"certificate: {error.code}", Grade.FORGED)
            return Claim.LIE
        return Claim.PROVEN

    def _finish(self, certificate: Certificate, peer: Address | None) -> None:
        """Our height is final with this verified certificate: commit, wait or sync."""
        state = self._state
        if state.committing:
            return
        news = state.certificate is None
        state.certificate = certificate
        self._stop_view_timer()
        proposal = state.proposals.get(certificate.block_hash)
        executed = state.executions.get(certificate.block_hash)
        if proposal is None or certificate.block_hash not in state.bodies:
            if news or peer is not None:
                self._emit(Behind(certificate.height, certificate, peer, verified=True))
        elif executed is None:
            return  # it is being executed: `executed` comes back here
        elif executed != certificate.exec_hash:
            self._halt_divergent(certificate, executed.hex())
        else:
            state.committing = True
            self._emit(Commit(proposal, certificate))

    def _halt_divergent(self, certificate: Certificate, ours: str) -> None:
        state = self._state
        reason = (
            f"divergence at height {state.height}: a quorum certified execution "
            f"{certificate.exec_hash.hex()}, this node computed {ours}"
        )
        votes = [
            f"validator {vote.signer} view {view} block {vote.block_hash.hex()} "
            f"execution {vote.exec_hash.hex()}"
            for view in state.votes.get_views(Phase.COMMIT)
            for vote in state.votes.get_votes(view, Phase.COMMIT)
        ]
        lines = [reason, f"block {certificate.block_hash.hex()}", f"view {certificate.view}"]
        self._halted = reason
        self._emit(Halt(reason, "\n".join([*lines, "COMMITs held:", *votes])))
