"""The contract ``auctions`` for programs: offer lots, bid openly or sealed, clear."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import ClassVar

from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, Piece, read_pages

SALT_BYTES = 32
STEPS_MAX = 50
OVER = frozenset({"sold", "cancelled"})


@dataclass(frozen=True, slots=True)
class AuctionTerms:
    """See vm/contracts/README.md, ``auctions``."""

    currency: str
    tick: int
    step_kg: int
    reserve_price: int
    cap_kg: int
    minimum_kg: int
    rationing: str
    sealed: bool
    forfeit_rate: int
    opens_at: int
    closes_at: int
    reveals_until: int


@dataclass(frozen=True, slots=True)
class Auction:
    """Where an auction stands."""

    seller: str
    terms: AuctionTerms
    offered_kg: int
    bids: int
    status: str
    reason: str
    price: int
    sold_kg: int
    proceeds: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A bid; price and amount are 0 while it is sealed."""

    bid: int
    bidder: str
    price: int
    quantity_kg: int
    status: str
    won_kg: int


@dataclass(frozen=True, slots=True)
class Auctions(Desk):
    """Prices are in 10^-4 of the currency for a tonne, amounts in kilograms, times in seconds."""

    CONTRACT: ClassVar[str] = "auctions"

    async def open(self, offered: Sequence[Piece], terms: AuctionTerms) -> int:
        """The auction's number."""
        lots = [[piece.batch, piece.start, piece.end] for piece in offered]
        return parse_integer(await self.send("open_auction", lots, list(astuple(terms))))

    async def cancel(self, auction: int, note: str = "") -> None:
        """By its seller before the window, by a regulator until it is counted."""
        await self.send("cancel", auction, note)

    async def bid(self, auction: int, price: int, kilograms: int) -> int:
        """An open bid's number."""
        return parse_integer(await self.send("bid", auction, price, kilograms))

    async def commit(self, auction: int, seal: bytes, deposit: int) -> int:
        """A sealed bid's number."""
        return parse_integer(await self.send("commit", auction, seal, deposit))

    async def reveal(
        self, auction: int, number: int, price: int, kilograms: int, salt: bytes
    ) -> None:
        """Say what the sealed bid was."""
        await self.send("reveal", auction, number, price, kilograms, salt)

    async def withdraw(self, auction: int, number: int) -> None:
        """While the window is open."""
        await self.send("withdraw", auction, number)

    async def clear(self, auction: int, steps: int = STEPS_MAX) -> str:
        """Advance until it is over; ``sold`` or ``cancelled``. Others may help at the same time."""
        while True:
            status = str(await self.send("advance", auction, steps))
            if status in OVER:
                return status

    async def get(self, auction: int) -> Auction:
        """Where it stands."""
        return await self.record(Auction, "get_auction", auction)

    async def get_lots(self, auction: int) -> list[Piece]:
        """What is left of its lots."""
        return await self.records(Piece, "lots_of", auction)

    async def list_numbers(self) -> list[int]:
        """All auctions there ever were."""

        async def read(last: int | None) -> list[int]:
            found = await self.view("list_auctions", last or 0, PAGE)
            return [parse_integer(number) for number in found]

        return await read_pages(read)

    async def list_bids(self, auction: int) -> list[Listed]:
        """All bids by number."""

        async def read(last: Listed | None) -> list[Listed]:
            after = last.bid if last else 0
            return await self.records(Listed, "bids_of", auction, after, PAGE)

        return await read_pages(read)


def make_salt() -> bytes:
    """Return a salt that nobody guesses. Who loses it cannot reveal."""
    return secrets.token_bytes(SALT_BYTES)


def make_seal(auction: int, bidder: str, price: int, kilograms: int, salt: bytes) -> bytes:
    """Return what ``commit`` takes; made here, since a node that is asked learns the bid."""
    text = f"auction:{auction}:{bidder}:{price}:{kilograms}:{salt.hex()}"
    return hashlib.sha256(text.encode("ascii")).digest()
