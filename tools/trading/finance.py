"""The contract ``finance`` for programs: pledge, lend, repay, call, auction; who has which lien."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar

from primitives.codec import Value
from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, read_pages


@dataclass(frozen=True, slots=True)
class Loan:
    """Money in 10^-4 of the currency; ``rate`` is 10^-4 a year of ``day_basis`` days."""

    currency: str
    principal: int
    rate: int
    day_basis: int
    due_at: int


@dataclass(frozen=True, slots=True)
class Cover:
    """How a pledge is valued; ``haircut`` and ``ltv_max`` in 10^-4 of its value."""

    book: str
    window_days: int
    trades_min: int
    haircut: int
    ltv_max: int
    grace_seconds: int
    cure_seconds: int


@dataclass(frozen=True, slots=True)
class Pledge:
    """See vm/contracts/README.md, ``finance``; what is owed now is ``Finance.get_owed``."""

    borrower: str
    lender: str
    batch: str
    start: int
    end: int
    loan: Loan
    cover: Cover
    status: str
    principal: int
    interest: int
    accrued_day: int
    called_at: int
    floor: int
    claim: int
    since: int


@dataclass(frozen=True, slots=True)
class Auction:
    """Of a pledged lot: ``bidder`` is empty until the first bid; times are seconds UTC."""

    reserve: int
    ends_at: int
    bidder: str
    amount: int
    bids: int


@dataclass(frozen=True, slots=True)
class Lien:
    """Who has which serials in pledge; ``pledge`` 0 says that nobody has."""

    pledge: int
    batch: str
    start: int
    end: int
    borrower: str
    lender: str
    status: str


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed now, in 10^-4 of the currency; a claim has no cover any more."""

    principal: int
    interest: int
    claim: int


@dataclass(frozen=True, slots=True)
class Finance(Desk):
    """Money is in 10^-4 of the currency, amounts in kilograms, times in seconds UTC."""

    CONTRACT: ClassVar[str] = "finance"

    async def propose(
        self, lender: str, batch: str, start: int, end: int, loan: Loan, cover: Cover
    ) -> int:
        """The pledge's number; the serials are locked."""
        terms: list[list[Value]] = [list(astuple(loan)), list(astuple(cover))]
        return parse_integer(await self.send("propose", lender, batch, start, end, *terms))

    async def withdraw(self, pledge: int) -> None:
        """End a proposal."""
        await self.send("withdraw", pledge)

    async def accept(self, pledge: int) -> None:
        """Lend: the key's bank pays at once."""
        await self.send("accept", pledge)

    async def repay(self, pledge: int, amount: int) -> int:
        """What was taken: no more than is owed; the last of it frees the lot."""
        return parse_integer(await self.send("repay", pledge, amount))

    async def release(self, pledge: int) -> None:
        """The bank gives the lot up; the debt stays as a claim."""
        await self.send("release", pledge)

    async def waive(self, pledge: int, amount: int) -> None:
        """The bank gives up a part of a claim."""
        await self.send("waive", pledge, amount)

    async def call_margin(self, pledge: int) -> None:
        """The bank asks for more cover or less debt."""
        await self.send("call_margin", pledge)

    async def cure(self, pledge: int) -> None:
        """Show that the cover is enough again."""
        await self.send("cure", pledge)

    async def declare_default(self, pledge: int) -> None:
        """The bank says that it was not paid, or its call not answered."""
        await self.send("declare_default", pledge)

    async def open_auction(self, pledge: int, reserve: int, seconds: int) -> None:
        """The bank puts the lot up."""
        await self.send("open_auction", pledge, reserve, seconds)

    async def bid(self, pledge: int, amount: int) -> None:
        """Bid with money that is held until the end, or until a higher bid."""
        await self.send("bid", pledge, amount)

    async def settle_auction(self, pledge: int) -> None:
        """After its end: the lot to the best bidder, the money to whom it belongs."""
        await self.send("settle_auction", pledge)

    async def get_pledge(self, pledge: int) -> Pledge:
        """A pledge as it stands in the state."""
        return await self.record(Pledge, "get_pledge", pledge)

    async def get_auction(self, pledge: int) -> Auction:
        """The open auction of a pledge."""
        return await self.record(Auction, "get_auction", pledge)

    async def get_owed(self, pledge: int) -> Owed:
        """Principal, interest and claim now."""
        return Owed(*[parse_integer(item) for item in await self.view("owed", pledge)])

    async def get_value(self, pledge: int) -> int:
        """What its lot is worth now by the terms' own rule."""
        return parse_integer(await self.view("value_of", pledge))

    async def find_lien(self, batch: str, serial: int) -> Lien | None:
        """The lien on a serial, if there is one."""
        found = await self.record(Lien, "lien_at", batch, serial)
        return found if found.pledge else None

    async def list_liens(self) -> list[Lien]:
        """Every lien there is, by batch and serials."""

        async def read(last: Lien | None) -> list[Lien]:
            after = (last.batch, last.end) if last else ("", 0)
            return await self.records(Lien, "list_liens", *after, PAGE)

        return await read_pages(read)

    async def list_liens_on(self, batch: str) -> list[Lien]:
        """Those on one batch, by serials."""

        async def read(last: Lien | None) -> list[Lien]:
            return await self.records(Lien, "liens_on", batch, last.end if last else 0, PAGE)

        return await read_pages(read)

    async def list_liens_of(self, organisation: str, role: str) -> list[Lien]:
        """Those of an organisation as ``borrower`` or as ``lender``, by number."""

        async def read(last: Lien | None) -> list[Lien]:
            after = last.pledge if last else 0
            return await self.records(Lien, "liens_of", organisation, role, after, PAGE)

        return await read_pages(read)
