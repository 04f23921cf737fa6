"""Which trades and moves to claim: the rules of the contract, as a search over what happened.

Never decides: what is found here is claimed, and the contract computes it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tools.trading.market import Trade
from tools.trading.surveillance import Rules

WHOLE = 10_000
DAY = 86_400
KG_PER_TONNE = 1_000
CYCLE_MAX = 6
PIECES_MAX = 16
SEARCH_MAX = 5_000
"""Trades looked at for the cycles that one trade may close: a market maker has many."""

Heads = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A call of ``surveillance`` and the keys that it takes; one that is taken makes it void."""

    method: str
    arguments: tuple[Any, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A trade with its book and number."""

    book: str
    number: int
    trade: Trade


@dataclass(frozen=True, slots=True)
class Step:
    """A step that gave a serial its owner (``units.trace_owners``)."""

    step: int
    kind: str
    start: int
    end: int
    giver: str
    taker: str
    time: int
    height: int


def find_self_matches(trades: Sequence[Placed], head_of: Heads) -> Iterator[Claim]:
    """Trades inside one group."""
    for item in trades:
        if head_of(item.trade.buyer) == head_of(item.trade.seller):
            yield _claim_trade("scan_self_match", "self-match", item)


def find_prices(trades: Sequence[Placed], rules: Rules) -> Iterator[Claim]:
    """Trades too far from the average of the days before, book by book."""
    days: dict[tuple[str, int], tuple[int, int, int]] = {}
    for item in trades:
        key = (item.book, item.trade.time // DAY)
        kg, amount, count = days.get(key, (0, 0, 0))
        days[key] = (kg + item.trade.quantity_kg, amount + item.trade.amount, count + 1)
    for item in trades:
        day = item.trade.time // DAY
        window = [days.get((item.book, day - n), (0, 0, 0)) for n in range(1, rules.price_days + 1)]
        kg, amount, count = (sum(column) for column in zip(*window, strict=True))
        average = amount * KG_PER_TONNE // kg if kg else 0
        if average == 0 or count < rules.price_trades:
            continue
        if abs(item.trade.price - average) * WHOLE // average > rules.price_deviation:
            yield _claim_trade("scan_price", "price", item)


def find_cycles(trades: Sequence[Placed], rules: Rules, head_of: Heads) -> Iterator[Claim]:
    """For each trade the first ring found that it closes, searched backwards in time."""
    ordered = sorted(trades, key=lambda item: (item.trade.time, item.book, item.number))
    by_buyer: dict[str, list[Placed]] = {}
    for item in ordered:
        if ring := _search_ring(item, by_buyer, rules, head_of):
            places = [[member.book, member.number] for member in ring]
            yield Claim("scan_cycle", (places,), (f"cycle:{item.book}:{item.number}",))
        by_buyer.setdefault(head_of(item.trade.buyer), []).append(item)


def _search_ring(
    last: Placed, by_buyer: Mapping[str, Sequence[Placed]], rules: Rules, head_of: Heads
) -> list[Placed]:
    goal, since = head_of(last.trade.buyer), last.trade.time - rules.cycle_seconds
    if goal == head_of(last.trade.seller):
        return []
    paths, seen = [[last]], 0
    while paths and seen < SEARCH_MAX:
        path = paths.pop()
        first = path[0]
        sellers = {head_of(item.trade.seller) for item in path}
        for item in reversed(by_buyer.get(head_of(first.trade.seller), ())):
            seen += 1
            if item.trade.time < since or seen > SEARCH_MAX:
                break
            seller = head_of(item.trade.seller)
            if item.trade.time > first.trade.time or seller in sellers:
                continue
            ring = [item, *path]
            if seller == goal and is_the_same(ring, rules):
                return ring
            if seller != goal and len(ring) < CYCLE_MAX:
                paths.append(ring)
    return []


def is_the_same(ring: Sequence[Placed], rules: Rules) -> bool:
    """Serials in common, or three parties with like amounts in one book or batch."""
    trades = [item.trade for item in ring]
    one_batch = len({trade.batch for trade in trades}) == 1
    low = max(trade.start for trade in trades)
    high = min(trade.start + trade.quantity_kg for trade in trades)
    if one_batch and low < high:
        return True
    largest = max(trade.quantity_kg for trade in trades)
    smallest = min(trade.quantity_kg for trade in trades)
    one_place = one_batch or len({item.book for item in ring}) == 1
    like = (largest - smallest) * WHOLE <= rules.cycle_tolerance * largest
    return len(ring) >= 3 and one_place and like


def find_carousels(
    histories: Mapping[tuple[str, int], Sequence[Step]], rules: Rules, head_of: Heads
) -> Iterator[Claim]:
    """Histories by (batch, serial), newest step first: the returns that are too many."""
    for (batch, serial), steps in histories.items():
        transfers = [step for step in reversed(steps) if step.kind == "transfer"]
        for at, last in enumerate(transfers):
            since = last.time - rules.carousel_seconds
            owners: list[str] = []
            returns, comes_back = 0, False
            for step in transfers[: at + 1]:
                if step.time < since:
                    continue
                owners = owners or [head_of(step.giver)]
                owner = head_of(step.taker)
                comes_back = owner in owners and owner != owners[-1]
                returns += comes_back
                if owner != owners[-1]:
                    owners.append(owner)
            if comes_back and returns >= rules.carousel_returns:
                key = f"carousel:{batch}:{last.start}:{last.step}"
                yield Claim("scan_carousel", ([batch, serial, last.step],), (key,))


def find_young_accounts(
    histories: Mapping[tuple[str, int], Sequence[Step]],
    rules: Rules,
    registered_at: Callable[[str], int],
) -> Iterator[Claim]:
    """Resales within the window of what a young organisation had got, gathered to large amounts."""
    pieces: dict[str, dict[str, tuple[int, list[Any]]]] = {}
    for (batch, serial), steps in histories.items():
        for given, got in pairwise(steps):
            if given.kind != "transfer" or got.kind != "transfer":
                continue
            in_time = given.time - got.time <= rules.resale_seconds
            if not in_time or given.time - registered_at(given.giver) > rules.young_seconds:
                continue
            start = max(given.start, got.start)
            key = f"resale:{batch}:{start}:{given.step}"
            kg = min(given.end, got.end) - start
            pieces.setdefault(given.giver, {})[key] = (kg, [batch, serial, given.step])
    for organisation, found in sorted(pieces.items()):
        largest = sorted(found.items(), key=lambda piece: (-piece[1][0], piece[0]))[:PIECES_MAX]
        if sum(kg for _, (kg, _) in largest) >= rules.young_kg:
            points = [point for _, (_, point) in largest]
            keys = tuple(key for key, _ in largest)
            yield Claim("scan_young_account", (organisation, points), keys)


def find_many_flags(
    flags: Mapping[str, Sequence[tuple[int, int]]], rules: Rules
) -> Iterator[Claim]:
    """Flags (number, time) that count, by organisation: as many in the window as it takes."""
    for organisation, found in sorted(flags.items()):
        ordered = sorted(found, key=lambda flag: (flag[1], flag[0]))
        for first in range(len(ordered) - rules.many_flags + 1):
            window = ordered[first : first + rules.many_flags]
            if window[-1][1] - window[0][1] <= rules.many_seconds:
                numbers = [number for number, _ in window]
                keys = tuple(f"many:{organisation}:{number}" for number in numbers)
                yield Claim("scan_many_flags", (organisation, numbers), keys)
                break


def _claim_trade(method: str, rule: str, item: Placed) -> Claim:
    key = f"{rule}:{item.book}:{item.number}"
    return Claim(method, (item.book, item.number), (key,))
