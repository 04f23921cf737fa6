"""Executes blocks: membership, gas allowance, calls; receipts, events and writes come out.

After the transactions the engine's own rows follow: gas used, evidence handed to
governance, leaders that let views pass, and at the end of an epoch what is in force next.

The same inputs give the same bytes on every validator. Whatever a verified transaction
holds, its outcome is a receipt: only MemoryError, RecursionError and OSError escape,
because then this node is broken and must not vote. Never checks a signature, an expiry
or a repeated id (the block's validity, node), never computes a root (storage, node).
Source: docs/ARCHITECTURE.md, "vm (pure)"; docs/contracts.md for outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from primitives.block import (
    STATUS_FAULT,
    STATUS_OK,
    STATUS_REJECTED,
    Header,
)
from primitives.certificate import Certificate
from primitives.codec import Value, make_packer, pack, pack_trusted
from primitives.errors import GenesisError
from primitives.evidence import EVIDENCE, TWO_VIEW_CHANGES, TWO_VOTES, Evidence
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import Address, Tag, TransactionId, compute_hash
from primitives.leaders import LEADERS, NO_MISSES, Leaders
from primitives.params import CHAIN_PARAMS, ChainParams, is_epoch_end
from primitives.transaction import Call, Transaction
from primitives.validators import VALIDATOR_SET, ValidatorSet
from vm import depth, engine_view
from vm.engine_view import AUTHORITY
from vm.lifecycle import SYSTEM
from vm.machine import BlockContext, Machine
from vm.outcome import CallsOutcome, VmEvent
from vm.state import MemoryReader, Overlay, StateReader

_SYSTEM_ARGUMENTS: Final = {"deploy": 2, "publish": 1}
"""The native contract's methods, and how many texts each takes."""
_EVIDENCE_KINDS: Final = {TWO_VOTES: "two-votes", TWO_VIEW_CHANGES: "two-view-changes"}

CODE_NOT_A_MEMBER: Final = "not-a-member"
CODE_ALLOWANCE: Final = "allowance"
CODE_GAS_LIMIT: Final = "gas-limit"
CODE_SYSTEM_ALONE: Final = "system-alone"
CODE_NOT_A_DEPLOYER: Final = "not-a-deployer"

GENESIS_GAS_MAX: Final = 1 << 62
"""Genesis was agreed on by its members: nothing in it is metered against anyone."""

EVIDENCE_GAS_MAX: Final = 2_000_000
"""For one piece of evidence handed to governance; charged to nobody."""


@dataclass(frozen=True, slots=True)
class BlockInputs:
    """A block as the executor takes it; everything in it was verified before.

    ``parent_view`` is the view of the parent's certificate inside the block.
    """

    context: BlockContext
    transactions: Sequence[Transaction]
    parent_view: int = 0
    evidence: Sequence[Evidence] = ()

    @classmethod
    def of(
        cls,
        header: Header,
        transactions: Sequence[Transaction],
        evidence: Sequence[bytes],
        parent_certificate: Certificate | None,
    ) -> BlockInputs:
        """Return the inputs of a block. Raises CodecError for evidence that nobody checked."""
        context = BlockContext(
            chain_id=header.chain_id,
            height=header.height,
            time_s=header.time_ms // 1_000,
            epoch=header.epoch,
            proposer=header.proposer,
        )
        view = 0 if parent_certificate is None else parent_certificate.view
        return cls(context, transactions, view, tuple(map(EVIDENCE.decode, evidence)))


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """What executing a block produced.

    ``receipts`` and ``events`` are the encoded leaves under their roots, in order;
    ``writes`` maps state keys to values (None: deleted); ``next_*`` are in force from
    the next block on. ``growing`` is the depth that the state tree is announced to have
    after this epoch, None while it stays.
    """

    receipts: list[bytes]
    events: list[bytes]
    writes: dict[bytes, bytes | None]
    gas: int
    next_validators: ValidatorSet
    next_params: ChainParams
    next_leaders: Leaders
    growing: int | None = None


def execute_block(
    machine: Machine,
    reader: StateReader,
    inputs: BlockInputs,
    params: ChainParams,
    validators: ValidatorSet,
    state_keys: int = 0,
) -> BlockOutcome:
    """Return the outcome of a block on the state of its parent, at the prices of ``params``.

    ``state_keys`` is how many keys that state has: it decides when the state tree grows.
    """
    height = inputs.context.height
    run = _BlockRun(machine.at_version(params.vm_version), reader, inputs.context, params)
    for index, transaction in enumerate(inputs.transactions):
        run.execute(index, transaction)
    run.write_gas_used()
    for item in inputs.evidence:
        run.record_evidence(item)
    before = leaders = engine_view.get_leaders(reader)
    if height > 1 and not is_epoch_end(height - 1, params.epoch_blocks):
        leaders = leaders.advance(validators, height, inputs.parent_view)
    next_params, next_validators = params, validators
    if is_epoch_end(height, params.epoch_blocks):
        next_params = engine_view.get_next_params(run.overlay, params)
        next_params = depth.turn_depth(run.overlay, next_params, state_keys)
        next_validators = engine_view.get_next_validators(run.overlay, validators)
        leaders = leaders.turn_epoch(next_validators)
        if next_params != params:
            run.overlay.put(engine_view.PARAMS_KEY, CHAIN_PARAMS.encode(next_params))
        if next_validators != validators:
            run.overlay.put(engine_view.VALIDATORS_KEY, VALIDATOR_SET.encode(next_validators))
    if leaders != before:
        row = None if leaders == NO_MISSES else LEADERS.encode(leaders)
        run.overlay.put(engine_view.LEADERS_KEY, row)
    return BlockOutcome(
        run.receipts,
        run.events,
        run.overlay.writes,
        run.gas,
        next_validators,
        next_params,
        leaders,
        depth.get_announced(run.overlay),
    )


