"""Cases, freezes and appeals of ``surveillance``: every step that is allowed, and every other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from primitives.errors import GenesisError
from primitives.genesis import GenesisCall, GenesisContract
from primitives.hashing import compute_contract_address
from primitives.transaction import Call
from tests.unit.vm import auction_chain as at
from tests.unit.vm import finance_chain as lending
from tests.unit.vm.carbon_chain import (
    DAY,
    HASH,
    MACHINE,
    Chain,
    address_of,
    make_genesis,
    make_members,
)
from tests.unit.vm.market_chain import CAP, CNY, MORE, C, M, buy, fund, open_book, sell
from tests.unit.vm.surveillance_chain import (
    ID,
    NO_HASH,
    S,
    U,
    group,
    make_watched_chain,
    point,
    raise_self_match,
)
from vm.executor import execute_genesis
from vm.genesis_builder import Administration

WHY = "orders that cross at the close"
G = "governance"


@pytest.fixture
def chain() -> Chain:
    return make_watched_chain()


# --- cases ------------------------------------------------------------------------------------


def make_cased_chain(status: str) -> Chain:
    """Case 1 in the state named: two flags about owner and alice, one about nobody's case yet."""
    chain = make_watched_chain()
    group(chain, "metering", "owner", "alice")
    flags = [raise_self_match(chain, n) for n in range(3)]
    chain.ok("regulator", S, "open_case", "wash", flags[:2])
    if status != "open":
        chain.ok("regulator", S, "assign", 1, "regulator-two")
    if status in ("confirmed", "dismissed"):
        chain.ok("regulator-two", S, "resolve", 1, status == "confirmed", "read the orders")
    assert chain.view(S, "get_case", 1)[1] == status
    return chain


CASE_STEPS: dict[str, tuple[str, tuple[object, ...]]] = {
    "assign": ("regulator", (1, "regulator")),
    "add_flag": ("regulator", (1, 3)),
    "add_note": ("alice", (1, "our desk's own orders", HASH)),
    "resolve": ("regulator-two", (1, True, "yes")),
    "reopen": ("regulator", (1, "a new letter")),
}
CASE_REFUSALS = {
    "open": {"resolve": "not-assigned", "reopen": "not-resolved"},
    "assigned": {"reopen": "not-resolved"},
    "confirmed": dict.fromkeys(("assign", "add_flag", "add_note", "resolve"), "case-resolved"),
    "dismissed": dict.fromkeys(("assign", "add_flag", "add_note", "resolve"), "case-resolved"),
}
CASE_AFTER = {"assign": "assigned", "resolve": "confirmed", "reopen": "open"}


@pytest.mark.parametrize("status", CASE_REFUSALS)
@pytest.mark.parametrize("step", CASE_STEPS)
def test_a_case_takes_the_steps_of_its_state_and_no_other(status: str, step: str) -> None:
    chain = make_cased_chain(status)
    sender, arguments = CASE_STEPS[step]
    code = CASE_REFUSALS[status].get(step)
    if code is not None:
        chain.refused(code, sender, S, step, *arguments)  # type: ignore[arg-type]
        return
    chain.ok(sender, S, step, *arguments)  # type: ignore[arg-type]
    assert chain.view(S, "get_case", 1)[1] == CASE_AFTER.get(step, status)


def test_a_case_keeps_who_did_what_and_why() -> None:
    chain = make_cased_chain("assigned")
    chain.ok("alice", S, "add_note", 1, "our desk's own orders", HASH)
    wrote = chain.time, chain.height
    chain.ok("regulator-two", S, "resolve", 1, False, "a hedge")
    case = chain.view(S, "get_case", 1)
    assert case[:4] == ["wash", "dismissed", "regulator-two", "regulator"]
    assert case[5:] == [2, 1, "regulator-two", chain.time, "a hedge"]
    assert chain.view(S, "notes_of", 1, 0, 10) == [["alice", "our desk's own orders", HASH, *wrote]]
    assert chain.view(S, "flags_in", 1) == [1, 2]
    assert [chain.view(S, "get_flag", n)[-1] for n in (1, 2, 3)] == [1, 1, 0]
    assert len(chain.view(S, "list_cases", 0, 10)) == 1
    chain.ok("regulator", S, "reopen", 1, "a new letter")
    assert chain.view(S, "get_case", 1)[1:3] == ["open", ""]
    for view, arguments in (("get_case", (9,)), ("flags_in", (9,)), ("notes_of", (9, 0, 10))):
        chain.view_refused("no-case", S, view, *arguments)
    chain.view_refused("bad-limit", S, "list_cases", 0, 0)
    chain.view_refused("bad-limit", S, "notes_of", 1, 0, 101)


