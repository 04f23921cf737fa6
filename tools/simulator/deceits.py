"""More behaviours of liars: each takes aim at one guard that the first ones pass by.

Certificates that are padded, or of another epoch or chain; votes and proposals of other
views; wrong executions; old messages again; blocks that break one rule of the header.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consensus.messages import (
    GetProposal,
    Message,
    PrePrepare,
    ProposalMessage,
    Status,
    ViewChange,
    ViewChangeMessage,
    Vote,
    compute_signed_vote,
    decode_message,
)
from primitives import limits
from primitives.block import Header, compute_header_hash, compute_transactions_root
from primitives.certificate import Certificate, Phase, compute_certificate_hash
from primitives.errors import CodecError
from primitives.hashing import ZERO_HASH, Address, Hash, TransactionId
from tools.simulator.liar import Liar

ABROAD = Hash(b"\x5a" * 32)
"""Another chain with the same validators and keys."""
REPLAYED = 4
FLOOD_VIEWS = 60


def split_votes(liar: Liar, target: int, message: Message) -> list[Message]:
    """Votes for this block to one half of the others, and for the last one it knew to the rest."""
    if not isinstance(message, Vote) or message.signer != liar.me:
        return [message]
    if message.phase not in set(Phase):  # another lie of its own changed it
        return [message]
    if not liar.is_chosen(target, message.height, message.view):
        return [message]
    others = [item for item in liar.state.proposals if item != message.block_hash]
    other = others[-1] if others else Hash(bytes(31) + bytes((message.view % 256,)))
    return [liar.make_vote(Phase(message.phase), message.view, other)]


def travel(liar: Liar, target: int, message: Message) -> list[Message]:
    """Says everything in stale and in future views and heights as well."""
    step = liar.rng.choice((-1, 1, 2, limits.VIEW_AHEAD_MAX, limits.VIEW_AHEAD_MAX + 1))
    if isinstance(message, Vote) and message.signer == liar.me:
        elsewhen = replace(message, view=max(message.view + step, 0))
        early = replace(message, height=message.height + liar.rng.choice((-1, 1)))
        return [message, liar.sign_vote(elsewhen), liar.sign_vote(early)]
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        item = message.view_change
        elsewhen_item = replace(item, view=max(item.view + step, 1))
        return [message, replace(message, view_change=liar.sign_view_change(elsewhen_item))]
    if isinstance(message, PrePrepare) and liar.rng.random() < 0.5:
        view = max(message.view + step, 0)
        return [message, _sign_proposal(liar, replace(message, view=view))]
    return [message]


def _sign_proposal(liar: Liar, message: PrePrepare) -> PrePrepare:
    hashed = compute_header_hash(message.header)
    vote = Vote(int(Phase.PREPARE), message.height, message.view, hashed, ZERO_HASH, liar.me, b"")
    return replace(message, signature=liar.sign_vote(vote).signature)


# -- certificates -----------------------------------------------------------------------------


def pad(liar: Liar, target: int, message: Message) -> list[Message]:
    """Pads certificates: valid ones with junk, and too few votes with copies of one."""
    if isinstance(message, Status):
        claimed = _pad_votes(liar, Phase.COMMIT) if liar.rng.random() < 0.7 else None
        if claimed is not None:
            return [replace(message, height=claimed.height + 1, certificate=claimed)]
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        padded = _pad_votes(liar, Phase.PREPARE)
        item = message.view_change
        if padded is not None and padded.view < item.view:
            lie = liar.sign_view_change(replace(item, prepared=padded))
            return [replace(message, view_change=lie)]
    certificate = getattr(message, "certificate", None)
    if certificate is None or liar.rng.random() < 0.5:
        return [message]
    return [_replace_certificate(message, pad_certificate(liar, certificate))]


def pad_certificate(liar: Liar, certificate: Certificate) -> Certificate:
    """Return a valid certificate with something too much, or with a copy for a signature."""
    signers, signatures = certificate.signers, certificate.signatures
    kind = liar.rng.randrange(4)
    if kind == 0:
        signers, signatures = (*signers, signers[-1]), (*signatures, signatures[-1])
    elif kind == 1:
        strangers = len(liar.rules.validators.members) + liar.rng.randrange(2)
        signers, signatures = (*signers, strangers), (*signatures, bytes(64))
    elif kind == 2:
        signers = (signers[0], *signers[:-1])
        signatures = (signatures[0], *signatures[:-1])
    else:
        signers, signatures = signers[:-1], signatures[:-1]
    return replace(certificate, signers=signers, signatures=signatures)


def _pad_votes(liar: Liar, phase: Phase) -> Certificate | None:
    """Of the votes we hold: one fewer than a quorum needs, or less, filled up with copies."""
    quorum = liar.rules.validators.quorum
    for view in liar.state.votes.get_views(phase):
        for (block_hash, exec_hash), votes in liar.state.votes.get_groups(view, phase).items():
            chosen = votes[: quorum - 1]
            copies = [chosen[-1]] * (quorum - len(chosen))
            padded = sorted([*chosen, *copies], key=lambda vote: vote.signer)
            return Certificate(
                liar.rules.height, view, block_hash, exec_hash,
                tuple(vote.signer for vote in padded), tuple(vote.signature for vote in padded),
            )  # fmt: skip
    return None


def _replace_certificate(message: Message, certificate: Certificate) -> Message:
    if isinstance(message, Status):
        return replace(message, height=certificate.height + 1, certificate=certificate)
    if isinstance(message, PrePrepare | ViewChangeMessage | ProposalMessage):
        return replace(message, certificate=certificate)
    return message


def be_foreign(liar: Liar, target: int, message: Message) -> list[Message]:
    """Shows certificates of another epoch and of another chain, and signs for both."""
    if isinstance(message, Vote) and message.signer == liar.me:
        epoch = liar.rules.epoch + liar.rng.choice((-1, 1))
        if epoch < 0 or liar.rng.random() < 0.5:
            return [liar.sign_vote(message, chain_id=ABROAD), message]
        return [liar.sign_vote(message, epoch=epoch), message]
    if isinstance(message, Status):
        return [_replace_certificate(message, _find_foreign(liar, Phase.COMMIT, liar.state.view))]
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        item = message.view_change
        prepared = replace(_find_foreign(liar, Phase.PREPARE, item.view - 1), height=item.height)
        lie = liar.sign_view_change(replace(item, prepared=prepared))
        return [replace(message, view_change=lie)]
    if isinstance(message, PrePrepare) and liar.rng.random() < 0.5:
        return [_replace_certificate(message, _find_foreign(liar, Phase.COMMIT, 0))]
    return [message]


def _find_foreign(liar: Liar, phase: Phase, view: int) -> Certificate:
    """An old certificate under a new height, or a whole one of the other chain."""
    rules, blocks = liar.rules, liar.node.disk.blocks
    if blocks and liar.rng.random() < 0.4:
        _, old, _ = blocks[liar.rng.randrange(len(blocks))]
        return replace(old, height=liar.rng.choice((old.height, rules.height)))
    block_hash = liar.state.accepted.block_hash if liar.state.accepted else Hash(bytes(32))
    executed = liar.compute_exec(block_hash) if phase is Phase.COMMIT else ZERO_HASH
    height = rules.height + liar.rng.choice((0, 0, 0, 1, 7))
    members = rules.validators.members[: rules.validators.quorum]
    votes = []
    for signer, member in enumerate(members):
        vote = Vote(int(phase), height, view, block_hash, executed, signer, b"")
        owner = liar.world.get_node_index(member.public_key)
        signed = compute_signed_vote(vote, ABROAD, rules.epoch)
        votes.append(replace(vote, signature=liar.world.sign_abroad(owner, signed)))
    signatures = tuple(vote.signature for vote in votes)
    return Certificate(height, view, block_hash, executed, tuple(range(len(votes))), signatures)


# -- executions, heights, views ------------------------------------------------------------------


def miscompute(liar: Liar, target: int, message: Message) -> list[Message]:
    """COMMITs to another execution, towards some or towards all."""
    if not isinstance(message, Vote) or message.signer != liar.me:
        return [message]
    if message.phase != Phase.COMMIT or not liar.is_chosen(target, message.height, message.view):
        return [message]
    wrong = Hash(bytes(byte ^ 0xFF for byte in message.exec_hash))
    return [liar.sign_vote(replace(message, exec_hash=wrong))]


def claim_heights(liar: Liar, target: int, message: Message) -> list[Message]:
    """Claims heights far ahead, under no proof, an old one, or one that it made up."""
    if not isinstance(message, Status):
        return [message]
    ahead = message.height + liar.rng.choice((1, 2, 3, 1_000))
    kind = liar.rng.randrange(3)
    if kind == 0 or message.certificate is None:
        return [replace(message, height=ahead)]
    if kind == 1:
        return [replace(message, height=ahead, certificate=None)]
    made_up = replace(message.certificate, height=ahead - 1)
    return [replace(message, height=ahead, certificate=made_up)]


def flood_views(liar: Liar, target: int, message: Message) -> list[Message]:
    """Votes for this height in more views than anybody keeps, and leaves them all."""
    if not isinstance(message, Status) or message.height != liar.rules.height:
        return [message]
    first = liar.rng.randrange(limits.VIEW_AHEAD_MAX - FLOOD_VIEWS)
    votes = [
        liar.sign_vote(
            Vote(int(phase), message.height, view, Hash(bytes(32)), ZERO_HASH, liar.me, b"")
        )
        for view in range(first, first + FLOOD_VIEWS)
        for phase in (Phase.PREPARE, Phase.COMMIT)
    ]
    leave = liar.sign_view_change(ViewChange(message.height, first + 1, None, liar.me, b""))
    return [message, *votes, ViewChangeMessage(leave, message.certificate)]


def replay(liar: Liar, target: int, message: Message) -> list[Message]:
    """Says again what it heard before, whoever said it, and some of it as its own."""
    if not isinstance(message, Status) or not liar.heard:
        return [message]
    told: list[Message] = []
    for _ in range(REPLAYED):
        try:
            old = decode_message(liar.heard[liar.rng.randrange(len(liar.heard))])
        except CodecError:
            continue  # another liar's garbage
        told.append(old)
        if isinstance(old, Vote) and liar.rng.random() < 0.5:
            told.append(liar.sign_vote(replace(old, signer=liar.me)))
    return [*told, message]


def choose_silence(liar: Liar, target: int, message: Message) -> list[Message]:
    """Keeps one kind of message from one half, another kind from another half."""
    kind = len(type(message).__name__) + int(getattr(message, "phase", 0))
    return [] if liar.is_chosen(target, liar.rules.height, -kind) else [message]


def keep_proposals(liar: Liar, target: int, message: Message) -> list[Message]:
    """Proposes and never answers for it: no header, no ids, no body (see ``withholder``)."""
    return [] if isinstance(message, ProposalMessage | GetProposal) else [message]


# -- proposals that break one rule -----------------------------------------------------------------


def quibble(liar: Liar, target: int, message: Message) -> list[Message]:
    """Breaks one rule of a proposal or of a view change, signed as it should be."""
    if isinstance(message, PrePrepare) and liar.rng.random() < 0.6:
        return [_quibble_proposal(liar, message)]
    if isinstance(message, ProposalMessage):
        return [replace(message, transaction_ids=(*message.transaction_ids, TransactionId(ABROAD)))]
    if isinstance(message, ViewChangeMessage) and message.view_change.signer == liar.me:
        item = message.view_change
        prepared = item.prepared
        if prepared is None:
            block_hash = Hash(bytes(32))
            prepared = Certificate(item.height, item.view, block_hash, ZERO_HASH, (0,), (b"",))
            prepared = replace(prepared, signatures=(bytes(64),))
        spoiled = liar.rng.choice((
            replace(prepared, exec_hash=Hash(b"\x01" * 32), view=max(item.view - 1, 0)),
            replace(prepared, view=item.view),
            replace(prepared, height=prepared.height + 1),
        ))  # fmt: skip
        lie = liar.sign_view_change(replace(item, prepared=spoiled))
        return [replace(message, view_change=lie)]
    return [message]


def _quibble_proposal(liar: Liar, message: PrePrepare) -> PrePrepare:
    rules, header, ids = liar.rules, message.header, message.transaction_ids
    spoilt = ids[:1] or (TransactionId(bytes(32)),)
    members = rules.validators.members
    others: list[Callable[[], Header]] = [
        lambda: replace(header, time_ms=rules.tip.time_ms),
        lambda: replace(header, proposer=members[(liar.me + 1) % len(members)].public_key),
        lambda: replace(header, proposer=Address(ABROAD)),
        lambda: replace(header, time_ms=header.time_ms + 1),
    ]
    kind = liar.rng.randrange(len(others) + 5)
    if kind < len(others):
        message = replace(message, header=others[kind]())
    elif kind == len(others):
        twice = (*ids, *spoilt, *spoilt)
        root = compute_transactions_root(twice)
        changed = replace(header, txs_root=root, tx_count=len(twice))
        message = replace(message, header=changed, transaction_ids=twice)
    elif kind == len(others) + 1:
        changed = replace(header, prev_cert_hash=compute_certificate_hash(None))
        message = replace(message, header=changed, certificate=None)
    else:
        message = _quibble_new_view(liar, message, kind - len(others) - 2)
    return _sign_proposal(liar, message)


def _quibble_new_view(liar: Liar, message: PrePrepare, kind: int) -> PrePrepare:
    """Spoil the proof of a new view; or give view 0 one."""
    proof = message.new_view
    mine = liar.sign_view_change(ViewChange(message.height, message.view + 1, None, liar.me, b""))
    if not proof or kind == 0:
        return replace(message, new_view=(*proof[:-1], mine))
    return replace(message, new_view=proof[::-1] if kind == 1 else (*proof[:-1], proof[0]))
