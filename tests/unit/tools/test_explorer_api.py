"""The public interface against a real index: pages, filters, exports read back, refusals, fuzz."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Engine, func, select, text

from tests.unit.tools.audited_chain import AuditedChain
from tools.client.client import Client
from tools.explorer.metrics import Metrics
from tools.explorer.server import OPERATIONS, ApiServer
from tools.explorer.service import Service
from tools.indexer.columns import render_moment, render_money
from tools.indexer.core import EVENTS, TRANSACTIONS
from tools.indexer.database import reading
from tools.indexer.following import Progress
from tools.indexer.lots import LOTS
from tools.indexer.registry import LISTINGS

ROOT = "/api/v1"


class Api:
    """Asks the interface; ``get`` returns status, document and headers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url

    async def get(
        self, path: str, /, headers: dict[str, str] | None = None, **params: Any
    ) -> tuple[int, Any, Any]:
        given = {name: str(value) for name, value in params.items()}
        url = self.url + path
        async with self._session.get(url, params=given, headers=headers) as response:
            is_json = "json" in response.content_type
            body = await response.json() if is_json else await response.text()
            return response.status, body, response.headers

    async def pages(self, name: str, /, **params: Any) -> list[list[Any]]:
        """Return the items of every page."""
        found: list[list[Any]] = []
        cursor: dict[str, str] = {}
        while True:
            status, document, _ = await self.get(f"{ROOT}/{name}", **params, **cursor)
            assert status == 200, document
            found.append(document["items"])
            if document["next_cursor"] is None:
                return found
            cursor = {"cursor": document["next_cursor"]}