@pytest.mark.parametrize(
    ("code", "sender", "method", "arguments"),
    [
        ("bad-text", "regulator", "open_case", ("", [3])),
        ("bad-text", "regulator", "open_case", ("x" * 129, [3])),
        ("bad-list", "regulator", "open_case", ("x", [])),
        ("bad-list", "regulator", "open_case", ("x", [3] * 21)),
        ("not-a-regulator", "alice", "open_case", ("x", [3])),
        ("no-flag", "regulator", "open_case", ("x", [4])),
        ("in-a-case", "regulator", "open_case", ("x", [1])),
        ("in-a-case", "regulator", "open_case", ("x", [3, 3])),
        ("not-a-regulator", "alice", "add_flag", (1, 3)),
        ("no-case", "regulator", "add_flag", (2, 3)),
        ("no-flag", "regulator", "add_flag", (1, 4)),
        ("in-a-case", "regulator", "add_flag", (1, 1)),
        ("not-a-regulator", "alice", "assign", (1, "regulator")),
        ("no-case", "regulator", "assign", (2, "regulator")),
        ("assignee-no-regulator", "regulator", "assign", (1, "alice")),
        ("has-case", "regulator", "assign", (1, "regulator-two")),
        ("bad-text", "alice", "add_note", (1, "", HASH)),
        ("bad-text", "alice", "add_note", (1, "x" * 1025, HASH)),
        ("bad-hash", "alice", "add_note", (1, "x", b"x")),
        ("no-case", "alice", "add_note", (2, "x", HASH)),
        ("not-permitted", "bob", "add_note", (1, "x", HASH)),
        ("bad-text", "regulator-two", "resolve", (1, True, "")),
        ("bad-text", "regulator-two", "resolve", (1, True, "x" * 1025)),
        ("not-a-regulator", "alice", "resolve", (1, True, "x")),
        ("no-case", "regulator-two", "resolve", (2, True, "x")),
        ("not-assignee", "regulator", "resolve", (1, True, "x")),
        ("bad-text", "regulator", "reopen", (1, "")),
        ("not-a-regulator", "alice", "reopen", (1, "x")),
        ("no-case", "regulator", "reopen", (2, "x")),
    ],
)
def test_what_a_case_refuses(
    code: str, sender: str, method: str, arguments: tuple[object, ...]
) -> None:
    chain = make_cased_chain("assigned")
    chain.refused(code, sender, S, method, *arguments)  # type: ignore[arg-type]


def test_a_regulator_does_not_judge_itself() -> None:
    chain = make_cased_chain("assigned")
    about = chain.ok("regulator", S, "report", ["regulator", "bob"], "a letter", NO_HASH)
    chain.refused("is-subject", "regulator", S, "open_case", "us", [about])
    chain.refused("is-subject", "regulator", S, "add_flag", 1, about)
    case = chain.ok("regulator-two", S, "open_case", "them", [about])
    chain.refused("is-subject", "regulator", S, "add_flag", case, 3)
    chain.refused("is-subject", "regulator", S, "assign", case, "regulator-two")
    chain.refused("is-subject", "regulator-two", S, "assign", case, "regulator")
    chain.refused("is-subject", "regulator", S, "freeze_trading", "bob", case, DAY, WHY)
    chain.ok("regulator-two", S, "assign", case, "regulator-two")
    chain.ok("regulator-two", S, "resolve", case, True, "so it was")
    chain.refused("is-subject", "regulator", S, "reopen", case, "it was not")


def test_a_case_has_room_for_so_many_flags_and_notes_and_regulators_keep_half() -> None:
    chain = make_watched_chain()
    group(chain, "metering", "owner", "alice")
    flags = [raise_self_match(chain, n) for n in range(21)]
    case = chain.ok("regulator", S, "open_case", "wash", flags[:20])
    chain.refused("too-many-flags", "regulator", S, "add_flag", case, flags[20])
    for sender, count in (("alice", 100), ("regulator", 100)):
        for start in range(0, count, 50):
            calls = [Call(S, "add_note", (case, f"{start}-{n}", NO_HASH)) for n in range(50)]
            receipts, _ = chain.run(chain.make(sender, *calls, gas=5_000_000))
            assert receipts[0].status == "ok", receipts[0]
        chain.refused("too-many-notes", "owner", S, "add_note", case, "no room", NO_HASH)
    chain.refused("too-many-notes", "regulator", S, "add_note", case, "no room", NO_HASH)


