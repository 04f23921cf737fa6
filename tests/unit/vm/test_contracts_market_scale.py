"""What an order costs does not depend on how many rest: gas and time at 100 and at 10,000.

The resting orders are made by the contract itself, a hundred a transaction, in a chain in memory.
"""

from __future__ import annotations

import time

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import Chain
from tests.unit.vm.market_chain import CAP, DAY, M, buy, fund, make_trading_chain, sell

FEW, MANY = 100, 10_000
LEVELS = 97
"""Prices that the resting orders share: each level is a queue of about a hundred."""
RATIO_MAX = 3
GAS = 40_000_000


def fill_book(chain: Chain, count: int) -> None:
    """``count`` purchases of 1 kg at prices from 1 to LEVELS, none of them the best."""
    for first in range(0, count, 100):
        calls = [
            Call(
                M,
                "buy",
                ("b1", 1000 * (1 + n * 31 % LEVELS), 1, "gtt", chain.time + DAY, CAP, ""),
            )
            for n in range(first, min(first + 100, count))
        ]
        receipts, _ = chain.run(chain.make("bob", *calls, gas=GAS))
        assert receipts[0].status == "ok", receipts[0]


def measure(chain: Chain, start: int) -> tuple[int, int, float]:
    """Gas of a sale that trades once and of a purchase that rests, and the CPU seconds of both."""
    began = time.process_time()
    until = chain.time + DAY
    receipts, _ = chain.run(
        chain.make("owner", Call(M, "sell", ("b1", 1, "b1", start, start + 1, "fok", 0, CAP)))
    )
    sold = receipts[0]
    receipts, _ = chain.run(
        chain.make("bob", Call(M, "buy", ("b1", 50_000, 1, "gtt", until, CAP, "")))
    )
    rested = receipts[0]
    assert sold.status == "ok" == rested.status
    return sold.gas, rested.gas, time.process_time() - began


@pytest.fixture(scope="module")
def chains() -> dict[int, Chain]:
    found = {}
    for count in (FEW, MANY):
        chain = make_trading_chain()
        fill_book(chain, count)
        found[count] = chain
    return found


def test_an_order_among_ten_thousand_costs_what_one_among_a_hundred_does(
    chains: dict[int, Chain],
) -> None:
    """Gas is exact. Times are the least of calls made in turn: load only ever adds."""
    few, many = chains[FEW], chains[MANY]
    samples = [(measure(few, n), measure(many, n)) for n in range(15)]
    for position in (0, 1):
        costs = [sorted(pair[side][position] for pair in samples)[7] for side in (0, 1)]
        assert costs[1] <= RATIO_MAX * costs[0], costs
        # Only the sizes of numbers differ.
        assert costs[1] <= 1.02 * costs[0], costs
    seconds = [min(pair[side][2] for pair in samples) for side in (0, 1)]
    print(samples[7], seconds)
    assert seconds[1] <= RATIO_MAX * seconds[0], seconds


def test_the_queue_of_ten_thousand_is_served_in_its_order(chains: dict[int, Chain]) -> None:
    chain = chains[MANY]
    rows = chain.view(M, "list_resting", "b1", "buy", 0, 0, 100)
    expected = sorted(rows, key=lambda row: (-row[1], row[0]))
    assert rows == expected and len(rows) == 100
    numbers = [row[0] for row in rows[:3]]
    before = chain.view(M, "get_ticker", "b1")[1]
    sell(chain, "owner", 1, 500, 503)
    trades = chain.view(M, "trades_of", "b1", before, 9)
    assert [trade[7] for trade in trades] == numbers
    fund(chain, "alice", 1000)
    buy(chain, "alice", 1, 1)
