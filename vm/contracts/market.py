"""The market: order books of an exchange, where units and money change hands at once or not at all.

A book trades one batch, or one class of batches any of which a seller may deliver, in one
currency. Prices are in 10^-4 of the currency per tonne, amounts in kilograms. Orders that rest
stand under (book, side, price, number), asks by price and bids by minus the price: the order of
the keys is price-time priority, and what comes first is one scan away however many rest. The
serials of a resting sale are locked in `units`, the money of a resting purchase is held in `cash`.
A fill costs price x kg / 1000, rounded up over all that a resting order fills: the remainder, less
than 10^-4 of the currency for each order, goes to the seller. Fees are rounded down.
Never does a fill move units without their money, or an order trade with its own organisation.
"""
from vm import (
    Map, Var, call, ctx, emit, event, export, mul_div_up, record, replace, require, revert, view
)
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.classes.v1 import Class, check_class, is_fitting
from lib.records.v1 import Payment, Project, Trade, Valuation

BUY = "buy"
SELL = "sell"
OPEN = ["open", "partial"]
FORCES = ["gtt", "ioc", "fok"]
WHOLE = 10000
RATE_MAX = 1000
KG_PER_TONNE = 1000
PRICE_MAX = 1000000000000
AMOUNT_MAX = 1000000000000
DAY_SECONDS = 86400
YEAR = 31622400
# How many resting orders one order meets: what is left of it then is cancelled.
MATCHES_MAX = 50
ROWS = 8
SWEEP_MAX = 50
VALUED_DAYS_MAX = 31


@record
class Terms:
    """Rates and the band are in 10^-4; prices are multiples of tick, amounts of step_kg."""

    currency: str
    tick: int
    step_kg: int
    maker_rate: int
    taker_rate: int
    band: int


@record
class Book:
    """`batch` is empty for a class. The operator may change the rates and nothing else."""

    operator: str
    batch: str
    terms: Terms


@record
class Ticker:
    last_price: int
    trades: int
    volume_kg: int
    halted: bool


@record
class Order:
    """`start` moves on as serials are delivered; rested_kg is what was left when it came to rest."""

    book: str
    side: str
    owner: str
    price: int
    quantity_kg: int
    left_kg: int
    rested_kg: int
    batch: str
    start: int
    end: int
    expires_at: int
    fee_rate: int
    purpose: str
    status: str
    placed_at: int


@record
class Day:
    """What a book traded on one day of UTC, counted from 1970-01-01."""

    day: int
    first_price: int
    high: int
    low: int
    last_price: int
    volume_kg: int
    amount: int
    trades: int


@record
class Resting:
    order: int
    price: int
    left_kg: int


@event
class BookOpened:
    book: str
    operator: str
    batch: str
    currency: str


@event
class RatesChanged:
    book: str
    maker_rate: int
    taker_rate: int


@event
class Placed:
    order: int
    book: str
    side: str
    owner: str
    price: int
    quantity_kg: int


@event
class Traded:
    book: str
    trade: int
    price: int
    quantity_kg: int
    amount: int
    buyer: str
    seller: str
    maker: int
    taker: int


@event
class Rested:
    order: int
    left_kg: int


@event
class Ended:
    order: int
    status: str
    left_kg: int
    reason: str


@event
class Halted:
    book: str
    price: int
    last_price: int
    reason: str


@event
class Reopened:
    book: str
    regulator: str
    last_price: int


books = Map[str, Book]()
classes = Map[str, Class]()
tickers = Map[str, Ticker]()
orders = Map[int, Order]()
order_count = Var[int]()
resting = Map[tuple[str, str, int, int], bool]()
open_orders = Map[tuple[str, int], bool]()
trades = Map[tuple[str, int], Trade]()
days = Map[tuple[str, int], Day]()
# Under minus the day: what comes first after a date is the last day of trading before it.
traded_days = Map[tuple[str, int], bool]()


# --- books ------------------------------------------------------------------------------------


@export
def open_book(book: str, batch: str, terms: Terms) -> None:
    """A book of one batch; the caller's exchange runs it and earns its fees."""
    check_terms(terms)
    call("units", "get_batch", batch)
    put_book(book, batch, terms)


