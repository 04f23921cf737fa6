"""Finance: units pledged against a loan, and what becomes of them when it is not repaid.

The owner of serials proposes a pledge to a bank on stated terms, and from then on they are locked
in `units` in this contract's name: they stay the borrower's and move no more. The bank accepts
and pays the loan out of its account in `cash` in the same call. The pledge ends when the debt is
repaid or the bank lets it go; after a default the serials are sold to the highest bidder.

Value of a pledge: its kilograms x the money / the kilograms of the book's trades in the last days
of UTC that are over, rounded down: today's trades do not move it, nor do auctions. Without as many trades
as the terms ask for there is no value, and what needs one is refused.
Interest is simple: principal x rate x days / (10000 x 360 or 365), actual days of the calendar,
kept as an exact numerator and rounded up, less than 10^-4 of the currency in all.
Never does a pledge move units but to their buyer at its auction, or free them against the bank's will
before the debt is paid.
"""
from vm import (
    Map, Var, call, ctx, emit, event, export, mul_div, mul_div_up, record, replace, require, revert,
    view
)
from lib.arguments.v1 import check_limit
from lib.classes.v1 import Class, is_fitting
from lib.records.v1 import Payment, Project, Valuation

WHOLE = 10000
AMOUNT_MAX = 1000000000000000000000000
DAY = 86400
HOUR = 3600
TERM_MAX = 316224000
GRACE_MAX = 7776000
PROPOSAL_SECONDS = 2592000
AUCTION_MAX = 2592000
# A bid in the last ten minutes leaves ten minutes for a higher one.
EXTENSION = 600
# A bid beats the best one by a hundredth at least, so that dust does not keep an auction open.
STEP = 100
BORROWER = "borrower"
LENDER = "lender"


@record
class Loan:
    """rate is 10^-4 a year of `day_basis` days; times are seconds UTC."""

    currency: str
    principal: int
    rate: int
    day_basis: int
    due_at: int


@record
class Cover:
    """How the pledge is valued: haircut and ltv_max in 10^-4 of the value from the book's trades."""

    book: str
    window_days: int
    trades_min: int
    haircut: int
    ltv_max: int
    grace_seconds: int
    cure_seconds: int


@record
class Pledge:
    """interest is owed in 1 / (10000 x day_basis) of 10^-4 of the currency, up to accrued_day.

    floor is the least that the next auction may begin with; claim what is owed without cover.
    """

    borrower: str
    lender: str
    batch: str
    start: int
    end: int
    loan: Loan
    cover: Cover
    status: str
    principal: int
    interest: int
    accrued_day: int
    called_at: int
    floor: int
    claim: int
    since: int


@record
class Auction:
    """bidder is empty until the first bid, whose money is held in `cash`."""

    reserve: int
    ends_at: int
    bidder: str
    amount: int
    bids: int


@record
class Lien:
    """Who has which serials in pledge: nothing when pledge is 0."""

    pledge: int
    batch: str
    start: int
    end: int
    borrower: str
    lender: str
    status: str


@event
class Proposed:
    pledge: int
    borrower: str
    lender: str
    batch: str
    start: int
    end: int
    currency: str
    principal: int


@event
class Accepted:
    pledge: int
    value: int


@event
class Repaid:
    pledge: int
    interest: int
    principal: int
    claim: int


@event
class MarginCalled:
    pledge: int
    value: int
    debt: int
    cure_until: int


@event
class Cured:
    pledge: int


@event
class Defaulted:
    pledge: int
    reason: str
    debt: int


@event
class AuctionOpened:
    pledge: int
    reserve: int
    ends_at: int


@event
class Bid:
    pledge: int
    bidder: str
    amount: int
    ends_at: int


@event
class AuctionFailed:
    pledge: int
    reason: str


@event
class Liquidated:
    pledge: int
    buyer: str
    proceeds: int
    to_lender: int
    to_borrower: int
    claim: int


@event
class Released:
    pledge: int
    reason: str
    claim: int


@event
class Waived:
    pledge: int
    amount: int


pledges = Map[int, Pledge]()
pledge_count = Var[int]()
auctions = Map[int, Auction]()
liens = Map[tuple[str, int], int]()
parties = Map[tuple[str, str, int], bool]()
claims = Map[tuple[str, str, int], int]()


# --- proposed and accepted --------------------------------------------------------------------


