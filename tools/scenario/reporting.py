"""From readings to issued units: what the scenario does before anything can be traded.

The regulator publishes factors, two projects are registered, a meter and plots
are read by a service that owns neither, and their reports are computed, verified, published,
approved and issued by the chain. The verifier compares each computed figure with the plan's
exact fractions. Every step is one signed transaction of the party whose duty it is.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from primitives.codec import Value
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.client.client import Client
from tools.client.keyfile import generate_key
from tools.gateway.readings import Reading
from tools.gateway.store import ReadingStore
from tools.gateway.submitting import Gateway, NewDevice
from tools.parcels.cover import cover_boundary
from tools.parcels.geojson import parse_boundary
from tools.scenario.display import Display
from tools.scenario.measured import (
    FIGURES,
    GAS_T,
    METER_RATE_MAX,
    QUARTER_S,
    STEEL_T,
    STUDENT_T,
    ForestYear,
    start_of,
)
from tools.scenario.plan import (
    FURNACE,
    FURNACE_OWNER,
    FURNACE_SCOPE,
    ISSUER,
    METERING,
    PROJECT,
    PROJECT_OWNER,
    SCOPE,
    VERIFIER,
    Issue,
    Plan,
)

REGULATOR = "regulator"
METER, INSTALLATION = "furnace-meter", "hongxing-furnace"
READINGS_FOLDER = "readings"
READINGS_PER_BATCH = 96
"""A day of quarters of an hour."""
STOCK, REDUCTION = "forest-stock", "steel-reduction"
"""Shipped methodologies, in force from genesis."""
FROM, TO = start_of(2021), start_of(2027)
BOUNDARY_FILE = "forest.geojson"
STAND = (119.1, 28.1)
"""Longitude and latitude of the plantation's middle."""
Send = Callable[[str, Sequence[Call]], Awaitable[None]]
"""One transaction of an organisation; raises when it does not succeed."""


