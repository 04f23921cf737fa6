"""The Machine: deploys contracts, runs calls all or none, answers views.

One Machine per process or thread of execution: it owns a meter and caches of
compiled and linked code, and serialises its callers with a lock. It performs no I/O,
reads no clock, and its outcomes depend on its arguments alone. Source: docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primitives.codec import Value
from primitives.hashing import ZERO_HASH, Address, Hash
from primitives.transaction import Call
from vm.abi import Abi
from vm.outcome import CallsOutcome, Problem
from vm.state import Overlay, StateReader

DEFAULT_GAS_LIMIT = 2_000_000


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block in which calls run. ``time_s`` is the block's time, whole seconds UTC."""

    chain_id: Hash
    height: int
    time_s: int
    epoch: int
    proposer: Address


class Machine:
    """Runs contracts. See the methods; all of them are safe to call from any thread."""

    def __init__(self, vm_version: int = 1) -> None:
        raise NotImplementedError

    def check(self, source: str) -> list[Problem]:
        """Return every reason to refuse ``source``; [] means accepted."""
        raise NotImplementedError

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
        gas_limit: int = 40_000_000,
    ) -> CallsOutcome:
        """Store a new contract under ``name`` and run its @init, all or nothing."""
        raise NotImplementedError

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
        raise NotImplementedError

    def view(
        self,
        reader: StateReader,
        context: BlockContext,
        sender: Address,
        call: Call,
        gas_limit: int = DEFAULT_GAS_LIMIT,
    ) -> CallsOutcome:
        """Run one call on ``reader`` and drop whatever it wrote."""
        raise NotImplementedError

    def get_abi(self, reader: StateReader, contract: str) -> Abi | None:
        """Return the contract's ABI, None when there is no such contract."""
        raise NotImplementedError
