"""Builds a long chain with many keys quickly: real stores, real certificates, real state tree.

Up to ``synthetic_to`` blocks are empty and their state writes made up (a node that joins
by snapshot never executes them); above it blocks hold real transactions and are executed
by the contract VM, as a node that syncs them will do again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.execution import apply_genesis
from primitives.block import (
    HEADER_VERSION,
    Block,
    ExecutionResult,
    Header,
    compute_events_root,
    compute_evidence_root,
    compute_execution_hash,
    compute_header_hash,
    compute_receipts_root,
    compute_transactions_root,
)
from primitives.certificate import Certificate, Phase, compute_certificate_hash, compute_vote_bytes
from primitives.epochs import EPOCH_END, EpochEnd
from primitives.genesis import compute_chain_id
from primitives.hashing import Hash
from primitives.params import compute_epoch, compute_params_hash, is_epoch_end
from primitives.transaction import (
    TRANSACTION_VERSION,
    Call,
    Transaction,
    TransactionBody,
    make_nonce,
    sign_transaction,
)
from storage.chain import BlockRecord, ChainStore
from storage.leveldb import WRITE_BUFFER_BYTES
from tools.localnet.chain import DevelopmentChain
from vm.executor import BlockInputs, execute_block
from vm.machine import Machine

VALUE_BYTES = 60
"""About what a lot or an account has."""
SENDER = "enterprise-a"
GAS_LIMIT = 500_000
FOREVER = 1 << 40
BLOCK_MS = 1
"""Blocks lie so close in time: the last one must not be ahead of the clock."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``keys`` are spread over the synthetic blocks."""

    keys: int
    blocks: int
    synthetic_to: int
    block_transactions: int
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a block: enough to commit it."""

    writes: Mapping[bytes, bytes | None]
    receipts: Sequence[bytes]
    events: Sequence[bytes]
    gas: int


class LargeChain:
    """Appends certified blocks to the chain in a folder."""

    def __init__(
        self,
        folder: Path,
        development: DevelopmentChain,
        plan: Plan,
        write_buffer_bytes: int = WRITE_BUFFER_BYTES,
    ) -> None:
        self._development = development
        self._plan = plan
        genesis = development.genesis
        self._chain_id = compute_chain_id(genesis)
        self._machine = Machine(genesis.params.vm_version)
        self.chain = ChainStore.open(folder, self._chain_id, write_buffer_bytes=write_buffer_bytes)
        apply_genesis(self.chain, self._machine, genesis)
        self._numbers = random.Random(plan.seed)
        self._nonce = 0

    @property
    def height(self) -> int:
        """The last block."""
        return 0 if self.chain.tip is None else self.chain.tip.height

    def grow_to(self, height: int) -> Iterator[int]:
        """Append blocks up to ``height``; yield each height."""
        for number in range(self.height + 1, height + 1):
            if number <= self._plan.synthetic_to:
                self._append([], self._make_writes(number))
            else:
                self._append([self._sign(number) for _ in range(self._plan.block_transactions)])
            yield number

    def _make_writes(self, height: int) -> dict[bytes, bytes | None]:
        plan = self._plan
        first = plan.keys * (height - 1) // plan.synthetic_to
        last = plan.keys * height // plan.synthetic_to
        return {
            b"bench\0lots\0%016d" % number: self._numbers.randbytes(VALUE_BYTES)
            for number in range(first, last)
        }

    def _make_up(
        self, transactions: Sequence[Transaction], writes: Mapping[bytes, bytes | None]
    ) -> Outcome:
        """Return the outcome of a block that nobody executes."""
        return Outcome(writes, [], [], 0)

    def _sign(self, height: int) -> Transaction:
        self._nonce += 1
        key = self._development.party_keys[SENDER]
        call = Call("identity", "grant", ("regulator", f"bench-{self._nonce}", FOREVER))
        body = TransactionBody(
            TRANSACTION_VERSION,
            self._chain_id,
            key.public_key,
            make_nonce(self._nonce),
            height + 100,
            GAS_LIMIT,
            (call,),
        )
        return sign_transaction(body, key)

    def _append(
        self,
        transactions: Sequence[Transaction],
        writes: Mapping[bytes, bytes | None] | None = None,
    ) -> None:
        header = self._make_header(transactions)
        outcome = (
            self._execute(header, transactions)
            if writes is None
            else self._make_up(transactions, writes)
        )
        genesis = self._development.genesis
        change = self.chain.compute_state(outcome.writes)
        result = ExecutionResult(
            header.height,
            change.root,
            compute_receipts_root(outcome.receipts),
            compute_events_root(outcome.events),
            outcome.gas,
            genesis.validators.hash,
            compute_params_hash(genesis.params),
        )
        certificate = self._certify(header, compute_execution_hash(result))
        end = None
        if is_epoch_end(header.height, genesis.params.epoch_blocks):
            following = EpochEnd(header, result, certificate, genesis.validators, genesis.params)
            end = EPOCH_END.encode(following)
        tip = self.chain.tip
        parent = None if tip is None else tip.certificate
        self.chain.commit(
            BlockRecord(
                Block(header, tuple(item.encoded for item in transactions), (), parent),
                certificate.block_hash,
                certificate,
                result,
                outcome.receipts,
                outcome.events,
                change,
                outcome.writes,
                [item.id for item in transactions],
                end,
            )
        )

    def _make_header(self, transactions: Sequence[Transaction]) -> Header:
        tip, genesis = self.chain.tip, self._development.genesis
        assert tip is not None
        height = tip.height + 1
        members = genesis.validators.members
        return Header(
            HEADER_VERSION,
            self._chain_id,
            height,
            genesis.time_ms + height * BLOCK_MS,
            tip.block_hash,
            tip.exec_hash,
            compute_certificate_hash(tip.certificate),
            members[height % len(members)].public_key,
            compute_transactions_root([item.id for item in transactions]),
            len(transactions),
            compute_evidence_root([]),
            compute_epoch(height, genesis.params.epoch_blocks),
            genesis.validators.hash,
            compute_params_hash(genesis.params),
        )

    def _execute(self, header: Header, transactions: Sequence[Transaction]) -> Outcome:
        genesis = self._development.genesis
        tip = self.chain.tip
        inputs = BlockInputs.of(header, transactions, (), None if tip is None else tip.certificate)
        with self.chain.view() as view:
            outcome = execute_block(
                self._machine, view, inputs, genesis.params, genesis.validators, view.state_keys
            )
        return Outcome(outcome.writes, outcome.receipts, outcome.events, outcome.gas)

    def _certify(self, header: Header, exec_hash: Hash) -> Certificate:
        block_hash = compute_header_hash(header)
        message = compute_vote_bytes(
            Phase.COMMIT, self._chain_id, header.epoch, header.height, 0, block_hash, exec_hash
        )
        signers = tuple(range(self._development.genesis.validators.quorum))
        keys = self._development.validator_keys
        signatures = tuple(keys[index].sign(message) for index in signers)
        return Certificate(header.height, 0, block_hash, exec_hash, signers, signatures)