# --- an organisation's trading ----------------------------------------------------------------


def freeze(chain: Chain, organisation: str = "alice", seconds: int = DAY, case: int = 0) -> int:
    number: int = chain.ok("regulator", S, "freeze_trading", organisation, case, seconds, WHY)
    return number


def try_everything(chain: Chain, code: str) -> None:
    """What alice could do with units and money a moment ago."""
    until = chain.time + DAY
    chain.refused(code, "alice", U, "transfer", "b1", 0, 1, "bob")
    chain.refused(code, "alice", U, "lock", "b1", 0, 1, "order", "bob", "")
    chain.refused(code, "alice", U, "split", "b1", 10)
    chain.refused(code, "alice", U, "merge", "b1", 10)
    chain.refused(code, "alice", "retirement", "retire", "b1", 0, 1, "bob", "x")
    chain.refused(code, "alice", C, "transfer", CNY, "bob", 1, "")
    chain.refused(code, "alice", M, "buy", "b1", 5, 1, "gtt", until, CAP, "")
    chain.refused(code, "alice", M, "sell", "b1", 5, "b1", 0, 1, "gtt", until, CAP)


def test_a_freeze_binds_units_money_and_orders_both_ways_until_its_last_second(
    chain: Chain,
) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 100, "alice")
    freeze(chain)
    until = chain.time + DAY
    assert chain.view(ID, "trading_stopped_until", "alice") == until
    try_everything(chain, "trading-frozen")
    chain.refused("no-receiver", "owner", U, "transfer", "b1", 100, 101, "alice")
    chain.refused("no-receiver", "bob", C, "transfer", CNY, "alice", 1, "")
    # It still speaks: it is a member, and may ask to be heard.
    assert chain.view(ID, "get_organisation", "alice")[3] == "active"
    chain.ok("alice", ID, "grant", "bob", "meters", chain.time * 2)
    chain.time = until - 2
    chain.refused("trading-frozen", "alice", C, "transfer", CNY, "bob", 1, "")
    assert chain.time == until - 1
    chain.ok("alice", U, "transfer", "b1", 0, 1, "bob")
    chain.ok("owner", U, "transfer", "b1", 100, 101, "alice")
    assert chain.view(ID, "trading_stopped_until", "alice") == 0


def test_orders_that_rest_end_when_they_are_met(chain: Chain) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 100, "alice")
    asked = sell(chain, "alice", 100, 0, 10)
    wanted = buy(chain, "alice", 50, 10)
    freeze(chain)
    bought = buy(chain, "bob", 100, 10, force="ioc")
    sold = sell(chain, "owner", 50, 100, 110, force="ioc")
    for order in (asked, wanted, bought, sold):
        assert chain.view(M, "get_order", order)[13] == "cancelled"
    assert chain.view(M, "get_ticker", "b1")[1] == 0
    assert chain.view(U, "get_lot_at", "b1", 0)[2:4] == ["alice", "active"]
    assert chain.view(C, "account_of", "alice", CNY)[1] == 0


def test_a_frozen_seller_can_cancel_its_orders_and_retire_nothing(chain: Chain) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 100, "alice")
    order = sell(chain, "alice", 100, 0, 10)
    freeze(chain)
    chain.ok("alice", M, "cancel", order)
    chain.refused("trading-frozen", "alice", "retirement", "cancel", "b1", 0, 1, "x")


def delayed_chain() -> Chain:
    """Keys rest for an hour after a change."""
    regulator = address_of("regulator")
    administration = Administration((regulator,), 1, (), 3600)
    chain = Chain(make_genesis(administration=administration, members=(*make_members(), *MORE)))
    fund(chain, "alice", 1000)
    return chain


NEW = address_of("new-key")


def pay(chain: Chain, code: str = "", key: str | bytes = "alice") -> None:
    arguments = (C, "transfer", CNY, "bob", 1, "")
    if code:
        chain.refused(code, key, *arguments)  # type: ignore[arg-type]
    else:
        chain.ok(key, *arguments)  # type: ignore[arg-type]


