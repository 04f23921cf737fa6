"""Baskets: units that stand for one another, held as shares of a pool, a kilogram each.

A basket takes any lot of its class and gives as many shares as the lot has kilograms; a share is
redeemed for a kilogram out of the oldest lot, by vintage and then by deposit. Who deposits a lot
owns it no longer: in `units` it belongs to this contract's name, locked, until it goes to whoever
redeems it. So the kilograms of a basket = its shares = what the holders have, after every call.
A lot whose project was suspended or withdrawn since is passed over, and waits aside: it comes
back when it fits again, or a holder takes it as it is.
Never does a share come from anything but a deposit, or a lot leave without its shares.
"""
from vm import Map, Var, call, ctx, emit, event, export, record, replace, require, view
from lib.arguments.v1 import check_id, check_limit
from lib.classes.v1 import Class, check_class, is_fitting
from lib.records.v1 import Piece, Project

POOL = "baskets"
AMOUNT_MAX = 1000000000000000000
# How many lots one redemption meets.
LOTS_MAX = 20
ROWS = 8


@record
class Basket:
    """kg is what lies in it, and how many shares there are."""

    creator: str
    deposit_min_kg: int
    kg: int
    created_at: int


@record
class Lot:
    """A deposited lot: serials [start, end) of a batch; its place is vintage and number."""

    batch: str
    start: int
    end: int
    vintage: int
    number: int


@record
class Share:
    name: str
    kg: int


@event
class BasketCreated:
    basket: str
    creator: str


@event
class Deposited:
    basket: str
    owner: str
    number: int
    batch: str
    start: int
    end: int


@event
class SharesMoved:
    basket: str
    giver: str
    taker: str
    kg: int


@event
class Redeemed:
    basket: str
    owner: str
    kg: int
    pieces: list[Piece]


@event
class SetAside:
    basket: str
    number: int


@event
class PutBack:
    basket: str
    number: int


baskets = Map[str, Basket]()
classes = Map[str, Class]()
deposit_count = Var[int]()
pool = Map[tuple[str, int, int], Piece]()
aside = Map[tuple[str, int, int], Piece]()
shares = Map[tuple[str, str], int](default=0)
holders = Map[tuple[str, str], bool]()


# --- made and filled --------------------------------------------------------------------------


@export
def create(basket: str, wanted: Class, deposit_min_kg: int) -> None:
    """By an exchange, which has no power over it afterwards; its rules never change."""
    check_id(basket)
    check_class(wanted)
    check_amount(deposit_min_kg)
    creator = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", creator, "exchange"), "not-an-exchange")
    require(basket not in baskets, "basket-exists")
    baskets[basket] = Basket(creator, deposit_min_kg, 0, ctx.time)
    classes[basket] = wanted
    emit(BasketCreated(basket, creator))


@export
def deposit(basket: str, batch: str, start: int, end: int) -> int:
    """The deposit's number. Serials of one lot of the caller's, for as many shares."""
    found = get_found(basket)
    vintage = call("units", "get_batch", batch)[1]
    require(is_in_class(basket, batch), "not-in-class")
    owner = call("units", "reserve", ctx.sender, batch, start, end, f"basket:{basket}")
    require_no_verifier(owner)
    kg = end - start
    require(kg >= found.deposit_min_kg, "below-minimum")
    call("units", "assign", batch, start, end, POOL)
    number = deposit_count.get() + 1
    deposit_count.set(number)
    pool[basket, vintage, number] = Piece(batch, start, end)
    baskets[basket] = replace(found, kg=found.kg + kg)
    put_shares(basket, owner, shares[basket, owner] + kg)
    emit(Deposited(basket, owner, number, batch, start, end))
    return number


@export
def transfer(basket: str, to: str, kg: int) -> None:
    get_found(basket)
    check_amount(kg)
    parties = call("identity", "get_parties", ctx.sender, to)
    giver = parties[0]
    require(giver != to, "same-owner")
    require(parties[1] == "", "verifier-holds")
    take_shares(basket, giver, kg)
    put_shares(basket, to, shares[basket, to] + kg)
    emit(SharesMoved(basket, giver, to, kg))


# --- redeemed ---------------------------------------------------------------------------------


@export
def redeem(basket: str, kg: int) -> list[Piece]:
    """The serials that the caller's organisation got for its shares: the oldest that fit."""
    get_found(basket)
    check_amount(kg)
    owner = call("identity", "get_mover", ctx.sender)
    burn(basket, owner, kg)
    pieces: list[Piece] = []
    left = kg
    met = 0
    after = (basket, -1, 0)
    more = True
    while more and left > 0:
        rows = pool.scan((basket,), after, ROWS)
        more = len(rows) == ROWS
        for after, lot in rows:
            if left == 0:
                break
            require(met < LOTS_MAX, "too-many-lots")
            met += 1
            if is_in_class(basket, lot.batch):
                quantity = min(left, lot.end - lot.start)
                pieces.append(hand_out(lot, quantity, owner))
                left -= quantity
                if lot.start + quantity == lot.end:
                    del pool[basket, after[1], after[2]]
                else:
                    cut = replace(lot, start=lot.start + quantity)
                    pool[basket, after[1], after[2]] = cut
    require(left == 0, "nothing-fits")
    emit(Redeemed(basket, owner, kg, pieces))
    return pieces