@export
def open_class(book: str, wanted: Class, terms: Terms) -> None:
    """A book of all batches of projects on this chain that fit; its rules never change."""
    check_terms(terms)
    check_class(wanted)
    put_book(book, "", terms)
    classes[book] = wanted


def put_book(book: str, batch: str, terms: Terms) -> None:
    check_id(book)
    operator = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", operator, "exchange"), "not-an-exchange")
    require(book not in books, "book-exists")
    books[book] = Book(operator, batch, terms)
    tickers[book] = Ticker(0, 0, 0, False)
    emit(BookOpened(book, operator, batch, terms.currency))


@export
def set_rates(book: str, maker_rate: int, taker_rate: int) -> None:
    """For orders placed from now on: what rests keeps the rate that it was placed with."""
    check_rate(maker_rate)
    check_rate(taker_rate)
    rules = get_rules(book)
    operator = call("identity", "organisation_of", ctx.sender)
    require(operator == rules.operator, "not-operator")
    terms = replace(rules.terms, maker_rate=maker_rate, taker_rate=taker_rate)
    books[book] = replace(rules, terms=terms)
    emit(RatesChanged(book, maker_rate, taker_rate))


@export
def halt(book: str, reason: str) -> None:
    check_length(reason, 1, 256)
    get_rules(book)
    require_regulator()
    ticker = tickers[book]
    require(not ticker.halted, "book-halted")
    tickers[book] = replace(ticker, halted=True)
    emit(Halted(book, 0, ticker.last_price, reason))


@export
def reopen(book: str, last_price: int) -> None:
    """The band lies round this price from now on; 0: the next trade has none."""
    require(0 <= last_price and last_price <= PRICE_MAX, "bad-price")
    get_rules(book)
    regulator = require_regulator()
    ticker = tickers[book]
    require(ticker.halted, "not-halted")
    tickers[book] = replace(ticker, halted=False, last_price=last_price)
    emit(Reopened(book, regulator, last_price))


# --- orders -----------------------------------------------------------------------------------


@export
def buy(
    book: str, price: int, quantity_kg: int, force: str, expires_at: int, fee_cap: int,
    purpose: str
) -> int:
    """The order's number. With a purpose what is bought is retired at once, for the buyer."""
    rules = require_open(book)
    check_order(rules.terms, price, quantity_kg, force, expires_at, fee_cap)
    check_length(purpose, 0, 256)
    buyer = call("identity", "get_mover", ctx.sender)
    if call("identity", "get_taker", buyer) == "verifier":
        # Of a class anything may come, and a verifier never holds what it verified.
        allowed = rules.batch != "" and call("units", "may_hold", buyer, rules.batch)
        require(allowed, "verifier-holds")
    number = take_number()
    order = Order(
        book, BUY, buyer, price, quantity_kg, quantity_kg, 0, "", 0, 0, expires_at,
        rules.terms.maker_rate, purpose, "open", ctx.time
    )
    take(number, order, rules, force)
    return number


@export
def sell(
    book: str, price: int, batch: str, start: int, end: int, force: str, expires_at: int,
    fee_cap: int
) -> int:
    """The order's number. The serials [start, end) of one lot, first to last."""
    rules = require_open(book)
    quantity = end - start
    check_order(rules.terms, price, quantity, force, expires_at, fee_cap)
    if rules.batch != "":
        require(batch == rules.batch, "wrong-batch")
    else:
        require(is_in_class(book, batch), "not-in-class")
    number = take_number()
    seller = call("units", "reserve", ctx.sender, batch, start, end, f"order:{number}")
    order = Order(
        book, SELL, seller, price, quantity, quantity, 0, batch, start, end, expires_at,
        rules.terms.maker_rate, "", "open", ctx.time
    )
    take(number, order, rules, force)
    return number


@export
def cancel(order: int) -> None:
    """By its owner, or a regulator."""
    found = get_open(order)
    caller = call("identity", "organisation_of", ctx.sender)
    if caller != found.owner:
        require(call("identity", "has_role", caller, "regulator"), "not-permitted")
    end_resting(order, found, "cancelled", "cancelled" if caller == found.owner else "regulator")


