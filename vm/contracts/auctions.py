"""Auctions: lots of one seller, bids in one window, one price for all who win.

As the primary auctions of the EU ETS (Delegated Regulation (EU) 2023/2830, Articles 5 to 7): bids
are ordered by price, the clearing price is that of the bid with which the amount offered is
reached, and every successful bidder pays it. Bids are sealed (a commitment, revealed when the
window has closed) or open. Where the regulation draws lots among equal bids at the margin, an
auction names time priority or shares pro rata beforehand: a chain has no chance to draw from.
Serials are locked in `units` and money is held in `cash` with each bid; who wins gets its units
and pays in the same step. Prices are in 10^-4 of the currency per tonne; what a bid costs is
rounded up, and the remainder is the seller's. Docs: docs/market.md.
Never does a bid win below the reserve price, or an auction end otherwise than by its rules.
"""
from vm import (
    Map, Var, call, ctx, emit, event, export, mul_div_up, record, replace, require, revert, sha256,
    view
)
from lib.arguments.v1 import check_length, check_limit
from lib.records.v1 import Payment, Piece

WHOLE = 10000
KG_PER_TONNE = 1000
PRICE_MAX = 1000000000000
AMOUNT_MAX = 1000000000000
YEAR = 31622400
LOTS_MAX = 10
# Bids of one organisation: nobody makes an auction endless for the others.
BIDS_MAX = 20
STEPS_MAX = 50
RATIONING = ["time", "pro-rata"]


@record
class Terms:
    """Prices are multiples of tick, amounts of step_kg. A bidder's bids together are at most cap_kg.

    Bids for less than minimum_kg cancel the auction. An open auction has no reveals_until (0).
    forfeit_rate is what a sealed bid that is not revealed loses of its deposit, in 10^-4.
    """

    currency: str
    tick: int
    step_kg: int
    reserve_price: int
    cap_kg: int
    minimum_kg: int
    rationing: str
    sealed: bool
    forfeit_rate: int
    opens_at: int
    closes_at: int
    reveals_until: int


@record
class Auction:
    """`reason` says why nothing is sold; `bids` counts all that were made."""

    seller: str
    terms: Terms
    offered_kg: int
    bids: int
    status: str
    reason: str
    price: int
    sold_kg: int
    proceeds: int


@record
class Bid:
    """price and quantity_kg are 0 while it is sealed; `held` is the money set aside with it."""

    bidder: str
    price: int
    quantity_kg: int
    held: int
    seal: bytes
    status: str
    won_kg: int
    paid: int
    time: int


@record
class Count:
    """Down to `price`: kg of all bids, of those above it, and of those at it that had their share.

    Then the last bid counted, and the lot that is next to be given.
    """

    price: int
    total_kg: int
    above_kg: int
    shared_kg: int
    bid: int
    lot: int


@record
class Listed:
    bid: int
    bidder: str
    price: int
    quantity_kg: int
    status: str
    won_kg: int


@event
class AuctionOpened:
    auction: int
    seller: str
    offered_kg: int
    currency: str
    reserve_price: int
    closes_at: int


@event
class BidMade:
    auction: int
    bid: int
    bidder: str
    price: int
    quantity_kg: int


@event
class BidSealed:
    auction: int
    bid: int
    bidder: str
    deposit: int


@event
class BidRevealed:
    auction: int
    bid: int
    bidder: str
    price: int
    quantity_kg: int


@event
class Cleared:
    auction: int
    price: int
    bid_kg: int
    offered_kg: int


@event
class Won:
    auction: int
    bid: int
    bidder: str
    quantity_kg: int
    amount: int


@event
class BidEnded:
    auction: int
    bid: int
    status: str
    forfeited: int


@event
class Cancelled:
    auction: int
    reason: str
    note: str


@event
class AuctionEnded:
    auction: int
    status: str
    price: int
    sold_kg: int
    proceeds: int


auctions = Map[int, Auction]()
auction_count = Var[int]()
lots = Map[tuple[int, int], Piece]()
bids = Map[tuple[int, int], Bid]()
# By price, highest first, then by number: the order in which bids are served.
ranked = Map[tuple[int, int, int], bool]()
# Bids with money set aside.
live = Map[tuple[int, int], bool]()
bidder_kg = Map[tuple[int, str], int](default=0)
bidder_bids = Map[tuple[int, str], int](default=0)
counts = Map[int, Count]()


# --- the seller -------------------------------------------------------------------------------


