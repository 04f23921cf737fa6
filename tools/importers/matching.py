"""Which kilogram serials a published retirement uses. Pure and deterministic.

The exports number retirements by the registry's own blocks and issuances not at all,
so a retirement is matched by project and vintage, in this order:

1. batches issued on the very day that the retirement names (ACR names it),
2. the other batches of that project and vintage, oldest first, then by key,
3. their buffer shares in the same order, when the owners' shares do not suffice: the
   export shows contributions at issuance and retirements of today, so the registry
   has released that much since. Exactly the shortfall is released on the chain.

Retirements are taken in the order of their days. Only batches issued on or before the
day of retirement count, serials are taken from the low end, and a retirement that
cannot be met whole takes nothing. (Available batches only grow with time, so no choice
made for an early retirement can starve a later one that the totals allow.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from tools.importers.ledger import Retirement, RowError

KILOGRAMS = 1_000
"""Serials of a tonne."""
PIECES_MAX = 16
"""Pieces of one retirement that the contract takes."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Serials ``[start, end)`` of a batch."""

    batch: str
    start: int
    end: int


@dataclass(slots=True)
class Stock:
    """What is left of one batch: the owner's ranges and the buffer's, low serials first."""

    batch: str
    project: str
    vintage: int
    issued_on: date
    free: list[Range]
    buffer: list[Range]


@dataclass(frozen=True, slots=True)
class Matched:
    """A retirement with its pieces; ``same_day`` when all come from the day that it names."""

    retirement: Retirement
    pieces: tuple[Piece, ...]
    same_day: bool
    released_kg: int


@dataclass(slots=True)
class _Line:
    """Stocks in the order in which they are used; what is used up at its head is not seen again.

    Without that, ten thousand rows of one vintage would each walk past ten thousand batches.
    """

    stocks: list[Stock] = field(default_factory=list)
    _free_from: int = 0
    _buffer_from: int = 0

    def with_free(self) -> Iterator[Stock]:
        while self._free_from < len(self.stocks) and not self.stocks[self._free_from].free:
            self._free_from += 1
        return (self.stocks[at] for at in range(self._free_from, len(self.stocks)))

    def with_buffer(self) -> Iterator[Stock]:
        while self._buffer_from < len(self.stocks) and not self.stocks[self._buffer_from].buffer:
            self._buffer_from += 1
        return (self.stocks[at] for at in range(self._buffer_from, len(self.stocks)))


@dataclass(slots=True)
class Matcher:
    """Takes serials for one retirement after the other."""

    stocks: Iterable[Stock]
    releases: list[Piece] = field(default_factory=list)
    _by_vintage: dict[tuple[str, int], _Line] = field(init=False)
    _by_day: dict[tuple[str, int, date], _Line] = field(init=False)
    _released: dict[tuple[str, int], int] = field(default_factory=dict)
    _projects: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._by_vintage = defaultdict(_Line)
        self._by_day = defaultdict(_Line)
        for stock in sorted(self.stocks, key=lambda item: (item.issued_on, item.batch)):
            self._by_vintage[stock.project, stock.vintage].stocks.append(stock)
            self._by_day[stock.project, stock.vintage, stock.issued_on].stocks.append(stock)
        self._projects = {project for project, _ in self._by_vintage}

    def match(self, retirement: Retirement) -> Matched:
        """Return the pieces, taken out of the stock, or raise RowError and take nothing."""
        self._require_issued(retirement)
        need = retirement.quantity_t * KILOGRAMS
        free = self._walk(retirement, _Line.with_free)
        owned, missing = _plan(((stock, stock.free) for stock in free), need)
        buffer = self._walk(retirement, _Line.with_buffer)
        released, missing = _plan(((stock, stock.buffer) for stock in buffer), missing)
        if missing:
            raise RowError(
                f"{(need - missing) // KILOGRAMS} t left of {retirement.project} "
                f"{retirement.vintage}, {retirement.quantity_t} t retired",
                code="not-issued",
            )
        if len(owned) + len(released) > PIECES_MAX:
            raise RowError(f"needs more than {PIECES_MAX} pieces", code="pieces")
        for stock, (_, end) in owned:
            stock.free = _drop_until(stock.free, end)
        for stock, (start, end) in released:
            stock.buffer = _drop_until(stock.buffer, end)
            self._release(stock.batch, start, end)
        return Matched(
            retirement,
            tuple(Piece(stock.batch, *part) for stock, part in (*owned, *released)),
            not released and all(s.issued_on == retirement.issued_on for s, _ in owned),
            sum(end - start for _, (start, end) in released),
        )

    def _walk(
        self, retirement: Retirement, left: Callable[[_Line], Iterator[Stock]]
    ) -> Iterator[Stock]:
        """Yield what a retirement may use, in the order of this module's rule."""
        key, named = (retirement.project, retirement.vintage), retirement.issued_on
        if named is not None and named <= retirement.retired_on and (*key, named) in self._by_day:
            yield from left(self._by_day[(*key, named)])
        for stock in left(self._by_vintage[key]):
            if stock.issued_on > retirement.retired_on:
                return
            if stock.issued_on != named:
                yield stock

    def _require_issued(self, retirement: Retirement) -> None:
        if retirement.project not in self._projects:
            raise RowError(f"no issuance of project {retirement.project}", code="project")
        line = self._by_vintage.get((retirement.project, retirement.vintage))
        if line is None:
            raise RowError(
                f"no issuance of {retirement.project} vintage {retirement.vintage}",
                code="not-issued",
            )
        first = line.stocks[0].issued_on
        if first > retirement.retired_on:
            raise RowError(
                f"retired on {retirement.retired_on}, first issued on {first}", code="period"
            )

    def _release(self, batch: str, start: int, end: int) -> None:
        """Note serials to be released; adjacent ones become one call."""
        place = self._released.pop((batch, start), None)
        if place is None:
            place = len(self.releases)
            self.releases.append(Piece(batch, start, end))
        else:
            self.releases[place] = Piece(batch, self.releases[place].start, end)
        self._released[batch, end] = place


def _plan(
    sources: Iterable[tuple[Stock, list[Range]]], need: int
) -> tuple[list[tuple[Stock, Range]], int]:
    """Return what to take, low serials first, and what is still missing."""
    taken: list[tuple[Stock, Range]] = []
    for stock, ranges in sources:
        for start, end in ranges:
            if need == 0:
                return taken, 0
            part = min(need, end - start)
            taken.append((stock, (start, start + part)))
            need -= part
    return taken, need


def _drop_until(ranges: list[Range], serial: int) -> list[Range]:
    """Return what is left above ``serial``; ranges are taken from the low end only."""
    return [(max(start, serial), end) for start, end in ranges if end > serial]