@export
def expire(numbers: list[int]) -> None:
    """Sweep orders whose time is over; anyone may, since none of them trades any more."""
    require(1 <= len(numbers) and len(numbers) <= SWEEP_MAX, "bad-list")
    for number in numbers:
        found = get_open(number)
        require(found.expires_at <= ctx.time, "not-due")
        end_resting(number, found, "expired", "expired")


def take_number() -> int:
    number = order_count.get() + 1
    order_count.set(number)
    return number


# --- matching ---------------------------------------------------------------------------------


def take(number: int, new: Order, rules: Book, force: str) -> None:
    """Trade with what rests; then rest, end, or (fill or kill) undo it all."""
    emit(Placed(number, new.book, new.side, new.owner, new.price, new.quantity_kg))
    order = new
    payments: list[Payment] = []
    ticker = tickers[new.book]
    known = ticker
    other = SELL if new.side == BUY else BUY
    after = (new.book, other, -PRICE_MAX - 1, 0)
    stop = ""
    met = 0
    more = True
    while more and order.left_kg > 0:
        rows = resting.scan((new.book, other), after, ROWS)
        more = len(rows) == ROWS
        for after, listed in rows:
            stop = find_stop(order, abs(after[2]), met)
            if stop != "":
                more = False
                break
            met += 1
            maker = orders[after[3]]
            fault = find_fault(maker, order, rules)
            if fault != "":
                end_resting(after[3], maker, fault, fault)
                continue
            require(maker.owner != order.owner, "self-trade")
            if is_outside(maker.price, known.last_price, rules.terms.band):
                stop = "halted"
                more = False
                break
            kg = min(order.left_kg, maker.left_kg)
            ticker = replace(
                ticker, last_price=maker.price, trades=ticker.trades + 1,
                volume_kg=ticker.volume_kg + kg
            )
            payments.append(fill(number, order, after[3], maker, rules, kg, ticker.trades))
            order = reduce(order, kg)
    if len(payments) > 0:
        call("cash", "settle", rules.terms.currency, payments, rules.operator, f"order:{number}")
        if stop != "halted":
            tickers[new.book] = ticker
    require(force != "fok" or order.left_kg == 0, "not-filled")
    if stop == "halted":
        tickers[new.book] = replace(ticker, halted=True)
        emit(Halted(new.book, abs(after[2]), known.last_price, "band"))
    finish(number, order, rules, stop, force)


def find_stop(order: Order, price: int, met: int) -> str:
    """Why the order goes no further than to this price."""
    if order.left_kg == 0:
        return "filled"
    if price > order.price if order.side == BUY else price < order.price:
        return "price"
    if met == MATCHES_MAX:
        return "match-limit"
    return ""


def is_outside(price: int, last_price: int, band: int) -> bool:
    """The band lies round the last trade before the order; none before the first trade."""
    return last_price > 0 and abs(price - last_price) * WHOLE > band * last_price


def find_fault(maker: Order, order: Order, rules: Book) -> str:
    """How a resting order ends instead of trading; empty when it trades."""
    if maker.expires_at <= ctx.time:
        return "expired"
    rank = call("identity", "get_taker", maker.owner)
    if rank == "none":
        return "cancelled"
    if maker.side == BUY:
        if rank == "verifier" and not call("units", "may_hold", maker.owner, order.batch):
            return "cancelled"
    elif rules.batch == "" and not is_in_class(maker.book, maker.batch):
        return "cancelled"
    return ""


def fill(
    number: int, order: Order, maker_number: int, maker: Order, rules: Book, kg: int, trade: int
) -> Payment:
    """Deliver the units and write the trade down; the payment that is owed for it."""
    done = maker.rested_kg - maker.left_kg
    amount = get_cost(maker.price, done + kg) - get_cost(maker.price, done)
    maker_fee = amount * maker.fee_rate // WHOLE
    taker_fee = amount * rules.terms.taker_rate // WHOLE
    bought = maker.side == SELL
    buyer = order if bought else maker
    seller = maker if bought else order
    call("units", "deliver", seller.batch, seller.start, seller.end, kg, buyer.owner)
    if buyer.purpose != "":
        call(
            "retirement", "retire_bought", buyer.owner, seller.batch, seller.start,
            seller.start + kg, buyer.purpose
        )
    left = reduce(maker, kg)
    orders[maker_number] = left
    if left.left_kg == 0:
        remove(maker_number, maker)
        emit(Ended(maker_number, "filled", 0, ""))
    trades[order.book, trade] = Trade(
        maker.price, kg, amount, maker_fee, taker_fee, buyer.owner, seller.owner, maker_number,
        number, seller.batch, seller.start, ctx.time, ctx.height
    )
    note_price(order.book, maker.price, kg, amount)
    emit(
        Traded(
            order.book, trade, maker.price, kg, amount, buyer.owner, seller.owner, maker_number,
            number
        )
    )
    seller_fee = maker_fee if bought else taker_fee
    return Payment(
        buyer.owner, "" if bought else f"order:{maker_number}", seller.owner, amount - seller_fee,
        maker_fee + taker_fee, not bought and left.left_kg == 0
    )


