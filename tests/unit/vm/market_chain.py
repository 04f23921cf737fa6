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
from vm.genesis_builder import Accreditation, Member

C = "cash"
CNY = "CNY"
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
    return make_genesis(members=(*make_members(), *MORE))


def make_market_chain() -> Chain:
    return Chain(make_market_genesis())


def fund(chain: Chain, organisation: str, amount: int, currency: str = CNY) -> None:
    chain.ok("mint", C, "issue", currency, organisation, amount, "")


TILL = '''
"""Stands where the contract market stands, for tests of what only the market may do."""
from vm import call, export, record

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
def settle(currency: str, payments: list[Payment], collector: str, reference: str) -> None:
    call("cash", "settle", currency, payments, collector, reference)
'''


def make_till_chain() -> Chain:
    """The same, where the contract ``till`` is what ``cash`` takes for the market."""
    genesis = make_market_genesis()
    arguments: tuple[Value, ...] = ([compute_contract_address("till")],)
    calls = tuple(
        GenesisCall(call.sender, Call(C, "connect", arguments)) if call.call.contract == C else call
        for call in genesis.calls
    )
    contracts = (*genesis.contracts, GenesisContract("till", TILL.lstrip()))
    return Chain(replace(genesis, contracts=contracts, calls=calls))
