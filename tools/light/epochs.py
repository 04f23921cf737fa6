"""Who validates: from a trusted epoch to the next by certified execution results. Pure.

The last block of an epoch names the hash of the next set in its execution result, and
the old set's quorum signs it. The set itself may come from anywhere: its hash decides.
Source: docs/protocol.md, "Block"; docs/contracts.md for ``propose_validators``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from primitives.codec import Value
from primitives.epochs import compute_epoch_last
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis
from primitives.hashing import Address, Hash
from primitives.transaction import Call
from primitives.validators import VALIDATOR_SET, Validator, ValidatorSet
from tools.light.answers import refuse
from tools.light.blocks import ProvenBlock

CONTRACT = "governance"
METHOD = "propose_validators"


@dataclass(frozen=True, slots=True)
class TrustedSet:
    """The set that is in force in ``epoch``: the genesis's in epoch 0, or one proven later.

    A node's ``primitives.epochs.TrustedEpoch`` without the parameters: a reader needs
    none that a vote can change, and asks nobody for them.
    """

    epoch: int
    validators: ValidatorSet


def advance(
    trusted: TrustedSet,
    end: ProvenBlock,
    genesis: Genesis,
    candidates: Iterable[ValidatorSet] = (),
) -> TrustedSet:
    """Return the next epoch as the last block of ``trusted``'s proves it.

    ``candidates`` are sets from anywhere, believed for their hash alone. Raises ProofError
    (``light-validators-unknown``) when none of them is the one that the chain names.
    """
    if end.height != compute_epoch_last(trusted.epoch, genesis.params.epoch_blocks):
        raise refuse("epoch", "not the last block of the epoch", height=end.height)
    if end.validators.hash != trusted.validators.hash:
        raise refuse("epoch", "the epoch's end is certified by another set")
    wanted = end.execution.next_validators_hash
    for candidate in (trusted.validators, *candidates):
        if candidate.hash == wanted:
            return TrustedSet(trusted.epoch + 1, candidate)
    raise refuse(
        "validators-unknown",
        f"the validators changed after height {end.height}, and neither the set now in force nor a "
        "proposal that the node shows has the certified hash: give a later trusted epoch, or ask "
        "a node that has the whole chain",
        next_validators_hash=wanted.hex(),
    )


def find_wanted(trusted: TrustedSet, end: ProvenBlock) -> Hash | None:
    """Return the hash of the set to be found, None where the set stays as it is."""
    wanted = end.execution.next_validators_hash
    return None if wanted == trusted.validators.hash else wanted


def make_set(members: Iterable[tuple[object, object]]) -> ValidatorSet | None:
    """Return the set of (name, key) pairs, None where they are no set."""
    pairs = list(members)
    if not all(isinstance(name, str) and isinstance(key, bytes) for name, key in pairs):
        return None
    try:
        decided = ValidatorSet(
            tuple(Validator(str(name), Address(bytes(key))) for name, key in pairs)  # type: ignore[call-overload]  # checked above
        )
        return VALIDATOR_SET.decode(VALIDATOR_SET.encode(decided))
    except CarbonodeError:
        return None


def iterate_proposed(calls: Iterable[Call]) -> Iterator[ValidatorSet]:
    """Yield the sets that governance was asked for in ``calls``."""
    for call in calls:
        if (call.contract, call.method, len(call.arguments)) == (CONTRACT, METHOD, 1):
            found = _parse_proposed(call.arguments[0])
            if found is not None:
                yield found


def _parse_proposed(value: Value) -> ValidatorSet | None:
    if not isinstance(value, list):
        return None
    pairs: list[tuple[object, object]] = []
    for item in value:
        if not isinstance(item, list) or len(item) != 2:
            return None
        pairs.append((item[0], item[1]))
    return make_set(pairs)