def note_price(book: str, price: int, kg: int, amount: int) -> None:
    """Count a trade into its day, from which others take the value of what is traded here."""
    day = ctx.time // DAY_SECONDS
    known = days.get((book, day))
    if known is None:
        traded_days[book, -day] = True
        days[book, day] = Day(day, price, price, price, price, kg, amount, 1)
    else:
        days[book, day] = Day(
            day, known.first_price, max(known.high, price), min(known.low, price), price,
            known.volume_kg + kg, known.amount + amount, known.trades + 1
        )


def reduce(order: Order, kg: int) -> Order:
    """The order after a fill: a sale gave its first serials away."""
    left = order.left_kg - kg
    status = "partial" if left > 0 else "filled"
    start = order.start + kg if order.side == SELL else 0
    return replace(order, left_kg=left, start=start, status=status)


def finish(number: int, order: Order, rules: Book, stop: str, force: str) -> None:
    """What is left of an order that met all it could."""
    if order.left_kg == 0:
        orders[number] = order
        emit(Ended(number, "filled", 0, ""))
    elif force == "gtt" and stop in ["", "price"]:
        rest(number, replace(order, rested_kg=order.left_kg), rules.terms)
    else:
        if order.side == SELL:
            call("units", "free_reserved", order.batch, order.start, order.end)
        orders[number] = replace(order, status="cancelled")
        reason = stop if stop in ["halted", "match-limit"] else force
        emit(Ended(number, "cancelled", order.left_kg, reason))


def rest(number: int, order: Order, terms: Terms) -> None:
    if order.side == BUY:
        cost = get_cost(order.price, order.left_kg)
        held = cost + cost * order.fee_rate // WHOLE
        call("cash", "hold", order.owner, terms.currency, held, f"order:{number}")
    orders[number] = order
    resting[order.book, order.side, get_rank(order), number] = True
    open_orders[order.owner, number] = True
    emit(Rested(number, order.left_kg))


def end_resting(number: int, order: Order, status: str, reason: str) -> None:
    """Give back what the order set aside."""
    if order.side == BUY:
        currency = books[order.book].terms.currency
        call("cash", "release", order.owner, currency, f"order:{number}")
    else:
        call("units", "free_reserved", order.batch, order.start, order.end)
    orders[number] = replace(order, status=status)
    remove(number, order)
    emit(Ended(number, status, order.left_kg, reason))


def remove(number: int, order: Order) -> None:
    del resting[order.book, order.side, get_rank(order), number]
    del open_orders[order.owner, number]


def get_rank(order: Order) -> int:
    return order.price if order.side == SELL else -order.price


def get_cost(price: int, kg: int) -> int:
    return mul_div_up(price, kg, KG_PER_TONNE)


def is_in_class(book: str, batch: str) -> bool:
    """Whether the batch fits now: its project may have been suspended since."""
    found = call("units", "get_batch", batch)
    project: Project = call("projects", "get_project", found[0])
    return is_fitting(
        classes[book], found[1], project.status, project.region, project.methodology,
        project.scope, project.claims
    )


# --- checks -----------------------------------------------------------------------------------


def require_open(book: str) -> Book:
    rules = get_rules(book)
    require(not tickers[book].halted, "book-halted")
    require(call("identity", "has_role", rules.operator, "exchange"), "no-operator")
    return rules


def require_regulator() -> str:
    caller = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, "regulator"), "not-a-regulator")
    return caller


def get_rules(book: str) -> Book:
    require(book in books, "no-book")
    return books[book]


