"""Every book of the index, in the order in which they see an event. Add a contract here."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table

from tools.indexer import core, flags
from tools.indexer.book import Book, Listing
from tools.indexer.tables import (
    buffer,
    cash,
    devices,
    factors,
    governance,
    identity,
    market,
    methodology,
    mrv,
    parcels,
    projects,
    retirement,
    units,
)

BOOKS: Final[tuple[Book, ...]] = (
    governance.BOOK,
    identity.BOOK,
    units.BOOK,
    retirement.BOOK,
    devices.BOOK,
    factors.BOOK,
    methodology.BOOK,
    projects.BOOK,
    parcels.BOOK,
    buffer.BOOK,
    mrv.BOOK,
    cash.BOOK,
    market.BOOK,
)

WITHOUT_BOOK: Final[dict[str, str]] = {
    "auctions": "bids and clearing prices; "
    "what winners got and paid is in lots and payments, not in trades or candles",
    "quotes": "requests and quotes; "
    "what was exchanged is in lots and payments, not in trades or candles",
    "finance": "pledges, loans and their auctions; "
    "what is locked is in lots, what was paid in payments",
    "baskets": "shares and their holders; what a basket holds is in lots, owned by `baskets`",
    "tokens": "tokens of lots and certificates; whose the serials are is in lots, held by `tokens`",
    "futures": "orders and trades, which move neither units nor money by themselves",
    "clearing": "positions, margin, marks and fees; only deposits and withdrawals are in payments",
    "delivery": "tenders and deliveries; the units are in lots, their money stays inside clearing",
    "surveillance": "computed flags and cases; a party that may not trade is in organisations",
}
"""Genesis contracts that have no tables of their own yet: what is missing of each, beside its
events, calls and source, which are in the lists of those as any contract's are."""

for _listing in (*core.LISTINGS, flags.LISTING):
    _listing.make_indexes()

LISTINGS: Final[dict[str, Listing]] = {
    listing.name: listing
    for listings in (core.LISTINGS, (flags.LISTING,), *(book.listings for book in BOOKS))
    for listing in listings
}
"""Every list of the interface, by its name in the address."""

CERTIFIED: Final[tuple[Table, ...]] = (core.BLOCKS, core.TRANSACTIONS, core.CALLS, core.EVENTS)
"""What blocks say; all others are derived from these."""

DERIVED: Final[tuple[Table, ...]] = (
    core.CONTRACTS, core.CODES, core.ACCOUNTS, core.UNREAD, flags.FLAGS,
    *(table for book in BOOKS for table in book.tables),
)  # fmt: skip

DERIVED_VERSION: Final = "1," + ",".join(f"{book.contract}:{book.version}" for book in BOOKS)
"""Changes with any book: derived tables of another version are written anew."""
