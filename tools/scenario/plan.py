"""What the scenario does, as data: parties, issuances, trades, retirements, end state.

Everything follows from a seed, and ownership is simulated here lot by lot, so that the
end of the real run can be compared with what must be true. Nothing here knows a chain.

The project: a forest plantation, five vintages, 15 % of each issuance to the buffer
(VCS's AFOLU buffer lies between 10 and 20 %). Quantities are kilograms.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

PROJECT = "LONGQUAN-FOREST"
SCOPE = "forestry"
TONNE = 1_000


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation that the regulator registers."""

    organisation: str
    name: str
    roles: tuple[str, ...]


PROJECT_OWNER = Party("longquan-farm", "Longquan Forest Farm", ("project-owner",))
VERIFIER = Party("cedar-verification", "Cedar Verification", ("verifier",))
ISSUER = Party("carbon-registry", "Carbon Registry", ("registry",))
BANK = Party("green-bank", "Green Bank", ("bank",))
ENTERPRISES = (
    Party("steel-mill", "Steel Mill", ("enterprise",)),
    Party("cement-works", "Cement Works", ("enterprise",)),
    Party("airline", "Airline", ("enterprise",)),
    Party("power-plant", "Power Plant", ("enterprise",)),
    Party("data-centre", "Data Centre", ("enterprise",)),
    Party("trading-house", "Trading House", ("enterprise",)),
)
PARTIES = (PROJECT_OWNER, VERIFIER, ISSUER, BANK, *ENTERPRISES)


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens."""

    vintages: tuple[int, ...] = (2021, 2022, 2023, 2024, 2025)
    issuances_per_vintage: int = 32
    issuance_kg: int = 1_000 * TONNE
    buffer_percent: int = 15
    lots_per_issuance: int = 5
    rounds: int = 8
    split_percent: int = 10
    retired_percent: int = 20


SMALL = Size(issuances_per_vintage=4, rounds=4)
"""For tests and hurried people: the same story with a tenth of the lots."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Serials ``[start, end)`` of a vintage's batch; the last ``buffer_kg`` to the buffer."""

    batch: str
    start: int
    end: int
    buffer_kg: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Serials that one organisation owns."""

    batch: str
    start: int
    end: int
    owner: str

    @property
    def kilograms(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer of a lot, or of the low part of it (then the lot is split)."""

    batch: str
    start: int
    end: int
    giver: str
    taker: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen. ``rounds`` are independent inside, in order among them."""

    size: Size
    issues: tuple[Issue, ...]
    sales: tuple[Move, ...]
    rounds: tuple[tuple[Move, ...], ...]
    retired: tuple[Lot, ...]
    kept: tuple[Lot, ...]

    @property
    def issued_kg(self) -> int:
        return sum(issue.end - issue.start for issue in self.issues)

    @property
    def buffered_kg(self) -> int:
        return sum(issue.buffer_kg for issue in self.issues)

    @property
    def retired_kg(self) -> int:
        return sum(lot.kilograms for lot in self.retired)

    def compute_balances(self) -> dict[tuple[str, str], int]:
        """Return kilograms by (organisation, batch) after everything."""
        balances = {
            (party.organisation, name): 0
            for party in (PROJECT_OWNER, *ENTERPRISES)
            for name in self.batches
        }
        for lot in self.kept:
            balances[lot.owner, lot.batch] += lot.kilograms
        return balances

    @property
    def batches(self) -> tuple[str, ...]:
        return tuple(make_batch(vintage) for vintage in self.size.vintages)


def make_batch(vintage: int) -> str:
    """Return a vintage's batch id, which is its report's id too."""
    return f"{PROJECT}.{vintage}"


def make_plan(seed: int, size: Size | None = None) -> Plan:
    """Return the plan of a seed."""
    chosen = size or Size()
    choose = random.Random(seed)
    issues = _plan_issues(chosen)
    lots, sales = _plan_sales(issues, chosen)
    rounds: list[tuple[Move, ...]] = []
    for _ in range(chosen.rounds):
        lots, moves = _plan_round(lots, choose, chosen)
        rounds.append(tuple(moves))
    count = len(lots) * chosen.retired_percent // 100
    retired = sorted(choose.sample(range(len(lots)), count))
    return Plan(
        chosen,
        tuple(issues),
        tuple(sales),
        tuple(rounds),
        tuple(lots[place] for place in retired),
        tuple(lot for place, lot in enumerate(lots) if place not in set(retired)),
    )


def _plan_issues(size: Size) -> list[Issue]:
    buffer_kg = size.issuance_kg * size.buffer_percent // 100
    return [
        Issue(
            make_batch(vintage),
            number * size.issuance_kg,
            (number + 1) * size.issuance_kg,
            buffer_kg,
        )
        for vintage in size.vintages
        for number in range(size.issuances_per_vintage)
    ]


def _plan_sales(issues: Sequence[Issue], size: Size) -> tuple[list[Lot], list[Move]]:
    """The project owner sells each issuance in equal parts, to one enterprise after another."""
    lots: list[Lot] = []
    moves: list[Move] = []
    for issue in issues:
        part = (issue.end - issue.start - issue.buffer_kg) // size.lots_per_issuance
        for number in range(size.lots_per_issuance):
            start = issue.start + number * part
            buyer = ENTERPRISES[len(lots) % len(ENTERPRISES)].organisation
            lots.append(Lot(issue.batch, start, start + part, buyer))
            moves.append(Move(issue.batch, start, start + part, PROJECT_OWNER.organisation, buyer))
    return lots, moves


def _plan_round(
    lots: Sequence[Lot], choose: random.Random, size: Size
) -> tuple[list[Lot], list[Move]]:
    """Every lot changes hands once, some only in part: no move depends on another."""
    after: list[Lot] = []
    moves: list[Move] = []
    for lot in lots:
        taker = choose.choice(
            [party.organisation for party in ENTERPRISES if party.organisation != lot.owner]
        )
        end = lot.end
        if lot.kilograms >= 2 * TONNE and choose.randrange(100) < size.split_percent:
            end = lot.start + choose.randrange(TONNE, lot.kilograms)
            after.append(Lot(lot.batch, end, lot.end, lot.owner))
        moves.append(Move(lot.batch, lot.start, end, lot.owner, taker))
        after.append(Lot(lot.batch, lot.start, end, taker))
    return after, moves
