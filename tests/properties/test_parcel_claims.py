"""Random claims on land against a model that is a set of cells for each parcel.

The model knows nothing of layers or ranges: two parcels meet in the cells that both sets hold.
After every step the chain's answer is the model's, each cell has exactly the claims of the
parcels that hold it, once each, and what conflicts stays below 1 % of either side.
The seed is in the name of a failing test.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from primitives.codec import Value
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY, HASH, Chain
from tests.unit.vm.project_chain import DRAFT, FROM, L, P, area_of

SEEDS = range(10)
STEPS = 60
UNIVERSE = 3000
"""Cells are drawn from 0 to this, so that everybody meets everybody."""
CLAIMS = (("biomass",), ("soil",), ("biomass", "soil"), ("methane", "biomass"))


@dataclass
class Land:
    """A project with one parcel, the way a child would draw it."""

    cells: frozenset[int]
    ranges: list[int]
    time_from: int
    time_to: int
    claims: frozenset[str]
    shared: int = 0
    claimed: bool = False
    registered: bool = False
    ended: int = 0

    def get_time_to(self) -> int:
        if not self.ended:
            return self.time_to
        return min(self.time_to, self.ended) if self.registered else 0

    def is_dead(self) -> bool:
        return self.time_from >= self.get_time_to()

    def is_in_conflict(self, other: Land) -> bool:
        apart = self.time_from >= other.get_time_to() or other.time_from >= self.get_time_to()
        return not apart and bool(self.claims & other.claims)


@dataclass
class Model:
    lands: dict[str, Land] = field(default_factory=dict)
    drafts: int = 0

    def list_claimed(self) -> list[Land]:
        return [land for land in self.lands.values() if land.claimed]

    def claim(self, name: str) -> str:
        """Claim the parcel's cells; the refusal, or ''."""
        mine = self.lands[name]
        met = {
            id(other): len(mine.cells & other.cells)
            for other in self.list_claimed()
            if mine.is_in_conflict(other)
        }
        total = sum(met.values())
        # 0 of it conflicts: even a parcel of few cells stands.
        if total and 100 * total >= len(mine.cells):
            return "parcel-overlap"
        for other in self.list_claimed():
            cells = met.get(id(other), 0)
            if cells and 100 * (other.shared + cells) >= len(other.cells):
                return "parcel-overlap"
        for other in self.list_claimed():
            other.shared += met.get(id(other), 0)
        mine.shared, mine.claimed = total, True
        return ""


def draw_ranges(rng: random.Random) -> list[int]:
    """Ascending ranges apart from each other; often a long one and a crowd of single cells."""
    count = rng.choice([1, 1, 2, 5, 30])
    cuts = sorted(rng.sample(range(UNIVERSE), 2 * count))
    ranges: list[int] = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=True):
        ranges += [start, max(1, end - start)]
    return ranges


def spread(ranges: list[int]) -> frozenset[int]:
    return frozenset(
        cell
        for start, count in zip(ranges[::2], ranges[1::2], strict=True)
        for cell in range(start, start + count)
    )


