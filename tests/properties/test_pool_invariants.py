"""Random histories of baskets and tokens against a model that knows every serial and every share.

After every block the chain and the model agree on each refusal's code, the owner and status of
every serial, each holder's shares, the lots of each basket in their order and each live token.
Kilograms are conserved: shares = what lies in a basket = what the pool owns in ``units``. A failing
seed is in the name of the test.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import HASH, Chain
from tests.unit.vm.market_chain import make_market_chain

SEEDS = range(5)
BLOCKS = 60
TRANSACTIONS_PER_BLOCK = 5
PEOPLE = ("owner", "alice", "bob")
SERIALS = 90
B, K, U, P = "baskets", "tokens", "units", "projects"
VINTAGES = {"old": ("p1", 2021), "mid": ("p2", 2022), "new": ("p1", 2023)}
"""Batch: project and vintage. Basket ``all`` takes all three, ``late`` those since 2022."""
FIRST = {"all": 2020, "late": 2022}
LEAST = {"all": 3, "late": 1}


class RefusedError(Exception):
    """The model refuses; the text is the code."""


def require(condition: bool, code: str) -> None:
    if not condition:
        raise RefusedError(code)


@dataclass
class Model:
    """Owner and status of each serial, where lots meet, shares, deposits and tokens."""

    serials: dict[str, list[tuple[str, str]]] = field(
        default_factory=lambda: {name: [("owner", "active")] * SERIALS for name in VINTAGES}
    )
    cuts: dict[str, set[int]] = field(
        default_factory=lambda: {name: {0, SERIALS} for name in VINTAGES}
    )
    suspended: set[str] = field(default_factory=set)
    shares: dict[tuple[str, str], int] = field(default_factory=dict)
    pools: dict[tuple[str, bool], list[tuple[int, int, str, int, int]]] = field(
        default_factory=lambda: {(name, here): [] for name in FIRST for here in (True, False)}
    )
    """(basket, whether it is in the pool and not aside): [(vintage, number, batch, start, end)]"""
    deposits: int = 0
    tokens: dict[int, list[Any]] = field(default_factory=dict)
    """[batch, start, end, owner, status, steps]"""

    def put(self, batch: str, start: int, end: int, owner: str, status: str) -> None:
        self.serials[batch][start:end] = [(owner, status)] * (end - start)
        self.cuts[batch] |= {start, end}

    def take_lot(self, batch: str, start: int, end: int, owner: str) -> None:
        require(not any(start < cut < end for cut in self.cuts[batch]), "no-lot")
        holder, status = self.serials[batch][start]
        require(status == "active", f"lot-{status}")
        require(holder == owner, "not-owner")

    def fits(self, basket: str, batch: str) -> bool:
        project, vintage = VINTAGES[batch]
        return project not in self.suspended and vintage >= FIRST[basket]

    def add(self, basket: str, owner: str, kg: int) -> None:
        self.shares[basket, owner] = self.shares.get((basket, owner), 0) + kg

    def take(self, basket: str, owner: str, kg: int) -> None:
        require(self.shares.get((basket, owner), 0) >= kg, "not-enough-shares")
        self.add(basket, owner, -kg)

    def deposit(self, who: str, basket: str, batch: str, start: int, end: int) -> None:
        require(self.fits(basket, batch), "not-in-class")
        self.take_lot(batch, start, end, who)
        require(end - start >= LEAST[basket], "below-minimum")
        self.put(batch, start, end, B, "locked")
        self.deposits += 1
        lot = (VINTAGES[batch][1], self.deposits, batch, start, end)
        self.pools[basket, True] = sorted([*self.pools[basket, True], lot])
        self.add(basket, who, end - start)

    def give(self, who: str, basket: str, to: str, kg: int) -> None:
        require(who != to, "same-owner")
        self.take(basket, who, kg)
        self.add(basket, to, kg)

    def redeem(self, who: str, basket: str, kg: int) -> None:
        self.take(basket, who, kg)
        kept, met = [], 0
        for lot in self.pools[basket, True]:
            vintage, number, batch, start, end = lot
            if kg:
                met += 1
                require(met <= 20, "too-many-lots")
                if self.fits(basket, batch):
                    cut = start + min(kg, end - start)
                    self.put(batch, start, cut, who, "active")
                    kg, start = kg - (cut - start), cut
            if start < end:
                kept.append((vintage, number, batch, start, end))
        require(kg == 0, "nothing-fits")
        self.pools[basket, True] = kept

    def shift(self, basket: str, number: int, here: bool) -> None:
        found = [lot for lot in self.pools[basket, here] if lot[1] == number]
        require(found != [], "no-lot")
        fits = self.fits(basket, found[0][2])
        require(fits != here, "still-fits" if here else "not-in-class")
        self.pools[basket, here].remove(found[0])
        self.pools[basket, not here] = sorted([*self.pools[basket, not here], found[0]])

    def redeem_aside(self, who: str, basket: str, number: int, kg: int) -> None:
        found = [lot for lot in self.pools[basket, False] if lot[1] == number]
        require(found != [], "no-lot")
        vintage, _, batch, start, end = found[0]
        require(not self.fits(basket, batch), "still-fits")
        require(kg <= end - start, "above-lot")
        self.take(basket, who, kg)
        self.put(batch, start, start + kg, who, "active")
        self.pools[basket, False].remove(found[0])
        if start + kg < end:
            left = (vintage, number, batch, start + kg, end)
            self.pools[basket, False] = sorted([*self.pools[basket, False], left])

    def make(self, who: str, batch: str, start: int, end: int) -> None:
        self.take_lot(batch, start, end, who)
        self.put(batch, start, end, who, "locked")
        self.tokens[len(self.tokens) + 1] = [batch, start, end, who, "live", 1]

    def find(self, number: int) -> list[Any]:
        require(number in self.tokens, "no-token")
        token = self.tokens[number]
        require(token[4] == "live", f"token-{token[4]}")
        return token

    def pass_on(self, who: str, number: int, to: str) -> None:
        token = self.find(number)
        require(token[3] == who, "not-owner")
        require(who != to, "same-owner")
        self.put(*token[:3], to, "locked")
        token[3], token[5] = to, token[5] + 1

    def split(self, who: str, number: int, cut: int) -> None:
        token = self.find(number)
        require(token[3] == who, "not-owner")
        require(token[1] < cut < token[2], "bad-split")
        batch, start, end = token[:3]
        self.cuts[batch].add(cut)
        token[4], token[5] = "split", token[5] + 1
        for part in ((start, cut), (cut, end)):
            self.tokens[len(self.tokens) + 1] = [batch, *part, who, "live", 1]

    def melt(self, who: str, number: int) -> None:
        token = self.find(number)
        require(token[3] == who, "not-owner")
        self.put(*token[:3], who, "active")
        token[4], token[5] = "melted", token[5] + 1

    def move(self, who: str, batch: str, start: int, end: int, to: str) -> None:
        require(who != to, "same-owner")
        self.take_lot(batch, start, end, who)
        self.put(batch, start, end, to, "active")

    def toggle(self, project: str) -> None:
        self.suspended ^= {project}


Step = tuple[str, Call, str, tuple[Any, ...]]
"""Who sends what, and the model's method with its arguments."""


