"""Who leads which view, and who is passed over for a while because views went by under it.

Every block holds its parent's certificate, and a certificate names the view in which
the parent became final; so each node reads from the chain alone that the leaders of
the views before it let them pass. Such a validator is skipped for a number of heights
that doubles with each further miss, and is forgiven when it has led a block again. At
most f are skipped at a time, and a skipped one still leads after all others, so every
validator's turn comes in each run of N views: skipping costs no safety and no liveness.

Without it a dead validator costs one time-out every N blocks (Castro & Liskov's rotation
by view alone has no such cost, but lets one leader censor for ever). The record is kept in
the state under ``LEADERS_KEY`` and so is certified: whoever joins by a snapshot has it.
Decision: docs/decisions/0010-leaders-passed-over.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from primitives import limits
from primitives.codec import Array, Bytes, Struct, Uint
from primitives.hashing import Address
from primitives.validators import ValidatorSet

PERIOD_DOUBLINGS_MAX = 6
"""A validator is tried again after N * 2^6 heights at the latest: with four validators and
ten blocks a second a dead one costs one time-out in 26 s, and one that is back waits no longer."""


@dataclass(frozen=True, slots=True)
class MissedTurns:
    """One validator's misses since it last led a block; skipped below ``resume_height``."""

    validator: Address
    misses: int
    resume_height: int


@dataclass(frozen=True, slots=True)
class Leaders:
    """What is known of validators that let views pass; ``records`` by ascending key.

    ``before`` are the records one height earlier: a certificate is read one height late,
    and who led the views before it is worked out by what was in force then.
    """

    records: tuple[MissedTurns, ...] = ()
    before: tuple[MissedTurns, ...] = ()

    def compute_leader(self, validators: ValidatorSet, height: int, view: int) -> int:
        """Return the index of the leader of ``view`` at ``height``, the next height."""
        return _compute_leader(validators, self.records, height, view)

    def advance(self, validators: ValidatorSet, height: int, parent_view: int) -> Leaders:
        """Return what is known after block ``height``, which holds its parent's certificate.

        ``validators`` is the set of both heights, ``parent_view`` the view of that
        certificate. The first block of an epoch is not counted (``turn_epoch``): its
        parent was certified by another set, perhaps.
        """
        records = {record.validator: record for record in self.records}
        members, parent = validators.members, height - 1
        for view in range(min(parent_view, len(members))):
            missed = members[_compute_leader(validators, self.before, parent, view)].public_key
            records[missed] = _add_miss(records.get(missed), missed, height, len(members))
        led = members[_compute_leader(validators, self.before, parent, parent_view)].public_key
        records.pop(led, None)
        return Leaders(_sort(records), self.records)

    def turn_epoch(self, validators: ValidatorSet) -> Leaders:
        """Return what is known at the first height of an epoch with this set."""
        kept = {
            record.validator: record
            for record in self.records
            if validators.get_index(record.validator) is not None
        }
        return Leaders(_sort(kept), _sort(kept))


NO_MISSES = Leaders()

_RECORD = Struct(
    MissedTurns,
    128,
    validator=Bytes(limits.ADDRESS_BYTES),
    misses=Uint(32),
    resume_height=Uint(),
)
LEADERS = Struct(
    Leaders,
    2 * 128 * limits.VALIDATORS_MAX,
    records=Array(_RECORD, limits.VALIDATORS_MAX),
    before=Array(_RECORD, limits.VALIDATORS_MAX),
)


def _sort(records: dict[Address, MissedTurns]) -> tuple[MissedTurns, ...]:
    return tuple(records[key] for key in sorted(records))


def _add_miss(
    known: MissedTurns | None, validator: Address, height: int, count: int
) -> MissedTurns:
    record = known or MissedTurns(validator, 0, 0)
    period = count << min(record.misses, PERIOD_DOUBLINGS_MAX)
    return replace(record, misses=record.misses + 1, resume_height=height + 1 + period)


def _compute_leader(
    validators: ValidatorSet, records: tuple[MissedTurns, ...], height: int, view: int
) -> int:
    """Those who lead take turns by height and view; the skipped come after all of them."""
    count = len(validators.members)
    if not records:
        return (height + view) % count
    skipped = _find_skipped(validators, records, height)
    leading = [index for index in range(count) if index not in skipped]
    turn = view % count
    if turn < len(leading):
        return leading[(height + turn) % len(leading)]
    return sorted(skipped)[turn - len(leading)]


def _find_skipped(
    validators: ValidatorSet, records: tuple[MissedTurns, ...], height: int
) -> set[int]:
    """Return the indices of those passed over: the f with the most misses, ties by key."""
    due = [record for record in records if record.resume_height > height]
    due.sort(key=lambda record: (-record.misses, -record.resume_height, record.validator))
    found = (validators.get_index(record.validator) for record in due)
    members = [index for index in found if index is not None]
    return set(members[: validators.faulty_max])
