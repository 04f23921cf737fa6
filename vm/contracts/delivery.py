"""Delivery: how futures end at expiry: in cash, or units against money.

At the final price every position of a cash series is closed, one by one, by anyone. Of a physical
series whoever is short locks serials in `units`, before expiry if it likes; whoever is long pays;
and parcels go to payers, both in the order in which they came, units and money in one transaction.
After the days of delivery the rest is settled in cash: who was not ready pays the penalty for each
contract, and who was ready but was not met receives as much. The penalty is at most the
maintenance margin, so that it is always there.
Never does anything here move units without their money, or open a position.
"""
from vm import Map, Var, call, ctx, emit, event, export, mul_div, record, replace, require, view
from lib.arguments.v1 import check_limit
# Terms is what the terms of an Expiring come back as.
from lib.series.v1 import Expiring, Terms

CLEARING = "clearing"
WHOLE = 10000
KG_PER_TONNE = 1000
DELIVERY_SECONDS = 259200
DELIVERIES_MAX = 8
MEMBERS_MAX = 50


@record
class Parcel:
    """Serials locked for this contract: [start, end) of a batch."""

    owner: str
    batch: str
    start: int
    end: int


@record
class Payer:
    owner: str
    contracts: int


@record
class Tender:
    parcel: int
    owner: str
    batch: str
    start: int
    end: int


@record
class Claim:
    payment: int
    owner: str
    contracts: int


@event
class Tendered:
    series: str
    parcel: int
    owner: str
    contracts: int


@event
class Paid:
    series: str
    owner: str
    contracts: int
    amount: int


@event
class Delivered:
    series: str
    giver: str
    taker: str
    contracts: int
    price: int


@event
class ClosedOut:
    """`failed` contracts were neither delivered nor paid for in time."""

    series: str
    organisation: str
    contracts: int
    price: int
    failed: int


parcels = Map[tuple[str, int], Parcel]()
payers = Map[tuple[str, int], Payer]()
count = Var[int]()
tendered = Map[tuple[str, str], int](default=0)
paid = Map[tuple[str, str], int](default=0)


# --- those who give ---------------------------------------------------------------------------


@export
def tender(series: str, batch: str, start: int, end: int) -> int:
    """Lock serials of one lot for what the caller is short; the parcel's number."""
    terms = get_physical(series).terms
    require(ctx.time < terms.expiry + DELIVERY_SECONDS, "too-late")
    require(start < end and (end - start) % terms.size_kg == 0, "bad-amount")
    require(call("market", "may_deliver", terms.underlying, batch), "not-deliverable")
    number = take_number()
    owner = call("units", "reserve", ctx.sender, batch, start, end, f"margin:{series}:{number}")
    contracts = (end - start) // terms.size_kg
    tendered[series, owner] += contracts
    require(tendered[series, owner] <= -count_held(series, owner), "above-position")
    parcels[series, number] = Parcel(owner, batch, start, end)
    emit(Tendered(series, number, owner, contracts))
    return number


@export
def take_back(series: str, parcel: int) -> None:
    """Before the final mark, or when nothing is owed any more."""
    require((series, parcel) in parcels, "no-parcel")
    found = parcels[series, parcel]
    require(call("identity", "organisation_of", ctx.sender) == found.owner, "not-owner")
    expiring = get_expiring(series)
    require(not expiring.final or count_held(series, found.owner) >= 0, "delivery-due")
    free_parcel(series, expiring, parcel, found)


def free_parcel(series: str, expiring: Expiring, number: int, found: Parcel) -> None:
    call("units", "free_reserved", found.batch, found.start, found.end)
    tendered[series, found.owner] -= (found.end - found.start) // expiring.terms.size_kg
    del parcels[series, number]


# --- those who take ---------------------------------------------------------------------------


@export
def pay(series: str) -> int:
    """The caller pays for all that it is long, out of its deposit, at the final price."""
    expiring = get_physical(series)
    require(ctx.time < expiring.terms.expiry + DELIVERY_SECONDS, "too-late")
    owner = call("identity", "get_mover", ctx.sender)
    contracts = count_held(series, owner)
    require(contracts > 0, "no-position")
    require(paid[series, owner] == 0, "already-paid")
    cost = get_cost(expiring, contracts)
    call(CLEARING, "set_aside", series, owner, cost)
    number = take_number()
    paid[series, owner] = number
    payers[series, number] = Payer(owner, contracts)
    emit(Paid(series, owner, contracts, cost))
    return cost


def return_payment(series: str, expiring: Expiring, number: int, payer: Payer) -> None:
    call(CLEARING, "settle", series, payer.owner, 0, get_cost(expiring, payer.contracts))
    del payers[series, number]
    del paid[series, payer.owner]


# --- delivery versus payment ------------------------------------------------------------------


