"""Futures: the order books in which positions are traded.

Orders of a series rest under (series, side, price, number), asks by price and bids by minus the
price, as in `market`: the order of the keys is price-time priority. A trade changes two positions
in `clearing`, which takes their margin at once; whoever cannot give it does not trade. Orders bind
no money: their margin is looked at when they come, and again when they meet.
Prices are in 10^-4 of the currency per tonne, fees in 10^-4 of the currency for each contract,
known when the order is placed.
Never does an order trade outside the series' band, with its own organisation, or on margin that is
not there.
"""
from vm import (
    Address, Map, Var, call, ctx, emit, event, export, init, record, replace, require, revert, view
)
from lib.arguments.v1 import check_limit
from lib.margin.v1 import is_outside
from lib.records.v1 import Best, Trading

CLEARING = "clearing"
BUY = "buy"
SELL = "sell"
SIDES = ["buy", "sell"]
OPEN = ["open", "partial"]
FORCES = ["gtt", "ioc", "fok"]
PRICE_MAX = 1000000000000
CONTRACTS_MAX = 1000000
# Resting orders of one member in one series: so many a default has to end.
ORDERS_MAX = 20
# How many resting orders one order meets: what is left of it then is cancelled.
MATCHES_MAX = 20
ROWS = 8
SWEEP_MAX = 50


@record
class Order:
    """`fee` is what the order pays for each contract once it rests."""

    series: str
    side: str
    owner: str
    price: int
    contracts: int
    left: int
    expires_at: int
    fee: int
    status: str
    placed_at: int


@record
class Trade:
    price: int
    contracts: int
    buyer: str
    seller: str
    maker: int
    taker: int
    time: int
    height: int


@record
class Resting:
    order: int
    price: int
    left: int


@event
class Placed:
    order: int
    series: str
    side: str
    owner: str
    price: int
    contracts: int


@event
class Traded:
    series: str
    trade: int
    price: int
    contracts: int
    buyer: str
    seller: str
    maker: int
    taker: int


@event
class Rested:
    order: int
    left: int


@event
class Ended:
    order: int
    status: str
    left: int
    reason: str


authority = Var[Address]()
house = Var[Address]()
connected = Var[bool]()

orders = Map[int, Order]()
order_count = Var[int]()
resting = Map[tuple[str, str, int, int], bool]()
open_orders = Map[tuple[str, str, int], bool]()
trades = Map[tuple[str, int], Trade]()
trade_counts = Map[str, int](default=0)


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(clearing_house: Address) -> None:
    """The contract that may fill and end orders when a member is in default."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    house.set(clearing_house)


# --- orders -----------------------------------------------------------------------------------


@export
def place(
    series: str, side: str, price: int, contracts: int, force: str, expires_at: int, fee_cap: int
) -> int:
    """The order's number. `fee_cap`: the highest fee for a contract that the caller pays."""
    trading = call(CLEARING, "require_trading", series)
    check_order(trading, side, price, contracts, force, expires_at, fee_cap)
    owner = call("identity", "get_mover", ctx.sender)
    require(owner != trading.operator, "operator-trades")
    require(call("identity", "has_role", trading.operator, "exchange"), "no-operator")
    require(may_trade(owner, trading.underlying), "verifier-holds")
    number = order_count.get() + 1
    order_count.set(number)
    order = Order(
        series, side, owner, price, contracts, contracts, expires_at, trading.maker_fee, "open",
        ctx.time
    )
    take(number, order, trading, force)
    return number


def check_order(
    trading: Trading, side: str, price: int, contracts: int, force: str, expires_at: int,
    fee_cap: int
) -> None:
    require(side in SIDES, "bad-side")
    require(1 <= price and price <= PRICE_MAX and price % trading.tick == 0, "bad-price")
    require(not is_outside(price, trading.settlement, trading.band), "outside-band")
    require(1 <= contracts and contracts <= CONTRACTS_MAX, "bad-amount")
    require(force in FORCES, "bad-force")
    fee = trading.taker_fee
    if force == "gtt":
        fee = max(fee, trading.maker_fee)
        require(ctx.time < expires_at and expires_at <= trading.expiry, "bad-expiry")
    else:
        require(expires_at == 0, "bad-expiry")
    require(fee <= fee_cap, "fee-above-cap")


