"""Liars that change any field of what they say and sign it again.

The other liars know what they want; these find what nobody thought of. Every field of every
message can change, in nested values as well, so each check of a received message is met.
"""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol

from consensus.evidence import make_evidence
from consensus.messages import (
    EvidenceMessage,
    Message,
    PrePrepare,
    Status,
    ViewChange,
    ViewChangeMessage,
    Vote,
    encode_message,
)
from consensus.rules import HeightRules
from primitives.block import compute_header_hash, compute_transactions_root
from primitives.certificate import Phase
from primitives.errors import CodecError
from primitives.evidence import EVIDENCE
from primitives.hashing import ZERO_HASH, Hash

FLOOD = 530
"""More votes of the next height than anybody keeps for a link."""


class Forge(Protocol):
    """What a mutating liar needs of itself."""

    rng: random.Random

    @property
    def rules(self) -> HeightRules:
        """The rules of the height that its store is at."""
        ...

    @property
    def me(self) -> int:
        """Its index in the set."""
        ...

    def sign_vote(self, vote: Vote) -> Vote:
        """Return the vote signed by it."""
        ...

    def sign_view_change(self, item: ViewChange) -> ViewChange:
        """Return the view change signed by it."""
        ...


def change(rng: random.Random, value: Any) -> Any:
    """Return the value with one thing in it changed; the type stays."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return type(value)(rng.choice((0, value + 1, max(value - 1, 0), value + 1_000, 1 << 31)))
    if isinstance(value, bytes) and value:
        place = rng.randrange(len(value))
        return value[:place] + bytes((value[place] ^ 1 << rng.randrange(8),)) + value[place + 1 :]
    if isinstance(value, tuple) and value:
        place = rng.randrange(len(value))
        touched = (*value[:place], change(rng, value[place]), *value[place + 1 :])
        return rng.choice(((), value[:-1], value[::-1], value + value[:1], touched, touched))
    if is_dataclass(value) and not isinstance(value, type):
        name = rng.choice([field.name for field in fields(value)])
        return replace(value, **{name: change(rng, getattr(value, name))})
    return value


def mutate(liar: Forge, target: int, message: Message) -> list[Message]:
    """Say the message, a changed one, or both, in any order."""
    rng = liar.rng
    if rng.random() < 0.4:
        return [message]
    changed = [_sign(liar, change(rng, message))]
    if isinstance(message, Vote) and rng.random() < 0.3:
        changed += _make_evidence(liar, message)
    changed = [item for item in changed if _is_encodable(item)]
    if rng.random() < 0.5:
        changed.insert(rng.randrange(len(changed) + 1), message)
    return changed


def flood(liar: Forge, target: int, message: Message) -> list[Message]:
    """Adds more votes for the next height than anybody keeps."""
    if not isinstance(message, Status) or liar.rng.random() < 0.9:
        return [message]
    height, phase = liar.rules.height + 1, int(Phase.PREPARE)
    votes = [
        liar.sign_vote(Vote(phase, height, view, Hash(bytes(32)), ZERO_HASH, liar.me, b""))
        for view in range(FLOOD)
    ]
    return [message, *votes]


def garble(rng: random.Random, data: bytes) -> bytes:
    """Return bytes that are no message, most of the time."""
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        return data + rng.randbytes(3)
    return bytes(change(rng, data))


def _sign(liar: Forge, message: Message) -> Message:
    """Sign anew, most of the time, and make a proposal's header fit its ids."""
    if liar.rng.random() < 0.2:
        return message
    if isinstance(message, Vote):
        return liar.sign_vote(message) if message.phase in set(Phase) else message
    if isinstance(message, ViewChangeMessage):
        return replace(message, view_change=liar.sign_view_change(message.view_change))
    if isinstance(message, PrePrepare):
        ids = message.transaction_ids
        if liar.rng.random() < 0.5:
            root = compute_transactions_root(ids)
            header = replace(message.header, txs_root=root, tx_count=len(ids))
            message = replace(message, header=header)
        try:
            hashed = compute_header_hash(message.header)
        except CodecError:
            return message
        vote = Vote(
            int(Phase.PREPARE), message.height, message.view, hashed, ZERO_HASH, liar.me, b""
        )
        return replace(message, signature=liar.sign_vote(vote).signature)
    return message


def _make_evidence(liar: Forge, vote: Vote) -> list[Message]:
    """Evidence against ourselves that is not quite in order."""
    rng, rules = liar.rng, liar.rules
    if vote.signer != liar.me or vote.height != rules.height:
        return []
    other = liar.sign_vote(replace(vote, block_hash=Hash(rng.randbytes(32))))
    if rng.random() < 0.2:
        other = replace(vote, signature=change(rng, vote.signature))
    evidence = EVIDENCE.decode(make_evidence(vote, other, rules.epoch, rules.validators))
    kind = rng.randrange(4)
    if kind == 0:
        evidence = replace(evidence, first=evidence.second, second=evidence.first)
    elif kind == 1:
        evidence = change(rng, evidence)
    try:
        return [EvidenceMessage(EVIDENCE.encode(evidence))]
    except CodecError:
        return []


def _is_encodable(message: Message) -> bool:
    try:
        encode_message(message)
    except CodecError:
        return False
    return True
