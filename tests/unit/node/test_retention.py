"""What is kept: the operator's wish, and what others still need of the blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.config import NodeConfig, RetentionSection
from node.retention import HOUR_MS, Kept, Retention
from primitives.params import ChainParams
from storage.snapshotfolder import SnapshotFolder
from storage.snapshotmaker import SnapshotWriter
from tests.unit.tools.audited_chain import START_MS, AuditedChain

PARAMS = ChainParams(epoch_blocks=4, state_levels=2, transaction_window_blocks=5)
TIP = 30


@dataclass
class Index:
    """A node's indexes: how far they are, and what they were told to forget."""

    index_height: int = TIP
    pruned_below: int = 0
    compacted: int = 0

    def prune_below(self, lowest: int, pace: Callable[[], None]) -> None:
        self.pruned_below = lowest

    def compact(self) -> None:
        self.compacted += 1


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedChain]:
    made = AuditedChain(tmp_path_factory.mktemp("retention"), PARAMS)
    while made.height < TIP:
        made.commit(made.sign("verifier", "units", "no-such", made.height))
    yield made
    made.chain.close()


def make(
    chain: AuditedChain, home: Path, section: RetentionSection, index: Index, now_ms: int = 0
) -> Retention:
    config = NodeConfig(home, retention=section)
    kept = Kept(index, SnapshotFolder(config.snapshots_path))
    return Retention(chain.chain, chain.genesis, config, kept, lambda: now_ms)


@pytest.mark.parametrize(
    ("blocks", "indexed", "lowest"),
    [
        (10, TIP, 21),
        (10, 12, 13),  # the indexes are built from blocks
        (1, TIP, TIP - 5),  # the window of transactions
        (100, TIP, TIP - 99),  # nothing to prune yet
    ],
)
def test_the_last_blocks_stay_and_what_the_window_and_the_indexes_need(
    chain: AuditedChain, tmp_path: Path, blocks: int, indexed: int, lowest: int
) -> None:
    retention = make(chain, tmp_path, RetentionSection(blocks), Index(indexed))
    assert retention.compute_lowest() == lowest
    retention.close()


def test_blocks_after_the_oldest_snapshot_that_is_served_stay(
    chain: AuditedChain, tmp_path: Path
) -> None:
    retention = make(chain, tmp_path, RetentionSection(10), Index())
    folder = NodeConfig(tmp_path).snapshots_path
    folder.mkdir(parents=True)
    (folder / f"{16:020}").mkdir()
    (folder / f"{20:020}").mkdir()
    assert retention.compute_lowest() == 17
    retention.close()


def test_blocks_younger_than_the_hours_stay_and_either_rule_keeps(
    chain: AuditedChain, tmp_path: Path
) -> None:
    # Block h is at START_MS + h seconds: one hour and 8 s after block 8, it is the oldest kept.
    now_ms = START_MS + HOUR_MS + 8_000
    for blocks, lowest in ((0, 8), (10, 8), (25, 6)):
        section = RetentionSection(blocks=blocks, hours=1)
        retention = make(chain, tmp_path, section, Index(), now_ms)
        assert retention.compute_lowest() == lowest
        retention.close()


def test_pruning_twice_deletes_once_and_a_snapshot_can_still_be_made(tmp_path: Path) -> None:
    chain = AuditedChain(tmp_path, PARAMS)
    while chain.height < TIP:
        chain.commit()
    index = Index()
    retention = make(chain, tmp_path, RetentionSection(8), index)
    retention.prune()
    assert (chain.chain.lowest, index.pruned_below) == (23, 23)
    retention.prune()
    assert chain.chain.lowest == 23
    assert chain.chain.get_block(22) is None and chain.chain.get_block(23) is not None
    SnapshotWriter(chain.chain.store, tmp_path / "made").write(TIP - 5)
    assert SnapshotFolder(tmp_path / "made").list_heights() == [TIP]
    retention.close()
    chain.chain.close()


def test_space_is_given_back_when_a_seventh_is_wasted_whoever_wasted_it(
    chain: AuditedChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks overwrite state and tree: a database grows though nothing is pruned."""
    index = Index()
    retention = make(chain, tmp_path, RetentionSection(1_000), index)
    for size, compacted in ((0, 0), (100, 1), (100, 1), (114, 1), (115, 2), (131, 2), (132, 3)):
        monkeypatch.setattr(chain.chain, "compute_sizes", lambda size=size: {"all": size})
        retention.prune()
        assert index.compacted == compacted, size
    retention.close()


def test_deleted_blocks_count_as_waste_though_the_database_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = AuditedChain(tmp_path, PARAMS)
    while chain.height < TIP:
        chain.commit()
    index = Index()
    retention = make(chain, tmp_path, RetentionSection(8), index)
    monkeypatch.setattr(chain.chain, "compute_sizes", lambda: {"all": 7_000})
    monkeypatch.setattr(retention, "compute_lowest", lambda: 1)
    retention.prune()
    assert index.compacted == 1, "what a database wastes is unknown when it is opened"
    monkeypatch.undo()
    monkeypatch.setattr(chain.chain, "compute_sizes", lambda: {"all": 7_000})
    retention.prune()
    assert (chain.chain.lowest, index.compacted) == (23, 2)
    retention.close()
    chain.chain.close()
