"""Certificates of final blocks: our own quorum's, or anybody's.

A certificate for our height means that the height is over, whoever brings it. If we
hold the block and computed the same result, we commit; if we computed something else,
we halt before serving it; if we lack it, we say that we are behind. A certificate of
a later height makes us sync. Nobody's mere word about a height counts (CometBFT:
peers lied about their height and sync never ended).
"""

from __future__ import annotations

from consensus.core import Core
from consensus.effects import Behind, Commit, Grade, Halt
from primitives.certificate import Certificate, Phase
from primitives.errors import ProofError
from primitives.hashing import Address
from primitives.params import compute_epoch


class Finality(Core):
    """Adds: what a certificate does."""

    def _learn_certificate(self, peer: Address | None, certificate: Certificate) -> bool:
        """Use a certificate that came in any message; False when it is a lie.

        One below our height is not looked at: it can teach us nothing.
        """
        state, rules = self._state, self._state.rules
        if certificate.height < state.height:
            return True
        if state.committing:
            return True
        epoch = compute_epoch(certificate.height, rules.params.epoch_blocks)
        if epoch != rules.epoch:
            # Its validators may be others; sync verifies each block on the way there.
            self._emit(Behind(certificate.height, certificate, peer, verified=False))
            return True
        try:
            self._verifier.check_final(certificate, epoch, rules.validators)
        except ProofError as error:
            self._reject(peer, f"certificate: {error.code}", Grade.FORGED)
            return False
        if certificate.height > state.height:
            self._emit(Behind(certificate.height, certificate, peer, verified=True))
        else:
            self._finish(certificate, peer)
        return True

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
