"""A vm_version in the chain's parameters chooses the prices, of old code as of new."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest

from primitives.errors import CarbonodeError
from primitives.genesis import Genesis
from primitives.params import ChainParams
from primitives.transaction import Call
from tests.fuzz.cases import compare
from tests.fuzz.generator.programs import make_case
from tests.unit.vm.carbon_chain import Chain, address_of, make_genesis
from vm import engine_view
from vm.compiler import compile_source
from vm.gas import SCHEDULES, VM_VERSION, Schedule, get_schedule
from vm.genesis_builder import Administration
from vm.inclusion import count_words
from vm.machine import Machine
from vm.specialise import LinkOptions

SECOND = replace(Schedule(), arithmetic=120, state_write=9_000, contract_call=700, deploy=150_000)
"""A schedule of these tests alone."""
SOURCE = """from vm import Map, export
counts = Map[str, int](default=0)
@export
def add(name: str, n: int) -> int:
    counts[name] += n
    return counts[name] * 2 + 1
"""
DEARER = 3 * (120 - 20) + 1 * (9_000 - 4_000) + 1 * (700 - 600)
"""What one ``add`` does three, one and one times: + * +, a write, a call from outside."""
GAS = 40_000_000


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[Schedule]:
    monkeypatch.setitem(SCHEDULES, 2, SECOND)
    yield SECOND


def make_own_genesis(vm_version: int = 1) -> Genesis:
    regulator = (address_of("regulator"),)
    params = ChainParams(epoch_blocks=10, vm_version=vm_version)
    return make_genesis(params, Administration(regulator, 1, regulator, 0))


def deploy(chain: Chain, name: str) -> int:
    call = Call("system", "deploy", (name, SOURCE))
    receipt = chain.run(chain.make("regulator", call, gas=GAS))[0][0]
    assert receipt.status == "ok", receipt
    return receipt.gas


def add(chain: Chain, contract: str, n: int) -> tuple[int, object]:
    receipt = chain.send("alice", contract, "add", "a", n)
    assert receipt.status == "ok", receipt
    return receipt.gas, receipt.values[0]


def carry_versions(chain: Chain, protocol: int, vm: int) -> None:
    number = chain.ok("regulator", "governance", "propose_versions", protocol, vm)
    chain.ok("regulator", "governance", "execute", number)


def end_epoch(chain: Chain) -> None:
    chain.run()
    while chain.height % 10:
        chain.run()


def test_the_prices_of_a_new_version_hold_from_the_end_of_the_epoch_on_for_old_code(
    second: Schedule,
) -> None:
    chain = Chain(make_own_genesis(), Machine())
    deployed = deploy(chain, "old")
    add(chain, "old", 1)  # the first write is of a longer row than those that follow
    before = add(chain, "old", 2)[0]
    carry_versions(chain, 1, 2)
    assert add(chain, "old", 3) == (before, 13)
    end_epoch(chain)
    assert chain.params.vm_version == 2
    assert add(chain, "old", 4) == (before + DEARER, 21)
    assert deploy(chain, "new") == deployed + 50_000
    add(chain, "new", 1)
    assert add(chain, "new", 2) == (before + DEARER, 7)
    entries = [engine_view.get_contract(chain.state, name) for name in ("old", "new")]
    assert [entry.vm_version for entry in entries if entry] == [1, 2]
    assert len({entry.code_hash for entry in entries if entry}) == 1


def test_a_node_that_has_just_started_comes_to_the_same(second: Schedule) -> None:
    """Caches, the machine's version at its start, and its history are nobody's business."""
    chains = [Chain(make_own_genesis(), Machine(version)) for version in (1, 2)]
    for number, chain in enumerate(chains):
        deploy(chain, "old")
        carry_versions(chain, 1, 2)
        end_epoch(chain)
        if number:
            chain.machine = Machine(2)
        assert add(chain, "old", 5)[1] == 11
    assert chains[0].state.values == chains[1].state.values


def test_a_chain_may_begin_with_a_later_version(second: Schedule) -> None:
    assert make_own_genesis(2) != make_own_genesis(1)
    one, two = Chain(make_own_genesis(1), Machine()), Chain(make_own_genesis(2), Machine())
    assert deploy(two, "old") == deploy(one, "old") + 50_000
    add(one, "old", 1), add(two, "old", 1)
    assert add(two, "old", 2)[0] == add(one, "old", 2)[0] + DEARER


def test_a_call_that_has_just_enough_gas_has_too_little_under_dearer_prices(
    second: Schedule,
) -> None:
    chain = Chain(make_own_genesis(), Machine())
    deploy(chain, "old")
    add(chain, "old", 1)
    gas = add(chain, "old", 2)[0]

    def spend() -> str:
        call = Call("old", "add", ("a", 3))
        return str(chain.run(chain.make("alice", call, gas=gas))[0][0].status)

    carry_versions(chain, 1, 2)
    assert spend() == "ok"
    end_epoch(chain)
    assert spend() == "out-of-gas"


def test_a_version_that_the_program_lacks_is_an_error_and_no_price() -> None:
    with pytest.raises(CarbonodeError, match="vm_version=2") as caught:
        Machine().at_version(2)
    assert caught.value.code == "vm-version"
    for version in (0, VM_VERSION + 1):
        with pytest.raises(CarbonodeError):
            get_schedule(version)


def test_versions_have_no_gaps_and_the_newest_is_what_a_program_announces() -> None:
    assert sorted(SCHEDULES) == list(range(1, VM_VERSION + 1))


def test_machines_of_one_family_are_made_once(second: Schedule) -> None:
    machine = Machine()
    other = machine.at_version(2)
    assert other is not machine and machine.at_version(1) is machine
    assert other.at_version(1) is machine and machine.at_version(2) is other


class DictCache:
    """A cache of compiled code that outlives a machine."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.hits = 0

    def load(self, key: bytes) -> bytes | None:
        self.hits += key in self.kept
        return self.kept.get(key)

    def store(self, key: bytes, data: bytes) -> None:
        self.kept[key] = data