def draw_land(chain: Chain, rng: random.Random, model: Model) -> str:
    """A validated project; drawn before anything of now is checked against it, or refused."""
    name = f"p{model.drafts}"
    model.drafts += 1
    time_from = FROM + rng.randrange(4) * 100 * DAY
    time_to = time_from + rng.randrange(1, 4) * 100 * DAY
    ranges, claims = draw_ranges(rng), rng.choice(CLAIMS)
    if rng.random() < 0.3 and model.lands:
        # Just beside somebody, or over the edge by a little.
        other = rng.choice(list(model.lands.values()))
        start = max(0, max(other.cells) + rng.choice([1, 1, 0, -3]))
        ranges = [start, rng.randrange(100, 1500)]
    arguments: list[Value] = [*DRAFT]
    arguments[3:6] = [list(claims), time_from, time_to]
    chain.ok("owner", P, "draft", name, *arguments)
    land = Land(spread(ranges), ranges, time_from, time_to, frozenset(claims))
    met = sum(
        len(land.cells & other.cells)
        for other in model.list_claimed()
        if land.is_in_conflict(other)
    )
    parcel = (name, HASH, 0, area_of(len(land.cells)), len(ranges) // 2, [*ranges])
    if 100 * met >= len(land.cells):
        chain.refused("parcel-overlap", "owner", L, "add_parcel", *parcel)
        return ""
    chain.ok("owner", L, "add_parcel", *parcel)
    chain.ok("owner", P, "submit", name)
    chain.ok("registry", P, "open_notice", name)
    chain.ok("verifier", P, "validate", name, 1000, HASH)
    model.lands[name] = land
    return name


def take_step(chain: Chain, rng: random.Random, model: Model, pending: list[str]) -> str:
    """One thing that happens; returns its kind, for the count of what was walked."""
    kind = rng.choice(["draw", "draw", "claim", "claim", "register", "end", "wait"])
    if kind == "draw":
        name = draw_land(chain, rng, model)
        if name:
            pending.append(name)
        return "drawn" if name else "refused-early"
    if kind == "claim" and pending:
        name = pending.pop(rng.randrange(len(pending)))
        code = model.claim(name)
        if code:
            chain.refused(code, "bob", L, "claim", name, 0)
            return "refused"
        chain.ok("bob", L, "claim", name, 0)
        return "flagged" if model.lands[name].shared else "claimed"
    running = [name for name, land in model.lands.items() if land.claimed and not land.ended]
    if kind == "register" and running:
        name = rng.choice(running)
        if not model.lands[name].registered:
            chain.ok("registry", P, "register", name)
            model.lands[name].registered = True
            return "registered"
    if kind == "end" and running:
        name = rng.choice(running)
        chain.ok("owner", P, "withdraw", name, "sold")
        model.lands[name].ended = chain.time
        return "ended" if model.lands[name].registered else "dropped"
    chain.time += rng.randrange(30 * DAY)
    return "waited"


def check(chain: Chain, model: Model, rng: random.Random) -> None:
    for name, land in model.lands.items():
        parcel = chain.view(L, "get_parcel", name, 0)
        assert parcel[8] == land.shared, name
        assert not land.shared or 100 * land.shared < len(land.cells)
    edges = {cell for land in model.list_claimed() for cell in (min(land.cells), max(land.cells))}
    for cell in [*sorted(edges), *rng.sample(range(UNIVERSE), 10)]:
        found = sorted(item[0] for item in chain.view(L, "claims_at", cell))
        alive = sorted(
            name
            for name, land in model.lands.items()
            if land.claimed and not land.is_dead() and cell in land.cells
        )
        dead = {name for name, land in model.lands.items() if land.claimed and land.is_dead()}
        # The rows of what died lie there until somebody needs the place.
        assert [name for name in found if name not in dead] == alive, cell
        assert len(found) == len(set(found)), cell


@pytest.mark.parametrize("seed", SEEDS)
def test_no_history_of_claims_credits_a_cell_twice(seed: int) -> None:
    rng = random.Random(seed)
    chain, model = at.make_project_chain(0), Model()
    pending: list[str] = []
    walked: dict[str, int] = {}
    for _ in range(STEPS):
        kind = take_step(chain, rng, model, pending)
        walked[kind] = walked.get(kind, 0) + 1
        check(chain, model, rng)
    assert walked.get("claimed", 0) >= 2, walked
    assert walked.get("refused", 0) + walked.get("refused-early", 0) >= 1, walked


def test_the_histories_walk_every_road() -> None:
    """What the seeds do together: a guard that no history reaches would be a guard untested."""
    seen: set[str] = set()
    for seed in SEEDS:
        rng = random.Random(seed)
        chain, model = at.make_project_chain(0), Model()
        pending: list[str] = []
        seen |= {take_step(chain, rng, model, pending) for _ in range(STEPS)}
    assert seen >= {"claimed", "flagged", "refused", "refused-early", "ended", "dropped"}
