"""Prometheus metrics of the indexer and the interface."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tools.indexer.following import Progress

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


class Metrics:
    """Values that are counted where they happen, and those read when asked for."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "explorer_requests", "Answers by operation and status.", ("operation", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "explorer_request_seconds", "Time to answer.", ("operation",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._gauges = {
            name: Gauge(f"explorer_{name}", about, registry=self.registry)
            for name, about in (
                ("index_height", "Height of the index."),
                ("node_height", "Height of the node that was asked last."),
                ("index_lag_seconds", "From the time of the last block to its place in the index."),
                ("indexed_blocks", "Blocks written by this process."),
                ("indexed_transactions", "Transactions written by this process."),
                ("index_writes", "Database transactions of the indexer."),
                ("refused_answers", "Answers of nodes that did not prove what they said."),
            )
        }

    def render(self) -> bytes:
        """Return the exposition text."""
        progress = self._progress
        values = {
            "index_height": progress.height, "node_height": progress.node_height,
            "index_lag_seconds": progress.lag_s, "indexed_blocks": progress.blocks,
            "indexed_transactions": progress.transactions, "index_writes": progress.chunks,
            "refused_answers": progress.refused,
        }  # fmt: skip
        for name, value in values.items():
            self._gauges[name].set(value)
        return generate_latest(self.registry)
