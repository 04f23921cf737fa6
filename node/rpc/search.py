"""tx_search and event_search: pages from the indexes, on a thread.

``chain_status.indexHeight`` says how far the indexes are; they are never ahead of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from node.parts import Parts
from node.rpc.errors import invalid_params
from node.rpc.ratelimit import Client
from node.rpc.render import to_hex
from node.rpc.transactions import dump_cursor, parse_cursor
from node.rpc.views import Views
from primitives.hashing import Address
from storage.errors import CursorError
from storage.indexes import IndexStore

_T = TypeVar("_T")


class SearchMethods:
    """Handlers of *_search."""

    def __init__(self, parts: Parts, views: Views, readers: ThreadPoolExecutor) -> None:
        self._index = parts.index
        self._readers = readers
        self._views = views

    async def find_transactions(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        sender, contract = params["sender"], params["contract"]
        if (sender is None) == (contract is None):
            raise invalid_params("give either sender or contract")
        cursor, limit = _parse_optional(params["cursor"]), params["limit"]
        if sender is not None:
            page = await self._run(
                lambda index: index.find_by_sender(Address(sender), cursor, limit)
            )
        else:
            page = await self._run(lambda index: index.find_by_contract(contract, cursor, limit))
        items = [
            {
                "id": to_hex(entry.id),
                "height": entry.height,
                "index": entry.index,
                "status": entry.status,
                "code": entry.code,
            }
            for entry in page.items
        ]
        return {"items": items, "nextCursor": dump_cursor(page.next_cursor)}

    async def find_events(self, params: dict[str, Any], _client: Client) -> dict[str, Any]:
        cursor, limit = _parse_optional(params["cursor"]), params["limit"]
        contract, name = params["contract"], params["name"]
        page = await self._run(lambda index: index.find_events(contract, name, cursor, limit))
        shown = await self._views.show_events([entry.event for entry in page.items])
        items = [
            {"height": entry.height, "index": entry.index, **event}
            for entry, event in zip(page.items, shown, strict=True)
        ]
        return {"items": items, "nextCursor": dump_cursor(page.next_cursor)}

    async def _run(self, query: Callable[[IndexStore], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, self._index.search, query)
        except CursorError as error:
            raise invalid_params(f"cursor: {error}") from None


def _parse_optional(cursor: str | None) -> bytes | None:
    return None if cursor is None else parse_cursor(cursor)