def draw_range(rng: random.Random, model: Model, who: str) -> tuple[str, int, int]:
    batch = rng.choice(sorted(VINTAGES))
    lots = list(pairwise(sorted(model.cuts[batch])))
    own = [lot for lot in lots if model.serials[batch][lot[0]] == (who, "active")]
    low, high = rng.choice(own if own and rng.random() < 0.9 else lots)
    start = rng.randrange(low, high)
    end = min(high, start + rng.randrange(1, 12))
    return (batch, low, min(high, low + 15)) if rng.random() < 0.5 else (batch, start, end)


def draw(rng: random.Random, model: Model) -> Step:
    who, to = rng.choice(PEOPLE), rng.choice(PEOPLE)
    basket = rng.choice(sorted(FIRST))
    batch, start, end = draw_range(rng, model, who)
    here, aside = model.pools[basket, True], model.pools[basket, False]
    lying = rng.choice(here) if here else (2021, 99, "old", 0, 1)
    waiting = rng.choice(aside) if aside else lying
    kg = rng.choice((1, 2, 5, 30))
    live = [n for n, token in model.tokens.items() if token[4] == "live"]
    number = rng.choice(live) if live and rng.random() < 0.9 else rng.randrange(1, 9)
    token = model.tokens.get(number, ["old", 0, 9, who, "live", 1])
    owner = token[3] if rng.random() < 0.85 else who
    cut = rng.randrange(token[1], token[2] + 1)
    plan: list[tuple[str, str, str, tuple[Value, ...], str, tuple[Any, ...]]] = [
        (who, B, "deposit", (basket, batch, start, end),
         "deposit", (who, basket, batch, start, end)),
        (who, B, "transfer", (basket, to, kg), "give", (who, basket, to, kg)),
        (who, B, "redeem", (basket, kg), "redeem", (who, basket, kg)),
        (to, B, "set_aside", (basket, lying[0], lying[1]), "shift", (basket, lying[1], True)),
        (to, B, "put_back", (basket, waiting[0], waiting[1]), "shift", (basket, waiting[1], False)),
        (who, B, "redeem_aside", (basket, waiting[0], waiting[1], kg),
         "redeem_aside", (who, basket, waiting[1], kg)),
        (who, K, "make_of_lot", (batch, start, end), "make", (who, batch, start, end)),
        (owner, K, "transfer", (number, to), "pass_on", (owner, number, to)),
        (owner, K, "split", (number, cut), "split", (owner, number, cut)),
        (owner, K, "melt", (number,), "melt", (owner, number)),
        (who, U, "transfer", (batch, start, end, to), "move", (who, batch, start, end, to)),
    ]  # fmt: skip
    sender, contract, method, arguments, name, known = rng.choices(
        plan, [8, 4, 6, 3, 2, 3, 3, 4, 3, 2, 2]
    )[0]
    return sender, Call(contract, method, arguments), name, known


