"""The contract ``auctions``: one price for all who win, rationing, seals, steps, cancellation."""

from __future__ import annotations

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm.auction_chain import (
    MONEY,
    A,
    T,
    advance,
    bid,
    commit,
    end_revealing,
    end_window,
    get_terms,
    make_auction_chain,
    make_salt,
    make_terms,
    money,
    open_auction,
    outcomes,
    result,
    seal,
)
from tests.unit.vm.carbon_chain import HASH, Chain
from tests.unit.vm.market_chain import fund

U = "units"


@pytest.fixture
def chain() -> Chain:
    return make_auction_chain()


def owned(chain: Chain, name: str) -> int:
    kg: int = chain.view(U, "balance_of", name, "b1")
    return kg


def test_all_who_win_pay_the_price_at_which_the_offer_is_reached(chain: Chain) -> None:
    open_auction(chain)
    assert chain.view(U, "get_lock", "b1", 100)[:3] == ["order", "auctions", "auction:1"]
    bid(chain, "alice", 5 * T, 40)
    bid(chain, "bob", 4 * T, 40)
    bid(chain, "metering", 3 * T, 40)
    bid(chain, "alice", 2 * T, 40)
    assert money(chain, "alice") == [MONEY - 280, 280]
    end_window(chain)
    assert advance(chain) == "sold"
    # 40 + 40 + 40 >= 100 at 3: the last successful bid gets what is left.
    assert outcomes(chain) == [("won", 40), ("won", 40), ("won", 20), ("lost", 0)]
    assert result(chain) == ["sold", "", 3 * T, 100, 300]
    assert [owned(chain, name) for name in ("alice", "bob", "metering")] == [40, 40, 20]
    assert money(chain, "alice") == [MONEY - 120, 0] and money(chain, "bob") == [MONEY - 120, 0]
    assert money(chain, "metering") == [MONEY - 60, 0] and money(chain, "owner") == [300, 0]
    names = [(event.contract, event.name) for event in chain.events]
    assert names[0] == (A, "Cleared") and names[-1] == (A, "AuctionEnded")
    assert chain.view(A, "get_bid", 1, 3)[6:8] == [20, 60]


def test_an_offer_that_is_met_exactly_takes_the_next_price_no_more(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "alice", 5 * T, 60)
    bid(chain, "bob", 4 * T, 40)
    bid(chain, "metering", 3 * T, 40)
    end_window(chain)
    advance(chain)
    assert outcomes(chain) == [("won", 60), ("won", 40), ("lost", 0)]
    assert result(chain)[2] == 4 * T


def test_less_bids_than_offered_sell_at_the_lowest_bid_and_free_the_rest(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "alice", 5 * T, 30)
    bid(chain, "bob", 2 * T, 30)
    end_window(chain)
    assert advance(chain) == "sold"
    assert result(chain) == ["sold", "", 2 * T, 60, 120]
    assert chain.view(U, "get_lot_at", "b1", 60)[:4] == [60, 100, "owner", "active"]


def test_too_few_bids_cancel_it_where_the_terms_say_so(chain: Chain) -> None:
    open_auction(chain, minimum_kg=100)
    bid(chain, "alice", 5 * T, 99)
    end_window(chain)
    assert advance(chain) == "cancelled"
    assert result(chain) == ["cancelled", "not-covered", 0, 0, 0]
    assert outcomes(chain) == [("released", 0)] and money(chain, "alice") == [MONEY, 0]
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["owner", "active"]
    open_auction(chain, minimum_kg=100)
    bid(chain, "alice", 5 * T, 100, auction=2)
    end_window(chain, 2)
    assert advance(chain, auction=2) == "sold"


def test_without_bids_nothing_is_sold(chain: Chain) -> None:
    open_auction(chain)
    end_window(chain)
    assert advance(chain) == "cancelled"
    assert result(chain) == ["cancelled", "not-covered", 0, 0, 0]
    chain.refused("auction-ended", "bob", A, "advance", 1, 1)


