"""Everything a replica knows about the one height it is deciding.

When the height is final the whole object is dropped, so nothing of an old height can
act on the next (Sawtooth stuck after catching up). Each container has a bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.bounds import PROPOSALS_KEPT_MAX
from consensus.departures import Departures
from consensus.effects import Proposal
from consensus.messages import ViewChange
from consensus.rules import HeightRules
from consensus.viewchange import ViewChangeBook
from consensus.votes import VoteBook
from primitives.certificate import Certificate, Phase
from primitives.hashing import Hash


@dataclass(frozen=True, slots=True)
class Accepted:
    """The one PRE-PREPARE accepted in the current view; ``data`` is its bytes."""

    view: int
    block_hash: Hash
    data: bytes


@dataclass(frozen=True, slots=True)
class Leading:
    """We lead ``view`` under ``proof`` and owe a proposal: ``chosen``'s block, else a new one."""

    view: int
    proof: tuple[ViewChange, ...]
    chosen: Certificate | None


@dataclass(slots=True)
class HeightState:
    """Mutable; owned by the replica alone."""

    rules: HeightRules
    me: int | None
    """Our index in this height's set, None when we only watch."""
    view: int = 0
    accepted: Accepted | None = None
    leading: Leading | None = None
    prepared: Certificate | None = None
    """The prepared certificate with the highest view that we hold."""
    certificate: Certificate | None = None
    """Final elsewhere; waits for our own execution or for sync."""
    committing: bool = False
    due_at_ms: int | None = None
    """When the proposal of this view became due; None while idle. A block's time is counted
    from here: with the time lost to dead leaders in it, time-outs would feed on themselves."""
    timer_at_ms: int | None = None
    wanted_at_ms: int | None = None
    """When a proposal of this height became due first, in whatever view."""
    departures: Departures = field(default_factory=Departures)
    votes: VoteBook = field(default_factory=VoteBook)
    view_changes: ViewChangeBook = field(default_factory=ViewChangeBook)
    proposals: dict[Hash, Proposal] = field(default_factory=dict)
    bodies: dict[Hash, None] = field(default_factory=dict)
    refused: dict[Hash, str] = field(default_factory=dict)
    executions: dict[Hash, Hash] = field(default_factory=dict)
    fetching: dict[Hash, None] = field(default_factory=dict)

    @property
    def height(self) -> int:
        """The height being decided."""
        return self.rules.height

    @property
    def leader(self) -> int:
        """Who leads the current view."""
        return self.rules.get_leader(self.view)

    def keep_proposal(self, proposal: Proposal) -> None:
        """Keep header and ids; the oldest that nothing holds on to gives way."""
        if proposal.block_hash in self.proposals:
            return
        if len(self.proposals) >= PROPOSALS_KEPT_MAX:
            locked = self._get_locked()
            oldest = next(item for item in self.proposals if item not in locked)
            for kept in (
                self.proposals, self.bodies, self.refused, self.executions, self.fetching
            ):  # fmt: skip
                kept.pop(oldest, None)
        self.proposals[proposal.block_hash] = proposal

    def _get_locked(self) -> set[Hash]:
        locked = {
            item.block_hash for item in (self.accepted, self.prepared, self.certificate) if item
        }
        if self.leading is not None and self.leading.chosen is not None:
            locked.add(self.leading.chosen.block_hash)
        return locked

    def get_holders(self, block_hash: Hash) -> list[int]:
        """Return the validators that said, by a vote we hold, that they have that body."""
        holders: list[int] = []
        for certificate in (self.prepared, self.leading.chosen if self.leading else None):
            if certificate is not None and certificate.block_hash == block_hash:
                holders += certificate.signers
        for phase in (Phase.PREPARE, Phase.COMMIT):
            holders += [
                vote.signer
                for vote in self.votes.get_votes(self.view, phase)
                if vote.block_hash == block_hash
            ]
        return [index for index in dict.fromkeys(holders) if index != self.me]

    def count_held(self) -> int:
        """Return how many items are kept: what the simulator holds against the bound."""
        return (
            self.votes.held
            + self.view_changes.held
            + len(self.proposals)
            + len(self.bodies)
            + len(self.refused)
            + len(self.executions)
            + len(self.fetching)
            + self.departures.held
        )