def encode_receipt(
    transaction_id: TransactionId,
    outcome: CallsOutcome,
    event_first: int,
    event_count: int,
    packer: Callable[[object], bytes] = pack_trusted,
) -> bytes:
    """Return the bytes that RECEIPT.encode gives, without its walk over the fields."""
    return packer(
        [
            transaction_id,
            outcome.status,
            outcome.code,
            outcome.gas,
            outcome.failed_call,
            list(outcome.values),
            event_first,
            event_count,
        ]
    )


def encode_event(
    transaction_index: int, event: VmEvent, packer: Callable[[object], bytes] = pack_trusted
) -> bytes:
    """Return the bytes of ``primitives.block.Event``."""
    return packer([transaction_index, event.contract, event.name, list(event.values)])


class _BlockRun:
    """One block being executed: the overlay, and the books of gas by organisation."""

    __slots__ = (
        "_budgets", "_context", "_machine", "_organisations", "_pack", "_params", "_reader",
        "events", "gas", "overlay", "receipts",
    )  # fmt: skip

    def __init__(
        self, machine: Machine, reader: StateReader, context: BlockContext, params: ChainParams
    ) -> None:
        self._machine = machine
        self._reader = reader
        self._context = context
        self._params = params
        self._organisations: dict[Address, str | None] = {}
        self._budgets: dict[str, _Budget] = {}
        self._pack = make_packer()
        self.overlay = Overlay(reader)
        self.receipts: list[bytes] = []
        self.events: list[bytes] = []
        self.gas = 0

    def execute(self, index: int, transaction: Transaction) -> None:
        """Run one transaction and append its receipt and events."""
        body = transaction.body
        organisation = self._get_organisation(body.sender)
        if organisation is None:
            outcome = _refuse(CODE_NOT_A_MEMBER)
        elif body.gas_limit > self._params.transaction_gas_max:
            outcome = _refuse(CODE_GAS_LIMIT)
        else:
            budget = self._budgets.get(organisation) or self._open_budget(organisation)
            if body.gas_limit > budget.allowance - budget.used:
                outcome = _refuse(CODE_ALLOWANCE)
            else:
                outcome = self._run(transaction)
                # The limit fitted, so charging what was really used can never overdraw.
                budget.used += outcome.gas
                self.gas += outcome.gas
        self._record(index, transaction.id, outcome)

    def write_gas_used(self) -> None:
        """Write what each organisation has used in this epoch, in place of the one before."""
        epoch = self._context.epoch
        for organisation, budget in self._budgets.items():
            if budget.used == budget.used_before:
                continue
            key = engine_view.compute_gas_key(organisation, epoch)
            if budget.used_before == 0:
                # One row for each organisation: old epochs would pile up in the state.
                for old, _ in self.overlay.scan(key[:-8], None, 2):
                    self.overlay.put(old, None)
            self.overlay.put(key, pack(budget.used))

    def record_evidence(self, item: Evidence) -> None:
        """Hand one piece of verified evidence to governance, in the engine's own name.

        It belongs to no transaction, so it has no receipt and its events are left out; the
        block's evidence says the same. A governance that refuses changes nothing.
        """
        kind = _EVIDENCE_KINDS.get(item.kind, "unknown")
        digest = compute_hash(Tag.EVIDENCE, EVIDENCE.encode(item))
        arguments: tuple[Value, ...] = (item.validator, item.epoch, item.height, kind, digest)
        call = Call(engine_view.GOVERNANCE, "record_evidence", arguments)
        mark = self.overlay.mark()
        outcome = self._machine.run_calls(
            self.overlay, self._context, digest, AUTHORITY, (call,), EVIDENCE_GAS_MAX
        )
        if outcome.status == STATUS_OK:
            self.overlay.commit(mark)
        else:
            self.overlay.rollback(mark)

    def _get_organisation(self, sender: Address) -> str | None:
        """Return the sender's organisation as of this transaction, not of the block's start."""
        if engine_view.compute_account_key(sender) in self.overlay.writes:
            return engine_view.get_account(self.overlay, sender)
        known = self._organisations
        if sender not in known:
            known[sender] = engine_view.get_account(self._reader, sender)
        return known[sender]

    def _open_budget(self, organisation: str) -> _Budget:
        """Read the books once a block: a changed allowance counts from the next block on."""
        allowance = engine_view.get_allowance(self._reader, organisation, self._params)
        used = engine_view.get_gas_used(self._reader, organisation, self._context.epoch)
        budget = self._budgets[organisation] = _Budget(allowance, used, used)
        return budget

    def _run(self, transaction: Transaction) -> CallsOutcome:
        """Run the calls; an exception that should not be is a fault, and leaves no trace."""
        body, overlay = transaction.body, self.overlay
        mark = overlay.mark()
        try:
            for call in body.calls:
                if call.contract == SYSTEM:
                    outcome = self._run_system(transaction)
                    break
            else:
                outcome = self._machine.run_calls(
                    overlay, self._context, transaction.id, body.sender, body.calls, body.gas_limit
                )
        except (MemoryError, RecursionError, OSError):
            raise
        except Exception:
            # Our bug, yet the same on every validator: charged in full so that it cannot be
            # used to get work for nothing, and visible as the code ``internal``.
            overlay.rollback(mark)
            return CallsOutcome(STATUS_FAULT, "internal", body.gas_limit, None, (), ())
        overlay.commit(mark)
        return outcome

    def _run_system(self, transaction: Transaction) -> CallsOutcome:
        """``deploy(name, source)``, ``publish(source)``: by deployers, alone in a transaction."""
        body = transaction.body
        if len(body.calls) != 1:
            return _refuse(CODE_SYSTEM_ALONE)
        call = body.calls[0]
        if call.method not in _SYSTEM_ARGUMENTS:
            return CallsOutcome(STATUS_FAULT, "no-method", 0, 0, (), ())
        texts = [item for item in call.arguments if isinstance(item, str)]
        if not len(texts) == len(call.arguments) == _SYSTEM_ARGUMENTS[call.method]:
            return CallsOutcome(STATUS_FAULT, "arguments", 0, 0, (), ())
        if not engine_view.is_deployer(self.overlay, body.sender):
            return _refuse(CODE_NOT_A_DEPLOYER)
        if call.method == "publish":
            return self._machine.publish(
                self.overlay,
                texts[0],
                context=self._context,
                transaction_id=transaction.id,
                gas_limit=body.gas_limit,
            )
        name, source = texts
        return self._machine.deploy(
            self.overlay,
            name,
            source,
            body.sender,
            context=self._context,
            sender=body.sender,
            transaction_id=transaction.id,
            gas_limit=body.gas_limit,
        )

    def _record(self, index: int, transaction_id: TransactionId, outcome: CallsOutcome) -> None:
        first, events, packer = len(self.events), outcome.events, self._pack
        for event in events:
            self.events.append(encode_event(index, event, packer))
        self.receipts.append(encode_receipt(transaction_id, outcome, first, len(events), packer))


