"""Market data of one book over a WebSocket: a snapshot, then ordered updates, for ever.

The node stays ignorant of markets: it streams the contract's events (``event_subscribe``), which
resume over broken links without a gap or a repeat. This side reads a snapshot by views and keeps
the book from the events. When events do not fit, or were pruned, a new snapshot follows: whoever
reads the feed sees ``snapshot`` again and goes on from there. Updates are numbered without gaps.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from tools.client.client import Client
from tools.client.errors import SubscriptionClosed
from tools.trading.book import Change, OrderBook, OutOfStep, SidePage
from tools.trading.decimals import format_decimal
from tools.trading.desk import PAGE, read_record
from tools.trading.market import BUY, SELL, Resting, Ticker

CONTRACT: Final = "market"
STREAMS: Final = ("book", "trades", "ticker")
_STREAM_OF: Final = {"level": "book", "trade": "trades", "ticker": "ticker"}
RESYNCS_MAX: Final = 10
"""In a row, without one update between: then something is wrong that a snapshot does not mend."""


@dataclass(frozen=True, slots=True)
class Update:
    """One message of a feed. ``height`` is the block's; a snapshot's is the latest it knows."""

    sequence: int
    height: int
    kind: str
    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Decimals as text."""
        return {"sequence": self.sequence, "height": self.height, "kind": self.kind, **self.data}


async def read_book(client: Client, name: str) -> OrderBook:
    """Read ticker and both sides; pages may be of different heights (see ``book``)."""
    answer = await client.state_call(CONTRACT, "get_ticker", [name])
    ticker = read_record(Ticker, answer.value)
    pages = {side: await _read_side(client, name, side) for side in (BUY, SELL)}
    return OrderBook(name, ticker, answer.height, pages)


async def _read_side(client: Client, name: str, side: str) -> list[SidePage]:
    pages: list[SidePage] = []
    price, order = 0, 0
    while not pages or not pages[-1].is_last:
        arguments = [name, side, price, order, PAGE]
        answer = await client.state_call(CONTRACT, "list_resting", arguments)
        rows = tuple(read_record(Resting, row) for row in answer.value)
        pages.append(SidePage(rows, answer.height, len(rows) < PAGE))
        if rows:
            price, order = rows[-1].price, rows[-1].order
    return pages


async def follow(
    client: Client, name: str, streams: Iterable[str] = STREAMS
) -> AsyncGenerator[Update, None]:
    """Yield a snapshot and every update of ``streams`` after it."""
    wanted = frozenset(streams)
    sequence = resyncs = 0
    while True:
        book = await read_book(client, name)
        height = book.first_height - 1
        sequence += 1
        yield Update(sequence, height, "snapshot", _show_book(book, wanted))
        events = client.subscribe(
            "events", filter_={"contract": CONTRACT}, from_height=book.first_height
        )
        try:
            async with aclosing(events):
                async for notification in events:
                    height = int(notification.item["height"])
                    for change in book.apply(notification.item):
                        resyncs = 0
                        if _STREAM_OF[change.kind] in wanted:
                            sequence += 1
                            yield Update(sequence, height, change.kind, _show(change))
        except (OutOfStep, SubscriptionClosed):
            resyncs += 1
            if resyncs > RESYNCS_MAX:
                raise


def _show_book(book: OrderBook, wanted: frozenset[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"book": book.name}
    if "book" in wanted:
        for name, side in (("bids", BUY), ("asks", SELL)):
            shown[name] = [
                {"price": format_decimal(price), "kilograms": kilograms}
                for price, kilograms in book.get_levels(side)
            ]
    if "ticker" in wanted:
        ticker = book.ticker
        shown["ticker"] = {
            "lastPrice": format_decimal(ticker.last_price), "trades": ticker.trades,
            "volumeKg": ticker.volume_kg, "halted": ticker.halted,
        }  # fmt: skip
    return shown


def _show(change: Change) -> dict[str, Any]:
    shown = dict(change.data)
    for name in ("price", "lastPrice", "amount"):
        if name in shown:
            shown[name] = format_decimal(int(shown[name]))
    return shown
