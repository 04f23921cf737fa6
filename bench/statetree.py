"""Cost of one updated state key, against one Ed25519 verification in the same run.

The machine's speed drifts, so calibration and measurement take turns (A B A B) and the
figure that counts is the ratio. ``python -m bench.statetree --keys 10000 100000`` prints
JSON; nothing imports it.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path

from primitives.keys import PrivateKey, verify
from storage.leveldb import LevelStore
from storage.statetree import StateTree, compute_empty_root

LEVELS = 4
VERIFICATIONS = 200
LOAD_BATCH = 20_000


def measure_verification_us() -> float:
    """Return the microseconds of one Ed25519 verification, now."""
    key = PrivateKey.from_seed(bytes(32))
    messages = [b"message %d" % number for number in range(VERIFICATIONS)]
    signed = [(message, key.sign(message)) for message in messages]
    started = time.perf_counter()
    for message, signature in signed:
        assert verify(key.public_key, message, signature)
    return (time.perf_counter() - started) * 1e6 / VERIFICATIONS


def load_tree(store: LevelStore, keys: int) -> StateTree:
    """Return a tree of ``keys`` keys in ``store``."""
    tree = StateTree(store, compute_empty_root(LEVELS), LEVELS)
    for first in range(0, keys, LOAD_BATCH):
        numbers = range(first, min(first + LOAD_BATCH, keys))
        apply(store, tree, {b"key %d" % number: b"value" for number in numbers})
    return tree


def apply(store: LevelStore, tree: StateTree, writes: dict[bytes, bytes | None]) -> None:
    """Commit one block's writes to the tree's rows."""
    change = tree.compute_change(writes)
    store.write(change.puts, change.deletes, sync=False)
    tree.apply(change)


def measure(keys: int, updates: int, rounds: int, seed: int) -> dict[str, float | int]:
    """Return the costs at ``keys`` keys: blocks of ``updates``, a tenth of them new keys."""
    numbers = random.Random(seed)
    compute_us: list[float] = []
    apply_us: list[float] = []
    verify_us: list[float] = []
    with tempfile.TemporaryDirectory() as folder, LevelStore.open(Path(folder)) as store:
        tree = load_tree(store, keys)
        for round_number in range(rounds):
            verify_us.append(measure_verification_us())
            writes: dict[bytes, bytes | None] = {
                b"key %d" % numbers.randrange(keys * 10 // 9): numbers.randbytes(40)
                for _ in range(updates)
            }
            started = time.perf_counter()
            change = tree.compute_change(writes)
            computed = time.perf_counter()
            store.write(change.puts, change.deletes, sync=round_number % 2 == 0)
            tree.apply(change)
            applied = time.perf_counter()
            compute_us.append((computed - started) * 1e6 / len(writes))
            apply_us.append((applied - computed) * 1e6 / len(writes))
    middle = statistics.median(compute_us)
    verification = statistics.median(verify_us)
    return {
        "keys": keys,
        "updatesPerBlock": updates,
        "computeUsPerKey": round(middle, 2),
        "applyUsPerKey": round(statistics.median(apply_us), 2),
        "verificationUs": round(verification, 1),
        "computePerVerification": round(middle / verification, 3),
    }


def main() -> None:
    """Parse the arguments, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--updates", type=int, default=5_000, help="keys written in a block")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    document = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "levels": LEVELS,
        "seed": options.seed,
        "results": [
            measure(keys, options.updates, options.rounds, options.seed) for keys in options.keys
        ],
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
