"""Straight-line codecs and guards do what the general ones do: value, fault, gas and memory."""

import copy
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from primitives.codec import pack
from primitives.hashing import ZERO_HASH
from primitives.transaction import Call
from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES
from vm import codecs
from vm.gas import INT_MAX, INT_MIN, MEMORY_BYTES_MAX, Schedule
from vm.machine import BlockContext, Machine
from vm.meter import Meter
from vm.outcome import Fault, OutOfGas
from vm.specialise import PARTS_MAX, LinkOptions, Specialiser
from vm.state import MemoryReader, Overlay
from vm.types import (
    ADDRESS,
    ANY,
    BOOL,
    BYTES,
    INT,
    NONE,
    STR,
    Address,
    DictType,
    ListType,
    Scalar,
    TupleType,
    make_record_type,
)

SCALARS = [INT, STR, BOOL, BYTES, ADDRESS, NONE]
KEYS = [INT, STR, BYTES, ADDRESS]
_names = count()


def make_record(fields):
    named = tuple((f"f{index}", kind) for index, kind in enumerate(fields))
    return make_record_type(f"R{next(_names)}", named, False)


def containers(inner):
    return st.one_of(
        inner.map(ListType),
        st.tuples(st.sampled_from(KEYS), inner).map(lambda pair: DictType(*pair)),
        st.lists(inner, min_size=1, max_size=4).map(lambda items: TupleType(tuple(items))),
        st.lists(inner, min_size=1, max_size=4).map(make_record),
    )


KINDS = st.recursive(st.sampled_from(SCALARS), containers, max_leaves=6)

TEXTS = st.text(max_size=5) | st.sampled_from(["", "é" * 40, "x" * 64, "x" * 65, "x" * 900])
INTS = st.integers(-5, 5) | st.sampled_from([INT_MIN, INT_MAX, 1 << 63, 1 << 64, -(1 << 63) - 1])
ADDRESSES = st.binary(min_size=32, max_size=32).map(Address)
BLOBS = st.binary(max_size=4) | st.just(b"y" * 65) | st.just(b"z" * 32)
ANYTHING = st.one_of(
    INTS, TEXTS, st.booleans(), BLOBS, ADDRESSES, st.none(), st.just([]), st.just({}), st.just(()),
    st.just([1, "a"]), st.just([True]),
)  # fmt: skip


def values_of(kind):
    match kind:
        case Scalar(name):
            return {
                "int": INTS, "str": TEXTS, "bool": st.booleans(), "bytes": BLOBS,
                "Address": ADDRESSES, "None": st.none(),
            }[name]  # fmt: skip
        case ListType(item):
            return st.lists(values_of(item), max_size=3)
        case DictType(key, value):
            keys = st.integers(-9, 9) if key == INT else values_of(key)
            return st.dictionaries(keys, values_of(value), max_size=3)
        case TupleType(items):
            return st.tuples(*map(values_of, items))
    rows = st.tuples(*[values_of(field) for _, field in kind.fields])
    return rows.map(lambda row: tuple.__new__(kind.cls, row))


def spoil(value, other):
    """Return ``value`` with something in it replaced by ``other``, where it has parts."""
    if type(value) is list and value:
        return [*value[:-1], spoil(value[-1], other)]
    if type(value) is dict and value:
        *rest, (name, item) = value.items()
        return {**dict(rest), name: spoil(item, other)}
    if isinstance(value, tuple) and value:
        return tuple.__new__(type(value), (*value[:-1], spoil(value[-1], other)))
    return other


def run(function, meter, argument, gas, memory):
    """Return what came of it, and what is left."""
    meter.gas, meter.memory = gas, memory
    argument = copy.deepcopy(argument)
    try:
        result = argument if function is None else function(argument)
    except OutOfGas:
        return "out-of-gas"
    except Fault as fault:
        return fault.code, meter.gas
    return describe(result), meter.gas, meter.memory


def describe(value):
    """Equality that tells 1 from True and a record from a tuple."""
    if isinstance(value, list | tuple):
        return type(value).__name__, [describe(item) for item in value]
    if type(value) is dict:
        return "dict", [(describe(name), describe(item)) for name, item in value.items()]
    return type(value).__name__, value


