"""The Machine: deploys contracts, runs calls all or none, answers views.

One Machine per process or thread of execution: it owns a meter and caches of
compiled and linked code, and serialises its callers with a lock. It performs no I/O,
reads no clock, and its outcomes depend on its arguments alone. Source: docs/contracts.md.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from primitives.codec import Value
from primitives.errors import CarbonodeError, CodecError
from primitives.hashing import (
    ZERO_HASH,
    Address,
    Hash,
    compute_contract_address,
)
from primitives.transaction import Call
from vm import types
from vm.abi import Abi
from vm.codecs import dynamic_to_wire
from vm.compiler import Program, check_source, compile_source
from vm.gas import FRAMES_MAX, VM_VERSION, get_schedule
from vm.guards_builtins import BuiltinGuards
from vm.guards_integers import INTEGER_GUARDS, PREFIX
from vm.guards_methods import MethodGuards
from vm.guards_operators import OperatorGuards
from vm.guards_values import ValueGuards
from vm.inclusion import compute_code_hash, load_library
from vm.language import is_name_allowed
from vm.lexer import SOURCE_BYTES_MAX
from vm.lifecycle import SYSTEM, Lifecycle
from vm.linker import EntryPoint, Linked, get_converter, link_program
from vm.outcome import (
    STATUS_FAULT,
    STATUS_OK,
    STATUS_OUT_OF_GAS,
    STATUS_REJECTED,
    STATUS_REVERTED,
    CallsOutcome,
    Fault,
    OutOfGas,
    Problem,
    Rejected,
    Revert,
)
from vm.pricing import get_deploy_price
from vm.runtime import Runtime
from vm.sdk import SdkGuards, replace
from vm.specialise import LINK_OPTIONS, LinkOptions
from vm.state import (
    CONTRACT_ENTRY,
    ContractEntry,
    Overlay,
    StateReader,
    compute_address_key,
    compute_code_key,
    compute_entry_key,
)
from vm.stored import compute_program_key, dump_program, load_program

DEFAULT_GAS_LIMIT: Final = 2_000_000
DEPLOY_GAS_LIMIT: Final = 40_000_000
PROGRAMS_MAX: Final = 256
"""Compiled programs kept by code hash."""
LINKS_MAX: Final = 512
"""Linked contracts kept by name and entry."""
UNCOLLECTED_BYTES_MAX: Final = 128 * 1024 * 1024
"""Metered memory after which cyclic garbage is collected: a list may hold itself, and a few
such objects with 8 MiB of text behind them never make the collector run by itself."""
FULL_COLLECTION_EVERY: Final = 32
"""What a transaction left is young, and a young collection is short; a full one is for the
few that an automatic collection met while their transaction ran."""
_BROKEN_NODE: Final = (MemoryError, RecursionError, OSError)
"""These say that this node is broken: it must stop, not vote."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block in which calls run. ``time_s`` is the block's time, whole seconds UTC."""

    chain_id: Hash
    height: int
    time_s: int
    epoch: int
    proposer: Address


