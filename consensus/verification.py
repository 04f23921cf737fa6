"""The only way from *received* to *verified*.

Every certificate, final or prepared, goes through
``primitives.certificate.verify_certificate`` (rule R6). Signatures that verified once
are remembered, so a PREPARE that comes again inside a prepared certificate, or a
COMMIT inside the next proposal's certificate, costs a look-up. Only successes are
remembered: the memory is bounded, and strangers cannot fill it.
"""

from __future__ import annotations

from collections.abc import Callable

from consensus.bounds import SIGNATURES_KEPT_MAX
from consensus.messages import (
    VerifiedViewChange,
    VerifiedVote,
    ViewChange,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
)
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.errors import ProofError
from primitives.hashing import ZERO_HASH, Hash
from primitives.validators import ValidatorSet

Check = Callable[[bytes, bytes, bytes], bool]


class Verifier:
    """Checks signatures by ``check(public_key, message, signature)``; remembers successes."""

    def __init__(self, chain_id: Hash, check: Check) -> None:
        self._chain_id = chain_id
        self._check = check
        self._known: dict[tuple[bytes, bytes, bytes], None] = {}

    @property
    def held(self) -> int:
        """How many signatures are remembered."""
        return len(self._known)

    def is_signed(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` verifies; asks the memory first."""
        key = (public_key, message, signature)
        if key in self._known:
            return True
        if not self._check(public_key, message, signature):
            return False
        if len(self._known) >= SIGNATURES_KEPT_MAX:
            del self._known[next(iter(self._known))]
        self._known[key] = None
        return True

    def verify_vote(self, vote: Vote, epoch: int, validators: ValidatorSet) -> VerifiedVote | None:
        """Return the vote if the key of the validator it names signed it."""
        if not 0 <= vote.signer < len(validators.members):
            return None
        if vote.phase == Phase.PREPARE and vote.exec_hash != ZERO_HASH:
            return None
        message = compute_signed_vote(vote, self._chain_id, epoch)
        key = validators.members[vote.signer].public_key
        return VerifiedVote(vote) if self.is_signed(key, message, vote.signature) else None

    def check_final(self, certificate: Certificate, epoch: int, validators: ValidatorSet) -> None:
        """Raise ProofError unless the commit certificate holds for that epoch and set."""
        verify_certificate(certificate, self._chain_id, epoch, validators, check=self.is_signed)

    def check_prepared(
        self, certificate: Certificate, epoch: int, validators: ValidatorSet
    ) -> None:
        """Raise ProofError unless the prepared certificate holds for that epoch and set."""
        if certificate.exec_hash != ZERO_HASH:
            raise ProofError("a PREPARE names no execution", code="prepared-exec-hash")
        verify_certificate(
            certificate,
            self._chain_id,
            epoch,
            validators,
            phase=Phase.PREPARE,
            check=self.is_signed,
        )

    def verify_view_change(
        self, view_change: ViewChange, epoch: int, validators: ValidatorSet
    ) -> VerifiedViewChange:
        """Return the verified view change: its signature and its prepared certificate.

        Raises ProofError naming what is wrong.
        """
        if view_change.signer >= len(validators.members):
            raise ProofError("unknown signer", code="view-change-signer")
        message = compute_signed_view_change(view_change, self._chain_id, epoch)
        key = validators.members[view_change.signer].public_key
        if not self.is_signed(key, message, view_change.signature):
            raise ProofError("bad signature", code="view-change-signature")
        prepared = view_change.prepared
        if prepared is not None:
            if prepared.height != view_change.height or prepared.view >= view_change.view:
                raise ProofError("prepared elsewhere", code="view-change-prepared")
            self.check_prepared(prepared, epoch, validators)
        return VerifiedViewChange(view_change)