@export
def open_auction(offered: list[Piece], terms: Terms) -> int:
    """The auction's number. The serials are locked until it ends, and given in this order."""
    require(1 <= len(offered) and len(offered) <= LOTS_MAX, "bad-lots")
    auction = auction_count.get() + 1
    auction_count.set(auction)
    seller = ""
    offered_kg = 0
    for index, lot in enumerate(offered):
        seller = call(
            "units", "reserve", ctx.sender, lot.batch, lot.start, lot.end, f"auction:{auction}"
        )
        lots[auction, index] = lot
        offered_kg += lot.end - lot.start
    check_terms(terms, offered_kg)
    check_window(terms)
    auctions[auction] = Auction(seller, terms, offered_kg, 0, "open", "", 0, 0, 0)
    emit(
        AuctionOpened(
            auction, seller, offered_kg, terms.currency, terms.reserve_price, terms.closes_at
        )
    )
    return auction


@export
def cancel(auction: int, note: str) -> None:
    """By the seller before the window opens; by a regulator until the bids are counted."""
    check_length(note, 0, 256)
    found = require_status(auction, "open")
    caller = call("identity", "organisation_of", ctx.sender)
    if call("identity", "has_role", caller, "regulator"):
        stop(auction, found, "regulator", note)
    else:
        require(caller == found.seller, "not-permitted")
        require(ctx.time < found.terms.opens_at, "window-open")
        stop(auction, found, "seller", note)


def stop(auction: int, found: Auction, reason: str, note: str) -> None:
    auctions[auction] = replace(found, status="releasing", reason=reason)
    emit(Cancelled(auction, reason, note))


# --- bidders ----------------------------------------------------------------------------------


@export
def bid(auction: int, price: int, quantity_kg: int) -> int:
    """The number of an open bid; what it can cost is held."""
    found = require_window(auction)
    require(not found.terms.sealed, "sealed-auction")
    check_bid(found.terms, price, quantity_kg)
    bidder = require_bidder(auction, found)
    add_kg(auction, found, bidder, quantity_kg)
    cost = get_cost(price, quantity_kg)
    made = Bid(bidder, price, quantity_kg, cost, b"", "valid", 0, 0, ctx.time)
    number = put_bid(auction, found, made)
    ranked[auction, -price, number] = True
    emit(BidMade(auction, number, bidder, price, quantity_kg))
    return number


@export
def commit(auction: int, seal: bytes, deposit: int) -> int:
    """The number of a sealed bid. It may cost no more than the deposit, which may be more."""
    found = require_window(auction)
    require(found.terms.sealed, "open-auction")
    require(len(seal) == 32, "bad-hash")
    bidder = require_bidder(auction, found)
    made = Bid(bidder, 0, 0, deposit, seal, "sealed", 0, 0, ctx.time)
    number = put_bid(auction, found, made)
    emit(BidSealed(auction, number, bidder, deposit))
    return number


@export
def reveal(auction: int, number: int, price: int, quantity_kg: int, salt: bytes) -> None:
    """Say what the sealed bid was, between the end of the window and that of revealing."""
    found = require_status(auction, "open")
    terms = found.terms
    require(terms.closes_at <= ctx.time and ctx.time < terms.reveals_until, "not-revealing")
    made = get_own(auction, number)
    require(made.status == "sealed", "not-sealed")
    require(get_seal(auction, made.bidder, price, quantity_kg, salt) == made.seal, "wrong-seal")
    check_bid(terms, price, quantity_kg)
    require(get_cost(price, quantity_kg) <= made.held, "above-deposit")
    add_kg(auction, found, made.bidder, quantity_kg)
    bids[auction, number] = replace(
        made, price=price, quantity_kg=quantity_kg, status="valid"
    )
    ranked[auction, -price, number] = True
    emit(BidRevealed(auction, number, made.bidder, price, quantity_kg))


@export
def withdraw(auction: int, number: int) -> None:
    """While the window is open; afterwards a bid binds."""
    require_window(auction)
    made = get_own(auction, number)
    require(made.status in ["valid", "sealed"], "bid-ended")
    if made.status == "valid":
        del ranked[auction, -made.price, number]
        bidder_kg[auction, made.bidder] -= made.quantity_kg
    release(auction, number, made, "withdrawn")


def require_bidder(auction: int, found: Auction) -> str:
    bidder = call("identity", "get_mover", ctx.sender)
    require(bidder != found.seller, "self-trade")
    require(find_fault(auction, bidder) == "", "verifier-holds")
    made = bidder_bids[auction, bidder] + 1
    require(made <= BIDS_MAX, "too-many-bids")
    bidder_bids[auction, bidder] = made
    return bidder