def test_new_keys_open_no_way_out_and_a_freeze_cuts_no_delay_short() -> None:
    chain = delayed_chain()
    number = freeze(chain)
    chain.ok("alice", ID, "add_key", "alice", NEW)
    pay(chain, "trading-frozen", NEW)
    chain.ok("alice", ID, "remove_key", NEW)
    changed = chain.time
    chain.ok("regulator", S, "lift", number, "a mistake")
    pay(chain, "key-delay")
    chain.time = changed + 3600
    pay(chain)
    chain.ok("alice", ID, "rotate_key", address_of("alice"), address_of("alice-two"))
    number = freeze(chain, seconds=60)
    chain.time += 60
    pay(chain, "key-delay", "alice-two")
    chain.time += 3600
    pay(chain, key="alice-two")


def test_without_a_change_of_keys_a_lifted_freeze_leaves_no_delay() -> None:
    chain = delayed_chain()
    number = freeze(chain)
    pay(chain, "trading-frozen")
    chain.ok("regulator-two", S, "lift", number, "a mistake")
    pay(chain)
    assert chain.view(ID, "trading_stopped_until", "alice") == 0


def test_suspension_and_freeze_end_each_by_itself(chain: Chain) -> None:
    number = freeze(chain)
    chain.ok("regulator", ID, "suspend", "alice", "x")
    chain.ok("regulator", ID, "reinstate", "alice")
    pay(chain, "trading-frozen")
    chain.ok("regulator", ID, "suspend", "alice", "x")
    chain.ok("regulator", S, "lift", number, "x")
    chain.refused("no-receiver", "bob", C, "transfer", CNY, "alice", 1, "")
    chain.ok("regulator", ID, "reinstate", "alice")
    pay(chain)
    chain.ok("regulator", ID, "suspend", "alice", "x")
    chain.refused("not-active", "regulator", S, "freeze_trading", "alice", 0, DAY, WHY)


def test_roles_change_under_a_freeze_and_it_holds(chain: Chain) -> None:
    freeze(chain)
    chain.ok("regulator", ID, "add_role", "alice", "verifier")
    pay(chain, "trading-frozen")
    chain.refused("no-receiver", "owner", U, "transfer", "b1", 0, 1, "alice")
    chain.time += DAY
    chain.ok("owner", U, "transfer", "b1", 0, 1, "alice")
    assert chain.view(ID, "get_taker", "alice") == "verifier"


def test_a_new_freeze_follows_the_old_one_only_when_that_is_over(chain: Chain) -> None:
    first = freeze(chain)
    chain.refused("already-frozen", "regulator", S, "freeze_trading", "alice", 0, DAY, WHY)
    chain.time += DAY
    second = freeze(chain)
    assert chain.view(S, "get_freeze", first)[6] == "expired"
    chain.refused("not-in-force", "bob", S, "expire", first)
    pay(chain, "trading-frozen")
    chain.refused("not-due", "bob", S, "expire", second)
    chain.time += DAY
    chain.ok("bob", S, "expire", second)
    assert chain.view(S, "freezes_about", "alice", 0, 10) == [first, second]
    chain.view_refused("bad-limit", S, "freezes_about", "alice", 0, 0)


STANDIN = """
from vm import call, export

@export
def stop(organisation: str, until: int) -> None:
    call("identity", "stop_trading", organisation, until)

@export
def resume(organisation: str) -> None:
    call("identity", "resume_trading", organisation)
"""


def test_what_is_stopped_or_suspended_is_not_stopped_again() -> None:
    """A contract in the place of surveillance, which never asks for either."""
    genesis = make_genesis()
    address = (compute_contract_address("standin"),)
    calls = tuple(
        GenesisCall(item.sender, Call(ID, "connect", address))
        if (item.call.contract, item.call.method) == (ID, "connect")
        else item
        for item in genesis.calls
    )
    contracts = (*genesis.contracts, GenesisContract("standin", STANDIN.lstrip()))
    chain = Chain(replace(genesis, contracts=contracts, calls=calls))
    chain.refused("not-stopped", "bob", "standin", "resume", "alice")
    chain.ok("bob", "standin", "stop", "alice", chain.time + 100)
    chain.refused("not-active", "bob", "standin", "stop", "alice", chain.time + 200)
    chain.ok("bob", "standin", "resume", "alice")
    chain.ok("regulator", ID, "suspend", "alice", "x")
    chain.refused("not-active", "bob", "standin", "stop", "alice", chain.time + 200)


