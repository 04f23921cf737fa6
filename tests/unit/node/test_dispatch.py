"""The dispatcher: whatever a handler raises, every request gets its own answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from node.metrics import Metrics
from node.rpc.dispatch import Caller, Dispatcher
from node.rpc.errors import ErrorNumber
from node.rpc.ratelimit import ClientTable, Rates
from storage.errors import StorageError


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (RecursionError("too deep"), "internal"),
        (MemoryError(), "internal"),
        (RuntimeError("cannot schedule new futures after shutdown"), "internal"),
        (OSError("the disk is gone"), "internal"),
        (StorageError("block damaged"), StorageError.code),
    ],
)
def test_a_failure_answers_its_request_without_details_and_spares_the_batch(
    error: Exception, part: str
) -> None:
    async def fail(_params: dict[str, Any], _client: object) -> Any:
        raise error

    async def succeed(_params: dict[str, Any], _client: object) -> Any:
        return "fine"

    async def work() -> None:
        handlers = {"chain_status": fail, "net_peers": succeed}
        dispatcher = Dispatcher(handlers, 10, Metrics())
        client = ClientTable(Rates(100, 100, 100), lambda: 0.0).get("a")
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method}
            for number, method in enumerate(("net_peers", "chain_status", "net_peers"))
        ]
        text = await dispatcher.answer(json.dumps(batch), Caller(client, {}))
        assert text is not None
        first, second, third = json.loads(text)
        assert (first["result"], third["result"]) == ("fine", "fine")
        assert second["id"] == 1
        assert second["error"]["code"] == ErrorNumber.INTERNAL
        assert second["error"]["message"] == "internal error"
        assert second["error"]["data"]["part"] == part

    asyncio.run(work())
