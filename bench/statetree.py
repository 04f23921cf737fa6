"""The state tree at 10 thousand to 10 million keys, against one Ed25519 verification.

For each size a store is filled in bulk (the rows that the tree itself would have written,
checked against its root), then a process of its own opens it and applies blocks of updates
spread evenly over all keys, which no cache of ours or of LevelDB can hold: the worst
case. The machine's speed drifts, so calibration and measurement take turns (A B A B), both
in CPU time of one thread, and the figure that counts is the ratio. Garbage is collected as
seldom as in a node (``node.run``).
``python -m bench.statetree --out bench/results`` writes JSON and a picture; nothing
imports it.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import measure_folder
from bench.report import draw_state_tree
from bench.statebulk import build_state, make_key
from node.run import GC_THRESHOLDS
from primitives.keys import PrivateKey, verify
from storage.leveldb import LevelStore
from storage.stateproof import STATE_PROOF, verify_state_proof
from storage.statetree import StateTree, read_proof, read_root
from tools.provenance import describe_commit, describe_machine

VERIFICATIONS = 200
WARM_UP_ROUNDS = 60
"""Blocks before anything counts: the tree's cache is then as full as a running node's."""
PROOFS = 300
MEBIBYTE = 1 << 20
CASES = ((10_000, 4), (100_000, 4), (1_000_000, 4), (10_000_000, 4), (10_000_000, 5))
"""(keys, levels): the last two are the same state before and after the tree grows."""
BARS = {1_000_000: 0.15, 10_000_000: 0.30}


def measure_verification_us() -> float:
    """Return the microseconds of one Ed25519 verification, now."""
    key = PrivateKey.from_seed(bytes(32))
    messages = [b"message %d" % number for number in range(VERIFICATIONS)]
    signed = [(message, key.sign(message)) for message in messages]
    started = time.thread_time()
    for message, signature in signed:
        assert verify(key.public_key, message, signature)
    return (time.thread_time() - started) * 1e6 / VERIFICATIONS


def measure(folder: Path, keys: int, levels: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the costs of a built state: blocks of updates, a tenth of them new keys."""
    numbers = random.Random(options.seed)
    compute_us: list[float] = []
    apply_us: list[float] = []
    verify_us: list[float] = []
    with LevelStore.open(folder) as store:
        tree = StateTree(store, read_root(store, levels), levels)
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        for number in range(WARM_UP_ROUNDS + options.rounds):
            verification = measure_verification_us()
            writes: dict[bytes, bytes | None] = {
                make_key(numbers.randrange(keys * 10 // 9)): numbers.randbytes(40)
                for _ in range(options.updates)
            }
            started = time.thread_time()
            change = tree.compute_change(writes)
            computed = time.thread_time()
            store.write(change.puts, change.deletes, sync=True)
            tree.apply(change)
            applied = time.thread_time()
            if number >= WARM_UP_ROUNDS:
                verify_us.append(verification)
                compute_us.append((computed - started) * 1e6 / len(writes))
                apply_us.append((applied - computed) * 1e6 / len(writes))
        proof = _measure_proofs(store, tree, keys, numbers)
        sizes = {
            name: store.compute_size(prefix) for name, prefix in (("state", b"s"), ("tree", b"k"))
        }
    ratios = sorted(a / b for a, b in zip(compute_us, verify_us, strict=True))
    whole = [(a + b) / c for a, b, c in zip(compute_us, apply_us, verify_us, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "keys": keys,
        "levels": levels,
        "updatesPerBlock": options.updates,
        "computeUsPerKey": round(statistics.median(compute_us), 2),
        "writeUsPerKey": round(statistics.median(apply_us), 2),
        "verificationUs": round(statistics.median(verify_us), 1),
        "computePerVerification": round(statistics.median(ratios), 3),
        "computePerVerificationLow": round(ratios[0], 3),
        "computePerVerificationHigh": round(ratios[-1], 3),
        "withWritePerVerification": round(statistics.median(whole), 3),
        **proof,
        "memoryMiB": round(peak / MEBIBYTE, 1),
        "databaseMiB": round(measure_folder(folder) / MEBIBYTE, 1),
        "stateMiB": round(sizes["state"] / MEBIBYTE, 1),
        "treeMiB": round(sizes["tree"] / MEBIBYTE, 1),
    }


def _measure_proofs(
    store: LevelStore, tree: StateTree, keys: int, numbers: random.Random
) -> dict[str, Any]:
    """Return what proofs of absent keys weigh and cost; each is verified."""
    sizes: list[int] = []
    made_us: list[float] = []
    checked_us: list[float] = []
    for _ in range(PROOFS):
        key = make_key(keys * 2 + numbers.randrange(keys))
        started = time.perf_counter()
        proof = read_proof(store, tree.root, tree.levels, key)
        made = time.perf_counter()
        assert verify_state_proof(tree.root, key, None, proof, tree.levels)
        checked_us.append((time.perf_counter() - made) * 1e6)
        made_us.append((made - started) * 1e6)
        sizes.append(len(STATE_PROOF.encode(proof)))
    return {
        "proofBytes": int(statistics.median(sizes)),
        "proofBytesMax": max(sizes),
        "proofMadeUs": round(statistics.median(made_us), 1),
        "proofVerifiedUs": round(statistics.median(checked_us), 1),
    }


def run_case(keys: int, levels: int, options: argparse.Namespace) -> dict[str, Any]:
    """Build in one process and measure in another, whose memory is then the node's."""
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        built: dict[str, Any] = _run_child("build", folder, keys, levels, options)
        measured: dict[str, Any] = _run_child("measure", folder, keys, levels, options)
    return {**measured, **built}


def _run_child(step: str, folder: str, keys: int, levels: int, options: argparse.Namespace) -> Any:
    command = [
        sys.executable, "-m", "bench.statetree", "--step", step, "--scratch", folder,
        "--cases", f"{keys}:{levels}", "--updates", str(options.updates),
        "--rounds", str(options.rounds), "--seed", str(options.seed),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def run_step(options: argparse.Namespace) -> dict[str, Any]:
    """One child's work on one case."""
    keys, levels = options.cases[0]
    folder = Path(options.scratch)
    if options.step == "measure":
        return measure(folder, keys, levels, options)
    started = time.perf_counter()
    with LevelStore.open(folder) as store:
        build_state(store, keys, levels)
    return {"buildSeconds": round(time.perf_counter() - started, 1)}


def _parse_case(text: str) -> tuple[int, int]:
    keys, _, levels = text.partition(":")
    return int(keys), int(levels or 4)


def main() -> None:
    """Parse the arguments, measure, print JSON; with --out keep it with a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cases", type=_parse_case, nargs="+", default=CASES, metavar="KEYS:LEVELS"
    )
    parser.add_argument("--updates", type=int, default=5_000, help="keys written in a block")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", help="folder for the databases (10M keys: 4 GB)")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--step", choices=("build", "measure"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(run_step(options)))
        return
    document: dict[str, Any] = {
        "commit": describe_commit(Path(__file__).parent),
        "machine": describe_machine(),
        "seed": options.seed,
        "bars": {str(keys): bar for keys, bar in BARS.items()},
        "results": [],
    }
    for keys, levels in options.cases:
        document["results"].append(run_case(keys, levels, options))
        print(json.dumps(document["results"][-1]), file=sys.stderr, flush=True)
    print(json.dumps(document, indent=2))
    if options.out:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = options.out / f"statetree-{stamp}.json"
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        draw_state_tree(document, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
