"""Arguments of the commands that trade: decimals, percent, times, lots. Wrong: a usage error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import click

from tools.trading.decimals import MONEY_PLACES, PERCENT_PLACES, DecimalError, parse_decimal
from tools.trading.desk import Piece


class _Decimal(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A decimal as an integer in units of 10^-places; more places are refused, not rounded."""

    places: ClassVar[int]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_decimal(str(value), self.places)
        except DecimalError as error:
            self.fail(str(error), param, ctx)


class Money(_Decimal):
    """A decimal of a currency, for a price or an amount, as an integer in 10^-4 of it."""

    name = "decimal"
    places = MONEY_PLACES


class Percent(_Decimal):
    """A rate in percent (12.5), as an integer in 10^-4 of the whole."""

    name = "percent"
    places = PERCENT_PLACES


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A time in ISO 8601 (UTC unless it says otherwise), as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            self.fail(f"{str(value)[:40]!r} is no time such as 2026-11-24T12:00:00Z", param, ctx)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(aware.timestamp())


class Lot(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """Serials ``BATCH:START:END``, half-open."""

    name = "batch:start:end"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Piece:
        if isinstance(value, Piece):
            return value
        batch, _, rest = str(value).partition(":")
        start, _, end = rest.partition(":")
        if not batch or not (start.isascii() and start.isdigit() and end.isdigit()):
            self.fail(f"{str(value)[:80]!r} is not BATCH:START:END", param, ctx)
        return Piece(batch, int(start), int(end))


fee_cap_option = click.option(
    "--fee-cap", type=click.IntRange(0), default=100, show_default=True,
    help="Highest fee that you accept, in 10^-4.",
)  # fmt: skip