@asynccontextmanager
async def run_api(
    chain: AuditedChain, engine: Engine, rate: int = 100_000, clients: Sequence[Client] = ()
) -> AsyncIterator[Api]:
    progress = Progress(height=chain.height, node_height=chain.height)
    service = Service(engine, chain.genesis, clients, progress)
    runner = web.AppRunner(ApiServer(service, Metrics(progress), rate).make_app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as session:
            yield Api(session, f"http://{host}:{port}")
    finally:
        await runner.cleanup()
        service.close()


@pytest.fixture
def check(index_chain: AuditedChain, index: Engine) -> Callable[..., None]:
    def work(ask: Callable[[Api], Awaitable[None]], rate: int = 100_000) -> None:
        async def run() -> None:
            async with asyncio.timeout(120), run_api(index_chain, index, rate) as api:
                await ask(api)

        asyncio.run(run())

    return work


Check = Callable[..., None]


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_pages_together_are_the_whole_list_each_row_once(check: Check, limit: int) -> None:
    async def ask(api: Api) -> None:
        for name in ("lots", "events", "certificates", "organisations", "lot-history"):
            if limit == 1 and name in ("events", "lot-history"):
                continue
            for order in ("asc", "desc"):
                pages = await api.pages(name, limit=limit, order=order)
                assert all(len(page) <= limit for page in pages)
                items = [item for page in pages for item in page]
                keys = [[item[part] for part in LISTINGS[name].key] for item in items]
                as_numbers = [[int(p) if str(p).isdecimal() else p for p in key] for key in keys]
                assert as_numbers == sorted(as_numbers, reverse=order == "desc")
                assert len({str(key) for key in keys}) == len(keys) > 5

    check(ask)


def test_a_page_is_not_moved_by_rows_that_come_in_between(check: Check, index: Engine) -> None:
    async def ask(api: Api) -> None:
        _, first, _ = await api.get(f"{ROOT}/organisations", limit=3)
        _, rest, _ = await api.get(f"{ROOT}/organisations", limit=500, cursor=first["next_cursor"])
        with index.connect() as connection, connection.begin():
            copied = "SELECT 'aaa', name, country, roles, status, reason, registered_at, "
            connection.exec_driver_sql(
                f"INSERT INTO organisations {copied} registered_height, keys, head, NULL "
                "FROM organisations WHERE organisation = 'bank'"
            )
        try:
            _, again, _ = await api.get(
                f"{ROOT}/organisations", limit=500, cursor=first["next_cursor"]
            )
            assert again["items"] == rest["items"]
        finally:
            with index.connect() as connection, connection.begin():
                connection.exec_driver_sql("DELETE FROM organisations WHERE organisation = 'aaa'")

    check(ask)


def test_filters_choose_what_sql_chooses(check: Check, index: Engine) -> None:
    with reading(index) as connection:
        owned = connection.execute(
            select(func.count()).where(LOTS.c.owner == "enterprise-a", text("to_height IS NULL"))
        ).scalar_one()
        failed = connection.execute(
            select(func.count()).where(TRANSACTIONS.c.status == "reverted")
        ).scalar_one()
        moved = connection.execute(
            select(func.count()).where(
                EVENTS.c.contract == "units", EVENTS.c.name == "Transferred", EVENTS.c.height > 20
            )
        ).scalar_one()

    async def ask(api: Api) -> None:
        async def count(name: str, /, **filters: Any) -> int:
            pages = await api.pages(name, limit=500, **filters)
            items = [item for page in pages for item in page]
            for column, value in filters.items():
                if column != "from_height":
                    assert all(item[column] == value for item in items)
            return len(items)

        assert await count("lots", owner="enterprise-a") == owned > 0
        assert await count("transactions", status="reverted") == failed > 0
        named = {"contract": "units", "name": "Transferred"}
        assert await count("events", **named, from_height=21) == moved > 0
        assert await count("lots", owner="nobody") == 0

    check(ask)


@pytest.mark.parametrize("name", sorted(LISTINGS))
def test_every_list_is_the_same_as_pages_as_csv_and_as_json(check: Check, name: str) -> None:
    async def ask(api: Api) -> None:
        items = [item for page in await api.pages(name, limit=500) for item in page]
        status, exported, headers = await api.get(f"{ROOT}/{name}.json")
        assert status == 200 and exported["items"] == items
        assert headers["Index-Height"] == str(exported["index_height"])
        status, lines, headers = await api.get(f"{ROOT}/{name}.csv")
        assert status == 200 and "attachment" in headers["Content-Disposition"]
        header, *rows = csv.reader(io.StringIO(lines, newline=""))
        assert len(rows) == len(items)
        for row, item in zip(rows, items, strict=True):
            assert header == list(item)
            for cell, value in zip(row, item.values(), strict=True):
                if isinstance(value, str):
                    assert cell.removeprefix("'") == value
                elif value is None:
                    assert cell == ""
                elif not isinstance(value, dict | list | bool):
                    assert cell == str(value)

    check(ask)


def test_amounts_are_decimal_text_and_times_iso(check: Check) -> None:
    async def ask(api: Api) -> None:
        _, document, _ = await api.get(f"{ROOT}/batches/b1")
        item = document["item"]
        assert item["issued_kg"] == "100" and item["created_at"].startswith("2023-11-14T")
        _, money, _ = await api.get(f"{ROOT}/currencies/CNY")
        assert money["item"]["issued"] == f"{10**16}.0500"
        assert money["item"]["redeemed"] == "0.0200"
        _, totals, _ = await api.get(f"{ROOT}/totals")
        assert totals["units"]["issued_kg"] == "300"

    check(ask)
    assert render_money(-12) == "-0.0012" and render_money(123456) == "12.3456"
    assert render_moment(0) == "1970-01-01T00:00:00Z" and render_moment(1 << 53) == "never"


def test_the_trace_of_a_serial_goes_back_to_its_issue(check: Check) -> None:
    async def ask(api: Api) -> None:
        for serial in (0, 37, 99):
            status, document, _ = await api.get(f"{ROOT}/batches/b1/serials/{serial}", limit=200)
            steps = document["steps"]
            assert status == 200 and document["complete"]
            assert steps[0]["to_height"] is None and steps[-1]["kind"] == "issue"
            for newer, older in pairwise(steps):
                assert newer["from_height"] == older["to_height"]
                assert newer["from_event"] == older["to_event"]
            for step in steps:
                assert int(step["start"]) <= serial < int(step["end"])
        assert (await api.get(f"{ROOT}/batches/b1/serials/100"))[0] == 404
        assert (await api.get(f"{ROOT}/batches/none/serials/1"))[0] == 404
        _, short, _ = await api.get(f"{ROOT}/batches/b1/serials/37", limit=1)
        assert len(short["steps"]) == 1 and not short["complete"]

    check(ask)


def test_events_and_calls_have_names_by_the_abi(check: Check, index: Engine) -> None:
    async def ask(api: Api) -> None:
        _, page, _ = await api.get(f"{ROOT}/events", contract="units", name="Issued", order="asc")
        fields = page["items"][0]["fields"]
        assert (fields["batch"], fields["end"], fields["owner"]) == ("b1", 100, "project-owner")
        _, page, _ = await api.get(f"{ROOT}/events", contract="retirement", name="Retired")
        assert set(page["items"][0]["fields"]["pieces"][0]) == {"batch", "start", "end"}
        _, page, _ = await api.get(f"{ROOT}/calls", contract="units", method="attest")
        assert page["items"][0]["arguments"]["scope"] == "forest"
        _, page, _ = await api.get(f"{ROOT}/transactions", status="ok")
        id_ = page["items"][0]["id"]
        status, one, _ = await api.get(f"{ROOT}/transactions/{id_}")
        assert status == 200 and one["item"] == page["items"][0] and one["calls"] and one["events"]
        assert (await api.get(f"{ROOT}/transactions/0x{'00' * 32}"))[0] == 404
        _, source, _ = await api.get(f"{ROOT}/contracts/units/source")
        assert "def transfer(" in source["source"] and source["abi"]["functions"]
        _, held, _ = await api.get(f"{ROOT}/organisations/enterprise-a/holdings")
        assert sum(int(item["kg"]) for item in held["items"]) > 0

    check(ask)


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/lots", {"limit": 0}, 400, "bad-parameter"),
        ("/lots", {"limit": 501}, 400, "bad-parameter"),
        ("/lots", {"limit": "1e2"}, 400, "bad-parameter"),
        ("/lots", {"nobody": 1}, 400, "bad-parameter"),
        ("/lots", {"owner": "a\0b"}, 400, "bad-parameter"),
        ("/lots", {"cursor": "AAAA"}, 400, "bad-cursor"),
        ("/lots", {"cursor": "é"}, 400, "bad-cursor"),
        ("/lots", {"order": "up"}, 400, "bad-parameter"),
        ("/events", {"from_height": 1 << 63}, 400, "bad-parameter"),
        ("/blocks/99999", {}, 404, "not-found"),
        ("/blocks/x", {}, 400, "bad-parameter"),
        ("/blocks/99999999999999999999", {}, 400, "bad-parameter"),
        ("/transactions/0xzz", {}, 400, "bad-parameter"),
        ("/nothing", {}, 404, "not-found"),
        ("/batches/b1", {"proof": "true"}, 502, "no-node"),
    ],
)
def test_a_refusal_is_a_problem_with_code_and_height(
    check: Check, index_chain: AuditedChain, path: str, params: Any, status: int, code: str
) -> None:
    async def ask(api: Api) -> None:
        got, document, headers = await api.get(ROOT + path, **params)
        assert (got, document["code"], document["status"]) == (status, code, status)
        assert headers["Content-Type"].startswith("application/problem+json")
        assert document["index_height"] == index_chain.height
        assert int(headers["Index-Height"]) == index_chain.height

    check(ask)


