"""What gossip remembers of one topic: ids seen, payloads held, ids wanted. Pure.

Everything here is filled by peers, so everything has a bound (``TopicLimits``); what
falls out is the oldest. Never sends anything.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from p2p.limits import TopicLimits
from p2p.peers import Offence
from primitives.hashing import Address, Hash


class Verdict(Enum):
    """What the node thinks of an item."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    IGNORED = "ignored"
    REJECTED = "rejected"


@dataclass(slots=True)
class Item:
    """One payload we have seen. ``sender`` is None for our own.

    ``known`` are neighbours that surely hold it (they sent, announced or pulled it);
    ``told`` counts what we pushed or announced to the others.
    """

    item_id: Hash
    sender: Address | None
    seen_at: float
    payload: bytes | None
    verdict: Verdict
    offence: Offence | None = None
    known: set[Address] = field(default_factory=set)
    told: Counter[Address] = field(default_factory=Counter)


@dataclass(slots=True)
class Want:
    """An id we lack. At ``due_at`` we ask an announcer, or give up the one we asked."""

    item_id: Hash
    announcers: list[Address]
    due_at: float
    charged_to: Address
    asked: Address | None = None


class ItemStore:
    """Ids seen, by age, and the payloads of the youngest."""

    def __init__(self, limits: TopicLimits) -> None:
        self._limits = limits
        self._items: OrderedDict[Hash, Item] = OrderedDict()
        self._held: OrderedDict[Hash, Item] = OrderedDict()
        self._held_bytes = 0
        self._pending: Counter[Address] = Counter()
        self._pending_bytes: Counter[Address] = Counter()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def held_bytes(self) -> int:
        """Bytes of the payloads held."""
        return self._held_bytes

    def get(self, item_id: Hash) -> Item | None:
        """Return what is known of an id."""
        return self._items.get(item_id)

    def has_room(self, sender: Address, size: int) -> bool:
        """Whether one more unjudged payload of ``sender`` may be taken."""
        limits = self._limits
        return (
            self._pending[sender] < limits.pending_max
            and self._pending_bytes[sender] + size <= limits.pending_bytes
        )

    def add(self, item: Item) -> None:
        """Remember a new item; the oldest make room."""
        payload = item.payload
        assert payload is not None and item.item_id not in self._items
        self._items[item.item_id] = item
        self._held[item.item_id] = item
        self._held_bytes += len(payload)
        if item.verdict is Verdict.PENDING and item.sender is not None:
            self._pending[item.sender] += 1
            self._pending_bytes[item.sender] += len(payload)
        while self._held_bytes > self._limits.store_bytes and len(self._held) > 1:
            self._release(next(iter(self._held.values())))
        while len(self._items) > self._limits.seen_max:
            self._forget_oldest()

    def judge(self, item: Item, verdict: Verdict) -> None:
        """End an item's pending state; only accepted payloads are kept."""
        self._settle(item)
        item.verdict = verdict
        if verdict is not Verdict.ACCEPTED:
            self._release(item)

    def forget(self, item: Item) -> None:
        """Let the id be new again."""
        self._release(item)
        del self._items[item.item_id]

    def iter_held(self) -> Iterator[Item]:
        """Accepted items with payload, youngest first."""
        for item in reversed(self._held.values()):
            if item.verdict is Verdict.ACCEPTED:
                yield item

    def prune(self, now: float) -> None:
        """Let go of what is too old."""
        limits = self._limits
        while self._held:
            item = next(iter(self._held.values()))
            if now - item.seen_at <= limits.store_age_s:
                break
            self._release(item)
        while self._items:
            item = next(iter(self._items.values()))
            if now - item.seen_at <= limits.seen_age_s:
                break
            self._forget_oldest()

    def release_before(self, time: float) -> None:
        """Drop the payloads that came before ``time``; their ids stay known."""
        while self._held:
            item = next(iter(self._held.values()))
            if item.seen_at >= time:
                break
            self._release(item)

    def forget_peer(self, peer: Address) -> None:
        """A link is gone: on its return the peer is told again."""
        for item in self._held.values():
            item.known.discard(peer)
            item.told.pop(peer, None)

    def _forget_oldest(self) -> None:
        self.forget(next(iter(self._items.values())))

    def _release(self, item: Item) -> None:
        """Drop the payload; an item never judged counts as ignored from now on."""
        if item.verdict is Verdict.PENDING:
            self._settle(item)
            item.verdict = Verdict.IGNORED
        if self._held.pop(item.item_id, None) is not None and item.payload is not None:
            self._held_bytes -= len(item.payload)
        item.payload = None
        item.known.clear()
        item.told.clear()

    def _settle(self, item: Item) -> None:
        sender = item.sender
        if item.verdict is not Verdict.PENDING or sender is None or item.payload is None:
            return
        self._pending[sender] -= 1
        self._pending_bytes[sender] -= len(item.payload)
        if self._pending[sender] <= 0:
            del self._pending[sender]
            del self._pending_bytes[sender]


