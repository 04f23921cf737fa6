"""The rules of one height, and the checks of a proposal against them.

Everything that a check needs is in ``HeightRules``: the validator set, epoch and
parameters of *that* height (FISCO BCOS checked an old proof with the new set). After
these checks, and the stateless ones of its transactions, only a transaction can fail,
never a block.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.effects import Candidate, CommittedTip, Proposal
from primitives.block import (
    HEADER_VERSION,
    Header,
    compute_evidence_root,
    compute_header_hash,
    compute_transactions_root,
)
from primitives.certificate import Certificate, compute_certificate_hash
from primitives.errors import ProofError
from primitives.hashing import Address, Hash
from primitives.params import ChainParams, compute_epoch, compute_params_hash
from primitives.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class HeightRules:
    """What is fixed for ``height``, because its parent is final."""

    chain_id: Hash
    tip: CommittedTip
    height: int
    epoch: int
    tip_epoch: int
    validators: ValidatorSet
    params: ChainParams
    params_hash: Hash

    @classmethod
    def of(cls, chain_id: Hash, tip: CommittedTip) -> HeightRules:
        """Return the rules of the height after ``tip``."""
        params = tip.next_params
        return cls(
            chain_id=chain_id,
            tip=tip,
            height=tip.height + 1,
            epoch=compute_epoch(tip.height + 1, params.epoch_blocks),
            tip_epoch=compute_epoch(tip.height, params.epoch_blocks),
            validators=tip.next_validators,
            params=params,
            params_hash=compute_params_hash(params),
        )

    def get_leader(self, view: int) -> int:
        """Return the index of the validator that leads ``view`` of this height."""
        return self.tip.next_leaders.compute_leader(self.validators, self.height, view)

    def get_next_leader(self, decided: Proposal, view: int) -> int:
        """Return who leads ``view`` of the next height when ``decided`` is this height's block.

        Who is passed over there follows from the certificate in it, as in vm/executor.py. Only
        within an epoch: after its end other validators may be in force.
        """
        leaders = self.tip.next_leaders
        if decided.parent_certificate is not None and self.tip_epoch == self.epoch:
            parent_view = decided.parent_certificate.view
            leaders = leaders.advance(self.validators, self.height, parent_view)
        return leaders.compute_leader(self.validators, self.height + 1, view)


def make_proposal(rules: HeightRules, proposer: Address, candidate: Candidate) -> Proposal:
    """Return the block that ``proposer`` makes of ``candidate``."""
    tip = rules.tip
    header = Header(
        version=HEADER_VERSION,
        chain_id=rules.chain_id,
        height=rules.height,
        time_ms=max(candidate.time_ms, tip.time_ms + 1),
        parent_hash=tip.block_hash,
        prev_exec_hash=tip.exec_hash,
        prev_cert_hash=compute_certificate_hash(tip.certificate),
        proposer=proposer,
        txs_root=compute_transactions_root(candidate.transaction_ids),
        tx_count=len(candidate.transaction_ids),
        evidence_root=compute_evidence_root(candidate.evidence),
        epoch=rules.epoch,
        validators_hash=rules.validators.hash,
        params_hash=rules.params_hash,
    )
    return Proposal(
        compute_header_hash(header),
        header,
        candidate.transaction_ids,
        candidate.evidence,
        tip.certificate,
    )


def check_content(proposal: Proposal) -> None:
    """Raise ProofError unless ids and evidence are those that the header names."""
    header, ids = proposal.header, proposal.transaction_ids
    if header.tx_count != len(ids):
        raise ProofError("tx_count", code="header-tx-count", got=header.tx_count, ids=len(ids))
    if len(set(ids)) != len(ids):
        raise ProofError("a transaction twice in a block", code="header-duplicate")
    if header.txs_root != compute_transactions_root(ids):
        raise ProofError("txs_root", code="header-txs-root")
    if header.evidence_root != compute_evidence_root(proposal.evidence):
        raise ProofError("evidence_root", code="header-evidence-root")


def check_successor(rules: HeightRules, header: Header, parent: Certificate | None) -> None:
    """Raise ProofError unless ``header`` may follow the tip, with ``parent`` as its proof.

    Checks everything but clock, proposer's turn and signatures of ``parent``; sync uses
    it for blocks that are final already.
    """
    tip = rules.tip
    expected = {
        "version": HEADER_VERSION,
        "chain_id": rules.chain_id,
        "height": rules.height,
        "parent_hash": tip.block_hash,
        "prev_exec_hash": tip.exec_hash,
        "prev_cert_hash": compute_certificate_hash(parent),
        "epoch": rules.epoch,
        "validators_hash": rules.validators.hash,
        "params_hash": rules.params_hash,
    }
    for name, value in expected.items():
        if getattr(header, name) != value:
            code = "header-" + name.replace("_", "-")
            raise ProofError(name, code=code, got=getattr(header, name), expected=value)
    if header.time_ms <= tip.time_ms:
        raise ProofError(
            "time does not advance", code="header-time", got=header.time_ms, parent=tip.time_ms
        )
    if header.tx_count > rules.params.block_transactions_max:
        raise ProofError("too many transactions", code="header-tx-count", got=header.tx_count)
    if rules.validators.get_index(header.proposer) is None:
        raise ProofError("proposer is no validator", code="header-proposer")
    if parent is None:
        if rules.height != 1:
            raise ProofError("no parent certificate", code="header-parent-certificate")
    elif (parent.height, parent.block_hash, parent.exec_hash) != (
        tip.height,
        tip.block_hash,
        tip.exec_hash,
    ):
        raise ProofError("another parent's certificate", code="header-parent-certificate")


def check_fresh(rules: HeightRules, header: Header, leader: int, now_ms: int) -> None:
    """Raise ProofError unless a block nobody prepared before may be new now.

    Never applied to a re-proposal: its time is old and its proposer another (plenum's
    re-proposed batches failed the clock check, and views changed for ever).
    """
    if header.proposer != rules.validators.members[leader].public_key:
        raise ProofError("not the leader's own block", code="header-proposer")
    ahead = header.time_ms - now_ms
    if ahead > rules.params.clock_drift_ms:
        raise ProofError("time too far ahead", code="header-time-ahead", ahead_ms=ahead)
