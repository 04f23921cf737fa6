"""Clearing: the margin behind futures, their daily mark, defaults, and settlement at expiry.

Between every buyer and seller of a series stands this contract. Members deposit money; a trade
takes initial margin out of it at once. A position is (contracts, balance): its equity is the
balance and the value of its contracts at the settlement price, so that a mark settles every
position's variation by changing one number. Positions stand in `watch` in the order in which they
fall below the maintenance margin: a mark finds those that fell, and touches no other.
Who fell is topped up out of its own free deposit, or reduced: against the order book, then against
the largest positions of the other side. Losses beyond a member's margin are borne by its own part
of the series' default fund, the operator's stake, the members' parts, and last by those against
whom the position is closed, out of what the same mark gave them (CPMI-IOSCO PFMI 6 and 13).
Never is a position below its maintenance margin while its series trades, and never does a contract
have a buyer without a seller.
"""
from vm import (
    Address, Map, Var, call, ctx, emit, event, export, init, record, replace, require, view
)
from lib.arguments.v1 import check_id, check_limit
from lib.margin.v1 import (
    Fund, clamp_to_band, compute_equity, compute_part, compute_rank, compute_required,
    count_carried, count_minted, renew
)
from lib.records.v1 import Best, Payment, Trading, Valuation
from lib.series.v1 import (
    Expiring, Session, Terms, add_trade, check_terms, compute_average, round_to_tick
)

HOUSE = "clearing"
BOOK = "futures"
LONG = "long"
SHORT = "short"
KG_PER_TONNE = 1000
DAY = 86400
PRICE_MAX = 1000000000000
MONEY_MAX = 1000000000000000000000000
# A mark works off as many calls and closings in one transaction; `clear` goes on.
STEPS_MAX = 20
# A cash settlement is the average of the underlying over its last days.
FINAL_DAYS = 5


@record
class Series:
    operator: str
    terms: Terms


@record
class State:
    status: str
    settlement: int
    marked_day: int
    marks: int
    final: bool
    session: Session


@record
class Position:
    """`closed_mark` is the number of marks when its last contract was closed."""

    contracts: int
    balance: int
    closed_mark: int


@record
class Plan:
    """What a trade makes of a position; `cost` comes out of the free deposit."""

    old: Position
    contracts: int
    balance: int
    contribution: int
    cost: int
    covered: bool


@record
class Standing:
    """A position at the settlement price: `trigger` is the price beyond which it is called."""

    contracts: int
    balance: int
    equity: int
    initial: int
    maintenance: int
    trigger: int
    fund_part: int


@record
class Ranked:
    organisation: str
    contracts: int


@event
class SeriesOpened:
    series: str
    operator: str
    underlying: str
    expiry: int
    price: int


@event
class Marked:
    series: str
    day: int
    price: int
    source: str
    final: bool


@event
class Called:
    series: str
    organisation: str
    wanted: int
    paid: int


@event
class Reduced:
    """`loss` is what the other side bore of the member's loss beyond its margin."""

    series: str
    organisation: str
    other: str
    contracts: int
    price: int
    loss: int


@event
class Covered:
    series: str
    organisation: str
    own: int
    stake: int
    members: int


@event
class Cleared:
    series: str
    status: str


authority = Var[Address]()
venue = Var[Address]()
exits = Var[Address]()
connected = Var[bool]()