def may_trade(owner: str, underlying: str) -> bool:
    """Not who verified what may have to be taken: of a class, that is anything."""
    rank = call("identity", "get_taker", owner)
    if rank == "":
        return True
    batch = call("market", "get_book", underlying)[1]
    return rank == "verifier" and batch != "" and call("units", "may_hold", owner, batch)


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


# --- matching ---------------------------------------------------------------------------------


def take(number: int, new: Order, trading: Trading, force: str) -> None:
    """Trade with what rests; then rest, end, or (fill or kill) undo it all."""
    emit(Placed(number, new.series, new.side, new.owner, new.price, new.contracts))
    order = new
    other = SELL if new.side == BUY else BUY
    after = (new.series, other, -PRICE_MAX - 1, 0)
    stop = ""
    met = 0
    more = True
    while more and order.left > 0:
        rows = resting.scan((new.series, other), after, ROWS)
        more = len(rows) == ROWS
        for after, listed in rows:
            stop = find_stop(order, abs(after[2]), met)
            if stop != "":
                more = False
                break
            met += 1
            maker = orders[after[3]]
            fault = find_fault(maker, trading)
            if fault == "":
                require(maker.owner != order.owner, "self-trade")
                kg = min(order.left, maker.left)
                fault = match(number, order, after[3], maker, trading, kg)
            if fault == "":
                order = replace(order, left=order.left - kg, status="partial")
            else:
                end_resting(after[3], maker, get_end(fault), fault)
    require(force != "fok" or order.left == 0, "not-filled")
    finish(number, order, stop, force)


def find_stop(order: Order, price: int, met: int) -> str:
    """Why the order goes no further than to this price."""
    if order.left == 0:
        return "filled"
    if price > order.price if order.side == BUY else price < order.price:
        return "price"
    if met == MATCHES_MAX:
        return "match-limit"
    return ""


def find_fault(maker: Order, trading: Trading) -> str:
    """How a resting order ends instead of trading; empty when it trades."""
    if maker.expires_at <= ctx.time:
        return "expired"
    if is_outside(maker.price, trading.settlement, trading.band):
        return "outside-band"
    if not may_trade(maker.owner, trading.underlying):
        return "not-permitted"
    return ""


def get_end(fault: str) -> str:
    return "expired" if fault == "expired" else "cancelled"


def match(
    number: int, order: Order, maker_number: int, maker: Order, trading: Trading, contracts: int
) -> str:
    """One trade, at the resting order's price; the fault for which that order ends instead."""
    bought = order.side == BUY
    buyer = order if bought else maker
    seller = maker if bought else order
    fees = [trading.taker_fee * contracts, maker.fee * contracts]
    lacking = call(
        CLEARING, "trade", order.series, buyer.owner, seller.owner, contracts, maker.price,
        fees[0] if bought else fees[1], fees[1] if bought else fees[0]
    )
    if lacking != "":
        require(lacking != ("buyer" if bought else "seller"), "not-enough-margin")
        return "no-margin"
    reduce(maker_number, maker, contracts)
    trade = trade_counts[order.series] + 1
    trade_counts[order.series] = trade
    trades[order.series, trade] = Trade(
        maker.price, contracts, buyer.owner, seller.owner, maker_number, number, ctx.time,
        ctx.height
    )
    emit(
        Traded(
            order.series, trade, maker.price, contracts, buyer.owner, seller.owner, maker_number,
            number
        )
    )
    return ""


def reduce(number: int, maker: Order, contracts: int) -> None:
    left = maker.left - contracts
    orders[number] = replace(maker, left=left, status="partial" if left > 0 else "filled")
    if left == 0:
        remove(number, maker)
        emit(Ended(number, "filled", 0, ""))


