"""What must hold at each step of a simulated run; a breach ends the run.

The checks look at what nodes *do* (what they send, what they write), never at what
they believe, so a broken replica cannot hide from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from consensus.bounds import (
    DEPARTURES_KEPT_MAX,
    EVIDENCE_KEPT_MAX,
    FUTURE_MESSAGES_PER_PEER_MAX,
    PROPOSALS_KEPT_MAX,
    SIGNATURES_KEPT_MAX,
    VIEWS_KEPT_MAX,
)
from consensus.effects import Proposal
from consensus.messages import PrePrepare, ViewChange, ViewChangeMessage, Vote, decode_message
from consensus.verification import Check
from consensus.viewchange import choose_prepared
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.errors import CarbonodeError, ProofError
from primitives.hashing import ZERO_HASH, Address, Hash, TransactionId
from primitives.validators import ValidatorSet


class ViolationError(CarbonodeError):
    """An invariant does not hold."""

    code = "violation"


def compute_height_bound(count: int) -> int:
    """Return how many items of one height a replica among ``count`` validators may keep."""
    return count * (2 * VIEWS_KEPT_MAX + 1) + 5 * PROPOSALS_KEPT_MAX


def compute_held_bound(count: int) -> int:
    """Return how many items it may keep for its peers altogether."""
    per_link = FUTURE_MESSAGES_PER_PEER_MAX + 4
    fixed = SIGNATURES_KEPT_MAX + EVIDENCE_KEPT_MAX + DEPARTURES_KEPT_MAX
    return compute_height_bound(count) + count * per_link + fixed


def compute_slow_heights_max(count: int, dead: int, heights: int) -> int:
    """Return how many of ``heights`` may need a second view when ``dead`` never lead.

    A validator that misses its turn is passed over for N, 2N, 4N ... heights, so within
    N (2^k - 1) heights it misses k turns; one more each, because a miss is read one height
    late. With the rotation alone it would be ``heights * dead / count``.
    """
    turns, passed = 1, 0
    while passed + (count << (turns - 1)) <= heights:
        passed += count << (turns - 1)
        turns += 1
    return dead * (turns + 1)


GetSet = Callable[[int], tuple[int, ValidatorSet]]
"""Height to its epoch and validators, as the world has it, whatever a node believes."""
Written = tuple[Proposal, Certificate, Hash]


class Checker:
    """Watches one run. ``honest`` are the indices whose words and deeds are held to the rules;
    ``addresses`` the nodes' keys by index."""

    def __init__(
        self,
        chain_id: Hash,
        check: Check,
        honest: frozenset[int],
        addresses: Sequence[Address],
        get_set: GetSet,
    ) -> None:
        self._chain_id = chain_id
        self._check = check
        self._honest = honest
        self._addresses = addresses
        self._honest_keys = frozenset(addresses[node] for node in honest)
        self._get_set = get_set
        self.final: dict[int, tuple[Hash, Hash]] = {}
        self.views: dict[int, int] = {}
        """Height to the lowest view in which it became final."""
        self._heights: dict[TransactionId, int] = {}
        self._told: dict[int, int] = {}
        self._said: dict[tuple[int, int, int, int], tuple[Hash, Hash]] = {}
        self._left: dict[tuple[int, int], int] = {}
        self._certificates: dict[Certificate, None] = {}
        self._prepares: dict[tuple[int, int, Hash], dict[int, None]] = {}
        self._commits: dict[tuple[int, int], int] = {}

    # -- words ------------------------------------------------------------------------------

    def see_sent(self, node: int, data: bytes) -> None:
        """A node sends ``data`` to everyone, as its own word."""
        if node not in self._honest:
            return
        message = decode_message(data)
        if isinstance(message, Vote):
            self._check_signer(node, message.height, message.signer)
            content = (message.block_hash, message.exec_hash)
            self._say(node, message.height, message.view, message.phase, content)
            self._see_vote(node, message)
        elif isinstance(message, PrePrepare):
            self._see_proposal(node, message)
        elif isinstance(message, ViewChangeMessage):
            self._check_signer(node, message.view_change.height, message.view_change.signer)
            self._see_view_change(node, message.view_change)

    def _check_signer(self, node: int, height: int, signer: int) -> None:
        _, validators = self._get_set(height)
        if validators.get_index(self._addresses[node]) != signer:
            raise ViolationError("speaks as a validator that it is not", node=node, signer=signer)

    def _see_proposal(self, node: int, message: PrePrepare) -> None:
        block_hash = compute_header_hash(message.header)
        place = (message.height, message.view, block_hash)
        # The leader's PREPARE is inside, and nobody else broadcasts a PRE-PREPARE.
        self._prepares.setdefault(place, {})[node] = None
        chosen = choose_prepared(message.new_view)
        if chosen is not None and chosen.block_hash != block_hash:
            raise ViolationError("a new view drops a prepared block (R2)", node=node)
        content = (block_hash, ZERO_HASH)
        self._say(node, message.height, message.view, int(Phase.PREPARE), content)

    def _see_view_change(self, node: int, item: ViewChange) -> None:
        hashed = ZERO_HASH if item.prepared is None else item.prepared.block_hash
        view = -1 if item.prepared is None else item.prepared.view
        first = self._say(node, item.height, item.view, 0, (hashed, Hash(b"%d" % view)))
        if first and view < self._commits.get((node, item.height), -1):
            raise ViolationError("a view change hides what was prepared", node=node)
        left = max(item.view, self._left.get((node, item.height), 0))
        self._left[node, item.height] = left

    def _see_vote(self, node: int, vote: Vote) -> None:
        place = (vote.height, vote.view, vote.block_hash)
        if vote.phase == Phase.PREPARE:
            self._prepares.setdefault(place, {})[node] = None
            return
        if len(self._prepares.get(place, {})) < self._count_prepares_needed(vote.height):
            raise ViolationError("a COMMIT for what nobody can have prepared (R3)", node=node)
        key = (node, vote.height)
        self._commits[key] = max(vote.view, self._commits.get(key, -1))

    def _count_prepares_needed(self, height: int) -> int:
        """PREPAREs of honest nodes that must have left before an honest COMMIT can follow."""
        _, validators = self._get_set(height)
        members = validators.members
        liars = sum(member.public_key not in self._honest_keys for member in members)
        return validators.quorum - liars

    def _say(
        self, node: int, height: int, view: int, step: int, content: tuple[Hash, Hash]
    ) -> bool:
        """Return whether this is new; the same thing again, after a crash, is no sin."""
        place = (node, height, view, step)
        before = self._said.setdefault(place, content)
        if before is not content:
            if before != content:
                raise ViolationError("two digests at one place", place=place)
            return False
        if step and view < self._left.get((node, height), 0):
            raise ViolationError("a vote in a view that was left (R1)", place=place)
        return True

    # -- deeds ------------------------------------------------------------------------------

    def see_commit(
        self, node: int, certificate: Certificate, proposal: Proposal, exec_hash: Hash
    ) -> None:
        """A node writes a block as final."""
        if node not in self._honest:
            return
        height, decided = proposal.header.height, (proposal.block_hash, exec_hash)
        self._check_certificate(node, certificate)
        found = (certificate.height, certificate.block_hash, certificate.exec_hash)
        if found != (height, *decided):
            raise ViolationError("committed something else than certified", node=node)
        if self.final.setdefault(height, decided) != decided:
            raise ViolationError("two blocks are final at one height", node=node, height=height)
        self.views[height] = min(certificate.view, self.views.get(height, certificate.view))
        if len(set(proposal.transaction_ids)) != len(proposal.transaction_ids):
            raise ViolationError("a transaction is final twice", node=node, height=height)
        for item in proposal.transaction_ids:
            if self._heights.setdefault(item, height) != height:
                raise ViolationError("a transaction is final twice", node=node, height=height)

    def _check_certificate(self, node: int, certificate: Certificate) -> None:
        if certificate in self._certificates:
            return
        epoch, validators = self._get_set(certificate.height)
        try:
            verify_certificate(certificate, self._chain_id, epoch, validators, check=self._check)
        except ProofError as error:
            raise ViolationError(
                f"a certificate that does not verify: {error.code}", node=node
            ) from None
        self._certificates[certificate] = None

    def see_told(self, node: int, height: int) -> None:
        """A node tells its clients that everything up to ``height`` is final."""
        self._told[node] = max(height, self._told.get(node, 0))

    def see_start(self, node: int, blocks: Sequence[Written], lost: str) -> None:
        """A node starts, or the run ends, with these blocks on its disk.

        ``lost`` names what its disk lost: "data" and "all" take the blocks with them.
        """
        if lost in ("data", "all"):
            self._told[node] = 0
        if node not in self._honest:
            return
        if len(blocks) < self._told.get(node, 0):
            raise ViolationError(
                "what was told final is lost", node=node, told=self._told[node], has=len(blocks)
            )
        for height, (proposal, _, executed) in enumerate(blocks, 1):
            if self.final.get(height) != (proposal.block_hash, executed):
                raise ViolationError("a final block changed on disk", node=node, height=height)

    def see_blame(self, node: int, blamed: int, reason: str) -> None:
        """A node calls another's message forged or malformed, or accuses it."""
        if node in self._honest and blamed in self._honest:
            raise ViolationError("an honest node was blamed", by=node, of=blamed, reason=reason)

    def see_halt(self, node: int, reason: str) -> None:
        """A node stopped for ever."""
        if node in self._honest:
            raise ViolationError("an honest node halted", node=node, reason=reason)

    def see_held(self, node: int, of_height: int, held: int, count: int) -> None:
        """A node keeps ``held`` items for its peers, ``of_height`` of them of one height."""
        if node not in self._honest:
            return
        if of_height > compute_height_bound(count) or held > compute_held_bound(count):
            raise ViolationError("memory without bound", node=node, held=held, height=of_height)

    def check_slow_heights(self, count: int, dead: int) -> None:
        """Nothing is wrong but that ``dead`` of ``count`` validators never run."""
        slow = [height for height, view in self.views.items() if view > 0]
        allowed = compute_slow_heights_max(count, dead, len(self.views))
        if len(slow) > allowed:
            raise ViolationError("dead leaders are not passed over", slow=slow, allowed=allowed)
