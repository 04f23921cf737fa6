"""A killed process: what commit returned for is there, and block and state agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from primitives.block import compute_execution_hash
from storage.chain import ChainStore
from storage.memory import MemoryStore
from storage.schema import META_GROWTH
from storage.stateproof import verify_state_proof
from storage.statetree import StateTree, compute_empty_root
from storage.treegrowth import STORED_GROWTH
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


GROWS_IN_BETWEEN = """
import os, sys
from dataclasses import replace
from pathlib import Path
from storage import treegrowth
from storage.chain import ChainStore
from storage.treegrowth import GrowthOrder
from tests.unit.storage.chainkit import CHAIN_ID, BlockPlan, commit_genesis, make_record
treegrowth.STEP_BUCKETS_MIN = 1
chain = ChainStore.open(Path(sys.argv[1]), CHAIN_ID)
if chain.tip is None:
    commit_genesis(chain, {b"key-%d" % number: b"0" for number in range(500)})
while True:
    height = chain.tip.height + 1
    writes = {b"key-%d" % (height * i % 997): b"%d" % height for i in range(30)}
    writes[b"height"] = b"%d" % height
    writes[b"key-%d" % (height % 310)] = None
    plan = BlockPlan(writes=writes, time_ms=1_000 + height)
    order = GrowthOrder(5, 80 - height) if 10 <= height < 80 else None
    record = make_record(chain, plan, 5 if height > 80 else 4)
    chain.commit(replace(record, growth=order))
    os.write(1, b"%d\\n" % height)
"""
"""The tree gets one level more after block 80 and is built from block 10 on."""


def run_and_kill(folder: Path, lines: int, program: str = COMMITS_FOR_EVER) -> int:
    """Return the last height that the killed process said was committed."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    said.extend(line for line in process.stdout if line.endswith(b"\n"))
    process.stdout.close()
    process.wait()
    return int(said[-1])


def check_last_block(folder: Path, said: int) -> ChainStore:
    """Check the store of a process that was killed after it said ``said``; return it."""
    chain = ChainStore.open(folder, CHAIN_ID)
    tip = chain.tip
    assert tip is not None and said <= tip.height <= said + 1
    result = chain.get_result(tip.height)
    assert result is not None and compute_execution_hash(result) == tip.exec_hash
    with chain.view() as view:
        assert view.get(b"height") == b"%d" % tip.height
        rows = dict(view.scan(b"", None, 2_000))
        assert tip.state_keys == len(rows)
        fresh = StateTree(MemoryStore(), compute_empty_root(tip.state_levels), tip.state_levels)
        assert fresh.compute_change(dict(rows)).root == tip.state_root
        proof = view.prove(b"height")
        assert verify_state_proof(
            tip.state_root, b"height", rows[b"height"], proof, tip.state_levels
        )
    return chain


def test_a_killed_node_finds_its_last_block_and_exactly_its_state(tmp_path: Path) -> None:
    for round_number in range(4):
        said = run_and_kill(tmp_path, 20 + 3 * round_number)
        check_last_block(tmp_path, said).close()


def test_a_node_that_is_killed_while_its_tree_grows_goes_on_growing_it(tmp_path: Path) -> None:
    for lines in (30, 25, 40):
        said = run_and_kill(tmp_path, lines, GROWS_IN_BETWEEN)
        with check_last_block(tmp_path, said) as chain:
            tip, data = chain.tip, chain.store.get(META_GROWTH)
            assert tip is not None
            moved = 0 if data is None else STORED_GROWTH.decode(data).moved
            if 10 <= tip.height < 80:
                # An even part with each block, whatever was killed in between.
                assert 65_536 * (tip.height - 9) // 70 <= moved <= 65_536 * (tip.height - 9) // 60
    assert tip.height > 80 and tip.state_levels == 5
