"""consensus_*, validator_*, net_*, mempool_* and admin_*: what operators ask."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node.parts import Parts
from node.rpc.errors import invalid_params
from node.rpc.ratelimit import Client
from node.rpc.render import to_hex
from p2p.peers import PeerInfo
from storage.errors import StorageError


class NetworkMethods:
    """Handlers of what concerns the node itself."""

    def __init__(self, parts: Parts, stop: Callable[[], None]) -> None:
        self._parts = parts
        self._stop = stop

    async def consensus_status(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        parts = self._parts
        seen = parts.driver.describe()
        return {
            "height": seen.height,
            "view": seen.view,
            "phase": seen.phase,
            "role": seen.role,
            "isValidator": seen.role == "validator",
            "leader": seen.leader,
            "quorum": seen.quorum,
            "validators": seen.validators,
            "proposal": seen.proposal,
            "bodyReady": seen.body_ready,
            "executed": seen.executed,
            "preparedView": seen.prepared_view,
            "timers": {"view": {"inMs": seen.view_timer_in_ms}},
            "votes": [
                {
                    "phase": group.phase,
                    "view": group.view,
                    "blockHash": group.block_hash,
                    "execHash": group.exec_hash,
                    "validators": list(group.validators),
                }
                for group in seen.groups
            ],
            "viewChanges": dict(seen.view_changes),
            "peers": [
                {
                    "peer": peer.peer,
                    "height": peer.height,
                    "view": peer.view,
                    "heardMsAgo": peer.heard_ms_ago,
                    "lastError": peer.last_error,
                }
                for peer in seen.peers
            ],
            "accused": list(seen.accused),
            "halted": seen.phase == "halted",
            "why": seen.why,
            "watching": seen.watching,
            "refusal": seen.refusal,
            "dueMsAgo": seen.due_ms_ago,
            "departures": [
                {
                    "view": left.view,
                    "to": left.to,
                    "cause": left.cause.value,
                    "detail": left.detail,
                }
                for left in seen.departures
            ],
            "syncTarget": parts.sync.target,
            "syncFrom": None if parts.sync.source is None else to_hex(parts.sync.source),
            "nowMs": parts.clock.now_ms(),
        }

    async def consensus_views(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        return {
            "items": [
                {
                    "height": item.height,
                    "views": item.views,
                    "tookMs": item.took_ms,
                    "committedMs": item.committed_ms,
                    "passed": [
                        {
                            "view": passed.view,
                            "leader": passed.leader,
                            "cause": passed.cause,
                            "detail": passed.detail,
                        }
                        for passed in item.passed
                    ],
                }
                for item in self._parts.driver.get_passed_views(params["last"])
            ]
        }

    async def list_peers(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        parts = self._parts
        return {
            "nodeKey": to_hex(parts.key.public_key),
            "listening": "{}:{}".format(*parts.network.listening),
            "items": [_show_peer(peer) for peer in parts.network.describe()],
        }

    async def sync_status(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        parts = self._parts
        taking = parts.snapshots.statesync.status
        progress = taking.progress
        phase = taking.phase
        if phase == "idle" and parts.sync.is_syncing:
            phase = "blocks"
        return {
            "phase": phase,
            "height": parts.state.height,
            "target": max(parts.sync.target, taking.height if phase != "idle" else 0),
            "lowestHeight": parts.chain.lowest,
            "snapshot": {
                "height": taking.height,
                "partsDone": progress.parts_done,
                "partsWanted": progress.parts_wanted,
                "bytesDone": progress.bytes_done,
                "bytesWanted": progress.bytes_wanted,
                "peers": progress.peers,
                "lastError": taking.last_error,
            },
            "snapshots": parts.snapshots.folder.list_heights(),
        }

    async def mempool_status(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        mempool = self._parts.mempool
        return {
            "transactions": len(mempool),
            "bytes": mempool.bytes,
            "transactionsMax": mempool.limits.transactions_max,
            "bytesMax": mempool.limits.bytes_max,
            "senderTransactionsMax": mempool.limits.sender_transactions_max,
            "rejected": dict(self._parts.admission.refused),
        }

    async def admin_stop(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        # Answer first: the connection is closed by what this starts.
        asyncio.get_running_loop().call_later(0.05, self._stop)
        return {"stopping": True}

    async def create_snapshot(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        started = self._parts.snapshots.maker.start()
        return {"started": started, "height": self._parts.state.height}

    async def back_up(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        folder = Path(params["folder"])
        if not folder.is_absolute():
            raise invalid_params("the folder is an absolute path", folder=params["folder"])
        try:
            copied = await asyncio.wrap_future(self._parts.snapshots.maker.back_up(folder))
        except StorageError as error:
            raise invalid_params(str(error), folder=params["folder"]) from error
        return {"folder": str(folder), "rows": copied.rows, "bytes": copied.bytes}

    async def rebuild_indexes(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        started = self._parts.indexer.rebuild()
        return {"started": started, "indexHeight": self._parts.index.index_height}

    async def admin_status(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "height": self._parts.state.height,
            "tasks": len(asyncio.all_tasks()),
            "indexesRebuilding": self._parts.index.is_rebuilding,
        }


def _show_peer(peer: PeerInfo) -> dict[str, Any]:
    return {
        "name": peer.name,
        "publicKey": to_hex(peer.public_key),
        "address": peer.address,
        "isValidator": peer.is_validator,
        "state": peer.state,
        "direction": peer.direction,
        "height": peer.height,
        "connectedS": _round(peer.connected_s),
        "idleS": _round(peer.idle_s),
        "roundTripMs": _round(peer.round_trip_ms),
        "bytesIn": peer.bytes_in,
        "bytesOut": peer.bytes_out,
        "queuedBytes": peer.queued_bytes,
        "droppedFrames": peer.dropped_frames,
        "connects": peer.connects,
        "lastError": peer.last_error,
        "bannedS": _round(peer.banned_s),
        "bans": peer.bans,
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