class Machine:
    """Runs contracts. Safe to call from any thread; calls wait for each other.

    ``internal_fault`` names the last Python error that leaked from a guard: our bug.
    ``options`` has the cache of compiled code; no outcome depends on them. ``vm_version``
    sets the prices; blocks are run by the machine ``at_version`` of the chain's parameters.
    """

    def __init__(self, vm_version: int = VM_VERSION, options: LinkOptions = LINK_OPTIONS) -> None:
        if sys.flags.bytes_warning:
            # There a dict with both 'k' and b'k' warns or fails, and this node alone votes so.
            raise CarbonodeError("contracts cannot run under python -b", code="interpreter")
        load_library()
        self._vm_version = vm_version
        self._options = options
        self._family = {vm_version: self}
        self._schedule = get_schedule(vm_version)
        self._runtime = Runtime(self._schedule)
        self._programs: dict[bytes, Program] = {}
        self._links: dict[tuple[str, bytes], Linked] = {}
        self._last_links: dict[str, tuple[bytes, bytes, Linked]] = {}
        self._running: Linked | None = None
        self._guards = self._build_guards()
        self._lifecycle = Lifecycle(
            self._runtime, vm_version, self._schedule, self._compile, self._find_contract,
            lambda linked, entry: self._run_nested(linked, entry, ()),
        )  # fmt: skip
        self._lock = Lock()
        self._uncollected = self._collections = self._position = 0
        self.internal_fault: str | None = None

    def _build_guards(self) -> dict[str, Callable[..., Any]]:
        meter = self._runtime.meter
        operators, values = OperatorGuards(meter), ValueGuards(meter)
        builtins = BuiltinGuards(meter, operators, values)
        guards = operators.get_table() | values.get_table() | MethodGuards(meter).get_table()
        guards |= {PREFIX + name: guard for name, guard in INTEGER_GUARDS.items()}
        guards |= builtins.get_table() | SdkGuards(self._runtime).get_table()
        return guards | {"sdk.call": self._call_contract, "sdk.replace": replace}

    @property
    def guard_names(self) -> frozenset[str]:
        """Names of the guards that every contract may reach, without their ``$``."""
        return frozenset(self._guards)

    def at_version(self, vm_version: int) -> Machine:
        """Return the machine that runs at the prices of ``vm_version``: this, or one beside it.

        Prices are compiled into code, so each version has its own programs; a machine is made
        at the first use. Raises CarbonodeError 'vm-version' for one that this program lacks.
        """
        if vm_version not in self._family:
            machine = Machine(vm_version, self._options)
            machine._family = self._family
            self._family.setdefault(vm_version, machine)
        return self._family[vm_version]

    def check(self, source: str) -> list[Problem]:
        """Return every reason to refuse ``source``; [] means accepted."""
        return check_source(source)

    def deploy(
        self,
        overlay: Overlay,
        name: str,
        source: str,
        admin: Address,
        *,
        context: BlockContext,
        sender: Address,
        init_arguments: Sequence[Value] = (),
        transaction_id: bytes = ZERO_HASH,
        gas_limit: int = DEPLOY_GAS_LIMIT,
    ) -> CallsOutcome:
        """Store a new contract under ``name`` and run its @init, all or nothing.

        'rejected' with the first problem's code when the check fails, ``contract-name``
        for a name no contract may have, ``contract-exists`` for one that is taken.
        """

        def work() -> list[Value]:
            meter = self._runtime.meter
            # The checks read all of it, so the size is paid before they start.
            meter.charge(get_deploy_price(source, self._schedule))
            self._store_contract(overlay, name, source, admin)
            linked = self._find_contract(name)
            if linked is None or (linked.init is None and init_arguments):
                raise Fault("arguments")
            if linked.init is None:
                return []
            self._runtime.begin_call()
            return [self._enter(linked, linked.init, sender, init_arguments)]

        with self._lock:
            return self._perform(overlay, context, transaction_id, gas_limit, work)

    def publish(
        self,
        overlay: Overlay,
        source: str,
        *,
        context: BlockContext,
        transaction_id: bytes = ZERO_HASH,
        gas_limit: int = DEPLOY_GAS_LIMIT,
    ) -> CallsOutcome:
        """Store checked code by its hash, which is the result; no contract has it yet."""

        def work() -> list[Value]:
            self._runtime.meter.charge(get_deploy_price(source, self._schedule))
            return [self._store_code(overlay, source)]

        with self._lock:
            return self._perform(overlay, context, transaction_id, gas_limit, work)

    def run_calls(
        self,
        overlay: Overlay,
        context: BlockContext,
        transaction_id: bytes,
        sender: Address,
        calls: Sequence[Call],
        gas_limit: int,
    ) -> CallsOutcome:
        """Run ``calls`` in order: on success every write is in ``overlay``, else none is."""

        def work() -> list[Value]:
            values: list[Value] = []
            for call in calls:
                if values:  # the first begins with the transaction
                    self._position = len(values)
                    runtime.begin_call()
                runtime.meter.charge(self._schedule.contract_call)
                linked = self._find_contract(call.contract)
                entry = None if linked is None else linked.entries.get(call.method)
                if linked is None or entry is None:
                    raise Fault("no-method")
                if linked.frozen_until > runtime.time and entry.role != "view":
                    raise Fault("frozen")
                values.append(self._enter(linked, entry, sender, call.arguments))
            return values

        runtime = self._runtime

        with self._lock:
            return self._perform(overlay, context, transaction_id, gas_limit, work)

    def view(
        self,
        reader: StateReader,
        context: BlockContext,
        sender: Address,
        call: Call,
        gas_limit: int = DEFAULT_GAS_LIMIT,
    ) -> CallsOutcome:
        """Run one call on ``reader`` and drop whatever it wrote."""
        return self.run_calls(Overlay(reader), context, ZERO_HASH, sender, (call,), gas_limit)

    def get_abi(self, reader: StateReader, contract: str) -> Abi | None:
        """Return the contract's ABI, None when there is no such contract."""
        with self._lock:
            program = self._find_program(reader, contract)
        return None if program is None else Abi(program.contract)

    # Running

    def _perform(
        self,
        overlay: Overlay,
        context: BlockContext,
        transaction_id: bytes,
        gas_limit: int,
        work: Callable[[], list[Value]],
    ) -> CallsOutcome:
        """Run ``work`` as one transaction and turn whatever happens into an outcome."""
        runtime = self._runtime
        runtime.reset(overlay, context.height, context.time_s, transaction_id, gas_limit)
        self._position = 0
        mark = overlay.mark()
        done = False
        try:
            values = work()
            done = True
        except Revert as error:
            status, code = STATUS_REVERTED, error.code
        except Fault as error:
            status, code = STATUS_FAULT, error.code
        except Rejected as error:
            status, code = STATUS_REJECTED, error.code
        except OutOfGas as error:
            status, code = STATUS_OUT_OF_GAS, error.code
            runtime.meter.gas = 0
        except _BROKEN_NODE:
            raise
        except NameError:  # a local read before any branch has set it
            status, code = STATUS_FAULT, "value"
        except Exception as error:
            # Deterministic, so every node says the same; but it is a bug of ours.
            self.internal_fault = f"{type(error).__name__}: {error}"
            status, code = STATUS_FAULT, "internal"
            runtime.meter.gas = 0
        finally:
            if done:
                overlay.commit(mark)
            else:
                overlay.rollback(mark)
            self._collect(runtime.count_allocated())
        left, events = runtime.meter.gas, runtime.events
        gas = gas_limit - left if left > 0 else gas_limit
        if done:
            return CallsOutcome(STATUS_OK, "", gas, None, tuple(values), tuple(events))
        failed = None if status == STATUS_REJECTED else self._position
        return CallsOutcome(status, code, gas, failed, (), ())

    def _collect(self, allocated: int) -> None:
        self._uncollected += allocated
        if self._uncollected > UNCOLLECTED_BYTES_MAX:
            self._uncollected = 0
            self._collections += 1
            gc.collect(1 if self._collections % FULL_COLLECTION_EVERY else 2)

    def _enter(
        self, linked: Linked, entry: EntryPoint, sender: Address, arguments: Sequence[Any]
    ) -> Value:
        """Run an entry point at the bottom of the stack of contracts."""
        runtime = self._runtime
        runtime.sender = types.Address(sender)
        runtime.contract, runtime.contract_name = linked.address, linked.name
        runtime.read_only = 1 if entry.role == "view" else 0
        runtime.stack = [linked.name]
        self._running = linked
        wire: Value = entry.run(arguments)
        runtime.keep_result(wire)
        return wire

    def _call_contract(self, target: Any, method: str, *arguments: Any) -> Any:
        """``call(contract, 'method', ...)``: arguments and result cross as wire values.

        A failure ends the whole transaction, so nothing has to be put back on the way.
        """
        runtime, meter = self._runtime, self._runtime.meter
        meter.charge(self._schedule.contract_call)
        target = self._get_target_name(target)
        caller = self._running
        if target in runtime.stack or caller is None:
            raise Fault("reentrancy")
        if len(runtime.stack) >= FRAMES_MAX:
            raise Fault("depth")
        if target == SYSTEM:
            return self._lifecycle.call(caller.name, method, arguments)
        linked = self._find_contract(target)
        entry = None if linked is None else linked.entries.get(method)
        if linked is None or entry is None:
            raise Fault("no-method")
        if linked.frozen_until > runtime.time and entry.role != "view":
            raise Fault("frozen")
        wire = [dynamic_to_wire(argument, meter) for argument in arguments]
        result = self._run_nested(linked, entry, wire)
        return get_converter(caller, entry, runtime, self._options)(result)

    def _run_nested(self, linked: Linked, entry: EntryPoint, wire: Sequence[Any]) -> Any:
        """Run an entry point on top of the contract that runs now; return its wire result."""
        runtime, caller = self._runtime, self._running
        outer = (runtime.sender, runtime.contract, runtime.contract_name)
        runtime.sender = types.Address(runtime.contract)
        runtime.contract, runtime.contract_name = linked.address, linked.name
        runtime.read_only += entry.role == "view"
        self._running = linked
        runtime.stack.append(linked.name)
        result = entry.run(wire)
        runtime.stack.pop()
        self._running = caller
        runtime.read_only -= entry.role == "view"
        runtime.sender, runtime.contract, runtime.contract_name = outer
        return result

    def _get_target_name(self, target: Any) -> str:
        """Return the name behind a called contract's name or address."""
        if type(target) is types.Address:
            self._runtime.meter.charge(self._schedule.state_read)
            name = self._runtime.overlay.get(compute_address_key(target))
            if name is None:
                raise Fault("no-method")
            return name.decode()
        if type(target) is not str:
            raise Fault("type")
        if not is_name_allowed(target):  # also keeps a long text from being a key
            raise Fault("no-method")
        return target

    # Contracts

    def _store_contract(self, overlay: Overlay, name: str, source: str, admin: Address) -> None:
        if not is_name_allowed(name) or name == SYSTEM:
            raise Rejected([Problem(1, 1, "contract-name", "not a contract's name")])
        if overlay.get(compute_entry_key(name)) is not None:
            raise Rejected([Problem(1, 1, "contract-exists", "a contract has this name")])
        entry = ContractEntry(self._store_code(overlay, source), admin, 1, self._vm_version)
        overlay.put(compute_entry_key(name), CONTRACT_ENTRY.encode(entry))
        overlay.put(compute_address_key(compute_contract_address(name)), name.encode())

    def _store_code(self, overlay: Overlay, source: str) -> Hash:
        if len(source) > SOURCE_BYTES_MAX or not source.isascii():
            raise Rejected(check_source(source))
        code_hash = compute_code_hash(source)
        self._compile(code_hash, source)
        overlay.put(compute_code_key(code_hash), source.encode())
        return code_hash

    def _find_contract(self, name: str) -> Linked | None:
        """Return the linked contract; decodes nothing when its entry has not changed."""
        overlay = self._runtime.overlay
        last = self._last_links.get(name)
        if last is not None and overlay.get(last[0]) == last[1]:
            return last[2]
        key = compute_entry_key(name)
        data = overlay.get(key)
        if data is None:
            return None
        linked = self._links.get((name, data))
        if linked is None:
            program = self._find_program(self._runtime.overlay, name)
            if program is None:
                return None
            linked = link_program(program, name, self._runtime, self._guards, self._options)
            linked.frozen_until = CONTRACT_ENTRY.decode(data).frozen_until
            _make_room(self._links, LINKS_MAX)
            self._links[name, data] = linked
        _make_room(self._last_links, LINKS_MAX)
        self._last_links[name] = (key, data, linked)
        return linked

    def _find_program(self, reader: StateReader, name: str) -> Program | None:
        data = reader.get(compute_entry_key(name))
        if data is None:
            return None
        code_hash = CONTRACT_ENTRY.decode(data).code_hash
        program = self._programs.get(code_hash)
        if program is not None:
            return program
        source = reader.get(compute_code_key(code_hash))
        if source is None:
            raise CodecError("a contract's code is missing from the state", contract=name)
        return self._compile(code_hash, source.decode())

    def _compile(self, code_hash: bytes, source: str) -> Program:
        program = self._programs.get(code_hash)
        if program is None:
            key = compute_program_key(code_hash, self._vm_version)
            program = load_program(self._options.cache.load(key))
            if program is None:
                program = compile_source(source, self._schedule)
                self._options.cache.store(key, dump_program(program))
            _make_room(self._programs, PROGRAMS_MAX)
            self._programs[code_hash] = program
        return program


def _make_room(cache: dict[Any, Any], limit: int) -> None:
    """Drop the oldest entry of a full cache."""
    if len(cache) >= limit:
        del cache[next(iter(cache))]
