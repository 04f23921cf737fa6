"""Answers of an honest node of a made-up chain: four validators, a block of five transactions.

The shapes are those of node/rpc (tests/integration/test_light.py takes them from a node).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from node.rpc.render import to_hex, to_json_call, to_json_path, to_json_value
from primitives.block import (
    EVENT,
    EXECUTION_RESULT,
    HEADER,
    RECEIPT,
    Event,
    ExecutionResult,
    Header,
    Receipt,
    compute_events_root,
    compute_execution_hash,
    compute_header_hash,
    compute_receipts_root,
    compute_transactions_root,
)
from primitives.certificate import CERTIFICATE, Certificate, Phase, compute_vote_bytes
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import ZERO_HASH, Hash, Tag, compute_hash
from primitives.keys import PrivateKey
from primitives.merkle import compute_proof
from primitives.params import ChainParams
from primitives.transaction import Call
from primitives.validators import Validator, ValidatorSet
from storage.stateproof import (
    BRANCHES,
    SIBLINGS_BYTES,
    STATE_PROOF,
    StateProof,
    compute_bucket_hash,
    compute_bucket_index,
    compute_node_hash,
)
from tools.client.transactions import Expiry, build_transaction
from tools.light.blocks import ProvenBlock, render_commit, render_proof

KEYS = [PrivateKey.from_seed(bytes([number + 1]) * 32) for number in range(7)]
SENDER = PrivateKey.from_seed(b"s" * 32)
LEVELS = 2


def make_set(*numbers: int) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(f"v{n}", KEYS[n].public_key) for n in numbers))


VALIDATORS = make_set(0, 1, 2, 3)
GENESIS = Genesis(
    1, "light", 0, VALIDATORS, ChainParams(epoch_blocks=10, state_levels=LEVELS), (), ()
)
CHAIN = compute_chain_id(GENESIS)

KEY = b"units\0lots\0B.1\0"
ABSENT = next(
    key
    for key in (b"units\0lots\0absent-%d\0" % number for number in range(100_000))
    if compute_hash(Tag.STATE_KEY, key)[0] == compute_hash(Tag.STATE_KEY, KEY)[0]
)
"""A key without a value in KEY's own bucket, so that its absence is among other entries."""
VALUE = b"\x93\xa3B.1\x00\x05"

TRANSACTIONS = [
    build_transaction(
        SENDER,
        [Call("units", "touch", (number, b"\x01", 1 << 60, ["x", None]))],
        expiry=Expiry(CHAIN, 1, 100),
        gas_limit=1,
        nonce=bytes(7) + bytes([number]),
    )
    for number in range(5)
]
IDS = [item.id for item in TRANSACTIONS]
EVENT_COUNTS = (1, 0, 2, 3, 1)
EVENTS = [
    Event(index, "units", "Touched", (index, number, b"\x02"))
    for index, count in enumerate(EVENT_COUNTS)
    for number in range(count)
]


def make_state_proof(present: bool) -> tuple[StateProof, Hash]:
    """Return a bucket with two entries, or none, and the root of a tree of random siblings."""
    name = compute_hash(Tag.STATE_KEY, KEY)
    other = name[:1] + bytes(31)
    entries = sorted([(name, compute_hash(Tag.STATE_VALUE, VALUE)), (Hash(other), ZERO_HASH)])
    bucket = b"".join(one + two for one, two in entries) if present else b""
    siblings = tuple(bytes([level + 7]) * SIBLINGS_BYTES for level in range(LEVELS))
    root, index = compute_bucket_hash(bucket), compute_bucket_index(name, LEVELS)
    for others in siblings:
        cut = index % BRANCHES * 32
        root = compute_node_hash(others[:cut] + root + others[cut:])
        index //= BRANCHES
    return StateProof(bucket, siblings), Hash(root)


