"""Builds the parts of a node from its home folder, and takes them apart again.

Everything that touches the disk at start happens here, in one order: the last-signed
record and vote log, the chain, the genesis if the chain has not begun, the indexes,
then consensus from what the log says. No tasks are started.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from consensus.recovery import Recovered, recover
from consensus.replica import Replica, ReplicaConfig
from node.admission import Admission
from node.bodies import Bodies
from node.clock import Clock
from node.committed import CommittedState
from node.committer import Committer
from node.config import NodeConfig
from node.driver import Driver
from node.execution import ExecutionWorker, apply_genesis
from node.host import REAL_HOST, Host
from node.indexer import Indexer
from node.indexes import Indexes
from node.journal import SIGNER_FILE, Journal
from node.links import Links
from node.mempool import IdCache, Mempool, MempoolLimits
from node.metrics import Metrics
from node.notify import Notifier
from node.proposer import Proposer
from node.registry import Registry
from node.serving import Serving
from node.signatures import SignatureVerifier
from node.snapshotmaking import SnapshotMaker
from node.snapshotparts import SnapshotParts, open_snapshots
from node.statesync import StateSyncSetup
from node.sync import BlockServer, Importer, Sync
from node.versions import SUPPORTED, Versions, check_versions, warn_of_versions
from p2p.frames import FrameKind
from p2p.gossip import Gossip
from p2p.network import Network
from p2p.peers import Offence
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import Address, Hash
from primitives.keys import PrivateKey
from storage.chain import ChainStore
from storage.leveldb import WRITE_BUFFER_BYTES, WRITE_BUFFER_BYTES_SMALL
from storage.snapshotinstall import complete_replacement
from vm import engine_view
from vm.machine import Machine
from vm.specialise import LINK_OPTIONS, LinkOptions

CHAIN_FOLDER = "chain"
INDEX_FOLDER = "index"
CODE_FOLDER = "code"
READER_THREADS = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one node consists of; ``close`` releases files and threads."""

    config: NodeConfig
    genesis: Genesis
    chain_id: Hash
    key: PrivateKey
    clock: Clock
    metrics: Metrics
    chain: ChainStore
    index: Indexes
    journal: Journal
    state: CommittedState
    mempool: Mempool
    admission: Admission
    notifier: Notifier
    network: Network
    links: Links
    bodies: Bodies
    driver: Driver
    sync: Sync
    snapshots: SnapshotParts
    indexer: Indexer
    serving: Serving
    recovered: Recovered
    make_machine: Callable[[int], Machine]
    """Views have one of their own: they must not hold up the execution of blocks."""
    versions: Versions
    readers: ThreadPoolExecutor
    """Threads that read the stores for peers and clients; ended before the stores close
    (LevelDB does not forgive a reader that is late)."""
    resources: ExitStack

    def close(self) -> None:
        """Release everything, last opened first."""
        self.resources.close()


@dataclass(frozen=True, slots=True)
class _Stores:
    journal: Journal
    chain: ChainStore
    index: Indexes
    state: CommittedState
    worker: ExecutionWorker


def open_parts(
    config: NodeConfig,
    genesis: Genesis,
    key: PrivateKey,
    versions: Versions = SUPPORTED,
    host: Host = REAL_HOST,
) -> Parts:
    """Open the home folder's stores on ``host`` and build the node on them.

    ``versions`` are those that this program can run. Raises storage errors, GenesisError,
    ConsensusError, VersionError; nothing stays open then.
    """
    check_versions(genesis.params, 1, versions)
    with ExitStack() as stack:
        parts = _build(config, genesis, key, versions, host, stack)
        check_versions(parts.state.params, parts.state.height + 1, versions)
        stack.pop_all()
    return parts


