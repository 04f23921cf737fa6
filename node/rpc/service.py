"""Joins the table of methods with their handlers, and answers health and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from node.parts import Parts
from node.rpc.blocks import BlockReader
from node.rpc.dispatch import Dispatcher, Handler
from node.rpc.membership import MembershipMethods
from node.rpc.network import NetworkMethods
from node.rpc.openrpc import make_openrpc
from node.rpc.ratelimit import Client, ClientTable, Rates
from node.rpc.reading import ReadingMethods, get_version
from node.rpc.search import SearchMethods
from node.rpc.subscriptions import SendNotification, Shared, SubscriptionCounter, Subscriptions
from node.rpc.transactions import TransactionMethods
from node.rpc.views import Views
from p2p.frames import Lane

READER_THREADS = 2


class RpcService:
    """What the server serves. ``close`` ends its threads."""

    def __init__(self, parts: Parts, stop: Callable[[], None]) -> None:
        self._parts = parts
        limits = parts.config.rpc
        # Not the node's own readers: clients must not hold up catch-up and peers.
        self.readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="rpc-readers")
        self.blocks = BlockReader(parts.chain, parts.notifier, self.readers)
        self.views = Views(
            parts.chain,
            parts.state,
            parts.chain_id,
            parts.config.workers.view_threads,
            parts.make_machine,
        )
        self.clients = ClientTable(
            Rates(
                limits.client_requests_per_second,
                limits.client_transactions_per_second,
                limits.client_view_gas_per_second,
            ),
            parts.clock.monotonic_s,
        )
        self._counter = SubscriptionCounter()
        self.dispatcher = Dispatcher(
            self._make_handlers(stop), limits.batch_requests_max, parts.metrics
        )

    def make_subscriptions(self, client: Client, send: SendNotification) -> Subscriptions:
        """Return the subscriptions of a new connection."""
        shared = Shared(self._parts, self.blocks, self.views, self._counter)
        return Subscriptions(shared, client, send)

    def describe_health(self) -> dict[str, Any]:
        """Return what /health says: the process answers, and where it stands."""
        return {
            "status": "ok",
            "height": self._parts.state.height,
            "version": get_version(),
        }

    def find_unreadiness(self) -> list[str]:
        """Return the reasons why clients should ask another node; none means ready."""
        parts = self._parts
        reasons: list[str] = []
        if parts.sync.is_syncing:
            reasons.append("syncing")
        validators = parts.state.validators
        reachable = {*parts.network.connected, parts.key.public_key}
        count = sum(member.public_key in reachable for member in validators.members)
        if count < validators.quorum:
            reasons.append(f"{count} of {validators.quorum} validators reachable")
        return reasons

    def render_metrics(self) -> bytes:
        """Return the exposition text, with the values that are read when asked for."""
        parts = self._parts
        metrics, peers = parts.metrics, parts.network.describe()
        metrics.peers.set(sum(peer.state == "connected" for peer in peers))
        for lane in Lane:
            waiting = sum(peer.lane_bytes[lane] for peer in peers)
            metrics.queue_bytes.labels(lane.name.lower()).set(waiting)
        metrics.view.set(parts.driver.describe().view)
        metrics.height.set(parts.state.height)
        metrics.lowest_height.set(parts.chain.lowest)
        metrics.index_height.set(parts.index.index_height)
        metrics.mempool_transactions.set(len(parts.mempool))
        metrics.mempool_bytes.set(parts.mempool.bytes)
        return metrics.render()

    def close(self) -> None:
        """End the threads."""
        self.views.close()
        self.readers.shutdown(wait=True, cancel_futures=True)

    def _make_handlers(self, stop: Callable[[], None]) -> Mapping[str, Handler]:
        transactions = TransactionMethods(self._parts, self.blocks, self.views, self.readers)
        reading = ReadingMethods(self._parts, self.blocks, self.views)
        search = SearchMethods(self._parts, self.views, self.readers)
        network = NetworkMethods(self._parts, stop)
        membership = MembershipMethods(self._parts)
        return {
            "tx_submit": transactions.submit,
            "tx_submitBatch": transactions.submit_batch,
            "tx_wait": transactions.wait,
            "tx_waitBatch": transactions.wait_batch,
            "tx_get": transactions.get,
            "tx_search": search.find_transactions,
            "event_search": search.find_events,
            "unit_lots": search.find_lots,
            "unit_history": search.get_history,
            "chain_status": reading.status,
            "chain_getBlock": reading.get_block,
            "chain_getHeader": reading.get_header,
            "chain_getContents": reading.get_contents,
            "chain_getCommit": reading.get_commit,
            "state_call": reading.call,
            "state_get": reading.get_state,
            "contract_abi": reading.get_abi,
            "contract_list": reading.list_contracts,
            "consensus_status": network.consensus_status,
            "consensus_views": network.consensus_views,
            "validator_list": membership.list_validators,
            "evidence_list": membership.list_evidence,
            "net_peers": network.list_peers,
            "sync_status": network.sync_status,
            "mempool_status": network.mempool_status,
            "rpc.discover": _discover,
            "admin_stop": network.admin_stop,
            "admin_status": network.admin_status,
            "admin_createSnapshot": network.create_snapshot,
            "admin_backup": network.back_up,
            "admin_rebuildIndexes": network.rebuild_indexes,
        }


async def _discover(_params: dict[str, Any], _client: Client) -> dict[str, Any]:
    return make_openrpc(get_version())
