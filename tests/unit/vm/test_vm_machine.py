"""The Machine: all or none, other contracts, re-entry, views, deployment, determinism."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from primitives.hashing import ZERO_HASH, Address, compute_contract_address
from primitives.transaction import Call
from vm.authoring import Bench, parse_call
from vm.machine import BlockContext, Machine
from vm.state import MemoryReader, Overlay, compute_entry_key

CONTEXT = BlockContext(ZERO_HASH, 5, 1_700_000_000, 0, Address(ZERO_HASH))
ALICE = Address(b"\x01" * 32)

CALLEE = """
from vm import Map, Var, record, event, export, view, init, ctx, require, revert, emit, call
from vm import Address

@record
class Lot:
    owner: Address
    start: int

@record
class Other:
    n: int

@event
class Seen:
    who: Address

total = Var[int]()
names = Map[Address, str]()

@export
def who() -> Address:
    emit(Seen(ctx.sender))
    return ctx.sender

@export
def write(n: int) -> int:
    total.set(total.get() + n)
    return total.get()

@export
def fail(code: str) -> None:
    total.set(99)
    revert(code)

@export
def lot(start: int) -> Lot:
    return Lot(ctx.sender, start)

@export
def other() -> Other:
    return Other(7)

@export
def take(lot: Lot) -> int:
    return lot.start

@export
def append(items: list[int]) -> list[int]:
    items.append(9)
    return items

@view
def read() -> int:
    return total.get()

@view
def sly() -> int:
    total.set(5)
    return 1

@view
def sly_event() -> int:
    emit(Seen(ctx.sender))
    return 1

@export
def back(name: str) -> int:
    return call(name, "read")
"""
CALLER = """
from vm import Map, Var, record, event, export, view, ctx, require, revert, emit, call, Address

@record
class Lot:
    owner: Address
    start: int

kept = Var[int]()

@view
def read() -> int:
    return kept.get()

@export
def who() -> list[Address]:
    return [ctx.sender, call("callee", "who"), ctx.sender, ctx.contract]

@export
def write_then_fail(code: str) -> None:
    kept.set(1)
    call("callee", "write", 5)
    call("callee", "fail", code)

@export
def write_both() -> int:
    kept.set(kept.get() + 1)
    return call("callee", "write", 5)

@export
def get_lot() -> int:
    lot = call("callee", "lot", 3)
    return lot.start + call("callee", "take", lot)

@export
def get_other() -> int:
    n = call("callee", "other")
    return n[0]

@export
def alias() -> list[int]:
    items = [1]
    more = call("callee", "append", items)
    more.append(10)
    return items

@view
def view_writes() -> int:
    return call("callee", "write", 5)

@export
def reenter() -> int:
    return call("callee", "back", "caller")

@export
def read_sly() -> int:
    return call("callee", "sly")

@export
def wrong() -> int:
    return call("callee", "write", "x")

@export
def missing() -> int:
    return call("callee", "nothing")

@export
def spin() -> int:
    kept.set(5)
    while True:
        kept.set(6)
