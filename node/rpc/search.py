"""tx_search, event_search, unit_lots and unit_history: pages from the indexes, on a thread.

Every answer says the heights that it covers: up to ``indexHeight``, which is the tip
unless the indexes are being built, and down to ``lowestHeight``, below which blocks were
pruned or never here. So nothing is missing without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from node.parts import Parts
from node.rpc.errors import invalid_params, not_found
from node.rpc.ratelimit import Client
from node.rpc.render import to_hex, to_integer
from node.rpc.transactions import dump_cursor, parse_cursor
from node.rpc.views import Views
from node.unithistory import History, HistoryStep, add_transactions, read_history
from primitives.block import EVENT
from primitives.hashing import Address
from storage.errors import CursorError
from storage.indexes import IndexView, Page, TransactionEntry

_T = TypeVar("_T")
_Find = Callable[[IndexView], Page[TransactionEntry]]


class SearchMethods:
    """Handlers of *_search, and of what is looked up by owner or serial."""

    def __init__(self, parts: Parts, views: Views, readers: ThreadPoolExecutor) -> None:
        self._parts = parts
        self._index = parts.index
        self._readers = readers
        self._views = views

    async def find_transactions(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        find = _choose(params, _parse_optional(params["cursor"]), params["limit"])

        def work(view: IndexView) -> dict[str, Any]:
            page = find(view)
            items = [_show_entry(entry) for entry in page.items]
            return _make_answer(view, items, page.next_cursor)

        return await self._run(work)

    async def find_events(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        cursor, limit = _parse_optional(params["cursor"]), params["limit"]
        contract, name = params["contract"], params["name"]
        encoded: list[bytes] = []

        def work(view: IndexView) -> dict[str, Any]:
            page = view.find_events(contract, name, cursor, limit)
            encoded.extend(entry.event for entry in page.items)
            items: list[dict[str, Any]] = []
            for entry in page.items:
                number = EVENT.decode(entry.event).transaction_index
                made_by = view.get_transaction(entry.height, number)
                id_ = None if made_by is None else to_hex(made_by.id)
                items.append({"height": entry.height, "index": entry.index, "transactionId": id_})
            return _make_answer(view, items, page.next_cursor)

        answer = await self._run(work)
        shown = await self._views.show_events(encoded)
        items = [{**item, **event} for item, event in zip(answer["items"], shown, strict=True)]
        return {**answer, "items": items}

    async def find_lots(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        owner, batch = params["owner"], params["batch"]
        cursor, limit = _parse_optional(params["cursor"]), params["limit"]

        def work(view: IndexView) -> dict[str, Any]:
            page = view.find_lots(owner, batch, cursor, limit)
            items = [
                {
                    "batch": lot.batch,
                    "start": to_integer(lot.start),
                    "end": to_integer(lot.end),
                    "kg": to_integer(lot.end - lot.start),
                    "status": lot.status,
                }
                for lot in page.items
            ]
            return _make_answer(view, items, page.next_cursor)

        return await self._run(work)

    async def get_history(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        batch, serial, limit = params["batch"], params["serial"], params["limit"]
        cursor = _parse_optional(params["cursor"])
        if "\0" in batch:
            raise invalid_params("batch: no NUL")

        def work(index: IndexView) -> dict[str, Any]:
            with self._parts.chain.view() as view:
                history = read_history(view, batch, serial, cursor, limit)
            if history is None:
                raise not_found("no lot holds this serial", batch=batch, serial=to_integer(serial))
            return _show_history(index, batch, add_transactions(history, batch, index))

        return await self._run(work)

    async def _run(self, query: Callable[[IndexView], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, self._index.search, query)
        except CursorError as error:
            raise invalid_params(f"cursor: {error}") from None


def _choose(params: dict[str, Any], cursor: bytes | None, limit: int) -> _Find:
    """Return the look-up that the arguments ask for."""
    sender, organisation = params["sender"], params["organisation"]
    contract, event = params["contract"], params["event"]
    given = [item for item in (sender, organisation, contract) if item is not None]
    if len(given) != 1 or (event is not None and contract is None):
        raise invalid_params("give either sender, organisation, or contract (and its event)")
    if sender is not None:
        return lambda view: view.find_by_sender(Address(sender), cursor, limit)
    if organisation is not None:
        return lambda view: view.find_by_organisation(organisation, cursor, limit)
    if event is not None:
        return lambda view: view.find_by_event(contract, event, cursor, limit)
    return lambda view: view.find_by_contract(contract, cursor, limit)


def _make_answer(
    view: IndexView, items: Sequence[dict[str, Any]], following: bytes | None
) -> dict[str, Any]:
    return {
        "items": list(items),
        "nextCursor": dump_cursor(following),
        "indexHeight": view.height,
        "lowestHeight": view.lowest,
    }


def _show_entry(entry: TransactionEntry) -> dict[str, Any]:
    return {
        "id": to_hex(entry.id),
        "height": entry.height,
        "index": entry.index,
        "status": entry.status,
        "code": entry.code,
    }


def _show_history(view: IndexView, batch: str, history: History) -> dict[str, Any]:
    lot = {
        "batch": batch,
        "start": to_integer(history.lot_start),
        "end": to_integer(history.lot_end),
        "owner": history.owner,
        "status": history.status,
    }
    items = [_show_step(step) for step in history.steps]
    return {
        "lot": lot,
        "height": history.height,
        **_make_answer(view, items, history.next_cursor),
    }


def _show_step(step: HistoryStep) -> dict[str, Any]:
    return {
        "step": step.step,
        "kind": step.kind,
        "start": to_integer(step.start),
        "end": to_integer(step.end),
        "giver": step.giver,
        "taker": step.taker,
        "timeS": step.time_s,
        "height": step.height,
        "transactionId": None if step.id is None else to_hex(step.id),
        "eventIndex": step.event_index,
    }


def _parse_optional(cursor: str | None) -> bytes | None:
    return None if cursor is None else parse_cursor(cursor)
