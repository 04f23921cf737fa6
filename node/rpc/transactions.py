"""tx_*: submitting, waiting, finding.

A refusal of the pool becomes its RPC error here; nothing is decided twice. A look-up
right after a commit finds the transaction, because waiters are told after the write.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from node.notify import CommittedBlock
from node.parts import Parts
from node.refusal import Refusal, RefusalReason
from node.rpc.blocks import BlockReader, compute_cost, make_syncing_error
from node.rpc.errors import ErrorNumber, RpcError, invalid_params, not_found
from node.rpc.ratelimit import Client
from node.rpc.render import (
    to_hex,
    to_integer,
    to_json_call,
    to_json_certificate,
    to_json_header,
    to_json_path,
    to_json_result,
)
from node.rpc.views import Views
from primitives import limits
from primitives.block import EXECUTION_RESULT, HEADER, RECEIPT
from primitives.certificate import CERTIFICATE
from primitives.hashing import TransactionId
from primitives.merkle import compute_proof, compute_proofs

SYNC_LAG_BLOCKS = 3
"""Behind by more than this a node does not judge expiry windows: -32003."""
LOOKUPS_A_REQUEST = 20
"""Ids looked up for the price of one request: 9 us each."""
LOOKUPS_INLINE_MAX = 8
"""So few are looked up on the event loop: less than a hop to a thread."""
PROOFS_A_BLOCK = 10
"""A proof hashes the trees of its block: a tenth of the price of showing all of it."""
CLIENT_WAITING_SHARE = 4
"""One client has at most this part (a quarter) of the waiters, or it could take all."""
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*\Z")

_NUMBERS = {
    RefusalReason.MALFORMED: ErrorNumber.INVALID_PARAMS,
    RefusalReason.LIMIT: ErrorNumber.INVALID_PARAMS,
    RefusalReason.TOO_FAR_AHEAD: ErrorNumber.INVALID_PARAMS,
    RefusalReason.WRONG_CHAIN: ErrorNumber.WRONG_CHAIN,
    RefusalReason.EXPIRED: ErrorNumber.EXPIRED,
    RefusalReason.NOT_PERMITTED: ErrorNumber.NOT_PERMITTED,
    RefusalReason.DUPLICATE: ErrorNumber.DUPLICATE,
    RefusalReason.BAD_SIGNATURE: ErrorNumber.BAD_SIGNATURE,
    RefusalReason.FULL: ErrorNumber.MEMPOOL_FULL,
    RefusalReason.SENDER_FULL: ErrorNumber.MEMPOOL_FULL,
}


class TransactionMethods:
    """Handlers of tx_*."""

    def __init__(
        self, parts: Parts, blocks: BlockReader, views: Views, readers: ThreadPoolExecutor
    ) -> None:
        self._parts = parts
        self._readers = readers
        self._blocks = blocks
        self._views = views

    async def submit(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        self._check_synced()
        client.charge_transactions(1)
        verdict = (await self._parts.admission.submit([params["transaction"]], "rpc"))[0]
        if verdict.refusal is not None:
            raise make_refusal_error(verdict.refusal, verdict.id)
        return {"id": to_hex(verdict.id or b""), "status": "accepted"}

    async def submit_batch(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        self._check_synced()
        texts: list[Any] = params["transactions"]
        client.charge_transactions(len(texts))
        items: list[dict[str, Any]] = []
        encoded: list[bytes] = []
        places: list[int] = []
        for index, text in enumerate(texts):
            problem = _find_problem(text)
            if problem is None:
                places.append(index)
                encoded.append(bytes.fromhex(text[2:]))
                items.append({})
            else:
                error = invalid_params(f"transactions[{index}]: {problem}")
                items.append({"id": None, "status": "refused", "error": error.to_json()})
        verdicts = await self._parts.admission.submit(encoded, "rpc")
        for place, verdict in zip(places, verdicts, strict=True):
            shown = None if verdict.id is None else to_hex(verdict.id)
            if verdict.refusal is None:
                items[place] = {"id": shown, "status": "accepted"}
            else:
                error = make_refusal_error(verdict.refusal, verdict.id)
                items[place] = {"id": shown, "status": "refused", "error": error.to_json()}
        return {"items": items}

    async def wait(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        item = (await self._wait([params["id"]], params["timeoutMs"], client))[0]
        if item.get("expired"):
            raise RpcError(
                ErrorNumber.EXPIRED, "the transaction expired without a block", id=item["id"]
            )
        return item

    async def wait_batch(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        return {"items": await self._wait(params["ids"], params["timeoutMs"], client)}

    async def get(self, params: dict[str, Any], client: Client) -> dict[str, Any]:
        transaction_id = TransactionId(params["id"])
        place = self._parts.chain.find_transaction(transaction_id)
        if place is None:
            is_waiting = transaction_id in self._parts.mempool
            raise not_found(
                "the transaction waits for a block" if is_waiting else "no such transaction",
                id=to_hex(transaction_id),
                pending=is_waiting,
            )
        height, index = place
        block = await self._blocks.load(height)
        if params["proof"]:
            client.charge_request(compute_cost(block) // PROOFS_A_BLOCK)
        document = await self._show(block, index)
        document["events"] = await self._show_events(block, index)
        if params["proof"]:
            loop = asyncio.get_running_loop()
            paths, proof = await loop.run_in_executor(self._readers, self._prove, block, index)
            for event, path in zip(document["events"], paths, strict=True):
                event["path"] = path
            document["proof"] = proof
        return document

    # -- helpers

    def _check_synced(self) -> None:
        sync, height = self._parts.sync, self._parts.state.height
        if sync.is_syncing and sync.target > height + SYNC_LAG_BLOCKS:
            raise make_syncing_error(height, sync.target)

    async def _wait(
        self, ids: Sequence[bytes], timeout_ms: int, client: Client
    ) -> list[dict[str, Any]]:
        """Return an item for each id; final ones are on disk when this returns."""
        client.charge_request(len(ids) // LOOKUPS_A_REQUEST)
        wanted = list(dict.fromkeys(map(TransactionId, ids)))
        # What waits in the pool has not been told to waiters yet: no need for the disk.
        unknown = [item for item in wanted if item not in self._parts.mempool]
        if not timeout_ms:
            return await self._show_waited(ids, await self._find(unknown), set())
        limit = self._parts.config.rpc.waiters_max // CLIENT_WAITING_SHARE
        with client.hold("waited-for ids", len(wanted), limit):
            notifier = self._parts.notifier
            # Before the look-up, or a block that comes meanwhile would be missed.
            waiter = notifier.add_waiter(wanted)
            if waiter is None:
                raise RpcError(
                    ErrorNumber.RATE_LIMITED, "too many clients wait", retryAfterMs=1_000
                )
            try:
                async with asyncio.timeout(timeout_ms / 1_000):
                    notifier.resolve(waiter, await self._find(unknown))
                    await waiter.done.wait()
            except TimeoutError:
                pass  # an ordinary answer: some are not final yet
            finally:
                notifier.remove_waiter(waiter)
            return await self._show_waited(ids, waiter.found, waiter.expired)

    async def _find(self, ids: Sequence[TransactionId]) -> dict[TransactionId, tuple[int, int]]:
        """Return where blocks hold them; many are looked up on a thread."""
        if len(ids) <= LOOKUPS_INLINE_MAX:
            return self._look_up(ids)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._look_up, ids)

    def _look_up(self, ids: Sequence[TransactionId]) -> dict[TransactionId, tuple[int, int]]:
        find = self._parts.chain.find_transaction
        places = ((item, find(item)) for item in ids)
        return {item: place for item, place in places if place is not None}

    async def _show_waited(
        self,
        ids: Sequence[bytes],
        found: Mapping[TransactionId, tuple[int, int]],
        expired: AbstractSet[TransactionId],
    ) -> list[dict[str, Any]]:
        receipts: dict[bytes, dict[str, Any]] = {}
        hashes: dict[int, str] = {}
        by_height: dict[int, list[TransactionId]] = {}
        for item, (height, _) in found.items():
            by_height.setdefault(height, []).append(item)
        for height, members in by_height.items():
            block = await self._blocks.load(height)
            hashes[height] = to_hex(block.block_hash)
            places = [found[item][1] for item in members]
            shown = await self._views.show_receipts(
                [block.receipts[index] for index in places],
                [block.transactions[index].body.calls for index in places],
            )
            receipts.update(zip(members, shown, strict=True))
        items: list[dict[str, Any]] = []
        for item in map(TransactionId, ids):
            if item in found:
                height, index = found[item]
                items.append(
                    {
                        "id": to_hex(item),
                        "final": True,
                        "height": height,
                        "index": index,
                        "blockHash": hashes[height],
                        "receipt": receipts[item],
                    }
                )
            elif item in expired:
                shown_item = {"id": to_hex(item), "final": False, "pending": False}
                items.append({**shown_item, "expired": True})
            else:
                is_waiting = item in self._parts.mempool
                items.append({"id": to_hex(item), "final": False, "pending": is_waiting})
        return items

    async def _show(self, block: CommittedBlock, index: int) -> dict[str, Any]:
        transaction = block.transactions[index]
        body = transaction.body
        receipts = await self._views.show_receipts([block.receipts[index]], [body.calls])
        return {
            "id": to_hex(transaction.id),
            "height": block.height,
            "index": index,
            "blockHash": to_hex(block.block_hash),
            "timeMs": to_integer(block.block.header.time_ms),
            "sender": to_hex(body.sender),
            "nonce": to_hex(body.nonce),
            "validUntil": to_integer(body.valid_until),
            "gasLimit": to_integer(body.gas_limit),
            "calls": [to_json_call(call) for call in body.calls],
            "encoded": to_hex(transaction.encoded),
            "receipt": receipts[0],
        }

    async def _show_events(self, block: CommittedBlock, index: int) -> list[dict[str, Any]]:
        places = _get_event_places(block, index)
        shown = await self._views.show_events([block.events[place] for place in places])
        for place, item in zip(places, shown, strict=True):
            item["index"] = place
            item["encoded"] = to_hex(block.events[place])
        return shown

    def _prove(self, block: CommittedBlock, index: int) -> tuple[list[list[str]], dict[str, Any]]:
        """Return the paths of the transaction's events, and the proof of itself.

        Hashes three trees of the whole block: called on a thread.
        """
        header = block.block.header
        result = self._parts.chain.get_result(block.height)
        if result is None:
            raise not_found("the block's result is gone", height=block.height)
        ids = [transaction.id for transaction in block.transactions]
        paths = compute_proofs(block.events, _get_event_places(block, index))
        proof = {
            "header": to_json_header(header),
            "headerEncoded": to_hex(HEADER.encode(header)),
            "transactionPath": to_json_path(compute_proof(ids, index)),
            "transactionCount": len(ids),
            "execution": to_json_result(result),
            "executionEncoded": to_hex(EXECUTION_RESULT.encode(result)),
            "receiptEncoded": to_hex(block.receipts[index]),
            "receiptPath": to_json_path(compute_proof(block.receipts, index)),
            "eventCount": len(block.events),
            "certificate": to_json_certificate(block.certificate),
            "certificateEncoded": to_hex(CERTIFICATE.encode(block.certificate)),
        }
        return [to_json_path(path) for path in paths], proof


def _get_event_places(block: CommittedBlock, index: int) -> range:
    """Return the numbers of a transaction's events among the block's."""
    receipt = RECEIPT.decode(block.receipts[index])
    return range(receipt.event_first, receipt.event_first + receipt.event_count)


def make_refusal_error(refusal: Refusal, transaction_id: TransactionId | None) -> RpcError:
    """Return the RPC error of a refusal; its ``reason`` is the refusal's stable name."""
    data: dict[str, Any] = {}
    if transaction_id is not None:
        data["id"] = to_hex(transaction_id)
    if refusal.retry_after_ms is not None:
        data["retryAfterMs"] = refusal.retry_after_ms
    error = RpcError(_NUMBERS[refusal.reason], f"transaction: {refusal.message}", **data)
    error.code = refusal.reason.value
    return error


def parse_cursor(text: str) -> bytes:
    """Return the index's cursor from the client's, or raise -32602."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise invalid_params("cursor: expected the nextCursor of an earlier answer") from None


def dump_cursor(cursor: bytes | None) -> str | None:
    """Return the client's form of an index cursor."""
    return None if cursor is None else cursor.hex()


def _find_problem(text: Any) -> str | None:
    if type(text) is not str:
        return "expected 0x hex text"
    if len(text) > 2 + 2 * limits.TRANSACTION_BYTES_MAX:
        return f"at most {limits.TRANSACTION_BYTES_MAX} bytes"
    if not _HEX.match(text):
        return "expected 0x and pairs of lower-case hex digits"
    return None
