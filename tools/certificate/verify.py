"""Offline verification of a retirement certificate against the genesis alone.

The chain of proof, from the genesis to the statement: the genesis names the
validators; a quorum of them signed the block's hash and its execution hash; the
header holds the transactions' root, the execution result the receipts' and the
events'; transaction, receipt and event are leaves under them; the statement repeats
the event's fields and the call's. Nothing is taken from a node, a clock or a network.

When the validators changed since, the file holds the last block of each epoch after
which another set followed: the set before signed it, and its execution result names
the hash of the set after.
Sources: docs/protocol.md; vm/contracts/README.md for the event and the methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from primitives.block import (
    EVENT,
    EXECUTION_RESULT,
    HEADER,
    HEADER_VERSION,
    RECEIPT,
    STATUS_OK,
    Event,
    ExecutionResult,
    Header,
    Receipt,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate, verify_certificate
from primitives.codec import Struct, Value
from primitives.errors import CodecError, ProofError
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import Address, Hash, TransactionId
from primitives.merkle import verify_proof
from primitives.params import compute_epoch, is_epoch_end
from primitives.transaction import Transaction, decode_transaction, verify_transaction
from primitives.validators import ValidatorSet
from tools.certificate.document import (
    CertificateDocument,
    Leaf,
    ValidatorChange,
    parse_document,
)
from tools.light.answers import is_same
from tools.light.epochs import make_set

CONTRACT = "retirement"
EVENT_NAME = "Retired"
EVENT_FIELDS = (
    "certificate", "kind", "pieces", "quantity_kg", "owner", "beneficiary", "beneficiary_name",
)  # fmt: skip
PURPOSE_ARGUMENT = {"retire": 4, "retire_for": 5, "retire_imported": 6}
"""Position of ``purpose`` among the arguments of each method that retires."""


@dataclass(frozen=True, slots=True)
class VerifiedRetirement:
    """A retirement that the genesis's validators have certified. Made by verification only.

    ``statement`` is the file's ``retirement`` object, every member of it proven.
    """

    statement: dict[str, Any]
    transaction_id: TransactionId
    sender: Address
    block_hash: Hash
    state_root: Hash
    chain_id: Hash
    chain_name: str
    signers: tuple[str, ...]


def verify_certificate_file(document: object, genesis: Genesis) -> VerifiedRetirement:
    """Return the retirement that ``document`` (a file's JSON) proves on ``genesis``'s chain.

    Raises ProofError whose message and code name the first thing that is wrong.
    """
    content = parse_document(document)
    chain_id = compute_chain_id(genesis)
    if content.chain_id != chain_id:
        raise _refuse("chain", "the certificate is of another chain than the genesis")
    validators = _follow_changes(content, genesis, chain_id)
    header = _check_header(content.header, genesis, chain_id, validators)
    commit, execution = _check_commit(content, header, validators)
    transaction = _check_transaction(content, header)
    receipt = _check_receipt(content, header, execution, transaction)
    event = _check_event(content, execution, receipt)
    statement = make_statement(
        event, header, _find_purpose(content.call, transaction, receipt, event)
    )
    if not is_same(content.retirement, statement):
        raise _refuse(
            "statement",
            "the statement is not what the chain holds",
            members=_find_differences(content.retirement, statement),
        )
    return VerifiedRetirement(
        statement,
        transaction.id,
        transaction.body.sender,
        commit.block_hash,
        execution.state_root,
        chain_id,
        genesis.chain_name,
        tuple(validators.members[signer].name for signer in commit.signers),
    )


def make_statement(event: Event, header: Header, purpose: str | None) -> dict[str, Any]:
    """Return the ``retirement`` object of an event: what the file states.

    Raises ProofError when the event is not a Retired event of the form we know.
    """
    values = event.values
    if (event.contract, event.name, len(values)) != (CONTRACT, EVENT_NAME, len(EVENT_FIELDS)):
        raise _refuse("event", "not a retirement's event", event=f"{event.contract}.{event.name}")
    fields = dict(zip(EVENT_FIELDS, values, strict=True))
    return {
        "certificate": _expect(fields["certificate"], int),
        "kind": _expect(fields["kind"], str),
        "pieces": [_make_piece(piece) for piece in _expect(fields["pieces"], list)],
        "quantityKg": _expect(fields["quantity_kg"], int),
        "owner": _expect(fields["owner"], str),
        "beneficiary": _expect(fields["beneficiary"], str),
        "beneficiaryName": _expect(fields["beneficiary_name"], str),
        "purpose": purpose,
        "time": header.time_ms // 1000,
        "height": header.height,
    }


def _follow_changes(content: CertificateDocument, genesis: Genesis, chain_id: Hash) -> ValidatorSet:
    """Return the set in force at the block: the genesis's, or the last that the file proves."""
    validators, last = genesis.validators, 0
    for change in content.changes:
        header = _check_header(change.header, genesis, chain_id, validators)
        if not is_epoch_end(header.height, genesis.params.epoch_blocks) or header.height <= last:
            raise _refuse("changes", "not the ends of epochs, in order", height=header.height)
        _, execution = _check_commit(change, header, validators)
        wanted = execution.next_validators_hash
        found = make_set(change.validators)
        if found is None or found.hash != wanted or found.hash == validators.hash:
            raise _refuse("changes", "not the set that follows", height=header.height)
        validators, last = found, header.height
    return validators


def _check_header(
    encoded: bytes, genesis: Genesis, chain_id: Hash, validators: ValidatorSet
) -> Header:
    header: Header = _decode(HEADER, encoded, "header")
    if header.version != HEADER_VERSION:
        raise _refuse("header", "unknown header version", version=header.version)
    if header.chain_id != chain_id:
        raise _refuse("header", "the header is of another chain")
    if header.height < 1 or header.epoch != compute_epoch(
        header.height, genesis.params.epoch_blocks
    ):
        raise _refuse("header", "height and epoch do not fit", height=header.height)
    if header.validators_hash != validators.hash:
        raise _refuse(
            "validators", "the block's validators are not the genesis's, nor any that follow"
        )
    return header


def _check_commit(
    content: CertificateDocument | ValidatorChange, header: Header, validators: ValidatorSet
) -> tuple[Certificate, ExecutionResult]:
    commit: Certificate = _decode(CERTIFICATE, content.commit, "commit")
    execution: ExecutionResult = _decode(EXECUTION_RESULT, content.execution, "execution")
    if commit.height != header.height or execution.height != header.height:
        raise _refuse("commit", "header, commit and execution are of different heights")
    if commit.block_hash != compute_header_hash(header):
        raise _refuse("commit", "the commit is for another block")
    if commit.exec_hash != compute_execution_hash(execution):
        raise _refuse("commit", "the commit is for another execution result")
    verify_certificate(commit, header.chain_id, header.epoch, validators)
    return commit, execution


def _check_transaction(content: CertificateDocument, header: Header) -> Transaction:
    try:
        received = decode_transaction(content.transaction.encoded)
    except CodecError as error:
        raise _refuse("transaction", f"the transaction does not decode: {error}") from None
    if received.id != content.transaction_id:
        raise _refuse("transaction", "the transaction has another id")
    transaction = verify_transaction(received)
    if transaction.body.chain_id != content.chain_id:
        raise _refuse("transaction", "the transaction is of another chain")
    if content.transaction.count != header.tx_count:
        raise _refuse("transaction", "the block has another number of transactions")
    _check_leaf("transaction", header.txs_root, content.transaction, transaction.id)
    return transaction


def _check_receipt(
    content: CertificateDocument,
    header: Header,
    execution: ExecutionResult,
    transaction: Transaction,
) -> Receipt:
    receipt: Receipt = _decode(RECEIPT, content.receipt, "receipt")
    if receipt.transaction_id != transaction.id:
        raise _refuse("receipt", "the receipt is another transaction's")
    place = Leaf(content.receipt, content.transaction.index, header.tx_count, content.receipt_path)
    _check_leaf("receipt", execution.receipts_root, place, content.receipt)
    if receipt.status != STATUS_OK:
        raise _refuse("receipt", "the transaction failed", status=receipt.status, why=receipt.code)
    return receipt


def _check_event(
    content: CertificateDocument, execution: ExecutionResult, receipt: Receipt
) -> Event:
    event: Event = _decode(EVENT, content.event.encoded, "event")
    index = content.event.index
    _check_leaf("event", execution.events_root, content.event, content.event.encoded)
    if not receipt.event_first <= index < receipt.event_first + receipt.event_count:
        raise _refuse("event", "the event is not the transaction's", index=index)
    if event.transaction_index != content.transaction.index:
        raise _refuse("event", "the event names another transaction")
    return event


def _find_purpose(
    call_index: int | None, transaction: Transaction, receipt: Receipt, event: Event
) -> str | None:
    """Return the purpose that the sender signed, from the call that made this retirement."""
    if call_index is None:
        return None
    calls = transaction.body.calls
    if call_index >= len(calls) or call_index >= len(receipt.values):
        raise _refuse("call", "the transaction has no such call", call=call_index)
    call = calls[call_index]
    position = PURPOSE_ARGUMENT.get(call.method) if call.contract == CONTRACT else None
    if position is None or position >= len(call.arguments):
        raise _refuse("call", "that call retires nothing", call=f"{call.contract}.{call.method}")
    if not event.values or receipt.values[call_index] != event.values[0]:
        raise _refuse("call", "that call made another certificate", call=call_index)
    purpose: str = _expect(call.arguments[position], str)
    return purpose


def _check_leaf(name: str, root: Hash, leaf: Leaf, content: bytes) -> None:
    if not verify_proof(root, content, leaf.index, leaf.count, leaf.path):
        raise _refuse(name, f"the {name} is not under the block's root")


def _decode(struct: Struct[Any], data: bytes, name: str) -> Any:
    try:
        return struct.decode(data)
    except CodecError as error:
        raise _refuse(name, f"the {name} does not decode: {error}") from None


def _make_piece(piece: Value) -> dict[str, Any]:
    if not isinstance(piece, list) or len(piece) != 3:
        raise _refuse("event", "a piece is not [batch, start, end]")
    batch, start, end = piece
    return {
        "batch": _expect(batch, str),
        "start": _expect(start, int),
        "end": _expect(end, int),
    }


def _expect(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _refuse("event", "a field has another type than the contract's", got=repr(value)[:80])
    return value


def _find_differences(stated: Any, proven: dict[str, Any]) -> list[str]:
    names = set(stated) | set(proven)
    return sorted(
        str(name)
        for name in names
        if name not in stated or name not in proven or not is_same(stated[name], proven[name])
    )


def _refuse(part: str, message: str, **values: object) -> ProofError:
    return ProofError(message, code=f"certificate-{part}", **values)
