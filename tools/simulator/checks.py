"""What must hold at each step of a simulated run; a breach ends the run.

The checks look at what nodes *do* (what they send, what they write), never at what
they believe, so a broken replica cannot hide from them.
"""

from __future__ import annotations

from consensus.bounds import (
    DEPARTURES_KEPT_MAX,
    EVIDENCE_KEPT_MAX,
    FUTURE_MESSAGES_PER_PEER_MAX,
    PROPOSALS_KEPT_MAX,
    SIGNATURES_KEPT_MAX,
    VIEWS_KEPT_MAX,
)
from consensus.messages import PrePrepare, ViewChangeMessage, Vote, decode_message
from consensus.verification import Check
from consensus.viewchange import choose_prepared
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.errors import CarbonodeError, ProofError
from primitives.hashing import ZERO_HASH, Hash
from primitives.validators import ValidatorSet


class ViolationError(CarbonodeError):
    """An invariant does not hold."""

    code = "violation"


def compute_held_bound(count: int) -> int:
    """Return how many items a replica among ``count`` validators may keep for its peers."""
    per_signer = 2 * VIEWS_KEPT_MAX + 1
    per_link = FUTURE_MESSAGES_PER_PEER_MAX + 4
    fixed = 5 * PROPOSALS_KEPT_MAX + SIGNATURES_KEPT_MAX + EVIDENCE_KEPT_MAX
    fixed += DEPARTURES_KEPT_MAX
    return count * (per_signer + per_link) + fixed


class Checker:
    """Watches one run. ``honest`` are the indices whose words and deeds are held to the rules."""

    def __init__(
        self, chain_id: Hash, check: Check, honest: frozenset[int], validators: int
    ) -> None:
        self._chain_id = chain_id
        self._check = check
        self._honest = honest
        self.final: dict[int, tuple[Hash, Hash]] = {}
        self._said: dict[tuple[int, int, int, int], tuple[Hash, Hash]] = {}
        self._left: dict[tuple[int, int], int] = {}
        self._certificates: dict[Certificate, None] = {}
        # PREPAREs of honest nodes that must have left before an honest COMMIT can follow.
        self._prepares_needed = validators - (validators - 1) // 3 - (validators - len(honest))
        self._prepares: dict[tuple[int, int, Hash], dict[int, None]] = {}
        self._commits: dict[tuple[int, int], int] = {}

    def see_sent(self, node: int, me: int | None, data: bytes) -> None:
        """A node sends ``data`` to everyone; ``me`` is its index in the height's set."""
        if node not in self._honest or me is None:
            return
        message = decode_message(data)
        if isinstance(message, Vote):
            content = (message.block_hash, message.exec_hash)
            self._say(node, message.height, message.view, message.phase, content)
            self._see_vote(node, message)
        elif isinstance(message, PrePrepare):
            block_hash = compute_header_hash(message.header)
            place = (message.height, message.view, block_hash)
            # The leader's PREPARE is inside, and nobody else broadcasts a PRE-PREPARE.
            self._prepares.setdefault(place, {})[node] = None
            chosen = choose_prepared(message.new_view)
            if chosen is not None and chosen.block_hash != block_hash:
                raise ViolationError("a new view drops a prepared block (R2)", node=node)
            content = (block_hash, ZERO_HASH)
            self._say(node, message.height, message.view, int(Phase.PREPARE), content)
        elif isinstance(message, ViewChangeMessage):
            item = message.view_change
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
        if len(self._prepares.get(place, {})) < self._prepares_needed:
            raise ViolationError("a COMMIT for what nobody can have prepared (R3)", node=node)
        key = (node, vote.height)
        self._commits[key] = max(vote.view, self._commits.get(key, -1))

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

    def see_commit(
        self,
        node: int,
        certificate: Certificate,
        epoch: int,
        validators: ValidatorSet,
        block_hash: Hash,
        exec_hash: Hash,
    ) -> None:
        """A node writes a block as final."""
        if node not in self._honest:
            return
        if certificate not in self._certificates:
            try:
                verify_certificate(
                    certificate, self._chain_id, epoch, validators, check=self._check
                )
            except ProofError as error:
                raise ViolationError(
                    f"a certificate that does not verify: {error.code}", node=node
                ) from None
            self._certificates[certificate] = None
        decided = (block_hash, exec_hash)
        if (certificate.block_hash, certificate.exec_hash) != decided:
            raise ViolationError("committed something else than certified", node=node)
        if self.final.setdefault(certificate.height, decided) != decided:
            raise ViolationError(
                "two blocks are final at one height", node=node, height=certificate.height
            )

    def see_blame(self, node: int, blamed: int, reason: str) -> None:
        """A node calls another's message forged or malformed, or accuses it."""
        if node in self._honest and blamed in self._honest:
            raise ViolationError("an honest node was blamed", by=node, of=blamed, reason=reason)

    def see_halt(self, node: int, reason: str) -> None:
        """A node stopped for ever."""
        if node in self._honest:
            raise ViolationError("an honest node halted", node=node, reason=reason)

    def see_held(self, node: int, held: int, count: int) -> None:
        """A node keeps ``held`` items for its peers."""
        if node in self._honest and held > compute_held_bound(count):
            raise ViolationError("memory without bound", node=node, held=held)
