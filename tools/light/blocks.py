"""Certified blocks: what a node answers to ``chain_getCommit``, verified. Pure.

A quorum of the height's validators signed the block hash and the execution hash; the
header and the execution result are what these hashes are of. Source: docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.rpc.render import to_json_certificate, to_json_header, to_json_result
from primitives.block import EXECUTION_RESULT, HEADER, ExecutionResult, Header
from primitives.certificate import CERTIFICATE, Certificate
from primitives.genesis import Genesis
from primitives.hashing import Hash
from primitives.validators import ValidatorSet
from tools.client.proofs import verify_commit
from tools.client.results import get_member, get_object
from tools.client.wire import from_hex, to_hex
from tools.light.answers import reading, refuse, require_same


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """A block that ``validators`` certified. Made by verification only."""

    header: Header
    execution: ExecutionResult
    certificate: Certificate
    validators: ValidatorSet

    @property
    def height(self) -> int:
        """The block's height."""
        return self.header.height

    @property
    def block_hash(self) -> Hash:
        """The block's id: verification compared it with the header's hash."""
        return self.certificate.block_hash

    @property
    def signers(self) -> tuple[str, ...]:
        """The names of those who signed, in the set's order."""
        return tuple(self.validators.members[index].name for index in self.certificate.signers)


def peek_header(answer: object) -> Header:
    """Return the header that an answer claims: a hint which set to verify it with, no more."""
    with reading("the commit"):
        document = get_object(answer)
        proof = document.get("proof", document)
        header: Header = HEADER.decode(from_hex(get_member(get_object(proof), "headerEncoded")))
    return header


def verify_commit_answer(
    answer: object, genesis: Genesis, validators: ValidatorSet, *, height: int | None = None
) -> ProvenBlock:
    """Return the block that an answer of ``chain_getCommit`` proves.

    ``validators`` is the set of that height; ``height`` is the one asked for (None: the
    latest, where the node alone knows which). Raises ProofError naming what is wrong.
    """
    with reading("the commit"):
        document = get_object(answer)
        header: Header = HEADER.decode(from_hex(get_member(document, "headerEncoded")))
        execution: ExecutionResult = EXECUTION_RESULT.decode(
            from_hex(get_member(document, "executionEncoded"))
        )
        certificate: Certificate = CERTIFICATE.decode(
            from_hex(get_member(document, "certificateEncoded"))
        )
    verify_commit(header, execution, certificate, genesis, validators)
    if height is not None and header.height != height:
        raise refuse("asked", "the block is of another height", got=header.height, asked=height)
    block = ProvenBlock(header, execution, certificate, validators)
    require_same(document, render_commit(block), "commit")
    return block


def render_commit(block: ProvenBlock) -> dict[str, Any]:
    """Return the one answer of ``chain_getCommit`` that says what is proven."""
    return {
        "height": block.height,
        "blockHash": to_hex(block.block_hash),
        "execHash": to_hex(block.certificate.exec_hash),
        **render_proof(block),
    }


def render_proof(block: ProvenBlock) -> dict[str, Any]:
    """Return header, execution result and certificate as every proof holds them."""
    return {
        "header": to_json_header(block.header),
        "headerEncoded": to_hex(HEADER.encode(block.header)),
        "execution": to_json_result(block.execution),
        "executionEncoded": to_hex(EXECUTION_RESULT.encode(block.execution)),
        "certificate": to_json_certificate(block.certificate),
        "certificateEncoded": to_hex(CERTIFICATE.encode(block.certificate)),
    }
