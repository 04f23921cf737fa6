"""Upgrades by governance after a delay, what they must keep, and freezes: each refusal too."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from primitives.block import Receipt
from primitives.hashing import Tag, compute_contract_address, compute_hash
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, MACHINE, Chain, address_of, make_genesis
from tools.genesis_files import load_contracts
from vm import engine_view
from vm.executor import BlockInputs, execute_block
from vm.genesis_builder import AUTHORITY, Administration
from vm.lifecycle import FROZEN_UNTIL_MAX, REFUSALS
from vm.machine import Machine

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


@pytest.fixture
def chain() -> Chain:
    """Three administrators, two carry a proposal; bob deploys; a key's change rests an hour."""
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
    assert code_hash == compute_hash(Tag.CONTRACT_CODE, source.encode())
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


# --- upgrades ---------------------------------------------------------------------------------


def test_an_upgrade_takes_votes_and_then_its_delay(chain: Chain) -> None:
    code_hash = publish(chain, V2)
    number = ok(chain, "regulator", "propose_upgrade", "store", 2, code_hash, 2 * HOUR)
    refused(chain, "not-enough-votes", "regulator", "execute", number)
    refused(chain, "no-upgrade", "regulator", "activate", "store")
    ok(chain, "bank", "vote", number)
    ok(chain, "bank", "execute", number)
    due = chain.time + 2 * HOUR
    assert chain.view(G, "get_upgrade", "store") == [2, code_hash, 2 * HOUR, due, number]
    assert [event.name for event in chain.events] == ["UpgradeScheduled", "Executed"]
    chain.time = due - 2
    refused(chain, "not-due", "regulator", "activate", "store")
    assert chain.view("store", "read", "a") == ["a", 7]
    ok(chain, "regulator-two", "activate", "store")
    assert chain.time == due
    assert [(event.name, event.values) for event in chain.events] == [
        ("Upgraded", ("store", 2, code_hash))
    ]
    entry = engine_view.get_contract(chain.state, "store")
    assert entry is not None
    assert (entry.code_hash, entry.version, entry.vm_version) == (code_hash, 2, 1)
    assert entry.admin == address_of("bob")
    chain.view_refused("no-upgrade", G, "get_upgrade", "store")
    refused(chain, "no-upgrade", "regulator", "activate", "store")


def test_old_rows_read_with_zeros_and_migrate_ran_once(chain: Chain) -> None:
    upgrade(chain, "store", 2, V2)
    assert chain.view("store", "read", "a") == ["a", 7, "", 0]
    assert chain.view("store", "count_migrations") == 1
    assert chain.ok("alice", "store", "put", "b", 1) == 701
    assert chain.view("store", "read", "b") == ["b", 1, "new", 1]
    receipt = chain.send("alice", "store", "migrate")
    assert (receipt.status, receipt.code) == ("fault", "no-method")
    assert chain.view("store", "count_migrations") == 1


def test_code_is_kept_by_hash_for_good(chain: Chain) -> None:
    first = engine_view.get_contract(chain.state, "store")
    upgrade(chain, "store", 2, V2)
    assert first is not None and engine_view.get_source(chain.state, first.code_hash) == V1
    third = V2.replace('"new"', '"third"')
    upgrade(chain, "store", 3, third)
    assert chain.view("store", "count_migrations") == 2


@pytest.mark.parametrize(
    "body",
    [
        "    total.set(1)\n    revert('not-now')",
        "    total.set(1)\n    call('nothing', 'x')",
        "    total.set(1)\n    while True:\n        pass",
        "    total.set(1)\n    call('governance', 'get_threshold')",
    ],
    ids=["revert", "fault", "out-of-gas", "reentrancy"],
)
def test_an_upgrade_happens_with_its_migrate_or_not_at_all(chain: Chain, body: str) -> None:
    source = V1.replace("from vm import", "from vm import call, revert,")
    source += f"\n@export\ndef migrate() -> None:\n{body}\n"
    carry(chain, "propose_upgrade", "store", 2, publish(chain, source), HOUR)
    chain.time += HOUR
    receipt = send(chain, "bank", "activate", "store")
    assert receipt.status != "ok"
    assert (chain.view("store", "sum_up"), chain.view(G, "get_upgrade", "store")[0]) == (7, 2)
    entry = engine_view.get_contract(chain.state, "store")
    assert entry is not None and entry.version == 1
    assert chain.ok("alice", "store", "put", "b", 1) == 8