def get_open(number: int) -> Order:
    require(number in orders, "no-order")
    found = orders[number]
    if found.status not in OPEN:
        revert(f"order-{found.status}")
    return found


def check_terms(terms: Terms) -> None:
    require(len(terms.currency) == 3, "bad-currency")
    require(1 <= terms.tick and terms.tick <= PRICE_MAX, "bad-step")
    require(1 <= terms.step_kg and terms.step_kg <= AMOUNT_MAX, "bad-step")
    check_rate(terms.maker_rate)
    check_rate(terms.taker_rate)
    require(1 <= terms.band and terms.band <= WHOLE, "bad-band")


def check_rate(rate: int) -> None:
    require(0 <= rate and rate <= RATE_MAX, "bad-rate")


def check_order(
    terms: Terms, price: int, kg: int, force: str, expires_at: int, fee_cap: int
) -> None:
    require(1 <= price and price <= PRICE_MAX and price % terms.tick == 0, "bad-price")
    require(1 <= kg and kg <= AMOUNT_MAX and kg % terms.step_kg == 0, "bad-amount")
    require(force in FORCES, "bad-force")
    rests = force == "gtt"
    rate = max(terms.taker_rate, terms.maker_rate) if rests else terms.taker_rate
    require(rate <= fee_cap, "fee-above-cap")
    if rests:
        require(ctx.time < expires_at and expires_at <= ctx.time + YEAR, "bad-expiry")
    else:
        require(expires_at == 0, "bad-expiry")


# --- views ------------------------------------------------------------------------------------


@view
def get_book(book: str) -> Book:
    return get_rules(book)


@view
def get_class(book: str) -> Class:
    require(book in classes, "no-class")
    return classes[book]


@view
def may_deliver(book: str, batch: str) -> bool:
    """Whether a seller may deliver the batch in this book now."""
    rules = get_rules(book)
    return batch == rules.batch if rules.batch != "" else is_in_class(book, batch)


@view
def get_ticker(book: str) -> Ticker:
    require(book in tickers, "no-book")
    return tickers[book]


@view
def list_books(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [book for book, rules in books.scan(None, after, limit)]


@view
def get_order(order: int) -> Order:
    require(order in orders, "no-order")
    return orders[order]


@view
def orders_of(organisation: str, after: int, limit: int) -> list[int]:
    """Those that rest, by number."""
    check_limit(limit)
    rows = open_orders.scan((organisation,), (organisation, after), limit)
    return [key[1] for key, listed in rows]


@view
def list_resting(
    book: str, side: str, after_price: int, after_order: int, limit: int
) -> list[Resting]:
    """In the order in which they trade; after_order 0 begins at the best price."""
    check_limit(limit)
    rank = after_price if side == SELL else -after_price
    after = (book, side, rank if after_order > 0 else -PRICE_MAX - 1, after_order)
    rows = resting.scan((book, side), after, limit)
    return [Resting(key[3], abs(key[2]), orders[key[3]].left_kg) for key, listed in rows]


@view
def trades_of(book: str, after: int, limit: int) -> list[Trade]:
    """The trades after number `after`, oldest first; the first trade is number 1."""
    check_limit(limit)
    return [trade for key, trade in trades.scan((book,), (book, after), limit)]


@view
def days_of(book: str, after_day: int, limit: int) -> list[Day]:
    """The days after `after_day` on which the book traded, oldest first."""
    check_limit(limit)
    return [day for key, day in days.scan((book,), (book, after_day), limit)]


@view
def valuation(book: str, first_day: int, last_day: int) -> Valuation:
    """The average price of both days and all between, weighted by volume and rounded down."""
    get_rules(book)
    count = last_day - first_day + 1
    require(1 <= count and count <= VALUED_DAYS_MAX, "bad-period")
    volume_kg = 0
    amount = 0
    number = 0
    for key, day in days.scan((book,), (book, first_day - 1), count):
        if key[1] <= last_day:
            volume_kg += day.volume_kg
            amount += day.amount
            number += day.trades
    last_price = 0
    for key, traded in traded_days.scan((book,), (book, -last_day - 1), 1):
        last_price = days[book, -key[1]].last_price
    price = amount * KG_PER_TONNE // volume_kg if volume_kg > 0 else 0
    return Valuation(price, volume_kg, amount, number, last_price)
