"""View changes of one height: who claims which view, and what a new view must propose.

Castro & Liskov 4.4, for one slot. Only each validator's highest VIEW-CHANGE is kept
(plenum kept all of them). A replica moves to the (f+1)-th highest view claimed, so f
liars with huge views move nobody (FISCO BCOS froze on one).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from consensus.messages import VerifiedViewChange, ViewChange
from consensus.rules import HeightRules
from consensus.verification import Verifier
from primitives.certificate import Certificate
from primitives.errors import ProofError
from primitives.hashing import Hash


class ViewChangeBook:
    """The highest verified VIEW-CHANGE of each validator at one height."""

    def __init__(self) -> None:
        self._highest: dict[int, VerifiedViewChange] = {}

    @property
    def held(self) -> int:
        """How many view changes are kept."""
        return len(self._highest)

    def find(self, signer: int) -> VerifiedViewChange | None:
        """Return the signer's highest view change."""
        return self._highest.get(signer)

    def add(self, view_change: VerifiedViewChange) -> None:
        """Keep it if it is the signer's first or higher than what it claimed before."""
        held = self._highest.get(view_change.signer)
        if held is None or held.view < view_change.view:
            self._highest[view_change.signer] = view_change

    def get_all(self) -> list[VerifiedViewChange]:
        """Return what is kept, by ascending signer."""
        return [self._highest[signer] for signer in sorted(self._highest)]

    def compute_jump(self, current: int, weak_quorum: int) -> int | None:
        """Return the (f+1)-th highest view claimed if it is above ``current``."""
        claims = sorted((item.view for item in self._highest.values()), reverse=True)
        if len(claims) < weak_quorum or claims[weak_quorum - 1] <= current:
            return None
        return claims[weak_quorum - 1]

    def count_from(self, view: int) -> int:
        """Return how many validators claim ``view`` or a later one."""
        return sum(item.view >= view for item in self._highest.values())

    def get_bitmap(self, view: int) -> int:
        """Return who claims ``view`` or a later one, bit i for validator i."""
        bitmap = 0
        for signer, item in self._highest.items():
            if item.view >= view:
                bitmap |= 1 << signer
        return bitmap

    def find_proof(
        self, view: int, quorum: int, held: Container[Hash] | None = None
    ) -> tuple[ViewChange, ...] | None:
        """Return exactly ``quorum`` view changes for ``view``, signers ascending, or None.

        With ``held``, only those whose prepared block, if any, is among ``held``.
        """
        proof = [
            item
            for item in self.get_all()
            if item.view == view
            and (held is None or item.prepared is None or item.prepared.block_hash in held)
        ]
        return tuple(proof[:quorum]) if len(proof) >= quorum else None


def choose_prepared(proof: Sequence[ViewChange]) -> Certificate | None:
    """Return the prepared certificate with the highest view (rule R2), None when free.

    Two valid ones of the same view name the same block: their quorums share an honest
    validator, who prepares one block a view.
    """
    best: Certificate | None = None
    for item in proof:
        prepared = item.prepared
        if prepared is not None and (best is None or prepared.view > best.view):
            best = prepared
    return best


def check_new_view(
    proof: Sequence[ViewChange], view: int, rules: HeightRules, verifier: Verifier
) -> Certificate | None:
    """Verify a new view's proof and work out its choice ourselves (rules R2 and R5).

    Returns the prepared certificate whose block must be proposed again, or None when
    the leader is free. Raises ProofError: not exactly q distinct signers in order,
    another height or view, a signature or prepared certificate that does not verify.
    """
    if len(proof) != rules.validators.quorum:
        raise ProofError("not a quorum of view changes", code="new-view-quorum", got=len(proof))
    last = -1
    for item in proof:
        if item.signer <= last:
            raise ProofError("signers are not strictly ascending", code="new-view-order")
        if item.height != rules.height or item.view != view:
            raise ProofError("a view change for another place", code="new-view-place")
        last = item.signer
        verifier.verify_view_change(item, rules.epoch, rules.validators)
    return choose_prepared(proof)