def test_migrate_sees_governance_as_its_caller_and_may_call_others(chain: Chain) -> None:
    source = (
        V1.replace("from vm import", "from vm import call,")
        .replace("owner = ", "caller = Map[int, Address]()\nowner = ")
        .replace("import call,", "import Address, call,")
    )
    source += (
        "\n@export\ndef migrate() -> None:\n    caller[0] = ctx.sender\n"
        "    total.set(len(call('identity', 'list_organisations', '', 100)))\n"
        "\n@view\ndef who() -> Address:\n    return caller[0]\n"
    )
    upgrade(chain, "store", 2, source)
    assert chain.view("store", "who") == compute_contract_address(G)
    assert chain.view("store", "sum_up") == 8


def test_a_new_contract_comes_as_version_1(chain: Chain) -> None:
    upgrade(chain, "fresh", 1, V1)
    entry = engine_view.get_contract(chain.state, "fresh")
    assert entry is not None and (entry.version, entry.admin) == (1, AUTHORITY)
    assert chain.state.get(b"fresh\0owner\0") is not None  # @init ran
    assert chain.ok("alice", "fresh", "put", "a", 5) == 5
    by_address = Call("store", "put", ("a", 1))
    assert chain.run(chain.make("alice", by_address))[0][0].status == "ok"


def test_governance_and_units_can_be_upgraded(chain: Chain) -> None:
    for name in (G, "units"):
        source = next(item.source for item in load_contracts() if item.name == name)
        source += "\n\n@view\ndef edition() -> int:\n    return 2\n"
        upgrade(chain, name, 2, source)
        assert chain.view(name, "edition") == 2
    assert [event.name for event in chain.events] == ["Upgraded"]
    chain.issue("b1", 100)
    carry(chain, "propose_allowance", "bob", 5)
    assert chain.view(G, "allowance_of", "bob") == 5


def test_what_cannot_become_the_next_version_is_refused_at_once(chain: Chain) -> None:
    code_hash = publish(chain, V2)
    for code, arguments in (
        ("no-code", ("store", 2, bytes(32), HOUR)),
        ("no-code", ("store", 2, b"", HOUR)),
        ("no-code", ("store", 2, b"x" * 300, HOUR)),
        ("bad-version", ("store", 1, code_hash, HOUR)),
        ("bad-version", ("store", 3, code_hash, HOUR)),
        ("bad-version", ("store", 0, code_hash, HOUR)),
        ("bad-version", ("nothing", 2, code_hash, HOUR)),
        ("bad-contract", ("system", 1, code_hash, HOUR)),
        ("bad-contract", ("a.b", 1, code_hash, HOUR)),
        ("bad-id", ("a b", 1, code_hash, HOUR)),
        ("bad-delay", ("store", 2, code_hash, HOUR - 1)),
        ("bad-delay", ("store", 2, code_hash, 30 * DAY + 1)),
        ("same-code", ("store", 2, publish(chain, V1), HOUR)),
    ):
        refused(chain, code, "regulator", "propose_upgrade", *arguments)
    takes = V1 + "\n@export\ndef migrate(a: int) -> int:\n    return a\n"
    refused(
        chain,
        "bad-migrate",
        "regulator",
        "propose_upgrade",
        "store",
        2,
        publish(chain, takes),
        HOUR,
    )
    init = V1.replace("def create()", "def create(a: int)")
    refused(
        chain, "bad-init", "regulator", "propose_upgrade", "fresh", 1, publish(chain, init), HOUR
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total = Var[int]()", "totals = Var[int]()"),
        ("total = Var[int]()", "total = Var[int](default=5)"),
        ("owner = Var[bytes]()", "owner = Var[str]()"),
        ("owner = Var[bytes]()", "owner = Var[list[bytes]]()"),
        ("rows = Map[str, Row]()", "rows = Map[bytes, Row]()"),
        ("    amount: int\n", "    amount: bytes\n"),
        ("    amount: int\n", "    number: int\n"),
        ("    amount: int\n", ""),
        ("    text: str\n    amount: int\n", "    amount: int\n    text: str\n"),
    ],
)
def test_storage_that_does_not_stay_is_refused(chain: Chain, old: str, new: str) -> None:
    declarations = V1[: V1.index("@init")].replace(old, new)
    assert declarations != V1[: V1.index("@init")]
    code_hash = publish(chain, declarations)
    refused(chain, "storage-changed", "regulator", "propose_upgrade", "store", 2, code_hash, HOUR)


