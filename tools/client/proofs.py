"""Checks what a node answers against the genesis alone: no node needs to be believed.

``tx_get`` with proof carries header, execution result, certificate and two Merkle
paths. If all of it fits, a quorum of the chain's validators signed that this
transaction is in that block and that this is its receipt. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    HEADER_VERSION,
    RECEIPT,
    ExecutionResult,
    Header,
    Receipt,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate, verify_certificate
from primitives.codec import Struct
from primitives.errors import CodecError, ProofError
from primitives.genesis import Genesis, compute_chain_id
from primitives.limits import HASH_BYTES
from primitives.merkle import verify_proof
from primitives.params import compute_epoch
from primitives.transaction import Transaction, decode_transaction, is_signature_valid
from primitives.validators import ValidatorSet
from tools.client.results import Json, get_integer, get_list, get_member, get_object
from tools.client.wire import from_hex


@dataclass(frozen=True, slots=True)
class VerifiedTransaction:
    """A transaction and its receipt, certified. Made by ``verify_transaction_answer`` only."""

    transaction: Transaction
    receipt: Receipt
    header: Header
    execution: ExecutionResult
    certificate: Certificate


def verify_transaction_answer(
    answer: Json, genesis: Genesis, validators: ValidatorSet | None = None
) -> VerifiedTransaction:
    """Return what ``answer`` (of ``tx_get`` with proof) proves on ``genesis``'s chain.

    ``validators`` is the set of that height, when governance has changed the genesis's.
    Raises ProofError naming the first thing that is wrong.
    """
    proof = get_object(get_member(answer, "proof"))
    index = get_integer(answer, "index")
    header: Header = _decode(HEADER, proof, "headerEncoded")
    execution: ExecutionResult = _decode(EXECUTION_RESULT, proof, "executionEncoded")
    certificate: Certificate = _decode(CERTIFICATE, proof, "certificateEncoded")
    verify_commit(header, execution, certificate, genesis, validators or genesis.validators)
    transaction = _check_transaction(answer, proof, header, index)
    receipt: Receipt = _decode(RECEIPT, proof, "receiptEncoded")
    if not verify_proof(
        execution.receipts_root,
        RECEIPT.encode(receipt),
        index,
        header.tx_count,
        _get_path(proof, "receiptPath"),
    ):
        raise ProofError("the receipt is not under the block's root", code="proof-receipt")
    if receipt.transaction_id != transaction.id:
        raise ProofError("the receipt is of another transaction", code="proof-receipt")
    return VerifiedTransaction(transaction, receipt, header, execution, certificate)


def verify_commit(
    header: Header,
    execution: ExecutionResult,
    certificate: Certificate,
    genesis: Genesis,
    validators: ValidatorSet,
) -> None:
    """Check that ``validators``, the set of that height, certified header and result.

    Raises ProofError naming the first thing that is wrong.
    """
    if header.version != HEADER_VERSION or header.height < 1:
        raise ProofError("unknown header version, or no block's height", code="proof-header")
    chain_id = compute_chain_id(genesis)
    epoch = compute_epoch(header.height, genesis.params.epoch_blocks)
    if header.chain_id != chain_id or header.epoch != epoch:
        raise ProofError("the header is of another chain or epoch", code="proof-header")
    if header.validators_hash != validators.hash:
        raise ProofError("another validator set was in force", code="proof-validators")
    if certificate.height != header.height or execution.height != header.height:
        raise ProofError("the parts are of different heights", code="proof-commit")
    if certificate.block_hash != compute_header_hash(header):
        raise ProofError("the certificate is for another block", code="proof-commit")
    if certificate.exec_hash != compute_execution_hash(execution):
        raise ProofError("the certificate is for another result", code="proof-commit")
    verify_certificate(certificate, chain_id, epoch, validators)


def _check_transaction(answer: Json, proof: Json, header: Header, index: int) -> Transaction:
    try:
        received = decode_transaction(from_hex(get_member(answer, "encoded")))
    except CodecError as error:
        raise ProofError(
            f"the transaction does not decode: {error}", code="proof-transaction"
        ) from None
    if not is_signature_valid(received):
        raise ProofError("bad transaction signature", code="proof-transaction")
    transaction = Transaction(received.id, received.body, received.encoded)
    if from_hex(get_member(answer, "id"), HASH_BYTES) != transaction.id:
        raise ProofError("the transaction has another id", code="proof-transaction")
    if not verify_proof(
        header.txs_root,
        transaction.id,
        index,
        header.tx_count,
        _get_path(proof, "transactionPath"),
    ):
        raise ProofError("the transaction is not in the block", code="proof-transaction")
    return transaction


def _get_path(proof: Json, name: str) -> list[bytes]:
    return [from_hex(item, HASH_BYTES) for item in get_list(proof, name)]


def _decode(struct: Struct[Any], proof: Json, name: str) -> Any:
    try:
        return struct.decode(from_hex(get_member(proof, name)))
    except CodecError as error:
        raise ProofError(f"{name} does not decode: {error}", code="proof-form") from None