@dataclass(slots=True)
class _Budget:
    """An organisation's gas in this epoch: what it may use, has used, had used before."""

    allowance: int
    used: int
    used_before: int


def _refuse(code: str) -> CallsOutcome:
    """Return the outcome of a transaction that never ran: nothing is charged."""
    return CallsOutcome(STATUS_REJECTED, code, 0, None, (), ())


def execute_genesis(machine: Machine, genesis: Genesis) -> BlockOutcome:
    """Return the state of height 0: contracts deployed, then the calls run in order.

    There are no transactions, so no receipts; an event's ``transaction_index`` is the
    index of the genesis call that emitted it. Raises GenesisError, naming the contract or
    the call, when anything fails: such a chain must not start.
    """
    context = BlockContext(compute_chain_id(genesis), 0, genesis.time_ms // 1000, 0, AUTHORITY)
    machine = machine.at_version(genesis.params.vm_version)
    overlay = Overlay(MemoryReader())
    gas = 0
    for contract in genesis.contracts:
        outcome = machine.deploy(
            overlay, contract.name, contract.source, AUTHORITY,
            context=context, sender=AUTHORITY, gas_limit=GENESIS_GAS_MAX,
        )  # fmt: skip
        _require_ok(outcome, contract=contract.name)
        gas += outcome.gas
    events: list[bytes] = []
    for index, item in enumerate(genesis.calls):
        outcome = machine.run_calls(
            overlay, context, context.chain_id, item.sender, (item.call,), GENESIS_GAS_MAX
        )
        _require_ok(outcome, call=index, contract=item.call.contract, method=item.call.method)
        gas += outcome.gas
        events.extend([encode_event(index, event) for event in outcome.events])
    overlay.put(engine_view.PARAMS_KEY, CHAIN_PARAMS.encode(genesis.params))
    overlay.put(engine_view.VALIDATORS_KEY, VALIDATOR_SET.encode(genesis.validators))
    return BlockOutcome(
        [], events, overlay.writes, gas, genesis.validators, genesis.params, NO_MISSES
    )


def _require_ok(outcome: CallsOutcome, **where: str | int) -> None:
    if outcome.status != STATUS_OK:
        seen = ", ".join(f"{name}={value}" for name, value in where.items())
        raise GenesisError(
            f"genesis does not execute: {seen}", status=outcome.status, outcome_code=outcome.code
        )
