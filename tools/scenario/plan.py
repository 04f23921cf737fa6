"""What the scenario does, as data: parties, issuances, trades, retirements, end state.

Everything follows from a seed, and ownership is simulated here lot by lot, so that the
end of the real run can be compared with what must be true. Nothing here knows a chain.

The projects: a forest plantation, five vintages measured on plots, 15 % of each to the buffer
(VCS's AFOLU buffer lies between 10 and 20 %); and an electric arc furnace on a meter, whose
reductions cannot be reversed. Quantities are kilograms; measured.py says what they come from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tools.scenario.day import Day, Offer, make_day
from tools.scenario.measured import (
    METER_YEAR,
    ForestYear,
    MeterMonth,
    floor_kilograms,
    make_forest_year,
    make_meter_month,
)

PROJECT = "LONGQUAN-FOREST"
FURNACE = "HONGXING-FURNACE"
SCOPE = "forestry"
FURNACE_SCOPE = "metals"
BATCH_PREFIX = "mrv."
"""The contracts': an issued report's batch is called after it."""
TONNE = 1_000


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation that the regulator registers."""

    organisation: str
    name: str
    roles: tuple[str, ...]


PROJECT_OWNER = Party("longquan-farm", "Longquan Forest Farm", ("project-owner",))
FURNACE_OWNER = Party("hongxing-steel", "Hongxing Steel", ("project-owner",))
METERING = Party("grid-metering", "Grid Metering", ("enterprise",))
"""Submits the data of both projects: no owner submits its own."""
VERIFIER = Party("cedar-verification", "Cedar Verification", ("verifier",))
ISSUER = Party("carbon-registry", "Carbon Registry", ("registry",))
BANK = Party("green-bank", "Green Bank", ("bank",))
EXCHANGE = Party("green-exchange", "Green Exchange", ("exchange",))
ENTERPRISES = (
    Party("steel-mill", "Steel Mill", ("enterprise",)),
    Party("cement-works", "Cement Works", ("enterprise",)),
    Party("airline", "Airline", ("enterprise",)),
    Party("power-plant", "Power Plant", ("enterprise",)),
    Party("data-centre", "Data Centre", ("enterprise",)),
    Party("trading-house", "Trading House", ("enterprise",)),
)
PARTIES = (PROJECT_OWNER, FURNACE_OWNER, METERING, VERIFIER, ISSUER, BANK, EXCHANGE, *ENTERPRISES)
SELLERS = ("steel-mill", "cement-works", "trading-house")
BUYERS = ("power-plant", "data-centre", "airline")

CUSTOMERS_BUYER = "airline"
REFUSALS = 2
"""The first lots that are kept are used up for showing what is refused."""
METERED_KG = 2 * TONNE
"""The airline buys so much of the furnace's reductions for a customer's flight."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much happens."""

    vintages: tuple[int, ...] = (2021, 2022, 2023, 2024, 2025)
    area_ha: int = 4_300
    buffer_percent: int = 15
    lots_per_vintage: int = 160
    rounds: int = 7
    split_percent: int = 10
    retired_percent: int = 20


SMALL = Size(area_ha=540, lots_per_vintage=20, rounds=4)
"""For tests and hurried people: the same story with a tenth of the lots."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A report's serials, from 0 to ``kilograms``; the last ``buffer_kg`` to the buffer."""

    report: str
    kilograms: int
    buffer_kg: int

    @property
    def batch(self) -> str:
        return BATCH_PREFIX + self.report


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
    """Everything that will happen. ``rounds`` are independent inside, in order among them.

    ``issues`` are the forest's, one a vintage; ``furnace`` is the metered one, which is sold to
    one buyer (``metered``) that retires it for a customer. ``kept`` are lots after the rounds, of
    which the trading ``day`` moves some.
    """

    size: Size
    forest: tuple[ForestYear, ...]
    meter: MeterMonth
    issues: tuple[Issue, ...]
    furnace: Issue
    metered: Move
    sales: tuple[Move, ...]
    rounds: tuple[tuple[Move, ...], ...]
    retired: tuple[Lot, ...]
    kept: tuple[Lot, ...]
    day: Day

    @property
    def issued_kg(self) -> int:
        return sum(issue.kilograms for issue in (*self.issues, self.furnace))

    @property
    def buffered_kg(self) -> int:
        return sum(issue.buffer_kg for issue in (*self.issues, self.furnace))

    @property
    def retired_kg(self) -> int:
        return sum(lot.kilograms for lot in self.retired)

    def compute_balances(self) -> dict[tuple[str, str], int]:
        """Return kilograms by (organisation, batch) after everything."""
        balances = {
            (party.organisation, issue.batch): 0
            for party in (PROJECT_OWNER, FURNACE_OWNER, *ENTERPRISES)
            for issue in (*self.issues, self.furnace)
        }
        for lot in self.kept:
            balances[lot.owner, lot.batch] += lot.kilograms
        sold = self.metered.end - self.metered.start
        own = self.furnace.kilograms - self.furnace.buffer_kg - sold
        balances[self.metered.giver, self.furnace.batch] = own
        balances[self.metered.taker, self.furnace.batch] = sold
        return balances


def make_plan(seed: int, size: Size | None = None) -> Plan:
    """Return the plan of a seed."""
    chosen = size or Size()
    choose = random.Random(seed)
    forest = [make_forest_year(year, chosen.area_ha, choose) for year in chosen.vintages]
    meter = make_meter_month(choose)
    issues = [_plan_issue(year, chosen) for year in forest]
    furnace = Issue(f"{FURNACE}.{METER_YEAR}-01", floor_kilograms(meter.grams), 0)
    lots, sales = _plan_sales(issues, chosen)
    rounds: list[tuple[Move, ...]] = []
    for _ in range(chosen.rounds):
        lots, moves = _plan_round(lots, choose, chosen)
        rounds.append(tuple(moves))
    count = len(lots) * chosen.retired_percent // 100
    retired = sorted(choose.sample(range(len(lots)), count))
    kept = tuple(lot for place, lot in enumerate(lots) if place not in set(retired))
    offers = [(lot.owner, Offer(lot.batch, lot.start, lot.end)) for lot in kept[REFUSALS:]]
    return Plan(
        chosen,
        tuple(forest),
        meter,
        tuple(issues),
        furnace,
        Move(furnace.batch, 0, METERED_KG, FURNACE_OWNER.organisation, CUSTOMERS_BUYER),
        tuple(sales),
        tuple(rounds),
        tuple(lots[place] for place in retired),
        kept,
        make_day(offers, SELLERS, BUYERS, choose),
    )


def _plan_issue(year: ForestYear, size: Size) -> Issue:
    net_kg = floor_kilograms(year.grams)
    return Issue(f"{PROJECT}.{year.vintage}", net_kg, -(-net_kg * size.buffer_percent // 100))


def _plan_sales(issues: Sequence[Issue], size: Size) -> tuple[list[Lot], list[Move]]:
    """The project owner sells each vintage in equal parts, to one enterprise after another."""
    lots: list[Lot] = []
    moves: list[Move] = []
    for issue in issues:
        own = issue.kilograms - issue.buffer_kg
        cuts = [
            own * number // size.lots_per_vintage for number in range(size.lots_per_vintage + 1)
        ]
        for start, end in pairwise(cuts):
            buyer = ENTERPRISES[len(lots) % len(ENTERPRISES)].organisation
            lots.append(Lot(issue.batch, start, end, buyer))
            moves.append(Move(issue.batch, start, end, PROJECT_OWNER.organisation, buyer))
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
