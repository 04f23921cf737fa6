"""``carbonode futures`` against the contracts themselves, over HTTP, on days that the test sets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.tools.served_chain import ServedChain, serve_chain
from tests.unit.vm.carbon_chain import DAY
from tests.unit.vm.futures_chain import get_midnight, trade_units
from tests.unit.vm.market_chain import fund, make_market_chain, open_book
from tools.cli.main import main

MEMBERS = ("owner", "alice", "bob", "exchange", "regulator")
CENT = 100
"""0.01 of the currency."""
PRICE = 80 * 10_000
DAYS = 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedChain]:
    """``owner`` has 4 t; alice, bob, owner have 1,000.00 each; a book of b1; no series yet."""
    chain = make_market_chain()
    chain.issue("b1", 4000)
    open_book(chain)
    for name in ("alice", "bob", "owner", "exchange"):
        fund(chain, name, 1000 * 100 * CENT)
    with serve_chain(chain, tmp_path, *MEMBERS) as found:
        yield found


def futures(served: ServedChain, *arguments: str, key: str = "", exit_code: int = 0) -> Any:
    more = ("--key", key) if key else ()
    return served.run("futures", *arguments, *more, exit_code=exit_code)


def list_series(served: ServedChain, delivery: str, *more: str) -> None:
    expiry = datetime.fromtimestamp(get_midnight(served.chain, DAYS), UTC).strftime("%Y-%m-%d")
    terms = ("--book", "b1", "--expiry", expiry, "--size", "1", "--delivery", delivery)
    rates = ("--initial", "15", "--maintenance", "12.5", "--band", "10", "--price", "80")
    futures(served, "open", "X", *terms, *rates, *more, key="exchange")
    for name in ("alice", "bob", "owner"):
        futures(served, "deposit", "500", key=name)


def cross(served: ServedChain, buyer: str, seller: str, price: str, contracts: str) -> None:
    futures(served, "order", "X", "sell", price, contracts, key=seller)
    answer = futures(served, "order", "X", "buy", price, contracts, "--force", "fok", key=buyer)
    assert (answer["status"], answer["left"]) == ("filled", 0)


def go(served: ServedChain, days: int) -> None:
    served.chain.time = get_midnight(served.chain, days)


def test_a_cash_series_from_its_listing_to_its_end(served: ServedChain) -> None:
    list_series(served, "cash", "--contribution", "1", "--taker-fee", "0.05")
    shown = futures(served, "show", "X")
    assert (shown["operator"], shown["size_tonnes"], shown["tick"]) == ("exchange", 1, "0.0100")
    assert (shown["initial_percent"], shown["maintenance_percent"]) == ("15.00", "12.50")
    assert (shown["settlement"], shown["status"], shown["taker_fee"]) == (
        "80.0000",
        "open",
        "0.0500",
    )
    cross(served, "alice", "owner", "80.5", "2")
    (trade,) = futures(served, "trades", "X")["trades"]
    assert (trade["trade"], trade["price"], trade["buyer"]) == (1, "80.5000", "alice")
    # 15 % and 1 % of 160, 0.50 lost on each of two to the settlement price, two fees of 0.05.
    assert futures(served, "account", "alice")["free"] == "473.3000"
    assert futures(served, "account", "owner")["free"] == "475.4000"
    found = futures(served, "position", "X", "alice")
    assert (found["contracts"], found["equity"], found["initial"]) == (2, "24.0000", "24.0000")
    assert found["maintenance"] == "20.0000" and found["fund_part"] == "1.6000"
    rows = futures(served, "positions", "X")["positions"]
    assert [(row["side"], row["organisation"], row["contracts"]) for row in rows] == [
        ("long", "alice", 2), ("short", "owner", 2),
    ]  # fmt: skip
    go(served, 1)
    answer = futures(served, "mark", "X", key="bob")
    assert (answer["settlement"], answer["status"], answer["final"]) == ("80.5000", "open", False)
    assert futures(served, "collect", "X", key="alice")["amount"] == "0.8500"
    assert "not-in-clearing" in futures(served, "clear", "X", key="bob", exit_code=4)
    assert "not-due" in futures(served, "mark", "X", key="bob", exit_code=4)
    trade_units(served.chain, PRICE + 500 * CENT, 0, 1000)
    go(served, 1)
    futures(served, "mark", "X", key="bob")
    go(served, DAYS - 2)
    (row,) = futures(served, "list")["series"]
    assert (row["series"], row["settlement"], row["interest"]) == ("X", "85.0000", 2)
    assert futures(served, "mark", "X", key="bob")["final"] is True
    futures(served, "close-out", "X", "alice", "owner", key="bob")
    assert futures(served, "redeem", "X", key="alice")["amount"] == "1.6000"
    futures(served, "redeem", "X", key="owner")
    # Bought at 80.50, ended at 85.00.
    assert futures(served, "account", "alice")["free"] == "508.9000"
    assert futures(served, "account", "owner")["free"] == "491.0000"
    assert futures(served, "finish", "X", key="bob")["amount"] == "0.0000"
    assert futures(served, "withdraw", "508.9", key="alice")["amount"] == "508.9000"
    assert futures(served, "show", "X")["status"] == "closed"


def test_a_physical_series_is_delivered_by_commands(served: ServedChain) -> None:
    list_series(served, "physical", "--penalty", "5")
    futures(served, "deposit", "100", key="exchange")
    futures(served, "stake", "X", "7.25", key="exchange")
    assert futures(served, "show", "X")["fund_stake"] == "7.2500"
    cross(served, "alice", "owner", "80", "2")
    assert "bad-amount" in futures(served, "tender", "X", "b1", "0", "5", key="owner", exit_code=4)
    first = futures(served, "tender", "X", "b1", "3000", "4000", key="owner")["parcel"]
    futures(served, "take-back", "X", str(first), key="owner")
    parcel = futures(served, "tender", "X", "b1", "0", "1000", key="owner")["parcel"]
    go(served, DAYS)
    assert futures(served, "mark", "X", key="bob")["status"] == "settling"
    assert futures(served, "pay", "X", key="alice")["amount"] == "160.0000"
    waiting = futures(served, "queue", "X")
    assert [row["parcel"] for row in waiting["parcels"]] == [parcel]
    assert [(row["owner"], row["contracts"]) for row in waiting["payers"]] == [("alice", 2)]
    assert futures(served, "deliver", "X", key="bob")["steps"] == 1
    served.chain.time += 3 * DAY
    futures(served, "close-out", "X", "owner", "alice", key="bob")
    # One contract delivered, one failed: 5 % of 80 from owner to alice.
    assert futures(served, "account", "owner")["free"] == "576.0000"
    assert futures(served, "account", "alice")["free"] == "424.0000"
    assert served.chain.view("units", "balance_of", "alice", "b1") == 1000
    assert futures(served, "finish", "X", key="bob")["amount"] == "7.2500"


def test_orders_by_commands(served: ServedChain) -> None:
    list_series(served, "cash")
    number = futures(served, "order", "X", "buy", "79.99", "3", key="alice")["order"]
    late = datetime.fromtimestamp(served.chain.time + 60, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    other = futures(served, "order", "X", "sell", "81", "1", "--until", late, key="bob")["order"]
    assert futures(served, "book", "X")["orders"] == [
        {"side": "sell", "order": other, "price": "81.0000", "contracts": 1},
        {"side": "buy", "order": number, "price": "79.9900", "contracts": 3},
    ]
    assert "self-trade" in futures(
        served, "order", "X", "sell", "79", "1", "--force", "ioc", key="alice", exit_code=4
    )
    futures(served, "cancel", str(number), key="regulator")
    served.chain.time += 61
    futures(served, "expire", str(other), key="alice")
    assert futures(served, "book", "X")["orders"] == []
    assert "too many places" in futures(
        served, "order", "X", "buy", "80.00001", "1", key="alice", exit_code=2
    )
    assert "no-series" in futures(served, "show", "none", exit_code=4)


def test_what_people_see_is_a_table(served: ServedChain) -> None:
    list_series(served, "cash")
    cross(served, "alice", "owner", "80", "1")
    for arguments, words in (
        (("list",), "2023"), (("book", "X"), "orders"), (("positions", "X"), "alice"),
        (("position", "X", "bob"), "equity"), (("queue", "X"), "parcel"),
        (("trades", "X"), "80.0000"),
    ):  # fmt: skip
        given = ["--home", str(served.home), "--node", served.node.url, "futures", *arguments]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 0 and words in result.output, (arguments, result.output)
