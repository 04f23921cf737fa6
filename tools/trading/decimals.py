"""Prices and money as people write them: decimals as text, never a float. Pure.

The chain counts in 10^-4 of a currency; a price is that for a tonne (docs/market.md).
"""

from __future__ import annotations

import re
from typing import Final

from primitives.errors import CarbonodeError

MONEY_PLACES: Final = 4
PERCENT_PLACES: Final = 2
"""Rates are 10^-4: one percent is 100 of them."""
KG_PLACES: Final = 3
"""Kilograms are thousandths of a tonne."""
_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


class DecimalError(CarbonodeError):
    """Not a decimal number, or with more places than the chain keeps."""

    code = "decimal"


def format_decimal(value: int, places: int = MONEY_PLACES) -> str:
    """Return ``value`` x 10^-places with all its places: 600000 is 60.0000."""
    digits = str(abs(value)).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def parse_decimal(text: str, places: int = MONEY_PLACES) -> int:
    """Return the integer in units of 10^-places; raise DecimalError instead of rounding."""
    if not _DECIMAL.fullmatch(text):
        raise DecimalError("not a decimal number", text=text[:80])
    whole, _, fraction = text.removeprefix("-").partition(".")
    kept = fraction.rstrip("0")
    if len(kept) > places:
        raise DecimalError("too many places", text=text[:80], places=places)
    value = int(whole + kept.ljust(places, "0"))
    return -value if text.startswith("-") else value
