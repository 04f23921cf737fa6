"""Cash: settlement money that accredited banks issue and redeem, in 10^-4 of its currency.

A bank issues to an organisation against money that it received outside the chain, and redeems
what it holds itself, up to what it issued; who wants money out sends it to a bank first. For each
currency issued - redeemed = the sum of all accounts, free and held. What stands in a hold belongs
to its owner and moves only when a contract that trades says so.
Never does anything here create money for anyone but an accredited bank, or leave an account
below zero.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, require, view
from lib.arguments.v1 import check_limit
from lib.records.v1 import Payment

PAYMENTS_MAX = 200
# 10^20 of the currency: far above anything real, and no sum can overflow.
AMOUNT_MAX = 1000000000000000000000000


@record
class Account:
    """What an organisation owns of a currency is free + held; entries counts its statement."""

    free: int
    held: int
    entries: int


@record
class Money:
    issued: int
    redeemed: int


@record
class Entry:
    """A line of a statement; balance is free + held after it."""

    kind: str
    change: int
    balance: int
    other: str
    reference: str
    time: int
    height: int


@record
class Balance:
    currency: str
    free: int
    held: int


@record
class Hold:
    reference: str
    amount: int


@event
class Issued:
    currency: str
    bank: str
    to: str
    amount: int
    reference: str


@event
class Redeemed:
    currency: str
    bank: str
    amount: int
    reference: str


@event
class Transferred:
    currency: str
    giver: str
    taker: str
    amount: int
    reference: str


@event
class Held:
    currency: str
    owner: str
    amount: int
    reference: str


@event
class Released:
    currency: str
    owner: str
    amount: int
    reference: str


@event
class Settled:
    currency: str
    giver: str
    taker: str
    amount: int
    fee: int
    collector: str
    reference: str


authority = Var[Address]()
connected = Var[bool]()
traders = Map[Address, bool](default=False)

accounts = Map[tuple[str, str], Account]()
entries = Map[tuple[str, str, int], Entry]()
holds = Map[tuple[str, str, str], int](default=0)
totals = Map[str, Money]()
by_bank = Map[tuple[str, str], Money]()


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(contracts: list[Address]) -> None:
    """The contracts that trade: they alone hold money and settle."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    for contract in contracts:
        traders[contract] = True


# --- banks ------------------------------------------------------------------------------------


@export
def issue(currency: str, to: str, amount: int, reference: str) -> None:
    """New money of the caller's bank, which received as much outside."""
    check_currency(currency)
    check_amount(amount)
    check_reference(reference)
    bank = require_bank(currency)
    require(call("identity", "get_taker", to) != "none", "no-receiver")
    add_money(currency, bank, Money(amount, 0))
    credit(to, currency, amount, "issue", bank, reference)
    emit(Issued(currency, bank, to, amount, reference))


@export
def redeem(currency: str, amount: int, reference: str) -> None:
    """Money that the caller's bank holds ends here; no more of it than the bank issued."""
    check_currency(currency)
    check_amount(amount)
    check_reference(reference)
    bank = require_bank(currency)
    made = by_bank.get((bank, currency), Money(0, 0))
    require(amount <= made.issued - made.redeemed, "above-issued")
    add_money(currency, bank, Money(0, amount))
    debit(bank, currency, amount, "redeem", "", reference)
    emit(Redeemed(currency, bank, amount, reference))


def require_bank(currency: str) -> str:
    # A key that was just changed moves no money either: get_mover waits the delay out.
    bank = call("identity", "get_mover", ctx.sender)
    require(call("identity", "has_role", bank, "bank"), "not-a-bank")
    scope = f"cash:{currency}"
    require(call("identity", "is_accredited", bank, scope, ctx.time), "not-accredited")
    return bank


def add_money(currency: str, bank: str, more: Money) -> None:
    total = totals.get(currency, Money(0, 0))
    totals[currency] = Money(total.issued + more.issued, total.redeemed + more.redeemed)
    # What was redeemed counts no more: else one bank could use up the currency for all others.
    require(total.issued + more.issued - total.redeemed <= AMOUNT_MAX, "bad-amount")
    made = by_bank.get((bank, currency), Money(0, 0))
    by_bank[bank, currency] = Money(made.issued + more.issued, made.redeemed + more.redeemed)


# --- owners -----------------------------------------------------------------------------------


@export
def transfer(currency: str, to: str, amount: int, reference: str) -> None:
    check_amount(amount)
    check_reference(reference)
    giver = call("identity", "get_parties", ctx.sender, to)[0]
    require(giver != to, "same-owner")
    debit(giver, currency, amount, "transfer", to, reference)
    credit(to, currency, amount, "transfer", giver, reference)
    emit(Transferred(currency, giver, to, amount, reference))


def credit(
    owner: str, currency: str, amount: int, kind: str, other: str, reference: str
) -> None:
    old = accounts.get((owner, currency), Account(0, 0, 0))
    put(owner, currency, Account(old.free + amount, old.held, old.entries + 1),
        kind, amount, other, reference)