def test_a_cursor_of_other_filters_is_refused(check: Check) -> None:
    async def ask(api: Api) -> None:
        _, page, _ = await api.get(f"{ROOT}/lots", limit=1, owner="enterprise-a")
        cursor = page["next_cursor"]
        assert (await api.get(f"{ROOT}/lots", cursor=cursor, owner="enterprise-a"))[0] == 200
        for params in ({"owner": "enterprise-b"}, {}, {"owner": "enterprise-a", "order": "desc"}):
            status, document, _ = await api.get(f"{ROOT}/lots", cursor=cursor, **params)
            assert (status, document["code"]) == (400, "bad-cursor")

    check(ask)


def test_an_answer_is_not_sent_again_while_the_index_stands(check: Check, index: Engine) -> None:
    async def ask(api: Api) -> None:
        status, _, headers = await api.get(f"{ROOT}/lots")
        etag = headers["ETag"]
        assert status == 200 and "must-revalidate" in headers["Cache-Control"]
        assert (await api.get(f"{ROOT}/lots", {"If-None-Match": etag}))[0] == 304
        assert (await api.get(f"{ROOT}/lots", {"If-None-Match": f'"x", W/{etag}'}))[0] == 304
        assert (await api.get(f"{ROOT}/lots", {"If-None-Match": '"x"'}))[0] == 200

    check(ask)


def test_a_client_that_asks_too_often_is_told_when_to_come_back(check: Check) -> None:
    async def ask(api: Api) -> None:
        statuses = [await api.get(f"{ROOT}/blocks") for _ in range(30)]
        refused = [item for item in statuses if item[0] == 429]
        assert refused and refused[0][1]["code"] == "too-many-requests"
        assert int(refused[0][2]["Retry-After"]) >= 1

    check(ask, rate=5)


def test_nothing_can_be_written(check: Check) -> None:
    async def ask(api: Api) -> None:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            async with aiohttp.request(method, f"{api.url}{ROOT}/lots") as response:
                assert response.status == 405
                assert "GET" in response.headers["Allow"]
                assert (await response.json())["code"] == "method-not-allowed"

    check(ask)


def test_the_document_describes_every_address(check: Check) -> None:
    async def ask(api: Api) -> None:
        _, document, _ = await api.get(f"{ROOT}/openapi.json")
        assert document["openapi"] == "3.1.0"
        assert set(document["paths"]) == {operation.path for operation in OPERATIONS}
        _, metrics, _ = await api.get("/metrics")
        assert "explorer_index_height " in metrics
        schema = document["paths"][f"{ROOT}/status"]["get"]["responses"]["200"]["content"]
        _, status, _ = await api.get(f"{ROOT}/status")
        assert set(schema["application/json"]["schema"]["required"]) == set(status)

    check(ask)