def test_surveillance_alone_stops_trading(chain: Chain) -> None:
    for sender in ("regulator", "alice"):
        chain.refused("not-surveillance", sender, ID, "stop_trading", "alice", chain.time + 9)
        chain.refused("not-surveillance", sender, ID, "resume_trading", "alice")
        chain.refused("not-surveillance", sender, U, "freeze", "b1", 0, 1, "x")
        chain.refused("not-surveillance", sender, U, "unfreeze", "b1", 0, 1)
    here = address_of("regulator")
    chain.refused("not-authority", "regulator", ID, "connect", here)
    chain.refused("not-authority", "regulator", U, "connect_surveillance", here)


# --- serials ----------------------------------------------------------------------------------


def freeze_serials(chain: Chain, start: int = 0, end: int = 10, seconds: int = DAY) -> int:
    number: int = chain.ok("regulator", S, "freeze_serials", "b1", start, end, 0, seconds, WHY)
    return number


def test_frozen_serials_stand_still_and_the_rest_moves(chain: Chain) -> None:
    number = freeze_serials(chain, 10, 20)
    assert chain.view(S, "get_freeze", number)[:4] == ["owner", "b1", 10, 20]
    assert chain.view(U, "get_lock", "b1", 20)[:3] == ["court", S, f"freeze:{number}"]
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 10, 20, "alice")
    chain.refused("lot-locked", "owner", "retirement", "retire", "b1", 10, 11, "owner", "x")
    until = chain.time + DAY
    chain.refused("lot-locked", "owner", M, "sell", "b1", 5, "b1", 10, 20, "gtt", until, CAP)
    for sender in ("owner", "regulator"):
        chain.refused("not-holder", sender, U, "unlock", "b1", 10, 20)
    chain.ok("owner", U, "transfer", "b1", 0, 10, "alice")
    chain.ok("owner", U, "transfer", "b1", 20, 1000, "alice")
    chain.refused("not-due", "alice", S, "expire", number)
    chain.time += DAY
    # The lock has no clock of its own: it opens when anybody says that the time is over.
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 10, 20, "alice")
    chain.ok("alice", S, "expire", number)
    chain.ok("owner", U, "transfer", "b1", 10, 20, "alice")


def test_serials_that_are_bound_elsewhere_are_frozen_once_the_order_is_cancelled(
    chain: Chain,
) -> None:
    order = sell(chain, "owner", 100, 0, 10)
    arguments = ("b1", 0, 10, 0, DAY, WHY)
    chain.refused("lot-locked", "regulator", S, "freeze_serials", *arguments)
    calls = (Call(M, "cancel", (order,)), Call(S, "freeze_serials", arguments))
    receipts, _ = chain.run(chain.make("regulator", *calls))
    assert receipts[0].status == "ok"
    chain.refused("lot-locked", "owner", U, "transfer", "b1", 0, 10, "alice")
    chain.refused("lot-locked", "regulator", S, "freeze_serials", *arguments)


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("not-a-regulator", "alice", ("b1", 0, 10, 0, DAY, WHY)),
        ("bad-range", "regulator", ("b1", 10, 10, 0, DAY, WHY)),
        ("bad-range", "regulator", ("b1", -1, 10, 0, DAY, WHY)),
        ("no-lot", "regulator", ("b1", 0, 1001, 0, DAY, WHY)),
        ("no-lot", "regulator", ("b9", 0, 10, 0, DAY, WHY)),
        ("lot-retired", "regulator", ("b1", 990, 1000, 0, DAY, WHY)),
        ("bad-seconds", "regulator", ("b1", 0, 10, 0, 0, WHY)),
        ("bad-seconds", "regulator", ("b1", 0, 10, 0, 366 * DAY + 1, WHY)),
        ("bad-text", "regulator", ("b1", 0, 10, 0, DAY, "")),
        ("bad-text", "regulator", ("b1", 0, 10, 0, DAY, "x" * 1025)),
        ("no-case", "regulator", ("b1", 0, 10, 7, DAY, WHY)),
    ],
)
def test_what_a_freeze_of_serials_refuses(
    chain: Chain, code: str, sender: str, arguments: tuple[object, ...]
) -> None:
    chain.ok("owner", "retirement", "retire", "b1", 990, 1000, "owner", "x")
    chain.refused(code, sender, S, "freeze_serials", *arguments)  # type: ignore[arg-type]


# --- appeals ----------------------------------------------------------------------------------