def add_kg(auction: int, found: Auction, bidder: str, quantity_kg: int) -> None:
    kg = bidder_kg[auction, bidder] + quantity_kg
    require(kg <= found.terms.cap_kg, "above-cap")
    bidder_kg[auction, bidder] = kg


def put_bid(auction: int, found: Auction, made: Bid) -> int:
    number = found.bids + 1
    auctions[auction] = replace(found, bids=number)
    call("cash", "hold", made.bidder, found.terms.currency, made.held, get_hold(auction, number))
    bids[auction, number] = made
    live[auction, number] = True
    return number


def find_fault(auction: int, bidder: str) -> str:
    """Why the bidder may receive nothing of the lots; empty when it may."""
    rank = call("identity", "get_taker", bidder)
    if rank == "verifier":
        for key, lot in lots.scan((auction,), None, LOTS_MAX):
            if not call("units", "may_hold", bidder, lot.batch):
                return "verifier"
        return ""
    return rank


# --- clearing, by steps -----------------------------------------------------------------------


@export
def advance(auction: int, steps: int) -> str:
    """Serve at most so many bids of an auction whose time is over; anyone may. The status then."""
    require(1 <= steps and steps <= STEPS_MAX, "bad-steps")
    found = get_found(auction)
    require(found.status not in ["sold", "cancelled"], "auction-ended")
    left = steps
    if found.status == "open":
        begin(auction, found)
    if auctions[auction].status == "counting":
        left = count(auction, left)
    if auctions[auction].status == "settling" and left > 0:
        left = settle(auction, left)
    if auctions[auction].status == "releasing" and left > 0:
        release_rest(auction, left)
    return auctions[auction].status


def begin(auction: int, found: Auction) -> None:
    terms = found.terms
    ends_at = terms.reveals_until if terms.sealed else terms.closes_at
    require(ends_at <= ctx.time, "not-due")
    counts[auction] = Count(0, 0, 0, 0, 0, 0)
    # A seller whose trading was stopped is none, too.
    if call("identity", "get_taker", found.seller) != "none":
        auctions[auction] = replace(found, status="counting")
    else:
        stop(auction, found, "seller-inactive", "")


def count(auction: int, steps: int) -> int:
    """Add bids up from the highest, until the price at which the offer is reached is counted whole."""
    found = auctions[auction]
    state = counts[auction]
    after = -state.price if state.bid > 0 else -PRICE_MAX - 1
    rows = ranked.scan((auction,), (auction, after, state.bid), steps)
    used = 0
    for key, listed in rows:
        price = -key[1]
        if state.total_kg >= found.offered_kg and price < state.price:
            return clear(auction, found, state, steps - used)
        used += 1
        state = count_bid(auction, key[2], state)
    counts[auction] = state
    if len(rows) < steps:
        return clear(auction, found, state, steps - used)
    return steps - used


def count_bid(auction: int, number: int, state: Count) -> Count:
    made = bids[auction, number]
    if find_fault(auction, made.bidder) != "":
        del ranked[auction, -made.price, number]
        release(auction, number, made, "excluded")
        return state
    above_kg = state.total_kg if made.price != state.price else state.above_kg
    total_kg = state.total_kg + made.quantity_kg
    return replace(state, price=made.price, total_kg=total_kg, above_kg=above_kg, bid=number)


def clear(auction: int, found: Auction, state: Count, left: int) -> int:
    """Name the price, or cancel. The steps that are left."""
    counts[auction] = state
    if state.total_kg == 0 or state.total_kg < found.terms.minimum_kg:
        stop(auction, found, "not-covered", "")
    else:
        auctions[auction] = replace(found, status="settling", price=state.price)
        emit(Cleared(auction, state.price, state.total_kg, found.offered_kg))
    return left


