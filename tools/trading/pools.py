"""The contracts ``baskets`` and ``tokens`` for programs: shares of a pool; lots as one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, Piece, read_pages, read_record


@dataclass(frozen=True, slots=True)
class Basket:
    """``kg`` lies in it, and is how many shares there are."""

    creator: str
    deposit_min_kg: int
    kg: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot in a basket; ``vintage`` and ``number`` are its place."""

    batch: str
    start: int
    end: int
    vintage: int
    number: int


@dataclass(frozen=True, slots=True)
class Share:
    """Kilograms of a holder, or in a basket."""

    name: str
    kg: int


@dataclass(frozen=True, slots=True)
class Token:
    """Of a lot (serials of batch ``source``), or of kilograms of certificate ``source``."""

    kind: str
    source: str
    start: int
    end: int
    owner: str
    status: str
    parent: int
    steps: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a token: ``made``, ``moved``, ``split``, ``melted``."""

    kind: str
    giver: str
    taker: str
    part: int
    time: int
    height: int


@dataclass(frozen=True, slots=True)
class Baskets(Desk):
    """Amounts are in kilograms."""

    CONTRACT: ClassVar[str] = "baskets"

    async def create(
        self,
        basket: str,
        deposit_min_kg: int,
        *,
        scope: str = "",
        methodology: str = "",
        region: str = "",
        claims: Sequence[str] = (),
        vintages: tuple[int, int] = (0, 2200),
    ) -> None:
        """A basket of every batch that fits; what is left empty means any."""
        wanted = [scope, methodology, region, list(claims), *vintages]
        await self.send("create", basket, wanted, deposit_min_kg)

    async def deposit(self, basket: str, batch: str, start: int, end: int) -> int:
        """The deposit's number; as many shares as kilograms."""
        return parse_integer(await self.send("deposit", basket, batch, start, end))

    async def transfer(self, basket: str, to: str, kg: int) -> None:
        """Give shares to another organisation."""
        await self.send("transfer", basket, to, kg)

    async def redeem(self, basket: str, kg: int) -> list[Piece]:
        """The serials of the oldest lots that fit."""
        return [read_record(Piece, item) for item in await self.send("redeem", basket, kg)]

    async def redeem_aside(self, basket: str, vintage: int, number: int, kg: int) -> Piece:
        """The first serials of a lot that waits aside, as it is."""
        return read_record(Piece, await self.send("redeem_aside", basket, vintage, number, kg))

    async def set_aside(self, basket: str, vintage: int, number: int) -> None:
        """Put a lot aside that does not fit any more."""
        await self.send("set_aside", basket, vintage, number)

    async def put_back(self, basket: str, vintage: int, number: int) -> None:
        """Put a lot back that fits again."""
        await self.send("put_back", basket, vintage, number)

    async def get_basket(self, basket: str) -> Basket:
        """Who made it and how much lies in it."""
        return await self.record(Basket, "get_basket", basket)

    async def list_lots(self, basket: str, *, aside: bool = False) -> list[Lot]:
        """Its lots in the order in which they go out, or those that wait aside."""

        async def read(last: Lot | None) -> list[Lot]:
            place = (last.vintage, last.number) if last else (-1, 0)
            return await self.records(
                Lot, "lots_aside" if aside else "lots_in", basket, *place, PAGE
            )

        return await read_pages(read)

    async def list_holders(self, basket: str) -> list[Share]:
        """Who has how many kilograms of it."""

        async def read(last: Share | None) -> list[Share]:
            return await self.records(Share, "holders_of", basket, last.name if last else "", PAGE)

        return await read_pages(read)

    async def list_shares(self, organisation: str) -> list[Share]:
        """Of which baskets it has how many kilograms."""

        async def read(last: Share | None) -> list[Share]:
            return await self.records(
                Share, "shares_of", organisation, last.name if last else "", PAGE
            )

        return await read_pages(read)


@dataclass(frozen=True, slots=True)
class Tokens(Desk):
    """Tokens are known by their numbers."""

    CONTRACT: ClassVar[str] = "tokens"

    async def make_of_lot(self, batch: str, start: int, end: int) -> int:
        """The token of serials of one lot; they move with it only."""
        return parse_integer(await self.send("make_of_lot", batch, start, end))

    async def make_of_certificate(self, certificate: int) -> int:
        """The one token of a certificate of retirement."""
        return parse_integer(await self.send("make_of_certificate", certificate))

    async def transfer(self, token: int, to: str) -> None:
        """Give it to another organisation; a lot goes with it."""
        await self.send("transfer", token, to)

    async def split(self, token: int, at: int) -> tuple[int, int]:
        """The numbers of its parts, which meet at ``at``."""
        first, second = await self.send("split", token, at)
        return parse_integer(first), parse_integer(second)

    async def melt(self, token: int) -> None:
        """Free its lot."""
        await self.send("melt", token)

    async def get_token(self, token: int) -> Token:
        """A token as it stands."""
        return await self.record(Token, "get_token", token)

    async def find_token(self, kind: str, source: str, at: int) -> int:
        """The live token of a serial or of a kilogram of a certificate; 0 without one."""
        return parse_integer(await self.view("token_at", kind, source, at))

    async def list_history(self, token: int) -> list[tuple[int, Step]]:
        """Its whole history with the token that each step was of, from the first parent on."""
        chain = [token]
        while parent := (await self.get_token(chain[-1])).parent:
            chain.append(parent)
        steps: list[tuple[int, Step]] = []
        for number in reversed(chain):
            read: list[Step] = []
            while True:
                page = await self.records(Step, "history_of", number, len(read), PAGE)
                read += page
                if len(page) < PAGE:
                    break
            steps += [(number, step) for step in read]
        return steps
