"""The contract ``quotes`` for programs: ask, quote, accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, read_pages


@dataclass(frozen=True, slots=True)
class Request:
    """``side`` is what the requester does; without dealers anyone may answer."""

    requester: str
    side: str
    batch: str
    quantity_kg: int
    currency: str
    dealers: tuple[str, ...]
    expires_at: int
    status: str
    accepted: int


@dataclass(frozen=True, slots=True)
class Quote:
    """start and end are the serials that the dealer sells; 0 where it buys."""

    request: int
    dealer: str
    price: int
    amount: int
    start: int
    end: int
    expires_at: int
    status: str


@dataclass(frozen=True, slots=True)
class Quotes(Desk):
    """Prices are in 10^-4 of the currency for a tonne, amounts in kilograms, times in seconds."""

    CONTRACT: ClassVar[str] = "quotes"

    async def ask(
        self, side: str, batch: str, kilograms: int, currency: str, dealers: Sequence[str],
        expires_at: int,
    ) -> int:  # fmt: skip
        """The request's number."""
        named = list(dealers)
        arguments = (side, batch, kilograms, currency, named, expires_at)
        return parse_integer(await self.send("request_quote", *arguments))

    async def quote(
        self, request: int, price: int, expires_at: int, start: int = 0, end: int = 0
    ) -> int:
        """A firm quote's number; serials where the dealer sells."""
        return parse_integer(await self.send("quote", request, price, start, end, expires_at))

    async def accept(self, quote: int, start: int = 0, end: int = 0) -> None:
        """All of it; serials where the requester sells."""
        await self.send("accept_quote", quote, start, end)

    async def cancel(self, request: int) -> None:
        """End a request; the quotes for it are freed."""
        await self.send("cancel_request", request)

    async def get_request(self, request: int) -> Request:
        """One request."""
        return await self.record(Request, "get_request", request)

    async def get_quote(self, quote: int) -> Quote:
        """One quote."""
        return await self.record(Quote, "get_quote", quote)

    async def list_requests(self) -> list[int]:
        """Numbers of all requests there ever were."""

        async def read(last: int | None) -> list[int]:
            found = await self.view("list_requests", last or 0, PAGE)
            return [parse_integer(number) for number in found]

        return await read_pages(read)

    async def list_quotes(self, request: int) -> list[int]:
        """Numbers of those that bind."""
        return [parse_integer(number) for number in await self.view("quotes_of", request)]