class WantList:
    """Ids that neighbours hold and we do not, with whom to ask and when."""

    def __init__(self, limits: TopicLimits) -> None:
        self._limits = limits
        self._wants: dict[Hash, Want] = {}
        self._charged: dict[Address, dict[Hash, None]] = {}
        self._asked: Counter[Address] = Counter()
        self._late: Counter[Address] = Counter()

    def __len__(self) -> int:
        return len(self._wants)

    def note(self, item_id: Hash, announcer: Address, due_at: float) -> None:
        """An announcement of an id that we lack; an earlier ``due_at`` counts."""
        limits = self._limits
        want = self._wants.get(item_id)
        if want is not None:
            if announcer not in want.announcers and len(want.announcers) < limits.announcers_max:
                want.announcers.append(announcer)
            if want.asked is None:
                want.due_at = min(want.due_at, due_at)
            return
        charged = self._charged.get(announcer, {})
        if len(charged) >= limits.wants_per_peer_max:
            return
        if len(self._wants) >= limits.wants_max and not self._make_room(len(charged)):
            return
        self._wants[item_id] = Want(item_id, [announcer], due_at, announcer)
        self._charged.setdefault(announcer, {})[item_id] = None

    def _make_room(self, charged: int) -> bool:
        """Drop the latest want of whoever fills the list, for one who has far fewer there."""
        heaviest = max(self._charged.values(), key=len)
        if len(heaviest) <= charged + 1:
            return False
        self.remove(next(reversed(heaviest)))
        return True

    def note_arrival(self, item_id: Hash, sender: Address) -> None:
        """It arrived: who sends what we asked for is asked first again."""
        want = self._wants.get(item_id)
        if want is not None and want.asked == sender:
            self._late.pop(sender, None)
        self.remove(item_id)

    def remove(self, item_id: Hash) -> None:
        """It is here, or nobody is left to ask."""
        want = self._wants.pop(item_id, None)
        if want is None:
            return
        self._end_pull(want)
        charged = self._charged[want.charged_to]
        del charged[item_id]
        if not charged:
            del self._charged[want.charged_to]

    def pull_due(self, now: float) -> dict[Address, list[Hash]]:
        """Return whom to ask for what now, after giving up on those who did not answer."""
        plan: dict[Address, list[Hash]] = {}
        for want in [want for want in self._wants.values() if want.due_at <= now]:
            if want.asked is not None:
                late = want.asked
                self._end_pull(want)
                want.announcers.remove(late)
                self._late[late] += 1
            if not want.announcers:
                self.remove(want.item_id)
                continue
            free = [peer for peer in want.announcers if self._is_free(peer)]
            if not free:
                continue
            # Of those who never answer we expect it last (first come first on equal terms).
            peer = min(free, key=self._late.__getitem__)
            want.asked = peer
            want.due_at = now + self._limits.pull_timeout_s
            self._asked[peer] += 1
            plan.setdefault(peer, []).append(want.item_id)
        return plan

    def forget_peer(self, peer: Address, now: float) -> None:
        """A link is gone: what was asked of it is asked of another at once."""
        self._late.pop(peer, None)
        for want in list(self._wants.values()):
            if want.asked == peer:
                self._end_pull(want)
                want.due_at = now
            if peer in want.announcers:
                want.announcers.remove(peer)
            if not want.announcers:
                self.remove(want.item_id)

    def _is_free(self, peer: Address) -> bool:
        return self._asked[peer] < self._limits.pulls_per_peer_max

    def _end_pull(self, want: Want) -> None:
        if want.asked is not None:
            _decrease(self._asked, want.asked)
            want.asked = None


def _decrease(counter: Counter[Address], key: Address) -> None:
    """Count down without leaving zeros behind: peers come and go."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
