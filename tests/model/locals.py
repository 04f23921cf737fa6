"""One honest replica: the real ``Replica``, one macro step at a time, each computed once.

A *local* is a state of one replica: a real object, and what decides its future, read off it.
A macro step is an input that can change something together with what follows at once: the
body of an accepted block is here and executed, a leader that may propose does. Whatever may
also come later is a step of its own, so no order of deliveries is lost (see __main__.py).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from consensus.core import ReplicaConfig
from consensus.effects import Broadcast, Execute, FetchBody, RequestBlock, Send, TimerName
from consensus.messages import (
    EvidenceMessage,
    GetProposal,
    PrePrepare,
    ProposalMessage,
    ViewChangeMessage,
    Vote,
    decode_message,
    encode_message,
)
from consensus.normal import make_received_proposal
from consensus.recovery import recover
from consensus.replica import Replica
from consensus.signing import INITIAL_LAST_SIGNED
from consensus.viewchange import choose_prepared
from primitives.certificate import Certificate, Phase
from tests.model.words import CHAIN, NOW, Book, Label, Prepared, make_candidate


class ModelViolation(Exception):
    """A replica broke a rule by itself."""


@dataclass(frozen=True)
class Local:
    """``sent``: every label this replica ever said. The rest is what its next step hangs on."""

    number: int
    index: int
    view: int
    accepted: tuple[int, int] | None
    prepared: Prepared
    sent: frozenset[Label]
    replica: Replica

    def find_votes(self, kind: str) -> frozenset[tuple[int, int]]:
        """Return (view, block) of the PREPAREs ("P") or COMMITs ("C") it sent."""
        return frozenset((item[1], item[2]) for item in self.sent if item[0] == kind)  # type: ignore[misc]


class Locals:
    """All locals met, and the memory of each step from each."""

    def __init__(self, book: Book, replica_type: type[Replica], strict: bool) -> None:
        self.book, self._type, self._strict = book, replica_type, strict
        self.all: list[Local] = []
        self._known: dict[object, int] = {}
        self._steps: dict[tuple[int, Label], int] = {}
        self.calls = 0
        """Macro steps that the real core computed."""

    def start(self, index: int) -> int:
        """Return the first local of validator ``index``."""
        tip = self.book.tip
        config = ReplicaConfig(CHAIN, self.book.keys[index], check=self.book.check)
        replica = self._type(config, tip, recover(CHAIN, tip, [], INITIAL_LAST_SIGNED))
        replica.start(NOW)
        return self._keep(index, replica, frozenset())

    def step(self, number: int, name: Label) -> int:
        """Return the local after a step; the same number when it changes nothing."""
        key = (number, name)
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = self._compute(self.all[number], name)
        return known

    # -- one step of the real core -------------------------------------------------------------

    def _compute(self, local: Local, name: Label) -> int:
        self.calls += 1
        replica = clone(local.replica)
        said = settle(self.book, replica, self._get_call(replica, local, name))
        if self._strict:
            self._check(local, said)
        return self._keep(local.index, replica, local.sent | frozenset(said))

    def _get_call(self, replica: Replica, local: Local, name: Label) -> Callable[[], list[object]]:
        book, kind = self.book, name[0]
        if kind == "offer":
            return lambda: replica.offer(1, 0, make_candidate("fresh 0"), NOW)
        if kind == "timeout":
            return lambda: ring(replica)
        if kind == "accept":
            data = book.encode_pre_prepare(*name[1:])  # type: ignore[arg-type]
            return lambda: replica.receive(None, data, NOW)
        if kind == "prepares":
            others = [n for n in range(4) if n != local.index][: book.validators.quorum - 1]
            messages = [book.encode_vote(n, Phase.PREPARE, *name[1:]) for n in others]  # type: ignore[arg-type]
        else:
            view, claims = name[1], name[2]
            messages = [book.encode_view_change(n, view, prepared) for n, prepared in claims]  # type: ignore
        return lambda: [e for data in messages for e in replica.receive(None, data, NOW)]

    def _keep(self, index: int, replica: Replica, sent: frozenset[Label]) -> int:
        state = replica._state
        accepted = state.accepted and (
            state.accepted.view, self.book.get_number(state.accepted.block_hash)
        )  # fmt: skip
        prepared = read_prepared(self.book, state.prepared)
        is_leading = state.leading is not None
        last = replica._guard.last.place if replica._guard else None
        key = (index, state.view, accepted, prepared, is_leading, last, sent)
        number = self._known.setdefault(key, len(self.all))
        if number == len(self.all):
            self.all.append(Local(number, index, state.view, accepted, prepared, sent, replica))
        return number

    def _check(self, local: Local, said: list[Label]) -> None:
        """R1, and one vote for each place: what a replica must keep by itself."""
        sent = set(local.sent)
        for item in said:
            moved = max([0, *[other[1] for other in sent if other[0] == "V"]])  # type: ignore[type-var]
            if item[0] in "PC" and item[1] < moved:  # type: ignore[operator]
                raise ModelViolation(f"R1: {item} after a view change to {moved}")
            twice = [o for o in sent if o[:2] == item[:2] and o != item and o[0] != "N"]
            if twice:
                raise ModelViolation(f"two things at one place: {item} and {twice[0]}")
            if item[0] == "V" and item[2] != local.prepared:
                raise ModelViolation(f"{item} hides what was prepared: {local.prepared}")
            sent.add(item)


def ring(replica: Replica) -> list[object]:
    """Let the view's time be over, whenever that is."""
    replica._state.timer_at_ms = NOW
    return list(replica.expire(TimerName.VIEW, NOW))