@pytest.mark.parametrize(
    ("rationing", "expected"),
    [("time", [40, 30, 30, 0]), ("pro-rata", [40, 18, 24, 18])],
)
def test_equal_bids_at_the_margin_share_by_the_rule_named_before(
    chain: Chain, rationing: str, expected: list[int]
) -> None:
    """60 kg are left for 30, 40 and 30: by time 30, 30, 0, pro rata 18, 24 and 18."""
    open_auction(chain, rationing=rationing)
    bid(chain, "alice", 5 * T, 40)
    bid(chain, "bob", 3 * T, 30)
    bid(chain, "metering", 3 * T, 40)
    bid(chain, "alice", 3 * T, 30)
    end_window(chain)
    assert advance(chain) == "sold"
    assert [kg for _, kg in outcomes(chain)] == expected


def test_shares_that_do_not_come_out_even_still_add_up(chain: Chain) -> None:
    """100 kg for three times 50 in steps of 10: 33.3 each, by sums 30, 30 and 40."""
    open_auction(chain, rationing="pro-rata", step_kg=10)
    for name in ("alice", "bob", "metering"):
        bid(chain, name, 3 * T, 50)
    end_window(chain)
    assert advance(chain) == "sold"
    assert [kg for _, kg in outcomes(chain)] == [30, 30, 40]


def test_what_a_bid_costs_is_rounded_up_for_the_seller(chain: Chain) -> None:
    open_auction(chain, reserve_price=1)
    bid(chain, "alice", 333, 7)
    assert money(chain, "alice") == [MONEY - 3, 3]
    bid(chain, "bob", 1, 1)
    end_window(chain)
    advance(chain)
    assert money(chain, "alice") == [MONEY - 1, 0] and money(chain, "owner") == [2, 0]


def test_lots_of_several_batches_are_given_in_the_order_offered(chain: Chain) -> None:
    chain.issue("b2", 100)
    offered: list[Value] = [["b2", 0, 30], ["b1", 50, 100], ["b2", 60, 100]]
    chain.ok("owner", A, "open_auction", offered, make_terms(chain))
    assert chain.view(A, "list_auctions", 0, 9) == [1]
    bid(chain, "alice", 5 * T, 40)
    bid(chain, "bob", 4 * T, 50)
    end_window(chain)
    assert advance(chain) == "sold"
    assert chain.view(U, "balance_of", "alice", "b2") == 30 and owned(chain, "alice") == 10
    assert chain.view(U, "balance_of", "bob", "b2") == 10 and owned(chain, "bob") == 40
    assert chain.view(A, "lots_of", 1) == [["b2", 30, 30], ["b1", 100, 100], ["b2", 70, 100]]
    assert chain.view(U, "get_lot_at", "b2", 80)[:4] == [70, 100, "owner", "active"]


def test_it_is_cleared_in_steps_of_any_size(chain: Chain) -> None:
    for steps in (1, 2, 3, 7):
        auction = open_auction(chain, rationing="pro-rata")
        before = {name: owned(chain, name) for name in ("alice", "bob", "metering")}
        for n, name in enumerate(("alice", "bob", "metering") * 4):
            bid(chain, name, (3 + n % 5) * T, 20, auction=auction)
        end_window(chain, auction)
        statuses = []
        while not statuses or statuses[-1] not in ("sold", "cancelled"):
            statuses.append(advance(chain, steps, auction))
        assert 12 // steps <= len(statuses) <= 24 // steps + 3, statuses
        # 40 kg each go at 7 and at 6; two bids of 20 at 5 share the last 20.
        assert [kg for _, kg in outcomes(chain, auction)] == [
            0, 0, 10, 20, 20, 0, 0, 10, 20, 20, 0, 0,
        ]  # fmt: skip
        gained = sum(owned(chain, name) - before[name] for name in before)
        assert gained == 100 and result(chain, auction)[2:4] == [5 * T, 100]
        assert all(money(chain, name)[1] == 0 for name in before)


def test_a_sealed_bid_is_known_when_it_is_revealed(chain: Chain) -> None:
    open_auction(chain, sealed=True)
    commit(chain, "alice", 5 * T, 60, 1000)
    commit(chain, "bob", 4 * T, 60, 240)
    assert chain.view(A, "bids_of", 1, 0, 9) == [
        [1, "alice", 0, 0, "sealed", 0], [2, "bob", 0, 0, "sealed", 0],
    ]  # fmt: skip
    assert money(chain, "alice") == [MONEY - 1000, 1000]
    end_window(chain)
    chain.ok("alice", A, "reveal", 1, 1, 5 * T, 60, make_salt(5 * T))
    chain.ok("bob", A, "reveal", 1, 2, 4 * T, 60, make_salt(4 * T))
    assert chain.view(A, "bids_of", 1, 0, 9)[0] == [1, "alice", 5 * T, 60, "valid", 0]
    chain.refused("not-due", "bob", A, "advance", 1, 9)
    end_revealing(chain)
    assert advance(chain) == "sold"
    assert outcomes(chain) == [("won", 60), ("won", 40)]
    assert money(chain, "alice") == [MONEY - 240, 0] and money(chain, "owner") == [400, 0]


