"""The contract ``finance``: proposed, lent, repaid, released; liens; margin calls and defaults."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import pytest

from primitives.codec import Value
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import DAY, HASH, Chain, address_of
from tests.unit.vm.finance_chain import (
    COVER,
    CURE,
    GRACE,
    ID,
    LOAN,
    MONEY,
    PRICE,
    YEAR,
    C,
    F,
    T,
    Terms,
    U,
    default,
    get,
    lend,
    lot,
    make_finance_chain,
    money,
    next_day,
    propose,
    trade,
)
from tests.unit.vm.market_chain import CNY, TERMS, M, fund, sell


@pytest.fixture
def chain() -> Chain:
    return make_finance_chain()


def owed(chain: Chain, number: int) -> list[int]:
    """[principal, interest, claim]"""
    found: list[int] = chain.view(F, "owed", number)
    return found


# --- proposed and accepted --------------------------------------------------------------------


def test_a_proposal_locks_the_serials_in_the_contracts_name(chain: Chain) -> None:
    number = propose(chain)
    assert [(event.contract, event.name) for event in chain.events] == [
        (U, "Locked"), (F, "Proposed"),
    ]  # fmt: skip
    assert chain.events[-1].values == (number, "owner", "bank", "b1", 0, 100, CNY, 8000)
    assert chain.view(U, "get_lock", "b1", 100)[:3] == ["pledge", "finance", f"pledge:{number}"]
    assert lot(chain) == [0, 100, "owner", "locked"]
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 0, 100, "bob")
    chain.refused("not-holder", "bank", U, "unlock", "b1", 0, 100)
    chain.refused("not-holder", "regulator", U, "unlock", "b1", 0, 100)
    assert chain.view(F, "lien_at", "b1", 99) == [
        number, "b1", 0, 100, "owner", "bank", "proposed",
    ]  # fmt: skip
    assert money(chain, "owner")[1] == 0 and owed(chain, number) == [0, 0, 0]


def test_the_loan_is_paid_in_the_call_that_accepts(chain: Chain) -> None:
    number = propose(chain)
    before = money(chain, "owner")[0]
    chain.ok("bank", F, "accept", number)
    assert [(event.contract, event.name) for event in chain.events] == [
        (C, "Settled"), (F, "Accepted"),
    ]  # fmt: skip
    assert chain.events[-1].values == (number, 100 * PRICE)
    assert money(chain, "owner") == [before + 8000, 0]
    assert money(chain, "bank") == [MONEY - 8000, 0]
    assert get(chain, number, "status") == "active" and owed(chain, number) == [8000, 0, 0]
    assert chain.view(C, "statement", "bank", CNY, 1, 9)[0][4] == f"pledge:{number}"
    chain.refused("pledge-active", "bank", F, "accept", number)
    chain.refused("pledge-active", "owner", F, "withdraw", number)


@pytest.mark.parametrize("who", ["owner", "bank", "regulator"])
def test_a_proposal_is_ended_by_those_it_concerns(chain: Chain, who: str) -> None:
    number = propose(chain)
    chain.refused("not-permitted", "bob", F, "withdraw", number)
    chain.ok(who, F, "withdraw", number)
    assert chain.events[-1].values == (number, "withdrawn", 0)
    assert lot(chain) == [0, 100, "owner", "active"]
    assert get(chain, number, "status") == "released"
    assert chain.view(F, "lien_at", "b1", 50)[0] == 0
    assert chain.view(F, "liens_of", "owner", "borrower", 0, 9) == []
    chain.refused("pledge-released", "bank", F, "accept", number)


def test_a_proposal_lapses_after_thirty_days(chain: Chain) -> None:
    number = propose(chain)
    since = get(chain, number, "since")
    trade(chain, PRICE)
    chain.time = since + 30 * DAY - 2
    chain.refused("not-permitted", "bob", F, "withdraw", number)
    chain.refused("lapsed", "bank", F, "accept", number)
    chain.ok("bob", F, "withdraw", number)


TERMS_REFUSED: list[tuple[str, dict[str, Value]]] = [
    ("bad-amount", {"principal": 0}),
    ("bad-amount", {"principal": 10**24 + 1}),
    ("bad-rate", {"rate": -1}),
    ("bad-rate", {"rate": 10_001}),
    ("bad-basis", {"day_basis": 364}),
    ("bad-due", {"due_at": 1}),
    ("bad-due", {"due_at": 10**11}),
    ("bad-window", {"window_days": 0}),
    ("bad-window", {"window_days": 32}),
    ("bad-trades", {"trades_min": 0}),
    ("bad-trades", {"trades_min": 1001}),
    ("bad-haircut", {"haircut": -1}),
    ("bad-haircut", {"haircut": 10_000}),
    ("bad-ltv", {"ltv_max": 7999}),
    ("bad-ltv", {"ltv_max": 10_001}),
    ("bad-grace", {"grace_seconds": -1}),
    ("bad-grace", {"grace_seconds": 90 * DAY + 1}),
    ("bad-cure", {"cure_seconds": 3599}),
    ("bad-cure", {"cure_seconds": 90 * DAY + 1}),
    ("book-mismatch", {"currency": "EUR"}),
    ("no-book", {"book": "none"}),
]


@pytest.mark.parametrize(("code", "changes"), TERMS_REFUSED)
def test_terms_that_are_refused(chain: Chain, code: str, changes: dict[str, Value]) -> None:
    loan = {name: value for name, value in changes.items() if name in LOAN}
    cover = {name: value for name, value in changes.items() if name in COVER}
    terms = Terms(loan, cover).make(chain)
    chain.refused(code, "owner", F, "propose", "bank", "b1", 0, 100, *terms)


@pytest.mark.parametrize(
    ("code", "sender", "lender", "batch", "start", "end"),
    [
        ("not-a-bank", "owner", "alice", "b1", 0, 100),
        ("not-a-bank", "owner", "nobody", "b1", 0, 100),
        ("no-batch", "owner", "bank", "none", 0, 100),
        ("already-pledged", "owner", "mint", "b1", 250, 300),
        ("already-pledged", "owner", "mint", "b1", 150, 201),
        ("already-pledged", "bob", "mint", "b1", 200, 300),
        ("bad-range", "owner", "bank", "b1", 100, 100),
        ("no-lot", "owner", "bank", "b1", 900, 980),
        ("not-owner", "bob", "bank", "b1", 0, 100),
        ("lot-locked", "owner", "bank", "b1", 400, 410),
    ],
)
def test_pledges_that_are_refused(
    chain: Chain, code: str, sender: str, lender: str, batch: str, start: int, end: int
) -> None:
    propose(chain, 200, 300)
    chain.ok("owner", U, "lock", "b1", 400, 500, "pledge", "bank", "outside")
    terms = Terms().make(chain)
    chain.refused(code, sender, F, "propose", lender, batch, start, end, *terms)


def test_a_bank_does_not_lend_on_what_it_has_or_verified(chain: Chain) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 100, "bank")
    terms = Terms().make(chain)
    chain.refused("lender-is-owner", "bank", F, "propose", "bank", "b1", 0, 100, *terms)
    chain.ok("regulator", ID, "add_role", "verifier", "bank")
    chain.refused("verifier-holds", "owner", F, "propose", "verifier", "b1", 100, 200, *terms)


def test_a_book_of_another_batch_prices_nothing(chain: Chain) -> None:
    chain.issue("b2", 100)
    terms = Terms().make(chain)
    chain.refused("book-mismatch", "owner", F, "propose", "bank", "b2", 0, 100, *terms)


def test_a_class_prices_what_is_in_it() -> None:
    chain = make_finance_chain()
    at.register(chain, "p1")
    for batch, vintage in (("c1", 2024), ("late", 2026)):
        attested = (f"r-{batch}", "p1", vintage, "forest", 1000, "owner", HASH)
        chain.ok("verifier", U, "attest", *attested)
        chain.ok("registry", U, "issue", batch, f"r-{batch}", 0, 1000, 1000, 0)
    wanted: list[Value] = ["forest", "forest-sink", "CN", ["biomass"], 2020, 2025]
    chain.ok("exchange", M, "open_class", "forest", wanted, TERMS)
    for n in range(3):
        sell(chain, "owner", PRICE * T, 10 * n, 10 * n + 10, book="forest", batch="c1")
        chain.ok("bob", M, "buy", "forest", PRICE * T, 10, "fok", 0, 1000, "")
    next_day(chain)
    terms = Terms(cover={"book": "forest"}).make(chain)
    chain.refused("book-mismatch", "owner", F, "propose", "bank", "late", 0, 100, *terms)
    number = chain.ok("owner", F, "propose", "bank", "c1", 100, 200, *terms)
    assert chain.view(F, "value_of", number) == 10_000
    chain.ok("bank", F, "accept", number)


def test_only_the_bank_that_it_names_accepts_while_it_is_one(chain: Chain) -> None:
    number = propose(chain)
    chain.refused("not-lender", "mint", F, "accept", number)
    chain.refused("no-pledge", "bank", F, "accept", 9)
    chain.ok("regulator", ID, "add_role", "bank", "enterprise")
    chain.ok("regulator", ID, "remove_role", "bank", "bank")
    chain.refused("not-a-bank", "bank", F, "accept", number)


def test_a_suspended_borrower_is_lent_nothing(chain: Chain) -> None:
    number = propose(chain)
    chain.ok("regulator", ID, "suspend", "owner", "under review")
    chain.refused("no-receiver", "bank", F, "accept", number)


def test_a_bank_lends_what_it_has(chain: Chain) -> None:
    number = propose(chain)
    chain.ok("bank", C, "transfer", CNY, "mint", MONEY - 7999, "")
    chain.refused("not-enough-money", "bank", F, "accept", number)


def test_a_loan_is_not_made_when_it_is_due(chain: Chain) -> None:
    number = propose(chain, due_at=chain.time + 10)
    chain.time += 9
    chain.refused("past-due", "bank", F, "accept", number)


# --- what it is worth -------------------------------------------------------------------------


def test_what_is_lent_is_bounded_by_the_value_after_the_haircut(chain: Chain) -> None:
    """100 kg at 100 are 10,000; less 20 % they are 8000."""
    number = propose(chain, 0, 100, principal=8001)
    chain.refused("above-lending-value", "bank", F, "accept", number)
    lend(chain, 100, 200, principal=8000)


def test_the_value_is_the_average_of_whole_days_that_are_over(chain: Chain) -> None:
    number = propose(chain)
    assert chain.view(F, "value_of", number) == 10_000
    # Today's trades do not count until tomorrow.
    trade(chain, 2 * PRICE, count=1, kg=30)
    assert chain.view(F, "value_of", number) == 10_000
    next_day(chain)
    # 30 kg at 100 and 30 kg at 200 are 150 on average.
    assert chain.view(F, "value_of", number) == 15_000
    next_day(chain, 4)
    # The first day is out of the window of five, and with it two of the trades that are needed.
    chain.view_refused("no-valuation", F, "value_of", number)
    chain.refused("no-valuation", "bank", F, "accept", number)
    trade(chain, 2 * PRICE, count=2, kg=15)
    next_day(chain)
    chain.view_refused("no-valuation", F, "value_of", number)
    trade(chain, 2 * PRICE, count=3, kg=5)
    next_day(chain)
    assert chain.view(F, "value_of", number) == 20_000


def test_the_value_is_rounded_down_once(chain: Chain) -> None:
    """30 kg at 100 and 1 kg at 101 are 3101 for 31 kg: 7 kg of them are 700.2."""
    trade(chain, 101, count=1, kg=1)
    next_day(chain)
    number = propose(chain, 0, 7, principal=560)
    assert chain.view(F, "value_of", number) == 700
    chain.ok("bank", F, "accept", number)
    assert get(chain, number, "floor") == 560


# --- interest and repayment -------------------------------------------------------------------


@pytest.mark.parametrize("basis", [360, 365])
def test_interest_is_simple_by_days_of_the_calendar(chain: Chain, basis: int) -> None:
    number = lend(chain, rate=777, day_basis=basis)
    for days in (0, 1, 30, 59):
        next_day(chain, days)
        passed = chain.time // DAY - get(chain, number, "accrued_day")
        exact = Fraction(8000 * 777 * passed, 10_000 * basis)
        assert owed(chain, number) == [8000, ceil(exact), 0]


def test_a_loan_that_is_repaid_on_its_day_costs_nothing(chain: Chain) -> None:
    number = lend(chain)
    assert chain.ok("owner", F, "repay", number, 8000) == 8000
    assert get(chain, number, "status") == "released"


def test_repayment_in_parts_pays_interest_first_and_the_last_frees_the_lot(chain: Chain) -> None:
    number = lend(chain)
    next_day(chain, 10)
    assert owed(chain, number) == [8000, 8, 0]
    assert chain.ok("owner", F, "repay", number, 3) == 3
    assert chain.events[-1].values == (number, 3, 0, 0) and owed(chain, number) == [8000, 5, 0]
    chain.ok("owner", F, "repay", number, 4005)
    assert chain.events[-1].values == (number, 5, 4000, 0)
    assert owed(chain, number) == [4000, 0, 0] and lot(chain) == [0, 100, "owner", "locked"]
    next_day(chain, 10)
    assert owed(chain, number) == [4000, 4, 0]
    before = money(chain, "owner")[0]
    # Of more than is owed what is owed is taken.
    assert chain.ok("owner", F, "repay", number, MONEY) == 4004
    assert money(chain, "owner")[0] == before - 4004
    assert money(chain, "bank") == [MONEY + 12, 0]
    names = [(event.contract, event.name) for event in chain.events]
    assert names == [(C, "Settled"), (F, "Repaid"), (U, "Unlocked"), (F, "Released")]
    assert chain.events[-1].values == (number, "repaid", 0)
    assert lot(chain) == [0, 100, "owner", "active"] and owed(chain, number) == [0, 0, 0]
    chain.refused("nothing-owed", "owner", F, "repay", number, 1)
    chain.ok("owner", U, "transfer", "b1", 0, 100, "alice")


def test_rounding_does_not_add_up_over_many_payments(chain: Chain) -> None:
    """0.8 a day, rounded up each day, would be 10 for 10 days; it is 8."""
    number = lend(chain)
    paid = 0
    for _ in range(10):
        next_day(chain)
        interest = owed(chain, number)[1]
        if interest:
            paid += chain.ok("owner", F, "repay", number, interest)
    assert paid == 8 and owed(chain, number) == [8000, 0, 0]


@pytest.mark.parametrize(
    ("code", "sender", "amount"),
    [
        ("bad-amount", "owner", 0),
        ("bad-amount", "owner", -1),
        ("bad-amount", "owner", 10**24 + 1),
        ("not-borrower", "bank", 1),
    ],
)
def test_repayments_that_are_refused(chain: Chain, code: str, sender: str, amount: int) -> None:
    number = lend(chain)
    chain.refused(code, sender, F, "repay", number, amount)
    chain.refused("no-pledge", "owner", F, "repay", 9, 1)
    chain.refused("nothing-owed", "owner", F, "repay", propose(chain, 100, 200), 1)


def test_the_borrower_pays_with_what_it_has(chain: Chain) -> None:
    number = lend(chain)
    chain.ok("owner", C, "transfer", CNY, "bob", money(chain, "owner")[0] - 5, "")
    chain.refused("not-enough-money", "owner", F, "repay", number, 6)
    chain.ok("owner", F, "repay", number, 5)


def test_the_largest_loan_at_the_highest_rate_for_ten_years_overflows_nothing() -> None:
    """All serials that there can be, at the highest price: no debt and no value is too large."""
    chain = make_finance_chain()
    chain.issue("b2", 10**18)
    fund(chain, "bob", 3 * 10**9)
    chain.ok("exchange", M, "open_book", "b2", "b2", TERMS)
    for n in range(3):
        serials = (10**18 - n - 1, 10**18 - n)
        sell(chain, "owner", 10**12, *serials, book="b2", batch="b2")
        chain.ok("bob", M, "buy", "b2", 10**12, 1, "fok", 0, 1000, "")
    next_day(chain)
    issued, redeemed = chain.view(C, "total", CNY)
    principal = 10**24 - (issued - redeemed)
    fund(chain, "bank", principal)
    terms = Terms(
        {"principal": principal, "rate": 10_000, "due_at": chain.time + 3660 * DAY}, {"book": "b2"}
    ).make(chain)
    number = chain.ok("owner", F, "propose", "bank", "b2", 0, 10**18 - 3, *terms)
    assert chain.view(F, "value_of", number) == 10**9 * (10**18 - 3)
    chain.ok("bank", F, "accept", number)
    next_day(chain, 3650)
    assert owed(chain, number) == [principal, 10 * principal, 0]
    chain.ok("owner", F, "repay", number, principal)
    assert owed(chain, number) == [principal, 9 * principal, 0]
    chain.time += 10 * DAY + GRACE
    chain.ok("bank", F, "declare_default", number)


# --- released ---------------------------------------------------------------------------------


def test_the_bank_alone_releases_and_keeps_a_claim(chain: Chain) -> None:
    number = lend(chain)
    next_day(chain, 10)
    for who in ("owner", "mint", "regulator", "exchange"):
        chain.refused("not-lender", who, F, "release", number)
    chain.ok("bank", F, "release", number)
    assert chain.events[-1].values == (number, "released", 8008)
    assert lot(chain) == [0, 100, "owner", "active"]
    assert owed(chain, number) == [0, 0, 8008]
    assert chain.view(F, "claims_on", "owner", "", 0, 9) == [number]
    chain.refused("pledge-released", "bank", F, "release", number)
    # No interest on a claim without cover.
    next_day(chain, 100)
    assert chain.ok("owner", F, "repay", number, 8) == 8
    assert chain.events[-1].values == (number, 0, 0, 8)
    chain.refused("not-lender", "owner", F, "waive", number, 1)
    chain.refused("no-pledge", "bank", F, "waive", 9, 1)
    chain.refused("bad-amount", "bank", F, "waive", number, 8001)
    chain.refused("bad-amount", "bank", F, "waive", number, 0)
    chain.ok("bank", F, "waive", number, 7000)
    assert chain.events[-1].values == (number, 7000)
    assert chain.ok("owner", F, "repay", number, MONEY) == 1000
    assert owed(chain, number) == [0, 0, 0]
    assert chain.view(F, "claims_on", "owner", "", 0, 9) == []
    chain.refused("nothing-owed", "owner", F, "repay", number, 1)


def test_for_a_bank_that_may_not_act_a_regulator_releases(chain: Chain) -> None:
    """And the borrower can pay it all the same."""
    first, second = lend(chain, 0, 100), lend(chain, 100, 200)
    chain.ok("regulator", ID, "revoke", "bank", "gone")
    chain.ok("owner", F, "repay", first, 8000)
    assert lot(chain, 0) == [0, 100, "owner", "active"]
    chain.refused("not-lender", "owner", F, "release", second)
    chain.ok("regulator", F, "release", second)
    assert chain.events[-1].values == (second, "released", 8000)


# --- liens ------------------------------------------------------------------------------------


def test_liens_are_read_by_serial_batch_and_organisation(chain: Chain) -> None:
    chain.ok("owner", U, "transfer", "b1", 300, 400, "alice")
    chain.issue("b0", 50)
    chain.ok("exchange", M, "open_book", "b0", "b0", TERMS)
    one = lend(chain, 100, 200)
    two = propose(chain, 300, 400, lender="mint", owner="alice")
    terms = Terms(cover={"book": "b0"}).make(chain)
    three = chain.ok("owner", F, "propose", "mint", "b0", 0, 50, *terms)
    rows = {
        one: [one, "b1", 100, 200, "owner", "bank", "active"],
        two: [two, "b1", 300, 400, "alice", "mint", "proposed"],
        three: [three, "b0", 0, 50, "owner", "mint", "proposed"],
    }
    assert chain.view(F, "list_liens", "", 0, 9) == [rows[three], rows[one], rows[two]]
    assert chain.view(F, "list_liens", "b1", 200, 9) == [rows[two]]
    assert chain.view(F, "liens_on", "b1", 0, 9) == [rows[one], rows[two]]
    assert chain.view(F, "liens_on", "b1", 200, 9) == [rows[two]]
    assert chain.view(F, "liens_of", "owner", "borrower", 0, 9) == [rows[one], rows[three]]
    assert chain.view(F, "liens_of", "mint", "lender", two, 9) == [rows[three]]
    assert chain.view(F, "liens_of", "bank", "lender", 0, 9) == [rows[one]]
    for serial, number in ((99, 0), (100, one), (199, one), (200, 0), (350, two), (999, 0)):
        assert chain.view(F, "lien_at", "b1", serial)[0] == number
    assert chain.view(F, "count") == 3


def test_views_refuse_what_is_not_there(chain: Chain) -> None:
    for name in ("get_pledge", "owed", "value_of", "get_auction"):
        chain.view_refused("no-pledge", F, name, 1)
    number = lend(chain)
    chain.view_refused("no-auction", F, "get_auction", number)
    chain.view_refused("bad-limit", F, "list_liens", "", 0, 0)
    chain.view_refused("bad-limit", F, "liens_on", "b1", 0, 101)
    chain.view_refused("bad-limit", F, "liens_of", "owner", "lender", 0, 0)
    chain.view_refused("bad-limit", F, "claims_on", "owner", "", 0, 0)


# --- margin and default -----------------------------------------------------------------------


def fall(chain: Chain, price: int) -> None:
    """The window holds trades at ``price`` alone."""
    next_day(chain, 5)
    trade(chain, price)
    next_day(chain)


def test_a_fall_in_value_is_called_and_cured(chain: Chain) -> None:
    number = lend(chain)
    chain.refused("not-short", "bank", F, "call_margin", number)
    # 8000 and 5 of interest are above 90 % of 8800, which are 7920.
    fall(chain, 88)
    chain.refused("not-lender", "owner", F, "call_margin", number)
    chain.refused("not-called", "owner", F, "cure", number)
    chain.ok("bank", F, "call_margin", number)
    called = chain.time
    assert chain.events[-1].values == (number, 8800, 8005, called + CURE)
    chain.refused("already-called", "bank", F, "call_margin", number)
    chain.refused("not-due", "bank", F, "declare_default", number)
    chain.refused("still-short", "owner", F, "cure", number)
    # 7920 are exactly 90 %: that is enough.
    chain.ok("owner", F, "repay", number, 84)
    chain.refused("still-short", "owner", F, "cure", number)
    chain.ok("owner", F, "repay", number, 1)
    chain.ok("bob", F, "cure", number)
    assert chain.events[-1].values == (number,) and get(chain, number, "called_at") == 0
    chain.time = called + CURE
    chain.refused("not-due", "bank", F, "declare_default", number)


def test_a_call_that_is_not_answered_is_a_default(chain: Chain) -> None:
    number = lend(chain)
    fall(chain, 88)
    chain.ok("bank", F, "call_margin", number)
    called = chain.time
    chain.time = called + CURE - 2
    chain.refused("not-due", "bank", F, "declare_default", number)
    chain.refused("not-lender", "mint", F, "declare_default", number)
    chain.ok("bank", F, "declare_default", number)
    assert chain.events[-1].values == (number, "margin", 8007)
    assert get(chain, number, "status") == "defaulted"
    chain.refused("pledge-defaulted", "bank", F, "declare_default", number)
    chain.refused("pledge-defaulted", "bank", F, "call_margin", number)
    chain.refused("pledge-defaulted", "owner", F, "cure", number)


def test_a_call_is_no_default_when_the_value_has_come_back(chain: Chain) -> None:
    number = lend(chain, window_days=1)
    next_day(chain)
    trade(chain, 88)
    next_day(chain)
    chain.ok("bank", F, "call_margin", number)
    next_day(chain)
    trade(chain, PRICE)
    next_day(chain)
    chain.time += 100
    chain.refused("not-short", "bank", F, "declare_default", number)


def test_a_call_lapses_and_may_be_made_again(chain: Chain) -> None:
    number = lend(chain, window_days=31)
    trade(chain, 50, count=10)
    next_day(chain)
    chain.ok("bank", F, "call_margin", number)
    called = chain.time
    chain.time = called + 2 * CURE - 2
    chain.refused("already-called", "bank", F, "call_margin", number)
    chain.refused("call-lapsed", "bank", F, "declare_default", number)
    chain.ok("bank", F, "call_margin", number)
    assert get(chain, number, "called_at") == chain.time
    chain.time += CURE
    chain.ok("bank", F, "declare_default", number)


def test_without_trades_there_is_no_call_and_no_default_of_margin(chain: Chain) -> None:
    number = lend(chain)
    fall(chain, 88)
    chain.ok("bank", F, "call_margin", number)
    chain.time += 5 * DAY
    next_day(chain)
    chain.refused("no-valuation", "owner", F, "cure", number)
    chain.refused("no-valuation", "bank", F, "call_margin", number)


def test_after_the_due_date_and_the_days_of_grace_the_bank_declares(chain: Chain) -> None:
    number = lend(chain)
    due = get(chain, number, "due_at")
    chain.time = due + GRACE - 2
    chain.refused("not-due", "bank", F, "declare_default", number)
    chain.refused("not-lender", "regulator", F, "declare_default", number)
    chain.ok("bank", F, "declare_default", number)
    debt = sum(owed(chain, number))
    assert chain.events[-1].values == (number, "due", debt)
    # Interest runs on, and what is paid counts.
    chain.ok("owner", F, "repay", number, debt - 1)
    assert owed(chain, number) == [1, 0, 0]
    chain.ok("owner", F, "repay", number, 1)
    assert get(chain, number, "status") == "released"


def test_the_bank_may_release_after_a_default(chain: Chain) -> None:
    number = default(chain)
    chain.ok("bank", F, "release", number)
    assert lot(chain) == [0, 100, "owner", "active"]
    assert get(chain, number, "claim") == chain.events[-1].values[2] > 8000


def test_a_suspended_borrower_defaults_like_any_other(chain: Chain) -> None:
    number = lend(chain)
    chain.ok("regulator", ID, "suspend", "owner", "under review")
    chain.time = get(chain, number, "due_at") + GRACE
    chain.ok("bank", F, "declare_default", number)


def test_no_key_in_its_delay_lends_pays_or_gives_up_security(chain: Chain) -> None:
    number, proposed = lend(chain), propose(chain, 100, 200)
    terms = Terms().make(chain)
    decided = chain.ok("regulator", "governance", "propose_key_delay", 3600)
    chain.ok("regulator", "governance", "execute", decided)
    for name in ("owner", "bank"):
        chain.ok(name, ID, "add_key", name, address_of(f"{name}-two"))
    steps: list[tuple[str, str, tuple[Any, ...]]] = [
        ("owner", "propose", ("bank", "b1", 200, 300, *terms)),
        ("bank", "accept", (proposed,)),
        ("owner", "repay", (number, 1)),
        ("bank", "release", (number,)),
        ("bank", "call_margin", (number,)),
        ("bank", "declare_default", (number,)),
    ]
    for who, method, arguments in steps:
        chain.refused("key-delay", who, F, method, *arguments)


def test_a_year_at_a_hundred_percent_doubles_the_debt(chain: Chain) -> None:
    number = lend(chain, rate=10_000, day_basis=365)
    chain.time += YEAR
    assert owed(chain, number) == [8000, 8000, 0]
