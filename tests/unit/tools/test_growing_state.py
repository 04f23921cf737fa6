"""A chain whose state tree gets a level more: node, snapshot, audit and proof stay of one mind."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from node.offlinestart import stage_snapshot
from primitives.epochs import EPOCH_END, TrustedEpoch, verify_epoch_end
from primitives.params import ChainParams, compute_params_hash
from storage.chain import ChainStore
from storage.schema import TREE_PREFIX, get_tree_depth
from storage.snapshotfolder import SnapshotFolder, StoredSnapshot
from storage.snapshotinstall import complete_replacement
from storage.snapshotmaker import SnapshotWriter
from storage.stateproof import verify_state_proof
from tests.unit.tools.audited_chain import AuditedChain
from tools.audit.verify import verify_chain
from vm.depth import GROWTH_KEY

PARAMS = ChainParams(epoch_blocks=4, state_levels=1, transaction_window_blocks=20)
ANNOUNCED, GROWN = 4, 8
"""The state has more keys than one level is for from the genesis on: it is announced with the
last block of epoch 0, and in force after that of epoch 1."""


@pytest.fixture(scope="module", autouse=True)
def small_buckets() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr("primitives.params.STATE_BUCKET_KEYS_MAX", 4)
    patch.setattr("storage.treegrowth.STEP_BUCKETS_MIN", 1)
    yield
    patch.undo()


def write_snapshot(chain: AuditedChain, folder: SnapshotFolder) -> None:
    pinned = chain.chain.store.snapshot()
    SnapshotWriter(pinned, folder.root).write(1)
    pinned.close()


@pytest.fixture(scope="module")
def grown(
    tmp_path_factory: pytest.TempPathFactory, small_buckets: None
) -> Iterator[tuple[AuditedChain, SnapshotFolder]]:
    """Fourteen blocks, with a snapshot at the end of each epoch and one before anything is
    announced; governance votes meanwhile."""
    base = tmp_path_factory.mktemp("growing")
    chain, folder = AuditedChain(base / "chain", PARAMS), SnapshotFolder(base / "snapshots")
    while chain.height < 14:
        if chain.height == 9:
            wanted = list(astuple(replace(chain.genesis.params, batch_delay_ms=90)))
            chain.commit(
                chain.sign("regulator", "governance", "propose_params", wanted),
                chain.sign("regulator", "governance", "execute", 1),
            )
        else:
            chain.commit(chain.sign("verifier", "units", "no-such", chain.height))
        if chain.height % 4 == 0 or chain.height == 2:
            write_snapshot(chain, folder)
    yield chain, folder
    chain.chain.close()


def read_snapshot(folder: SnapshotFolder, height: int) -> StoredSnapshot:
    return StoredSnapshot.open(folder.root / f"{height:020}")


def test_the_depth_is_announced_an_epoch_ahead_and_certified_with_the_parameters(
    grown: tuple[AuditedChain, SnapshotFolder],
) -> None:
    chain, folder = grown
    trusted = TrustedEpoch.from_genesis(chain.genesis)
    depths = [trusted.params.state_levels]
    for epoch in range(3):
        encoded = chain.chain.get_epoch_end(epoch)
        assert encoded is not None
        trusted = verify_epoch_end(trusted, EPOCH_END.decode(encoded), chain.chain_id)
        depths.append(trusted.params.state_levels)
    assert depths == [1, 1, 2, 2]
    assert trusted.params.batch_delay_ms == 90, "and a vote on other parameters leaves it there"
    header = chain.chain.get_header(GROWN + 1)
    assert header is not None
    assert header.params_hash == compute_params_hash(replace(chain.genesis.params, state_levels=2))
    levels = {height: read_snapshot(folder, height).manifest.levels for height in (4, 8, 12)}
    assert levels == {4: 1, 8: 1, 12: 2}


def test_proofs_lead_to_the_certified_root_at_the_depth_of_their_tree_and_at_no_other(
    grown: tuple[AuditedChain, SnapshotFolder],
) -> None:
    chain, _ = grown
    result = chain.chain.get_result(chain.height)
    assert result is not None
    with chain.chain.view() as view:
        assert view.state_root == result.state_root and view.state_levels == 2
        assert view.get(GROWTH_KEY) is None
        for key, value in [*view.scan(b"", None, 300), (b"absent", None), (GROWTH_KEY, None)]:
            proof = view.prove(key)
            assert len(proof.siblings) == 2
            for levels in range(1, 7):
                assert verify_state_proof(result.state_root, key, value, proof, levels) is (
                    levels == 2
                )
            shorter = replace(proof, siblings=proof.siblings[1:])
            assert not verify_state_proof(result.state_root, key, value, shorter, 1)


@pytest.mark.parametrize("begin", [None, 2, 4, 8, 12])
def test_an_audit_from_the_genesis_or_any_snapshot_finds_the_same_growth(
    grown: tuple[AuditedChain, SnapshotFolder], tmp_path: Path, begin: int | None
) -> None:
    chain, folder = grown
    twin = chain.copy_to(tmp_path)
    twin.chain.close()
    snapshot = None if begin is None else folder.root / f"{begin:020}"
    report = verify_chain(twin.chain_path, twin.genesis_path, snapshot_folder=snapshot)
    assert report.difference is None and report.is_state_compared
    assert report.height == 14


@pytest.mark.parametrize("height", [2, ANNOUNCED, GROWN, 12])
def test_a_node_that_joins_by_snapshot_goes_on_with_the_roots_of_the_others(
    grown: tuple[AuditedChain, SnapshotFolder], tmp_path: Path, height: int
) -> None:
    chain, folder = grown
    stage_snapshot(read_snapshot(folder, height), tmp_path, chain.genesis)
    assert complete_replacement(tmp_path, "chain", ())
    before = chain.chain.get_result(height)
    joined = copy(chain)
    joined.chain = ChainStore.open(tmp_path / "chain", chain.chain_id)
    try:
        assert joined.chain.tip is not None and before is not None
        assert joined.chain.tip.state_root == before.state_root
        trusted = TrustedEpoch.from_genesis(chain.genesis)
        for epoch in range(height // 4):
            end = EPOCH_END.decode(chain.chain.get_epoch_end(epoch) or b"")
            trusted = verify_epoch_end(trusted, end, chain.chain_id)
        joined.params, joined.validators = trusted.params, trusted.validators
        for number in range(height + 1, 15):
            result, writes = replay(chain, joined, number)
            assert joined.height == number
            assert joined.chain.get_result(number) == result, writes
        depths = {get_tree_depth(key) for key, _ in joined.chain.store.scan(TREE_PREFIX, None, 999)}
        assert depths == {2}, "nothing is left of the tree before"
    finally:
        joined.chain.close()


def replay(chain: AuditedChain, joined: AuditedChain, height: int) -> tuple[object, object]:
    """Commit the chain's own block to the joined node's store; return the certified result."""
    block, certificate = chain.chain.get_block(height), chain.chain.get_certificate(height)
    assert block is not None and certificate is not None
    writes = joined.commit_block(block, certificate)
    return chain.chain.get_result(height), writes