def test_the_contract_seals_as_the_documents_say(chain: Chain) -> None:
    salt = make_salt(1)
    found = chain.view(A, "seal_of", 7, "alice", 5, 6, salt)
    assert found == seal("alice", 5, 6, salt, auction=7)


def test_a_bid_that_stays_sealed_loses_a_part_of_its_deposit(chain: Chain) -> None:
    open_auction(chain, sealed=True, forfeit_rate=999)
    commit(chain, "alice", 5 * T, 60, 1000)
    commit(chain, "bob", 4 * T, 60, 240)
    commit(chain, "metering", 4 * T, 1, 9)
    end_window(chain)
    chain.ok("bob", A, "reveal", 1, 2, 4 * T, 60, make_salt(4 * T))
    end_revealing(chain)
    advance(chain)
    assert outcomes(chain) == [("unrevealed", 0), ("won", 60), ("unrevealed", 0)]
    # 9.99 % of 1000 is 99, of 9 nothing.
    assert money(chain, "alice") == [MONEY - 99, 0] and money(chain, "metering") == [MONEY, 0]
    assert money(chain, "owner") == [99 + 240, 0]
    assert chain.view(A, "get_bid", 1, 1)[7] == 99


def test_who_kept_its_bid_sealed_pays_when_that_leaves_too_few(chain: Chain) -> None:
    open_auction(chain, sealed=True, forfeit_rate=10_000, minimum_kg=50)
    commit(chain, "alice", 5 * T, 60, 300)
    end_window(chain)
    end_revealing(chain)
    assert advance(chain) == "cancelled"
    assert money(chain, "alice") == [MONEY - 300, 0] and money(chain, "owner") == [300, 0]


def test_a_seal_opens_for_its_bidder_and_its_auction_only(chain: Chain) -> None:
    open_auction(chain, sealed=True)
    open_auction(chain, sealed=True)
    sealed = seal("alice", 5 * T, 60, make_salt(1))
    chain.ok("alice", A, "commit", 1, sealed, 1000)
    chain.ok("bob", A, "commit", 1, sealed, 1000)
    chain.ok("alice", A, "commit", 2, sealed, 1000)
    end_window(chain, 2)
    arguments = (5 * T, 60, make_salt(1))
    chain.refused("not-bidder", "bob", A, "reveal", 1, 1, *arguments)
    chain.refused("wrong-seal", "bob", A, "reveal", 1, 2, *arguments)
    chain.refused("wrong-seal", "alice", A, "reveal", 2, 1, *arguments)
    chain.refused("wrong-seal", "alice", A, "reveal", 1, 1, 4 * T, 60, make_salt(1))
    chain.refused("wrong-seal", "alice", A, "reveal", 1, 1, 5 * T, 61, make_salt(1))
    chain.refused("wrong-seal", "alice", A, "reveal", 1, 1, 5 * T, 60, make_salt(2))
    chain.refused("bad-salt", "alice", A, "reveal", 1, 1, 5 * T, 60, b"short")
    chain.ok("alice", A, "reveal", 1, 1, *arguments)
    chain.refused("not-sealed", "alice", A, "reveal", 1, 1, *arguments)


def test_what_is_revealed_keeps_the_rules_of_a_bid(chain: Chain) -> None:
    open_auction(chain, sealed=True, cap_kg=60, tick=10, step_kg=2)
    bids = [(5 * T, 62), (5 * T + 1, 2), (T - 10, 2), (5 * T, 3), (5 * T, 60), (4 * T, 2)]
    for price, kg in bids:
        commit(chain, "alice", price, kg, 299)
    commit(chain, "bob", 5 * T, 60, 300)
    end_window(chain)
    codes = ["above-cap", "bad-price", "below-reserve", "bad-amount", "above-deposit"]
    for number, (code, (price, kg)) in enumerate(zip(codes, bids, strict=False), 1):
        salt = make_salt(price)
        chain.refused(code, "alice", A, "reveal", 1, number, price, kg, salt)
    chain.ok("bob", A, "reveal", 1, 7, 5 * T, 60, make_salt(5 * T))
    chain.ok("alice", A, "reveal", 1, 6, 4 * T, 2, make_salt(4 * T))


