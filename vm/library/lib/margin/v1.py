"""Margin: what a position must have, and the price at which it has it no longer.

A position of n contracts with a balance b has the equity b + n x price x unit, where unit is the
tonnes of one contract and n is negative for a short one. Rates are in 10^-4 of the value at the
settlement price (initial and maintenance margin, CPMI-IOSCO PFMI principle 6). Amounts are whole:
only a requirement is rounded, up.
"""
from vm import mul_div_up, record, replace, require

WHOLE = 10000
# A fund that lost all but a millionth begins anew: its shares can never outgrow a number.
DILUTION_MAX = 1000000


@record
class Fund:
    """A default fund: the operator's stake, and the members' parts as shares of a value."""

    stake: int
    value: int
    shares: int
    epoch: int


def compute_equity(contracts: int, balance: int, price: int, unit: int) -> int:
    """What would be left if the position were closed at the price."""
    return balance + contracts * price * unit


def compute_required(contracts: int, price: int, unit: int, rate: int) -> int:
    """Margin of |contracts| at the rate, rounded up."""
    return mul_div_up(abs(contracts) * price * unit, rate, WHOLE)


def count_carried(contracts: int, equity: int, price: int, unit: int, rate: int) -> int:
    """How many of |contracts| the equity carries at the rate."""
    if equity <= 0:
        return 0
    return min(abs(contracts), equity * WHOLE // (price * unit * rate))


def compute_rank(contracts: int, balance: int, unit: int, rate: int) -> int:
    """Orders the positions of a side by their need: lowest first, whatever the price is.

    Below the maintenance margin exactly when the rank is below -price (long) or price (short):
    minus the lowest price that a long position stands, the highest that a short one stands.
    """
    require(contracts != 0 and 0 <= rate and rate < WHOLE, "bad-rank")
    factor = WHOLE - rate if contracts > 0 else WHOLE + rate
    return WHOLE * balance // (abs(contracts) * unit * factor)


def is_outside(price: int, middle: int, band: int) -> bool:
    """Whether the price lies further than band / 10^4 of the middle from it."""
    return abs(price - middle) * WHOLE > band * middle


def clamp_to_band(price: int, middle: int, band: int, tick: int) -> int:
    """The price, or the outermost multiple of the tick within the band round the middle."""
    low = -(middle * (band - WHOLE) // WHOLE // tick) * tick
    high = middle * (WHOLE + band) // WHOLE // tick * tick
    return max(low, min(price, high))


def compute_part(fund: Fund, mine: int) -> int:
    """What so many shares of the fund are worth, rounded down."""
    return mine * fund.value // fund.shares if mine > 0 else 0


def count_minted(fund: Fund, amount: int) -> int:
    """The shares that a contribution gives, rounded down."""
    return amount * fund.shares // fund.value if fund.shares > 0 else amount


def renew(fund: Fund) -> Fund:
    """The fund, or when next to nothing is left behind its shares a new one without any.

    The rest is part of the stake then, and shares of the epoch before are worth nothing.
    """
    if fund.shares > 0 and fund.value * DILUTION_MAX >= fund.shares:
        return fund
    return replace(fund, stake=fund.stake + fund.value, value=0, shares=0, epoch=fund.epoch + 1)
