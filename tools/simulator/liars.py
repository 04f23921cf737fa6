"""Byzantine behaviours, composable, on top of the real replica.

A liar runs the honest code and lies at its border: what leaves for each target is
rewritten, doubled or dropped. It signs anything with its own key, and with no other.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

from consensus.effects import Effect, RequestBlock
from consensus.messages import Message, PrePrepare, Status, ViewChange, ViewChangeMessage, Vote
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, Phase
from primitives.hashing import ZERO_HASH, Hash
from tools.simulator.deceits import (
    be_foreign,
    choose_silence,
    claim_heights,
    flood_views,
    keep_proposals,
    miscompute,
    pad,
    quibble,
    replay,
    split_votes,
    travel,
)
from tools.simulator.liar import Behaviour, Liar, LiarWorld
from tools.simulator.mutator import flood, mutate
from tools.simulator.node import SimNode
from tools.simulator.servers import FILLERS, SERVERS


def _silent(liar: Liar, target: int, message: Message) -> list[Message]:
    return []


def _selective(liar: Liar, target: int, message: Message) -> list[Message]:
    """Talks to some only, others each view."""
    view = getattr(message, "view", 0)
    return [message] if liar.is_chosen(target, liar.rules.height, view) else []


def _equivocator(liar: Liar, target: int, message: Message) -> list[Message]:
    """Proposes and votes one block to one half and a twin of it to the other."""
    if isinstance(message, PrePrepare) and liar.is_chosen(target, message.height, message.view):
        twin = replace(message.header, time_ms=message.header.time_ms + 1)
        vote = liar.make_vote(Phase.PREPARE, message.view, compute_header_hash(twin))
        return [replace(message, header=twin, signature=vote.signature)]
    if isinstance(message, Vote) and message.signer == liar.me and message.phase in set(Phase):
        accepted = liar.node.replica.describe(0).proposal
        chosen = liar.is_chosen(target, message.height, message.view)
        if accepted is not None and chosen:
            state = liar.state
            proposal = state.proposals.get(message.block_hash)
            if proposal is not None:
                twin = replace(proposal.header, time_ms=proposal.header.time_ms + 1)
                phase = Phase(message.phase)
                return [liar.make_vote(phase, message.view, compute_header_hash(twin))]
    return [message]


def _double_voter(liar: Liar, target: int, message: Message) -> list[Message]:
    """Votes twice, for different things, and says everything three times."""
    if not isinstance(message, Vote) or message.signer != liar.me:
        return [message]
    other = Hash(hashlib.sha256(message.block_hash).digest())
    second = liar.sign_vote(replace(message, block_hash=other))
    if liar.is_chosen(target, message.height, message.view):
        return [second, message, second, message]
    return [message, message, message, second]


def _eager(liar: Liar, target: int, message: Message) -> list[Message]:
    """Commits to whatever it sees, and denies having prepared anything."""
    if isinstance(message, Vote) and message.phase == Phase.PREPARE and message.signer == liar.me:
        return [message, liar.make_vote(Phase.COMMIT, message.view, message.block_hash)]
    if isinstance(message, PrePrepare):
        block_hash = compute_header_hash(message.header)
        return [message, liar.make_vote(Phase.COMMIT, message.view, block_hash)]
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        denial = liar.sign_view_change(replace(message.view_change, prepared=None))
        return [replace(message, view_change=denial)]
    return [message]


def _forge_certificate(liar: Liar, block_hash: Hash, view: int) -> Certificate:
    """A certificate of nothing but our own signature: repeated, renamed or with junk."""
    rules, quorum = liar.rules, liar.rules.validators.quorum
    vote = liar.make_vote(Phase.COMMIT, view, block_hash)
    kind = liar.rng.randrange(3)
    signers = (liar.me,) * quorum if kind == 0 else tuple(range(quorum))
    signatures = (vote.signature,) * quorum if kind < 2 else (bytes(64),) * quorum
    return Certificate(rules.height, view, block_hash, vote.exec_hash, signers, signatures)


def _forger(liar: Liar, target: int, message: Message) -> list[Message]:
    """Adds forged certificates, forged votes of others and forged prepared certificates."""
    state = liar.state
    block_hash = state.accepted.block_hash if state.accepted else Hash(liar.rng.randbytes(32))
    if isinstance(message, Status):
        forged = _forge_certificate(liar, block_hash, state.view)
        return [replace(message, height=forged.height + 1, certificate=forged)]
    if isinstance(message, Vote) and message.signer == liar.me:
        victim = (liar.me + 1) % len(liar.rules.validators.members)
        other = Hash(liar.rng.randbytes(32))
        return [message, replace(message, signer=victim, block_hash=other)]
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        item = message.view_change
        forged = _forge_certificate(liar, block_hash, item.view - 1)
        prepared = replace(forged, exec_hash=ZERO_HASH)
        lie = liar.sign_view_change(replace(item, prepared=prepared))
        return [replace(message, view_change=lie)]
    return [message]


def _huge_view(liar: Liar, target: int, message: Message) -> list[Message]:
    """Claims views far away."""
    if not isinstance(message, Status) or message.height != liar.rules.height:
        return [message]
    far = ((1 << 31) - message.view, (1 << 32) - 1 - message.view)
    view = message.view + liar.rng.choice((1, 2, 7, 999, 1_000, 1_001, *far))
    lie = liar.sign_view_change(ViewChange(message.height, view, None, liar.me, b""))
    return [replace(message, view=view), ViewChangeMessage(lie, message.certificate)]


def _lying_status(liar: Liar, target: int, message: Message) -> list[Message]:
    """Claims heights without proof, and to have or lack everything."""
    if not isinstance(message, Status):
        return [message]
    if liar.rng.random() < 0.5:
        return [replace(message, height=message.height + liar.rng.choice((1, 1_000)))]
    full = (1 << 100) - 1 if liar.rng.random() < 0.5 else 0
    return [
        replace(message, prepares=full, commits=full, view_changes=full, has_proposal=bool(full))
    ]


def _confidant(liar: Liar, target: int, message: Message) -> list[Message]:
    """Makes one replica the only one that knows what is final, and keeps the block from it.

    Its COMMIT goes to that one alone, its proposal to everyone else, and no VIEW-CHANGE of
    its own to anybody: the others can finish only with what the one knows.
    """
    others = [n for n in range(len(liar.rules.validators.members)) if n != liar.node.index]
    is_friend = target == others[liar.rules.height % len(others)]
    if isinstance(message, PrePrepare):
        return [] if is_friend else [message]
    if isinstance(message, Vote):
        return [message] if is_friend or message.phase == Phase.PREPARE else []
    return [] if isinstance(message, ViewChangeMessage) else [message]


def _forker(liar: Liar, target: int, message: Message) -> list[Message]:
    """Lets one replica finish in view 0, unseen, and helps the others to forget it.

    The profile keeps the one from being heard. Whoever then leads a later view is told that
    nothing was prepared; only a rule that no honest replica breaks stands against a fork.
    """
    is_friend = target == (liar.node.index + 1) % len(liar.rules.validators.members)
    if isinstance(message, Vote) and message.phase == Phase.COMMIT:
        return [message] if is_friend == (message.view == 0) else []
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        denial = liar.sign_view_change(replace(message.view_change, prepared=None))
        return [] if is_friend else [replace(message, view_change=denial)]
    return [message]


def _honest_words(liar: Liar, target: int, message: Message) -> list[Message]:
    return [message]


BEHAVIOURS: dict[str, Behaviour] = {
    "silent": _silent,
    "selective": _selective,
    "equivocator": _equivocator,
    "double-voter": _double_voter,
    "eager": _eager,
    "forger": _forger,
    "huge-view": _huge_view,
    "lying-status": _lying_status,
    "withholder": keep_proposals,
    "confidant": _confidant,
    "forker": _forker,
    "twins": _honest_words,
    "mutator": mutate,
    "flooder": flood,
    "garbler": _honest_words,
    "vote-splitter": split_votes,
    "time-traveller": travel,
    "padder": pad,
    "foreigner": be_foreign,
    "miscomputer": miscompute,
    "height-claimer": claim_heights,
    "view-flooder": flood_views,
    "replayer": replay,
    "choosy": choose_silence,
    "quibbler": quibble,
    "repeater": _honest_words,
    "false-server": _honest_words,
}
"""Name to what it does to each consensus message; some lie elsewhere (make_liar)."""


def make_liar(world: LiarWorld, node: SimNode, names: Sequence[str], rng: random.Random) -> None:
    """Turn ``node`` into a liar with these behaviours."""
    liar = Liar(world, node, {name: BEHAVIOURS[name] for name in names}, rng)
    node.outgoing = liar.rewrite
    node.hear = liar.heard.append
    servers = [make_answers for name, make_answers in SERVERS.items() if name in names]
    if servers:
        node.tamper = servers[0](liar)
    fillers = [fill for name, fill in FILLERS.items() if name in names]
    if fillers:

        def before(effect: Effect) -> None:
            if isinstance(effect, RequestBlock):
                for fill in fillers:
                    fill(liar)

        node.on_effect = before
