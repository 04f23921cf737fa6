"""Ways round the rules of ``auctions`` and ``quotes`` that were tried, and stay closed."""

from __future__ import annotations

import pytest

from tests.unit.vm.auction_chain import (
    MONEY,
    A,
    T,
    advance,
    bid,
    commit,
    end_revealing,
    end_window,
    make_auction_chain,
    make_salt,
    money,
    open_auction,
    outcomes,
    result,
)
from tests.unit.vm.carbon_chain import DAY, Chain, address_of
from tests.unit.vm.market_chain import CNY, C

Q, U = "quotes", "units"


@pytest.fixture
def chain() -> Chain:
    return make_auction_chain()


def freeze(chain: Chain, organisation: str) -> None:
    chain.ok("regulator", "surveillance", "freeze_trading", organisation, 0, DAY, "an inquiry")


def test_a_bidder_whose_trading_was_stopped_blocks_nobody(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "bob", 6 * T, 60)
    bid(chain, "alice", 5 * T, 60)
    freeze(chain, "bob")
    chain.refused("trading-frozen", "bob", A, "bid", 1, 5 * T, 1)
    end_window(chain)
    assert advance(chain) == "sold"
    assert outcomes(chain) == [("excluded", 0), ("won", 60)]
    assert money(chain, "bob") == [MONEY, 0]


def test_the_auction_of_a_seller_whose_trading_was_stopped_is_off(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "alice", 5 * T, 60)
    freeze(chain, "owner")
    end_window(chain)
    assert advance(chain) == "cancelled" and result(chain)[1] == "seller-inactive"
    assert money(chain, "alice") == [MONEY, 0] and money(chain, "owner") == [0, 0]


def test_a_quote_of_a_dealer_whose_trading_was_stopped_is_not_accepted(chain: Chain) -> None:
    until = chain.time + DAY
    chain.ok("alice", Q, "request_quote", "buy", "b1", 10, CNY, [], until)
    chain.ok("owner", Q, "quote", 1, T, 0, 10, until)
    freeze(chain, "owner")
    chain.refused("dealer-inactive", "alice", Q, "accept_quote", 1, 0, 0)
    chain.time = until
    chain.ok("bob", Q, "expire", [1])
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["owner", "active"]


def test_a_key_that_was_just_changed_neither_bids_nor_quotes(chain: Chain) -> None:
    proposal = chain.ok("regulator", "governance", "propose_key_delay", 60)
    chain.ok("regulator", "governance", "execute", proposal)
    open_auction(chain)
    until = chain.time + DAY
    chain.ok("bob", Q, "request_quote", "sell", "b1", 10, CNY, [], until)
    chain.ok("alice", "identity", "add_key", "alice", address_of("new-alice"))
    chain.refused("key-delay", "alice", A, "bid", 1, 5 * T, 1)
    chain.refused("key-delay", "alice", Q, "quote", 1, T, 0, 0, until)


def test_money_of_one_bid_pays_for_no_other(chain: Chain) -> None:
    """Two bids of one bidder in two auctions: each is paid out of its own hold."""
    open_auction(chain)
    open_auction(chain)
    bid(chain, "alice", 5 * T, 10, auction=1)
    bid(chain, "alice", 9 * T, 10, auction=2)
    chain.ok("alice", C, "transfer", CNY, "bob", MONEY - 140, "")
    end_window(chain, 2)
    assert advance(chain, auction=1) == "sold"
    assert money(chain, "alice") == [0, 90]
    holds = chain.view(C, "holds_of", "alice", CNY, "", 9)
    assert holds == [["auction:2:1", 90]]


def test_who_pays_less_than_it_bid_gets_the_rest_back_at_once(chain: Chain) -> None:
    open_auction(chain, sealed=True)
    commit(chain, "alice", 9 * T, 50, 5000)
    commit(chain, "bob", 2 * T, 50, 100)
    end_window(chain)
    chain.ok("alice", A, "reveal", 1, 1, 9 * T, 50, make_salt(9 * T))
    chain.ok("bob", A, "reveal", 1, 2, 2 * T, 50, make_salt(2 * T))
    end_revealing(chain)
    advance(chain, 2)
    assert advance(chain, 1) == "settling"
    assert money(chain, "alice") == [MONEY - 100, 0] and money(chain, "bob") == [MONEY - 100, 100]


def test_a_seller_that_is_suspended_after_the_count_still_delivers(chain: Chain) -> None:
    """The price is known then: who does not like it must not get out by misbehaving."""
    open_auction(chain)
    bid(chain, "alice", 5 * T, 60)
    end_window(chain)
    assert advance(chain, 1) == "counting"
    chain.ok("regulator", "identity", "suspend", "owner", "fraud")
    assert advance(chain) == "sold" and outcomes(chain) == [("won", 60)]
    assert money(chain, "owner") == [300, 0]


def test_nobody_else_touches_what_an_auction_or_a_quote_set_aside(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "alice", 5 * T, 10)
    chain.refused("not-a-trader", "alice", C, "release", "alice", CNY, "auction:1:1")
    chain.refused("not-a-trader", "owner", U, "free_reserved", "b1", 0, 100)
    chain.refused("not-a-trader", "owner", U, "deliver", "b1", 0, 100, 100, "bob")
    for name in ("owner", "regulator"):
        chain.refused("not-holder", name, U, "unlock", "b1", 0, 100)


def test_a_quote_fits_only_a_request_that_still_stands(chain: Chain) -> None:
    until = chain.time + 10
    chain.ok("owner", Q, "request_quote", "sell", "b1", 10, CNY, [], until)
    chain.refused("bad-expiry", "alice", Q, "quote", 1, T, 0, 0, until + 1)
    chain.time = until
    chain.refused("bad-expiry", "alice", Q, "quote", 1, T, 0, 0, chain.time + 5)
    chain.refused("bad-expiry", "alice", Q, "quote", 1, T, 0, 0, until)


def test_a_short_auction_shares_no_more_than_was_asked_for(chain: Chain) -> None:
    open_auction(chain, rationing="pro-rata")
    bid(chain, "alice", 5 * T, 30)
    bid(chain, "bob", 5 * T, 30)
    end_window(chain)
    assert advance(chain) == "sold"
    assert outcomes(chain) == [("won", 30), ("won", 30)]