FREEZE_STEPS: dict[str, tuple[str, tuple[object, ...]]] = {
    "appeal": ("alice", (1, "it was a hedge", HASH)),
    "decide_appeal": ("regulator-two", (1, False, "it was not")),
    "lift": ("regulator", (1, "enough")),
    "expire": ("bob", (1,)),
}
FREEZE_REFUSALS = {
    "active": {"decide_appeal": "no-appeal", "expire": "not-due"},
    "appealed": {"appeal": "already-appealed", "expire": "not-due"},
    "upheld": {"appeal": "already-appealed", "decide_appeal": "no-appeal", "expire": "not-due"},
    "over": {"appeal": "not-in-force", "decide_appeal": "no-appeal"},
    "over-appealed": {"appeal": "not-in-force", "decide_appeal": "not-in-force"},
    "lifted": {
        "appeal": "not-in-force", "decide_appeal": "no-appeal", "lift": "not-in-force",
        "expire": "not-in-force",
    },
    "granted": {
        "appeal": "not-in-force", "decide_appeal": "no-appeal", "lift": "not-in-force",
        "expire": "not-in-force",
    },
    "expired": {
        "appeal": "not-in-force", "decide_appeal": "no-appeal", "lift": "not-in-force",
        "expire": "not-in-force",
    },
}  # fmt: skip
FREEZE_AFTER = {
    "appeal": "appealed", "decide_appeal": "upheld", "lift": "lifted", "expire": "expired",
}  # fmt: skip


def order_freeze(chain: Chain, kind: str) -> None:
    if kind == "trading":
        freeze(chain)
    else:
        chain.ok("owner", U, "transfer", "b1", 0, 10, "alice")
        freeze_serials(chain)


def make_frozen_chain(status: str, kind: str) -> Chain:
    """Freeze 1, of alice's trading or serials, in the state named."""
    chain = make_watched_chain()
    order_freeze(chain, kind)
    if status in ("appealed", "upheld", "over-appealed", "granted"):
        chain.ok("alice", S, "appeal", 1, "it was a hedge", HASH)
    if status in ("upheld", "granted"):
        chain.ok("regulator-two", S, "decide_appeal", 1, status == "granted", "read it")
    if status == "lifted":
        chain.ok("regulator", S, "lift", 1, "enough")
    if status in ("over", "over-appealed", "expired"):
        chain.time += DAY
    if status == "expired":
        chain.ok("bob", S, "expire", 1)
    return chain


@pytest.mark.parametrize("kind", ["trading", "serials"])
@pytest.mark.parametrize("status", FREEZE_REFUSALS)
@pytest.mark.parametrize("step", FREEZE_STEPS)
def test_a_freeze_takes_the_steps_of_its_state_and_no_other(
    kind: str, status: str, step: str
) -> None:
    chain = make_frozen_chain(status, kind)
    sender, arguments = FREEZE_STEPS[step]
    code = FREEZE_REFUSALS[status].get(step)
    if code is not None:
        chain.refused(code, sender, S, step, *arguments)  # type: ignore[arg-type]
        return
    chain.ok(sender, S, step, *arguments)  # type: ignore[arg-type]
    after = FREEZE_AFTER[step]
    assert chain.view(S, "get_freeze", 1)[6] == after
    move: tuple[Callable[..., object], tuple[object, ...]] = (
        (chain.ok, ()) if after in ("lifted", "expired") else (chain.refused, ("lot-locked",))
    )
    if kind == "serials":
        move[0](*move[1], "alice", U, "transfer", "b1", 0, 10, "bob")
    else:
        pay(chain, "" if after in ("lifted", "expired") else "trading-frozen")


def test_an_appeal_keeps_every_reason_in_public(chain: Chain) -> None:
    number = freeze(chain, seconds=10 * DAY)
    ordered = chain.time
    chain.ok("alice", S, "appeal", number, "it was a hedge", HASH)
    appealed = chain.time
    chain.ok("regulator-two", S, "decide_appeal", number, True, "it was")
    assert chain.view(S, "list_freezes", 0, 10) == [
        [
            "alice", "", 0, 0, 0, WHY, "lifted", "regulator", ordered, 10 * DAY,
            ordered + 10 * DAY, "it was a hedge", HASH, appealed, "regulator-two", chain.time,
            "it was",
        ]
    ]  # fmt: skip
    pay(chain)
    chain.view_refused("no-freeze", S, "get_freeze", 2)
    chain.view_refused("bad-limit", S, "list_freezes", 0, 0)


