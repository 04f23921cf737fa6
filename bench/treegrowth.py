"""What a block costs while the state tree gets a level more, against one before and after it.

A state is built in bulk; then blocks of updates go through the tree and its growth as a
commit does: a few as they are, an epoch in which the deeper tree is built, the block that
changes over, and a few while the old rows go. At the end the root is compared with that of
the tree built in one go, whose time is what a chain would stand still without all this.
CPU time of one thread. ``python -m bench.treegrowth --out bench/results``; nothing imports it.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import measure_folder
from bench.statebulk import build_state, make_key
from bench.statetree import measure_verification_us
from primitives.hashing import Hash
from storage.leveldb import LevelStore
from storage.statedepth import StateDepth
from storage.statetree import StateTree
from storage.treegrowth import GrowthOrder, rebuild_tree
from tools.provenance import describe_commit, describe_machine

MEBIBYTE = 1 << 20
LEVELS = 4
PLAIN_BLOCKS = 60
"""Blocks measured before the growth; as many warm up before them."""


class Blocks:
    """Blocks of updates on one tree, each timed."""

    def __init__(self, store: LevelStore, tree: StateTree, options: argparse.Namespace) -> None:
        self._store = store
        self._tree = tree
        self._depth = StateDepth(store, tree, "bench")
        self._options = options
        self._numbers = random.Random(options.seed)

    def run(self, levels: int, order: GrowthOrder | None = None) -> float:
        """Apply one block at a depth; return its milliseconds of CPU."""
        numbers, tree = self._numbers, self._tree
        writes: dict[bytes, bytes | None] = {
            make_key(numbers.randrange(self._options.keys)): numbers.randbytes(40)
            for _ in range(self._options.updates)
        }
        started = time.thread_time()
        if levels > tree.levels:
            self._depth.complete(levels)
        before = tree.levels
        change = tree.compute_change(writes, levels)
        rows = self._depth.compute_rows(change, writes, order)
        self._store.write({**change.puts, **rows.puts}, [*change.deletes, *rows.deletes], sync=True)
        tree.apply(change)
        self._depth.apply(rows, change, before)
        return (time.thread_time() - started) * 1e3


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Build, grow, and return the figures."""
    with LevelStore.open(folder) as store:
        root = build_state(store, options.keys, LEVELS)
        tree = StateTree(store, Hash(root), LEVELS, keys=options.keys)
        blocks = Blocks(store, tree, options)
        for _ in range(PLAIN_BLOCKS):
            blocks.run(LEVELS)
        plain = [blocks.run(LEVELS) for _ in range(PLAIN_BLOCKS)]
        epoch = options.epoch
        growing = [blocks.run(LEVELS, GrowthOrder(LEVELS + 1, n)) for n in range(epoch, 0, -1)]
        most = measure_folder(folder)
        started = time.thread_time()
        whole = rebuild_tree(store, LEVELS, LEVELS + 1, {}, 0)
        at_once = time.thread_time() - started
        grown = tree.growth
        assert grown is not None and not grown.left and grown.root == whole.root
        del whole
        turn = blocks.run(LEVELS + 1)
        after = [blocks.run(LEVELS + 1) for _ in range(options.after)]
        return {
            "keys": options.keys,
            "updatesPerBlock": options.updates,
            "epochBlocks": epoch,
            "plain": _describe(plain),
            "growing": _describe(growing),
            "turnMs": round(turn, 2),
            "retiring": _describe(after[: epoch // 4]),
            "after": _describe(after[-PLAIN_BLOCKS:]),
            "atOnceMs": round(at_once * 1e3, 1),
            "databaseMiBAtMost": round(most / MEBIBYTE, 1),
            "databaseMiBAfter": round(measure_folder(folder) / MEBIBYTE, 1),
            "memoryMiB": round(
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE, 1
            ),
        }


def _describe(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "medianMs": round(statistics.median(ordered), 2),
        "p99Ms": round(ordered[len(ordered) * 99 // 100 - 1], 2),
        "maxMs": round(ordered[-1], 2),
    }


def main() -> None:
    """Parse the arguments, measure, print JSON; with --out keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=3_000_000)
    parser.add_argument("--updates", type=int, default=500, help="keys written in a block")
    parser.add_argument("--epoch", type=int, default=1_000, help="blocks to grow in")
    parser.add_argument("--after", type=int, default=400, help="blocks after the change")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", help="folder for the database (3M keys: 2 GB)")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    before = measure_verification_us()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        result = measure(Path(folder), options)
    document: dict[str, Any] = {
        "commit": describe_commit(Path(__file__).parent),
        "machine": describe_machine(),
        "verificationUs": [round(before, 1), round(measure_verification_us(), 1)],
        "seed": options.seed,
        "result": result,
    }
    print(json.dumps(document, indent=2))
    if options.out:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = options.out / f"treegrowth-{stamp}.json"
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