listed = Map[str, Series]()
states = Map[str, State]()
interest = Map[str, int](default=0)
busy = Map[str, int](default=0)
free = Map[tuple[str, str], int](default=0)
positions = Map[tuple[str, str], Position]()
watch = Map[tuple[str, str, int, str], bool]()
sizes = Map[tuple[str, str, int, str], bool]()
funds = Map[str, Fund]()
shares = Map[tuple[str, int, str], int](default=0)
escrow = Map[str, int](default=0)


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(order_book: Address, delivery: Address) -> None:
    """Whose trades are cleared here, and who settles what is left at expiry."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    venue.set(order_book)
    exits.set(delivery)


# --- series -----------------------------------------------------------------------------------


@export
def open_series(series: str, terms: Terms, price: int) -> None:
    """The caller's exchange operates it; trades begin round this price. The terms never change."""
    check_id(series)
    check_terms(terms, ctx.time)
    require(1 <= price and price <= PRICE_MAX and price % terms.tick == 0, "bad-price")
    operator = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", operator, "exchange"), "not-an-exchange")
    require(series not in listed, "series-exists")
    require(call("market", "get_book", terms.underlying)[2][0] == terms.currency, "bad-currency")
    listed[series] = Series(operator, terms)
    session = Session(0, 0, 0, 0, 0, 0)
    states[series] = State("open", price, ctx.time // DAY - 1, 0, False, session)
    funds[series] = Fund(0, 0, 0, 0)
    emit(SeriesOpened(series, operator, terms.underlying, terms.expiry, price))


# --- deposits ---------------------------------------------------------------------------------


@export
def deposit(currency: str, amount: int) -> None:
    """Money for margin: out of it come trades' margins, and what a mark calls for."""
    check_amount(amount)
    owner = call("identity", "get_mover", ctx.sender)
    move_money(currency, owner, HOUSE, amount)
    free[owner, currency] += amount


@export
def withdraw(currency: str, amount: int) -> None:
    """What stands behind no position; not while a series of the currency works off a mark."""
    check_amount(amount)
    owner = call("identity", "get_mover", ctx.sender)
    take_free(owner, currency, amount)
    move_money(currency, HOUSE, owner, amount)


def take_free(owner: str, currency: str, amount: int) -> None:
    """While a mark is worked off it alone takes of the deposits."""
    require(busy[currency] == 0, "in-clearing")
    require(free[owner, currency] >= amount, "not-enough-margin")
    free[owner, currency] -= amount


def move_money(currency: str, giver: str, taker: str, amount: int) -> None:
    payments = [Payment(giver, "", taker, amount, 0, False)]
    call("cash", "settle", currency, payments, HOUSE, "margin:deposit")


@export
def collect(series: str) -> int:
    """The caller's gains, above the initial margin: free from now on."""
    terms = get_tradeable(series)
    state = states[series]
    owner = call("identity", "get_mover", ctx.sender)
    old = get_position(series, owner)
    require(old.contracts != 0, "no-position")
    unit = get_unit(terms)
    equity = compute_equity(old.contracts, old.balance, state.settlement, unit)
    more = equity - compute_required(old.contracts, state.settlement, unit, terms.initial)
    require(more > 0, "nothing-free")
    free[owner, terms.currency] += more
    put_position(series, terms, state, owner, old, old.contracts, old.balance - more)
    return more


@export
def add_stake(series: str, amount: int) -> None:
    """The operator's own money in the default fund: it is used before the members'."""
    check_amount(amount)
    found = get_listed(series)
    owner = call("identity", "get_mover", ctx.sender)
    require(owner == found.operator, "not-operator")
    require(states[series].status in ["open", "clearing"], "not-open")
    take_free(owner, found.terms.currency, amount)
    fund = funds[series]
    funds[series] = replace(fund, stake=fund.stake + amount)


@export
def redeem(series: str) -> int:
    """The caller's part of the default fund, once no mark can draw on it for its positions."""
    terms = get_listed(series).terms
    state = states[series]
    owner = call("identity", "get_mover", ctx.sender)
    old = get_position(series, owner)
    require(old.contracts == 0, "position-open")
    past = state.status in ["settling", "closed"]
    require(past or state.status == "open" and state.marks > old.closed_mark, "fund-bound")
    fund = funds[series]
    part = get_part(series, fund, owner)
    require(part > 0, "nothing-free")
    mine = shares[series, fund.epoch, owner]
    del shares[series, fund.epoch, owner]
    funds[series] = renew(replace(fund, value=fund.value - part, shares=fund.shares - mine))
    free[owner, terms.currency] += part
    return part


# --- trades -----------------------------------------------------------------------------------


@export
def trade(
    series: str, buyer: str, seller: str, contracts: int, price: int, buyer_fee: int,
    seller_fee: int
) -> str:
    """For the order book alone: both positions change, or the side is named that lacks margin."""
    require_venue()
    terms = listed[series].terms
    state = states[series]
    bought = make_plan(series, terms, state, buyer, contracts, price, buyer_fee)
    if not bought.covered:
        return "buyer"
    sold = make_plan(series, terms, state, seller, -contracts, price, seller_fee)
    if not sold.covered:
        return "seller"
    apply_plan(series, terms, state, buyer, bought)
    apply_plan(series, terms, state, seller, sold)
    free[listed[series].operator, terms.currency] += buyer_fee + seller_fee
    session = add_trade(state.session, ctx.time // DAY, contracts, price)
    states[series] = replace(state, session=session)
    return ""


def make_plan(
    series: str, terms: Terms, state: State, who: str, signed: int, price: int, fee: int
) -> Plan:
    """To open or to turn takes initial margin; to reduce must leave maintenance margin.

    What a position has above its initial margin after the trade becomes free.
    """
    old = get_position(series, who)
    unit = get_unit(terms)
    now = old.contracts + signed
    balance = old.balance - signed * price * unit
    equity = compute_equity(now, balance, state.settlement, unit)
    opens = abs(now) > abs(old.contracts) or now * old.contracts < 0
    high = compute_required(now, state.settlement, unit, terms.initial)
    low = high if opens else compute_required(now, state.settlement, unit, terms.maintenance)
    taken = low - equity if equity < low else min(0, high - equity)
    contribution = 0
    if opens:
        target = compute_required(now, state.settlement, unit, terms.contribution)
        contribution = max(0, target - get_part(series, funds[series], who))
    cost = taken + contribution + fee
    covered = free[who, terms.currency] >= cost
    return Plan(old, now, balance + taken, contribution, cost, covered)


def apply_plan(series: str, terms: Terms, state: State, who: str, plan: Plan) -> None:
    free[who, terms.currency] -= plan.cost
    if plan.contribution > 0:
        fund = funds[series]
        minted = count_minted(fund, plan.contribution)
        shares[series, fund.epoch, who] += minted
        value = fund.value + plan.contribution
        funds[series] = replace(fund, value=value, shares=fund.shares + minted)
    put_position(series, terms, state, who, plan.old, plan.contracts, plan.balance)


def put_position(
    series: str, terms: Terms, state: State, who: str, old: Position, contracts: int, balance: int
) -> None:
    """Store it, and its place among those to be watched and among the largest."""
    unit = get_unit(terms)
    if old.contracts != 0:
        side = get_side(old.contracts)
        rank = compute_rank(old.contracts, old.balance, unit, terms.maintenance)
        del watch[series, side, rank, who]
        del sizes[series, side, -abs(old.contracts), who]
    left = balance
    if contracts == 0:
        # What is left of a closed position belongs to the member.
        free[who, terms.currency] += balance
        left = 0
    else:
        side = get_side(contracts)
        rank = compute_rank(contracts, balance, unit, terms.maintenance)
        watch[series, side, rank, who] = True
        sizes[series, side, -abs(contracts), who] = True
    more = max(0, contracts) - max(0, old.contracts)
    if more != 0:
        interest[series] += more
    positions[series, who] = Position(contracts, left, state.marks)


# --- the mark ---------------------------------------------------------------------------------


@export
def mark(series: str) -> int:
    """The settlement price of the last day that is over, or the final one; anyone may call it.

    It settles every position, and works off those that fell below the maintenance margin.
    """
    terms = get_listed(series).terms
    state = states[series]
    require(state.status == "open", "not-open")
    final = ctx.time >= terms.expiry
    day = min(ctx.time, terms.expiry) // DAY - 1
    require(final or state.marked_day < day, "not-due")
    source = "final" if final and terms.delivery == "cash" else "trades"
    price = 0
    if source == "final":
        price = get_spot(terms, day - FINAL_DAYS + 1, day)
    if price == 0:
        source = "trades"
        price = compute_average(
            state.session, state.marked_day, day, terms.volume_min, terms.tick
        )
        if price == 0:
            source = "underlying"
            price = get_spot(terms, day, day)
        if price == 0:
            source = "previous"
            price = state.settlement
        price = clamp_to_band(price, state.settlement, terms.band, terms.tick)
    states[series] = replace(
        state, status="clearing", settlement=price, marked_day=day, marks=state.marks + 1,
        final=final
    )
    busy[terms.currency] += 1
    emit(Marked(series, day, price, source, final))
    work_off(series, terms)
    return price


def get_spot(terms: Terms, first: int, last: int) -> int:
    """The average of the underlying's trades; 0: too few of them."""
    found = call("market", "valuation", terms.underlying, first, last)
    if found.volume_kg < terms.volume_min * terms.size_kg:
        return 0
    return round_to_tick(found.price, 1, terms.tick)


@export
def clear(series: str) -> None:
    """Go on with a mark that one transaction could not work off; anyone may."""
    terms = get_listed(series).terms
    require(states[series].status == "clearing", "not-in-clearing")
    work_off(series, terms)


def work_off(series: str, terms: Terms) -> None:
    state = states[series]
    left = STEPS_MAX
    while left > 0:
        who = find_called(series, state.settlement)
        if who == "":
            status = "settling" if state.final else "open"
            states[series] = replace(state, status=status)
            busy[terms.currency] -= 1
            emit(Cleared(series, status))
            return
        left -= resolve(series, terms, state, who, left)


def find_called(series: str, price: int) -> str:
    """A member below its maintenance margin at the price; empty: there is none."""
    for side in [LONG, SHORT]:
        for key, listed_there in watch.scan((series, side), None, 1):
            if key[2] < (-price if side == LONG else price):
                return key[3]
    return ""


def resolve(series: str, terms: Terms, state: State, who: str, steps: int) -> int:
    """Call the member; who cannot pay is reduced to what it carries. The steps that it took."""
    old = positions[series, who]
    unit = get_unit(terms)
    price = state.settlement
    equity = compute_equity(old.contracts, old.balance, price, unit)
    wanted = compute_required(old.contracts, price, unit, terms.initial) - equity
    found = min(wanted, free[who, terms.currency])
    free[who, terms.currency] -= found
    equity += found
    emit(Called(series, who, wanted, found))
    if equity < 0:
        more = cover(series, who, -equity)
        equity += more
        found += more
    put_position(series, terms, state, who, old, old.contracts, old.balance + found)
    if equity >= compute_required(old.contracts, price, unit, terms.maintenance):
        return 1
    call(BOOK, "end_orders", series, who)
    used = 1 + reduce_in_book(series, terms, state, who, steps - 1)
    return used + deleverage(series, terms, state, who, steps - used)


def count_excess(terms: Terms, state: State, held: Position) -> int:
    """Contracts above those for which the position has initial margin."""
    unit = get_unit(terms)
    equity = compute_equity(held.contracts, held.balance, state.settlement, unit)
    price = state.settlement
    return abs(held.contracts) - count_carried(held.contracts, equity, price, unit, terms.initial)


def reduce_in_book(series: str, terms: Terms, state: State, who: str, steps: int) -> int:
    """Trade with resting orders while that is the member's own loss; not part of the price."""
    unit = get_unit(terms)
    used = 0
    while used < steps:
        old = positions[series, who]
        excess = count_excess(terms, state, old)
        if excess == 0:
            return used
        sign = 1 if old.contracts > 0 else -1
        best = call(BOOK, "find_best", series, "buy" if sign > 0 else "sell", get_trading(series))
        kept = min(excess, best.contracts)
        equity = compute_equity(old.contracts, old.balance, state.settlement, unit)
        loss = sign * (state.settlement - best.price) * kept * unit
        # Closed contracts cost at most their own part of the margin: else the other side is better.
        if best.order == 0 or loss * abs(old.contracts) > equity * kept:
            return used
        used += 1
        plan = make_plan(series, terms, state, best.owner, sign * kept, best.price, best.fee * kept)
        if not plan.covered:
            call(BOOK, "fill_best", series, best.order, 0)
            continue
        apply_plan(series, terms, state, best.owner, plan)
        free[listed[series].operator, terms.currency] += best.fee * kept
        balance = old.balance + sign * kept * best.price * unit
        put_position(series, terms, state, who, old, old.contracts - sign * kept, balance)
        call(BOOK, "fill_best", series, best.order, kept)
        emit(Reduced(series, who, best.owner, kept, best.price, 0))
    return used


def deleverage(series: str, terms: Terms, state: State, who: str, steps: int) -> int:
    """Close the rest at the settlement price against the largest positions of the other side.

    What is left of a loss then lies with them, by contracts: no more than the mark gave them.
    """
    unit = get_unit(terms)
    used = 0
    while used < steps:
        old = positions[series, who]
        excess = count_excess(terms, state, old)
        if excess == 0:
            return used
        used += 1
        sign = 1 if old.contracts > 0 else -1
        other = sizes.scan((series, get_side(-sign)), None, 1)[0][0][3]
        met = positions[series, other]
        kept = min(excess, abs(met.contracts))
        equity = compute_equity(old.contracts, old.balance, state.settlement, unit)
        loss = max(0, -equity) * kept // abs(old.contracts)
        worth = sign * kept * state.settlement * unit
        put_position(
            series, terms, state, who, old, old.contracts - sign * kept, old.balance + worth + loss
        )
        put_position(
            series, terms, state, other, met, met.contracts + sign * kept,
            met.balance - worth - loss
        )
        emit(Reduced(series, who, other, kept, state.settlement, loss))
    return used


# --- the default fund -------------------------------------------------------------------------


def cover(series: str, who: str, loss: int) -> int:
    """Out of the defaulter's own part, the operator's stake, the members' parts, in this order."""
    fund = funds[series]
    own = min(loss, get_part(series, fund, who))
    if own > 0:
        burnt = -(-own * fund.shares // fund.value)
        shares[series, fund.epoch, who] -= burnt
        fund = replace(fund, value=fund.value - own, shares=fund.shares - burnt)
    stake = min(loss - own, fund.stake)
    members = min(loss - own - stake, fund.value)
    funds[series] = renew(replace(fund, stake=fund.stake - stake, value=fund.value - members))
    emit(Covered(series, who, own, stake, members))
    return own + stake + members


def get_part(series: str, fund: Fund, who: str) -> int:
    return compute_part(fund, shares[series, fund.epoch, who])


# --- expiry, for the contract delivery --------------------------------------------------------


@export
def set_aside(series: str, who: str, amount: int) -> None:
    """Of the member's deposit into the series' escrow, for what it is going to take."""
    require_settling(series)
    take_free(who, listed[series].terms.currency, amount)
    escrow[series] += amount


@export
def settle(series: str, who: str, contracts: int, more: int) -> None:
    """Close contracts at the final price; `more` comes out of the escrow, or goes there."""
    require_settling(series)
    terms = listed[series].terms
    state = states[series]
    require(escrow[series] >= more, "penalties-due")
    escrow[series] -= more
    old = positions[series, who]
    worth = contracts * state.settlement * get_unit(terms)
    balance = old.balance + worth + min(more, 0)
    put_position(series, terms, state, who, old, old.contracts - contracts, balance)
    free[who, terms.currency] += max(more, 0)


def require_settling(series: str) -> None:
    require(ctx.sender == exits.get(), "not-delivery")
    require(states[series].status == "settling", "not-settling")


@export
def finish(series: str) -> int:
    """When every position is settled: stake and penalties left go to the operator."""
    found = get_listed(series)
    require(states[series].status == "settling", "not-settling")
    for side in [LONG, SHORT]:
        require(len(sizes.scan((series, side), None, 1)) == 0, "position-open")
    fund = funds[series]
    left = fund.stake + escrow[series]
    funds[series] = replace(fund, stake=0)
    escrow[series] = 0
    free[found.operator, found.terms.currency] += left
    states[series] = replace(states[series], status="closed")
    emit(Cleared(series, "closed"))
    return left


# --- checks -----------------------------------------------------------------------------------


def require_venue() -> None:
    require(ctx.sender == venue.get(), "not-the-book")


def get_listed(series: str) -> Series:
    require(series in listed, "no-series")
    return listed[series]


def get_tradeable(series: str) -> Terms:
    """Open, and marked for yesterday: else its settlement price says nothing."""
    terms = get_listed(series).terms
    state = states[series]
    require(state.status == "open", "not-open")
    require(busy[terms.currency] == 0, "in-clearing")
    require(ctx.time < terms.expiry, "expired")
    require(state.marked_day >= ctx.time // DAY - 1, "mark-due")
    return terms


def check_amount(amount: int) -> None:
    require(0 < amount and amount <= MONEY_MAX, "bad-amount")


def get_position(series: str, who: str) -> Position:
    return positions.get((series, who), Position(0, 0, 0))


def get_unit(terms: Terms) -> int:
    return terms.size_kg // KG_PER_TONNE


def get_side(contracts: int) -> str:
    return LONG if contracts > 0 else SHORT


# --- views ------------------------------------------------------------------------------------


@view
def get_trading(series: str) -> Trading:
    found = get_listed(series)
    terms = found.terms
    return Trading(
        found.operator, terms.underlying, states[series].settlement, terms.tick, terms.band,
        terms.maker_fee, terms.taker_fee, terms.expiry
    )


@view
def require_trading(series: str) -> Trading:
    """Reverts unless orders of the series may trade now."""
    get_tradeable(series)
    return get_trading(series)


@view
def can_carry(series: str, who: str, signed: int, price: int, fee: int) -> bool:
    """Whether the member's free deposit is enough for such a trade."""
    return make_plan(series, listed[series].terms, states[series], who, signed, price, fee).covered


@view
def get_series(series: str) -> Series:
    return get_listed(series)


@view
def get_state(series: str) -> State:
    require(series in states, "no-series")
    return states[series]


@view
def get_expiring(series: str) -> Expiring:
    terms = get_listed(series).terms
    state = states[series]
    return Expiring(state.status, state.final, state.settlement, terms)


@view
def count_held(series: str, organisation: str) -> int:
    """Contracts, below zero for a short position."""
    return get_position(series, organisation).contracts


@view
def get_interest(series: str) -> int:
    """Open contracts, counted once."""
    require(series in listed, "no-series")
    return interest[series]


@view
def get_fund(series: str) -> Fund:
    require(series in funds, "no-series")
    return funds[series]


@view
def free_of(organisation: str, currency: str) -> int:
    return free[organisation, currency]


@view
def standing_of(series: str, organisation: str) -> Standing:
    terms = get_listed(series).terms
    price = states[series].settlement
    held = get_position(series, organisation)
    unit = get_unit(terms)
    trigger = 0
    if held.contracts != 0:
        trigger = abs(compute_rank(held.contracts, held.balance, unit, terms.maintenance))
    return Standing(
        held.contracts, held.balance, compute_equity(held.contracts, held.balance, price, unit),
        compute_required(held.contracts, price, unit, terms.initial),
        compute_required(held.contracts, price, unit, terms.maintenance),
        trigger, get_part(series, funds[series], organisation)
    )


@view
def positions_of(series: str, side: str, after_size: int, after: str, limit: int) -> list[Ranked]:
    """The largest first; after_size 0 begins there."""
    check_limit(limit)
    begin = (series, side, -after_size, after) if after_size > 0 else None
    rows = sizes.scan((series, side), begin, limit)
    return [Ranked(key[3], -key[2]) for key, listed_there in rows]


@view
def list_series(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [series for series, found in listed.scan(None, after, limit)]

