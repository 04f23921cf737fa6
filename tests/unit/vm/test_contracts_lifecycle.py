"""Upgrades by governance after a delay: what they must keep, and each refusal."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.hashing import compute_contract_address
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, MACHINE, PLAN, Chain, address_of
from tests.unit.vm.lifecycle_chain import (
    GAS,
    HOUR,
    V1,
    V2,
    G,
    carry,
    make_chain,
    native,
    ok,
    publish,
    refused,
    send,
    upgrade,
)
from tools.genesis_files import load_contracts
from vm import engine_view
from vm.executor import BlockInputs, execute_block
from vm.gas import get_schedule
from vm.genesis_builder import AUTHORITY
from vm.machine import Machine
from vm.pricing import get_deploy_price


@pytest.fixture
def chain() -> Chain:
    return make_chain()


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
    assert chain.view("store", "sum_up") == len(PLAN)


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


def test_activating_costs_what_deploying_costs(chain: Chain) -> None:
    price = get_deploy_price(V2, get_schedule(1))
    carry(chain, "propose_upgrade", "store", 2, publish(chain, V2), HOUR)
    chain.time += HOUR
    assert price < send(chain, "bank", "activate", "store").gas < price + 100_000


def test_a_vote_to_withdraw_one_upgrade_does_not_hit_the_next(chain: Chain) -> None:
    carry(chain, "propose_upgrade", "store", 2, publish(chain, V2), HOUR)
    number = ok(chain, "regulator", "propose_no_upgrade", "store")
    ok(chain, "bank", "vote", number)
    chain.time += HOUR
    ok(chain, "bank", "activate", "store")
    refused(chain, "no-upgrade", "bank", "execute", number)
    third = publish(chain, V2.replace('"new"', '"third"'))
    carry(chain, "propose_upgrade", "store", 3, third, HOUR)
    refused(chain, "no-upgrade", "bank", "execute", number)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("propose_upgrade", ("store", 2, bytes(32), HOUR)),
        ("propose_no_upgrade", ("store",)),
        ("activate", ("store",)),
        ("freeze", ("store", "why", 1)),
        ("propose_freeze", ("store", "why")),
        ("propose_unfreeze", ("store",)),
    ],
)
def test_only_administrators_do_this(chain: Chain, method: str, arguments: Any) -> None:
    refused(chain, "not-administrator", "alice", method, *arguments)
