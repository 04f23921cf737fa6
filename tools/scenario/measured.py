"""What is measured, as data, and what must come out of it, in exact fractions. No chain.

Two projects: a forest whose plots are measured at both ends of each vintage, and an electric arc
furnace whose meter reads every quarter of an hour. What the chain's contracts compute with
integers is computed here again with fractions; the plan's quantities are these. Formulas:
IPCC 2006 vol. 4 eq. 2.8 (stock difference), ISO 14064-2 (baseline and credit); docs/carbon.md.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

QUARTER_S = 900
DAY_S = 24 * 3600
PLOTS = 6
ROOT_TO_SHOOT = Fraction("0.25")
CARBON_FRACTION = Fraction("0.47")
STUDENT_T = Fraction("2.571")
"""Two-sided 95 %, five degrees of freedom: six plots."""
CARBON_TO_CO2 = Fraction(44, 12)
UNCERTAINTY_WITHOUT_DEDUCTION = Fraction(1, 10)
METER_YEAR, METER_MONTH, METER_DAYS = 2025, 1, 31
METER_MIN_WH, METER_MAX_WH = 150_000, 350_000
METER_RATE_MAX = 4 * METER_MAX_WH
"""Wh an hour."""
STEEL_T = 1_830
GAS_T = Fraction("27.45")

BASELINE = Fraction("0.328")
GRID = Fraction("0.4092")
GAS_NCV = Fraction("48")
GAS_EF = Fraction("56.1")


@dataclass(frozen=True, slots=True)
class Figure:
    """A factor of the demonstration's own set; the number is value / 10**9."""

    input: str
    factor: str
    value: Fraction
    unit: str
    gas: str
    page: str

    @property
    def scaled(self) -> int:
        """The value at scale 9."""
        return int(self.value * 10**9)


_TABLE = "IPCC 2006 vol. 2 table"
FIGURES = (
    Figure("BI", "demo.baseline", BASELINE, "tCO2e/t", "CO2", "invented for this demonstration"),
    Figure("GRID", "demo.grid", GRID, "tCO2/MWh", "CO2", "third-party transcription, 2022"),
    Figure("NCV.gas", "demo.gas-ncv", GAS_NCV, "GJ/t", "", f"{_TABLE} 1.2, natural gas"),
    Figure("EF.gas", "demo.gas-ef", GAS_EF, "tCO2/TJ", "CO2", f"{_TABLE} 1.4, natural gas"),
    Figure("R", "demo.root-to-shoot", ROOT_TO_SHOOT, "1", "", "chosen for this demonstration"),
    Figure("CF", "demo.carbon", CARBON_FRACTION, "tC/tdm", "", "IPCC 2006 vol. 4 table 4.3"),
)


@dataclass(frozen=True, slots=True)
class Plot:
    """Above-ground biomass of one sample plot, thousandths of t dry matter a hectare."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ForestYear:
    """One vintage: a stand's area and its plots at both ends of the year."""

    vintage: int
    area_ha: int
    plots: tuple[Plot, ...]

    @property
    def period(self) -> tuple[int, int]:
        """The calendar year of the vintage: seconds UTC, the end excluded."""
        return start_of(self.vintage), start_of(self.vintage + 1)

    @property
    def grams(self) -> Fraction:
        """Net removals, exactly; the plots agree too well for a deduction."""
        gained = [Fraction(plot.after - plot.before, 1000) for plot in self.plots]
        mean = sum(gained, Fraction(0)) / len(gained)
        if not self._is_certain(gained, mean):
            raise ValueError("the plots differ so much that a deduction is due")
        carbon = self.area_ha * mean * (1 + ROOT_TO_SHOOT) * CARBON_FRACTION
        return carbon * CARBON_TO_CO2 * 10**6

    @staticmethod
    def _is_certain(gained: list[Fraction], mean: Fraction) -> bool:
        count = len(gained)
        spread = sum(((item - mean) ** 2 for item in gained), Fraction(0)) / (count - 1)
        half_squared = STUDENT_T**2 * spread / count
        return half_squared <= (UNCERTAINTY_WITHOUT_DEDUCTION * mean) ** 2


@dataclass(frozen=True, slots=True)
class MeterMonth:
    """The furnace's electricity in Wh, a reading each quarter of an hour."""

    amounts: tuple[int, ...]

    @property
    def period(self) -> tuple[int, int]:
        """What the readings cover: seconds UTC, the end excluded."""
        began = start_of(METER_YEAR, METER_MONTH)
        return began, began + len(self.amounts) * QUARTER_S

    @property
    def grams(self) -> Fraction:
        """What the furnace emitted less than its baseline, exactly."""
        energy = Fraction(sum(self.amounts), 10**6)
        burnt = GAS_T * GAS_NCV / 1000 * GAS_EF
        return (STEEL_T * BASELINE - burnt - energy * GRID) * 10**6


def floor_kilograms(grams: Fraction) -> int:
    """Return whole kilograms that also a computation one gram lower supports."""
    return int((grams - 1) // 1000)


def start_of(year: int, month: int = 1) -> int:
    """Return the first second UTC of a month."""
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())


def make_forest_year(vintage: int, area_ha: int, choose: random.Random) -> ForestYear:
    """Return a year in which each plot gains about 3 t of dry matter a hectare."""
    plots = []
    for _ in range(PLOTS):
        before = choose.randrange(80_000, 95_000)
        plots.append(Plot(before, before + choose.randrange(2_900, 3_100)))
    return ForestYear(vintage, area_ha, tuple(plots))


def make_meter_month(choose: random.Random) -> MeterMonth:
    """Return a month of a furnace that heats and rests."""
    count = METER_DAYS * DAY_S // QUARTER_S
    return MeterMonth(tuple(choose.randrange(METER_MIN_WH, METER_MAX_WH) for _ in range(count)))
