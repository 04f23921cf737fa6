"""A series of futures: its terms, and which of its trades make the price of a day.

The settlement price of a day is the volume-weighted average of the trades of a whole day, and no
average at all below the volume that the terms ask for: exchanges' rulebooks settle so (ICE EUA
futures: the average of a closing period), and a tiny trade sets no price.
"""
from vm import record, replace, require

DELIVERIES = ["cash", "physical"]
WHOLE = 10000
KG_PER_TONNE = 1000
DAY = 86400
LIFE_MAX = 158112000
PRICE_MAX = 1000000000000
SIZE_MAX = 1000000000


@record
class Terms:
    """Rates and the band in 10^-4; fees in 10^-4 of the currency a contract; prices per tonne."""

    underlying: str
    expiry: int
    size_kg: int
    tick: int
    currency: str
    delivery: str
    initial: int
    maintenance: int
    band: int
    contribution: int
    penalty: int
    maker_fee: int
    taker_fee: int
    volume_min: int


@record
class Session:
    """Contracts and price x contracts of the last day with trades, and of the one before it."""

    day: int
    contracts: int
    amount: int
    earlier_day: int
    earlier_contracts: int
    earlier_amount: int


@record
class Expiring:
    """What delivery must know; `price` is final when `final` says so."""

    status: str
    final: bool
    price: int
    terms: Terms


def check_terms(terms: Terms, now: int) -> None:
    """Reverts with the code of the first term that cannot be."""
    require(len(terms.currency) == 3, "bad-currency")
    require(terms.delivery in DELIVERIES, "bad-delivery")
    require(1 <= terms.size_kg and terms.size_kg <= SIZE_MAX, "bad-size")
    require(terms.size_kg % KG_PER_TONNE == 0, "bad-size")
    require(1 <= terms.tick and terms.tick <= PRICE_MAX, "bad-step")
    require(1 <= terms.maintenance and terms.maintenance < WHOLE, "bad-margin")
    require(terms.maintenance <= terms.initial and terms.initial <= WHOLE, "bad-margin")
    require(1 <= terms.band and terms.band < WHOLE, "bad-band")
    require(0 <= terms.contribution and terms.contribution <= WHOLE, "bad-contribution")
    # So that whoever fails to deliver has the penalty in its margin.
    require(0 <= terms.penalty and terms.penalty <= terms.maintenance, "bad-penalty")
    require(0 <= terms.maker_fee and terms.maker_fee <= PRICE_MAX, "bad-fee")
    require(0 <= terms.taker_fee and terms.taker_fee <= PRICE_MAX, "bad-fee")
    require(1 <= terms.volume_min and terms.volume_min <= SIZE_MAX, "bad-volume")
    require(terms.expiry % DAY == 0, "bad-expiry")
    require(now < terms.expiry and terms.expiry <= now + LIFE_MAX, "bad-expiry")


def round_to_tick(amount: int, volume: int, tick: int) -> int:
    """amount / volume as a multiple of the tick, the nearest, half up; one tick at least."""
    require(0 <= amount and 0 < volume and 0 < tick, "bad-average")
    return max(tick, (2 * amount + volume * tick) // (2 * volume * tick) * tick)


def add_trade(session: Session, today: int, contracts: int, price: int) -> Session:
    """The days with one more trade, of today."""
    amount = contracts * price
    if session.day == today:
        return replace(
            session, contracts=session.contracts + contracts, amount=session.amount + amount
        )
    return Session(
        today, contracts, amount, session.day, session.contracts, session.amount
    )


def compute_average(session: Session, after: int, day: int, volume_min: int, tick: int) -> int:
    """The price of the last day with trades after `after` and up to `day`; 0: too few of them."""
    contracts = 0
    amount = 0
    if after < session.day and session.day <= day:
        contracts = session.contracts
        amount = session.amount
    elif after < session.earlier_day and session.earlier_day <= day:
        contracts = session.earlier_contracts
        amount = session.earlier_amount
    if contracts < max(1, volume_min):
        return 0
    return round_to_tick(amount, contracts, tick)