def test_what_was_decided_is_checked_again_when_it_becomes_active(chain: Chain) -> None:
    """Two upgrades to the same version: the second decided replaces the first; none runs late."""
    second = publish(chain, V2)
    carry(chain, "propose_upgrade", "store", 2, second, HOUR)
    late = publish(chain, V2 + "\n# late\n")
    waiting = ok(chain, "regulator", "propose_upgrade", "store", 2, late, HOUR)
    chain.time += HOUR
    ok(chain, "bank", "activate", "store")
    ok(chain, "bank", "vote", waiting)
    ok(chain, "bank", "execute", waiting)
    chain.time += HOUR
    refused(chain, "bad-version", "bank", "activate", "store")


def test_an_upgrade_can_be_withdrawn_and_expires(chain: Chain) -> None:
    code_hash = publish(chain, V2)
    refused(chain, "no-upgrade", "regulator", "propose_no_upgrade", "store")
    carry(chain, "propose_upgrade", "store", 2, code_hash, HOUR)
    number = carry(chain, "propose_no_upgrade", "store")
    assert [event.name for event in chain.events] == ["UpgradeWithdrawn", "Executed"]
    chain.time += HOUR
    refused(chain, "no-upgrade", "regulator", "activate", "store")
    carry(chain, "propose_upgrade", "store", 2, code_hash, HOUR)
    chain.time += HOUR + 14 * DAY
    refused(chain, "upgrade-expired", "regulator", "activate", "store")
    assert number > 0


def test_a_withdrawal_that_was_overtaken_withdraws_nothing_else(chain: Chain) -> None:
    carry(chain, "propose_upgrade", "store", 2, publish(chain, V2), HOUR)
    number = ok(chain, "regulator", "propose_no_upgrade", "store")
    ok(chain, "bank", "vote", number)
    chain.time += HOUR
    ok(chain, "bank", "activate", "store")
    refused(chain, "no-upgrade", "regulator", "execute", number)


def test_the_delay_grows_with_the_keys_delay_until_the_vote_ends(chain: Chain) -> None:
    number = ok(chain, "regulator", "propose_upgrade", "store", 2, publish(chain, V2), HOUR)
    carry(chain, "propose_key_delay", 5 * HOUR)
    ok(chain, "bank", "vote", number)
    ok(chain, "bank", "execute", number)
    assert chain.view(G, "get_upgrade", "store")[3] == chain.time + 5 * HOUR


def test_publishing_is_for_deployers_and_alone_and_paid(chain: Chain) -> None:
    assert native(chain, "publish", V2, who="alice").code == "not-a-deployer"
    receipt = native(chain, "publish", "import os")
    assert (receipt.status, receipt.values) == ("rejected", ())
    assert native(chain, "publish", V2, V2).code == "arguments"
    assert native(chain, "publish", b"x").code == "arguments"
    call = Call("system", "publish", (V2,))
    assert chain.run(chain.make("bob", call, call, gas=GAS))[0][0].code == "system-alone"
    assert native(chain, "publish", V2).gas == native(chain, "publish", V2).gas > 500_000
    small = chain.run(chain.make("bob", call, gas=100_000))[0][0]
    assert small.status == "out-of-gas"


def test_gas_does_not_depend_on_what_is_compiled_already(chain: Chain) -> None:
    """A node that has just started executes the same block with cold caches."""
    code_hash = publish(chain, V2)
    carry(chain, "propose_upgrade", "store", 2, code_hash, HOUR)
    chain.time += HOUR
    chain.height += 1
    inputs = BlockInputs(
        chain.context(),
        [
            chain.make("bank", Call(G, "activate", ("store",)), gas=GAS),
            chain.make("alice", Call("store", "put", ("c", 1))),
        ],
    )
    warm = execute_block(MACHINE, chain.state, inputs, chain.params, chain.validators)
    cold = execute_block(Machine(), chain.state, inputs, chain.params, chain.validators)
    assert (warm.receipts, warm.events, warm.writes, warm.gas) == (
        cold.receipts, cold.events, cold.writes, cold.gas
    )  # fmt: skip


