"""A real chain on disk for the audit's tests: genesis, contracts, certified blocks.

``commit`` can be told to lie the way that a quorum of colluding validators could: the
certificate is then valid, and only executing again finds the lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from shutil import copytree
from typing import Any

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
from primitives.codec import Value
from primitives.epochs import EPOCH_END, EpochEnd
from primitives.genesis import compute_chain_id, dump_genesis
from primitives.hashing import Hash
from primitives.params import ChainParams, compute_epoch, compute_params_hash, is_epoch_end
from primitives.transaction import (
    Call,
    Transaction,
    TransactionBody,
    compute_transaction_id,
    decode_transaction,
    make_nonce,
    sign_transaction,
)
from primitives.validators import Validator, ValidatorSet
from storage.chain import BlockRecord, ChainStore, GenesisRecord
from storage.treegrowth import GrowthOrder
from storage.treesession import StateChange
from tools.genesis_files import build_development_genesis
from vm.executor import BlockInputs, BlockOutcome, execute_block, execute_genesis
from vm.genesis_builder import build_development_consortium, derive_development_key
from vm.machine import Machine

PARAMS = ChainParams(epoch_blocks=4, state_levels=2)
NODES = [derive_development_key(f"node-{number}") for number in range(4)]
START_MS = 1_700_000_000_000
MACHINE = Machine()
"""One for all tests: compiling the contracts is most of their time."""


@dataclass
class Lie:
    """What colluding validators certify although it is not so."""

    writes: dict[bytes, bytes | None] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    receipts: Sequence[bytes] | None = None
    gas: int = 0
    signers: tuple[int, ...] = (0, 1, 2)


HONEST = Lie()


class AuditedChain:
    """Builds a chain in ``folder``/chain with ``folder``/genesis.json beside it."""

    def __init__(self, folder: Path, params: ChainParams = PARAMS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        consortium = build_development_consortium()
        validators = ValidatorSet(
            tuple(Validator(f"v{n}", key.public_key) for n, key in enumerate(NODES))
        )
        self.genesis = build_development_genesis(
            "audited", START_MS, validators, consortium, params
        )
        self.keys = consortium.keys
        self.chain_id = compute_chain_id(self.genesis)
        self.chain_path, self.genesis_path = folder / "chain", folder / "genesis.json"
        self.genesis_path.write_text(dump_genesis(self.genesis))
        self.chain = ChainStore.open(self.chain_path, self.chain_id)
        self.machine = MACHINE
        self.nonce = 0
        outcome = execute_genesis(self.machine, self.genesis)
        change = self.chain.compute_state(outcome.writes, params.state_levels)
        self.params, self.validators = outcome.next_params, outcome.next_validators
        result = make_result(0, outcome, change)
        self.chain.commit_genesis(
            GenesisRecord(
                START_MS, result, outcome.receipts, outcome.events, change, outcome.writes
            )
        )

    def copy_to(self, folder: Path) -> AuditedChain:
        """Return a copy that lives in ``folder``; this one must be closed."""
        twin = copy(self)
        twin.chain_path, twin.genesis_path = folder / "chain", folder / "genesis.json"
        copytree(self.chain_path, twin.chain_path)
        twin.genesis_path.write_text(self.genesis_path.read_text())
        twin.chain = ChainStore.open(twin.chain_path, self.chain_id)
        return twin

    @property
    def height(self) -> int:
        assert self.chain.tip is not None
        return self.chain.tip.height

    def sign(
        self, who: str, contract: str, method: str, *arguments: Value, gas: int = 400_000
    ) -> Transaction:
        self.nonce += 1
        key = self.keys[who]
        body = TransactionBody(
            1,
            self.chain_id,
            key.public_key,
            make_nonce(self.nonce),
            self.height + 10,
            gas,
            (Call(contract, method, arguments),),
        )
        return sign_transaction(body, key)

    def commit(self, *transactions: Transaction, lie: Lie = HONEST) -> None:
        tip = self.chain.tip
        assert tip is not None
        height = tip.height + 1
        ids = [compute_transaction_id(item.encoded) for item in transactions]
        header = Header(
            HEADER_VERSION,
            self.chain_id,
            height,
            START_MS + height * 1_000,
            tip.block_hash,
            tip.exec_hash,
            compute_certificate_hash(tip.certificate),
            NODES[height % 4].public_key,
            compute_transactions_root(ids),
            len(ids),
            compute_evidence_root([]),
            compute_epoch(height, self.params.epoch_blocks),
            self.validators.hash,
            compute_params_hash(self.params),
        )
        header = replace(header, **lie.header)
        block = Block(header, tuple(item.encoded for item in transactions), (), tip.certificate)
        outcome = self._execute(header, transactions)
        outcome.writes.update(lie.writes)
        receipts = outcome.receipts if lie.receipts is None else lie.receipts
        outcome = replace(outcome, receipts=list(receipts), gas=outcome.gas + lie.gas)
        change = self.chain.compute_state(outcome.writes, self.params.state_levels)
        result = make_result(height, outcome, change)
        block_hash = compute_header_hash(header)
        certificate = self.certify(
            height, header.epoch, block_hash, compute_execution_hash(result), lie.signers
        )
        self._write(block, certificate, result, outcome, change)

    def commit_block(self, block: Block, certificate: Certificate) -> BlockOutcome:
        """Execute and commit a block that another node made, as a node that catches up does."""
        transactions = [decode_transaction(item) for item in block.transactions]
        outcome = self._execute(
            block.header,
            [Transaction(item.id, item.body, item.encoded) for item in transactions],
        )
        change = self.chain.compute_state(outcome.writes, self.params.state_levels)
        result = make_result(block.header.height, outcome, change)
        self._write(block, certificate, result, outcome, change)
        return outcome

    def _write(
        self,
        block: Block,
        certificate: Certificate,
        result: ExecutionResult,
        outcome: BlockOutcome,
        change: StateChange,
    ) -> None:
        self.chain.commit(
            BlockRecord(
                block,
                compute_header_hash(block.header),
                certificate,
                result,
                outcome.receipts,
                outcome.events,
                change,
                outcome.writes,
                epoch_end=self._end_epoch(block.header, result, certificate, outcome),
                growth=GrowthOrder.of(
                    outcome.growing, block.header.height, self.params.epoch_blocks
                ),
            )
        )
        self.params, self.validators = outcome.next_params, outcome.next_validators

    def _end_epoch(
        self,
        header: Header,
        result: ExecutionResult,
        certificate: Certificate,
        outcome: BlockOutcome,
    ) -> bytes | None:
        if not is_epoch_end(header.height, self.params.epoch_blocks):
            return None
        end = EpochEnd(header, result, certificate, outcome.next_validators, outcome.next_params)
        return EPOCH_END.encode(end)

    def certify(
        self, height: int, epoch: int, block_hash: Hash, exec_hash: Hash, signers: tuple[int, ...]
    ) -> Certificate:
        message = compute_vote_bytes(
            Phase.COMMIT, self.chain_id, epoch, height, 0, block_hash, exec_hash
        )
        signatures = tuple(NODES[index].sign(message) for index in signers)
        return Certificate(height, 0, block_hash, exec_hash, signers, signatures)

    def _execute(self, header: Header, transactions: Sequence[Transaction]) -> BlockOutcome:
        inputs = BlockInputs.of(header, transactions, (), None)
        with self.chain.view() as view:
            return execute_block(
                self.machine, view, inputs, self.params, self.validators, view.state_keys
            )

    def grow(self) -> None:
        """Seven blocks: a member, new parameters, a new validator set, an empty block."""
        register: list[Value] = ["mill", "Mill", "CN", ["enterprise"], []]
        self.commit(self.sign("regulator", "identity", "register", *register))
        wanted = replace(self.params, batch_delay_ms=70)
        renamed: list[Value] = [[f"w{n}", key.public_key] for n, key in enumerate(NODES)]
        self.commit(
            self.sign("regulator", "governance", "propose_params", list(astuple(wanted))),
            self.sign("regulator", "governance", "propose_validators", renamed),
            self.sign("bank", "units", "no-such-method"),
        )
        self.commit(
            self.sign("regulator", "governance", "execute", 1),
            self.sign("regulator", "governance", "execute", 2),
        )
        for number in range(4):
            self.commit(
                *(
                    self.sign("verifier", "units", "attest", f"r{number}-{item}", "p", 2024,
                              "forest", 1_000, "project-owner", bytes(32))
                    for item in range(number)
                )
            )  # fmt: skip


def forge(honest: Transaction) -> Transaction:
    """Return ``honest`` with a signature that its sender did not make."""
    encoded = honest.encoded[:-1] + bytes([honest.encoded[-1] ^ 1])
    return Transaction(compute_transaction_id(encoded), honest.body, encoded)


def make_result(height: int, outcome: BlockOutcome, change: StateChange) -> ExecutionResult:
    return ExecutionResult(
        height,
        change.root,
        compute_receipts_root(outcome.receipts),
        compute_events_root(outcome.events),
        outcome.gas,
        outcome.next_validators.hash,
        compute_params_hash(outcome.next_params),
    )
