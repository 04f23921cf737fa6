"""The checks of one block against what came before it; pure, each names what differs.

The same rules as consensus and sync apply, in one place for the auditor: header links,
roots, transactions, certificates. Raises Mismatch, ProofError or CodecError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.evidence import verify_evidence
from node.admission import check_static
from primitives.block import (
    HEADER_VERSION,
    RECEIPT,
    Block,
    ExecutionResult,
    Header,
    compute_evidence_root,
    compute_header_hash,
    compute_transactions_root,
)
from primitives.certificate import Certificate, compute_certificate_hash, verify_certificate
from primitives.hashing import Hash
from primitives.keys import verify
from primitives.params import ChainParams, compute_epoch, compute_params_hash
from primitives.transaction import ReceivedTransaction, decode_transaction
from primitives.validators import ValidatorSet
from tools.audit.report import Mismatch, require


@dataclass(frozen=True, slots=True)
class Position:
    """Where the audit stands: the last height, and the rules for the next one.

    ``epoch`` and ``validators`` are those of the last height (they certify it); at
    height 0 nobody certifies and ``certificate`` is None.
    """

    chain_id: Hash
    height: int
    block_hash: Hash
    exec_hash: Hash
    time_ms: int
    epoch: int
    validators: ValidatorSet
    certificate: Certificate | None
    next_validators: ValidatorSet
    next_params: ChainParams


def check_header(header: Header, position: Position) -> None:
    """Check every field of ``header`` that does not come from the block's body."""
    params, validators = position.next_params, position.next_validators
    height = position.height + 1
    require("header version", expected=HEADER_VERSION, found=header.version)
    require("chain id", expected=position.chain_id, found=header.chain_id)
    require("height", expected=height, found=header.height)
    require("parent hash", expected=position.block_hash, found=header.parent_hash)
    require("previous execution", expected=position.exec_hash, found=header.prev_exec_hash)
    require("epoch", expected=compute_epoch(height, params.epoch_blocks), found=header.epoch)
    require("validators hash", expected=validators.hash, found=header.validators_hash)
    require("parameters hash", expected=compute_params_hash(params), found=header.params_hash)
    if header.time_ms <= position.time_ms:
        raise Mismatch(
            "time does not advance", expected=f"> {position.time_ms}", found=header.time_ms
        )
    if validators.get_index(header.proposer) is None:
        raise Mismatch("proposer", expected="a validator", found=header.proposer)


def check_body(block: Block, params: ChainParams) -> list[ReceivedTransaction]:
    """Check the block's roots and limits; return its transactions, unverified."""
    header = block.header
    received = [decode_transaction(encoded) for encoded in block.transactions]
    ids = [item.id for item in received]
    require("number of transactions", expected=len(ids), found=header.tx_count)
    require("transactions root", expected=compute_transactions_root(ids), found=header.txs_root)
    evidence_root = compute_evidence_root(block.evidence)
    require("evidence root", expected=evidence_root, found=header.evidence_root)
    if len(set(ids)) != len(ids):
        raise Mismatch("a transaction stands twice in the block", expected="once", found="twice")
    for item in received:
        refusal = check_static(item, header.chain_id, header.height, params)
        if refusal is not None:
            raise Mismatch(f"transaction {item.id.hex()}", expected="valid", found=refusal.message)
    limits = (
        ("transactions in the block", len(ids), params.block_transactions_max),
        ("bytes in the block", sum(map(len, block.transactions)), params.block_bytes_max),
        (
            "gas limits in the block",
            sum(item.body.gas_limit for item in received),
            params.block_gas_max,
        ),
    )
    for what, found, highest in limits:
        if found > highest:
            raise Mismatch(what, expected=f"<= {highest}", found=found)
    return received


def check_evidence(block: Block, validators: ValidatorSet) -> None:
    """Check that each piece of evidence in the block proves something."""
    header = block.header
    for encoded in block.evidence:
        verify_evidence(encoded, header.chain_id, header.epoch, validators, verify)


def check_parent_certificate(block: Block, position: Position, *, is_verified: bool) -> int:
    """Check the certificate of the parent inside ``block``; return how many were verified.

    ``is_verified``: signatures are checked too, unless it is the one that the store has
    for that height and that was verified there.
    """
    certificate = block.parent_certificate
    found_hash = compute_certificate_hash(certificate)
    require("parent certificate's hash", expected=found_hash, found=block.header.prev_cert_hash)
    if (certificate is None) != (position.height == 0):
        raise Mismatch(
            "parent certificate", expected="none at height 1 only", found=certificate is not None
        )
    if certificate is None or certificate == position.certificate:
        return 0
    check_certificate(certificate, position, is_verified=is_verified)
    return int(is_verified)


def check_certificate(certificate: Certificate, position: Position, *, is_verified: bool) -> None:
    """Check a certificate of the height where ``position`` stands."""
    require("certified height", expected=position.height, found=certificate.height)
    require("certified block", expected=position.block_hash, found=certificate.block_hash)
    require("certified execution", expected=position.exec_hash, found=certificate.exec_hash)
    if is_verified:
        verify_certificate(certificate, position.chain_id, position.epoch, position.validators)


def check_receipts(computed: Sequence[bytes], stored: Sequence[bytes]) -> None:
    """Compare receipts one by one, so that the difference names the transaction."""
    for index, (ours, theirs) in enumerate(zip(computed, stored, strict=False)):
        if ours != theirs:
            mine = RECEIPT.decode(ours)
            raise Mismatch(
                f"receipt {index} of transaction {mine.transaction_id.hex()}",
                expected=f"{mine.status} {mine.code} gas {mine.gas}".replace("  ", " "),
                found=_describe_receipt(theirs),
            )
    require("number of receipts", expected=len(computed), found=len(stored))


def check_events(computed: Sequence[bytes], stored: Sequence[bytes]) -> None:
    """Compare events one by one."""
    for index, (ours, theirs) in enumerate(zip(computed, stored, strict=False)):
        require(f"event {index}", expected=ours, found=theirs)
    require("number of events", expected=len(computed), found=len(stored))


def check_result(
    computed: ExecutionResult, stored: ExecutionResult | None, keys: Sequence[bytes]
) -> None:
    """Compare execution results field by field; ``keys`` are named for the state root."""
    if stored is None:
        raise Mismatch("execution result", expected="stored", found="none")
    if computed.state_root != stored.state_root:
        raise Mismatch(
            "state root", expected=computed.state_root, found=stored.state_root, keys=keys
        )
    for name in (
        "height",
        "receipts_root",
        "events_root",
        "gas",
        "next_validators_hash",
        "next_params_hash",
    ):
        what = name.replace("_", " ")
        require(what, expected=getattr(computed, name), found=getattr(stored, name))


def compute_block_hash(block: Block) -> Hash:
    """Return the block's id."""
    return compute_header_hash(block.header)


def _describe_receipt(encoded: bytes) -> str:
    receipt = RECEIPT.decode(encoded)
    text = f"{receipt.status} {receipt.code} gas {receipt.gas}".replace("  ", " ")
    return f"{text} (transaction {receipt.transaction_id.hex()})"