@export
def redeem_aside(basket: str, vintage: int, number: int, kg: int) -> Piece:
    """The first serials of a lot that waits aside, as it is: a holder's own choice."""
    check_amount(kg)
    lot = get_aside(basket, vintage, number)
    require(not is_in_class(basket, lot.batch), "still-fits")
    require(kg <= lot.end - lot.start, "above-lot")
    owner = call("identity", "get_mover", ctx.sender)
    burn(basket, owner, kg)
    piece = hand_out(lot, kg, owner)
    if piece.end == lot.end:
        del aside[basket, vintage, number]
    else:
        aside[basket, vintage, number] = replace(lot, start=piece.end)
    emit(Redeemed(basket, owner, kg, [piece]))
    return piece


def hand_out(lot: Piece, kg: int, owner: str) -> Piece:
    call("units", "deliver", lot.batch, lot.start, lot.end, kg, owner)
    return Piece(lot.batch, lot.start, lot.start + kg)


def burn(basket: str, owner: str, kg: int) -> None:
    take_shares(basket, owner, kg)
    found = baskets[basket]
    baskets[basket] = replace(found, kg=found.kg - kg)


@export
def set_aside(basket: str, vintage: int, number: int) -> None:
    """Anyone may, so that lots that do not fit any more stand in nobody's way."""
    require((basket, vintage, number) in pool, "no-lot")
    lot = pool[basket, vintage, number]
    require(not is_in_class(basket, lot.batch), "still-fits")
    del pool[basket, vintage, number]
    aside[basket, vintage, number] = lot
    emit(SetAside(basket, number))


@export
def put_back(basket: str, vintage: int, number: int) -> None:
    lot = get_aside(basket, vintage, number)
    require(is_in_class(basket, lot.batch), "not-in-class")
    del aside[basket, vintage, number]
    pool[basket, vintage, number] = lot
    emit(PutBack(basket, number))


# --- shares and rules -------------------------------------------------------------------------


def take_shares(basket: str, owner: str, kg: int) -> None:
    left = shares[basket, owner] - kg
    require(left >= 0, "not-enough-shares")
    put_shares(basket, owner, left)


def put_shares(basket: str, owner: str, kg: int) -> None:
    if kg > 0:
        shares[basket, owner] = kg
        holders[owner, basket] = True
    else:
        del shares[basket, owner]
        del holders[owner, basket]


def is_in_class(basket: str, batch: str) -> bool:
    """Whether the batch fits now: its project may have been suspended since."""
    found = call("units", "get_batch", batch)
    project: Project = call("projects", "get_project", found[0])
    return is_fitting(
        classes[basket], found[1], project.status, project.region, project.methodology,
        project.scope, project.claims
    )


def require_no_verifier(owner: str) -> None:
    # A share may be redeemed for any lot, and a verifier never holds what it verified.
    require(call("identity", "get_taker", owner) == "", "verifier-holds")


def check_amount(kg: int) -> None:
    require(0 < kg and kg <= AMOUNT_MAX, "bad-amount")


def get_found(basket: str) -> Basket:
    require(basket in baskets, "no-basket")
    return baskets[basket]


def get_aside(basket: str, vintage: int, number: int) -> Piece:
    require((basket, vintage, number) in aside, "no-lot")
    return aside[basket, vintage, number]


# --- views ------------------------------------------------------------------------------------


@view
def get_basket(basket: str) -> Basket:
    return get_found(basket)


@view
def get_class(basket: str) -> Class:
    get_found(basket)
    return classes[basket]


@view
def list_baskets(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [basket for basket, found in baskets.scan(None, after, limit)]


@view
def share_of(basket: str, organisation: str) -> int:
    return shares[basket, organisation]


@view
def holders_of(basket: str, after: str, limit: int) -> list[Share]:
    """Who has how many kilograms of the basket."""
    check_limit(limit)
    return [Share(key[1], kg) for key, kg in shares.scan((basket,), (basket, after), limit)]


@view
def shares_of(organisation: str, after: str, limit: int) -> list[Share]:
    """Of which baskets the organisation has how many kilograms."""
    check_limit(limit)
    rows = holders.scan((organisation,), (organisation, after), limit)
    return [Share(key[1], shares[key[1], organisation]) for key, listed in rows]


@view
def lots_in(basket: str, after_vintage: int, after_number: int, limit: int) -> list[Lot]:
    """In the order in which they go out."""
    check_limit(limit)
    rows = pool.scan((basket,), (basket, after_vintage, after_number), limit)
    return [Lot(lot.batch, lot.start, lot.end, key[1], key[2]) for key, lot in rows]


@view
def lots_aside(basket: str, after_vintage: int, after_number: int, limit: int) -> list[Lot]:
    check_limit(limit)
    rows = aside.scan((basket,), (basket, after_vintage, after_number), limit)
    return [Lot(lot.batch, lot.start, lot.end, key[1], key[2]) for key, lot in rows]
