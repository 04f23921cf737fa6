"""Compiled code on disk: used after a restart, and never when anything about it is not ours."""

from pathlib import Path

import pytest

from node import codecache
from node.codecache import FILES_MAX, FileCodeCache
from primitives.hashing import ZERO_HASH
from primitives.transaction import Call
from vm import machine as machine_module
from vm import specialise
from vm.abi import Abi
from vm.compiler import compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.machine import BlockContext, Machine
from vm.specialise import LinkOptions
from vm.state import MemoryReader, Overlay
from vm.stored import dump_program, load_program

SEED = b"\x07" * 32
CONTEXT = BlockContext(ZERO_HASH, 1, 0, 0, ZERO_HASH)
SOURCE = '''"""Doc."""
from vm import Map, Var, record, event, export, emit, view, init, Address

NAMES = ["a", "b"]
TABLE = {"x": 1}

@record
class Lot:
    owner: Address
    tags: list[str]

@event
class Moved:
    lot: Lot
    by: dict[str, tuple[int, bool]]

lots = Map[tuple[str, int], Lot]()
total = Var[int](default=3)

@init
def create(start: int) -> None:
    total.set(start)

@export
def add(key: str, owner: Address) -> Lot:
    """Add one."""
    lot = Lot(owner, NAMES)
    lots[key, TABLE["x"]] = lot
    total.set(total.get() + 1)
    emit(Moved(lot, {key: (1, True)}))
    return lots[key, 1]

@view
def count():
    return [total.get(), None]
'''
CALLS = [Call("main", "add", ("k", b"a" * 32)), Call("main", "count", ())]


def make_machine(folder: Path, seed: bytes = SEED) -> Machine:
    specialise.forget_texts()  # as a new process
    return Machine(options=LinkOptions(cache=FileCodeCache.open(folder, seed)))


def run(machine: Machine, state: dict[bytes, bytes]) -> object:
    overlay = Overlay(MemoryReader(state))
    outcome = machine.run_calls(overlay, CONTEXT, ZERO_HASH, ZERO_HASH, CALLS, 10**6)
    assert outcome.status == "ok", outcome
    return outcome, overlay.writes


@pytest.fixture
def state() -> dict[bytes, bytes]:
    overlay = Overlay(MemoryReader())
    outcome = Machine().deploy(
        overlay, "main", SOURCE, ZERO_HASH, context=CONTEXT, sender=ZERO_HASH, init_arguments=(5,)
    )
    assert outcome.status == "ok", outcome
    return {key: value for key, value in overlay.writes.items() if value is not None}


@pytest.fixture
def wanted(state):
    return run(Machine(), state)


@pytest.fixture
def compilations(monkeypatch):
    """Count what the checks and CPython's compiler are given."""
    seen = []
    original = machine_module.compile_source

    def counted(source, schedule):
        seen.append(source)
        return original(source, schedule)

    monkeypatch.setattr(machine_module, "compile_source", counted)
    return seen


def test_after_a_restart_nothing_is_compiled_and_everything_is_the_same(
    tmp_path, state, wanted, compilations, monkeypatch
):
    assert run(make_machine(tmp_path), state) == wanted
    assert len(compilations) == 1
    monkeypatch.setattr(specialise, "compile", None, raising=False)  # would fail if called
    assert run(make_machine(tmp_path), state) == wanted
    assert len(compilations) == 1


def test_the_abi_of_a_stored_program_is_that_of_the_source():
    program = compile_source(SOURCE, get_schedule(VM_VERSION))
    stored = load_program(dump_program(program))
    assert Abi(stored.contract).to_json() == Abi(program.contract).to_json()
    assert Abi(stored.contract).to_json_schema() == Abi(program.contract).to_json_schema()
    assert stored.code == program.code and stored.blocks == program.blocks
    assert stored.contract.constants == program.contract.constants


def test_every_flipped_bit_and_every_cut_is_ignored_and_rebuilt(
    tmp_path, state, wanted, compilations
):
    run(make_machine(tmp_path), state)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2  # the program and its codecs
    for file in files:
        whole = file.read_bytes()
        places = [0, len(whole) // 3, len(whole) // 2, len(whole) - 1, *range(10, 60, 7)]
        damaged = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in places]
        for data in [*damaged, b"", whole[:-1], whole + b"\0", whole[:48], b"\0" * len(whole)]:
            file.write_bytes(data)
            cache = FileCodeCache.open(tmp_path, SEED)
            assert sum(cache.load(key) is not None for key in collect_keys(state)) == 1
        file.write_bytes(damaged[1])
        assert run(make_machine(tmp_path), state) == wanted
        cache = FileCodeCache.open(tmp_path, SEED)
        assert None not in [cache.load(key) for key in collect_keys(state)]  # written again
    assert len(compilations) >= 2