def draw_status(rng: random.Random, model: Model) -> Step:
    project = rng.choice(("p1", "p2"))
    if project in model.suspended:
        return "regulator", Call(P, "reinstate", (project,)), "toggle", (project,)
    return "regulator", Call(P, "suspend", (project, "fire")), "toggle", (project,)


def apply(model: Model, step: Step) -> tuple[Model, str]:
    """The model after the step, and its code: a refusal leaves the model as it was."""
    changed = copy.deepcopy(model)
    try:
        getattr(changed, step[2])(*step[3])
    except RefusedError as refusal:
        return model, str(refusal)
    return changed, ""


def read_all(chain: Chain, method: str, basket: str) -> list[list[Any]]:
    rows: list[list[Any]] = []
    while True:
        after = rows[-1][3:] if rows else [0, 0]
        page = chain.view(B, method, basket, *after, 100)
        rows += page
        if len(page) < 100:
            return rows


def check(chain: Chain, model: Model) -> None:
    pooled = 0
    for basket in FIRST:
        kg = chain.view(B, "get_basket", basket)[2]
        pooled += kg
        held = {name: chain.view(B, "share_of", basket, name) for name in PEOPLE}
        assert held == {name: model.shares.get((basket, name), 0) for name in PEOPLE}
        assert sum(held.values()) == kg and min(held.values()) >= 0
        rows = chain.view(B, "holders_of", basket, "", 100)
        assert rows == sorted([name, n] for name, n in held.items() if n)
        total = 0
        for method, here in (("lots_in", True), ("lots_aside", False)):
            lots = read_all(chain, method, basket)
            expected = [[b, s, e, v, n] for v, n, b, s, e in model.pools[basket, here]]
            assert lots == expected
            total += sum(lot[2] - lot[1] for lot in lots)
        assert total == kg
    assert sum(row[1] for row in chain.view(U, "holdings_of", B, "", 100)) == pooled
    for batch in VINTAGES:
        lots = chain.view(U, "lots_of", batch, 0, 100)
        assert [tuple(lot[2:4]) for lot in lots for _ in range(lot[0], lot[1])] == model.serials[
            batch
        ]
        assert {lot[0] for lot in lots} | {SERIALS} == model.cuts[batch]
    for number, token in model.tokens.items():
        found = chain.view(K, "get_token", number)
        assert [*found[1:6], found[7]] == token
        assert len(chain.view(K, "history_of", number, 0, 100)) == token[5]
        if token[4] == "live":
            assert chain.view(K, "token_at", "lot", token[0], token[1]) == number
    assert chain.view(K, "count") == len(model.tokens)


def prepare() -> tuple[Chain, Model]:
    chain, model = make_market_chain(), Model()
    at.register(chain, "p1")
    at.register(chain, "p2")
    for batch, (project, vintage) in VINTAGES.items():
        attested = (f"r-{batch}", project, vintage, "forest", SERIALS, "owner", HASH)
        chain.ok("verifier", U, "attest", *attested)
        chain.ok("registry", U, "issue", batch, f"r-{batch}", 0, SERIALS, SERIALS, 0)
        chain.ok("owner", U, "transfer", batch, 0, 30, "alice")
        model.put(batch, 0, 30, "alice", "active")
    for basket, first in FIRST.items():
        wanted: list[Value] = ["", "", "", [], first, 2030]
        chain.ok("exchange", B, "create", basket, wanted, LEAST[basket])
    return chain, model


@pytest.mark.parametrize("seed", SEEDS)
def test_random_pooling_keeps_every_invariant(seed: int) -> None:
    rng = random.Random(seed)
    chain, model = prepare()
    done: list[str] = []
    codes: set[str] = set()
    for _ in range(BLOCKS):
        transactions, expected = [], []
        for _ in range(TRANSACTIONS_PER_BLOCK):
            step = draw(rng, model) if rng.random() < 0.95 else draw_status(rng, model)
            transactions.append(chain.make(step[0], step[1], gas=10_000_000))
            model, code = apply(model, step)
            expected.append((code, step))
            done += [step[1].method] if code == "" else []
            codes.add(code)
        receipts, _ = chain.run(*transactions)
        for receipt, (code, step) in zip(receipts, expected, strict=True):
            assert (receipt.status == "ok", receipt.code) == (code == "", code), step
        check(chain, model)
    assert {"deposit", "redeem", "set_aside", "make_of_lot", "split", "melt"} <= set(done), done
    assert {"not-in-class", "lot-locked", "not-enough-shares"} <= codes
    assert len(done) > 60
