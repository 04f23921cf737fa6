"""chain_*, state_*, contract_*: everything that reads final things."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from node.notify import CommittedBlock
from node.parts import Parts
from node.rpc.blocks import BlockReader, compute_copy_cost, compute_cost
from node.rpc.errors import RpcError, not_found
from node.rpc.ratelimit import Client
from node.rpc.render import (
    to_hex,
    to_integer,
    to_json_call,
    to_json_certificate,
    to_json_header,
    to_json_params,
    to_json_result,
)
from node.rpc.transactions import dump_cursor, parse_cursor
from node.rpc.views import Views
from primitives.block import EXECUTION_RESULT, HEADER, RECEIPT
from primitives.certificate import CERTIFICATE
from primitives.hashing import compute_contract_address
from primitives.params import compute_epoch
from primitives.transaction import Transaction
from storage.stateproof import STATE_PROOF
from storage.stateview import StateView
from vm import engine_view
from vm.lifecycle import FROZEN_UNTIL_MAX
from vm.state import CONTRACT_ENTRY, compute_entry_key


class ReadingMethods:
    """Handlers of chain_*, state_* and contract_*."""

    def __init__(self, parts: Parts, blocks: BlockReader, views: Views) -> None:
        self._parts = parts
        self._blocks = blocks
        self._views = views

    async def status(self, _params: dict[str, Any], _client: Client) -> dict[str, Any]:
        parts = self._parts
        state, stored = parts.state, parts.chain.tip
        tip = state.tip
        return {
            "chainId": to_hex(parts.chain_id),
            "chainName": parts.genesis.chain_name,
            "height": tip.height,
            "blockHash": to_hex(tip.block_hash),
            "execHash": to_hex(tip.exec_hash),
            "stateRoot": None if stored is None else to_hex(stored.state_root),
            "timeMs": to_integer(tip.time_ms),
            "indexHeight": parts.index.index_height,
            "lowestHeight": parts.chain.lowest,
            "syncing": parts.sync.is_syncing,
            "version": get_version(),
            "nodeName": parts.config.node.name,
            "nodeKey": to_hex(parts.key.public_key),
            "isValidator": state.validators.get_index(parts.key.public_key) is not None,
            "epoch": compute_epoch(tip.height + 1, state.params.epoch_blocks),
            "params": to_json_params(state.params),
        }

    async def get_block(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        block = await self._blocks.load(self._blocks.resolve(params["block"]))
        if params["full"]:
            client.charge_request(compute_cost(block))
        result = self._parts.chain.get_result(block.height)
        document: dict[str, Any] = {
            "height": block.height,
            "blockHash": to_hex(block.block_hash),
            "header": to_json_header(block.block.header),
            "transactionIds": [to_hex(item.id) for item in block.transactions],
            "statuses": [RECEIPT.decode(item).status for item in block.receipts],
            "evidence": [to_hex(item) for item in block.block.evidence],
            "execution": None if result is None else to_json_result(result),
            "certificate": to_json_certificate(block.certificate),
        }
        if params["full"]:
            document |= await self._show_contents(block)
        return document

    async def _show_contents(self, block: CommittedBlock) -> dict[str, Any]:
        calls = [item.body.calls for item in block.transactions]
        events = await self._views.show_events(block.events)
        return {
            "transactions": await self._views.run(
                lambda _: [_show_transaction(item) for item in block.transactions]
            ),
            "receipts": await self._views.show_receipts(block.receipts, calls),
            "events": [{**event, "index": index} for index, event in enumerate(events)],
        }

    async def get_header(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        height = self._blocks.resolve(params["block"])
        header = self._parts.chain.get_header(height)
        if header is None:
            raise not_found("there is no block at this height", height=height)
        block = await self._blocks.load(height)
        return {
            "height": height,
            "blockHash": to_hex(block.block_hash),
            "header": to_json_header(header),
        }

    async def get_contents(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        block = await self._blocks.load(self._blocks.resolve(params["block"]))
        result = self._parts.chain.get_result(block.height)
        if result is None:
            raise not_found("the block's result is gone", height=block.height)
        client.charge_request(compute_copy_cost(block))
        return {
            "height": block.height,
            "headerEncoded": to_hex(HEADER.encode(block.block.header)),
            "executionEncoded": to_hex(EXECUTION_RESULT.encode(result)),
            "certificateEncoded": to_hex(CERTIFICATE.encode(block.certificate)),
            "transactions": [to_hex(item) for item in block.block.transactions],
            "receipts": [to_hex(item) for item in block.receipts],
            "events": [to_hex(item) for item in block.events],
        }

    async def get_commit(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        block = await self._blocks.load(self._blocks.resolve(params["block"]))
        result = self._parts.chain.get_result(block.height)
        if result is None:
            raise not_found("the block's result is gone", height=block.height)
        return {
            "height": block.height,
            "blockHash": to_hex(block.block_hash),
            "execHash": to_hex(block.certificate.exec_hash),
            "header": to_json_header(block.block.header),
            "headerEncoded": to_hex(HEADER.encode(block.block.header)),
            "execution": to_json_result(result),
            "executionEncoded": to_hex(EXECUTION_RESULT.encode(result)),
            "certificate": to_json_certificate(block.certificate),
            "certificateEncoded": to_hex(CERTIFICATE.encode(block.certificate)),
        }

    async def call(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        client.check_view_gas()
        try:
            answer = await self._views.call(
                params["contract"],
                params["method"],
                params["arguments"],
                params["sender"],
                params["gasLimit"],
            )
        except RpcError as error:
            client.pay_view_gas(int(error.data.get("gas", 0)))
            raise
        client.pay_view_gas(answer["gas"])
        return answer

    async def get_state(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        key, with_proof = params["key"], params["proof"]

        def work(view: StateView) -> dict[str, Any]:
            value = view.get(key)
            document: dict[str, Any] = {
                "key": to_hex(key),
                "value": None if value is None else to_hex(value),
                "height": view.height,
                "stateRoot": to_hex(view.state_root),
                "levels": view.state_levels,
            }
            if with_proof:
                proof = view.prove(key)
                document["proof"] = {
                    "bucket": to_hex(proof.bucket),
                    "siblings": [to_hex(item) for item in proof.siblings],
                    "encoded": to_hex(STATE_PROOF.encode(proof)),
                }
            return document

        return await self._views.run(work)

    async def get_abi(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        abi = await self._views.get_abi(params["contract"])
        return {
            "contract": params["contract"],
            "abi": abi.to_json(),
            "jsonSchema": abi.to_json_schema(),
        }

    async def list_contracts(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        after = None if params["cursor"] is None else parse_cursor(params["cursor"])
        limit = params["limit"]
        prefix = compute_entry_key("")
        now = self._parts.state.tip.time_ms // 1_000

        def work(view: StateView) -> dict[str, Any]:
            start = None if after is None else prefix + after
            rows = view.scan(prefix, start, limit + 1)
            items = [_show_entry(view, key[len(prefix) :], row, now) for key, row in rows[:limit]]
            last = rows[limit - 1][0][len(prefix) :] if len(rows) > limit else None
            return {"items": items, "nextCursor": dump_cursor(last)}

        return await self._views.run(work)


def get_version() -> str:
    """Return the installed version of carbonode."""
    try:
        return version("carbonode")
    except PackageNotFoundError:
        return "unknown"


def _show_transaction(transaction: Transaction) -> dict[str, Any]:
    body = transaction.body
    return {
        "id": to_hex(transaction.id),
        "sender": to_hex(body.sender),
        "validUntil": to_integer(body.valid_until),
        "gasLimit": to_integer(body.gas_limit),
        "calls": [to_json_call(call) for call in body.calls],
        "encoded": to_hex(transaction.encoded),
    }


def _show_entry(view: StateView, name: bytes, value: bytes, time_s: int) -> dict[str, Any]:
    entry = CONTRACT_ENTRY.decode(value)
    text = name.decode("utf-8", "replace")
    return {
        "name": text,
        "address": to_hex(compute_contract_address(text)),
        "codeHash": to_hex(entry.code_hash),
        "admin": to_hex(entry.admin),
        "version": entry.version,
        "vmVersion": entry.vm_version,
        "frozen": _show_freeze(engine_view.get_freeze(view, text, time_s)),
        "upgrade": _show_upgrade(engine_view.get_upgrade(view, text, entry.version + 1)),
    }


def _show_freeze(freeze: engine_view.Freeze | None) -> dict[str, Any] | None:
    if freeze is None:
        return None
    return {
        "reason": freeze.reason,
        "account": to_hex(freeze.account),
        "since": freeze.since_s,
        "until": None if freeze.until_s == FROZEN_UNTIL_MAX else freeze.until_s,
        "proposal": freeze.proposal,
    }


def _show_upgrade(upgrade: engine_view.Upgrade | None) -> dict[str, Any] | None:
    if upgrade is None:
        return None
    return {
        "version": upgrade.version,
        "codeHash": to_hex(upgrade.code_hash),
        "activeFrom": upgrade.active_from_s,
        "proposal": upgrade.proposal,
    }