@export
def propose(lender: str, batch: str, start: int, end: int, loan: Loan, cover: Cover) -> int:
    """The pledge's number. The owner's serials [start, end) of one lot are locked from now on."""
    check_loan(loan)
    check_cover(cover)
    require(call("identity", "has_role", lender, "bank"), "not-a-bank")
    require(call("units", "may_hold", lender, batch), "verifier-holds")
    require(is_priced(cover.book, batch, loan.currency), "book-mismatch")
    for key, other in liens.scan((batch,), (batch, start), 1):
        require(pledges[other].start >= end, "already-pledged")
    number = pledge_count.get() + 1
    pledge_count.set(number)
    borrower = call("units", "reserve", ctx.sender, batch, start, end, f"pledge:{number}")
    require(borrower != lender, "lender-is-owner")
    pledges[number] = Pledge(
        borrower, lender, batch, start, end, loan, cover, "proposed", 0, 0, 0, 0, 0, 0, ctx.time
    )
    liens[batch, end] = number
    parties[borrower, BORROWER, number] = True
    parties[lender, LENDER, number] = True
    emit(
        Proposed(number, borrower, lender, batch, start, end, loan.currency, loan.principal)
    )
    return number


@export
def withdraw(pledge: int) -> None:
    """End a proposal: its owner, the bank that it names or a regulator; anyone when it has lapsed."""
    found = get_in(pledge, ["proposed"])
    if ctx.time < found.since + PROPOSAL_SECONDS:
        caller = call("identity", "organisation_of", ctx.sender)
        if caller not in [found.borrower, found.lender]:
            require(call("identity", "has_role", caller, "regulator"), "not-permitted")
    end_pledge(pledge, found, "withdrawn")


@export
def accept(pledge: int) -> None:
    """The bank lends: its money goes to the borrower at once."""
    found = get_in(pledge, ["proposed"])
    require_lender(found)
    require(call("identity", "has_role", found.lender, "bank"), "not-a-bank")
    require(call("identity", "get_taker", found.borrower) != "none", "no-receiver")
    require(ctx.time < found.since + PROPOSAL_SECONDS, "lapsed")
    loan = found.loan
    require(ctx.time < loan.due_at, "past-due")
    value = get_value(found)
    lending_value = value * (WHOLE - found.cover.haircut) // WHOLE
    require(loan.principal <= lending_value, "above-lending-value")
    payment = Payment(found.lender, "", found.borrower, loan.principal, 0, False)
    call("cash", "settle", loan.currency, [payment], "", f"pledge:{pledge}")
    pledges[pledge] = replace(
        found, status="active", principal=loan.principal, accrued_day=ctx.time // DAY,
        floor=lending_value, since=ctx.time
    )
    emit(Accepted(pledge, value))


# --- repaid and released ----------------------------------------------------------------------


@export
def repay(pledge: int, amount: int) -> int:
    """By the borrower, interest first; what was taken of the amount, no more than is owed.

    The last of it frees the serials. During an auction only all of it does, until the hammer.
    """
    require(0 < amount and amount <= AMOUNT_MAX, "bad-amount")
    require(pledge in pledges, "no-pledge")
    found = accrue(pledges[pledge], ctx.time)
    require(call("identity", "get_mover", ctx.sender) == found.borrower, "not-borrower")
    if found.claim > 0:
        return repay_claim(pledge, found, amount)
    require(found.status in ["active", "defaulted"], "nothing-owed")
    interest = get_interest(found)
    paid = min(amount, interest + found.principal)
    settled = paid == interest + found.principal
    if pledge in auctions:
        sold = auctions[pledge]
        require(sold.bidder == "" or ctx.time < sold.ends_at, "auction-over")
        require(settled, "auction-open")
    to_interest = min(paid, interest)
    left = replace(
        found, interest=found.interest - to_interest * WHOLE * found.loan.day_basis,
        principal=found.principal - (paid - to_interest)
    )
    pay_lender(pledge, found, paid)
    emit(Repaid(pledge, to_interest, paid - to_interest, 0))
    if settled:
        end_pledge(pledge, left, "repaid")
    else:
        pledges[pledge] = left
    return paid


def repay_claim(pledge: int, found: Pledge, amount: int) -> int:
    paid = min(amount, found.claim)
    pay_lender(pledge, found, paid)
    put_claim(pledge, found, found.claim - paid)
    emit(Repaid(pledge, 0, 0, paid))
    return paid


def pay_lender(pledge: int, found: Pledge, amount: int) -> None:
    payment = Payment(found.borrower, "", found.lender, amount, 0, False)
    call("cash", "settle", found.loan.currency, [payment], "", f"pledge:{pledge}")