def _open_stores(
    config: NodeConfig,
    genesis: Genesis,
    key: PrivateKey,
    metrics: Metrics,
    host: Host,
    stack: ExitStack,
) -> _Stores:
    chain_id = compute_chain_id(genesis)
    data, signer, files = config.data_path, config.signer_path, host.files
    is_empty = not files.exists(data / CHAIN_FOLDER) and not files.exists(signer / SIGNER_FILE)
    is_first_start = is_empty and not config.node.key_used_before
    files.make_folder(data)
    complete_replacement(data, CHAIN_FOLDER, (INDEX_FOLDER,))
    journal = Journal.open(data, signer, is_first_start=is_first_start, files=files)
    stack.callback(journal.close)
    target = host.open_store(data / CHAIN_FOLDER)
    keeps_all = not config.retention.blocks and not config.retention.hours
    buffer = WRITE_BUFFER_BYTES if keeps_all else WRITE_BUFFER_BYTES_SMALL
    chain = stack.enter_context(ChainStore.open(target, chain_id, write_buffer_bytes=buffer))
    cache = host.open_code_cache(data / CODE_FOLDER, key.seed)
    machine = host.make_machine(genesis.params.vm_version, LinkOptions(cache=cache))
    apply_genesis(chain, machine, genesis)
    index = Indexes(data / INDEX_FOLDER, chain, metrics, host.open_store)
    stack.callback(index.close)
    state = CommittedState.open(chain, journal)
    stack.callback(state.close)
    worker = ExecutionWorker(chain, machine, metrics)
    stack.callback(worker.close)
    return _Stores(journal, chain, index, state, worker)


@dataclass(frozen=True, slots=True)
class _Pool:
    mempool: Mempool
    ids: IdCache
    admission: Admission
    notifier: Notifier
    readers: ThreadPoolExecutor


def _make_pool(
    config: NodeConfig, chain_id: Hash, state: CommittedState, metrics: Metrics, stack: ExitStack
) -> _Pool:
    pool = config.mempool
    mempool = Mempool(
        MempoolLimits(pool.transactions_max, pool.bytes_max, pool.sender_transactions_max)
    )
    mempool.commit(state.height, ())
    ids, notifier = IdCache(pool.recent_ids_max), Notifier(config.rpc.waiters_max)
    verifier = SignatureVerifier(config.workers.signature_threads)
    stack.callback(verifier.close)
    admission = Admission(chain_id, mempool, ids, verifier, state, metrics)
    readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="readers")
    stack.callback(lambda: readers.shutdown(wait=True, cancel_futures=True))
    return _Pool(mempool, ids, admission, notifier, readers)


def _build(
    config: NodeConfig,
    genesis: Genesis,
    key: PrivateKey,
    versions: Versions,
    host: Host,
    stack: ExitStack,
) -> Parts:
    resources = stack.enter_context(ExitStack())
    chain_id, clock, metrics = compute_chain_id(genesis), host.make_clock(), Metrics()
    rng = host.make_rng()
    stores = _open_stores(config, genesis, key, metrics, host, resources)
    state, journal = stores.state, stores.journal
    pool = _make_pool(config, chain_id, state, metrics, resources)
    registry = Registry(key.public_key, config.peers)
    network = _make_network(config, chain_id, key, state, clock, registry, host)
    links = Links(network, Gossip(key.public_key, rng), metrics, clock.monotonic_s)
    peers = _Peers(network, links)
    bodies = Bodies(chain_id, pool.mempool, pool.admission, state, links.requests, peers, rng)
    replica, recovered = _recover(config, chain_id, key, stores, bodies)
    committer = _make_committer(stores, pool, metrics)
    snapshots = _open_snapshots(config, genesis, stores, (links, peers), clock, metrics, resources)
    committer.attach(_Following(state, registry, network, versions, snapshots.maker).on_advanced)
    proposer = Proposer(pool.mempool)
    driver = Driver(replica, journal, committer, bodies, proposer, links, clock, metrics, versions)
    sync = _make_sync(chain_id, stores, pool, driver, (links, peers), rng)
    indexer = Indexer(stores.chain, stores.index, pool.notifier, metrics)
    resources.callback(indexer.close)
    serving = _make_serving(bodies, stores, peers, pool, clock, snapshots)
    return Parts(
        config=config,
        genesis=genesis,
        chain_id=chain_id,
        key=key,
        clock=clock,
        metrics=metrics,
        chain=stores.chain,
        index=stores.index,
        journal=journal,
        state=state,
        mempool=pool.mempool,
        admission=pool.admission,
        notifier=pool.notifier,
        network=network,
        links=links,
        bodies=bodies,
        driver=driver,
        sync=sync,
        snapshots=snapshots,
        indexer=indexer,
        serving=serving,
        recovered=recovered,
        make_machine=lambda version: host.make_machine(version, LINK_OPTIONS),
        versions=versions,
        readers=pool.readers,
        resources=resources,
    )