def test_whose_appeal_was_granted_is_not_frozen_again_by_the_same_regulator_at_once(
    chain: Chain,
) -> None:
    chain.ok("owner", U, "transfer", "b1", 0, 10, "alice")
    number = freeze(chain)
    chain.ok("alice", S, "appeal", number, "it was a hedge", NO_HASH)
    chain.ok("regulator-two", S, "decide_appeal", number, True, "it was")
    granted = chain.time
    again = ("regulator", S, "freeze_trading", "alice", 0, DAY, WHY)
    chain.refused("appeal-granted", *again)
    chain.refused("appeal-granted", "regulator", S, "freeze_serials", "b1", 0, 10, 0, DAY, WHY)
    chain.time = granted + 30 * DAY - 2
    chain.refused("appeal-granted", *again)
    chain.ok(*again)
    chain.ok("regulator", S, "lift", number + 1, "enough")
    chain.ok("regulator-two", S, "freeze_trading", "alice", 0, DAY, WHY)


@pytest.mark.parametrize(
    ("code", "sender", "method", "arguments"),
    [
        ("bad-text", "regulator", "freeze_trading", ("bob", 0, DAY, "")),
        ("bad-seconds", "regulator", "freeze_trading", ("bob", 0, 0, WHY)),
        ("not-a-regulator", "bob", "freeze_trading", ("alice", 0, DAY, WHY)),
        ("no-case", "regulator", "freeze_trading", ("bob", 4, DAY, WHY)),
        ("not-active", "regulator", "freeze_trading", ("nobody", 0, DAY, WHY)),
        ("is-subject", "regulator", "freeze_trading", ("regulator", 0, DAY, WHY)),
        ("bad-text", "alice", "appeal", (1, "", HASH)),
        ("bad-hash", "alice", "appeal", (1, "x", b"x")),
        ("no-freeze", "alice", "appeal", (2, "x", HASH)),
        ("not-frozen-party", "bob", "appeal", (1, "x", HASH)),
        ("bad-text", "regulator-two", "decide_appeal", (1, True, "")),
        ("not-a-regulator", "alice", "decide_appeal", (1, True, "x")),
        ("no-freeze", "regulator-two", "decide_appeal", (2, True, "x")),
        ("own-decision", "regulator", "decide_appeal", (1, False, "x")),
        ("bad-text", "regulator", "lift", (1, "")),
        ("not-a-regulator", "alice", "lift", (1, "x")),
        ("no-freeze", "regulator", "lift", (2, "x")),
        ("no-freeze", "regulator", "expire", (2,)),
        ("not-authority", "regulator", "decide", ("appeal", 1, True)),
    ],
)
def test_what_a_freeze_of_trading_refuses(
    code: str, sender: str, method: str, arguments: tuple[object, ...]
) -> None:
    chain = make_frozen_chain("active", "trading")
    chain.refused(code, sender, S, method, *arguments)  # type: ignore[arg-type]


def test_regulators_of_one_group_are_one_regulator(chain: Chain) -> None:
    group(chain, "bank", "regulator", "regulator-two", "alice")
    chain.refused("is-subject", "regulator", S, "freeze_trading", "alice", 0, DAY, WHY)
    chain.ok("regulator", ID, "set_control", "alice", "")
    number = freeze(chain)
    chain.ok("alice", S, "appeal", number, "x", NO_HASH)
    chain.refused("own-decision", "regulator-two", S, "decide_appeal", number, False, "x")
    group(chain, "metering", "alice", "regulator-two")
    chain.refused("is-subject", "regulator-two", S, "decide_appeal", number, True, "x")
    chain.refused("is-subject", "regulator-two", S, "lift", number, "x")


# --- what is left to a vote -------------------------------------------------------------------


def carry(chain: Chain, subject: str, number: int, wanted: bool, code: str = "") -> None:
    """The one administrator of this chain proposes, which is its vote, and executes."""
    arguments = (S, subject, number, wanted)
    proposal = chain.ok("regulator", G, "propose_decision", *arguments)
    if code:
        chain.refused(code, "regulator", G, "execute", proposal)
    else:
        chain.ok("regulator", G, "execute", proposal)


def test_an_appeal_may_be_decided_by_vote(chain: Chain) -> None:
    for wanted, status in ((False, "upheld"), (True, "lifted")):
        number = freeze(chain)
        carry(chain, "appeal", number, wanted, "no-appeal")
        chain.ok("alice", S, "appeal", number, "x", NO_HASH)
        carry(chain, "appeal", number, wanted)
        found = chain.view(S, "get_freeze", number)
        assert (found[6], found[14], found[16]) == (status, "", "by vote")
        if not wanted:
            chain.ok("regulator", S, "lift", number, "enough")
    carry(chain, "elsewhere", 1, True, "bad-subject")
    carry(chain, "appeal", 9, True, "no-freeze")