@export
def deliver(series: str) -> int:
    """Parcels to payers, as far as both are there; anyone may call it. The steps that it took."""
    expiring = get_physical(series)
    done = 0
    while done < DELIVERIES_MAX:
        given = parcels.scan((series,), None, 1)
        if len(given) == 0:
            break
        number = given[0][0][1]
        parcel = given[0][1]
        owed = -count_held(series, parcel.owner)
        if owed <= 0:
            free_parcel(series, expiring, number, parcel)
        else:
            taken = payers.scan((series,), None, 1)
            if len(taken) == 0:
                break
            meet(series, expiring, number, parcel, owed, taken[0][0][1], taken[0][1])
        done += 1
    require(done > 0, "nothing-to-deliver")
    return done


def meet(
    series: str, expiring: Expiring, number: int, parcel: Parcel, owed: int, payment: int,
    payer: Payer
) -> None:
    rank = call("identity", "get_taker", payer.owner)
    barred = rank == "verifier" and not call("units", "may_hold", payer.owner, parcel.batch)
    if rank == "none" or barred:
        # Who may not receive has failed to take: the money is its own again.
        return_payment(series, expiring, payment, payer)
        return
    offered = (parcel.end - parcel.start) // expiring.terms.size_kg
    hand_over(
        series, expiring, number, parcel, payment, payer, min(offered, payer.contracts, owed)
    )


def hand_over(
    series: str, expiring: Expiring, number: int, parcel: Parcel, payment: int, payer: Payer,
    contracts: int
) -> None:
    kg = contracts * expiring.terms.size_kg
    call("units", "deliver", parcel.batch, parcel.start, parcel.end, kg, payer.owner)
    tendered[series, parcel.owner] -= contracts
    if parcel.start + kg == parcel.end:
        del parcels[series, number]
    else:
        parcels[series, number] = replace(parcel, start=parcel.start + kg)
    if contracts == payer.contracts:
        del payers[series, payment]
        del paid[series, payer.owner]
    else:
        payers[series, payment] = replace(payer, contracts=payer.contracts - contracts)
    call(CLEARING, "settle", series, payer.owner, contracts, 0)
    cost = get_cost(expiring, contracts)
    call(CLEARING, "settle", series, parcel.owner, -contracts, cost)
    emit(Delivered(series, parcel.owner, payer.owner, contracts, expiring.price))


# --- the rest in cash -------------------------------------------------------------------------


@export
def close_out(series: str, members: list[str]) -> None:
    """Close positions at the final price: of a physical series after the days of delivery."""
    require(1 <= len(members) and len(members) <= MEMBERS_MAX, "bad-list")
    expiring = get_expiring(series)
    require(expiring.status == "settling", "not-settling")
    terms = expiring.terms
    physical = terms.delivery == "physical"
    require(not physical or ctx.time >= terms.expiry + DELIVERY_SECONDS, "not-due")
    each = mul_div(expiring.price * (terms.size_kg // KG_PER_TONNE), terms.penalty, WHOLE)
    for who in members:
        held = count_held(series, who)
        require(held != 0, "no-position")
        ready = count_ready(series, who, held) if physical else 0
        failed = abs(held) - ready if physical else 0
        if held > 0 and ready > 0:
            number = paid[series, who]
            return_payment(series, expiring, number, payers[series, number])
        call(CLEARING, "settle", series, who, held, (ready - failed) * each)
        emit(ClosedOut(series, who, held, expiring.price, failed))


def count_ready(series: str, who: str, held: int) -> int:
    """Contracts that the member was ready to deliver or to take, and nobody met."""
    if held < 0:
        ready = min(-held, tendered[series, who])
        met = len(payers.scan((series,), None, 1))
    else:
        number = paid[series, who]
        ready = payers[series, number].contracts if number > 0 else 0
        met = len(parcels.scan((series,), None, 1))
    require(ready == 0 or met == 0, "deliver-first")
    return ready


# --- checks -----------------------------------------------------------------------------------


def get_expiring(series: str) -> Expiring:
    return call(CLEARING, "get_expiring", series)


def get_physical(series: str) -> Expiring:
    found = get_expiring(series)
    require(found.terms.delivery == "physical", "cash-settled")
    return found


def count_held(series: str, who: str) -> int:
    return call(CLEARING, "count_held", series, who)


def get_cost(expiring: Expiring, contracts: int) -> int:
    return contracts * expiring.price * (expiring.terms.size_kg // KG_PER_TONNE)


def take_number() -> int:
    number = count.get() + 1
    count.set(number)
    return number


# --- views ------------------------------------------------------------------------------------


@view
def parcels_of(series: str, after: int, limit: int) -> list[Tender]:
    """In the order in which they are delivered."""
    check_limit(limit)
    rows = parcels.scan((series,), (series, after), limit)
    return [Tender(key[1], kept.owner, kept.batch, kept.start, kept.end) for key, kept in rows]


@view
def payers_of(series: str, after: int, limit: int) -> list[Claim]:
    """In the order in which they are served."""
    check_limit(limit)
    rows = payers.scan((series,), (series, after), limit)
    return [Claim(key[1], payer.owner, payer.contracts) for key, payer in rows]
