"""Votes of one height, counted by signer and grouped by the whole tuple.

One vote per (signer, view, phase): the first verified one counts (Besu counted
messages, not signers; Sawtooth's seal mixed votes for different blocks). Each signer
has places for its ``VIEWS_KEPT_MAX`` highest views only, so a validator can fill
nothing but its own places (plenum kept votes for every view).
"""

from __future__ import annotations

from consensus.bounds import VIEWS_KEPT_MAX
from consensus.messages import VerifiedVote
from primitives.certificate import Certificate
from primitives.hashing import Hash


class VoteBook:
    """The verified PREPAREs and COMMITs of one height."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[int, int], dict[int, VerifiedVote]] = {}
        self._views: dict[int, list[int]] = {}

    @property
    def held(self) -> int:
        """How many votes are kept."""
        return sum(len(votes) for votes in self._by_place.values())

    def find(self, view: int, phase: int, signer: int) -> VerifiedVote | None:
        """Return the signer's vote at that place."""
        return self._by_place.get((view, phase), {}).get(signer)

    def add(self, vote: VerifiedVote) -> bool:
        """Keep a first vote for its place; False when the signer is further on already."""
        views = self._views.setdefault(vote.signer, [])
        if vote.view not in views:
            if len(views) >= VIEWS_KEPT_MAX:
                lowest = min(views)
                if vote.view < lowest:
                    return False
                views.remove(lowest)
                self._drop(lowest, vote.signer)
            views.append(vote.view)
        self._by_place.setdefault((vote.view, vote.phase), {}).setdefault(vote.signer, vote)
        return True

    def _drop(self, view: int, signer: int) -> None:
        for place in [place for place in self._by_place if place[0] == view]:
            votes = self._by_place[place]
            votes.pop(signer, None)
            if not votes:
                del self._by_place[place]

    def get_votes(self, view: int, phase: int) -> list[VerifiedVote]:
        """Return the votes at a place, by ascending signer."""
        votes = self._by_place.get((view, phase), {})
        return [votes[signer] for signer in sorted(votes)]

    def get_groups(self, view: int, phase: int) -> dict[tuple[Hash, Hash], list[VerifiedVote]]:
        """Return the votes at a place by (block hash, execution hash), signers ascending."""
        groups: dict[tuple[Hash, Hash], list[VerifiedVote]] = {}
        for vote in self.get_votes(view, phase):
            groups.setdefault((vote.block_hash, vote.exec_hash), []).append(vote)
        return groups

    def get_views(self, phase: int) -> list[int]:
        """Return the views with votes of that phase, highest first."""
        return sorted((view for view, kind in self._by_place if kind == phase), reverse=True)

    def get_bitmap(self, view: int, phase: int) -> int:
        """Return the signers at a place, bit i for validator i."""
        bitmap = 0
        for signer in self._by_place.get((view, phase), {}):
            bitmap |= 1 << signer
        return bitmap

    def find_certificate(self, view: int, phase: int, quorum: int) -> Certificate | None:
        """Return a certificate of exactly ``quorum`` votes for one tuple, if there is one."""
        votes = self._by_place.get((view, phase))
        if votes is None or len(votes) < quorum:
            return None
        for (block_hash, exec_hash), group in self.get_groups(view, phase).items():
            if len(group) >= quorum:
                chosen = group[:quorum]
                return Certificate(
                    height=chosen[0].height,
                    view=view,
                    block_hash=block_hash,
                    exec_hash=exec_hash,
                    signers=tuple(vote.signer for vote in chosen),
                    signatures=tuple(vote.signature for vote in chosen),
                )
        return None
