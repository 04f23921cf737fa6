"""``validator_list`` and ``evidence_list``: who the nodes are, and what is proven against them.

Answers on the last committed state; a validator set that is no longer in force is served
by its hash, which is all that anyone needs to believe it.
"""

from __future__ import annotations

from typing import Any

from node.parts import Parts
from node.rpc.errors import invalid_params, not_found
from node.rpc.ratelimit import Client
from node.rpc.render import to_hex
from node.rpc.transactions import dump_cursor, parse_cursor
from node.versions import find_unsupported
from primitives.hashing import Hash
from primitives.params import compute_epoch
from primitives.validators import ValidatorSet
from vm import engine_view


class MembershipMethods:
    """Handlers of what governance says about nodes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def list_validators(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        parts = self._parts
        state = parts.state
        wanted = params["validatorsHash"]
        if wanted is not None and wanted != state.validators.hash:
            return self._show_earlier(Hash(wanted))
        validators, view = state.validators, state.view
        epoch = compute_epoch(state.height + 1, state.params.epoch_blocks)
        decided = engine_view.get_next_validators(view, validators)
        coming = engine_view.get_next_params(view, state.params)
        return {
            "height": state.height,
            "epoch": epoch,
            "quorum": validators.quorum,
            "faultyMax": validators.faulty_max,
            "validatorsHash": to_hex(validators.hash),
            "validators": self._show_members(validators),
            "candidates": [
                {"name": name, "publicKey": to_hex(key)}
                for key, name in engine_view.list_candidates(view)
                if validators.get_index(key) is None
            ],
            "observers": [
                {"name": item.name, "publicKey": to_hex(item.public_key)}
                for item in engine_view.list_observers(view)
            ],
            "next": {
                "afterHeight": (epoch + 1) * state.params.epoch_blocks,
                "validators": [member.name for member in decided.members],
                "changed": decided.hash != validators.hash,
                "lacking": find_unsupported(coming, parts.versions),
            },
        }

    def _show_members(self, validators: ValidatorSet) -> list[dict[str, Any]]:
        parts = self._parts
        linked, own = set(parts.network.connected), parts.key.public_key
        missed = {item.validator: item for item in parts.state.tip.next_leaders.records}
        rows: list[dict[str, Any]] = []
        for index, member in enumerate(validators.members):
            key = member.public_key
            record = missed.get(key)
            rows.append(
                {
                    "index": index,
                    "name": member.name,
                    "publicKey": to_hex(key),
                    "connected": None if key == own else key in linked,
                    "missedTurns": 0 if record is None else record.misses,
                    "leadsAgainAt": None if record is None else record.resume_height,
                }
            )
        return rows

    def _show_earlier(self, wanted: Hash) -> dict[str, Any]:
        found = self._parts.journal.load_set(wanted)
        if found is None:
            raise not_found("this node has no validator set of that hash")
        return {
            "validatorsHash": to_hex(found.hash),
            "quorum": found.quorum,
            "faultyMax": found.faulty_max,
            "validators": [
                {"index": index, "name": member.name, "publicKey": to_hex(member.public_key)}
                for index, member in enumerate(found.members)
            ],
        }

    async def list_evidence(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        after = None if params["cursor"] is None else parse_cursor(params["cursor"])
        if after is not None and len(after) != engine_view.EVIDENCE_CURSOR_BYTES:
            raise invalid_params("cursor: not one of evidence_list")
        limit = params["limit"]
        rows = engine_view.list_evidence(self._parts.state.view, after, limit)
        items = [
            {
                "validator": to_hex(row.validator),
                "name": row.name,
                "epoch": row.epoch,
                "height": row.height,
                "kind": row.kind,
                "digest": to_hex(row.digest),
                "recordedAt": row.recorded_s,
                "proposal": row.proposal,
            }
            for _, row in rows
        ]
        last = rows[-1][0] if len(rows) == limit else None
        return {"items": items, "nextCursor": dump_cursor(last)}