def settle(auction: int, steps: int) -> int:
    """Units and money of the best bids change hands; what no bid wins any more is released later."""
    found = auctions[auction]
    state = counts[auction]
    payments: list[Payment] = []
    sold_kg = 0
    used = 0
    rows = ranked.scan((auction,), None, steps)
    ended = len(rows) < steps
    for key, listed in rows:
        made = bids[auction, key[2]]
        if made.price < found.price:
            ended = True
            break
        used += 1
        kg = get_share(found, state, made)
        if made.price == found.price:
            state = replace(state, shared_kg=state.shared_kg + made.quantity_kg)
        del ranked[auction, key[1], key[2]]
        if kg == 0:
            continue
        if find_fault(auction, made.bidder) != "":
            release(auction, key[2], made, "excluded")
            continue
        state = replace(state, lot=deliver(auction, state.lot, kg, made.bidder))
        payments.append(win(auction, found, key[2], made, kg))
        sold_kg += kg
    counts[auction] = state
    proceeds = sum([payment.amount for payment in payments])
    if len(payments) > 0:
        call(
            "cash", "settle", found.terms.currency, payments, found.seller, f"auction:{auction}"
        )
    auctions[auction] = replace(
        found, status="releasing" if ended else "settling", sold_kg=found.sold_kg + sold_kg,
        proceeds=found.proceeds + proceeds
    )
    return steps - used


