"""``carbonode surveillance`` against the contracts themselves, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tools.served_chain import ServedChain, serve_chain
from tests.unit.vm.carbon_chain import DAY, address_of
from tests.unit.vm.surveillance_chain import (
    ID,
    U,
    group,
    hand_on,
    make_watched_chain,
    raise_self_match,
    trade,
)
from tools.surveillance.candidates import Placed, find_cycles
from tools.trading.market import Trade
from tools.trading.surveillance import Rules

MEMBERS = ("owner", "bank", "alice", "bob", "regulator", "regulator-two")
REASON = ("--reason", "orders that cross at the close")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedChain]:
    with serve_chain(make_watched_chain(2_000_000), tmp_path, *MEMBERS) as found:
        yield found


def test_a_scan_claims_what_every_rule_finds_once_and_nothing_else(served: ServedChain) -> None:
    chain = served.chain
    # Three trades at one price, then one far from it; all inside or outside groups by name.
    for start in (0, 1, 2):
        trade(chain, "owner", "bob", start, start + 1, 1_000_000)
    chain.time += DAY
    trade(chain, "owner", "bob", 3, 4, 1_300_000)
    for giver, taker in (("owner", "laboratory"), ("laboratory", "bob"), ("bob", "owner")):
        trade(chain, giver, taker, 100, 200, 1_000_000)
    group(chain, "metering", "alice", "bank")
    hand_on(chain, 300, 305, "owner", "alice")
    for start in range(300, 305):
        trade(chain, "alice", "bank", start, start + 1, 1_000_000)
    hand_on(chain, 400, 500, "owner", "bob", "owner", "bob")
    new = address_of("newcomer")
    chain.ok("regulator", ID, "register", "newcomer", "Newcomer", "CN", ["enterprise"], [new])
    chain.ok("owner", U, "transfer", "b1", 1000, 101_000, "newcomer")
    chain.ok(new, U, "transfer", "b1", 1000, 51_000, "bob")
    chain.ok(new, U, "transfer", "b1", 51_000, 101_000, "bob")

    looked = served.run("surveillance", "scan")
    # Nothing is sent without a key. One price, one ring, five in a group, a carousel, a newcomer.
    assert (looked["candidates"], looked["raised"]) == (9, [])
    done = served.run("surveillance", "scan", "--key", "bob")
    claims = [item["claim"] for item in done["raised"]]
    assert {name: claims.count(name) for name in claims} == {
        "scan_self_match": 5, "scan_price": 1, "scan_cycle": 1, "scan_carousel": 1,
        "scan_young_account": 1, "scan_many_flags": 2,
    }  # fmt: skip
    assert done["refused"] == []
    flags = served.run("surveillance", "flags")["flags"]
    assert [flag["flag"] for flag in flags] == list(range(1, 12))
    about = served.run("surveillance", "flags", "--organisation", "newcomer")["flags"]
    assert [flag["rule"] for flag in about] == ["young-account"]
    again = served.run("surveillance", "scan", "--key", "alice")
    assert (again["candidates"], again["raised"], again["refused"]) == (0, [], [])


def test_a_case_by_commands(served: ServedChain) -> None:
    group(served.chain, "metering", "owner", "alice")
    flags = [str(raise_self_match(served.chain, start)) for start in (0, 1)]
    case = ("surveillance", "case")
    number = str(served.run(*case, "open", "wash", *flags, "--key", "regulator")["case"])
    served.run(*case, "assign", number, "regulator-two", "--key", "regulator")
    digest = "ab" * 32
    served.run(*case, "note", number, "our own", "--evidence", digest, "--key", "alice")
    served.run(*case, "note", number, "x", "--evidence", "zz", "--key", "alice", exit_code=2)
    error = served.run(
        *case, "resolve", number, "confirmed", *REASON, "--key", "regulator", exit_code=4
    )
    assert "not-assignee" in error
    shown = served.run(*case, "resolve", number, "dismissed", *REASON, "--key", "regulator-two")
    assert (shown["status"], shown["flags"]) == ("dismissed", [1, 2])
    assert shown["notes"][0]["evidence_hash"] == "0x" + digest
    shown = served.run(*case, "reopen", number, *REASON, "--key", "regulator")
    assert shown["status"] == served.run(*case, "show", number)["status"] == "open"
    reported = served.run(
        "surveillance", "report", "bob", "--note", "a letter", "--key", "regulator"
    )
    assert reported == {"flag": 3}


def test_freezes_and_appeals_by_commands(served: ServedChain) -> None:
    base = ("surveillance", "freeze")
    shown = served.run(*base, "trading", "alice", "--days", "3", *REASON, "--key", "regulator")
    number = str(shown["freeze"])
    assert (shown["status"], shown["seconds"]) == ("active", 3 * DAY)
    shown = served.run("surveillance", "appeal", number, *REASON, "--key", "alice")
    assert shown["status"] == "appealed"
    decide = ("surveillance", "decide", number, "granted", *REASON)
    assert "own-decision" in served.run(*decide, "--key", "regulator", exit_code=4)
    assert served.run(*decide, "--key", "regulator-two")["status"] == "lifted"
    shown = served.run(
        *base, "serials", "b1", "0", "10", "--days", "1", *REASON, "--key", "regulator"
    )
    number = str(shown["freeze"])
    assert "not-due" in served.run(*base, "expire", number, "--key", "bob", exit_code=4)
    served.chain.time += DAY
    assert served.run(*base, "expire", number, "--key", "bob")["status"] == "expired"
    shown = served.run(
        *base, "serials", "b1", "0", "10", "--days", "1", *REASON, "--key", "regulator"
    )
    lifted = served.run(*base, "lift", str(shown["freeze"]), *REASON, "--key", "regulator-two")
    assert lifted["status"] == served.run(*base, "show", str(shown["freeze"]))["status"] == "lifted"


def test_the_search_for_rings_is_bounded_among_many_trades() -> None:
    """A market maker's thousand trades each way: every search ends, and the ring is found."""
    rules = Rules(3 * DAY, 500, 2000, 7, 3, DAY, 2, DAY, 1, DAY, 5, DAY)

    def make(number: int, seller: str, buyer: str, start: int) -> Placed:
        trade = Trade(1, 10, 1, 0, 0, buyer, seller, 1, 2, "b", start, number, number)
        return Placed("b", number, trade)

    trades = [
        make(n, *(("maker", f"p{n % 50}") if n % 2 else (f"p{n % 50}", "maker")), n * 10)
        for n in range(1, 2001)
    ]
    trades += [make(2001, "x", "y", 10**6), make(2002, "y", "x", 10**6)]
    claims = list(find_cycles(trades, rules, lambda name: name))
    assert claims[-1].arguments == ([["b", 2001], ["b", 2002]],)