def test_a_bid_is_withdrawn_while_the_window_is_open(chain: Chain) -> None:
    open_auction(chain, cap_kg=50)
    bid(chain, "alice", 5 * T, 50)
    chain.refused("above-cap", "alice", A, "bid", 1, 5 * T, 1)
    chain.refused("not-bidder", "bob", A, "withdraw", 1, 1)
    chain.refused("no-bid", "alice", A, "withdraw", 1, 9)
    chain.ok("alice", A, "withdraw", 1, 1)
    assert money(chain, "alice") == [MONEY, 0]
    chain.refused("bid-ended", "alice", A, "withdraw", 1, 1)
    bid(chain, "alice", 6 * T, 50)
    end_window(chain)
    chain.refused("window-closed", "alice", A, "withdraw", 1, 2)
    chain.refused("window-closed", "bob", A, "bid", 1, 5 * T, 1)
    advance(chain)
    assert outcomes(chain) == [("withdrawn", 0), ("won", 50)]


def test_a_sealed_bid_is_withdrawn_like_an_open_one(chain: Chain) -> None:
    open_auction(chain, sealed=True, forfeit_rate=10_000)
    commit(chain, "alice", 5 * T, 50, 250)
    chain.ok("alice", A, "withdraw", 1, 1)
    assert money(chain, "alice") == [MONEY, 0]


def test_the_window_opens_and_closes_by_the_blocks_time(chain: Chain) -> None:
    now = chain.time
    open_auction(chain, opens_at=now + 10, closes_at=now + 12)
    chain.time = now + 8
    chain.refused("window-closed", "alice", A, "bid", 1, 5 * T, 1)
    bid(chain, "alice", 5 * T, 1)
    bid(chain, "alice", 5 * T, 1)
    chain.refused("window-closed", "alice", A, "bid", 1, 5 * T, 1)
    assert advance(chain) == "sold"


def test_revealing_ends_with_its_time(chain: Chain) -> None:
    open_auction(chain, sealed=True)
    for price in (5 * T, 4 * T):
        commit(chain, "alice", price, 1, 9)
    chain.refused("not-revealing", "alice", A, "reveal", 1, 1, 5 * T, 1, make_salt(5 * T))
    end_window(chain)
    chain.ok("alice", A, "reveal", 1, 1, 5 * T, 1, make_salt(5 * T))
    end_revealing(chain)
    chain.refused("not-revealing", "alice", A, "reveal", 1, 2, 4 * T, 1, make_salt(4 * T))


def test_its_seller_cancels_before_the_window_and_a_regulator_until_it_is_counted(
    chain: Chain,
) -> None:
    now = chain.time
    open_auction(chain, opens_at=now + 10)
    chain.refused("not-permitted", "bob", A, "cancel", 1, "")
    chain.ok("owner", A, "cancel", 1, "no more")
    assert chain.events[-1].values == (1, "seller", "no more")
    chain.refused("auction-releasing", "owner", A, "cancel", 1, "")
    assert advance(chain) == "cancelled"
    open_auction(chain)
    bid(chain, "alice", 5 * T, 10, auction=2)
    chain.refused("window-open", "owner", A, "cancel", 2, "")
    chain.refused("bad-text", "regulator", A, "cancel", 2, "x" * 257)
    chain.ok("regulator", A, "cancel", 2, "an inquiry")
    chain.refused("auction-releasing", "bob", A, "bid", 2, 5 * T, 1)
    assert advance(chain, auction=2) == "cancelled" and money(chain, "alice") == [MONEY, 0]
    open_auction(chain)
    bid(chain, "alice", 5 * T, 10, auction=3)
    end_window(chain, 3)
    assert advance(chain, 1, 3) == "counting"
    chain.refused("auction-counting", "regulator", A, "cancel", 3, "")


