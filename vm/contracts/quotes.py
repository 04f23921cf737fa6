"""Quotes: who wants to trade an amount asks, dealers answer with firm prices, one is accepted.

A request names a batch, a side and an amount; it binds nobody. A quote binds its dealer until its
time is over: the dealer's serials are locked in `units`, or its money is held in `cash`, and it
cannot be taken back. When the requester accepts, all units and all money change hands in the same
call, and the other quotes are freed. Prices are in 10^-4 of the currency per tonne; what the whole
costs is rounded up, and the remainder is the seller's. There is no fee.
Never is a part of a quote traded, or one accepted after its time.
"""
from vm import (
    Map, Var, call, ctx, emit, event, export, mul_div_up, record, replace, require, revert, view
)
from lib.arguments.v1 import check_limit
from lib.records.v1 import Payment

BUY = "buy"
SELL = "sell"
KG_PER_TONNE = 1000
PRICE_MAX = 1000000000000
AMOUNT_MAX = 1000000000000
DEALERS_MAX = 10
# Quotes that bind at once for one request: all of them are freed in one call.
QUOTES_MAX = 10
SWEEP_MAX = 50
# 31 days.
FIRM_MAX = 2678400


@record
class Request:
    """`side` is what the requester does. Without dealers anyone may answer."""

    requester: str
    side: str
    batch: str
    quantity_kg: int
    currency: str
    dealers: list[str]
    expires_at: int
    status: str
    accepted: int


@record
class Quote:
    """start and end are the serials that the dealer sells; 0 where it buys."""

    request: int
    dealer: str
    price: int
    amount: int
    start: int
    end: int
    expires_at: int
    status: str


@event
class QuoteRequested:
    request: int
    requester: str
    side: str
    batch: str
    quantity_kg: int
    currency: str
    expires_at: int


@event
class Quoted:
    request: int
    quote: int
    dealer: str
    price: int
    amount: int
    expires_at: int


@event
class QuoteAccepted:
    request: int
    quote: int
    batch: str
    quantity_kg: int
    price: int
    amount: int
    buyer: str
    seller: str


@event
class QuoteEnded:
    quote: int
    status: str


@event
class RequestCancelled:
    request: int
    by: str


requests = Map[int, Request]()
request_count = Var[int]()
quotes = Map[int, Quote]()
quote_count = Var[int]()
# Those that bind, by request.
firm = Map[tuple[int, int], bool]()
quoted = Map[tuple[int, str], int]()


# --- asking -----------------------------------------------------------------------------------


@export
def request_quote(
    side: str, batch: str, quantity_kg: int, currency: str, dealers: list[str], expires_at: int
) -> int:
    """The request's number."""
    require(side in [BUY, SELL], "bad-side")
    require(1 <= quantity_kg and quantity_kg <= AMOUNT_MAX, "bad-amount")
    require(len(currency) == 3, "bad-currency")
    require(len(dealers) <= DEALERS_MAX, "bad-dealers")
    check_expiry(expires_at, ctx.time + FIRM_MAX)
    call("units", "get_batch", batch)
    requester = call("identity", "get_mover", ctx.sender)
    if side == BUY:
        require_may_buy(requester, batch)
    number = request_count.get() + 1
    request_count.set(number)
    requests[number] = Request(
        requester, side, batch, quantity_kg, currency, dealers, expires_at, "open", 0
    )
    emit(QuoteRequested(number, requester, side, batch, quantity_kg, currency, expires_at))
    return number


@export
def cancel_request(request: int) -> None:
    """By the requester, or a regulator; the quotes for it are freed."""
    asked = require_asked(request)
    caller = call("identity", "organisation_of", ctx.sender)
    if caller != asked.requester:
        require(call("identity", "has_role", caller, "regulator"), "not-permitted")
    requests[request] = replace(asked, status="cancelled")
    free_quotes(request, asked)
    emit(RequestCancelled(request, caller))


# --- quoting ----------------------------------------------------------------------------------


@export
def quote(request: int, price: int, start: int, end: int, expires_at: int) -> int:
    """The quote's number. The serials of one lot where the dealer sells, else 0 and 0."""
    asked = require_asked(request)
    require(1 <= price and price <= PRICE_MAX, "bad-price")
    check_expiry(expires_at, asked.expires_at)
    dealer = call("identity", "get_mover", ctx.sender)
    require(dealer != asked.requester, "self-trade")
    require(len(asked.dealers) == 0 or dealer in asked.dealers, "not-asked")
    require((request, dealer) not in quoted, "already-quoted")
    require(len(firm.scan((request,), None, QUOTES_MAX)) < QUOTES_MAX, "too-many-quotes")
    number = quote_count.get() + 1
    quote_count.set(number)
    amount = mul_div_up(price, asked.quantity_kg, KG_PER_TONNE)
    if asked.side == SELL:
        require(start == 0 and end == 0, "bad-range")
        require_may_buy(dealer, asked.batch)
        call("cash", "hold", dealer, asked.currency, amount, get_reference(number))
    else:
        require(end - start == asked.quantity_kg, "bad-amount")
        call("units", "reserve", ctx.sender, asked.batch, start, end, get_reference(number))
    quotes[number] = Quote(request, dealer, price, amount, start, end, expires_at, "firm")
    firm[request, number] = True
    quoted[request, dealer] = number
    emit(Quoted(request, number, dealer, price, amount, expires_at))
    return number