def get_share(found: Auction, state: Count, made: Bid) -> int:
    """What a bid gets: all of it above the clearing price, at the price what is left by the rule.

    Pro rata goes by sums: what the bids up to this one get together is their part rounded down, so
    the shares add up to what is left, and each is less than a step away from the exact part.
    """
    if made.price > found.price:
        return made.quantity_kg
    step = found.terms.step_kg
    asked = (state.total_kg - state.above_kg) // step
    left = min(found.offered_kg - state.above_kg, state.total_kg - state.above_kg) // step
    before = state.shared_kg // step
    after = before + made.quantity_kg // step
    if found.terms.rationing == "time":
        return (min(after, left) - min(before, left)) * step
    return (left * after // asked - left * before // asked) * step


def deliver(auction: int, first: int, quantity_kg: int, bidder: str) -> int:
    """Give the next serials of the lots; the lot that is next then."""
    number = first
    left = quantity_kg
    while left > 0:
        lot = lots[auction, number]
        kg = min(left, lot.end - lot.start)
        call("units", "deliver", lot.batch, lot.start, lot.end, kg, bidder)
        lots[auction, number] = replace(lot, start=lot.start + kg)
        left -= kg
        if lot.start + kg == lot.end:
            number += 1
    return number


def win(auction: int, found: Auction, number: int, made: Bid, kg: int) -> Payment:
    amount = get_cost(found.price, kg)
    bids[auction, number] = replace(made, status="won", won_kg=kg, paid=amount)
    del live[auction, number]
    emit(Won(auction, number, made.bidder, kg, amount))
    return Payment(made.bidder, get_hold(auction, number), found.seller, amount, 0, True)


def release_rest(auction: int, steps: int) -> None:
    """Give the money of all other bids back; then what was not sold, and the auction is over."""
    found = auctions[auction]
    rows = live.scan((auction,), None, steps)
    for key, listed in rows:
        number = key[1]
        made = bids[auction, number]
        if made.status == "sealed" and found.reason in ["", "not-covered"]:
            forfeit(auction, found, number, made)
        else:
            release(auction, number, made, "lost" if found.reason == "" else "released")
    if len(rows) < steps:
        end(auction, found)


def forfeit(auction: int, found: Auction, number: int, made: Bid) -> None:
    """A sealed bid that stayed sealed was a way out of a binding bid: a part of it is lost."""
    lost = made.held * found.terms.forfeit_rate // WHOLE
    if lost == 0:
        release(auction, number, made, "unrevealed")
        return
    payment = Payment(made.bidder, get_hold(auction, number), found.seller, lost, 0, True)
    call("cash", "settle", found.terms.currency, [payment], found.seller, f"auction:{auction}")
    end_bid(auction, number, replace(made, paid=lost), "unrevealed", lost)


def release(auction: int, number: int, made: Bid, status: str) -> None:
    currency = auctions[auction].terms.currency
    call("cash", "release", made.bidder, currency, get_hold(auction, number))
    end_bid(auction, number, made, status, 0)


def end_bid(auction: int, number: int, made: Bid, status: str, forfeited: int) -> None:
    bids[auction, number] = replace(made, status=status)
    del live[auction, number]
    emit(BidEnded(auction, number, status, forfeited))


def end(auction: int, found: Auction) -> None:
    for key, lot in lots.scan((auction,), None, LOTS_MAX):
        if lot.start < lot.end:
            call("units", "free_reserved", lot.batch, lot.start, lot.end)
    status = "sold" if found.reason == "" else "cancelled"
    auctions[auction] = replace(found, status=status)
    emit(AuctionEnded(auction, status, found.price, found.sold_kg, found.proceeds))


# --- checks -----------------------------------------------------------------------------------


def check_terms(terms: Terms, offered_kg: int) -> None:
    require(len(terms.currency) == 3, "bad-currency")
    require(1 <= terms.tick and terms.tick <= PRICE_MAX, "bad-step")
    require(1 <= terms.step_kg and terms.step_kg <= AMOUNT_MAX, "bad-step")
    require(offered_kg <= AMOUNT_MAX and offered_kg % terms.step_kg == 0, "bad-amount")
    check_price(terms, terms.reserve_price)
    require(terms.step_kg <= terms.cap_kg and terms.cap_kg <= AMOUNT_MAX, "bad-cap")
    require(0 <= terms.minimum_kg and terms.minimum_kg <= offered_kg, "bad-minimum")
    require(terms.rationing in RATIONING, "bad-rationing")
    rate_max = WHOLE if terms.sealed else 0
    require(0 <= terms.forfeit_rate and terms.forfeit_rate <= rate_max, "bad-rate")


def check_window(terms: Terms) -> None:
    require(ctx.time <= terms.opens_at and terms.opens_at < terms.closes_at, "bad-window")
    last = terms.closes_at
    if terms.sealed:
        require(terms.closes_at < terms.reveals_until, "bad-window")
        last = terms.reveals_until
    else:
        require(terms.reveals_until == 0, "bad-window")
    require(last <= ctx.time + YEAR, "bad-window")


def check_price(terms: Terms, price: int) -> None:
    require(1 <= price and price <= PRICE_MAX and price % terms.tick == 0, "bad-price")


def check_bid(terms: Terms, price: int, quantity_kg: int) -> None:
    check_price(terms, price)
    require(terms.reserve_price <= price, "below-reserve")
    require(1 <= quantity_kg and quantity_kg % terms.step_kg == 0, "bad-amount")
    require(quantity_kg <= terms.cap_kg, "above-cap")


def require_window(auction: int) -> Auction:
    found = require_status(auction, "open")
    require(found.terms.opens_at <= ctx.time and ctx.time < found.terms.closes_at, "window-closed")
    return found


def require_status(auction: int, status: str) -> Auction:
    found = get_found(auction)
    if found.status != status:
        revert(f"auction-{found.status}")
    return found


def get_found(auction: int) -> Auction:
    require(auction in auctions, "no-auction")
    return auctions[auction]


def get_own(auction: int, number: int) -> Bid:
    require((auction, number) in bids, "no-bid")
    made = bids[auction, number]
    caller = call("identity", "organisation_of", ctx.sender)
    require(caller == made.bidder, "not-bidder")
    return made


def get_hold(auction: int, number: int) -> str:
    return f"auction:{auction}:{number}"


def get_cost(price: int, kg: int) -> int:
    return mul_div_up(price, kg, KG_PER_TONNE)


def get_seal(auction: int, bidder: str, price: int, quantity_kg: int, salt: bytes) -> bytes:
    """The bidder is in it: a seal that was copied opens for nobody else."""
    require(len(salt) == 32, "bad-salt")
    text = salt.hex()
    return sha256(f"auction:{auction}:{bidder}:{price}:{quantity_kg}:{text}".encode())


# --- views ------------------------------------------------------------------------------------


@view
def get_auction(auction: int) -> Auction:
    return get_found(auction)


@view
def lots_of(auction: int) -> list[Piece]:
    """What is left of each lot; one that was sold whole ends where it starts."""
    return [lot for key, lot in lots.scan((auction,), None, LOTS_MAX)]


@view
def list_auctions(after: int, limit: int) -> list[int]:
    check_limit(limit)
    return [number for number, found in auctions.scan(None, after, limit)]


@view
def get_bid(auction: int, number: int) -> Bid:
    require((auction, number) in bids, "no-bid")
    return bids[auction, number]


@view
def bids_of(auction: int, after: int, limit: int) -> list[Listed]:
    """By number; price and amount of a sealed bid are 0."""
    check_limit(limit)
    rows = bids.scan((auction,), (auction, after), limit)
    return [
        Listed(key[1], made.bidder, made.price, made.quantity_kg, made.status, made.won_kg)
        for key, made in rows
    ]


@view
def seal_of(auction: int, bidder: str, price: int, quantity_kg: int, salt: bytes) -> bytes:
    """What `commit` takes for such a bid. Ask a node of your own: it learns the bid."""
    return get_seal(auction, bidder, price, quantity_kg, salt)