def test_nobody_forfeits_when_an_auction_is_called_off(chain: Chain) -> None:
    open_auction(chain, sealed=True, forfeit_rate=10_000)
    commit(chain, "alice", 5 * T, 10, 50)
    chain.ok("regulator", A, "cancel", 1, "")
    advance(chain)
    assert outcomes(chain) == [("released", 0)] and money(chain, "alice") == [MONEY, 0]


def test_the_auction_of_a_suspended_seller_is_off(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "alice", 5 * T, 10)
    chain.ok("regulator", "identity", "suspend", "owner", "fraud")
    end_window(chain)
    assert advance(chain) == "cancelled"
    assert result(chain)[1] == "seller-inactive" and money(chain, "alice") == [MONEY, 0]


def test_bids_of_a_suspended_organisation_are_left_out(chain: Chain) -> None:
    open_auction(chain)
    for name, price in (("bob", 6), ("alice", 5), ("bob", 5), ("metering", 4)):
        bid(chain, name, price * T, 60)
    chain.ok("regulator", "identity", "suspend", "bob", "fraud")
    end_window(chain)
    while advance(chain, 1) not in ("sold", "cancelled"):
        pass
    assert outcomes(chain) == [("excluded", 0), ("won", 60), ("excluded", 0), ("won", 40)]
    assert result(chain)[2:] == [4 * T, 100, 400] and money(chain, "bob") == [MONEY, 0]


def test_who_is_suspended_after_the_count_gets_nothing_and_pays_nothing(chain: Chain) -> None:
    open_auction(chain)
    bid(chain, "alice", 5 * T, 60)
    bid(chain, "bob", 4 * T, 60)
    end_window(chain)
    assert advance(chain, 2) == "counting"
    assert advance(chain, 1) == "settling"
    chain.ok("regulator", "identity", "suspend", "bob", "fraud")
    assert advance(chain) == "sold"
    # The price stays what all bids made it; bob's 40 kg go back to the seller.
    assert outcomes(chain) == [("won", 60), ("excluded", 0)]
    assert result(chain)[2:] == [4 * T, 60, 240] and money(chain, "bob") == [MONEY, 0]
    assert chain.view(U, "get_lot_at", "b1", 60)[:4] == [60, 100, "owner", "active"]


def test_a_verifier_bids_for_nothing_that_it_verified(chain: Chain) -> None:
    fund(chain, "verifier", MONEY)
    open_auction(chain)
    chain.refused("verifier-holds", "verifier", A, "bid", 1, 5 * T, 1)
    imported = ("ACR", "a", "p", 2005, "alice", 0, 10, 10, 0, HASH, "line 1", "i1")
    chain.ok("registry", U, "issue_imported", *imported)
    chain.ok("alice", A, "open_auction", [["a", 0, 10]], make_terms(chain))
    bid(chain, "verifier", 5 * T, 10, auction=2)
    end_window(chain, 2)
    assert advance(chain, auction=2) == "sold"


@pytest.mark.parametrize(
    ("code", "who", "arguments"),
    [
        ("no-auction", "alice", (9, 5 * T, 1)),
        ("sealed-auction", "alice", (2, 5 * T, 1)),
        ("bad-price", "alice", (1, 10**12 + 1, 1)),
        ("below-reserve", "alice", (1, T - 1, 1)),
        ("bad-amount", "alice", (1, 5 * T, 0)),
        ("above-cap", "alice", (1, 5 * T, 1001)),
        ("self-trade", "owner", (1, 5 * T, 1)),
        ("not-enough-money", "exchange", (1, 5 * T, 1)),
        ("not-enough-money", "bob", (1, MONEY * T, 2)),
    ],
)
def test_a_bid_is_refused(
    chain: Chain, code: str, who: str, arguments: tuple[int, int, int]
) -> None:
    open_auction(chain)
    open_auction(chain, sealed=True)
    chain.refused(code, who, A, "bid", *arguments)