@dataclass(slots=True)
class Reporting:
    """One run's way from measurement to units. ``activities`` gather while inputs are made."""

    client: Client
    keys: dict[str, PrivateKey]
    plan: Plan
    display: Display
    directory: Path
    send: Send
    activities: list[Call] = field(default_factory=list)

    async def prepare(self) -> None:
        """Factors are published, projects registered."""
        await self.send(REGULATOR, _make_factor_calls())
        self.display.note(f"{len(FIGURES)} factors published, with their sources")
        await self._register_projects()

    async def _register_projects(self) -> None:
        share = self.plan.size.buffer_percent * 100
        plan = (
            (PROJECT, PROJECT_OWNER, STOCK, SCOPE, "biomass", share),
            (FURNACE, FURNACE_OWNER, REDUCTION, FURNACE_SCOPE, "energy", 0),
        )
        evidence = _hash("design document")
        parcel = self._make_parcel_calls()
        for project, owner, method, scope, claim, _ in plan:
            terms = (project, "CN-FJ", method, scope, [claim], FROM, TO, evidence)
            calls = [Call("projects", "draft", terms)]
            if project == PROJECT:
                calls += parcel
            calls.append(Call("projects", "submit", (project,)))
            await self.send(owner.organisation, calls)
        names = [item[0] for item in plan]
        await self.send(ISSUER.organisation, [Call("projects", "open_notice", (n,)) for n in names])
        validations = [Call("projects", "validate", (item[0], item[5], evidence)) for item in plan]
        await self.send(VERIFIER.organisation, validations)
        for _ in parcel:
            await self.send(PROJECT_OWNER.organisation, [Call("parcels", "claim", (PROJECT, 0))])
        await self.send(ISSUER.organisation, [Call("projects", "register", (n,)) for n in names])
        self.display.note("two projects validated and registered, the forest's land claimed")

    def _make_parcel_calls(self) -> list[Call]:
        """The plantation: a round boundary of the largest stand's area, kept as GeoJSON."""
        area_m2 = max(year.area_ha for year in self.plan.forest) * 10_000
        path = self.directory / BOUNDARY_FILE
        path.write_text(json.dumps(_draw_boundary(area_m2)), "utf-8")
        boundary = parse_boundary(path.read_bytes())
        found = cover_boundary(boundary)
        first, *others = found.cut()
        self.display.note(f"{BOUNDARY_FILE}: {found.cells:,} cells, {found.area_m2:,} m2")
        terms = (boundary.compute_hash(), found.level, area_m2, len(found.ranges), first)
        calls = [Call("parcels", "add_parcel", (PROJECT, *terms))]
        return calls + [Call("parcels", "extend_parcel", (PROJECT, 0, part)) for part in others]

    async def measure(self) -> None:
        """A meter signs a month of readings; plots of five years are put on the chain."""
        terms = (INSTALLATION, METERING.organisation, "CN-FJ", _hash("place"))
        await self.send(
            FURNACE_OWNER.organisation, [Call("devices", "register_installation", terms)]
        )
        meter = generate_key()
        store = ReadingStore(self.directory / READINGS_FOLDER)
        gateway = Gateway(self.client, self.keys[METERING.organisation], store)
        device = NewDevice(METER, meter.public_key, "Wh", METER_RATE_MAX, FROM, TO)
        await gateway.register(INSTALLATION, [device])
        began, _ = self.plan.meter.period
        readings = [
            Reading(METER, n + 1, began + n * QUARTER_S, began + (n + 1) * QUARTER_S, amount)
            for n, amount in enumerate(self.plan.meter.amounts)
        ]
        batches = await gateway.pack(meter, readings, readings_per_batch=READINGS_PER_BATCH)
        refusals = await gateway.submit([batch.header for batch in batches])
        if refusals:
            raise ValueError(f"the chain refused a batch: {refusals[0]}")
        self.display.note(
            f"{len(readings):,} readings signed by the meter, {len(batches)} batches on the chain"
        )

    async def report(self) -> None:
        """Reports opened, submitted, computed, verified, published, approved: and issued."""
        inputs = {self.plan.furnace.report: self._furnace_inputs()}
        for issue, year in zip(self.plan.issues, self.plan.forest, strict=True):
            inputs[issue.report] = self._forest_inputs(issue, year)
        await self.send(METERING.organisation, self.activities)
        await self._open()
        submits = [Call("mrv", "submit", (name, given)) for name, given in inputs.items()]
        checks = [Call("mrv", "check", (name,)) for name in inputs]
        await self.send(METERING.organisation, submits + checks)
        self.display.note(f"{len(inputs)} reports computed by every validator")
        await self._verify()
        await self.send(ISSUER.organisation, [Call("mrv", "publish", (name,)) for name in inputs])
        await self.send(REGULATOR, [Call("mrv", "approve", (name,)) for name in inputs])

    async def _open(self) -> None:
        forest = [
            self._open_call(issue, PROJECT, STOCK, year.period, SCOPE)
            for issue, year in zip(self.plan.issues, self.plan.forest, strict=True)
        ]
        await self.send(PROJECT_OWNER.organisation, forest)
        period = self.plan.meter.period
        furnace = self._open_call(self.plan.furnace, FURNACE, REDUCTION, period, FURNACE_SCOPE)
        await self.send(FURNACE_OWNER.organisation, [furnace])

    @staticmethod
    def _open_call(
        issue: Issue, project: str, method: str, period: tuple[int, int], scope: str
    ) -> Call:
        terms = (issue.report, "project", project, method, 1, *period, scope)
        return Call("mrv", "open_report", (*terms, METERING.organisation, ""))

    async def _verify(self) -> None:
        """The verifier computes each figure from the plan's fractions: the chain's must be it."""
        calls = []
        exact = [(self.plan.furnace, self.plan.meter.grams)]
        years = zip(self.plan.issues, self.plan.forest, strict=True)
        exact += [(issue, year.grams) for issue, year in years]
        for issue, grams in exact:
            answer = await self.client.state_call("mrv", "get_report", [issue.report])
            computed = int(answer.value["computed_grams"])
            if abs(computed - grams) > 1:
                raise ValueError(f"{issue.report}: {computed} g computed, {float(grams)} g exact")
            statement = _hash(f"verification statement {issue.report}")
            calls.append(Call("mrv", "begin_verification", (issue.report,)))
            verified = issue.kilograms * 1000
            calls.append(Call("mrv", "verify", (issue.report, verified, statement)))
        await self.send(VERIFIER.organisation, calls)
        self.display.note("each figure verified against exact fractions, to the gram")

    def _forest_inputs(self, issue: Issue, year: ForestYear) -> list[Value]:
        began, ended = year.period
        inputs = [self._submit(issue, "A.stand", year.area_ha, 0, "ha", (began, ended))]
        for number, plot in enumerate(year.plots, 1):
            first, last = (began, began + QUARTER_S), (ended - QUARTER_S, ended)
            name = f"stand/{number}"
            inputs.append(self._submit(issue, f"P1.{name}", plot.before, 3, "tdm/ha", first))
            inputs.append(self._submit(issue, f"P2.{name}", plot.after, 3, "tdm/ha", last))
        quantile = int(STUDENT_T * 1000)
        inputs.append(self._submit(issue, "T", quantile, 3, "1", year.period))
        return inputs + _name_factors(("R", "CF"))

    def _furnace_inputs(self) -> list[Value]:
        issue, period = self.plan.furnace, self.plan.meter.period
        amounts = self.plan.meter.amounts
        return [
            self._submit(issue, "P", STEEL_T * 1000, 3, "t", period),
            self._submit(issue, "FQ.gas", int(GAS_T * 1000), 3, "t", period),
            ["EL", sum(amounts), 0, "Wh", f"batch:{METER}/1-{len(amounts)}"],
            *_name_factors(("BI", "GRID", "NCV.gas", "EF.gas")),
        ]

    def _submit(
        self, issue: Issue, name: str, value: int, scale: int, unit: str, period: tuple[int, int]
    ) -> Value:
        """Return the input, whose activity is submitted with the others later."""
        activity = f"{issue.report}.{name}".replace("/", "-")
        subject = FURNACE if issue is self.plan.furnace else PROJECT
        terms = (activity, subject, name, value, scale, unit, *period, _hash(activity))
        self.activities.append(Call("devices", "submit_activity", terms))
        return [name, value, scale, unit, f"activity:{activity}"]


