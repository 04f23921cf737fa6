"""Builds what concerns snapshots, joining by one, and how long blocks are kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from node.clock import Clock
from node.indexes import Indexes
from node.requests import PeerRequests, Peers
from node.retention import Kept, Retention
from node.serving import Serve
from node.snapshotmaking import SnapshotMaker
from node.snapshotpeers import SnapshotPeers
from node.snapshotserving import SnapshotServer
from node.statesync import StateSync, StateSyncSetup
from p2p.frames import FrameKind
from storage.chain import ChainStore
from storage.snapshotfolder import SnapshotFolder


@dataclass(frozen=True, slots=True)
class SnapshotParts:
    """See the module. ``kinds`` are the questions of peers that are answered."""

    folder: SnapshotFolder
    maker: SnapshotMaker
    statesync: StateSync
    retention: Retention
    kinds: Mapping[FrameKind, tuple[FrameKind, Serve]]


def open_snapshots(
    setup: StateSyncSetup,
    chain: ChainStore,
    asking: tuple[PeerRequests, Peers],
    index: Indexes,
    clock: Clock,
    stack: ExitStack,
) -> SnapshotParts:
    """Return the parts; their threads end with ``stack``."""
    config, genesis = setup.config, setup.genesis
    folder = SnapshotFolder(config.snapshots_path)
    maker = SnapshotMaker(chain, genesis, folder, config.snapshots, setup.metrics)
    maker.open()
    stack.callback(maker.close)
    retention = Retention(chain, genesis, config, Kept(index, folder), clock.now_ms)
    stack.callback(retention.close)
    statesync = StateSync(setup, SnapshotPeers(*asking))
    stack.callback(statesync.close)
    server = SnapshotServer(chain, folder)
    kinds = server.get_kinds() if config.snapshots.serve else {}
    return SnapshotParts(folder, maker, statesync, retention, kinds)
