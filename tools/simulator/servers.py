"""Liars that lie where blocks, bodies and transactions are asked for and proposed.

``SERVERS`` rewrite what leaves for a question; ``FILLERS`` fill the pool before a proposal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consensus.effects import Proposal
from primitives.certificate import Certificate
from primitives.hashing import Hash, TransactionId
from tools.simulator.host import Tamper, Written
from tools.simulator.liar import Liar
from tools.simulator.mutator import change

ANSWERS = frozenset({"blocks", "body", "transaction"})


def make_withholding(liar: Liar) -> Tamper:
    """Answers nobody, and hands on no transaction."""

    def tamper(target: int, kind: str, payload: object) -> list[object]:
        if kind not in ANSWERS:
            return [payload]
        _count(liar, f"withheld {kind}")
        return []

    return tamper


def make_false_answers(liar: Liar) -> Tamper:
    """Answers with other bodies and with blocks in which one thing is changed."""

    def tamper(target: int, kind: str, payload: object) -> list[object]:
        if liar.rng.random() < 0.3 or not isinstance(payload, tuple):
            return [payload]
        if kind == "body":
            block_hash, ids = payload
            _count(liar, "false body")
            return [(block_hash, (*ids, TransactionId(bytes(32)))), payload]
        if kind == "blocks":
            _count(liar, "false blocks")
            return [_spoil(liar, payload)]
        return [payload]

    return tamper


def _spoil(liar: Liar, blocks: tuple[Written, ...]) -> tuple[Written, ...]:
    place = liar.rng.randrange(len(blocks))
    spoilt = list(blocks)
    spoilt[place] = _spoil_one(liar, *blocks[place])
    return tuple(spoilt)


def _spoil_one(liar: Liar, proposal: Proposal, certificate: Certificate, executed: Hash) -> Written:
    kind = liar.rng.randrange(4)
    if kind == 0:
        return proposal, change(liar.rng, certificate), executed
    if kind == 1:
        return replace(proposal, header=change(liar.rng, proposal.header)), certificate, executed
    if kind == 2:
        # A block of ours under another's certificate.
        other = replace(proposal, block_hash=Hash(bytes(32)))
        return other, certificate, executed
    ids = (*proposal.transaction_ids, TransactionId(bytes(32)))
    return replace(proposal, transaction_ids=ids), certificate, executed


def add_hidden(liar: Liar) -> None:
    """Before we propose: a transaction that nobody else will ever see."""
    liar.node.pool[TransactionId(liar.rng.randbytes(32))] = None


def add_final(liar: Liar) -> None:
    """Before we propose: transactions that are final already, first of all."""
    final = list(liar.node.committed)[-3:]
    if final and liar.rng.random() < 0.7:
        _count(liar, "final transaction proposed again")
        liar.node.pool = dict.fromkeys([*final, *liar.node.pool])


def _count(liar: Liar, name: str) -> None:
    if liar.world.coverage is not None:
        liar.world.coverage.count("lie", name)


SERVERS: dict[str, Callable[[Liar], Tamper]] = {
    "withholder": make_withholding,
    "false-server": make_false_answers,
}
FILLERS: dict[str, Callable[[Liar], None]] = {"withholder": add_hidden, "repeater": add_final}