def test_compiled_code_kept_from_one_version_is_not_run_under_another(second: Schedule) -> None:
    cache, gas = DictCache(), []
    for version in (1, 2, 1, 2):
        chain = Chain(make_own_genesis(version), Machine(1, LinkOptions(cache=cache)))
        deploy(chain, "old")
        add(chain, "old", 1)
        gas.append(add(chain, "old", 2)[0])
    assert gas == [gas[0], gas[0] + DEARER] * 2
    assert cache.hits > 4


def make_odd_schedule() -> Schedule:
    """Every price another than today's, so that one written down elsewhere is seen."""
    today = Schedule()
    prices = {
        field.name: getattr(today, field.name) * 2 + 1 + index
        for index, field in enumerate(fields(Schedule))
        if not field.name.endswith("_shift")
    }
    shifts = {"copy_shift": 3, "sha256_shift": 1, "verify_ed25519_shift": 1}
    return replace(today, **prices, **shifts)


def test_no_price_is_written_down_beside_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both evaluators, that know of prices from their schedule alone, agree under an odd one."""
    monkeypatch.setitem(SCHEDULES, 2, make_odd_schedule())
    machine, seed = Machine(2), random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(150):
        case = make_case(rng.getrandbits(48))
        assert compare(case, machine, vm_version=2) is None, case.to_line()


def test_the_deploy_price_is_that_of_the_version(second: Schedule) -> None:
    words = count_words(SOURCE)
    blocks = compile_source(SOURCE, second).blocks
    assert sum(price for _, price in blocks) > sum(
        price for _, price in compile_source(SOURCE, Schedule()).blocks
    )
    chain = Chain(make_own_genesis(2), Machine())
    assert deploy(chain, "old") == 150_000 + 100 * len(SOURCE) + 2_300 * words