def collect_keys(state):
    """Return the keys that a run asks for."""

    class Recorder:
        def __init__(self):
            self.keys = []

        def load(self, key):
            self.keys.append(key)

        def store(self, key, data):
            pass

    recorder = Recorder()
    specialise.forget_texts()
    run(Machine(options=LinkOptions(cache=recorder)), state)
    return recorder.keys


def test_a_file_under_anothers_name_is_ignored(tmp_path, state, wanted):
    run(make_machine(tmp_path), state)
    one, other = sorted(tmp_path.iterdir())
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    cache = FileCodeCache.open(tmp_path, SEED)
    assert [cache.load(key) for key in collect_keys(state)] == [None, None]
    assert run(make_machine(tmp_path), state) == wanted


@pytest.mark.parametrize("what", ["another node", "another compiler", "another Python"])
def test_what_another_made_is_ignored(tmp_path, state, wanted, compilations, monkeypatch, what):
    run(make_machine(tmp_path), state)
    seed = SEED
    if what == "another node":
        seed = b"\x08" * 32
    elif what == "another compiler":
        monkeypatch.setattr(codecache, "compute_environment", lambda: b"another")
    else:
        monkeypatch.setattr(codecache.importlib.util, "MAGIC_NUMBER", b"other")
    assert run(make_machine(tmp_path, seed), state) == wanted
    assert len(compilations) == 2


def test_a_changed_source_of_the_compiler_is_another_environment(tmp_path, monkeypatch):
    before = codecache.compute_environment()
    assert codecache.compute_environment() == before
    package = tmp_path / "vm"
    package.mkdir()
    for path in Path(codecache.vm.__path__[0]).glob("*.py"):
        (package / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(codecache.vm, "__path__", [str(package)])
    assert codecache.compute_environment() == before
    (package / "gas.py").write_bytes((package / "gas.py").read_bytes() + b"\n")
    assert codecache.compute_environment() != before


def test_the_folder_has_a_bound_and_the_oldest_goes_first(tmp_path):
    cache = FileCodeCache.open(tmp_path, SEED)
    for number in range(FILES_MAX + 3):
        cache.store(b"%d" % number, b"data")
    assert len(list(tmp_path.iterdir())) == FILES_MAX
    assert [cache.load(b"%d" % number) for number in (0, 2, 3)] == [None, None, b"data"]
    again = FileCodeCache.open(tmp_path, SEED)
    again.store(b"one more", b"data")
    assert len(list(tmp_path.iterdir())) == FILES_MAX


def test_what_is_too_long_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(codecache, "ENTRY_BYTES_MAX", 200)
    cache = FileCodeCache.open(tmp_path, SEED)
    cache.store(b"long", b"x" * 200)
    cache.store(b"short", b"x" * 20)
    assert (cache.load(b"long"), cache.load(b"short")) == (None, b"x" * 20)


def test_a_cut_off_writing_is_removed_at_the_next_start(tmp_path):
    (tmp_path / "half.new").write_bytes(b"half")
    FileCodeCache.open(tmp_path, SEED)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_write_or_read_is_an_empty_one(tmp_path, state, wanted):
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"")
    assert run(make_machine(blocked / "folder"), state) == wanted
    folder = tmp_path / "cache"
    machine = make_machine(folder)
    assert run(machine, state) == wanted
    cache = FileCodeCache.open(folder, SEED)
    for file in folder.iterdir():
        file.unlink()
    assert [cache.load(key) for key in collect_keys(state)] == [None, None]


def test_a_file_is_private_to_the_nodes_user(tmp_path):
    FileCodeCache.open(tmp_path / "code", SEED).store(b"key", b"data")
    (file,) = (tmp_path / "code").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "code").stat().st_mode & 0o077 == 0


def test_a_rejected_source_is_never_stored(tmp_path):
    machine = make_machine(tmp_path)
    outcome = machine.deploy(
        Overlay(MemoryReader()), "main", "import os\n", ZERO_HASH,
        context=CONTEXT, sender=ZERO_HASH,
    )  # fmt: skip
    assert outcome.status == "rejected"
    assert list(tmp_path.iterdir()) == []
