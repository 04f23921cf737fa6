"""Validator sets and quorums.

With N validators, f = floor((N-1)/3) may lie. The quorum is q = N - f, not
"2f + 1", which is right only when N = 3f + 1.

Why q = N - f is safe: two quorums share at least 2q - N = N - 2f validators, and
N >= 3f + 1 gives N - 2f >= f + 1, so at least one of those in both is honest,
and it signs one thing only. Why it is live: the N - f honest ones are a quorum by
themselves. Why 2f + 1 is not enough for N = 3f + 3 (say N = 6, f = 1, q' = 3): two
sets of 3 out of 6 need not share anyone. The weak quorum f + 1 holds at least one
honest validator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from primitives import limits
from primitives.codec import Array, Bytes, Struct, Text
from primitives.errors import GenesisError
from primitives.hashing import Address, Hash, Tag, compute_hash


@dataclass(frozen=True, slots=True)
class Validator:
    """A member of the set: a name for people, the Ed25519 key for everything else."""

    name: str
    public_key: Address


VALIDATOR = Struct(
    Validator,
    256,
    name=Text(limits.NAME_CHARACTERS_MAX, min=1),
    public_key=Bytes(limits.ADDRESS_BYTES),
)


@dataclass(frozen=True)
class ValidatorSet:
    """The validators of one epoch, in order. The order decides who leads (leaders.py)."""

    members: tuple[Validator, ...]

    def __post_init__(self) -> None:
        keys = {member.public_key for member in self.members}
        names = {member.name for member in self.members}
        if not 1 <= len(self.members) <= limits.VALIDATORS_MAX:
            raise GenesisError("number of validators", got=len(self.members))
        if len(keys) != len(self.members) or len(names) != len(self.members):
            raise GenesisError("two validators share a key or a name")

    @cached_property
    def faulty_max(self) -> int:
        """f: how many may lie, collude, stop or be cut off."""
        return (len(self.members) - 1) // 3

    @cached_property
    def quorum(self) -> int:
        """q = N - f."""
        return len(self.members) - self.faulty_max

    @cached_property
    def weak_quorum(self) -> int:
        """f + 1: at least one of them is honest."""
        return self.faulty_max + 1

    @cached_property
    def hash(self) -> Hash:
        """The hash that headers and execution results name."""
        return compute_hash(Tag.VALIDATORS, VALIDATOR_SET.encode(self))

    @cached_property
    def _index_by_key(self) -> dict[Address, int]:
        return {member.public_key: index for index, member in enumerate(self.members)}

    def get_index(self, public_key: Address) -> int | None:
        """Return the validator's index, or None for a stranger."""
        return self._index_by_key.get(public_key)


VALIDATOR_SET = Struct(
    ValidatorSet,
    256 * limits.VALIDATORS_MAX,
    members=Array(VALIDATOR, limits.VALIDATORS_MAX, min=1),
)