@export
def accept_quote(number: int, start: int, end: int) -> None:
    """All of it or nothing. The serials of one lot where the requester sells, else 0 and 0."""
    offer = require_firm(number)
    require(ctx.time < offer.expires_at, "quote-expired")
    asked = requests[offer.request]
    requester = call("identity", "get_mover", ctx.sender)
    require(requester == asked.requester, "not-requester")
    # A dealer whose trading was stopped is none, too.
    require(call("identity", "get_taker", offer.dealer) != "none", "dealer-inactive")
    sells = asked.side == SELL
    buyer = offer.dealer if sells else requester
    seller = requester if sells else offer.dealer
    first = start if sells else offer.start
    last = end if sells else offer.end
    if sells:
        require(end - start == asked.quantity_kg, "bad-amount")
        call("units", "reserve", ctx.sender, asked.batch, start, end, get_reference(number))
    else:
        require(start == 0 and end == 0, "bad-range")
    call("units", "deliver", asked.batch, first, last, asked.quantity_kg, buyer)
    payment = Payment(
        buyer, get_reference(number) if sells else "", seller, offer.amount, 0, sells
    )
    call("cash", "settle", asked.currency, [payment], seller, get_reference(number))
    requests[offer.request] = replace(asked, status="accepted", accepted=number)
    end_quote(number, offer, "accepted")
    free_quotes(offer.request, asked)
    emit(
        QuoteAccepted(
            offer.request, number, asked.batch, asked.quantity_kg, offer.price, offer.amount,
            buyer, seller
        )
    )


@export
def expire(numbers: list[int]) -> None:
    """Sweep quotes whose time is over; anyone may, since none of them can be accepted any more."""
    require(1 <= len(numbers) and len(numbers) <= SWEEP_MAX, "bad-list")
    for number in numbers:
        offer = require_firm(number)
        require(offer.expires_at <= ctx.time, "not-due")
        free(number, offer, requests[offer.request], "expired")


def free_quotes(request: int, asked: Request) -> None:
    for key, listed in firm.scan((request,), None, QUOTES_MAX):
        free(key[1], quotes[key[1]], asked, "freed")


def free(number: int, offer: Quote, asked: Request, status: str) -> None:
    """Give back what the quote set aside."""
    if asked.side == SELL:
        call("cash", "release", offer.dealer, asked.currency, get_reference(number))
    else:
        call("units", "free_reserved", asked.batch, offer.start, offer.end)
    end_quote(number, offer, status)


def end_quote(number: int, offer: Quote, status: str) -> None:
    quotes[number] = replace(offer, status=status)
    del firm[offer.request, number]
    del quoted[offer.request, offer.dealer]
    emit(QuoteEnded(number, status))


def get_reference(number: int) -> str:
    return f"quote:{number}"


# --- checks -----------------------------------------------------------------------------------


def check_expiry(expires_at: int, latest: int) -> None:
    require(ctx.time < expires_at and expires_at <= latest, "bad-expiry")


def require_may_buy(buyer: str, batch: str) -> None:
    if call("identity", "get_taker", buyer) == "verifier":
        require(call("units", "may_hold", buyer, batch), "verifier-holds")


def require_asked(request: int) -> Request:
    asked = get_request(request)
    if asked.status != "open":
        revert(f"request-{asked.status}")
    return asked


def require_firm(number: int) -> Quote:
    offer = get_quote(number)
    if offer.status != "firm":
        revert(f"quote-{offer.status}")
    return offer


# --- views ------------------------------------------------------------------------------------


@view
def get_request(request: int) -> Request:
    require(request in requests, "no-request")
    return requests[request]


@view
def get_quote(number: int) -> Quote:
    require(number in quotes, "no-quote")
    return quotes[number]


@view
def list_requests(after: int, limit: int) -> list[int]:
    check_limit(limit)
    return [number for number, asked in requests.scan(None, after, limit)]


@view
def quotes_of(request: int) -> list[int]:
    """Those that bind, by number."""
    return [key[1] for key, listed in firm.scan((request,), None, QUOTES_MAX)]