def debit(
    owner: str, currency: str, amount: int, kind: str, other: str, reference: str
) -> None:
    old = accounts.get((owner, currency), Account(0, 0, 0))
    require(old.free >= amount, "not-enough-money")
    put(owner, currency, Account(old.free - amount, old.held, old.entries + 1),
        kind, -amount, other, reference)


def put(
    owner: str, currency: str, new: Account, kind: str, change: int, other: str, reference: str
) -> None:
    """Store the account after one movement, and the movement as a line of its statement."""
    accounts[owner, currency] = new
    entries[owner, currency, new.entries] = Entry(
        kind, change, new.free + new.held, other, reference, ctx.time, ctx.height
    )


# --- for the contracts that trade -------------------------------------------------------------


@export
def hold(owner: str, currency: str, amount: int, reference: str) -> None:
    """Set money of the owner aside for an order; the reference has no other hold."""
    require_trader()
    check_amount(amount)
    old = accounts.get((owner, currency), Account(0, 0, 0))
    require(old.free >= amount, "not-enough-money")
    require((owner, currency, reference) not in holds, "already-held")
    accounts[owner, currency] = Account(old.free - amount, old.held + amount, old.entries)
    holds[owner, currency, reference] = amount
    emit(Held(currency, owner, amount, reference))


@export
def release(owner: str, currency: str, reference: str) -> None:
    """All that is left in the hold is free again."""
    require_trader()
    require((owner, currency, reference) in holds, "no-hold")
    close_hold(owner, currency, reference)


def close_hold(owner: str, currency: str, reference: str) -> None:
    left = holds[owner, currency, reference]
    del holds[owner, currency, reference]
    old = accounts[owner, currency]
    accounts[owner, currency] = Account(old.free + left, old.held - left, old.entries)
    emit(Released(currency, owner, left, reference))


@export
def settle(currency: str, payments: list[Payment], collector: str, reference: str) -> None:
    """Several payments at once; all their fees go to the collector as one."""
    require_trader()
    require(len(payments) >= 1 and len(payments) <= PAYMENTS_MAX, "bad-payments")
    fees = 0
    for payment in payments:
        require(payment.amount >= 0 and payment.fee >= 0, "bad-amount")
        pay(currency, payment, collector, reference)
        fees += payment.fee
    if fees > 0:
        credit(collector, currency, fees, "fees", "", reference)


def pay(currency: str, payment: Payment, collector: str, reference: str) -> None:
    giver = payment.giver
    cost = payment.amount + payment.fee
    if payment.hold == "":
        debit(giver, currency, cost, "trade", payment.taker, reference)
    else:
        left = holds[giver, currency, payment.hold] - cost
        require(left >= 0, "above-hold")
        holds[giver, currency, payment.hold] = left
        old = accounts[giver, currency]
        put(giver, currency, Account(old.free, old.held - cost, old.entries + 1),
            "trade", -cost, payment.taker, reference)
        if payment.closes:
            close_hold(giver, currency, payment.hold)
    credit(payment.taker, currency, payment.amount, "trade", giver, reference)
    emit(
        Settled(currency, giver, payment.taker, payment.amount, payment.fee, collector, reference)
    )


def require_trader() -> None:
    require(traders[ctx.sender], "not-a-trader")


# --- checks -----------------------------------------------------------------------------------


def check_currency(currency: str) -> None:
    """Three capitals, as in ISO 4217."""
    require(len(currency) == 3 and len(currency.encode()) == 3, "bad-currency")
    letters = [letter for letter in currency if not ("A" <= letter and letter <= "Z")]
    require(len(letters) == 0, "bad-currency")


def check_amount(amount: int) -> None:
    require(0 < amount and amount <= AMOUNT_MAX, "bad-amount")


def check_reference(reference: str) -> None:
    require(len(reference) <= 128, "bad-text")


# --- views ------------------------------------------------------------------------------------


@view
def account_of(organisation: str, currency: str) -> Account:
    return accounts.get((organisation, currency), Account(0, 0, 0))


@view
def balances_of(organisation: str, after: str, limit: int) -> list[Balance]:
    check_limit(limit)
    rows = accounts.scan((organisation,), (organisation, after), limit)
    return [Balance(key[1], found.free, found.held) for key, found in rows]


@view
def statement(organisation: str, currency: str, after: int, limit: int) -> list[Entry]:
    """The lines after number `after`, oldest first; the first line is number 1."""
    check_limit(limit)
    rows = entries.scan((organisation, currency), (organisation, currency, after), limit)
    return [line for key, line in rows]


@view
def holds_of(organisation: str, currency: str, after: str, limit: int) -> list[Hold]:
    check_limit(limit)
    rows = holds.scan((organisation, currency), (organisation, currency, after), limit)
    return [Hold(key[2], amount) for key, amount in rows]


@view
def total(currency: str) -> Money:
    return totals.get(currency, Money(0, 0))


@view
def issued_by(bank: str, currency: str) -> Money:
    return by_bank.get((bank, currency), Money(0, 0))


@view
def list_currencies(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [currency for currency, money in totals.scan(None, after, limit)]