def assert_equal(kind, what, argument, memory=MEMORY_BYTES_MAX):
    """Compare with all the gas, and then with every smaller amount that may matter."""
    meter = Meter(Schedule())
    build = {"to": codecs.build_to_wire, "from": codecs.build_from_wire}
    general = build.get(what, codecs.build_parse_wire)(kind, meter)
    specialiser = Specialiser(meter)
    name = {
        "to": specialiser.name_to_wire,
        "from": specialiser.name_from_wire,
        "parse": specialiser.name_parse,
    }[what](kind)
    written = specialiser.build()[name]
    enough = 10**9
    wanted = run(general, meter, argument, enough, memory)
    assert run(written, meter, argument, enough, memory) == wanted
    used = enough - wanted[1]
    for gas in {0, 1, used // 3, used // 2, used - 60, used - 1, used, used + 1}:
        wanted = run(general, meter, argument, gas, memory)
        assert run(written, meter, argument, gas, memory) == wanted, gas


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_a_value_becomes_the_same_wire_at_the_same_price(data):
    kind = data.draw(KINDS)
    value = data.draw(values_of(kind))
    memory = data.draw(st.sampled_from([MEMORY_BYTES_MAX, 64, 128, 300, 700]))
    assert_equal(kind, "to", value, memory)
    assert_equal(kind, "to", spoil(value, data.draw(ANYTHING)), memory)


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_wire_becomes_the_same_value_at_the_same_price(data):
    kind = data.draw(KINDS)
    meter = Meter(Schedule())
    meter.gas = 10**9
    wire = codecs.build_to_wire(kind, meter)(data.draw(values_of(kind)))
    memory = data.draw(st.sampled_from([MEMORY_BYTES_MAX, 64, 128, 300, 700]))
    assert_equal(kind, "from", wire, memory)
    assert_equal(kind, "parse", wire, memory)
    assert_equal(kind, "parse", spoil(wire, data.draw(ANYTHING)), memory)


@given(st.lists(KINDS, min_size=1, max_size=4), st.data())
@settings(max_examples=100, deadline=None)
def test_an_older_shorter_record_is_filled_with_zeros(kinds, data):
    record = make_record(kinds)
    meter = Meter(Schedule())
    meter.gas = 10**9
    wire = codecs.build_to_wire(record, meter)(data.draw(values_of(record)))
    assert_equal(record, "from", wire[: data.draw(st.integers(0, len(kinds)))])


@given(ANYTHING | st.lists(ANYTHING, max_size=3))
def test_a_result_without_a_type_is_the_same(value):
    assert_equal(ANY, "to", value)
    assert_equal(ANY, "from", value)


@example("\ud800")
@given(st.text())
def test_half_a_surrogate_pair_is_refused_as_an_argument(text):
    assert_equal(STR, "parse", text)
    assert_equal(ListType(STR), "parse", [text])


def test_every_way_from_a_wrong_kind_of_argument():
    for kind in [*SCALARS, ListType(INT), DictType(STR, INT), TupleType((INT, ADDRESS))]:
        for wrong in (1, True, "a", b"", b"a" * 31, b"a" * 32, b"a" * 33, Address(b"a" * 32), None,
                      [], [1], [True], [[1, 2]], [["a", 1]], [["a", 1], ["a", 2]], [1, b"a" * 32],
                      [1, b"a"], (), {}, 1 << 255, -(1 << 255), -(1 << 255) - 1, 1.5):  # fmt: skip
            assert_equal(kind, "parse", wrong)
            assert_equal(kind, "to", wrong)


SOURCE = """
from vm import Var, Map, record, event, export, view, ctx, emit, replace, Address

@record
class Lot:
    owner: Address
    start: int
    state: str
    tags: list[str]

@event
class Moved:
    to: Address
    lot: Lot

counts = Map[str, int](default=0)
lots = Map[tuple[str, int], Lot]()
by_bytes = Map[bytes, dict[str, Lot]](default={})
by_owner = Map[Address, bool]()
total = Var[int]()
first = Var[Lot]()
text = Var[str](default='none')
pairs = Var[tuple[int, str]]()

@export
def move(key: str, n: int, blob: bytes, to: Address, words: list[str]) -> dict[str, Lot]:
    counts[key] += n
    lot = Lot(to, n, state=key, tags=words)
    lots[key, n] = lot
    lots[key, n + 1] = replace(lot, start=n + 1)
    found = by_bytes[blob]
    found[key] = lots[key, n]
    by_bytes[blob] = found
    by_owner[to] = to in by_owner
    total.set(total.get() + counts.get('nobody', 7))
    first.set(lot)
    text.set(text.get() + key)
    pairs.set((n, text.get()))
    unset = lots.get((key, 99))
    emit(Moved(to, first.get()))
    if n > 100:
        del lots[key, n]
        del by_owner[to]
    if n > 200:
        del lots[key, n]
    return {key: lots[key, n + 1]}

@view
def look(key: str) -> int:
    counts[key] = 1
    return 0
"""
CALLS = [
    Call("main", "move", ("k", 5, b"\0x", b"a" * 32, ["one", "two"])),
    Call("main", "move", ("k", 105, b"", b"a" * 32, [])),
    Call("main", "move", ("k", 205, b"", b"a" * 32, [])),
    Call("main", "move", ("k" * 257, 5, b"", b"a" * 32, [])),
    Call("main", "move", ("k" * 256, 5, b"", b"a" * 32, [])),
    Call("main", "move", ("k\0", 5, b"", b"a" * 32, [])),
    Call("main", "move", ("k", INT_MAX, b"", b"a" * 32, [])),
    Call("main", "move", ("k", 5, b"", b"a" * 32, ["x" * 300] * 60)),
    Call("main", "move", ("k", 5, b"", b"a" * 31, [])),
    Call("main", "move", ("k", 5, b"", b"a" * 32)),
    Call("main", "look", ("k",)),
]
CONTEXT = BlockContext(ZERO_HASH, 1, 0, 0, ZERO_HASH)
MACHINES = [
    Machine(options=LinkOptions(parts_max=0)),
    Machine(),
    Machine(options=LinkOptions(parts_max=20)),
]


def deploy(machine, source):
    overlay = Overlay(MemoryReader())
    outcome = machine.deploy(overlay, "main", source, ZERO_HASH, context=CONTEXT, sender=ZERO_HASH)
    assert outcome.status == "ok", outcome
    return overlay


def perform(machine, overlay, call, gas):
    mark = overlay.mark()
    outcome = machine.run_calls(overlay, CONTEXT, ZERO_HASH, ZERO_HASH, (call,), gas)
    writes = dict(overlay.writes)
    overlay.rollback(mark)
    return outcome, writes


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_a_contract_runs_the_same_at_every_gas_limit(call):
    overlays = [deploy(machine, SOURCE) for machine in MACHINES]
    full = perform(MACHINES[0], overlays[0], call, 10**6)
    assert full[0].code != "internal"
    limits = range(0, full[0].gas + 2, 7) if full[0].gas < 30_000 else range(0, full[0].gas, 997)
    for gas in [*limits, full[0].gas - 1, full[0].gas]:
        outcomes = [perform(m, o, call, gas) for m, o in zip(MACHINES, overlays, strict=True)]
        assert outcomes[0] == outcomes[1] == outcomes[2], gas


def test_the_corpus_runs_the_same_with_and_without_straight_line_code():
    for body, *_ in [*VALUES, *FAILURES]:
        source = HEADER.replace("def f(a: int) -> int:", "def f(a: int):") + f"    {body}\n"
        call = Call("main", "f", (7,))
        one, other = (
            perform(machine, deploy(machine, source), call, 300_000) for machine in MACHINES[:2]
        )
        assert one == other, body


def test_a_contract_with_more_fields_than_the_budget_is_still_a_contract():
    fields = "".join(f"    f{index}: int\n" for index in range(60))
    records = "".join(f"@record\nclass R{index}:\n{fields}\n" for index in range(30))
    variables = "".join(f"v{index} = Map[str, R{index}]()\n" for index in range(30))
    source = (
        "from vm import Map, record, export\n" + records + variables
        + "@export\ndef f(a: R3, b: R29) -> R29:\n    v3['x'] = a\n    v29['x'] = b\n"
        "    return v29['x']\n"
    )  # fmt: skip
    assert PARTS_MAX < 30 * 60
    wire = list(range(60))
    call = Call("main", "f", (wire, wire))
    results = [perform(machine, deploy(machine, source), call, 10**6) for machine in MACHINES]
    assert results[0] == results[1] == results[2]
    assert results[0][0].values == (wire,)


def test_a_field_may_have_the_name_of_anything_in_python():
    source = (
        "from vm import record, export\n@record\nclass R:\n    len: int\n    type: str\n"
        "    self: int\n    print: int\n@export\ndef f(a: int) -> R:\n"
        "    return R(a, 'b', print=4, self=3)\n"
    )
    for machine in MACHINES:
        outcome, _ = perform(machine, deploy(machine, source), Call("main", "f", (1,)), 10**5)
        assert outcome.values == ([1, "b", 3, 4],)


def test_the_bytes_in_the_state_are_those_of_the_general_codec():
    overlay = deploy(MACHINES[1], SOURCE)
    perform_writes = perform(MACHINES[1], overlay, CALLS[0], 10**6)[1]
    assert perform_writes[b"main\0total\0"] == pack(7)
    lot = [b"a" * 32, 5, "k", ["one", "two"]]
    assert perform_writes[b"main\0first\0"] == pack(lot)
    assert perform_writes[b"main\0by_bytes\0\0\xffx\0\0"] == pack([["k", lot]])
