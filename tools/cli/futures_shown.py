"""How the figures of futures are written for people: decimals, percent, tonnes, days. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from tools.trading.decimals import PERCENT_PLACES, format_decimal
from tools.trading.futures import Standing, State, Terms

KG_PER_TONNE: Final = 1000
DAY: Final = 86_400


def show_day(day: int) -> str:
    """Return a day counted from 1970-01-01 as YYYY-MM-DD."""
    return datetime.fromtimestamp(day * DAY, UTC).date().isoformat()


def show_terms(terms: Terms) -> dict[str, Any]:
    """Return terms as people write them."""
    rates = ("initial", "maintenance", "band", "contribution", "penalty")
    money = ("tick", "maker_fee", "taker_fee")
    return {
        "underlying": terms.underlying,
        "expiry": show_day(terms.expiry // DAY),
        "size_tonnes": terms.size_kg // KG_PER_TONNE,
        "currency": terms.currency,
        "delivery": terms.delivery,
        "volume_min": terms.volume_min,
        **{name: format_decimal(getattr(terms, name)) for name in money},
        **{
            f"{name}_percent": format_decimal(getattr(terms, name), PERCENT_PLACES)
            for name in rates
        },
    }


def show_state(state: State) -> dict[str, Any]:
    """Return the last mark as people write it."""
    return {
        "status": state.status,
        "settlement": format_decimal(state.settlement),
        "marked": show_day(state.marked_day),
        "final": state.final,
    }


def show_standing(found: Standing) -> dict[str, Any]:
    """Return a position as people write it."""
    names = ("equity", "initial", "maintenance", "trigger", "fund_part")
    shown = {name: format_decimal(getattr(found, name)) for name in names}
    return {"contracts": found.contracts, **shown}
