"""Random deliveries of a physical series: units and money go where two queues send them.

The model is two lists. Whatever is tendered and paid, in whatever order people call: every unit has
one owner, every member ends with exactly what it delivered, took, failed and was failed, and nobody
can be paid before those who owe.
"""

from __future__ import annotations

import random
from collections import deque

import pytest

from tests.unit.vm.carbon_chain import DAY, Chain
from tests.unit.vm.futures_chain import (
    DAYS,
    MONEY,
    PRICE,
    D,
    K,
    S,
    cross,
    free,
    get_midnight,
    make_futures_chain,
    mark,
)

SEEDS = range(6)
NAMES = ("alice", "bob", "owner", "bank", "metering")
EACH = PRICE * 500 // 10_000
LOT = 12_000
"""Kilograms of b1 that everybody has: more than any position needs."""


def open_positions(chain: Chain, rng: random.Random) -> dict[str, int]:
    held = dict.fromkeys(NAMES, 0)
    for _ in range(8):
        buyer, seller = rng.sample(NAMES, 2)
        count = rng.randrange(1, 5)
        cross(chain, buyer, seller, PRICE, count)
        held[buyer] += count
        held[seller] -= count
    return held


def close_all(chain: Chain, rng: random.Random, names: list[str]) -> int:
    """In a random order, with what is refused tried again; the number of refusals."""
    refusals = 0
    left = list(names)
    while left:
        rng.shuffle(left)
        name = left.pop()
        receipt = chain.send("exchange", D, "close_out", S, [name])
        if receipt.code:
            assert receipt.code == "penalties-due", receipt
            refusals += 1
            left.insert(0, name)
    return refusals


@pytest.mark.parametrize("seed", SEEDS)
def test_random_deliveries_give_everybody_what_is_due(seed: int) -> None:
    rng = random.Random(seed)
    chain = make_futures_chain(delivery="physical", kg=len(NAMES) * LOT, traders=NAMES)
    for number, name in enumerate(NAMES):
        if name != "owner":
            start = number * LOT
            chain.ok("owner", "units", "transfer", "b1", start, start + LOT, name)
    held = open_positions(chain, rng)
    chain.time = get_midnight(chain, DAYS)
    assert mark(chain) == PRICE
    parcels: deque[list] = deque()
    payers: deque[list] = deque()
    gave, took = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
    tendered = dict.fromkeys(NAMES, 0)
    steps = [(name, "pay") for name in NAMES if held[name] > 0 and rng.random() < 0.7]
    steps += [(name, "tender") for name in NAMES if held[name] < 0 for _ in range(2)]
    steps += [(name, "deliver") for name in rng.choices(NAMES, k=4)]
    rng.shuffle(steps)
    for name, step in [*steps, ("alice", "deliver"), ("alice", "deliver")]:
        if step == "pay":
            chain.ok(name, D, "pay", S)
            payers.append([name, held[name]])
        elif step == "tender":
            count = rng.randrange(0, -held[name] - tendered[name] + 1)
            start = NAMES.index(name) * LOT + tendered[name] * 1000
            if count:
                chain.ok(name, D, "tender", S, "b1", start, start + 1000 * count)
                parcels.append([name, count])
                tendered[name] += count
        else:
            assert (chain.send(name, D, "deliver", S).code == "") == bool(parcels and payers)
            for _ in range(8):
                if not parcels or not payers:
                    break
                count = min(parcels[0][1], payers[0][1])
                gave[parcels[0][0]] += count
                took[payers[0][0]] += count
                for queue in (parcels, payers):
                    queue[0][1] -= count
                    if queue[0][1] == 0:
                        queue.popleft()
    chain.time += 3 * DAY
    while parcels and payers:
        pytest.fail("two calls of eight steps are enough for nine parcels")
    unmet = dict.fromkeys(NAMES, 0)
    for name, count in (*parcels, *payers):
        unmet[name] += count
    left = {name: abs(held[name]) - gave[name] - took[name] for name in NAMES}
    close_all(chain, rng, [name for name in NAMES if left[name]])
    for name in NAMES:
        failed = left[name] - unmet[name]
        expected = MONEY + PRICE * (gave[name] - took[name]) + EACH * (unmet[name] - failed)
        assert free(chain, name) == expected, name
        balance = chain.view("units", "balance_of", name, "b1")
        assert balance == LOT + 1000 * (took[name] - gave[name])
    surplus = EACH * (sum(left.values()) - 2 * sum(unmet.values()))
    assert surplus >= 0 and chain.ok("exchange", K, "finish", S) == surplus
    if parcels:
        chain.ok("bob", D, "deliver", S)
    lots = chain.view("units", "lots_of", "b1", 0, 100)
    assert {lot[3] for lot in lots} == {"active"} and lots[-1][1] == len(NAMES) * LOT