def test_a_commitment_is_refused(chain: Chain) -> None:
    open_auction(chain)
    open_auction(chain, sealed=True)
    chain.refused("open-auction", "alice", A, "commit", 1, HASH, 5)
    chain.refused("bad-hash", "alice", A, "commit", 2, HASH[:31], 5)
    chain.refused("bad-amount", "alice", A, "commit", 2, HASH, 0)
    chain.refused("not-enough-money", "alice", A, "commit", 2, HASH, MONEY + 1)
    chain.refused("self-trade", "owner", A, "commit", 2, HASH, 5)
    end_window(chain, 2)
    chain.refused("window-closed", "alice", A, "commit", 2, HASH, 5)
    chain.refused("no-auction", "alice", A, "reveal", 9, 1, 5 * T, 1, HASH)


def test_one_bidder_makes_twenty_bids_at_most(chain: Chain) -> None:
    open_auction(chain)
    for _ in range(20):
        bid(chain, "alice", 5 * T, 1)
    chain.refused("too-many-bids", "alice", A, "bid", 1, 5 * T, 1)
    bid(chain, "bob", 5 * T, 1)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-currency", {"currency": "CNYX"}),
        ("bad-step", {"tick": 0}),
        ("bad-step", {"step_kg": 0}),
        ("bad-amount", {"step_kg": 3}),
        ("bad-price", {"reserve_price": 0}),
        ("bad-price", {"tick": 7}),
        ("bad-cap", {"cap_kg": 0}),
        ("bad-cap", {"cap_kg": 10**12 + 1}),
        ("bad-minimum", {"minimum_kg": -1}),
        ("bad-minimum", {"minimum_kg": 101}),
        ("bad-rationing", {"rationing": "lots"}),
        ("bad-rate", {"forfeit_rate": 1}),
        ("bad-rate", {"sealed": True, "forfeit_rate": 10_001}),
        ("bad-window", {"opens_at": 1}),
        ("bad-window", {"closes_at": 1}),
        ("bad-window", {"closes_at": 10**10}),
        ("bad-window", {"reveals_until": 10**9}),
        ("bad-window", {"sealed": True, "reveals_until": 0}),
        ("bad-window", {"sealed": True, "reveals_until": 10**10}),
    ],
)
def test_terms_are_refused(chain: Chain, code: str, changes: dict[str, Value]) -> None:
    terms = make_terms(chain, **changes)
    chain.refused(code, "owner", A, "open_auction", [["b1", 0, 100]], terms)


def test_only_free_units_of_ones_own_are_offered(chain: Chain) -> None:
    terms = make_terms(chain)
    chain.refused("bad-lots", "owner", A, "open_auction", [], terms)
    lots: list[Value] = [["b1", n, n + 1] for n in range(11)]
    chain.refused("bad-lots", "owner", A, "open_auction", lots, terms)
    chain.refused("not-owner", "bob", A, "open_auction", [["b1", 0, 9]], terms)
    chain.refused("lot-locked", "owner", A, "open_auction", [["b1", 0, 9], ["b1", 0, 9]], terms)
    chain.refused("no-lot", "owner", A, "open_auction", [["b1", 0, 1001]], terms)
    open_auction(chain)
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 0, 9, "bob")
    chain.refused("not-holder", "owner", U, "unlock", "b1", 0, 100)


def test_pages_and_steps_have_bounds(chain: Chain) -> None:
    open_auction(chain)
    assert get_terms(chain)["cap_kg"] == 1000
    chain.refused("bad-steps", "bob", A, "advance", 1, 0)
    chain.refused("bad-steps", "bob", A, "advance", 1, 51)
    chain.refused("no-auction", "bob", A, "advance", 9, 1)
    chain.refused("not-due", "bob", A, "advance", 1, 1)
    for limit in (0, 101):
        chain.view_refused("bad-limit", A, "list_auctions", 0, limit)
        chain.view_refused("bad-limit", A, "bids_of", 1, 0, limit)
    chain.view_refused("no-auction", A, "get_auction", 9)
    chain.view_refused("no-bid", A, "get_bid", 1, 9)


def test_fifty_winners_settle_in_one_transaction(chain: Chain) -> None:
    """A page of 50 bids is the largest step: it fits a transaction four times over."""
    open_auction(chain)
    for n in range(50):
        bid(chain, ("alice", "bob", "metering")[n % 3], 5 * T, 2)
    end_window(chain)
    for expected in ("counting", "settling", "sold"):
        call = Call(A, "advance", (1, 50))
        receipts, _ = chain.run(chain.make("exchange", call, gas=10_000_000))
        assert (receipts[0].status, receipts[0].values) == ("ok", (expected,))