def _name_factors(inputs: Sequence[str]) -> list[Value]:
    """The inputs that a factor of the set fills in, by the input's name."""
    figures = {item.input: item for item in FIGURES}
    return [[name, 0, 0, figures[name].unit, f"factor:{figures[name].factor}"] for name in inputs]


def _make_factor_calls() -> list[Call]:
    table = "demonstration"
    opened: tuple[Any, ...] = (
        table, "Figures of make run: see each page", _hash(table), "CN", "", FROM, TO, "unverified",
        "",
    )  # fmt: skip
    rows: list[Value] = [
        [item.factor, item.scaled, 9, item.unit, item.gas, item.page] for item in FIGURES
    ]
    return [
        Call("factors", "open_set", opened),
        Call("factors", "add", (table, rows)),
        Call("factors", "publish", (table, len(rows))),
    ]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _draw_boundary(area_m2: int) -> dict[str, Any]:
    """Return a polygon of 24 corners round the plantation's middle, right to a fraction of 1 %."""
    corners = 24
    degree_m = 111_000.0
    radius = math.sqrt(2 * area_m2 / (corners * math.sin(2 * math.pi / corners))) / degree_m
    longitude, latitude = STAND
    wider = radius / math.cos(math.radians(latitude))
    turns = [2 * math.pi * n / corners for n in range(corners)]
    ring = [
        [round(longitude + wider * math.cos(turn), 7), round(latitude + radius * math.sin(turn), 7)]
        for turn in turns
    ]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
