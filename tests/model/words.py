"""What can be said in the model, and the real bytes of it.

A *label* is a message without what the protocol's decisions do not hang on (which q of the
validators signed a certificate). Blocks are numbers; the book knows the real block of each.

    ("N", view, block, choice)  PRE-PREPARE; `choice`: what its new-view proof reports as prepared
    ("P", view, block)          PREPARE
    ("C", view, block)          COMMIT
    ("V", view, prepared)       VIEW-CHANGE; `prepared`: (view, block) or None

Everybody's keys are here, so a label that *somebody* can form is turned into bytes signed by
the lowest validators that fit; the search asks beforehand whether it can be formed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property

from consensus.effects import Candidate, CommittedTip, Proposal
from consensus.messages import (
    PrePrepare,
    ViewChange,
    ViewChangeMessage,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    encode_message,
)
from consensus.rules import HeightRules, make_proposal
from primitives.certificate import Certificate, Phase
from primitives.hashing import ZERO_HASH, Hash, TransactionId
from primitives.leaders import NO_MISSES
from primitives.params import ChainParams
from primitives.validators import Validator, ValidatorSet
from tools.simulator.crypto import Registry

NOW = 1_700_000_000_000
CHAIN = Hash(hashlib.sha256(b"model").digest())
VALIDATORS = 4
HEIGHT = 1

Prepared = tuple[int, int] | None
Label = tuple[object, ...]


class Book:
    """Keys, blocks and messages of one height of four validators."""

    def __init__(self, validators: type[ValidatorSet] = ValidatorSet) -> None:
        self._registry = Registry(real=False)
        self.keys = [
            self._registry.make_key(hashlib.sha256(b"%d" % number).digest())
            for number in range(VALIDATORS)
        ]
        members = [Validator(f"v{number}", key.public_key) for number, key in enumerate(self.keys)]
        self.validators = validators(tuple(members))
        self.check = self._registry.check
        self.blocks: list[Proposal] = []
        self._numbers: dict[Hash, int] = {}
        self._cache: dict[object, bytes] = {}

    @cached_property
    def tip(self) -> CommittedTip:
        """Genesis."""
        params = ChainParams(epoch_blocks=10, timeout_base_ms=1_000, timeout_max_ms=30_000)
        genesis = Hash(hashlib.sha256(b"genesis").digest())
        return CommittedTip(
            0, ZERO_HASH, genesis, NOW - 60_000, None,
            self.validators, self.validators, params, NO_MISSES,
        )  # fmt: skip

    @cached_property
    def rules(self) -> HeightRules:
        """What holds at the height."""
        return HeightRules.of(CHAIN, self.tip)

    def get_leader(self, view: int) -> int:
        """Return who leads a view."""
        return self.rules.get_leader(view)

    # -- blocks ------------------------------------------------------------------------------

    def make_block(self, proposer: int, name: str) -> int:
        """Return the number of the block of that proposer with that content."""
        address = self.keys[proposer].public_key
        return self.add_block(make_proposal(self.rules, address, make_candidate(name)))

    def add_block(self, proposal: Proposal) -> int:
        """Return the block's number, a new one if it is new."""
        number = self._numbers.setdefault(proposal.block_hash, len(self.blocks))
        if number == len(self.blocks):
            self.blocks.append(proposal)
        return number

    def get_number(self, block_hash: Hash) -> int:
        """Return the number of a known block. KeyError: a block nobody made."""
        return self._numbers[block_hash]

    # -- bytes -------------------------------------------------------------------------------

    def encode_vote(self, signer: int, phase: Phase, view: int, block: int) -> bytes:
        """Return a PREPARE or COMMIT."""
        key = ("vote", signer, phase, view, block)
        if key not in self._cache:
            self._cache[key] = encode_message(self._make_vote(signer, phase, view, block))
        return self._cache[key]

    def encode_view_change(self, signer: int, view: int, prepared: Prepared) -> bytes:
        """Return a VIEW-CHANGE."""
        key = ("view change", signer, view, prepared)
        if key not in self._cache:
            item = self._make_view_change(signer, view, prepared)
            self._cache[key] = encode_message(ViewChangeMessage(item, None))
        return self._cache[key]

    def encode_pre_prepare(self, view: int, block: int, choice: Prepared) -> bytes:
        """Return a PRE-PREPARE of the view's leader under a proof that reports ``choice``."""
        key = ("pre-prepare", view, block, choice)
        if key not in self._cache:
            proposal = self.blocks[block]
            signers = range(self.validators.quorum) if view else ()
            proof = [self._make_view_change(signer, view, choice) for signer in signers]
            leader = self.get_leader(view)
            vote = self._make_vote(leader, Phase.PREPARE, view, block)
            message = PrePrepare(
                HEIGHT, view, proposal.header, proposal.transaction_ids, proposal.evidence,
                proposal.parent_certificate, tuple(proof), vote.signature,
            )  # fmt: skip
            self._cache[key] = encode_message(message)
        return self._cache[key]

    def get_execution(self, block: int) -> Hash:
        """Return the result of executing a block: the same everywhere."""
        return Hash(hashlib.sha256(self.blocks[block].block_hash).digest())

    def _make_vote(self, signer: int, phase: Phase, view: int, block: int) -> Vote:
        executed = self.get_execution(block) if phase is Phase.COMMIT else ZERO_HASH
        block_hash = self.blocks[block].block_hash
        vote = Vote(int(phase), HEIGHT, view, block_hash, executed, signer, b"")
        message = compute_signed_vote(vote, CHAIN, self.rules.epoch)
        return replace(vote, signature=self.keys[signer].sign(message))

    def _make_view_change(self, signer: int, view: int, prepared: Prepared) -> ViewChange:
        certificate = None if prepared is None else self._make_prepared(*prepared)
        item = ViewChange(HEIGHT, view, certificate, signer, b"")
        message = compute_signed_view_change(item, CHAIN, self.rules.epoch)
        return replace(item, signature=self.keys[signer].sign(message))

    def _make_prepared(self, view: int, block: int) -> Certificate:
        signers = tuple(range(self.validators.quorum))
        votes = [self._make_vote(signer, Phase.PREPARE, view, block) for signer in signers]
        return Certificate(
            HEIGHT, view, self.blocks[block].block_hash, ZERO_HASH,
            signers, tuple(vote.signature for vote in votes),
        )  # fmt: skip


def make_candidate(name: str) -> Candidate:
    """Return what a leader offers."""
    return Candidate(NOW, (TransactionId(hashlib.sha256(name.encode()).digest()),))
