"""A chain on which contracts live: a store in two versions, three administrators, a deployer."""

from __future__ import annotations

from typing import Any

from primitives.block import Receipt
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import Chain, address_of, make_genesis
from vm.genesis_builder import Administration
from vm.inclusion import compute_code_hash

G = "governance"
GAS = 40_000_000
ADMINS = tuple(address_of(name) for name in ("regulator", "regulator-two", "bank"))
DEPLOYERS = (address_of("bob"),)
HOUR = 3600

V1 = """
from vm import Map, Var, ctx, export, init, record, view

@record
class Row:
    text: str
    amount: int

rows = Map[str, Row]()
total = Var[int]()
owner = Var[bytes]()

@init
def create() -> None:
    owner.set(b"created")

@export
def put(name: str, amount: int) -> int:
    rows[name] = Row(name, amount)
    total.set(total.get() + amount)
    return total.get()

@view
def read(name: str) -> Row:
    return rows[name]

@view
def sum_up() -> int:
    return total.get()
"""
V2 = (
    V1.replace("    amount: int\n\n", "    amount: int\n    note: str\n    seen: int\n\n")
    .replace("Row(name, amount)", 'Row(name, amount, "new", 1)')
    .replace("owner = Var[bytes]()", "owner = Var[bytes]()\nmigrations = Var[int]()")
    + """
@export
def migrate() -> None:
    migrations.set(migrations.get() + 1)
    total.set(total.get() * 100)

@view
def count_migrations() -> int:
    return migrations.get()
"""
)


def make_chain() -> Chain:
    """Two administrators carry a proposal; bob deploys; a key's change rests an hour."""
    chain = Chain(make_genesis(administration=Administration(ADMINS, 2, DEPLOYERS, HOUR)))
    assert native(chain, "deploy", "store", V1).status == "ok"
    chain.ok("alice", "store", "put", "a", 7)
    return chain


def native(chain: Chain, method: str, *arguments: Any, who: str = "bob") -> Receipt:
    return chain.run(chain.make(who, Call("system", method, arguments), gas=GAS))[0][0]


def publish(chain: Chain, source: str) -> bytes:
    receipt = native(chain, "publish", source)
    assert receipt.status == "ok", receipt
    (code_hash,) = receipt.values
    assert code_hash == compute_code_hash(source)
    assert isinstance(code_hash, bytes)
    return code_hash


def send(chain: Chain, who: str, method: str, *arguments: Any) -> Receipt:
    return chain.run(chain.make(who, Call(G, method, arguments), gas=GAS))[0][0]


def ok(chain: Chain, who: str, method: str, *arguments: Any) -> Any:
    receipt = send(chain, who, method, *arguments)
    assert receipt.status == "ok", receipt
    return receipt.values[0]


def refused(chain: Chain, code: str, who: str, method: str, *arguments: Any) -> None:
    before = {k: v for k, v in chain.state.values.items() if not k.startswith(b"\0gas")}
    receipt = send(chain, who, method, *arguments)
    assert (receipt.status, receipt.code) == ("reverted", code), receipt
    after = {k: v for k, v in chain.state.values.items() if not k.startswith(b"\0gas")}
    assert before == after


def carry(chain: Chain, method: str, *arguments: Any) -> int:
    number: int = ok(chain, "regulator", method, *arguments)
    ok(chain, "bank", "vote", number)
    ok(chain, "regulator", "execute", number)
    return number


def upgrade(chain: Chain, name: str, version: int, source: str, delay: int = HOUR) -> None:
    carry(chain, "propose_upgrade", name, version, publish(chain, source), delay)
    chain.time += delay
    ok(chain, "bank", "activate", name)
