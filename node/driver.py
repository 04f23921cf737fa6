"""Drives consensus: feeds the replica and performs its effects, strictly in order.

One owner task. Messages of peers and our own answers (a body is ready, a block was
executed, a timer rang) wait in the inbox.
What a Persist names is on disk before anything after it in the list happens. A disk or
memory that fails stops the node: a broken machine must not vote.
Source: consensus/README.md, "The driver's contract".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import NoReturn

from consensus.description import Description
from consensus.effects import (
    Accuse,
    Behind,
    Broadcast,
    CancelTimer,
    Commit,
    CommittedTip,
    Effect,
    Execute,
    FetchBody,
    Grade,
    Halt,
    Persist,
    Proposal,
    Reject,
    RequestBlock,
    Send,
    SetTimer,
    TimerName,
)
from consensus.replica import Replica
from node.bodies import Bodies, Body, BodyRefusal
from node.catchup import FetchedBlock
from node.clock import Clock
from node.committer import Committer, DivergenceError
from node.execution import Executed, ExecutionError
from node.inbox import Import, Inbox, Message
from node.journal import Journal
from node.links import Links
from node.logs import log_event
from node.metrics import Metrics
from node.proposer import Proposer
from node.versions import SUPPORTED, Versions, check_versions
from node.viewlog import HeightViews, ViewLog
from p2p.peers import Offence
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.errors import CarbonodeError
from primitives.hashing import Address, Hash

EXECUTED_MAX = 8
"""Results kept for blocks of one height: one for each recent view."""
INPUTS_PER_TURN = 64
"""Inputs handled before other tasks of the loop get a turn."""

_OFFENCES = {Grade.FORGED: Offence.BAD_SIGNATURE, Grade.MALFORMED: Offence.PROTOCOL}
_log = logging.getLogger("carbonode.driver")

OnBehind = Callable[[Behind], None]


class HaltError(CarbonodeError):
    """This node computed something else than a quorum: it must not serve anything."""

    code = "halted"


class Driver:
    """See the module. ``run`` owns the replica; other methods only leave inputs."""

    def __init__(
        self,
        replica: Replica,
        journal: Journal,
        committer: Committer,
        bodies: Bodies,
        proposer: Proposer,
        links: Links,
        clock: Clock,
        metrics: Metrics,
        versions: Versions = SUPPORTED,
    ) -> None:
        self._replica = replica
        self._journal = journal
        self._committer = committer
        self._bodies = bodies
        self._proposer = proposer
        self._links = links
        self._clock = clock
        self._metrics = metrics
        self._versions = versions
        self._on_behind: OnBehind | None = None
        self._inbox = Inbox()
        self._timers: dict[TimerName, asyncio.TimerHandle] = {}
        self._offer_timer: asyncio.TimerHandle | None = None
        self._executed: dict[Hash, Executed] = {}
        self._running: dict[tuple[str, Hash], asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._seen_at_s = 0.0
        self._views = ViewLog(metrics)

    def attach(self, on_behind: OnBehind) -> None:
        """Name who fetches blocks when consensus says that we are behind."""
        self._on_behind = on_behind

    # -- inputs

    def on_message(self, peer: Address, data: bytes, item_id: Hash | None) -> bool:
        """Leave a consensus message; False when there is no room."""
        return self._inbox.put_message(Message(peer, data, item_id))

    def on_transactions(self) -> None:
        """The pool holds something new."""
        self._proposer.note_transactions(self._clock.now_ms())
        self._inbox.put_input(self._replica.transactions_waiting)
        self._schedule_offer()

    async def import_block(self, fetched: FetchedBlock) -> None:
        """Execute and commit a block that sync fetched; its certificate was verified.

        Returns when that is done, or when the block was not the next one any more. That
        our execution differs from what the quorum signed stops the node.
        """
        await self._inbox.put_import(fetched)

    def describe(self) -> Description:
        """Return what consensus is doing; takes no lock and waits for nothing."""
        return self._replica.describe(self._clock.now_ms())

    def get_passed_views(self, count: int) -> list[HeightViews]:
        """Return the last heights that needed more than one view, latest first."""
        return self._views.get_last(count)

    # -- the owner task

    async def run(self) -> None:
        """Own the replica until cancelled; raises what stops the node."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await self._perform(self._replica.start(self._clock.now_ms()))
                while True:
                    await self._inbox.wait()
                    await self._drain()
        finally:
            self._cancel_all()

    async def _drain(self) -> None:
        """Handle what waits; other tasks of the loop get a turn now and then."""
        for _ in range(INPUTS_PER_TURN):
            match self._inbox.take():
                case None:
                    return
                case Message() as message:
                    await self._receive(message)
                case Import() as item:
                    await self._import(item)
                case tell:
                    await self._perform(tell(self._clock.now_ms()))
        await asyncio.sleep(0)

    async def _receive(self, message: Message) -> None:
        effects = self._replica.receive(message.peer, message.data, self._clock.now_ms())
        if message.item_id is not None:
            refusal = next((item for item in effects if isinstance(item, Reject)), None)
            if refusal is None:
                self._links.judge(message.item_id, True, None, "")
            else:
                offence = _OFFENCES.get(refusal.grade)
                self._links.judge(message.item_id, False, offence, refusal.reason)
        await self._perform(effects, is_judged=message.item_id is not None)

    async def _perform(self, effects: Sequence[Effect], *, is_judged: bool = False) -> None:
        """Perform the effects in order; a commit ends in the replica's ``caught_up``."""
        self._views.see(self._replica.departures)
        has_moved = False
        for effect in effects:
            if isinstance(effect, Persist):
                await self._persist(effect)
            elif isinstance(effect, Commit):
                has_moved = await self._commit(effect) or has_moved
            elif isinstance(effect, Reject):
                self._reject(effect, is_judged)
            else:
                self._perform_at_once(effect)
        if has_moved:
            await self._catch_up()

    def _perform_at_once(self, effect: Effect) -> None:
        """Effects that only send or start something."""
        match effect:
            case Broadcast():
                self._links.broadcast(effect.data, effect.relay)
            case Send():
                self._links.send(effect.peer, effect.data)
            case SetTimer():
                self._set_timer(effect)
            case CancelTimer():
                self._cancel_timer(effect.name)
            case RequestBlock():
                self._proposer.note_request(effect)
                self._schedule_offer()
            case FetchBody():
                self._fetch(effect)
            case Execute():
                self._start_execution(effect.proposal)
            case Accuse():
                self._accuse(effect)
            case Behind():
                if self._on_behind is not None:
                    self._on_behind(effect)
            case Halt():
                self._halt(effect)
            case _:
                raise CarbonodeError("unknown effect", effect=type(effect).__name__)

    # -- effects

    async def _persist(self, effect: Persist) -> None:
        body = None if effect.body is None else self._bodies.get(effect.body)
        started = time.perf_counter()
        encoded = None if body is None else [item.encoded for item in body.transactions]
        await self._journal.persist(effect, self._committer.state.height + 1, encoded)
        self._metrics.log_sync.observe(time.perf_counter() - started)

    def _reject(self, effect: Reject, is_judged: bool) -> None:
        self._metrics.consensus_rejects.labels(effect.grade.value).inc()
        offence = _OFFENCES.get(effect.grade)
        if offence is None or effect.peer is None:
            return
        log_event(_log, logging.WARNING, "refused", peer=effect.peer, reason=effect.reason)
        if not is_judged:
            self._links.report(effect.peer, offence, effect.reason)

    def _accuse(self, effect: Accuse) -> None:
        self._metrics.equivocation.labels(effect.validator.hex()).inc()
        log_event(_log, logging.ERROR, "equivocation", validator=effect.validator)
        self._proposer.note_evidence(effect.validator, effect.evidence)

    def _halt(self, effect: Halt) -> NoReturn:
        self._metrics.divergence.inc()
        path = self._journal.write_report(
            f"halt-{self._committer.state.height + 1}.txt", effect.report
        )
        raise HaltError(effect.reason, report=str(path))

    def _set_timer(self, effect: SetTimer) -> None:
        self._cancel_timer(effect.name)
        delay_s = max(0, effect.at_ms - self._clock.now_ms()) / 1_000
        self._timers[effect.name] = asyncio.get_running_loop().call_later(
            delay_s, self._on_timer, effect.name
        )

    def _cancel_timer(self, name: TimerName) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _on_timer(self, name: TimerName) -> None:
        timer = self._timers.pop(name, None)

        def expire(now_ms: int) -> Sequence[Effect]:
            # A timer that was set again while this waited in the queue has not rung.
            if name in self._timers:
                return ()
            return self._replica.expire(name, now_ms)

        if timer is not None:
            self._inbox.put_input(expire)

    # -- proposing

    def _schedule_offer(self) -> None:
        if self._offer_timer is not None:
            self._offer_timer.cancel()
            self._offer_timer = None
        now_ms = self._clock.now_ms()
        due_ms = self._proposer.compute_due_ms(self._committer.state.params, now_ms)
        if due_ms is None:
            return
        delay_s = max(0, due_ms - now_ms) / 1_000
        self._offer_timer = asyncio.get_running_loop().call_later(
            delay_s, lambda: self._inbox.put_input(self._offer)
        )

    def _offer(self, now_ms: int) -> Sequence[Effect]:
        due_ms = self._proposer.compute_due_ms(self._committer.state.params, now_ms)
        if due_ms is None or due_ms > now_ms + 1:
            self._schedule_offer()
            return ()
        taken = self._proposer.take(self._committer.state.params, now_ms)
        if taken is None:
            return ()
        request, candidate = taken
        return self._replica.offer(request.height, request.view, candidate, now_ms)

    # -- bodies and execution

    def _fetch(self, effect: FetchBody) -> None:
        self._seen_at_s = time.perf_counter()
        outcome = self._bodies.try_assemble(effect.proposal)
        if outcome is not None:
            self._settle_body(effect.proposal, outcome)
        else:
            self._start("fetch", effect.proposal.block_hash, self._fetch_slowly(effect))

    async def _fetch_slowly(self, effect: FetchBody) -> None:
        outcome = await self._bodies.fetch(effect.proposal, effect.holders)
        self._settle_body(effect.proposal, outcome)

    def _settle_body(self, proposal: Proposal, outcome: Body | BodyRefusal) -> None:
        block_hash = proposal.block_hash
        if isinstance(outcome, BodyRefusal):
            log_event(
                _log,
                logging.WARNING,
                "block refused",
                height=proposal.header.height,
                proposer=proposal.header.proposer,
                reason=outcome.reason,
            )
            reason = outcome.reason
            self._inbox.put_input(lambda now: self._replica.body_refused(block_hash, reason, now))
        else:
            self._observe_step("body")
            self._inbox.put_input(lambda now: self._replica.body_ready(block_hash, now))

    def _start_execution(self, proposal: Proposal) -> None:
        # Our own proposal was never fetched: its body must be here before the Persist that
        # names it, which is the next effect.
        self._bodies.try_assemble(proposal)
        known = self._executed.get(proposal.block_hash)
        if known is not None:
            exec_hash = known.exec_hash
            self._inbox.put_input(
                lambda now: self._replica.executed(proposal.block_hash, exec_hash, now)
            )
        else:
            self._start("execute", proposal.block_hash, self._execute(proposal))

    async def _execute(self, proposal: Proposal) -> None:
        body = self._bodies.get(proposal.block_hash)
        if body is None:
            body_or_refusal = await self._bodies.fetch(proposal, (), is_certified=True)
            if isinstance(body_or_refusal, BodyRefusal):
                return
            body = body_or_refusal
        try:
            executed = await self._execute_body(body)
        except ExecutionError:
            if proposal.header.height == self._committer.state.height + 1:
                raise
            return  # the height was decided while this waited for the worker
        if proposal.header.height != self._committer.state.height + 1:
            return
        while len(self._executed) >= EXECUTED_MAX:
            del self._executed[next(iter(self._executed))]
        self._executed[proposal.block_hash] = executed
        self._observe_step("execute")
        self._inbox.put_input(
            lambda now: self._replica.executed(proposal.block_hash, executed.exec_hash, now)
        )

    async def _execute_body(self, body: Body) -> Executed:
        proposal = body.proposal
        return await self._committer.execute(
            proposal.header, body.transactions, proposal.evidence, proposal.parent_certificate
        )

    def _start(self, work_name: str, block_hash: Hash, work: Coroutine[None, None, None]) -> None:
        """Start background work on a block; it is cancelled when its height is over.

        Fetching and executing one block are two works: the fetch may still be ending
        when its answer has led to the execution.
        """
        key = (work_name, block_hash)
        if self._group is None or key in self._running:
            work.close()
            return
        task = self._group.create_task(work)
        self._running[key] = task
        task.add_done_callback(lambda done: self._on_work_done(key, done))

    def _on_work_done(self, key: tuple[str, Hash], done: asyncio.Task[None]) -> None:
        if self._running.get(key) is done:
            del self._running[key]

    # -- committing

    async def _commit(self, effect: Commit) -> bool:
        """Make a decided block durable; False when sync had written it already."""
        proposal, block_hash = effect.proposal, effect.proposal.block_hash
        before = self._committer.state.tip
        if proposal.header.height <= before.height:
            return False
        body = self._bodies.get(block_hash)
        if body is None:
            # Consensus commits what it saw executed, so the body was here: bytes may
            # have been pushed out by proposals of later views. Peers have them.
            fetched = await self._bodies.fetch(proposal, (), is_certified=True)
            if isinstance(fetched, BodyRefusal):
                raise DivergenceError("a certified block is refused here", reason=fetched.reason)
            body = fetched
        executed = self._executed.get(block_hash)
        if executed is None:
            executed = await self._execute_body(body)
        block = Block(
            header=proposal.header,
            transactions=tuple(item.encoded for item in body.transactions),
            evidence=proposal.evidence,
            parent_certificate=proposal.parent_certificate,
        )
        await self._committer.commit(block, effect.certificate, executed, body.transactions)
        self._observe_step("commit")
        self._end_height(block, effect.certificate, before)
        return True

    async def _import(self, item: Import) -> None:
        fetched, block = item.fetched, item.fetched.block
        before = self._committer.state.tip
        try:
            if block.header.height == before.height + 1:
                executed = await self._committer.execute(
                    block.header, fetched.transactions, block.evidence, block.parent_certificate
                )
                await self._committer.commit(
                    block, fetched.certificate, executed, fetched.transactions
                )
                self._end_height(block, fetched.certificate, before)
                await self._catch_up()
        finally:
            if not item.done.done():
                item.done.set_result(None)

    def _end_height(self, block: Block, certificate: Certificate, before: CommittedTip) -> None:
        replica = self._replica
        self._views.end_height(
            certificate, before, replica.departures, replica.wanted_at_ms, self._clock.now_ms()
        )
        for task in list(self._running.values()):
            task.cancel()
        self._running.clear()
        self._executed.clear()
        self._bodies.clear()
        self._proposer.note_tip(block.header.time_ms, self._clock.now_ms())
        self._links.note_tip()
        self._proposer.drop_evidence(block.evidence)

    async def _catch_up(self) -> None:
        """Tell the replica that the tip moved; it may have the next height's work ready.

        Raises VersionError when the next height has rules that this program does not know.
        """
        tip, now_ms = self._committer.state.tip, self._clock.now_ms()
        check_versions(tip.next_params, tip.height + 1, self._versions)
        await self._perform(self._replica.caught_up(tip, now_ms))
        if self._proposer.has_waiting:
            await self._perform(self._replica.transactions_waiting(self._clock.now_ms()))
        self._schedule_offer()

    def _observe_step(self, step: str) -> None:
        elapsed_s = time.perf_counter() - self._seen_at_s
        self._metrics.step_seconds.labels(step).observe(elapsed_s)

    def _cancel_all(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._offer_timer is not None:
            self._offer_timer.cancel()
        self._inbox.close()