def _make_committer(stores: _Stores, pool: _Pool, metrics: Metrics) -> Committer:
    return Committer(
        stores.state,
        stores.worker,
        stores.journal,
        pool.mempool,
        pool.ids,
        pool.notifier,
        metrics,
    )


class _Peers:
    """The peers as those see them who ask questions: who is there, and what they did."""

    def __init__(self, network: Network, links: Links) -> None:
        self._network = network
        self._links = links

    def get_connected(self) -> list[Address]:
        return self._network.connected

    def send(self, peer: Address, kind: FrameKind, payload: bytes) -> bool:
        return self._network.send(peer, kind, payload)

    def report(self, peer: Address, offence: Offence, reason: str) -> None:
        self._links.report(peer, offence, reason)


def _recover(
    config: NodeConfig, chain_id: Hash, key: PrivateKey, stores: _Stores, bodies: Bodies
) -> tuple[Replica, Recovered]:
    """Return consensus as the vote log left it; bodies that it names are restored."""
    tip = stores.state.tip
    replayed = stores.journal.replay(tip.height + 1)
    for body in replayed.bodies:
        bodies.restore(body.transactions)
    recovered = recover(chain_id, tip, replayed.records, replayed.last_signed)
    stores.journal.catch_up_signer(recovered.last)
    rules = ReplicaConfig(chain_id, key, vote_anyway=config.node.signer_record_lost)
    return Replica(rules, tip, recovered), recovered


def _make_network(
    config: NodeConfig,
    chain_id: Hash,
    key: PrivateKey,
    state: CommittedState,
    clock: Clock,
    registry: Registry,
    host: Host,
) -> Network:
    return Network(
        key,
        (config.p2p.host, config.p2p.port),
        registry.load(state.view, state.validators),
        chain_id=chain_id,
        is_validator=state.validators.get_index(key.public_key) is not None,
        get_height=lambda: state.height,
        clock=clock.monotonic_s,
        rng=host.make_rng(),
        make_carrier=host.make_carrier,
    )


def _make_sync(
    chain_id: Hash,
    stores: _Stores,
    pool: _Pool,
    driver: Driver,
    asking: tuple[Links, _Peers],
    rng: random.Random,
) -> Sync:
    links, peers = asking
    importer = Importer(driver.import_block, pool.notifier.wait_tip, pool.readers)
    sync = Sync(chain_id, stores.state, links.requests, peers, importer, rng)
    driver.attach(sync.on_behind)
    return sync


def _make_serving(
    bodies: Bodies,
    stores: _Stores,
    peers: _Peers,
    pool: _Pool,
    clock: Clock,
    snapshots: SnapshotParts,
) -> Serving:
    blocks, others = BlockServer(stores.chain), snapshots.kinds
    return Serving(bodies, blocks, peers, pool.readers, clock.monotonic_s, others)


def _open_snapshots(
    config: NodeConfig,
    genesis: Genesis,
    stores: _Stores,
    asking: tuple[Links, _Peers],
    clock: Clock,
    metrics: Metrics,
    stack: ExitStack,
) -> SnapshotParts:
    chain, state = stores.chain, stores.state
    setup = StateSyncSetup(
        chain.chain_id, genesis, config, lambda: state.height, stores.journal, metrics
    )
    links, peers = asking
    return open_snapshots(setup, chain, (links.requests, peers), stores.index, clock, stack)


@dataclass(frozen=True, slots=True)
class _Following:
    """Who follows the committed state, block by block."""

    state: CommittedState
    registry: Registry
    network: Network
    versions: Versions
    maker: SnapshotMaker

    def on_advanced(self, writes: Mapping[bytes, bytes | None]) -> None:
        """What governance decided takes effect here as soon as it is final."""
        state = self.state
        self.registry.refresh(state.view, state.validators, self.network)
        if engine_view.NEXT_PARAMS_KEY in writes:
            coming = engine_view.get_next_params(state.view, state.params)
            warn_of_versions(coming, state.height, self.versions)
        # The store stands exactly at this tip: the next block waits for this to return.
        self.maker.on_commit(state.tip)