@export
def release(pledge: int) -> None:
    """The bank gives the serials up; what is owed stays as a claim without cover.

    For a bank that may no longer act a regulator does, as with any lock of `units`.
    """
    found = accrue(get_in(pledge, ["active", "defaulted"]), ctx.time)
    if call("identity", "is_active", found.lender):
        require_lender(found)
    else:
        caller = call("identity", "organisation_of", ctx.sender)
        require(call("identity", "has_role", caller, "regulator"), "not-lender")
    require(pledge not in auctions, "auction-open")
    end_pledge(pledge, replace(found, claim=get_debt(found)), "released")


@export
def waive(pledge: int, amount: int) -> None:
    """The bank gives up a part of its claim, or says that it was paid outside."""
    require(pledge in pledges, "no-pledge")
    found = pledges[pledge]
    require_lender(found)
    require(0 < amount and amount <= found.claim, "bad-amount")
    put_claim(pledge, found, found.claim - amount)
    emit(Waived(pledge, amount))


def end_pledge(pledge: int, found: Pledge, reason: str) -> None:
    """The serials are their owner's to move again."""
    if pledge in auctions:
        close_auction(pledge, found)
    call("units", "free_reserved", found.batch, found.start, found.end)
    end_lien(pledge, replace(found, status="released"))
    emit(Released(pledge, reason, found.claim))


def end_lien(pledge: int, found: Pledge) -> None:
    del liens[found.batch, found.end]
    del parties[found.borrower, BORROWER, pledge]
    del parties[found.lender, LENDER, pledge]
    put_claim(pledge, replace(found, principal=0, interest=0), found.claim)


def put_claim(pledge: int, found: Pledge, claim: int) -> None:
    pledges[pledge] = replace(found, claim=claim)
    if claim > 0:
        claims[found.borrower, found.lender, pledge] = claim
    elif (found.borrower, found.lender, pledge) in claims:
        del claims[found.borrower, found.lender, pledge]


# --- short of cover, and in default -----------------------------------------------------------


@export
def call_margin(pledge: int) -> None:
    """The debt is above ltv_max of the value: the borrower has cure_seconds to bring it down."""
    found = accrue(get_in(pledge, ["active"]), ctx.time)
    require_lender(found)
    cure = found.cover.cure_seconds
    require(found.called_at == 0 or ctx.time >= found.called_at + 2 * cure, "already-called")
    value = get_value(found)
    require(is_short(found, value), "not-short")
    pledges[pledge] = replace(found, called_at=ctx.time)
    emit(MarginCalled(pledge, value, get_debt(found), ctx.time + cure))


@export
def cure(pledge: int) -> None:
    """The cover is enough again: the call ends. Anyone may show it."""
    found = accrue(get_in(pledge, ["active"]), ctx.time)
    require(found.called_at != 0, "not-called")
    require(not is_short(found, get_value(found)), "still-short")
    pledges[pledge] = replace(found, called_at=0)
    emit(Cured(pledge))


@export
def declare_default(pledge: int) -> None:
    """By the bank: days of grace after the due date are over, or a call was not answered.

    A call counts from the end of its time to cure for as long again, and while the cover is short.
    """
    found = accrue(get_in(pledge, ["active"]), ctx.time)
    require_lender(found)
    reason = "due"
    if ctx.time < found.loan.due_at + found.cover.grace_seconds:
        reason = "margin"
        waited = ctx.time - found.called_at
        require(found.called_at != 0 and waited >= found.cover.cure_seconds, "not-due")
        require(waited < 2 * found.cover.cure_seconds, "call-lapsed")
        require(is_short(found, get_value(found)), "not-short")
    pledges[pledge] = replace(found, status="defaulted")
    emit(Defaulted(pledge, reason, get_debt(found)))


def is_short(found: Pledge, value: int) -> bool:
    return get_debt(found) * WHOLE > value * found.cover.ltv_max


# --- sold -------------------------------------------------------------------------------------


@export
def open_auction(pledge: int, reserve: int, seconds: int) -> None:
    """By the bank, from no less than the floor or the debt, whichever is lower.

    The floor is what the bank lent against; each auction without a bid halves its reserve as the next.
    """
    require(DAY <= seconds and seconds <= AUCTION_MAX, "bad-duration")
    found = accrue(get_in(pledge, ["defaulted"]), ctx.time)
    require_lender(found)
    require(pledge not in auctions, "auction-open")
    require(0 < reserve and reserve <= AMOUNT_MAX, "bad-amount")
    require(reserve >= min(found.floor, get_debt(found)), "reserve-too-low")
    auctions[pledge] = Auction(reserve, ctx.time + seconds, "", 0, 0)
    emit(AuctionOpened(pledge, reserve, ctx.time + seconds))


