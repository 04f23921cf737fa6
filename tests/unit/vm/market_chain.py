"""A chain with banks and an exchange, for the tests of money and trading."""

from __future__ import annotations

from dataclasses import replace

from primitives.codec import Value
from primitives.genesis import Genesis, GenesisCall, GenesisContract
from primitives.hashing import compute_contract_address
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import (
    DAY,
    START_SECONDS,
    Chain,
    address_of,
    make_genesis,
    make_members,
)
from vm.genesis_builder import Accreditation, Administration, Member

C, M = "cash", "market"
CNY = "CNY"
YEAR = 366 * DAY
TERMS: list[Value] = [CNY, 1, 1, 0, 0, 10_000]
"""Tick 1, step 1 kg, no fees, a band of 100 %."""
CAP = 1000
UNTIL = START_SECONDS + 1000 * DAY


def accredit(*scopes: str) -> tuple[Accreditation, ...]:
    return tuple(Accreditation(scope, START_SECONDS - DAY, UNTIL) for scope in scopes)


MORE = (
    Member("exchange", "Exchange", "CN", ("exchange",), (address_of("exchange"),)),
    Member(
        "mint", "Mint", "CN", ("bank",), (address_of("mint"),), accredit("cash:CNY", "cash:EUR")
    ),
    Member(
        "mint-two", "Mint Two", "CN", ("bank",), (address_of("mint-two"),), accredit("cash:CNY")
    ),
)
"""Two banks that issue, beside ``bank`` of carbon_chain, which is accredited for nothing."""


def make_market_genesis() -> Genesis:
    regulator = address_of("regulator")
    administration = Administration((regulator,), 1, (regulator,), 0, 0)
    return make_genesis(administration=administration, members=(*make_members(), *MORE))


def make_market_chain() -> Chain:
    return Chain(make_market_genesis())


def fund(chain: Chain, organisation: str, amount: int, currency: str = CNY) -> None:
    chain.ok("mint", C, "issue", currency, organisation, amount, "")


TILL = '''
"""Stands where the contract market stands, for tests of what only the market may do."""
from vm import Address, call, export, record

@record
class Payment:
    giver: str
    hold: str
    taker: str
    amount: int
    fee: int
    closes: bool

@export
def hold(owner: str, currency: str, amount: int, reference: str) -> None:
    call("cash", "hold", owner, currency, amount, reference)

@export
def release(owner: str, currency: str, reference: str) -> None:
    call("cash", "release", owner, currency, reference)

@export
def reserve(account: Address, batch: str, start: int, end: int) -> None:
    call("units", "reserve", account, batch, start, end, "order")

@export
def free_reserved(batch: str, start: int, end: int) -> None:
    call("units", "free_reserved", batch, start, end)

@export
def deliver(batch: str, start: int, end: int, quantity: int, to: str) -> None:
    call("units", "deliver", batch, start, end, quantity, to)

@export
def assign(batch: str, start: int, end: int, to: str) -> None:
    call("units", "assign", batch, start, end, to)

@export
def retire_bought(owner: str, batch: str, start: int, end: int) -> None:
    call("retirement", "retire_bought", owner, batch, start, end, "offset")

@export
def settle(currency: str, payments: list[Payment], collector: str, reference: str) -> None:
    call("cash", "settle", currency, payments, collector, reference)
'''


def make_till_chain() -> Chain:
    """The same, where the contract ``till`` is what the others take for the market."""
    genesis = make_market_genesis()
    till: list[Value] = [compute_contract_address("till")]
    connections: dict[tuple[str, str], tuple[Value, ...]] = {
        (C, "connect"): (till,),
        ("units", "connect_houses"): (["market"], till),
        ("retirement", "connect"): (till,),
    }
    calls = []
    for item in genesis.calls:
        step = (item.call.contract, item.call.method)
        arguments = connections.get(step, item.call.arguments)
        calls.append(GenesisCall(item.sender, Call(*step, arguments)))
    contracts = (*genesis.contracts, GenesisContract("till", TILL.lstrip()))
    return Chain(replace(genesis, contracts=contracts, calls=tuple(calls)))


def open_book(
    chain: Chain, book: str = "b1", batch: str = "b1", terms: list[Value] | None = None
) -> None:
    chain.ok("exchange", M, "open_book", book, batch, terms or TERMS)


def make_trading_chain(terms: list[Value] | None = None) -> Chain:
    """``owner`` has 1000 kg of b1, ``alice`` and ``bob`` 10^9 each; a book of b1."""
    chain = make_market_chain()
    chain.issue("b1", 1000)
    for name in ("alice", "bob"):
        fund(chain, name, 10**9)
    open_book(chain, terms=terms)
    return chain


def sell(
    chain: Chain, seller: str, price: int, start: int, end: int, book: str = "b1",
    force: str = "gtt", seconds: int = DAY, batch: str = "b1",
) -> int:  # fmt: skip
    until = chain.time + 1 + seconds if force == "gtt" else 0
    arguments = (book, price, batch, start, end, force, until, CAP)
    number: int = chain.ok(seller, M, "sell", *arguments)
    return number


def buy(
    chain: Chain, buyer: str, price: int, kg: int, book: str = "b1", force: str = "gtt",
    seconds: int = DAY, purpose: str = "",
) -> int:  # fmt: skip
    until = chain.time + 1 + seconds if force == "gtt" else 0
    number: int = chain.ok(buyer, M, "buy", book, price, kg, force, until, CAP, purpose)
    return number