"""


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def overlay(machine):
    result = Overlay(MemoryReader())
    for name, source in (("callee", CALLEE), ("caller", CALLER)):
        deployed = machine.deploy(result, name, source, ALICE, context=CONTEXT, sender=ALICE)
        assert deployed.status == "ok"
    return result


def run(machine, overlay, *calls, gas=1_000_000):
    encoded = [Call(contract, method, tuple(arguments)) for contract, method, *arguments in calls]
    return machine.run_calls(overlay, CONTEXT, ZERO_HASH, ALICE, encoded, gas)


def test_the_callee_sees_the_calling_contract_as_its_sender(machine, overlay):
    outcome = run(machine, overlay, ("caller", "who"))
    address = compute_contract_address("caller")
    assert outcome.values == ([ALICE, address, ALICE, address],)
    assert [(event.contract, event.values) for event in outcome.events] == [("callee", (address,))]


def test_a_failing_sub_call_fails_the_whole_transaction_and_leaves_no_write(machine, overlay):
    before = dict(overlay.writes)
    outcome = run(machine, overlay, ("caller", "write_both"), ("caller", "write_then_fail", "mine"))
    assert (outcome.status, outcome.code, outcome.failed_call) == ("reverted", "mine", 1)
    assert outcome.values == () and outcome.events == ()
    assert overlay.writes == before


def test_running_out_of_gas_leaves_no_write_and_takes_the_whole_limit(machine, overlay):
    before = dict(overlay.writes)
    for gas in (0, 1, 300, 700, 1_000, 5_000, 100_000):
        outcome = run(machine, overlay, ("caller", "write_both"), ("caller", "spin"), gas=gas)
        assert (outcome.status, outcome.gas) == ("out-of-gas", gas)
        assert overlay.writes == before


def test_every_gas_limit_below_the_need_runs_out_and_the_need_itself_suffices(machine, overlay):
    need = run(machine, Overlay(overlay), ("caller", "write_both")).gas
    for gas in range(0, need, 37):
        assert run(machine, Overlay(overlay), ("caller", "write_both"), gas=gas).status != "ok"
    assert run(machine, Overlay(overlay), ("caller", "write_both"), gas=need - 1).status != "ok"
    assert run(machine, Overlay(overlay), ("caller", "write_both"), gas=need).status == "ok"


def test_calls_of_one_transaction_see_each_other_and_write_together(machine, overlay):
    outcome = run(machine, overlay, ("callee", "write", 2), ("caller", "write_both"))
    assert outcome.values == (2, 7)
    assert run(machine, overlay, ("callee", "read")).values == (7,)


def test_a_record_crosses_as_the_callers_own_and_a_stranger_as_a_tuple(machine, overlay):
    assert run(machine, overlay, ("caller", "get_lot")).values == (6,)
    assert run(machine, overlay, ("caller", "get_other")).values == (7,)


def test_nothing_mutable_is_shared_between_contracts(machine, overlay):
    assert run(machine, overlay, ("caller", "alias")).values == ([1],)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("caller", "reenter"), "reentrancy"),
        (("caller", "view_writes"), "read-only"),
        (("caller", "read_sly"), "read-only"),
        (("callee", "sly"), "read-only"),
        (("callee", "sly_event"), "read-only"),
        (("caller", "wrong"), "arguments"),
        (("caller", "missing"), "no-method"),
        (("nobody", "read"), "no-method"),
        (("callee", "nothing"), "no-method"),
        (("callee", "write"), "arguments"),
        (("callee", "write", "1"), "arguments"),
        (("callee", "write", True), "arguments"),
        (("callee", "write", 2**255), "arguments"),
        (("callee", "take", [ALICE]), "arguments"),
        (("callee", "take", [b"short", 1]), "arguments"),
        (("callee", "fail", "\ud800"), "arguments"),
        (("callee", "append", [1, "a"]), "arguments"),
    ],
)
def test_a_call_that_may_not_be_ends_in_its_named_fault(machine, overlay, call, code):
    before = dict(overlay.writes)
    outcome = run(machine, overlay, call)
    assert (outcome.status, outcome.code) == ("fault", code)
    assert overlay.writes == before


def test_contracts_nest_eight_deep_and_no_deeper(machine):
    overlay = Overlay(MemoryReader())
    for number in range(10):
        source = "from vm import export, call\n@export\ndef f(n: int) -> int:\n"
        source += (
            f"    if n == 0:\n        return 0\n    return call('c{number + 1}', 'f', n - 1)\n"
        )
        machine.deploy(overlay, f"c{number}", source, ALICE, context=CONTEXT, sender=ALICE)
    assert run(machine, overlay, ("c0", "f", 7)).status == "ok"
    assert run(machine, overlay, ("c0", "f", 8)).code == "depth"


def test_a_view_drops_what_it_wrote(machine, overlay):
    outcome = machine.view(overlay, CONTEXT, ALICE, Call("callee", "write", (5,)))
    assert outcome.values == (5,)
    assert run(machine, overlay, ("callee", "read")).values == (0,)


def test_deployment_refuses_bad_sources_names_and_taken_names(machine, overlay):
    def deploy(name, source, arguments=()):
        outcome = machine.deploy(
            overlay, name, source, ALICE, context=CONTEXT, sender=ALICE, init_arguments=arguments
        )
        return outcome.status, outcome.code

    before = dict(overlay.writes)
    assert deploy("bad", "import os\n") == ("rejected", "syntax")
    assert deploy("bad", "x = '\u00e9'\n") == ("rejected", "character")
    assert deploy("callee", CALLEE) == ("rejected", "contract-exists")
    assert deploy("system", CALLEE) == ("rejected", "contract-name")
    assert deploy("a\0b", CALLEE) == ("rejected", "contract-name")
    assert deploy("third", CALLEE, (1,)) == ("fault", "arguments")
    revert = "from vm import init, revert\n@init\ndef f() -> None:\n    revert('no')\n"
    assert deploy("third", revert) == ("reverted", "no")
    assert overlay.writes == before


def test_the_abi_of_a_deployed_contract_can_be_read(machine, overlay):
    abi = machine.get_abi(overlay, "callee")
    assert abi is not None and abi.arguments_from_json("write", ["5"]) == (5,)
    assert machine.get_abi(overlay, "nobody") is None


def test_an_error_of_python_in_a_guard_is_an_internal_fault_without_its_text(machine, overlay):
    overlay.put(b"callee\0total\0", b"\xc1")  # bytes that no VM wrote
    outcome = run(machine, overlay, ("callee", "read"), gas=5_000)
    assert (outcome.status, outcome.code, outcome.gas) == ("fault", "internal", 5_000)
    assert machine.internal_fault is not None


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OSError])
def test_a_broken_node_stops_instead_of_voting(machine, overlay, error):
    class Broken(MemoryReader):
        def get(self, key):
            raise error

    with pytest.raises(error):
        run(machine, Overlay(Broken()), ("callee", "read"))


def test_two_machines_agree_and_a_warm_one_charges_as_a_cold_one(machine, overlay):
    warm = [run(machine, Overlay(overlay), ("caller", "write_both")) for _ in range(3)]
    cold = run(Machine(), Overlay(overlay), ("caller", "write_both"))
    assert all(outcome == cold for outcome in warm)


def test_an_entry_that_changes_is_linked_again(machine, overlay):
    assert run(machine, overlay, ("callee", "read")).status == "ok"
    other = Overlay(MemoryReader())
    source = "from vm import view\n@view\ndef read() -> int:\n    return 42\n"
    machine.deploy(other, "callee", source, ALICE, context=CONTEXT, sender=ALICE)
    assert run(machine, other, ("callee", "read")).values == (42,)
    assert run(machine, overlay, ("callee", "read")).values == (0,)
    assert other.writes[compute_entry_key("callee")] != overlay.writes[compute_entry_key("callee")]


SEED_SCRIPT = """
from vm.authoring import run_contract, parse_call
source = '''
from vm import Map, export, event, emit
@event
class E:
    k: str
m = Map[str, int]()
@export
def f() -> list[str]:
    d = {str(i * 7919 % 101): i for i in range(50)}
    for k in d:
        m[k] = d[k]
        emit(E(k))
    return d.keys() + [k for k, v in m.scan()] + sorted(d)
'''
print(run_contract(source, [parse_call('f()')]))
"""


def test_the_hash_seed_changes_nothing():
    root = Path(__file__).parents[3]
    outputs = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        command = [sys.executable, "-W", "error", "-c", SEED_SCRIPT]
        outputs.add(subprocess.check_output(command, env=environment, cwd=root, timeout=60))
    assert len(outputs) == 1


def test_bench_runs_calls_on_one_state():
    bench = Bench(CALLEE)
    assert bench.deploy().status == "ok"
    assert bench.call("write(5)").values == (5,)
    assert bench.run([parse_call("write(1)"), parse_call("read()")]).values == (6, 6)