# --- who reaches the engine -------------------------------------------------------------------

OUTSIDER = """
from vm import call, export, view

@export
def strike(name: str) -> None:
    call("system", "freeze", name, 9007199254740991)

@view
def peek(name: str) -> None:
    call("system", "freeze", name, 1)
"""


def test_only_governance_reaches_the_native_methods(chain: Chain) -> None:
    assert native(chain, "deploy", "outsider", OUTSIDER).status == "ok"
    for call in (
        Call("outsider", "strike", ("units",)),
        Call("system", "freeze", ("units", 1)),
        Call("system", "activate", ("units", 2, bytes(32))),
    ):
        receipt = chain.run(chain.make("bob", call, gas=GAS))[0][0]
        assert (receipt.status, receipt.code) == ("fault", "no-method")


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ('call("system", "freeze", "store", -1)', "reverted", "bad-time"),
        ('call("system", "freeze", "store", 9007199254740992)', "reverted", "bad-time"),
        ('call("system", "freeze", "governance", 5)', "reverted", "never-frozen"),
        ('call("system", "freeze", "nothing", 5)', "reverted", "no-contract"),
        ('call("system", "freeze", "a b", 5)', "reverted", "no-contract"),
        ('call("system", "freeze", "store", True)', "fault", "arguments"),
        ('call("system", "freeze", "store")', "fault", "arguments"),
        ('call("system", "freeze", 5, 5)', "fault", "arguments"),
        ('call("system", "deploy", "x", "y")', "fault", "no-method"),
        ('call("system", "activate", "store", 2, "x")', "fault", "arguments"),
        ('call("governance", "poke")', "fault", "reentrancy"),
    ],
)
def test_the_native_methods_trust_not_even_governance(
    chain: Chain, call: str, status: str, code: str
) -> None:
    source = next(item.source for item in load_contracts() if item.name == G)
    source += f"\n\n@export\ndef poke() -> None:\n    {call}\n"
    source += '\n\n@view\ndef peek() -> None:\n    call("system", "freeze", "store", 1)\n'
    upgrade(chain, G, 2, source)
    receipt = send(chain, "alice", "poke")
    assert (receipt.status, receipt.code) == (status, code)
    receipt = send(chain, "alice", "peek")
    assert (receipt.status, receipt.code) == ("fault", "read-only")


# --- freezes ----------------------------------------------------------------------------------


def test_one_administrator_freezes_for_a_while_and_everybody_sees_why(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "a key was stolen", 2 * HOUR)
    since, until = chain.time, chain.time + 2 * HOUR
    assert [(event.name, event.values) for event in chain.events] == [
        ("Frozen", ("store", "a key was stolen", address_of("bank"), until, 0))
    ]
    assert chain.view(G, "get_freeze", "store") == [
        "a key was stolen", address_of("bank"), since, until, 0
    ]  # fmt: skip
    receipt = chain.send("alice", "store", "put", "b", 1)
    assert (receipt.status, receipt.code) == ("fault", "frozen")
    assert chain.view("store", "read", "a") == ["a", 7]
    receipt = chain.send("alice", "store", "read", "a")  # a view in a transaction
    assert receipt.values == (["a", 7],)
    chain.time = until - 2
    assert chain.send("alice", "store", "put", "b", 1).code == "frozen"
    assert chain.ok("alice", "store", "put", "b", 1) == 8
    chain.view_refused("not-frozen", G, "get_freeze", "store")


def test_a_frozen_contract_is_shut_to_other_contracts_too(chain: Chain) -> None:
    chain.issue("b1", 100)
    ok(chain, "bank", "freeze", "units", "checking", HOUR)
    receipt = chain.send("owner", "retirement", "retire", "b1", 0, 10, "owner", "2024")
    assert (receipt.status, receipt.code) == ("fault", "frozen")
    chain.time += HOUR
    assert chain.send("owner", "retirement", "retire", "b1", 0, 10, "owner", "2024").status == "ok"