def settle(
    book: Book, replica: Replica, call: Callable[[], list[object]], fresh: bool = True
) -> list[Label]:
    """Make the call and perform what follows from it at once; return what is said, in order."""
    said: list[Label] = []
    queue = [call]
    while queue:
        for effect in queue.pop(0)():
            if isinstance(effect, FetchBody):
                block = effect.proposal.block_hash
                queue.append(lambda block=block: replica.body_ready(block, NOW))
            elif isinstance(effect, Execute):
                number = book.add_block(effect.proposal)
                block, result = effect.proposal.block_hash, book.get_execution(number)
                queue.append(
                    lambda block=block, result=result: replica.executed(block, result, NOW)
                )
            elif isinstance(effect, Broadcast) and effect.relay:
                said += read(book, effect.data)
            elif isinstance(effect, RequestBlock) and effect.view and fresh:
                asked, candidate = effect, make_candidate(f"fresh {effect.view}")
                queue.append(
                    lambda asked=asked, candidate=candidate: replica.offer(
                        asked.height, asked.view, candidate, NOW
                    )
                )
            elif isinstance(effect, Send):
                question = decode_message(effect.data)
                if isinstance(question, GetProposal):
                    data = answer(book, question)
                    queue.append(lambda data=data: replica.receive(None, data, NOW))
    return said


def answer(book: Book, question: GetProposal) -> bytes:
    """Return the PROPOSAL that somebody has who prepared the block."""
    found = book.blocks[book.get_number(question.block_hash)]
    return encode_message(
        ProposalMessage(
            found.header, found.transaction_ids, found.evidence, found.parent_certificate
        )
    )


def read(book: Book, data: bytes) -> list[Label]:
    """Return the labels of a message that a replica broadcast."""
    message = decode_message(data)
    if isinstance(message, Vote):
        kind = "P" if message.phase == Phase.PREPARE else "C"
        return [(kind, message.view, book.get_number(message.block_hash))]
    if isinstance(message, ViewChangeMessage):
        item = message.view_change
        return [("V", item.view, read_prepared(book, item.prepared))]
    if isinstance(message, EvidenceMessage):
        return []  # it convicts the liar and changes nothing at this height
    assert isinstance(message, PrePrepare), message
    block = book.add_block(make_received_proposal(message))
    choice = read_prepared(book, choose_prepared(message.new_view))
    return [("N", message.view, block, choice), ("P", message.view, block)]


def read_prepared(book: Book, certificate: Certificate | None) -> Prepared:
    """Return (view, block) of a prepared certificate."""
    if certificate is None:
        return None
    return certificate.view, book.get_number(certificate.block_hash)


def clone(replica: Replica) -> Replica:
    """Return a copy that shares only what never changes."""
    state = replica._state
    shared = (replica._config, replica._verifier, state.rules)
    return copy.deepcopy(replica, {id(item): item for item in shared})
