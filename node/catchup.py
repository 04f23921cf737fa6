"""Pure checks of blocks that a peer served: link, certificate, roots.

A block is taken only if it is the next one, its certificate verifies with the set in
force at its height, and its bytes hash to what its header names. The signatures of its
transactions were checked by the f + 1 honest validators that any certificate contains;
what executing it gives is compared with the certified execution hash by the committer.
Source: design/consensus.md R6 and bug 16 (an old proof with a new validator set).
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.effects import CommittedTip
from node.wire import CertifiedBlock
from primitives.block import (
    BLOCK,
    Block,
    Header,
    compute_evidence_root,
    compute_header_hash,
    compute_transactions_root,
)
from primitives.certificate import (
    CERTIFICATE,
    Certificate,
    compute_certificate_hash,
    verify_certificate,
)
from primitives.errors import ProofError
from primitives.hashing import Hash
from primitives.params import compute_epoch, compute_params_hash
from primitives.transaction import Transaction, decode_transaction


@dataclass(frozen=True, slots=True)
class FetchedBlock:
    """A block whose certificate and links were verified."""

    block: Block
    certificate: Certificate
    transactions: tuple[Transaction, ...]


def verify_fetched(served: CertifiedBlock, chain_id: Hash, tip: CommittedTip) -> FetchedBlock:
    """Return the verified block that follows ``tip``; raise ProofError or CodecError.

    About 100 us for each signer of the certificate and 20 us for each transaction: call
    it off the event loop.
    """
    block = BLOCK.decode(served.block)
    certificate = CERTIFICATE.decode(served.certificate)
    header = block.header
    _check_header(header, chain_id, tip)
    _require("certified height", certificate.height, header.height)
    _require("certified block", certificate.block_hash, compute_header_hash(header))
    verify_certificate(certificate, chain_id, header.epoch, tip.next_validators)
    parent_hash = compute_certificate_hash(block.parent_certificate)
    _require("parent certificate", parent_hash, header.prev_cert_hash)
    transactions = tuple(_take(encoded) for encoded in block.transactions)
    ids = [transaction.id for transaction in transactions]
    _require("transactions", len(ids), header.tx_count)
    _require("transactions root", compute_transactions_root(ids), header.txs_root)
    _require("evidence root", compute_evidence_root(block.evidence), header.evidence_root)
    return FetchedBlock(block, certificate, transactions)


def _check_header(header: Header, chain_id: Hash, tip: CommittedTip) -> None:
    _require("chain", header.chain_id, chain_id)
    _require("height", header.height, tip.height + 1)
    _require("parent", header.parent_hash, tip.block_hash)
    _require("previous execution", header.prev_exec_hash, tip.exec_hash)
    epoch = compute_epoch(header.height, tip.next_params.epoch_blocks)
    _require("epoch", header.epoch, epoch)
    _require("validators", header.validators_hash, tip.next_validators.hash)
    _require("parameters", header.params_hash, compute_params_hash(tip.next_params))


def _take(encoded: bytes) -> Transaction:
    """Return a certified block's transaction: a quorum checked its signature."""
    received = decode_transaction(encoded)
    return Transaction(received.id, received.body, encoded)


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ProofError(f"{what} does not fit", code="served-block", found=found, want=expected)
