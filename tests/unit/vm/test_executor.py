"""The block executor: membership, allowance, receipts, events, deployment, epoch ends."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from primitives import limits
from primitives.block import EVENT, RECEIPT, Event, Receipt
from primitives.codec import pack
from primitives.errors import GenesisError
from primitives.hashing import Hash
from primitives.params import CHAIN_PARAMS
from primitives.transaction import Call, sign_transaction
from primitives.validators import VALIDATOR_SET
from tests.unit.vm.carbon_chain import (
    HASH,
    MACHINE,
    Chain,
    MemoryState,
    address_of,
    key_of,
    make_genesis,
    with_params,
)
from vm import engine_view
from vm.executor import (
    BlockInputs,
    _BlockRun,
    encode_event,
    encode_receipt,
    execute_block,
    execute_genesis,
)
from vm.genesis_builder import Administration
from vm.machine import Machine
from vm.outcome import CallsOutcome, VmEvent

COUNTER = '''
"""Counts."""
from vm import Var, export, require

count = Var[int]()


@export
def add(amount: int) -> int:
    require(amount != 13, "unlucky")
    count.set(count.get() + amount)
    return count.get()


@export
def spin(turns: int) -> int:
    total = 0
    for turn in range(turns):
        total += turn
    return total


@export
def swell(characters: int) -> str:
    text = "0123456789abcdef"
    while len(text) < characters:
        text = text + text
    return text
'''
ADD = Call("counter", "add", (1,))


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.run(chain.make("regulator", deploy("counter", COUNTER), gas=20_000_000))
    return chain


def deploy(name: Any, source: Any) -> Call:
    return Call("system", "deploy", (name, source))


def run_one(chain: Chain, sender: Any, *calls: Call, gas: int = 2_000_000) -> Receipt:
    return chain.run(chain.make(sender, *calls, gas=gas))[0][0]


def test_receipts_and_events_stand_in_the_order_of_transactions(chain: Chain) -> None:
    chain.issue("b1", 100)
    first = chain.make("owner", Call("units", "transfer", ("b1", 0, 10, "alice")))
    failing = chain.make("bob", Call("units", "transfer", ("b1", 0, 10, "alice")))
    double = chain.make(
        "alice",
        Call("units", "transfer", ("b1", 0, 5, "bob")),
        Call("units", "transfer", ("b1", 5, 10, "bob")),
    )
    receipts, outcome = chain.run(first, failing, double)
    assert [receipt.transaction_id for receipt in receipts] == [first.id, failing.id, double.id]
    assert [receipt.status for receipt in receipts] == ["ok", "reverted", "ok"]
    assert [(item.event_first, item.event_count) for item in receipts] == [(0, 1), (1, 0), (1, 2)]
    assert receipts[2].values == (None, None)
    assert [event.transaction_index for event in chain.events] == [0, 2, 2]
    assert outcome.gas == sum(receipt.gas for receipt in receipts)


def test_the_fast_encoders_give_the_canonical_bytes() -> None:
    event = VmEvent("units", "Transferred", ("b1", 0, 10, [b"x", None, True], 2**200))
    assert encode_event(7, event) == EVENT.encode(
        Event(7, event.contract, event.name, event.values)
    )
    outcome = CallsOutcome("reverted", "no-lot", 9, 3, (), ())
    receipt = Receipt(HASH, "reverted", "no-lot", 9, 3, (), 4, 0)  # type: ignore[arg-type]  # test id
    assert encode_receipt(receipt.transaction_id, outcome, 4, 0) == RECEIPT.encode(receipt)


def test_all_calls_of_a_transaction_happen_or_none(chain: Chain) -> None:
    receipt = run_one(chain, "bob", ADD, ADD, Call("counter", "add", (13,)))
    assert (receipt.status, receipt.code, receipt.failed_call) == ("reverted", "unlucky", 2)
    assert run_one(chain, "bob", ADD, ADD).values == (1, 2)


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (Call("nothing", "x", ()), "fault", "no-method"),
        (Call("counter", "nothing", ()), "fault", "no-method"),
        (Call("counter", "add", ("1",)), "fault", "arguments"),
        (Call("counter", "add", ()), "fault", "arguments"),
        (Call("counter", "add", (1,) * 32), "fault", "arguments"),
        (Call("counter", "add", ([[[[[[[1]]]]]]],)), "fault", "arguments"),
        (Call("counter\0", "add", (1,)), "fault", "no-method"),
        (Call("\ud7ff", "\u00e9", (1,)), "fault", "no-method"),
        (Call("governance", "set_account", (b"short", "bob")), "fault", "arguments"),
        (Call("units", "transfer", ("\0", 0, 1, "alice")), "fault", "value"),
        (Call("units", "transfer", ("x" * 300, 0, 1, "alice")), "fault", "size"),
        (Call("counter", "swell", (65_537,)), "fault", "size"),
        (Call("counter", "add", (2**255 - 1,)), "ok", ""),
    ],
)
def test_whatever_a_transaction_holds_becomes_a_receipt(
    chain: Chain, call: Call, status: str, code: str
) -> None:
    receipt = run_one(chain, "bob", call)
    assert (receipt.status, receipt.code) == (status, code)


def test_results_too_large_for_a_receipt_are_a_fault_without_a_trace(chain: Chain) -> None:
    large = Call("counter", "swell", (32_768,))
    fits = run_one(chain, "bob", ADD, large, large, large, large, gas=20_000_000)
    assert fits.status == "ok"
    _, outcome = chain.run(chain.make("bob", ADD, *[large] * 8, gas=20_000_000))
    receipt = RECEIPT.decode(outcome.receipts[0])
    assert (receipt.status, receipt.code) == ("fault", "size")
    assert all(len(item) <= limits.RECEIPT_BYTES_MAX for item in outcome.receipts)
    assert run_one(chain, "bob", ADD).values == (2,)


def test_running_out_of_gas_costs_the_whole_limit(chain: Chain) -> None:
    receipt = run_one(chain, "bob", Call("counter", "spin", (10_000_000,)), gas=100_000)
    assert (receipt.status, receipt.gas) == ("out-of-gas", 100_000)
    assert used_gas(chain, "bob") == 100_000


def used_gas(chain: Chain, organisation: str) -> int:
    return engine_view.get_gas_used(chain.state, organisation, chain.context().epoch)


def test_a_stranger_is_turned_away_free_of_charge(chain: Chain) -> None:
    receipts, outcome = chain.run(chain.make(address_of("stranger"), ADD))
    assert (receipts[0].status, receipts[0].code, receipts[0].gas) == (
        "rejected", "not-a-member", 0,
    )  # fmt: skip
    assert outcome.writes == {} and outcome.gas == 0


def test_membership_counts_from_the_next_transaction_on(chain: Chain) -> None:
    key = address_of("new-key")
    joined = chain.make(
        "regulator", Call("identity", "register", ("n", "N", "CN", ["bank"], [key]))
    )
    gone = chain.make("regulator", Call("identity", "suspend", ("n", "audit")))
    acts = [chain.make(key, ADD) for _ in range(3)]
    receipts, _ = chain.run(acts[0], joined, acts[1], gone, acts[2])
    assert [receipt.code for receipt in receipts] == ["not-a-member", "", "", "", "not-a-member"]


def test_a_gas_limit_over_the_chains_is_rejected(chain: Chain) -> None:
    limit = chain.params.transaction_gas_max
    assert run_one(chain, "bob", ADD, gas=limit).status == "ok"
    receipt = run_one(chain, "bob", ADD, gas=limit + 1)
    assert (receipt.status, receipt.code, receipt.gas) == ("rejected", "gas-limit", 0)


def limited_chain(allowance: int) -> Chain:
    chain = Chain(make_genesis(with_params(gas_allowance=allowance)))
    chain.state.apply(execute_genesis(MACHINE, chain.genesis).writes)
    return chain


GRANT = Call("identity", "grant", ("alice", "meters", 2**40))


def test_an_organisation_uses_no_more_than_its_allowance_in_an_epoch() -> None:
    chain = limited_chain(250_000)
    fits = run_one(chain, "bob", GRANT, gas=250_000)
    assert fits.status == "ok" and 0 < fits.gas < 20_000
    # What was really used is charged, so the next may declare all that is left, not more.
    left = 250_000 - fits.gas
    over = run_one(chain, "bob", GRANT, gas=left + 1)
    assert (over.status, over.code, over.gas) == ("rejected", "allowance", 0)
    assert run_one(chain, "bob", GRANT, gas=left).status == "ok"
    assert run_one(chain, "alice", GRANT, gas=250_000).status == "ok"
    while chain.height < 10:
        chain.run()
    assert run_one(chain, "bob", GRANT, gas=250_000).status == "ok"


def test_the_allowance_is_counted_within_a_block_too() -> None:
    chain = limited_chain(250_000)
    batch = [chain.make("bob", GRANT, gas=200_000) for _ in range(60)]
    receipts, outcome = chain.run(*batch)
    used = sum(receipt.gas for receipt in receipts)
    assert receipts[0].status == "ok" and receipts[-1].code == "allowance"
    assert used == outcome.gas == used_gas(chain, "bob") <= 250_000
    assert used + 200_000 > 250_000


def test_the_state_keeps_one_gas_row_for_each_organisation(chain: Chain) -> None:
    for _ in range(35):
        run_one(chain, "bob", ADD)
    rows = chain.state.scan(b"\0gas\0bob\0", None, 10)
    assert len(rows) == 1
    assert rows[0][0] == engine_view.compute_gas_key("bob", chain.context().epoch)


def test_failed_transactions_are_charged(chain: Chain) -> None:
    before = used_gas(chain, "bob")
    receipt = run_one(chain, "bob", Call("counter", "add", (13,)))
    assert receipt.status == "reverted" and receipt.gas > 0
    assert used_gas(chain, "bob") == before + receipt.gas


def test_a_deployer_deploys(chain: Chain) -> None:
    entry = engine_view.get_contract(chain.state, "counter")
    assert entry is not None and entry.admin == address_of("regulator")
    assert engine_view.get_source(chain.state, entry.code_hash) == COUNTER
    assert engine_view.get_contract(chain.state, "nothing") is None
    assert engine_view.get_source(chain.state, HASH) is None


@pytest.mark.parametrize(
    ("sender", "calls", "status", "code"),
    [
        ("bob", (deploy("mine", COUNTER),), "rejected", "not-a-deployer"),
        ("regulator", (deploy("counter", COUNTER),), "rejected", "contract-exists"),
        ("regulator", (deploy("units", COUNTER),), "rejected", "contract-exists"),
        ("regulator", (deploy("system", COUNTER),), "rejected", "contract-name"),
        ("regulator", (deploy("a\0b", COUNTER),), "rejected", "contract-name"),
        ("regulator", (deploy("", COUNTER),), "rejected", "contract-name"),
        ("regulator", (deploy("mine", "import os\n"),), "rejected", "syntax"),
        ("regulator", (deploy("mine", COUNTER), ADD), "rejected", "system-alone"),
        ("regulator", (ADD, deploy("mine", COUNTER)), "rejected", "system-alone"),
        ("regulator", (Call("system", "stop", ()),), "fault", "no-method"),
        ("regulator", (deploy("mine", 5),), "fault", "arguments"),
        ("regulator", (deploy(5, COUNTER),), "fault", "arguments"),
        ("regulator", (Call("system", "deploy", ("mine",)),), "fault", "arguments"),
    ],
)
def test_a_deployment_is_refused(
    chain: Chain, sender: str, calls: tuple[Call, ...], status: str, code: str
) -> None:
    receipt = run_one(chain, sender, *calls, gas=20_000_000)
    assert (receipt.status, receipt.code) == (status, code)
    assert engine_view.get_contract(chain.state, "mine") is None


def test_a_deployment_without_gas_leaves_nothing(chain: Chain) -> None:
    receipt = run_one(chain, "regulator", deploy("mine", COUNTER), gas=1_000)
    assert receipt.status == "out-of-gas"
    assert engine_view.get_contract(chain.state, "mine") is None


def test_parameters_and_validators_in_force_are_in_the_state(chain: Chain) -> None:
    assert engine_view.get_params(chain.state) == chain.params
    assert engine_view.get_validators(chain.state) == chain.validators
    wanted = with_params(batch_delay_ms=99)
    number = chain.ok("regulator", "governance", "propose_params", list(astuple(wanted)))
    chain.ok("regulator", "governance", "execute", number)
    entries = [["n", HASH], *chain.view("governance", "get_validators")[1:]]
    entries[0][0] = "v0"
    number = chain.ok("regulator", "governance", "propose_validators", entries)
    chain.ok("regulator", "governance", "execute", number)
    while chain.height < 10:
        assert engine_view.get_params(chain.state) == with_params()
        chain.run()
    assert engine_view.get_params(chain.state) == chain.params == wanted
    assert engine_view.get_validators(chain.state) == chain.validators
    assert chain.validators.members[0].public_key == HASH


@pytest.mark.parametrize(
    "wire",
    [
        [1] * 14,
        [1] * 16,
        [0] * 15,
        list(astuple(with_params(epoch_blocks=11))),
        list(astuple(with_params(block_bytes_max=0))),
        ["x"] * 15,
        None,
        5,
    ],
)
def test_parameters_that_cannot_be_used_leave_those_in_force(wire: Any) -> None:
    state = MemoryState()
    state.apply({engine_view.NEXT_PARAMS_KEY: pack(wire)})
    assert engine_view.get_next_params(state, with_params()) == with_params()


@pytest.mark.parametrize(
    "wire",
    [[], [["a", HASH], ["a", HASH[::-1]]], [["a", HASH[:31]]], [["", HASH]], [["a"]], 5, None,
     [["x" * 65, HASH]], [[1, 5]]],
)  # fmt: skip
def test_validators_that_cannot_be_used_leave_those_in_force(wire: Any) -> None:
    state, current = MemoryState(), make_genesis().validators
    state.apply({engine_view.NEXT_VALIDATORS_KEY: pack(wire)})
    assert engine_view.get_next_validators(state, current) == current


def test_the_same_block_gives_the_same_bytes_on_every_machine(chain: Chain) -> None:
    chain.issue("b1", 100)
    transactions = [
        chain.make("owner", Call("units", "transfer", ("b1", n, n + 1, "alice"))) for n in range(50)
    ]
    transactions.append(chain.make("bob", Call("counter", "spin", (10_000_000,)), gas=50_000))
    chain.height += 1
    inputs = BlockInputs(chain.context(), transactions)
    arguments = (chain.state, inputs, chain.params, chain.validators)
    assert execute_block(chain.machine, *arguments) == execute_block(Machine(), *arguments)


def test_signed_transactions_execute(chain: Chain) -> None:
    made = chain.make("bob", ADD)
    signed = sign_transaction(made.body, key_of("bob"))
    receipts, _ = chain.run(signed)
    assert receipts[0].transaction_id == signed.id and receipts[0].status == "ok"


class BrokenMachine(Machine):
    """A machine with a bug: it writes, then raises what no machine should."""

    error: type[BaseException] = ValueError

    def run_calls(self, overlay: Any, *arguments: Any) -> CallsOutcome:
        overlay.put(b"trace", b"left")
        raise self.error


def test_an_error_of_ours_is_a_fault_that_leaves_no_trace(chain: Chain) -> None:
    chain.machine = BrokenMachine()
    receipts, outcome = chain.run(chain.make("bob", ADD, gas=1234))
    assert (receipts[0].status, receipts[0].code, receipts[0].gas) == ("fault", "internal", 1234)
    assert b"trace" not in outcome.writes


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OSError])
def test_a_broken_node_stops(chain: Chain, error: type[BaseException]) -> None:
    chain.machine = BrokenMachine()
    chain.machine.error = error  # type: ignore[attr-defined]  # BrokenMachine, one line up
    with pytest.raises(error):
        chain.run(chain.make("bob", ADD))


def test_an_empty_block_changes_nothing(chain: Chain) -> None:
    receipts, outcome = chain.run()
    assert receipts == [] and outcome.writes == {} and outcome.events == []
    assert (outcome.next_params, outcome.next_validators) == (chain.params, chain.validators)


def test_an_epoch_that_ends_without_a_decision_writes_nothing(chain: Chain) -> None:
    while chain.height < 9:
        chain.run()
    _, outcome = chain.run()
    assert chain.height == 10 and outcome.writes == {}


def test_a_rejected_transaction_leaves_no_row_of_gas() -> None:
    chain = limited_chain(1_000)
    receipts, outcome = chain.run(chain.make("bob", GRANT, gas=1_001))
    assert receipts[0].code == "allowance" and outcome.writes == {}


# --- genesis


def test_genesis_writes_what_the_engine_needs() -> None:
    genesis = make_genesis()
    outcome = execute_genesis(Machine(), genesis)
    assert outcome.receipts == [] and outcome.gas > 0
    assert outcome.writes[engine_view.PARAMS_KEY] == CHAIN_PARAMS.encode(genesis.params)
    assert outcome.writes[engine_view.VALIDATORS_KEY] == VALIDATOR_SET.encode(genesis.validators)
    events = [EVENT.decode(item) for item in outcome.events]
    registered = [event.values[0] for event in events if event.name == "Registered"]
    assert registered[0] == "regulator" and "bob" in registered
    assert all(genesis.calls[event.transaction_index] for event in events)
    assert execute_genesis(Machine(), genesis) == outcome


def test_a_genesis_whose_call_fails_is_refused() -> None:
    genesis = make_genesis()
    again = next(item for item in genesis.calls if item.call.method == "register")
    bad = replace(genesis, calls=(*genesis.calls, again, genesis.calls[2]))
    with pytest.raises(
        GenesisError, match=r"call=\d+, contract=identity, method=register"
    ) as caught:
        execute_genesis(MACHINE, bad)
    assert caught.value.values_seen == {
        "status": "reverted", "outcome_code": "organisation-exists",
    }  # fmt: skip


def test_a_genesis_whose_contract_is_refused_is_refused() -> None:
    genesis = make_genesis()
    bad = replace(genesis.contracts[0], source="import os\n")
    with pytest.raises(GenesisError, match="contract=governance"):
        execute_genesis(MACHINE, replace(genesis, contracts=(bad,)))


def test_a_chain_without_governance_has_no_members() -> None:
    genesis = replace(make_genesis(), contracts=(), calls=())
    outcome = execute_genesis(MACHINE, genesis)
    state = MemoryState()
    state.apply(outcome.writes)
    chain = Chain()
    chain.state = state
    assert run_one(chain, "bob", ADD).code == "not-a-member"


def test_the_engine_view_reads_observers_allowances_and_deployers(chain: Chain) -> None:
    for method, arguments in (
        ("propose_observer", ("watcher", HASH, True)),
        ("propose_allowance", ("bob", 77)),
    ):
        number = chain.ok("regulator", "governance", method, *arguments)
        chain.ok("regulator", "governance", "execute", number)
    assert engine_view.list_observers(chain.state) == [engine_view.Observer("watcher", Hash(HASH))]
    assert engine_view.get_allowance(chain.state, "bob", chain.params) == 77
    assert (
        engine_view.get_allowance(chain.state, "alice", chain.params) == chain.params.gas_allowance
    )
    assert engine_view.get_gas_left(chain.state, "bob", 0, chain.params) == 77
    assert engine_view.is_deployer(chain.state, address_of("regulator"))
    assert not engine_view.is_deployer(chain.state, address_of("bob"))
    chain.state.apply({engine_view.DEPLOYER_PREFIX + HASH: pack(False)})
    assert not engine_view.is_deployer(chain.state, HASH)
    assert engine_view.get_account(chain.state, address_of("bob")) == "bob"
    assert engine_view.get_account(chain.state, HASH) is None
    assert engine_view.get_params(MemoryState()) is None
    assert engine_view.get_validators(MemoryState()) is None


def test_an_allowance_below_what_was_used_leaves_nothing_not_less(chain: Chain) -> None:
    run_one(chain, "bob", ADD)
    number = chain.ok("regulator", "governance", "propose_allowance", "bob", 1)
    chain.ok("regulator", "governance", "execute", number)
    assert engine_view.get_gas_left(chain.state, "bob", 0, chain.params) == 0
    assert run_one(chain, "bob", ADD).code == "allowance"


def test_administration_is_kept_apart_from_deployment() -> None:
    administration = Administration((address_of("bank"),), 1, (address_of("bob"),), 0)
    chain = Chain(make_genesis(administration=administration))
    assert run_one(chain, "regulator", deploy("counter", COUNTER)).code == "not-a-deployer"
    assert run_one(chain, "bob", deploy("counter", COUNTER)).status == "ok"


def test_a_block_forgets_how_to_undo_each_transaction_that_is_done(chain: Chain) -> None:
    transactions = [chain.make("regulator", ADD) for _ in range(3)]
    run = _BlockRun(MACHINE, chain.state, chain.context(), chain.params)
    for index, transaction in enumerate(transactions):
        run.execute(index, transaction)
        assert not run.overlay._journal
