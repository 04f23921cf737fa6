"""Audits a stored chain offline: executes every block again, from the genesis or a snapshot.

Nothing of the audited folder is believed except its blocks and certificates, and those
only after they were checked: header links, transaction roots and signatures, the
certificates against the validator set of their height, receipts, events and state
roots. At the tip the stored state is compared key by key as well. The chain must not be
in use: its database is locked while a node runs. Reads only; asks no node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from primitives.block import (
    Block,
    ExecutionResult,
    compute_events_root,
    compute_execution_hash,
    compute_receipts_root,
)
from primitives.certificate import Certificate
from primitives.errors import CodecError, ProofError
from primitives.genesis import Genesis, compute_chain_id, load_genesis
from primitives.hashing import ZERO_HASH
from primitives.params import compute_params_hash
from primitives.transaction import ReceivedTransaction, Transaction, is_signature_valid
from storage.chain import ChainStore
from storage.engine import KeyValueStore
from storage.errors import DatabaseCorruptedError, StorageError
from storage.leveldb import LevelStore
from storage.schema import STATE_PREFIX, make_tree_key
from storage.snapshotfolder import StoredSnapshot
from storage.snapshotformat import SnapshotError
from tools.audit import checks
from tools.audit.checks import Position
from tools.audit.replay import ReplayState, find_row_differences
from tools.audit.report import KEYS_SHOWN_MAX, AuditReport, Difference, Mismatch, require
from tools.audit.snapshot import find_position, load_state, open_snapshot
from vm.executor import BlockInputs, BlockOutcome, execute_block, execute_genesis
from vm.machine import Machine

WORKERS = 2
"""libsodium releases the GIL: signatures are checked while the block executes."""
CHUNK_SIGNATURES = 64

Progress = Callable[[int, int, int], None]
"""Called after each block with (height, last height, transactions so far)."""


@dataclass(slots=True)
class _Counts:
    blocks: int = 0
    transactions: int = 0
    signatures: int = 0
    certificates: int = 0


def verify_chain(
    chain_folder: Path,
    genesis_path: Path,
    from_height: int = 1,
    to_height: int | None = None,
    progress: Progress | None = None,
    machine: Machine | None = None,
    snapshot_folder: Path | None = None,
) -> AuditReport:
    """Audit the chain in ``chain_folder`` (a node's ``data/chain``) against its genesis.

    Every block up to ``to_height`` (None: the tip) is executed; signatures and
    certificates are checked from ``from_height`` on. With ``snapshot_folder`` execution
    begins after that snapshot, which is proven whole and certified first. The first
    difference ends the audit and is in the report. Raises GenesisError, StorageError
    'audit-range', 'no-snapshot' or 'no-chain', DatabaseLockedError (a node runs),
    WrongChainError. ``machine`` may bring compiled code with it; its outcomes depend on
    its arguments alone.
    """
    genesis = load_genesis(genesis_path.read_text("utf-8"))
    if not (chain_folder / "CURRENT").exists():
        # Opening would make an empty database, and an audit makes nothing.
        raise StorageError("there is no chain here", code="no-chain", folder=str(chain_folder))
    snapshot = None if snapshot_folder is None else open_snapshot(snapshot_folder)
    with LevelStore.open(chain_folder) as store, TemporaryDirectory(prefix="audit-") as scratch:
        chain = ChainStore.open(store, compute_chain_id(genesis))
        with (
            LevelStore.open(Path(scratch) / "state") as rows,
            ThreadPoolExecutor(WORKERS, thread_name_prefix="audit") as pool,
        ):
            machine = machine or Machine(genesis.params.vm_version)
            auditor = Auditor(genesis, chain, store, rows, pool, machine)
            return auditor.run(from_height, to_height, progress, snapshot)


class Auditor:
    """One audit; ``run`` it once."""

    def __init__(
        self,
        genesis: Genesis,
        chain: ChainStore,
        store: LevelStore,
        scratch: KeyValueStore,
        pool: ThreadPoolExecutor,
        machine: Machine,
    ) -> None:
        self._genesis = genesis
        self._chain = chain
        self._store = store
        self._scratch = scratch
        self._state = ReplayState(scratch, genesis.params.state_levels)
        self._pool = pool
        self._machine = machine
        self._counts = _Counts()
        self._height = 0

    def run(
        self,
        from_height: int,
        to_height: int | None,
        progress: Progress | None,
        snapshot: StoredSnapshot | None = None,
    ) -> AuditReport:
        """Return the report; see ``verify_chain``."""
        tip = self._chain.tip
        tip_height = 0 if tip is None else tip.height
        last = tip_height if to_height is None else to_height
        begin = 0 if snapshot is None else snapshot.height
        self._check_range(begin, from_height if begin == 0 else max(from_height, begin + 1), last)
        difference: Difference | None = None
        is_state_compared = False
        try:
            position = self._begin(snapshot)
            self._audit_heights(position, from_height, last, progress)
            if last == tip_height:
                self._compare_state()
                is_state_compared = True
        except Mismatch as found:
            difference = Difference(
                self._height, found.what, found.expected, found.found, found.keys
            )
        except (ProofError, CodecError, DatabaseCorruptedError, SnapshotError) as error:
            difference = Difference(self._height, error.code, "valid", str(error), ())
        counts = self._counts
        return AuditReport(
            chain_id=self._chain.chain_id,
            chain_name=self._genesis.chain_name,
            from_height=max(from_height, begin + 1),
            to_height=last,
            tip_height=tip_height,
            height=self._height,
            blocks=counts.blocks,
            transactions=counts.transactions,
            signatures=counts.signatures,
            certificates=counts.certificates,
            state_root=self._state.root,
            is_state_compared=is_state_compared,
            snapshot_height=begin,
            difference=difference,
        )

    def _check_range(self, begin: int, first: int, last: int) -> None:
        """Raise StorageError unless the blocks from ``begin`` + 1 to ``last`` can be audited."""
        tip = self._chain.tip
        is_here = tip is not None and last <= tip.height and 0 < first <= last + 1
        if not is_here or begin > last or self._chain.lowest > begin + 1:
            raise StorageError(
                "no such range of heights here",
                code="audit-range",
                from_height=first,
                to_height=last,
                begin=begin,
                lowest=self._chain.lowest,
                tip=None if tip is None else tip.height,
            )

    def _begin(self, snapshot: StoredSnapshot | None) -> Position:
        """Return where execution begins: after the genesis, or after a proven snapshot."""
        if snapshot is None:
            return self._audit_genesis()
        self._height = snapshot.height
        position = find_position(snapshot, self._chain, self._genesis)
        self._counts.certificates += 1
        self._state = load_state(snapshot, self._scratch)
        return position

    def _audit_heights(
        self, position: Position, first: int, last: int, progress: Progress | None
    ) -> None:
        for height in range(position.height + 1, last + 1):
            self._height = height
            position = self._audit_block(position, is_verified=height >= first)
            if progress is not None:
                progress(height, last, self._counts.transactions)

    def _audit_genesis(self) -> Position:
        genesis, chain = self._genesis, self._chain
        outcome = execute_genesis(self._machine, genesis)
        result = self._apply(0, outcome, genesis.params.state_levels)
        self._compare(0, outcome, result)
        return Position(
            chain_id=chain.chain_id,
            height=0,
            block_hash=ZERO_HASH,
            exec_hash=compute_execution_hash(result),
            time_ms=genesis.time_ms,
            epoch=0,
            validators=genesis.validators,
            certificate=None,
            next_validators=outcome.next_validators,
            next_params=outcome.next_params,
        )

    def _audit_block(self, before: Position, *, is_verified: bool) -> Position:
        """Check and execute the block after ``before``; return the position after it."""
        block, certificate = self._read_block(before.height + 1)
        checks.check_header(block.header, before)
        received = checks.check_body(block, before.next_params)
        counts = self._counts
        counts.certificates += checks.check_parent_certificate(
            block, before, is_verified=is_verified
        )
        verdicts = self._start_signatures(received) if is_verified else []
        if is_verified:
            checks.check_evidence(block, before.next_validators)
        outcome, result = self._execute(block, received, before)
        _require_signatures(received, verdicts)
        after = Position(
            chain_id=before.chain_id,
            height=block.header.height,
            block_hash=checks.compute_block_hash(block),
            exec_hash=compute_execution_hash(result),
            time_ms=block.header.time_ms,
            epoch=block.header.epoch,
            validators=before.next_validators,
            certificate=certificate,
            next_validators=outcome.next_validators,
            next_params=outcome.next_params,
        )
        self._compare(after.height, outcome, result)
        checks.check_certificate(certificate, after, is_verified=is_verified)
        self._check_places(block, after, received)
        counts.blocks += 1
        counts.transactions += len(received)
        counts.signatures += len(received) if is_verified else 0
        counts.certificates += int(is_verified)
        return after

    def _read_block(self, height: int) -> tuple[Block, Certificate]:
        block, certificate = self._chain.get_block(height), self._chain.get_certificate(height)
        if block is None or certificate is None:
            missing = "block" if block is None else "certificate"
            raise Mismatch(missing, expected="stored", found="none")
        require("stored header", expected=block.header, found=self._chain.get_header(height))
        return block, certificate

    def _execute(
        self, block: Block, received: Sequence[ReceivedTransaction], before: Position
    ) -> tuple[BlockOutcome, ExecutionResult]:
        # Their signatures are being checked meanwhile, and before anything is reported.
        transactions = [Transaction(item.id, item.body, item.encoded) for item in received]
        inputs = BlockInputs.of(
            block.header, transactions, block.evidence, block.parent_certificate
        )
        params, validators = before.next_params, before.next_validators
        outcome = execute_block(
            self._machine, self._state, inputs, params, validators, self._state.keys
        )
        return outcome, self._apply(block.header.height, outcome, params.state_levels)

    def _apply(self, height: int, outcome: BlockOutcome, levels: int) -> ExecutionResult:
        """Move the audit's own state on; return the execution result it computed."""
        return ExecutionResult(
            height=height,
            state_root=self._state.apply(outcome.writes, levels),
            receipts_root=compute_receipts_root(outcome.receipts),
            events_root=compute_events_root(outcome.events),
            gas=outcome.gas,
            next_validators_hash=outcome.next_validators.hash,
            next_params_hash=compute_params_hash(outcome.next_params),
        )

    def _compare(self, height: int, outcome: BlockOutcome, result: ExecutionResult) -> None:
        """Compare what was computed with what is stored; the cause before its consequence."""
        checks.check_receipts(outcome.receipts, self._chain.get_receipts(height))
        checks.check_events(outcome.events, self._chain.get_events(height))
        checks.check_result(result, self._chain.get_result(height), sorted(outcome.writes))

    def _check_places(
        self, block: Block, after: Position, received: Sequence[ReceivedTransaction]
    ) -> None:
        """Check the look-ups; an id in two blocks shows here, its place is the later one."""
        chain, height = self._chain, after.height
        found = chain.get_height_of(after.block_hash)
        require("height of the block's hash", expected=height, found=found)
        for index, item in enumerate(received):
            place = chain.find_transaction(item.id)
            require(f"place of transaction {item.id.hex()}", expected=(height, index), found=place)

    def _start_signatures(
        self, received: Sequence[ReceivedTransaction]
    ) -> list[Future[list[bool]]]:
        return [
            self._pool.submit(_verify_chunk, received[start : start + CHUNK_SIGNATURES])
            for start in range(0, len(received), CHUNK_SIGNATURES)
        ]

    def _compare_state(self) -> None:
        """Compare every stored state and tree row with the audit's own.

        Rows of another depth are left out: a tree that grows, or the remains of the one
        before, prove nothing and are read by nobody.
        """
        depth = self._state.levels
        places = [make_tree_key(depth, level, 0)[:2] for level in range(depth + 1)]
        tables = [("stored state", STATE_PREFIX)]
        tables += [("stored state tree", place) for place in places]
        for what, prefix in tables:
            keys = find_row_differences(self._state.store, self._store, prefix, KEYS_SHOWN_MAX)
            if keys:
                raise Mismatch(
                    what, expected="the state that the blocks give", found="other rows", keys=keys
                )


def _verify_chunk(received: Sequence[ReceivedTransaction]) -> list[bool]:
    return [is_signature_valid(item) for item in received]


def _require_signatures(
    received: Sequence[ReceivedTransaction], verdicts: Sequence[Future[list[bool]]]
) -> None:
    valid = [verdict for chunk in verdicts for verdict in chunk.result()]
    for item, is_valid in zip(received, valid, strict=False):
        if not is_valid:
            raise Mismatch(
                f"signature of transaction {item.id.hex()}", expected="valid", found="bad"
            )
