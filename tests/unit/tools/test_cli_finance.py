"""``carbonode finance`` against the contracts themselves, over HTTP, on days that the test sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.tools.served_chain import ServedChain, serve_chain
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY
from tests.unit.vm.finance_chain import make_finance_chain, money, next_day
from tools.cli.main import main

MEMBERS = ("owner", "bank", "alice", "bob", "exchange", "regulator")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedChain]:
    """100 a kilogram (10^-4 of the currency) was paid yesterday: 100 kg are worth 1.0000."""
    with serve_chain(make_finance_chain(), tmp_path, *MEMBERS) as found:
        yield found


def propose(served: ServedChain, *more: str, principal: str = "0.8", start: int = 0) -> int:
    due = datetime.fromtimestamp(served.chain.time, UTC).date().toordinal() + 100
    lot = ("bank", "b1", str(start), str(start + 100), principal)
    terms = ("--rate", "3.65", "--due", datetime.fromordinal(due).strftime("%Y-%m-%d"))
    cover = ("--book", "b1", "--window", "5", "--trades", "3", "--haircut", "20", "--ltv", "90")
    answer = served.run("finance", "propose", *lot, *terms, *cover, "--key", "owner", *more)
    return int(answer["pledge"])


def test_the_life_of_a_loan_by_commands(served: ServedChain) -> None:
    number = propose(served)
    name = str(number)
    assert served.run("finance", "lien", "b1", "50")["lien"]["status"] == "proposed"
    error = served.run("finance", "accept", name, "--key", "alice", exit_code=4)
    assert "not-lender" in error
    served.run("finance", "accept", name, "--key", "bank")
    shown = served.run("finance", "show", name)
    assert (shown["status"], shown["lent"], shown["rate_percent"]) == ("active", "0.8000", "3.65")
    assert (shown["haircut_percent"], shown["ltv_percent"]) == ("20.00", "90.00")
    next_day(served.chain, 10)
    shown = served.run("finance", "show", name)
    # 0.8 % of a hundredth of the currency a day for ten days.
    assert (shown["principal"], shown["interest"]) == ("0.8000", "0.0008")
    assert served.run("finance", "repay", name, "0.1", "--key", "owner")["paid"] == "0.1000"
    answer = served.run("finance", "repay", name, "5", "--key", "owner")
    assert answer["paid"] == "0.7008"
    assert served.run("finance", "show", name)["status"] == "released"
    assert served.run("finance", "lien", "b1", "50")["lien"] is None


def test_liens_by_batch_borrower_and_bank(served: ServedChain) -> None:
    first, second = propose(served), propose(served, start=200)
    served.run("finance", "withdraw", str(second), "--key", "owner")
    for chosen in ((), ("--batch", "b1"), ("--borrower", "owner"), ("--lender", "bank")):
        rows = served.run("finance", "liens", *chosen)["liens"]
        assert [row["pledge"] for row in rows] == [first], chosen
    assert served.run("finance", "liens", "--lender", "mint")["liens"] == []
    served.run("finance", "liens", "--batch", "b1", "--lender", "bank", exit_code=2)


def test_a_default_and_its_auction_by_commands(served: ServedChain) -> None:
    name = str(propose(served))
    served.run("finance", "accept", name, "--key", "bank")
    assert "not-short" in served.run("finance", "call", name, "--key", "bank", exit_code=4)
    assert "not-called" in served.run("finance", "cure", name, "--key", "bob", exit_code=4)
    next_day(served.chain, 106)
    served.run("finance", "default", name, "--key", "bank")
    served.run("finance", "auction", name, "0.8", "--days", "1", "--key", "bank")
    before = money(served.chain, "alice")[0]
    served.run("finance", "bid", name, "0.8", "--key", "alice")
    assert "bid-too-low" in served.run("finance", "bid", name, "0.8", "--key", "bob", exit_code=4)
    assert "auction-running" in served.run("finance", "settle", name, "--key", "bob", exit_code=4)
    served.chain.time += DAY
    served.run("finance", "settle", name, "--key", "bob")
    assert money(served.chain, "alice") == [before - 8000, 0]
    shown = served.run("finance", "show", name)
    assert shown["status"] == "liquidated" and shown["claim"] != "0.0000"
    served.run("finance", "waive", name, "0.0001", "--key", "bank")
    assert served.run("finance", "show", name)["claim"] < shown["claim"]


def test_a_release_by_command_leaves_a_claim(served: ServedChain) -> None:
    name = str(propose(served))
    served.run("finance", "accept", name, "--key", "bank")
    served.run("finance", "release", name, "--key", "bank")
    assert served.run("finance", "show", name)["claim"] == "0.8000"


@pytest.mark.parametrize("text", ["0.00001", "1e3", "", "1,5"])
def test_money_that_is_not_a_decimal_of_four_places_is_not_sent(
    served: ServedChain, text: str
) -> None:
    name = str(propose(served))
    height = served.chain.height
    served.run("finance", "repay", name, text, "--key", "owner", exit_code=2)
    assert served.chain.height == height


def test_baskets_by_commands(served: ServedChain) -> None:
    chain = served.chain
    at.register(chain, "p1")
    attested = ("r1", "p1", 2022, "forest", 100, "owner", bytes(32))
    chain.ok("verifier", "units", "attest", *attested)
    chain.ok("registry", "units", "issue", "c1", "r1", 0, 100, 100, 0)
    basket = ("finance", "basket")
    rules = ("--least", "10", "--scope", "forest", "--region", "CN", "--claim", "soil")
    served.run(*basket, "create", "green", *rules, "--key", "exchange")
    made = served.run(*basket, "deposit", "green", "c1", "0", "60", "--key", "owner")
    assert made["kg"] == 60
    served.run(*basket, "give", "green", "alice", "1", "--key", "owner")
    pieces = served.run(*basket, "redeem", "green", "1", "--key", "alice")["pieces"]
    assert pieces == [{"batch": "c1", "start": 0, "end": 1}]
    chain.ok("regulator", "projects", "suspend", "p1", "fire")
    place = ("green", "2022", str(made["deposit"]))
    served.run(*basket, "set-aside", *place, "--key", "bob")
    assert served.run(*basket, "show", "green")["lots"][0]["aside"] is True
    taken = served.run(*basket, "redeem-aside", *place, "4", "--key", "owner")
    assert (taken["start"], taken["end"]) == (1, 5)
    chain.ok("regulator", "projects", "reinstate", "p1")
    served.run(*basket, "put-back", *place, "--key", "bob")
    shown = served.run(*basket, "show", "green")
    assert (shown["kg"], shown["holders"]) == (55, [{"name": "owner", "kg": 55}])
    assert shown["lots"] == [
        {"batch": "c1", "start": 5, "end": 60, "vintage": 2022, "number": made["deposit"],
         "aside": False},
    ]  # fmt: skip
    assert served.run(*basket, "shares", "owner")["shares"] == [{"basket": "green", "kg": 55}]
    error = served.run(*basket, "redeem", "green", "56", "--key", "owner", exit_code=4)
    assert "not-enough-shares" in error


def test_tokens_by_commands(served: ServedChain) -> None:
    token = ("finance", "token")
    made = served.run(*token, "make", "b1", "0", "10", "--key", "owner")["token"]
    served.run(*token, "give", str(made), "alice", "--key", "owner")
    first, second = served.run(*token, "split", str(made), "4", "--key", "alice")["parts"]
    served.run(*token, "melt", str(first), "--key", "alice")
    shown = served.run(*token, "show", str(second))
    assert (shown["source"], shown["start"], shown["end"]) == ("b1", 4, 10)
    assert [(row["token"], row["kind"], row["taker"]) for row in shown["history"]] == [
        (made, "made", "owner"), (made, "moved", "alice"), (made, "split", ""),
        (second, "made", "alice"),
    ]  # fmt: skip
    number = served.chain.ok("owner", "retirement", "retire", "b1", 50, 60, "bob", "offset")
    proof = served.run(*token, "certify", str(number), "--key", "bob")["token"]
    assert served.run(*token, "show", str(proof))["kind"] == "certificate"
    error = served.run(*token, "certify", str(number), "--key", "bob", exit_code=4)
    assert "already-token" in error


def test_people_read_tables(served: ServedChain) -> None:
    number = propose(served)
    head = ["--home", str(served.home), "--node", served.node.url, "finance"]
    for arguments, words in (
        (["liens"], ["borrower", "owner", "proposed"]),
        (["show", str(number)], ["principal", "0.0000", "haircut"]),
        (["lien", "b1", "5"], [f"pledge {number} of bank"]),
        (["lien", "b1", "500"], ["no lien"]),
    ):
        result = CliRunner().invoke(main, [*head, *arguments])
        assert result.exit_code == 0, result.output
        assert all(word in result.stdout for word in words), (arguments, result.stdout)
    assert json.loads(json.dumps(served.run("finance", "liens")))["liens"]
