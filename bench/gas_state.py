"""Prices that need more than the VM: LevelDB and the state tree, deploying, calls from outside.

A store in a temporary folder holds KEYS rows of a contract with their state tree. Work
is a transaction on a snapshot; what it writes is then applied as a block's writes are
(tree, rows, one LevelDB batch). CPU of the whole process counts, so LevelDB's own
compaction does. Not counted: waiting for the disk, once a block.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.gas_sources import list_sources
from primitives.block import compute_events_root
from primitives.codec import pack
from primitives.hashing import ZERO_HASH, Address
from primitives.transaction import Call
from storage.leveldb import LevelSnapshot, LevelStore
from storage.schema import STATE_PREFIX, make_height_key
from storage.statetree import StateTree, compute_empty_root
from vm import specialise
from vm.executor import encode_event
from vm.keys import INT_BIAS
from vm.machine import BlockContext, Machine
from vm.outcome import CallsOutcome
from vm.state import MemoryReader, Overlay

Sample = tuple[str, float, list[float]]
"""Name, gas, nanoseconds of each round, for one of whatever the name says."""

KEYS = 200_000
LOAD_BATCH = 20_000
TREE_LEVELS = 4
WRITES = 2_000
"""Keys changed in one block: most of what a block can hold."""
STRIDE = 7_919
"""A prime: one access after another is far from the last."""
GAS_MAX = 1 << 29
CALLS = 10
"""In one transaction; their results must fit a receipt."""
SENDER = Address(b"s" * 32)
CONTEXT = BlockContext(ZERO_HASH, 1, 1_700_000_000, 0, Address(ZERO_HASH))

STATE_SOURCE = f"""
from vm import Map, Var, event, export, emit

@event
class Moved:
    a: int
    text: str

rows = Map[int, int](default=0)
texts = Map[int, str]()
groups = Map[tuple[int, int], int]()

@export
def idle(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}