@export
def bid(pledge: int, amount: int) -> None:
    """Money of the caller's organisation is held; that of the bid it beats is free again."""
    require(0 < amount and amount <= AMOUNT_MAX, "bad-amount")
    auction = get_auction_of(pledge)
    found = pledges[pledge]
    require(ctx.time < auction.ends_at, "auction-over")
    bidder = call("identity", "get_mover", ctx.sender)
    require(bidder != found.borrower, "own-pledge")
    require(call("units", "may_hold", bidder, found.batch), "verifier-holds")
    require(amount >= auction.reserve, "below-reserve")
    reference = f"pledge:{pledge}"
    currency = found.loan.currency
    if auction.bidder != "":
        step = max(1, mul_div_up(auction.amount, 1, STEP))
        require(amount >= auction.amount + step, "bid-too-low")
        call("cash", "release", auction.bidder, currency, reference)
    call("cash", "hold", bidder, currency, amount, reference)
    ends_at = max(auction.ends_at, ctx.time + EXTENSION)
    auctions[pledge] = Auction(auction.reserve, ends_at, bidder, amount, auction.bids + 1)
    emit(Bid(pledge, bidder, amount, ends_at))


@export
def settle_auction(pledge: int) -> None:
    """After its end anyone may: the serials to the best bidder, its money to whom it belongs."""
    auction = get_auction_of(pledge)
    require(ctx.time >= auction.ends_at, "auction-running")
    # Who settles late does not let the borrower pay for it.
    found = accrue(pledges[pledge], auction.ends_at)
    fault = find_fault(auction, found)
    if fault != "":
        close_auction(pledge, found)
        lower = max(1, auction.reserve // 2)
        pledges[pledge] = replace(found, floor=lower if fault == "no-bid" else found.floor)
        emit(AuctionFailed(pledge, fault))
        return
    call(
        "units", "deliver", found.batch, found.start, found.end, found.end - found.start,
        auction.bidder
    )
    debt = get_debt(found)
    to_lender = min(debt, auction.amount)
    share_out(pledge, found, auction, to_lender)
    del auctions[pledge]
    end_lien(pledge, replace(found, status="liquidated", claim=debt - to_lender))
    emit(
        Liquidated(
            pledge, auction.bidder, auction.amount, to_lender, auction.amount - to_lender,
            debt - to_lender
        )
    )


def find_fault(auction: Auction, found: Pledge) -> str:
    """Why there is no sale; empty when there is one."""
    if auction.bidder == "":
        return "no-bid"
    rank = call("identity", "get_taker", auction.bidder)
    if rank == "none" or not call("units", "may_hold", auction.bidder, found.batch):
        return "bidder-barred"
    return ""


def share_out(pledge: int, found: Pledge, auction: Auction, to_lender: int) -> None:
    reference = f"pledge:{pledge}"
    rest = auction.amount - to_lender
    payments = [Payment(auction.bidder, reference, found.lender, to_lender, 0, rest == 0)]
    if rest > 0:
        payments.append(Payment(auction.bidder, reference, found.borrower, rest, 0, True))
    call("cash", "settle", found.loan.currency, payments, "", reference)


def close_auction(pledge: int, found: Pledge) -> None:
    """It ends without a sale: a bid's money is free again."""
    bidder = auctions[pledge].bidder
    if bidder != "":
        call("cash", "release", bidder, found.loan.currency, f"pledge:{pledge}")
    del auctions[pledge]


# --- what is owed, and what covers it ---------------------------------------------------------


def accrue(found: Pledge, time: int) -> Pledge:
    """Interest up to the day of `time`; none when nothing is lent."""
    day = time // DAY
    if found.principal == 0 or day <= found.accrued_day:
        return found
    more = found.principal * found.loan.rate * (day - found.accrued_day)
    return replace(found, interest=found.interest + more, accrued_day=day)


def get_interest(found: Pledge) -> int:
    """Rounded up. A payment's rounding stands below 0 in the numerator and counts for the next."""
    if found.interest <= 0:
        return 0
    return mul_div_up(found.interest, 1, WHOLE * found.loan.day_basis)


def get_debt(found: Pledge) -> int:
    return found.principal + get_interest(found)


def get_value(found: Pledge) -> int:
    """What the serials are worth by the trades of the window that ended with yesterday."""
    today = ctx.time // DAY
    cover = found.cover
    window: Valuation = call(
        "market", "valuation", cover.book, today - cover.window_days, today - 1
    )
    require(window.trades >= cover.trades_min, "no-valuation")
    return mul_div(window.amount, found.end - found.start, window.volume_kg)


def is_priced(book: str, batch: str, currency: str) -> bool:
    """Whether the book trades the batch, or a class that it fits, in this currency."""
    rules = call("market", "get_book", book)
    if rules[2][0] != currency:
        return False
    if rules[1] != "":
        return rules[1] == batch
    wanted: Class = call("market", "get_class", book)
    found = call("units", "get_batch", batch)
    project: Project = call("projects", "get_project", found[0])
    return is_fitting(
        wanted, found[1], project.status, project.region, project.methodology, project.scope,
        project.claims
    )


# --- checks -----------------------------------------------------------------------------------


def check_loan(loan: Loan) -> None:
    require(0 < loan.principal and loan.principal <= AMOUNT_MAX, "bad-amount")
    require(0 <= loan.rate and loan.rate <= WHOLE, "bad-rate")
    require(loan.day_basis == 360 or loan.day_basis == 365, "bad-basis")
    require(ctx.time < loan.due_at and loan.due_at <= ctx.time + TERM_MAX, "bad-due")


def check_cover(cover: Cover) -> None:
    require(1 <= cover.window_days and cover.window_days <= 31, "bad-window")
    require(1 <= cover.trades_min and cover.trades_min <= 1000, "bad-trades")
    require(0 <= cover.haircut and cover.haircut < WHOLE, "bad-haircut")
    # A loan at its bound is not short at once, and never is more owed than the pledge is worth.
    require(WHOLE - cover.haircut <= cover.ltv_max and cover.ltv_max <= WHOLE, "bad-ltv")
    require(0 <= cover.grace_seconds and cover.grace_seconds <= GRACE_MAX, "bad-grace")
    require(HOUR <= cover.cure_seconds and cover.cure_seconds <= GRACE_MAX, "bad-cure")


def require_lender(found: Pledge) -> None:
    # As with money: a key that was just changed gives no security away.
    require(call("identity", "get_mover", ctx.sender) == found.lender, "not-lender")


def get_in(pledge: int, wanted: list[str]) -> Pledge:
    require(pledge in pledges, "no-pledge")
    found = pledges[pledge]
    if found.status not in wanted:
        revert(f"pledge-{found.status}")
    return found


def get_auction_of(pledge: int) -> Auction:
    require(pledge in pledges, "no-pledge")
    require(pledge in auctions, "no-auction")
    return auctions[pledge]


# --- views ------------------------------------------------------------------------------------


@view
def get_pledge(pledge: int) -> Pledge:
    require(pledge in pledges, "no-pledge")
    return pledges[pledge]


@view
def get_auction(pledge: int) -> Auction:
    return get_auction_of(pledge)


@view
def owed(pledge: int) -> list[int]:
    """[principal, interest, claim] now, in 10^-4 of the currency."""
    require(pledge in pledges, "no-pledge")
    found = accrue(pledges[pledge], ctx.time)
    return [found.principal, get_interest(found), found.claim]


@view
def value_of(pledge: int) -> int:
    require(pledge in pledges, "no-pledge")
    return get_value(pledges[pledge])


@view
def lien_at(batch: str, serial: int) -> Lien:
    """The lien on a serial, for anyone who thinks of taking it; its pledge is 0 when there is none."""
    for key, number in liens.scan((batch,), (batch, serial), 1):
        if pledges[number].start <= serial:
            return make_lien(number)
    return Lien(0, batch, 0, 0, "", "", "")


@view
def list_liens(after_batch: str, after_end: int, limit: int) -> list[Lien]:
    """Every lien there is, by batch and serials; the cursor is the last one's batch and end."""
    check_limit(limit)
    after = (after_batch, after_end)
    return [make_lien(number) for key, number in liens.scan(None, after, limit)]


@view
def liens_on(batch: str, after_end: int, limit: int) -> list[Lien]:
    check_limit(limit)
    return [make_lien(number) for key, number in liens.scan((batch,), (batch, after_end), limit)]


@view
def liens_of(organisation: str, role: str, after: int, limit: int) -> list[Lien]:
    """As `borrower` or as `lender`, by number."""
    check_limit(limit)
    rows = parties.scan((organisation, role), (organisation, role, after), limit)
    return [make_lien(key[2]) for key, listed in rows]


@view
def claims_on(borrower: str, after_lender: str, after: int, limit: int) -> list[int]:
    """Pledges of which something is owed without cover."""
    check_limit(limit)
    rows = claims.scan((borrower,), (borrower, after_lender, after), limit)
    return [key[2] for key, left in rows]


@view
def count() -> int:
    return pledge_count.get()


def make_lien(number: int) -> Lien:
    found = pledges[number]
    return Lien(
        number, found.batch, found.start, found.end, found.borrower, found.lender, found.status
    )