def test_one_administrator_cannot_freeze_for_good(chain: Chain) -> None:
    refused(chain, "bad-duration", "bank", "freeze", "store", "why", 3 * DAY + 1)
    refused(chain, "bad-duration", "bank", "freeze", "store", "why", 0)
    refused(chain, "bad-text", "bank", "freeze", "store", "", 1)
    refused(chain, "bad-text", "bank", "freeze", "store", "x" * 257, 1)
    refused(chain, "bad-id", "bank", "freeze", "a b", "why", 1)
    refused(chain, "no-contract", "bank", "freeze", "nothing", "why", 1)
    refused(chain, "not-administrator", "alice", "freeze", "store", "why", 1)
    ok(chain, "bank", "freeze", "store", "why", 3 * DAY)
    first = chain.time
    refused(chain, "already-frozen", "bank", "freeze", "store", "why", 1)
    chain.time += 3 * DAY
    refused(chain, "frozen-before", "regulator", "freeze", "store", "again", 1)
    chain.time = first + 14 * DAY - 1
    ok(chain, "regulator", "freeze", "store", "again", 1)
    assert chain.time == first + 14 * DAY


def test_a_vote_confirms_a_freeze_and_a_vote_ends_it(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "why", HOUR)
    number = carry(chain, "propose_freeze", "store", "confirmed")
    assert chain.view(G, "get_freeze", "store")[3:] == [FROZEN_UNTIL_MAX, number]
    chain.time += 400 * DAY
    assert chain.send("alice", "store", "put", "b", 1).code == "frozen"
    refused(chain, "already-frozen", "bank", "freeze", "store", "shorter", 1)
    number = carry(chain, "propose_unfreeze", "store")
    assert chain.events[0].name == "Unfrozen"
    assert chain.events[0].values == ("store", number)
    assert chain.ok("alice", "store", "put", "b", 1) == 8
    refused(chain, "not-frozen", "bank", "propose_unfreeze", "store")


def test_a_vote_to_lift_a_freeze_that_is_over_is_refused(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "why", HOUR)
    number = ok(chain, "regulator", "propose_unfreeze", "store")
    ok(chain, "regulator-two", "vote", number)
    chain.time += HOUR
    refused(chain, "not-frozen", "regulator", "execute", number)


def test_a_vote_lifts_an_emergency_and_it_does_not_come_back(chain: Chain) -> None:
    ok(chain, "bank", "freeze", "store", "why", HOUR)
    number = ok(chain, "regulator", "propose_unfreeze", "store")
    ok(chain, "regulator-two", "vote", number)
    ok(chain, "regulator", "execute", number)
    assert chain.ok("alice", "store", "put", "b", 1) == 8
    refused(chain, "frozen-before", "bank", "freeze", "store", "why", HOUR)


def test_governance_is_never_frozen(chain: Chain) -> None:
    refused(chain, "never-frozen", "bank", "freeze", G, "why", 1)
    refused(chain, "never-frozen", "bank", "propose_freeze", G, "why")


def test_a_frozen_contract_can_be_upgraded_and_stays_frozen(chain: Chain) -> None:
    carry(chain, "propose_freeze", "store", "a hole")
    upgrade(chain, "store", 2, V2)
    assert chain.view("store", "sum_up") == 700
    assert chain.send("alice", "store", "put", "b", 1).code == "frozen"
    carry(chain, "propose_unfreeze", "store")
    assert chain.ok("alice", "store", "put", "b", 1) == 701


def test_a_freeze_holds_within_its_own_block_from_its_transaction_on(chain: Chain) -> None:
    put = Call("store", "put", ("b", 1))
    receipts, _ = chain.run(
        chain.make("alice", put),
        chain.make("bank", Call(G, "freeze", ("store", "why", HOUR))),
        chain.make("alice", put),
    )
    assert [item.code for item in receipts] == ["", "", "frozen"]


def test_every_refusal_of_the_engine_is_on_the_page() -> None:
    page = resources.files("vm").joinpath("contracts/README.md").read_text(encoding="utf-8")
    assert [code for code in sorted(REFUSALS) if f"`{code}`" not in page] == []