@export
def read(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        v = rows[k]

@export
def has(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        v = k in rows

@export
def read_absent(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        v = rows[k + 1000000]

@export
def update(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        rows[k] = turn + at

@export
def insert(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        rows[k + at * 1000000 + 1000000] = turn

@export
def delete(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        del rows[k]

@export
def write_text(count: int, at: int, text: str) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        texts[k] = text

@export
def read_text(count: int, at: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        v = texts.get(k, '')

@export
def fill(count: int, at: int) -> None:
    for turn in range(count):
        groups[at, turn] = turn

@export
def scan(count: int, at: int, limit: int) -> None:
    for turn in range(count):
        k = (at + turn * {STRIDE}) % {KEYS}
        v = groups.scan((k % 200,), None, limit)

@export
def announce(count: int, text: str) -> None:
    for turn in range(count):
        emit(Moved(turn, text))

@export
def quiet(count: int, text: str) -> None:
    for turn in range(count):
        pass

@export
def nothing() -> None:
    pass

@export
def take_ints(a: list[int]) -> None:
    pass

@export
def give_ints(a: list[int]) -> list[int]:
    return a

@export
def take_texts(a: list[str]) -> None:
    pass

@export
def take_pairs(a: dict[str, int]) -> None:
    pass

@export
def give_pairs(a: dict[str, int]) -> dict[str, int]:
    return a

@export
def take_bytes(a: bytes, b: str) -> None:
    pass
"""


class _SnapshotReader:
    """A StateReader over a snapshot, without the dictionary of hot values."""

    def __init__(self, snapshot: LevelSnapshot) -> None:
        self._snapshot = snapshot

    def get(self, key: bytes) -> bytes | None:
        return self._snapshot.get(STATE_PREFIX + key)

    def scan(self, prefix: bytes, after: bytes | None, limit: int) -> list[tuple[bytes, bytes]]:
        start = None if after is None else STATE_PREFIX + after
        rows = self._snapshot.scan(STATE_PREFIX + prefix, start, limit)
        return [(key[1:], value) for key, value in rows]


class StateBench:
    """The contract of this file on a store with KEYS rows."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self._store = stack.enter_context(LevelStore.open(folder))
        self._tree = StateTree(self._store, compute_empty_root(TREE_LEVELS), TREE_LEVELS)
        self._machine = Machine()
        self._height = 0
        overlay = Overlay(MemoryReader())
        outcome = self._machine.deploy(
            overlay, "main", STATE_SOURCE, SENDER, context=CONTEXT, sender=SENDER
        )
        assert outcome.status == "ok", outcome
        self._commit(overlay.writes)
        for first in range(0, KEYS, LOAD_BATCH):
            self._commit({make_row_key(k): pack(k) for k in range(first, first + LOAD_BATCH)})
        for group in range(0, 200, 20):
            for at in range(group, group + 20):
                self.run("fill", (200, at))

    def _commit(self, writes: dict[bytes, bytes | None] | dict[bytes, bytes]) -> None:
        change = self._tree.compute_change(dict(writes))
        puts = dict(change.puts)
        deletes = list(change.deletes)
        for key, value in writes.items():
            if value is None:
                deletes.append(STATE_PREFIX + key)
            else:
                puts[STATE_PREFIX + key] = value
        self._store.write(puts, deletes, sync=False)
        self._tree.apply(change)

    def run(self, method: str, arguments: tuple[Any, ...]) -> tuple[float, CallsOutcome]:
        """Run a call and commit what it wrote and announced; return CPU ns and outcome."""
        self._height += 1
        call = (Call("main", method, arguments),)
        started = time.process_time_ns()
        snapshot = self._store.snapshot()
        overlay = Overlay(_SnapshotReader(snapshot))
        outcome = self._machine.run_calls(overlay, CONTEXT, ZERO_HASH, SENDER, call, GAS_MAX)
        snapshot.close()
        if overlay.writes:
            self._commit(overlay.writes)
        if outcome.events:
            events = [encode_event(0, event) for event in outcome.events]
            compute_events_root(events)
            self._store.write({make_height_key(b"e", self._height): pack(events)}, sync=False)
        spent = time.process_time_ns() - started
        if outcome.status != "ok":
            raise SystemExit(f"{method}{arguments!r:.60}: {outcome.status} {outcome.code}")
        return spent, outcome

    def compare(
        self,
        name: str,
        rounds: int,
        work: Callable[[int], tuple[str, tuple[Any, ...]]],
        idle: Callable[[int], tuple[str, tuple[Any, ...]]],
        count: int,
    ) -> Sample:
        """Return what ``work`` costs beyond ``idle``, for one of ``count``; in turns."""
        samples, gas = [], 0
        for number in range(rounds):
            at = 1 + number * 101
            idle_ns, without = self.run(*idle(at))
            work_ns, outcome = self.run(*work(at))
            samples.append((work_ns - idle_ns) / count)
            gas = outcome.gas - without.gas
        return name, gas / count, samples


def make_row_key(number: int) -> bytes:
    """Return the state key of ``rows[number]``."""
    return b"main\0rows\0" + (number + INT_BIAS).to_bytes(32, "big")


def list_state_measurements(rounds: int, only: str, tell: Callable[[str], None]) -> list[Sample]:
    """Return every measurement of this file whose name contains ``only``."""
    samples: list[Sample] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cases = [case for case in _list_cases() if only in case[0]]
        if cases:
            tell("state")
            bench = StateBench(folder, stack)
            samples += [bench.compare(name, rounds, *rest) for name, *rest in cases]
    samples += measure_arguments(rounds, only)
    for name, source in list_sources():
        if only in name:
            tell(name)
            samples.append(measure_deploy(name, source, rounds))
    return samples


def _list_cases() -> Iterator[Any]:
    def idle(at: int) -> tuple[str, tuple[Any, ...]]:
        return "idle", (WRITES, at)

    def make(method: str, *more: Any) -> Callable[[int], tuple[str, tuple[Any, ...]]]:
        return lambda at: (method, (WRITES, at, *more))

    for method in ("read", "has", "read_absent", "update", "insert", "delete"):
        yield f"LevelDB: {method.replace('_', ' ')}", make(method), idle, WRITES
    for size in (100, 1_000, 10_000):
        count = WRITES if size < 10_000 else 400

        def fewer(at: int, count: int = count) -> tuple[str, tuple[Any, ...]]:
            return "idle", (count, at)

        def write(at: int, count: int = count, size: int = size) -> tuple[str, tuple[Any, ...]]:
            return "write_text", (count, at, "x" * size)

        def read(at: int, count: int = count) -> tuple[str, tuple[Any, ...]]:
            return "read_text", (min(count, 150), at)

        def fewest(at: int, count: int = count) -> tuple[str, tuple[Any, ...]]:
            return "idle", (min(count, 150), at)

        yield f"LevelDB: write {size} characters", write, fewer, count
        yield f"LevelDB: read {size} characters", read, fewest, min(count, 150)
    for limit in (1, 10, 100, 200):

        def scan(at: int, limit: int = limit) -> tuple[str, tuple[Any, ...]]:
            return "scan", (100, at, limit)

        yield f"LevelDB: scan {limit} rows", scan, lambda at: ("idle", (100, at)), 100
    for size in (1, 100, 10_000):
        count = 1_000 if size < 10_000 else 200

        def announce(at: int, count: int = count, size: int = size) -> tuple[str, tuple[Any, ...]]:
            return "announce", (count, "x" * size)

        def quiet(at: int, count: int = count, size: int = size) -> tuple[str, tuple[Any, ...]]:
            return "quiet", (count, "x" * size)

        yield f"event of {size} characters, encoded, rooted, stored", announce, quiet, count


def measure_arguments(rounds: int, only: str) -> Iterator[Sample]:
    """Yield what calls from outside cost by their arguments and results, in memory.

    The whole call counts: its price pays for entering too.
    """
    machine, overlay = Machine(), Overlay(MemoryReader())
    outcome = machine.deploy(overlay, "main", STATE_SOURCE, SENDER, context=CONTEXT, sender=SENDER)
    assert outcome.status == "ok", outcome
    for name, method, arguments in _list_arguments():
        if only not in name:
            continue
        calls = (Call("main", method, arguments),) * CALLS
        samples, gas = [], 0
        for _ in range(rounds):
            started = time.thread_time_ns()
            outcome = machine.run_calls(overlay, CONTEXT, ZERO_HASH, SENDER, calls, GAS_MAX)
            samples.append((time.thread_time_ns() - started) / CALLS)
            assert outcome.status == "ok", (name, outcome.code)
            gas = outcome.gas
        yield name, gas / CALLS, samples


def _list_arguments() -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    yield "call from outside: nothing", "nothing", ()
    for size in (10, 100, 1_000):
        ints, texts = list(range(size)), [f"t{number}" for number in range(size)]
        pairs: list[Any] = [[text, number] for number, text in enumerate(texts)]
        for method, argument in (
            ("take_ints", ints), ("give_ints", ints), ("take_texts", texts),
            ("take_pairs", pairs), ("give_pairs", pairs),
        ):  # fmt: skip
            yield f"call from outside: {method.replace('_', ' ')}, {size}", method, (argument,)
        long = (b"x" * (size * 10), "x" * (size * 10))
        yield f"call from outside: take {size * 10} bytes and characters", "take_bytes", long


def measure_deploy(name: str, source: str, rounds: int) -> Sample:
    """Return what checking, compiling, storing and linking a source costs on a new machine."""
    samples, gas = [], 0
    for _ in range(min(rounds, 5)):
        machine, overlay = Machine(), Overlay(MemoryReader())
        specialise.forget_texts()
        gc.collect()  # what other measurements left is not this one's
        started = time.thread_time_ns()
        outcome = machine.deploy(
            overlay, "main", source, SENDER, context=CONTEXT, sender=SENDER, gas_limit=GAS_MAX
        )
        samples.append(float(time.thread_time_ns() - started))
        assert outcome.code not in ("internal", "out-of-gas"), (name, machine.internal_fault)
        gas = outcome.gas
    return name, float(gas), samples
