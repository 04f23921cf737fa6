"""A pruned node's database over a long run, against what it keeps.

Thousands of full blocks go through the real chain store, the real indexes and the real
retention (``node.retention``), which deletes and compacts at its own pace. Now and then
the database's size on disk is compared with a fresh, compacted copy of the rows that it
holds. Blocks are made up (nobody executes them, signatures are random bytes): storage
does not look at that. ``python -m bench.pruned --out bench/results`` writes JSON and a
picture; the bar is 1.5.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.largechain import GAS_LIMIT, SENDER, LargeChain, Outcome, Plan
from bench.machine import calibrate, measure_folder
from bench.report import draw_pruned
from node.config import NodeConfig, RetentionSection
from node.indexes import Indexes
from node.metrics import Metrics
from node.retention import Kept, Retention
from primitives.block import EVENT, RECEIPT, STATUS_OK, Event, Receipt
from primitives.params import ChainParams
from primitives.transaction import (
    BODY,
    TRANSACTION_VERSION,
    Call,
    Transaction,
    TransactionBody,
    compute_transaction_id,
    make_nonce,
)
from storage.backup import copy_store
from storage.engine import KeyValueStore
from storage.indexes import read_block
from storage.leveldb import WRITE_BUFFER_BYTES_SMALL, LevelStore
from storage.snapshotfolder import SnapshotFolder
from tools.localnet.chain import open_chain
from tools.provenance import describe_commit, describe_machine

BAR = 1.5
SIGNATURE_BYTES = 64
STATE_KEYS = 20_000
WRITES_A_BLOCK = 200
MEBIBYTE = 1 << 20
FILLER_BYTES = 1_000
"""Of each transaction: as a batch of calls has, at a hundredth of the CPU."""


class FullChain(LargeChain):
    """Appends blocks full of made-up transfers, each with a receipt and an event."""

    def append(self) -> int:
        """Append one block; return its height."""
        height = self.height + 1
        numbers = self._numbers
        keys = (numbers.randrange(STATE_KEYS) for _ in range(WRITES_A_BLOCK))
        writes: dict[bytes, bytes | None] = {
            b"bench\0lots\0%016d" % number: numbers.randbytes(60) for number in keys
        }
        transactions = [self._make(height) for _ in range(self._plan.block_transactions)]
        self._append(transactions, writes)
        return height

    def _make(self, height: int) -> Transaction:
        self._nonce += 1
        start = self._nonce * 1_000
        filler = self._numbers.randbytes(FILLER_BYTES)
        batch = f"batch-{start % 97}"
        call = Call("units", "transfer", (batch, start, start + 700, "enterprise-b", filler))
        body = TransactionBody(
            TRANSACTION_VERSION,
            self._chain_id,
            self._development.party_keys[SENDER].public_key,
            make_nonce(self._nonce),
            height + 100,
            GAS_LIMIT,
            (call,),
        )
        encoded = BODY.encode(body) + self._numbers.randbytes(SIGNATURE_BYTES)
        return Transaction(compute_transaction_id(encoded), body, encoded)

    def _make_up(
        self, transactions: Sequence[Transaction], writes: Mapping[bytes, bytes | None]
    ) -> Outcome:
        receipts: list[bytes] = []
        events: list[bytes] = []
        for index, item in enumerate(transactions):
            receipts.append(
                RECEIPT.encode(Receipt(item.id, STATUS_OK, "", 8_500, None, (None,), index, 1))
            )
            batch, start, end, taker, _ = item.body.calls[0].arguments
            moved = Event(index, "units", "Transferred", (batch, start, end, SENDER, taker))
            events.append(EVENT.encode(moved))
        return Outcome(writes, receipts, events, 8_500 * len(receipts))


def measure(plan: Plan, keep: int, every: int, folder: Path) -> dict[str, Any]:
    """Run the chain and return samples of size and content, in MiB."""
    params = ChainParams(epoch_blocks=250, transaction_window_blocks=100)
    development = open_chain(folder, 4, params)
    data = NodeConfig(folder).data_path
    large = FullChain(data / "chain", development, plan, WRITE_BUFFER_BYTES_SMALL)
    index = Indexes(data / "index", large.chain, Metrics())
    config = NodeConfig(folder, retention=RetentionSection(keep))
    kept = Kept(index, SnapshotFolder(config.snapshots_path))
    retention = Retention(large.chain, development.genesis, config, kept, lambda: 0)
    samples: list[dict[str, float | int]] = []
    started = time.perf_counter()
    while large.height < plan.blocks:
        height = large.append()
        index.advance(lambda number: read_block(large.chain, number))
        if height % 50 == 0:
            retention.prune()
        if height % every == 0:
            samples.append(_sample(large, index, data, folder))
            print(samples[-1], file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    retention.close()
    index.close()
    large.chain.close()
    return {"seconds": round(seconds, 1), "samples": samples}


def _sample(large: LargeChain, index: Indexes, data: Path, scratch: Path) -> dict[str, float | int]:
    """Compare the folders of chain and indexes with fresh copies of their rows."""
    sizes = {name: measure_folder(data / name) / MEBIBYTE for name in ("chain", "index")}
    content = _measure_copy(large.chain.store, scratch)
    indexed = _measure_copy(index.store, scratch)
    size, whole = sum(sizes.values()), content + indexed
    return {
        "height": large.height,
        "lowest": large.chain.lowest,
        "chainMiB": round(sizes["chain"], 1),
        "indexMiB": round(sizes["index"], 1),
        "contentMiB": round(whole, 1),
        "ratio": round(size / whole, 3),
    }


def _measure_copy(store: KeyValueStore, scratch: Path) -> float:
    """Return the MiB of a fresh, compacted copy of a store's rows."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy_store(store, Path(folder) / "copy", lambda: None)
        with LevelStore.open(Path(folder) / "copy") as copy:
            copy.compact(b"\0", b"\xff" * 64)
        return measure_folder(Path(folder)) / MEBIBYTE


def main() -> None:
    """Parse the arguments, run, print JSON; with --out keep it with a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=4_000)
    parser.add_argument("--keep", type=int, default=800, help="blocks kept")
    parser.add_argument("--transactions", type=int, default=60, help="in each block")
    parser.add_argument("--every", type=int, default=250, help="blocks between two samples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    plan = Plan(0, options.blocks, 0, options.transactions, options.seed)
    before = calibrate()
    with tempfile.TemporaryDirectory() as folder:
        run = measure(plan, options.keep, options.every, Path(folder))
    steady = [item["ratio"] for item in run["samples"] if item["lowest"] > 1]
    document: dict[str, Any] = {
        "commit": describe_commit(Path(__file__).parent),
        "machine": describe_machine(),
        "verificationsPerSecond": before,
        "setup": {key: value for key, value in vars(options).items() if key != "out"},
        "bar": BAR,
        "ratioMax": max(steady, default=0),
        "isWithinBar": bool(steady) and max(steady) <= BAR,
        **run,
    }
    print(json.dumps(document, indent=2))
    if options.out:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = options.out / f"pruned-{stamp}.json"
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        draw_pruned(document, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
