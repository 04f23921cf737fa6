"""Many seeds in several processes: the same results in the same order for any number of them.

Seeds are cut into chunks of a fixed size; chunks are taken in order, and what comes after
the last failure wanted is thrown away.
"""

from __future__ import annotations

import gc
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from consensus.replica import Replica
from tools.simulator.coverage import Coverage
from tools.simulator.lines import Lines
from tools.simulator.profiles import PROFILES
from tools.simulator.result import Result
from tools.simulator.world import run_seed

EVERY = "every"
CHUNK_SEEDS = 50
COLLECT_SEEDS = 5
WEIGHTS = {4: 68, 5: 8, 6: 8, 7: 10, 8: 2, 9: 2, 10: 2}
"""How often each number of validators occurs: a seed of ten costs six of four."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run for each seed."""

    profile: str = "mixed"
    validators: tuple[int, ...] = tuple(WEIGHTS)
    coverage: bool = False
    lines: bool = False


@dataclass(slots=True)
class Chunk:
    """What a row of seeds gave."""

    events: list[int] = field(default_factory=list)
    healed_for_ms: list[int] = field(default_factory=list)
    failed: list[Result] = field(default_factory=list)
    coverage: Coverage | None = None
    lines: Lines | None = None


def choose_profile(seed: int, order: Order) -> str:
    """Return the profile of a seed."""
    return PROFILES[seed % len(PROFILES)] if order.profile == EVERY else order.profile


def choose_count(seed: int, order: Order) -> int:
    """Return the number of validators of a seed, the same whatever else is asked for."""
    allowed = order.validators
    weights = [WEIGHTS[count] for count in allowed]
    return random.Random(f"count/{seed}").choices(allowed, weights)[0]


def run_one(
    seed: int,
    order: Order,
    coverage: Coverage | None = None,
    *,
    record: bool = False,
    replica_type: type[Replica] = Replica,
) -> Result:
    """Run one seed as the order says."""
    count, profile = choose_count(seed, order), choose_profile(seed, order)
    return run_seed(seed, count, profile, replica_type, record=record, coverage=coverage)


def run_chunk(task: tuple[range, Order]) -> Chunk:
    """Run a row of seeds in this process."""
    seeds, order = task
    chunk = Chunk()
    chunk.coverage = Coverage() if order.coverage else None
    chunk.lines = Lines() if order.lines else None
    if chunk.lines is not None:
        chunk.lines.start()
    # Worlds are circles of some megabytes: collecting them every few seeds, with all that was
    # there before set aside, beats looking often.
    was_enabled = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()
    try:
        for seed in seeds:
            result = run_one(seed, order, chunk.coverage)
            chunk.events.append(result.events)
            chunk.healed_for_ms.append(result.healed_for_ms)
            if result.violation:
                chunk.failed.append(result)
            if seed % COLLECT_SEEDS == 0:
                gc.collect()
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
        if chunk.lines is not None:
            chunk.lines.stop()
    return chunk


def run_chunks(seeds: range, order: Order, jobs: int) -> Iterator[tuple[range, Chunk]]:
    """Yield every chunk with its seeds, in order; ``jobs`` processes work ahead."""
    rows = [seeds[first : first + CHUNK_SEEDS] for first in range(0, len(seeds), CHUNK_SEEDS)]
    tasks = [(row, order) for row in rows]
    if jobs == 1 or len(rows) == 1:
        yield from zip(rows, map(run_chunk, tasks), strict=True)
        return
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(rows))) as pool:
        yield from zip(rows, pool.imap(run_chunk, tasks), strict=True)