def finish(number: int, order: Order, stop: str, force: str) -> None:
    """What is left of an order that met all it could."""
    if order.left == 0:
        orders[number] = replace(order, status="filled")
        emit(Ended(number, "filled", 0, ""))
    elif force == "gtt" and stop in ["", "price"]:
        rest(number, order)
    else:
        orders[number] = replace(order, status="cancelled")
        emit(Ended(number, "cancelled", order.left, stop if stop == "match-limit" else force))


def rest(number: int, order: Order) -> None:
    """Only with margin for it, as things are now."""
    signed = order.left if order.side == BUY else -order.left
    fee = order.fee * order.left
    carried = call(CLEARING, "can_carry", order.series, order.owner, signed, order.price, fee)
    require(carried, "not-enough-margin")
    mine = open_orders.scan((order.owner, order.series), None, ORDERS_MAX)
    require(len(mine) < ORDERS_MAX, "too-many-orders")
    orders[number] = order
    resting[order.series, order.side, get_rank(order), number] = True
    open_orders[order.owner, order.series, number] = True
    emit(Rested(number, order.left))


def end_resting(number: int, order: Order, status: str, reason: str) -> None:
    orders[number] = replace(order, status=status)
    remove(number, order)
    emit(Ended(number, status, order.left, reason))


def remove(number: int, order: Order) -> None:
    del resting[order.series, order.side, get_rank(order), number]
    del open_orders[order.owner, order.series, number]


def get_rank(order: Order) -> int:
    return order.price if order.side == SELL else -order.price


# --- for the clearing house -------------------------------------------------------------------


@export
def end_orders(series: str, owner: str) -> None:
    """A member in default trades no more."""
    require_house()
    for key, listed in open_orders.scan((owner, series), None, ORDERS_MAX):
        end_resting(key[2], orders[key[2]], "cancelled", "default")


@export
def find_best(series: str, side: str, trading: Trading) -> Best:
    """The order with which a position in default trades next; what cannot trade ends."""
    require_house()
    for key, listed in resting.scan((series, side), None, ROWS):
        found = orders[key[3]]
        fault = find_fault(found, trading)
        if fault == "":
            return Best(key[3], found.owner, found.price, found.left, found.fee)
        end_resting(key[3], found, get_end(fault), fault)
    return Best(0, "", 0, 0, 0)


@export
def fill_best(series: str, order: int, contracts: int) -> None:
    """That order traded so many contracts; none: its owner has no margin for it."""
    require_house()
    found = orders[order]
    if contracts == 0:
        end_resting(order, found, "cancelled", "no-margin")
    else:
        reduce(order, found, contracts)


def require_house() -> None:
    require(ctx.sender == house.get(), "not-the-house")


def get_open(number: int) -> Order:
    require(number in orders, "no-order")
    found = orders[number]
    if found.status not in OPEN:
        revert(f"order-{found.status}")
    return found


# --- views ------------------------------------------------------------------------------------


@view
def get_order(order: int) -> Order:
    require(order in orders, "no-order")
    return orders[order]


@view
def orders_of(organisation: str, series: str, after: int, limit: int) -> list[int]:
    """Those that rest, by number."""
    check_limit(limit)
    begin = (organisation, series, after)
    return [key[2] for key, listed in open_orders.scan((organisation, series), begin, limit)]


@view
def list_resting(
    series: str, side: str, after_price: int, after_order: int, limit: int
) -> list[Resting]:
    """In the order in which they trade; after_order 0 begins at the best price."""
    check_limit(limit)
    rank = after_price if side == SELL else -after_price
    after = (series, side, rank if after_order > 0 else -PRICE_MAX - 1, after_order)
    rows = resting.scan((series, side), after, limit)
    return [Resting(key[3], abs(key[2]), orders[key[3]].left) for key, listed in rows]


@view
def trades_of(series: str, after: int, limit: int) -> list[Trade]:
    """The trades after number `after`, oldest first; the first trade is number 1."""
    check_limit(limit)
    return [trade for key, trade in trades.scan((series,), (series, after), limit)]
