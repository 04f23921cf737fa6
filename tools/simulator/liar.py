"""A lying node: the real code, and what its border does to everything that leaves.

It signs anything with its own key, and with no other; what it knows of others it has
heard. Behaviours are functions of one message and are chained in a row.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from consensus.height import HeightState
from consensus.messages import (
    Message,
    ViewChange,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    decode_message,
    encode_message,
)
from consensus.rules import HeightRules
from primitives.certificate import Phase
from primitives.hashing import ZERO_HASH, Address, Hash
from tools.simulator.coverage import Coverage
from tools.simulator.execution import compute_execution
from tools.simulator.mutator import garble
from tools.simulator.node import SimNode

HEARD_MAX = 200


class LiarWorld(Protocol):
    """What a liar knows of the world."""

    chain_id: Hash
    coverage: Coverage | None

    def sign_abroad(self, number: int, message: bytes) -> bytes:
        """Return a validator's signature on another chain: the same keys serve two."""
        ...

    def get_node_index(self, address: Address) -> int:
        """Return the node that owns a key."""
        ...


Behaviour = Callable[["Liar", int, Message], list[Message]]


class Liar:
    """One lying node: its key, its dice, and its behaviours in a row."""

    def __init__(
        self,
        world: LiarWorld,
        node: SimNode,
        behaviours: Mapping[str, Behaviour],
        rng: random.Random,
    ) -> None:
        self.world, self.node, self.rng = world, node, rng
        self._behaviours = behaviours
        self._masks: dict[tuple[int, int], int] = {}
        self.heard: deque[bytes] = deque(maxlen=HEARD_MAX)

    @property
    def rules(self) -> HeightRules:
        """The rules of the height that our store is at."""
        return HeightRules.of(self.world.chain_id, self.node.tip)

    @property
    def state(self) -> HeightState:
        """Our own memory: a liar may read it."""
        return self.node.replica._state

    @property
    def me(self) -> int:
        """Our index in the set."""
        index = self.rules.validators.get_index(self.node.key.public_key)
        assert index is not None
        return index

    def is_member(self) -> bool:
        """Whether we are a validator at this height."""
        return self.node.key.public_key in {
            member.public_key for member in self.node.tip.next_validators.members
        }

    def is_chosen(self, target: int, height: int, view: int) -> bool:
        """Whether the target is in the half that hears another story at that place."""
        mask = self._masks.setdefault((height, view), self.rng.getrandbits(16))
        return bool(mask >> target & 1)

    def sign_vote(self, vote: Vote, epoch: int | None = None, chain_id: Hash | None = None) -> Vote:
        """Return the vote signed by us, whatever it says; as it is where nothing can sign it."""
        if vote.phase not in (Phase.PREPARE, Phase.COMMIT):
            return vote
        here = self.rules.epoch if epoch is None else epoch
        message = compute_signed_vote(vote, chain_id or self.world.chain_id, here)
        return replace(vote, signature=self.node.key.sign(message))

    def sign_view_change(self, item: ViewChange) -> ViewChange:
        """Return the view change signed by us."""
        message = compute_signed_view_change(item, self.world.chain_id, self.rules.epoch)
        return replace(item, signature=self.node.key.sign(message))

    def make_vote(self, phase: Phase, view: int, block_hash: Hash) -> Vote:
        """Return our vote for any block, with the right execution."""
        executed = self.compute_exec(block_hash) if phase is Phase.COMMIT else ZERO_HASH
        vote = Vote(int(phase), self.rules.height, view, block_hash, executed, self.me, b"")
        return self.sign_vote(vote)

    def compute_exec(self, block_hash: Hash) -> Hash:
        """Return the right execution hash of any block."""
        return compute_execution(block_hash, self.node.tip.exec_hash)

    def rewrite(self, target: int, data: bytes) -> list[bytes]:
        """Return what really leaves for ``target``."""
        if not self.is_member():
            return [data]  # who is no validator has no word to give
        messages = [decode_message(data)]
        for name, behaviour in self._behaviours.items():
            told = [out for item in messages for out in behaviour(self, target, item)]
            if self.world.coverage is not None and told != messages:
                self.world.coverage.count("liar", name)
            messages = told
        encoded = [encode_message(item) for item in messages]
        if "garbler" in self._behaviours and self.rng.random() < 0.3:
            encoded.append(garble(self.rng, data))
            if self.world.coverage is not None:
                self.world.coverage.count("liar", "garbler")
        return encoded
