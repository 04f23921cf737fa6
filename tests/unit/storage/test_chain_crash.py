"""A killed process: what commit returned for is there, and block and state agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from primitives.block import compute_execution_hash
from storage.chain import ChainStore
from storage.memory import MemoryStore
from storage.stateproof import verify_state_proof
from storage.statetree import StateTree, compute_empty_root
from tests.unit.storage.chainkit import CHAIN_ID

ROOT = Path(__file__).parents[3]

COMMITS_FOR_EVER = """
import os, sys
from pathlib import Path
from storage.chain import ChainStore
from tests.unit.storage.chainkit import CHAIN_ID, BlockPlan, commit_genesis, make_record
chain = ChainStore.open(Path(sys.argv[1]), CHAIN_ID)
if chain.tip is None:
    commit_genesis(chain, {b"height": b"0"})
while True:
    height = chain.tip.height + 1
    writes = {b"key-%d" % (height * i % 97): b"%d" % height for i in range(30)}
    writes[b"height"] = b"%d" % height
    writes[b"key-%d" % (height % 31)] = None
    chain.commit(make_record(chain, BlockPlan(writes=writes, time_ms=1_000 + height)))
    os.write(1, b"%d\\n" % height)
"""


def run_and_kill(folder: Path, lines: int) -> int:
    """Return the last height that the killed process said was committed."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMITS_FOR_EVER, str(folder)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    said.extend(line for line in process.stdout if line.endswith(b"\n"))
    process.stdout.close()
    process.wait()
    return int(said[-1])


def test_a_killed_node_finds_its_last_block_and_exactly_its_state(tmp_path: Path) -> None:
    for round_number in range(4):
        said = run_and_kill(tmp_path, 20 + 3 * round_number)
        with ChainStore.open(tmp_path, CHAIN_ID) as chain:
            tip = chain.tip
            assert tip is not None and said <= tip.height <= said + 1
            result = chain.get_result(tip.height)
            assert result is not None and compute_execution_hash(result) == tip.exec_hash
            with chain.view() as view:
                assert view.get(b"height") == b"%d" % tip.height
                rows = dict(view.scan(b"", None, 1_000))
                fresh = StateTree(
                    MemoryStore(), compute_empty_root(tip.state_levels), tip.state_levels
                )
                assert fresh.compute_change(dict(rows)).root == tip.state_root
                proof = view.prove(b"height")
                assert verify_state_proof(
                    tip.state_root, b"height", rows[b"height"], proof, tip.state_levels
                )
