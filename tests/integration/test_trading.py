"""Money, a book, an auction and a quote through the command line, on a real node; its feed as well.

One validator in a thread of its own; commands and client talk to it over HTTP and WebSocket.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from primitives.transaction import Call
from tests.unit.node.support import CONSORTIUM, make_configs, make_genesis, make_node
from tools.cli.main import main
from tools.client.client import Client
from tools.client.keyfile import write_key
from tools.trading.book import OrderBook
from tools.trading.cash import Cash
from tools.trading.feed import Update, follow, read_book
from tools.trading.market import BUY, SELL, Market, Terms

pytestmark = pytest.mark.integration
A, B = "enterprise-a", "enterprise-b"
KEYS = CONSORTIUM.keys


@dataclass(frozen=True, slots=True)
class Setup:
    url: str
    home: Path

    def run(self, *arguments: str, code: int = 0) -> Any:
        """One command; its JSON, or what it printed."""
        command = ["--home", str(self.home), "--node", self.url, "--output", "json", *arguments]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == code, (arguments, result.output, result.exception)
        try:
            return json.loads(result.stdout)
        except ValueError:
            return result.output

    def act(self, who: str, *arguments: str, code: int = 0) -> Any:
        return self.run(*arguments, "--key", str(self.home / f"{who}.key"), code=code)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("trading")
    for name in (A, B, "bank", "exchange", "regulator", "project-owner"):
        write_key(folder / f"{name}.key", KEYS[name])
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        node = make_node(make_configs(folder, 1)[0], make_genesis(1))
        async with node:
            url = "http://{}:{}".format(*node.rpc.address)
            started.set_result((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    url, loop, stop = started.result(timeout=120)
    try:
        asyncio.run(issue_units(url))
        yield Setup(url, folder)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=30)


async def issue_units(url: str) -> None:
    """10,000 kg of a batch for each of the two enterprises."""
    async with Client(url) as client:
        for owner in (A, B):
            imported = ("ACR", f"units-{owner}", "P", 2024, owner, 0, 10_000, 10_000, 0)
            arguments = (*imported, bytes(32), "test", owner)
            call = Call("units", "issue_imported", arguments)
            assert (await client.send(KEYS["registry"], [call])).is_ok


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def chain_time(setup: Setup) -> int:
    async def ask() -> int:
        async with Client(setup.url) as client:
            return int((await client.status()).document["timeMs"]) // 1000

    return asyncio.run(ask())


async def wait_for_time(url: str, seconds: int) -> None:
    """Until a block has this time: blocks come by themselves."""
    async with Client(url) as client:
        stream = client.subscribe("blocks")
        async with aclosing(stream), asyncio.timeout(30):
            async for block in stream:
                if int(block.item["timeMs"]) // 1000 >= seconds:
                    return


def test_money_is_issued_paid_redeemed_and_told_in_a_statement(setup: Setup) -> None:
    setup.act("bank", "cash", "issue", "EUR", A, "100.5", "--reference", "wire 1")
    setup.act(A, "cash", "transfer", "EUR", B, "0.0001", "--reference", "a debt")
    setup.act(A, "cash", "transfer", "EUR", "bank", "40")
    setup.act("bank", "cash", "redeem", "EUR", "40")
    setup.act(B, "cash", "transfer", "EUR", A, "5", code=4)
    assert setup.run("cash", "total", "EUR")["outstanding"] == "60.5000"
    assert setup.run("cash", "balance", A) == [
        {"currency": "EUR", "free": "60.4999", "held": "0.0000", "total": "60.4999"}
    ]
    document = setup.run("cash", "statement", A, "EUR")
    assert (document["opening"], document["closing"]) == ("0.0000", "60.4999")
    assert [line["change"] for line in document["lines"]] == ["100.5000", "-0.0001", "-40.0000"]
    rows = list(csv.DictReader(io.StringIO(setup.run("cash", "statement", A, "EUR", "--csv"))))
    assert [row["reference"] for row in rows] == ["", "wire 1", "a debt", "", ""]
    assert rows[-1]["kind"] == "closing" and rows[-1]["balance"] == "60.4999"
    late = setup.run("cash", "statement", A, "EUR", "--since", "2100-01-01")
    assert (late["opening"], late["lines"]) == ("60.4999", [])


def test_a_statement_of_several_pages_is_whole(setup: Setup) -> None:
    async def pay() -> None:
        async with Client(setup.url) as client:
            calls = [Call("cash", "issue", ("CNY", "metering", 10**6, "start"))]
            assert (await client.send(KEYS["bank"], calls)).is_ok
            for _ in range(3):
                calls = [Call("cash", "transfer", ("CNY", B, 7, str(n))) for n in range(70)]
                final = await client.send(KEYS["metering"], calls, gas_limit=10_000_000)
                assert final.is_ok

    asyncio.run(pay())
    document = setup.run("cash", "statement", "metering", "CNY")
    assert len(document["lines"]) == 211 and document["closing"] == "99.8530"
    assert [line["line"] for line in document["lines"]] == list(range(1, 212))


def test_a_book_is_traded_and_watched_from_the_command_line(setup: Setup) -> None:
    setup.act("bank", "cash", "issue", "CNY", B, "1000000")
    options = ("--currency", "CNY", "--tick", "0.01", "--maker-rate", "10", "--taker-rate", "20")
    setup.act("exchange", "market", "open", "book", f"units-{A}", *options, "--band", "10000")
    until = ("--until", moment(chain_time(setup) + 3600))
    rests = setup.act(A, "market", "sell", "book", f"units-{A}:0:1000", "--price", "60.5", *until)
    assert (rests["status"], rests["left"], rests["price"]) == ("open", 1000, "60.5000")
    bought = setup.act(B, "market", "buy", "book", "400", "--price", "61")
    assert bought["status"] == "filled"
    setup.act(B, "market", "buy", "book", "700", "--price", "61", "--whole", code=4)
    retired = ("--price", "61", "--retire-for", "emissions of 2026")
    setup.act(B, "market", "buy", "book", "100", *retired)
    (first, second) = setup.run("market", "trades", "book")
    assert (first["price"], first["kilograms"], first["amount"]) == ("60.5000", 400, "24.2000")
    assert (second["buyer"], second["takerFee"]) == (B, "0.0121")
    (day,) = setup.run("market", "days", "book")
    assert (day["high"], day["kilograms"], day["amount"]) == ("60.5000", 500, "30.2500")
    period = ("--from", day["day"], "--to", day["day"])
    assert setup.run("market", "valuation", "book", *period)["price"] == "60.5000"
    (listed,) = setup.run("market", "books")
    assert (listed["last"], listed["trades"], listed["halted"]) == ("60.5000", 2, False)
    assert [row["order"] for row in setup.run("market", "orders", A)] == [rests["order"]]
    line = setup.run("market", "watch", "book", "--count", "1")
    assert line["kind"] == "snapshot" and line["bids"] == []
    assert line["asks"] == [{"price": "60.5000", "kilograms": 500}]
    setup.act("regulator", "market", "halt", "book", "an inquiry")
    setup.act(B, "market", "buy", "book", "1", "--price", "61", code=4)
    setup.act("regulator", "market", "reopen", "book", "--price", "60")
    setup.act(A, "market", "cancel", str(rests["order"]))
    assert setup.run("market", "depth", "book") == []


def test_the_feed_is_the_book_that_the_views_show(setup: Setup) -> None:
    """Trades go on while the feed is read; what it adds up to is what the views say at the end."""

    async def work() -> tuple[list[Update], OrderBook]:
        async with Client(setup.url) as client:
            clerk = Market(client, KEYS["exchange"])
            await clerk.open_book("feed", f"units-{A}", Terms("CNY", 1, 1, 0, 0, 10_000))
            await Cash(client, KEYS["bank"]).issue("CNY", B, 10**12)
            seller, buyer = Market(client, KEYS[A]), Market(client, KEYS[B])
            until = int((await client.status()).document["timeMs"]) // 1000 + 3600
            terms: dict[str, Any] = {"fee_cap": 0, "expires_at": until}
            await seller.sell("feed", 600_000, f"units-{A}", 2000, 2100, **terms)
            updates: list[Update] = []
            feed = follow(client, "feed")
            async with aclosing(feed), asyncio.timeout(60):
                updates.append(await anext(feed))
                await seller.sell("feed", 610_000, f"units-{A}", 2100, 2200, **terms)
                ordered = await buyer.buy("feed", 590_000, 30, **terms)
                await buyer.buy("feed", 605_000, 120, **terms)
                await buyer.cancel(ordered)
                await Market(client, KEYS["regulator"]).halt("feed", "the end")
                while not (updates[-1].kind == "ticker" and updates[-1].data["halted"]):
                    updates.append(await anext(feed))
            return updates, await read_book(client, "feed")

    updates, book = asyncio.run(work())
    assert [update.sequence for update in updates] == list(range(1, len(updates) + 1))
    heights = [update.height for update in updates]
    assert heights == sorted(heights) and updates[0].kind == "snapshot"
    levels: dict[str, dict[str, int]] = {BUY: {}, SELL: {"60.0000": 100}}
    assert updates[0].data["asks"] == [{"price": "60.0000", "kilograms": 100}]
    for update in updates[1:]:
        if update.kind == "level":
            levels[update.data["side"]][update.data["price"]] = update.data["kilograms"]
    left = {side: {p: kg for p, kg in found.items() if kg} for side, found in levels.items()}
    assert left == {BUY: {"60.5000": 20}, SELL: {"61.0000": 100}}
    assert book.get_levels(BUY) == [(605_000, 20)] and book.get_levels(SELL) == [(610_000, 100)]
    (trade,) = [update for update in updates if update.kind == "trade"]
    assert (trade.data["price"], trade.data["quantity_kg"]) == ("60.0000", 100)


def test_a_sealed_auction_and_a_quote_from_the_command_line(setup: Setup, tmp_path: Path) -> None:
    setup.act("bank", "cash", "issue", "CNY", "project-owner", "1000")
    setup.act("bank", "cash", "issue", "CNY", B, "1000")
    now = chain_time(setup)
    opens, closes, ends = now + 3, now + 8, now + 11
    window = ("--opens", moment(opens), "--closes", moment(closes), "--reveals-until", moment(ends))
    terms = ("--currency", "CNY", "--reserve", "50", "--forfeit", "1000", *window)
    lot = f"units-{A}:5000:5100"
    number = str(setup.act(A, "auction", "open", lot, *terms)["auction"])
    asyncio.run(wait_for_time(setup.url, opens))
    sealed: dict[str, tuple[str, Path]] = {}
    for who, price in ((B, "70"), ("project-owner", "65")):
        file = tmp_path / f"{who}.json"
        bid = ("--price", price, "--deposit", "8", "--file", str(file))
        made = setup.act(who, "auction", "commit", number, "80", *bid)
        assert file.stat().st_mode & 0o777 == 0o600
        sealed[who] = (str(made["bid"]), file)
    again = ("--price", "70", "--deposit", "8", "--file", str(sealed[B][1]))
    assert "error" in setup.act(B, "auction", "commit", number, "80", *again, code=1)
    asyncio.run(wait_for_time(setup.url, closes))
    for who, (bid_number, file) in sealed.items():
        setup.act(who, "auction", "reveal", bid_number, str(file))
    asyncio.run(wait_for_time(setup.url, ends))
    assert setup.act("exchange", "auction", "clear", number)["status"] == "sold"
    shown = setup.run("auction", "show", number)
    assert (shown["price"], shown["sold"], shown["proceeds"]) == ("65.0000", 100, "6.5000")
    assert [bid["won_kg"] for bid in shown["bidders"]] == [80, 20]
    assert setup.run("auction", "list")[0]["status"] == "sold"
    ask_and_accept(setup)


def ask_and_accept(setup: Setup) -> None:
    until = ("--until", moment(chain_time(setup) + 3600))
    asked = ("buy", f"units-{A}", "50", "--currency", "CNY", "--dealer", A)
    request = str(setup.act(B, "quote", "ask", *asked, *until)["request"])
    lot = ("--lot", f"units-{A}:6000:6050")
    number = setup.act(A, "quote", "answer", request, "--price", "64", *lot, *until)["quote"]
    (row,) = setup.run("quote", "show", request)["quotes"]
    assert (row["quote"], row["price"], row["amount"]) == (number, "64.0000", "3.2000")
    setup.act(B, "quote", "accept", str(number))
    assert setup.run("quote", "show", request)["status"] == "accepted"
    setup.act(B, "quote", "cancel", request, code=4)