@dataclass
class Sample:
    """Everything of one block; a test changes a part and signs all of it again."""

    height: int = 7
    epoch: int = 0
    version: int = 1
    chain_id: Hash = CHAIN
    validators: ValidatorSet = VALIDATORS
    next_validators: ValidatorSet = VALIDATORS
    execution_height: int = 7
    certificate_height: int = 7
    vote_epoch: int = 0
    phase: Phase = Phase.COMMIT
    signers: tuple[int, ...] = (0, 1, 3)
    voters: tuple[PrivateKey, ...] = (KEYS[0], KEYS[1], KEYS[2], KEYS[3])
    state_root: Hash = field(default_factory=lambda: make_state_proof(True)[1])
    event_first: tuple[int, ...] = (0, 1, 1, 3, 6)
    events: tuple[Event, ...] = tuple(EVENTS)

    @property
    def receipts(self) -> list[bytes]:
        return [
            RECEIPT.encode(
                Receipt(id_, "ok", "", 5, None, (1,), self.event_first[n], EVENT_COUNTS[n])
            )
            for n, id_ in enumerate(IDS)
        ]

    def make_block(self) -> ProvenBlock:
        header = Header(
            self.version, self.chain_id, self.height, 1_700_000_000_000, ZERO_HASH, ZERO_HASH,
            ZERO_HASH, KEYS[0].public_key, compute_transactions_root(IDS), len(IDS), ZERO_HASH,
            self.epoch, self.validators.hash, ZERO_HASH,
        )  # fmt: skip
        execution = ExecutionResult(
            self.execution_height, self.state_root, compute_receipts_root(self.receipts),
            compute_events_root([EVENT.encode(item) for item in self.events]), 25,
            self.next_validators.hash, ZERO_HASH,
        )  # fmt: skip
        block_hash, exec_hash = compute_header_hash(header), compute_execution_hash(execution)
        vote = compute_vote_bytes(
            self.phase, CHAIN, self.vote_epoch, self.certificate_height, 0, block_hash, exec_hash
        )
        certificate = Certificate(
            self.certificate_height, 0, block_hash, exec_hash, self.signers,
            tuple(self.voters[signer].sign(vote) for signer in self.signers),
        )  # fmt: skip
        assert HEADER.encode(header) and EXECUTION_RESULT.encode(execution)
        assert CERTIFICATE.encode(certificate)
        return ProvenBlock(header, execution, certificate, self.validators)

    def make_commit(self) -> dict[str, Any]:
        return render_commit(self.make_block())

    def make_transaction(self, index: int) -> dict[str, Any]:
        """Return the answer of tx_get with proof."""
        block, transaction = self.make_block(), TRANSACTIONS[index]
        body = transaction.body
        first = self.event_first[index]
        encoded = [EVENT.encode(item) for item in self.events]
        return {
            "id": to_hex(transaction.id),
            "height": self.height,
            "index": index,
            "blockHash": to_hex(block.block_hash),
            "timeMs": block.header.time_ms,
            "sender": to_hex(body.sender),
            "nonce": to_hex(body.nonce),
            "validUntil": body.valid_until,
            "gasLimit": body.gas_limit,
            "calls": [to_json_call(call) for call in body.calls],
            "encoded": to_hex(transaction.encoded),
            "receipt": {
                "transactionId": to_hex(transaction.id), "status": "ok", "code": "", "gas": 5,
                "failedCall": None, "values": [1], "eventFirst": first,
                "eventCount": EVENT_COUNTS[index],
            },
            "events": [
                self._make_event(place, encoded)
                for place in range(first, first + EVENT_COUNTS[index])
            ],
            "proof": {
                **render_proof(block),
                "transactionPath": to_json_path(compute_proof(IDS, index)),
                "transactionCount": len(IDS),
                "receiptEncoded": to_hex(self.receipts[index]),
                "receiptPath": to_json_path(compute_proof(self.receipts, index)),
                "eventCount": len(encoded),
            },
        }  # fmt: skip

    def _make_event(self, place: int, encoded: list[bytes]) -> dict[str, Any]:
        event = self.events[place]
        return {
            "transactionIndex": event.transaction_index,
            "contract": event.contract,
            "name": event.name,
            "fields": {},
            "values": [to_json_value(value) for value in event.values],
            "index": place,
            "encoded": to_hex(encoded[place]),
            "path": to_json_path(compute_proof(encoded, place)),
        }


def make_state(key: bytes, value: bytes | None, *, present: bool = True) -> dict[str, Any]:
    """Return the answer of state_get with proof."""
    proof, root = make_state_proof(present)
    return {
        "key": to_hex(key),
        "value": None if value is None else to_hex(value),
        "height": 7,
        "stateRoot": to_hex(root),
        "levels": LEVELS,
        "proof": {
            "bucket": to_hex(proof.bucket),
            "siblings": [to_hex(item) for item in proof.siblings],
            "encoded": to_hex(STATE_PROOF.encode(proof)),
        },
    }


def change(**values: Any) -> Sample:
    return replace(Sample(), **values)