def test_a_regulator_is_frozen_by_vote_only(chain: Chain) -> None:
    fund(chain, "regulator-two", 1000)
    pay_two = ("regulator-two", C, "transfer", CNY, "bob", 1, "")
    number = freeze(chain, "regulator-two")
    assert chain.view(S, "get_freeze", number)[6] == "proposed"
    chain.ok(*pay_two)
    for method, arguments in (
        ("lift", (number, "x")),
        ("expire", (number,)),
    ):
        chain.refused("not-in-force", "regulator", S, method, *arguments)
    chain.refused("not-in-force", "regulator-two", S, "appeal", number, "x", NO_HASH)
    carry(chain, "freeze", number, False)
    assert chain.view(S, "get_freeze", number)[6] == "refused"
    carry(chain, "freeze", number, True, "not-proposed")
    number = freeze(chain, "regulator-two")
    chain.time += 2 * DAY
    carry(chain, "freeze", number, True)
    assert chain.view(S, "get_freeze", number)[10] == chain.time + DAY
    chain.refused("trading-frozen", *pay_two)
    chain.refused("is-subject", "regulator-two", S, "lift", number, "x")
    chain.ok("regulator-two", S, "appeal", number, "x", NO_HASH)
    carry(chain, "appeal", number, True)
    chain.ok(*pay_two)


def test_a_house_cannot_hide_serials_of_a_party_that_is_frozen_later(chain: Chain) -> None:
    """Bought before, resting now: what others sell it does not reach it any more."""
    open_book(chain, "b2")
    wanted = buy(chain, "alice", 50, 10, book="b2")
    number = freeze(chain)
    sold = sell(chain, "owner", 50, 0, 10, book="b2")
    assert chain.view(M, "get_order", wanted)[13] == "cancelled"
    assert chain.view(M, "get_order", sold)[13] == "open"
    chain.ok("regulator", S, "lift", number, "enough")
    buy(chain, "alice", 50, 10, book="b2")
    assert chain.view(U, "get_lot_at", "b1", 0)[2] == "alice"
    assert point(chain, 0)[2] > 1


@pytest.mark.parametrize(("contract", "method"), [(ID, "connect"), (U, "connect_surveillance")])
def test_surveillance_is_named_once(contract: str, method: str) -> None:
    genesis = make_genesis()
    again = next(
        item for item in genesis.calls
        if (item.call.contract, item.call.method) == (contract, method)
    )  # fmt: skip
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*genesis.calls, again)))
    assert caught.value.values_seen["outcome_code"] == "already-connected"


# --- other contracts that trade ---------------------------------------------------------------


def test_a_frozen_party_neither_sells_nor_wins_in_an_auction() -> None:
    chain = at.make_auction_chain()
    at.open_auction(chain, kg=100)
    at.bid(chain, "alice", 3000, 50)
    at.bid(chain, "bob", 2000, 50)
    number = freeze(chain)
    chain.refused("trading-frozen", "alice", "auctions", "bid", 1, 4000, 10)
    at.end_window(chain)
    while at.advance(chain) not in ("sold", "cancelled"):
        pass
    assert [kg for _, kg in at.outcomes(chain)] == [0, 50]
    assert at.money(chain, "alice") == [at.MONEY, 0]
    chain.ok("regulator", S, "lift", number, "enough")
    at.open_auction(chain, kg=50)
    at.bid(chain, "alice", 3000, 50, auction=2)
    freeze(chain, "owner")
    at.end_window(chain, auction=2)
    while at.advance(chain, auction=2) not in ("sold", "cancelled"):
        pass
    assert at.result(chain, auction=2)[:2] == ["cancelled", "seller-inactive"]
    assert at.money(chain, "alice") == [at.MONEY, 0]


def test_no_bank_issues_or_lends_to_a_frozen_party() -> None:
    chain = lending.make_finance_chain()
    number = lending.propose(chain)
    freeze(chain, "owner")
    chain.refused("no-receiver", "mint", C, "issue", CNY, "owner", 1, "")
    chain.refused("no-receiver", "bank", "finance", "accept", number)
    chain.ok("regulator", S, "lift", 1, "enough")
    chain.ok("mint", C, "issue", CNY, "owner", 1, "")
    chain.ok("bank", "finance", "accept", number)
