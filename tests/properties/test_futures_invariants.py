"""Random trading of a series of futures, from its listing to its settlement, against a model.

After every block the chain and the model agree on each refusal's code, each free deposit, position,
margin, order and part of the default fund. Money is conserved: what everybody gained and lost, with
the fees, is zero. Long is short. While the series trades nobody is below the maintenance margin.
A failing seed is in the name of the test.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import Any

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.properties.futures_model import DAY, Held, Model, RefusedError, Rules
from tests.unit.vm.carbon_chain import Chain
from tests.unit.vm.futures_chain import F, K, S, get_midnight, make_terms
from tests.unit.vm.market_chain import CNY, fund, make_market_chain, open_book

SEEDS = range(8)
BLOCKS = 70
TRANSACTIONS_PER_BLOCK = 5
TRADERS = ("alice", "bob", "owner", "bank", "metering")
EVERYBODY = (*TRADERS, "exchange")
MONEY = 40_000
PRICE = 700
LIFE = 22
SEEN: Counter[str] = Counter()

Step = tuple[str, Call, str, tuple[Any, ...]]


def draw_rules(rng: random.Random, expiry: int) -> Rules:
    """Margins below the band, so that a mark may cost more than there is; of one in four not."""
    maintenance = rng.randrange(200, 1500)
    band = maintenance if rng.random() < 0.25 else rng.randrange(1500, 4000)
    return Rules(
        expiry=expiry, unit=rng.choice((1, 3)), tick=rng.choice((1, 5)),
        initial=maintenance + rng.randrange(0, 800), maintenance=maintenance,
        band=band, contribution=rng.choice((0, 50, 300)), penalty=0,
        maker_fee=rng.randrange(0, 3), taker_fee=rng.randrange(0, 5),
        volume_min=rng.choice((1, 12)),
    )  # fmt: skip


def make_chain(rng: random.Random) -> tuple[Chain, Model]:
    chain = make_market_chain()
    chain.issue("b1", 10)
    open_book(chain)
    rules = draw_rules(rng, get_midnight(chain, LIFE))
    terms = make_terms(
        chain, expiry=rules.expiry, size_kg=1000 * rules.unit, tick=rules.tick,
        initial=rules.initial, maintenance=rules.maintenance, band=rules.band,
        contribution=rules.contribution, maker_fee=rules.maker_fee, taker_fee=rules.taker_fee,
        penalty=rules.penalty, volume_min=rules.volume_min,
    )  # fmt: skip
    for name in EVERYBODY:
        fund(chain, name, 10 * MONEY)
        chain.ok(name, K, "deposit", CNY, MONEY)
    chain.ok("exchange", K, "open_series", S, terms, PRICE)
    model = Model(rules, PRICE, chain.time // DAY - 1)
    model.free = dict.fromkeys(EVERYBODY, MONEY)
    model.held = {name: Held() for name in EVERYBODY}
    return chain, model


def make(contract: str, method: str, *arguments: Value) -> Call:
    return Call(contract, method, arguments)


def draw(rng: random.Random, model: Model) -> Step:
    who = rng.choice(TRADERS)
    side = rng.choice((1, -1))
    # The market trends for some days: else nobody would ever be called.
    trend = 100 + (-1) ** (model.now // DAY // 4) * rng.randrange(0, model.rules.band // 110)
    price = max(1, model.price * (trend + rng.randrange(-4, 5)) // 100)
    price = max(1, price // model.rules.tick) * model.rules.tick
    contracts = rng.choice((1, 2, 4, 8, 15, 30))
    force = rng.choice(("gtt", "gtt", "gtt", "ioc", "fok"))
    until = model.now + rng.randrange(1, 3 * DAY) if force == "gtt" else 0
    until = min(until, model.rules.expiry) if until else 0
    if force == "gtt" and until <= model.now:
        force, until = "ioc", 0
    open_now = model.find_open(1) + model.find_open(-1)
    number = rng.choice(open_now) if open_now and rng.random() < 0.8 else 1
    owner = model.orders[number].owner if number in model.orders else who
    sender = owner if rng.random() < 0.8 else who
    # Whoever has little behind its position is in danger at the next mark.
    much = model.free[who] if rng.random() < 0.5 else rng.randrange(1, 4000)
    amount = max(1, much)
    stake = rng.randrange(1, 300)
    name = "buy" if side == 1 else "sell"
    steps: list[Step] = [
        (who, make(F, "place", S, name, price, contracts, force, until, 99),
         "place", (who, side, price, contracts, force, until)),
        (sender, make(F, "cancel", number), "cancel", (sender, number)),
        (who, make(K, "withdraw", CNY, amount), "withdraw", (who, amount)),
        (who, make(K, "deposit", CNY, 500), "deposit", (who, 500)),
        (who, make(K, "collect", S), "collect", (who,)),
        (who, make(K, "redeem", S), "redeem", (who,)),
        (who, make(K, "mark", S), "mark", ()),
        (who, make(K, "clear", S), "clear", ()),
        ("exchange", make(K, "add_stake", S, stake), "add_stake", (stake,)),
        (who, make("delivery", "close_out", S, [who]), "close_out", (who,)),
    ]  # fmt: skip
    due = model.status == "open" and model.marked < model.now // DAY - 1
    weights = [24, 1, 2, 2, 1, 1, 30 if due else 1, 30 if model.status == "clearing" else 0.3, 0.3,
               10 if model.status == "settling" else 0.2]  # fmt: skip
    return rng.choices(steps, weights)[0]


def apply(model: Model, step: Step) -> tuple[Model, str]:
    """The model after the step, and its code: a refusal leaves the model as it was."""
    changed = copy.deepcopy(model)
    try:
        getattr(changed, step[2])(*step[3])
    except RefusedError as refusal:
        return model, str(refusal)
    return changed, ""


def check(chain: Chain, model: Model, paid_in: dict[str, int]) -> None:
    state = chain.view(K, "get_state", S)
    assert state[:4] == [model.status, model.price, model.marked, model.marks]
    stake, value, shares, _ = chain.view(K, "get_fund", S)
    assert (stake, value, shares) == (model.stake, model.fund, sum(model.shares.values()))
    wealth = 0
    for name in EVERYBODY:
        free = chain.view(K, "free_of", name, CNY)
        contracts, _, equity, _, least, _, part = chain.view(K, "standing_of", S, name)
        was = model.held[name]
        found = (free, contracts, equity, part)
        assert found == (model.free[name], was.contracts, was.margin, model.part(name)), name
        assert free >= 0
        if model.status == "open":
            assert equity >= least and (contracts != 0 or equity == 0)
        wealth += free + equity
    # What all gained and lost, fees included, is nothing: it is the money that they put in.
    assert wealth + stake + value == sum(paid_in.values())
    assert chain.view("cash", "account_of", K, CNY)[:2] == [sum(paid_in.values()), 0]
    longs = [was.contracts for was in model.held.values() if was.contracts > 0]
    assert chain.view(K, "get_interest", S) == sum(longs)
    if model.status in ("open", "clearing"):
        assert sum(was.contracts for was in model.held.values()) == 0
    for side, sign in (("long", 1), ("short", -1)):
        expected = sorted(
            (-sign * was.contracts, name)
            for name, was in model.held.items()
            if was.contracts * sign > 0
        )
        rows = chain.view(K, "positions_of", S, side, 0, "", 100)
        assert rows == [[name, -size] for size, name in expected]
    for side, sign in (("buy", 1), ("sell", -1)):
        rows = chain.view(F, "list_resting", S, side, 0, 0, 100)
        expected_rows = [
            [n, model.orders[n].price, model.orders[n].left] for n in model.find_open(sign)
        ]
        assert rows == expected_rows


def count_money(step: Step, paid_in: dict[str, int]) -> None:
    if step[2] == "deposit":
        paid_in[step[3][0]] += step[3][1]
    elif step[2] == "withdraw":
        paid_in[step[3][0]] -= step[3][1]


def settle(chain: Chain, model: Model, paid_in: dict[str, int]) -> None:
    """Whatever happened: everybody is paid, and nothing is left behind but roundings."""
    chain.time = max(chain.time, model.rules.expiry)
    while model.status != "settling":
        model.now = chain.time + 1
        name = "clear" if model.status == "clearing" else "mark"
        chain.ok("alice", K, name, S)
        getattr(model, name)()
        check(chain, model, paid_in)
    for name in EVERYBODY:
        if model.held[name].contracts:
            chain.ok("alice", "delivery", "close_out", S, [name])
            model.close_out(name)
        if model.part(name):
            chain.ok(name, K, "redeem", S)
            model.redeem(name)
        check(chain, model, paid_in)
    left = chain.ok("exchange", K, "finish", S)
    assert left == model.stake and model.fund == 0
    assert sum(model.free.values()) + left == sum(paid_in.values())
    assert sum(chain.view(K, "free_of", name, CNY) for name in EVERYBODY) == sum(paid_in.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_random_trading_keeps_every_invariant(seed: int) -> None:
    rng = random.Random(seed)
    chain, model = make_chain(rng)
    paid_in = dict.fromkeys(EVERYBODY, MONEY)
    codes: list[str] = []
    for _ in range(BLOCKS):
        if rng.random() < 0.25 and model.status == "open":
            chain.time += rng.randrange(DAY // 2, 2 * DAY)
        model.now = chain.time + 1
        transactions, expected = [], []
        for _ in range(TRANSACTIONS_PER_BLOCK):
            step = draw(rng, model)
            transactions.append(chain.make(step[0], step[1], gas=10_000_000))
            model, code = apply(model, step)
            expected.append((code, step))
            if code == "":
                count_money(step, paid_in)
        receipts, _ = chain.run(*transactions)
        for receipt, (code, step) in zip(receipts, expected, strict=True):
            assert (receipt.status == "ok", receipt.code) == (code == "", code), step
        codes += [code for code, _ in expected]
        check(chain, model, paid_in)
    settle(chain, model, paid_in)
    if model.rules.band <= model.rules.maintenance:
        # One mark takes no more than the margin that every position had before it.
        assert "cover" not in model.log
    SEEN.update(model.log)
    SEEN.update(codes)
    # A history in which hardly anything happens would prove nothing.
    assert len(model.trades) > 10 and codes.count("") > len(codes) // 4


def test_the_histories_together_saw_every_way_out_of_a_default() -> None:
    """Runs after them, in the order of the file; alone it has nothing to look at."""
    if len(SEEN) == 0:
        pytest.skip("the histories did not run in this process")
    assert all(SEEN[name] for name in ("call", "cover", "book", "largest", "shared")), SEEN
    assert all(SEEN[code] for code in ("not-enough-margin", "self-trade", "outside-band")), SEEN
