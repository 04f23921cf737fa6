"""The contract ``cash`` for programs: issue, redeem, pay, and read accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tools.trading.desk import PAGE, Desk, read_pages


@dataclass(frozen=True, slots=True)
class Account:
    """What an organisation owns is free + held, in 10^-4 of the currency; entries counts lines."""

    free: int
    held: int
    entries: int


@dataclass(frozen=True, slots=True)
class Balance:
    """One currency of an organisation."""

    currency: str
    free: int
    held: int


@dataclass(frozen=True, slots=True)
class Money:
    """What banks issued and redeemed of a currency."""

    issued: int
    redeemed: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a statement; ``balance`` is free + held after it."""

    kind: str
    change: int
    balance: int
    other: str
    reference: str
    time: int
    height: int


@dataclass(frozen=True, slots=True)
class Cash(Desk):
    """Amounts are in 10^-4 of the currency."""

    CONTRACT: ClassVar[str] = "cash"

    async def issue(self, currency: str, to: str, amount: int, reference: str = "") -> None:
        """New money of the key's bank."""
        await self.send("issue", currency, to, amount, reference)

    async def redeem(self, currency: str, amount: int, reference: str = "") -> None:
        """Money that the key's bank holds ends."""
        await self.send("redeem", currency, amount, reference)

    async def transfer(self, currency: str, to: str, amount: int, reference: str = "") -> None:
        """Pay another organisation."""
        await self.send("transfer", currency, to, amount, reference)

    async def get_account(self, organisation: str, currency: str) -> Account:
        """What it has of a currency; zeros when it never had any."""
        return await self.record(Account, "account_of", organisation, currency)

    async def get_total(self, currency: str) -> Money:
        """What there is of a currency."""
        return await self.record(Money, "total", currency)

    async def list_balances(self, organisation: str) -> list[Balance]:
        """All currencies that it ever had."""

        async def read(last: Balance | None) -> list[Balance]:
            after = last.currency if last else ""
            return await self.records(Balance, "balances_of", organisation, after, PAGE)

        return await read_pages(read)

    async def read_entries(self, organisation: str, currency: str, after: int) -> list[Entry]:
        """One page of the statement after line ``after``; the first line is number 1."""
        return await self.records(Entry, "statement", organisation, currency, after, PAGE)
