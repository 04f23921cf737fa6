"""What operators watch: Prometheus metrics of one node (DESIGN.md, "Node").

One registry a node, never the process-wide one, so that several nodes fit one test
process. The one importer of prometheus_client. Names begin with ``carbonode_`` and end
in their unit.
"""

from __future__ import annotations

import gc
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Every metric of a node; the owners of the values set them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._add_consensus()
        self._add_execution()
        self._add_transactions()
        self._add_network()
        self._add_process()
        self._gc_started = 0.0

    def _add_consensus(self) -> None:
        self.height = self._gauge("height", "Height of the last committed block")
        self.view = self._gauge("view", "View of the height under decision")
        self.block_interval = self._histogram("block_interval_seconds", "Between two commits")
        self.step_seconds = Histogram(
            "carbonode_step_seconds",
            "Time of one step of a height",
            ["step"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.missed_blocks = self._counter(
            "missed_blocks_total", "Views a leader let pass", "validator"
        )
        self.view_changes = self._counter("view_changes_total", "View changes seen", "reason")
        self.log_sync = self._histogram("votelog_sync_seconds", "Vote log write and sync")
        self.divergence = self._counter("divergence_total", "Execution hash differed from quorum's")
        self.equivocation = self._counter(
            "equivocation_total", "Proofs that a validator said two things", "validator"
        )
        self.consensus_rejects = self._counter("consensus_rejects_total", "Refused messages", "why")

    def _add_execution(self) -> None:
        self.execution = self._histogram("execution_seconds", "Executing one block")
        self.commit = self._histogram("commit_seconds", "Writing one block, synced")
        self.gas = self._counter("gas_total", "Gas of committed blocks")
        self.committed = self._counter("transactions_committed_total", "By outcome", "status")
        self.index_height = self._gauge("index_height", "Height of the indexes")
        self.index_rebuilds = self._counter("index_rebuilds_total", "Damaged indexes made anew")
        self.snapshot_height = self._gauge("snapshot_height", "Height of the latest snapshot")
        self.snapshot_seconds = self._histogram("snapshot_seconds", "Making one snapshot")
        self.lowest_height = self._gauge("lowest_height", "Lowest height with its block")
        self.statesync_parts = self._gauge("statesync_parts", "Parts of a snapshot taken")
        self.statesync_parts_wanted = self._gauge("statesync_parts_wanted", "All of its parts")
        self.database_bytes = self._gauge("database_bytes", "Size of the data folder")

    def _add_transactions(self) -> None:
        self.mempool_transactions = self._gauge("mempool_transactions", "Waiting transactions")
        self.mempool_bytes = self._gauge("mempool_bytes", "Their bytes")
        self.admitted = self._counter("transactions_admitted_total", "By origin", "origin")
        self.refused = self._counter("transactions_refused_total", "By reason", "reason")
        self.signatures = self._counter("signatures_verified_total", "Signatures verified")
        self.signature_hits = self._counter(
            "signature_cache_hits_total", "Signatures not verified again"
        )
        self.expired = self._counter("transactions_expired_total", "Expired while waiting")

    def _add_network(self) -> None:
        self.peers = self._gauge("peers", "Linked peers")
        self.queue_bytes = Gauge(
            "carbonode_peer_queue_bytes", "Bytes not yet sent", ["lane"], registry=self.registry
        )
        self.bans = self._counter("bans_total", "Reports against peers", "grade")
        self.rpc_requests = self._counter("rpc_requests_total", "RPC requests", "method")
        self.rpc_errors = self._counter("rpc_errors_total", "RPC errors", "reason")
        self.subscribers = self._gauge("subscribers", "Open subscriptions")

    def _add_process(self) -> None:
        self.loop_lag = self._gauge("event_loop_lag_seconds", "How late the last tick came")
        self.gc_pause = self._histogram("gc_pause_seconds", "One garbage collection")

    def _gauge(self, name: str, summary: str) -> Gauge:
        return Gauge(f"carbonode_{name}", summary, registry=self.registry)

    def _counter(self, name: str, summary: str, label: str | None = None) -> Counter:
        labels = [label] if label else []
        return Counter(f"carbonode_{name}", summary, labels, registry=self.registry)

    def _histogram(self, name: str, summary: str) -> Histogram:
        return Histogram(f"carbonode_{name}", summary, registry=self.registry, buckets=_SECONDS)

    def watch_gc(self) -> None:
        """Measure each garbage collection from now on; undo with ``unwatch_gc``."""
        gc.callbacks.append(self._on_gc)

    def unwatch_gc(self) -> None:
        """Stop measuring garbage collections."""
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)

    def _on_gc(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_started = time.perf_counter()
        else:
            self.gc_pause.observe(time.perf_counter() - self._gc_started)

    def render(self) -> bytes:
        """Return the exposition text for GET /metrics."""
        return bytes(generate_latest(self.registry))
