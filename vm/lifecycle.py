"""What contracts may ask of the engine: which code runs, and governance for more than that.

``call("system", ...)`` ends here. Everybody may ask with ``get_code`` which code a contract
has; upgrades, new contracts and freezes are for governance alone, and whether the members
agreed and the time has come is its matter. Code is stored by hash and never changed: an
upgrade makes a contract's entry name other code, with the next version, and runs the
code's ``migrate`` once. Refusals revert with the codes below.
Source: docs/decisions/0040-contract-life-cycle.md, vm/contracts/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from primitives.hashing import Address, Hash, compute_contract_address
from vm.compatibility import find_storage_changes
from vm.compiler import Program
from vm.declarations import Contract, Function
from vm.gas import Schedule
from vm.language import is_name_allowed
from vm.linker import MIGRATE, EntryPoint, Linked
from vm.outcome import Fault, Revert
from vm.pricing import get_deploy_price
from vm.runtime import Runtime
from vm.state import (
    CONTRACT_ENTRY,
    ContractEntry,
    compute_address_key,
    compute_code_key,
    compute_entry_key,
)

SYSTEM: Final = "system"
"""The native contract's name, which no contract can have."""
GOVERNANCE: Final = "governance"
GET_CODE: Final = "get_code"
"""The one method that every contract may call."""
FROZEN_UNTIL_MAX: Final = (1 << 53) - 1
"""A freeze without end: until a vote ends it."""
REFUSALS: Final = frozenset(
    {
        "bad-contract", "bad-version", "no-code", "same-code", "storage-changed", "bad-migrate",
        "bad-init", "no-contract", "never-frozen", "bad-time",
    }
)  # fmt: skip


class Lifecycle:
    """The methods of ``system``. ``compile_code``, ``find``, ``run``: the Machine's."""

    def __init__(
        self,
        runtime: Runtime,
        vm_version: int,
        schedule: Schedule,
        compile_code: Callable[[bytes, str], Program],
        find: Callable[[str], Linked | None],
        run: Callable[[Linked, EntryPoint], None],
    ) -> None:
        self._runtime = runtime
        self._vm_version = vm_version
        self._schedule = schedule
        self._compile = compile_code
        self._find = find
        self._run = run
        self._methods: dict[str, tuple[tuple[type, ...], Callable[..., None]]] = {
            "check_upgrade": ((str, int, bytes), self._check_upgrade),
            "activate": ((str, int, bytes), self._activate),
            "freeze": ((str, int), self._freeze),
        }

    def call(self, caller: str, method: str, arguments: Sequence[Any]) -> bytes | None:
        """Run one method for the contract ``caller``."""
        if method == GET_CODE:
            return self._get_code(arguments)
        if caller != GOVERNANCE:
            raise Fault("no-method")
        kinds, run = self._methods.get(method, ((), None))
        if run is None:
            raise Fault("no-method")
        if tuple(map(type, arguments)) != kinds:
            raise Fault("arguments")
        self._runtime.require_writable()
        run(*arguments)
        return None

    def _get_code(self, arguments: Sequence[Any]) -> bytes:
        """Return the hash of the code that a contract has now, empty when there is none.

        Reads only: allowed below a @view, and it says nothing about a freeze.
        """
        if tuple(map(type, arguments)) != (str,):
            raise Fault("arguments")
        (name,) = arguments
        entry = self._get_entry(name) if is_name_allowed(name) else None
        return b"" if entry is None else bytes(entry.code_hash)

    def _check_upgrade(self, name: str, version: int, code_hash: bytes) -> None:
        """Refuse code that could not become ``version`` of the contract ``name``."""
        if not is_name_allowed(name) or name == SYSTEM:
            raise Revert("bad-contract")
        entry = self._get_entry(name)
        if version != (0 if entry is None else entry.version) + 1:
            raise Revert("bad-version")
        wanted = self._load_code(code_hash)
        if entry is None:
            init = next((item for item in wanted.functions.values() if item.role == "init"), None)
            if init is not None and init.parameters:
                raise Revert("bad-init")
            return
        if entry.code_hash == code_hash:
            raise Revert("same-code")
        running = self._find(name)
        if running is not None and find_storage_changes(running.contract, wanted):
            raise Revert("storage-changed")
        if _takes_arguments(wanted.functions.get(MIGRATE)):
            raise Revert("bad-migrate")

    def _activate(self, name: str, version: int, code_hash: bytes) -> None:
        """Make ``code_hash`` the contract's code and run its @init (new) or migrate, or nothing."""
        self._check_upgrade(name, version, code_hash)
        entry, found = self._get_entry(name), Hash(code_hash)
        if entry is None:
            self._put(compute_address_key(compute_contract_address(name)), name.encode())
            admin = Address(bytes(self._runtime.contract))
            entry = ContractEntry(found, admin, version, self._vm_version)
        else:
            entry = replace(entry, code_hash=found, version=version, vm_version=self._vm_version)
        self._put(compute_entry_key(name), CONTRACT_ENTRY.encode(entry))
        linked = self._find(name)
        if linked is not None:
            first = linked.init if version == 1 else linked.migrate
            if first is not None:
                self._run(linked, first)

    def _freeze(self, name: str, until: int) -> None:
        """Let no one but views into the contract while the block's time is below ``until``."""
        if name == GOVERNANCE:
            raise Revert("never-frozen")
        if not 0 <= until <= FROZEN_UNTIL_MAX:
            raise Revert("bad-time")
        entry = self._get_entry(name) if is_name_allowed(name) else None
        if entry is None:
            raise Revert("no-contract")
        self._put(
            compute_entry_key(name), CONTRACT_ENTRY.encode(replace(entry, frozen_until=until))
        )

    def _load_code(self, code_hash: bytes) -> Contract:
        """Return what published code declares, at the price of checking and compiling it anew.

        Most nodes have it compiled; one that has just started has not, and no gas may depend
        on that.
        """
        meter, schedule = self._runtime.meter, self._schedule
        meter.charge(schedule.state_read)
        data = self._runtime.overlay.get(compute_code_key(code_hash))
        if data is None:
            raise Revert("no-code")
        source = data.decode("ascii")
        meter.charge(get_deploy_price(source, schedule))
        return self._compile(code_hash, source).contract

    def _get_entry(self, name: str) -> ContractEntry | None:
        self._runtime.meter.charge(self._schedule.state_read)
        data = self._runtime.overlay.get(compute_entry_key(name))
        return None if data is None else CONTRACT_ENTRY.decode(data)

    def _put(self, key: bytes, value: bytes) -> None:
        schedule = self._schedule
        self._runtime.meter.charge(
            schedule.state_write + schedule.state_write_byte * (len(key) + len(value))
        )
        self._runtime.overlay.put(key, value)


def _takes_arguments(function: Function | None) -> bool:
    return function is not None and function.role == "export" and bool(function.parameters)
