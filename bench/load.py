"""Load: lots that belong to nobody else, transfers signed ahead, a rate kept in open loop.

Lots come in groups of as many as a transaction has calls. A group goes round the
organisations, one transfer after the other, and its next transfer is sent only when
the last one is final: so no transaction waits for another's lot, and none fails.
Signing happens before a step, in worker processes; during a step the generator only
joins ready texts, and its own CPU is reported apart.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from primitives.hashing import Hash
from primitives.keys import PrivateKey
from primitives.transaction import (
    TRANSACTION_VERSION,
    Call,
    TransactionBody,
    make_nonce,
    sign_transaction,
)
from tools.client.client import Client
from tools.client.errors import ClientError
from tools.client.transport import RetryPolicy, Transport
from tools.client.wire import decode_answer

TICK_S = 0.02
BATCH_MAX = 100
"""Transactions in one tx_submitBatch: beyond this the server's cost a transaction is flat."""
POSTS_MAX = 64
"""Requests under way; more would only queue in our own sockets."""
DUPLICATE = -32009
"""A node's code for a transaction that it knows already."""
ONCE = RetryPolicy(rounds_max=1, refusals_max=0, request_timeout_s=30.0)


@dataclass(frozen=True, slots=True)
class Organisation:
    """A sender and receiver of transfers."""

    name: str
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class LotRange:
    """Serials of one lot."""

    batch: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What every transaction of a run shares."""

    chain_id: Hash
    valid_until: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction ready to be sent."""

    id: str
    text: str


@dataclass(slots=True)
class Group:
    """Lots that move together. ``round`` counts the transfers signed so far."""

    number: int
    lots: tuple[LotRange, ...]
    signed: deque[Signed] = field(default_factory=deque)
    round: int = 0


def sign_group(
    number: int,
    lots: Sequence[LotRange],
    first: int,
    count: int,
    organisations: Sequence[tuple[str, bytes]],
    terms: Terms,
) -> list[tuple[str, str]]:
    """Return (id, 0x hex) of a group's next transfers. Runs in a worker process."""
    keys = [PrivateKey.from_seed(seed) for _, seed in organisations]
    signed: list[tuple[str, str]] = []
    for turn in range(first, first + count):
        giver = (number + turn) % len(keys)
        taker = organisations[(number + turn + 1) % len(keys)][0]
        body = TransactionBody(
            TRANSACTION_VERSION,
            terms.chain_id,
            keys[giver].public_key,
            make_nonce((number << 32) + turn),
            terms.valid_until,
            terms.gas_limit,
            tuple(
                Call("units", "transfer", (lot.batch, lot.start, lot.end, taker)) for lot in lots
            ),
        )
        transaction = sign_transaction(body, keys[giver])
        signed.append(("0x" + transaction.id.hex(), "0x" + transaction.encoded.hex()))
    return signed


async def sign_ahead(
    groups: Sequence[Group],
    transactions: int,
    organisations: Sequence[Organisation],
    terms: Terms,
    executor: Executor,
) -> None:
    """Sign until the groups together have ``transactions`` ready, evenly."""
    each = -(-transactions // len(groups)) + 1
    senders = [(organisation.name, organisation.key.seed) for organisation in organisations]
    loop = asyncio.get_running_loop()
    waiting: list[tuple[Group, asyncio.Future[list[tuple[str, str]]]]] = []
    for group in groups:
        missing = each - len(group.signed)
        if missing > 0:
            work = loop.run_in_executor(
                executor, sign_group, group.number, group.lots, group.round, missing, senders, terms
            )
            group.round += missing
            waiting.append((group, work))
    for group, work in waiting:
        group.signed.extend(Signed(id_, text) for id_, text in await work)


@dataclass(slots=True)
class Step:
    """What happened at one rate. Latencies in seconds, of transactions sent in the step."""

    offered: float
    seconds: float
    sent: int = 0
    refused: int = 0
    failed: int = 0
    final: int = 0
    final_in_window: int = 0
    starved_ticks: int = 0
    lost_posts: int = 0
    last_refusal: str = ""
    blocks: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def achieved(self) -> float:
        """Final transactions a second, inside the step's own time."""
        return self.final_in_window / self.seconds


class Generator:
    """Sends groups' transfers at a rate and learns from blocks when they are final."""

    def __init__(self, endpoints: Sequence[str], groups: Sequence[Group]) -> None:
        self._transports = [Transport([endpoint], ONCE) for endpoint in endpoints]
        self._watcher = Client(endpoints[0])
        self._free = deque(groups)
        self._spent: list[Group] = []
        self._flying: dict[str, tuple[Group, float, Step]] = {}
        self._posts: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._step: Step | None = None
        self._window = (0.0, 0.0)
        self._turn = 0

    async def __aenter__(self) -> Generator:
        for transport in self._transports:
            await transport.__aenter__()
        await self._watcher.__aenter__()
        self._watch = asyncio.create_task(self._watch_blocks())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, *self._posts, return_exceptions=True)
        await self._watcher.__aexit__(None, None, None)
        for transport in self._transports:
            await transport.__aexit__(None, None, None)

    @property
    def flying(self) -> int:
        """Transactions sent and not final."""
        return len(self._flying)

    async def run(self, rate: float, seconds: float, warmup_s: float = 0.0) -> Step:
        """Send at ``rate`` for warm-up and ``seconds``; return what the latter saw."""
        self._free.extend(self._spent)  # signed again since the last step
        self._spent.clear()
        begin = time.perf_counter() + warmup_s
        step = Step(rate, seconds)
        self._window = (begin, begin + seconds)
        self._step = step
        credit, last = 0.0, time.perf_counter()
        while (now := time.perf_counter()) < begin + seconds:
            credit = min(credit + rate * (now - last), rate)
            last = now
            credit -= self._send(int(credit), step, now)
            if self._watch is not None and self._watch.done():
                self._watch.result()
            await asyncio.sleep(TICK_S)
        self._step = None
        return step

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing is under way; False when something never became final."""
        deadline = time.perf_counter() + timeout_s
        while self._flying or self._posts:
            if time.perf_counter() > deadline:
                return False
            await asyncio.sleep(TICK_S)
        return True

    def _send(self, count: int, step: Step, now: float) -> int:
        """Start as many posts as the credit allows; return how many transactions they hold."""
        sent = 0
        while sent < count and len(self._posts) < POSTS_MAX:
            groups = self._take_groups(min(count - sent, BATCH_MAX))
            if not groups:
                step.starved_ticks += 1
                break
            # A moment's credit is spread over all validators, not heaped on one.
            transport = self._transports[self._turn % len(self._transports)]
            self._turn += 1
            for group in groups:
                self._flying[group.signed[0].id] = (group, now, step)
            step.sent += len(groups)
            post = asyncio.create_task(self._post(transport, groups, step))
            self._posts.add(post)
            post.add_done_callback(self._posts.discard)
            sent += len(groups)
        return sent

    def _take_groups(self, count: int) -> list[Group]:
        """Return up to ``count`` groups with a transfer ready; the spent ones stay behind."""
        taken: list[Group] = []
        while self._free and len(taken) < count:
            group = self._free.popleft()
            (taken if group.signed else self._spent).append(group)
        return taken

    async def _post(self, transport: Transport, groups: list[Group], step: Step) -> None:
        texts = '","'.join(group.signed[0].text for group in groups)
        body = (
            '{"jsonrpc":"2.0","id":0,"method":"tx_submitBatch","params":{"transactions":["'
            + texts
            + '"]}}'
        ).encode()
        try:
            answer, _ = await transport.post(body, decode_answer)
            items: list[Any] = answer["items"]
        except ClientError:
            step.lost_posts += 1
            return  # they may have arrived: blocks will tell
        for group, item in zip(groups, items, strict=True):
            if item.get("status") == "accepted" or not group.signed:
                continue
            step.refused += 1
            error = item.get("error") or {}
            step.last_refusal = str(error.get("message", ""))
            if error.get("code") == DUPLICATE:
                continue
            # The same transaction goes again later: its lot has not moved.
            if self._flying.pop(group.signed[0].id, None) is not None:
                self._free.append(group)

    async def _watch_blocks(self) -> None:
        async for notification in self._watcher.subscribe("blocks"):
            now = time.perf_counter()
            height = int(notification.item["height"])
            block = await self._watcher.get_block(height, full=False)
            self._settle(block, now)

    def _settle(self, block: Any, now: float) -> None:
        begin, end = self._window
        if self._step is not None and begin <= now < end:
            self._step.blocks += 1
        for id_, status in zip(block["transactionIds"], block["statuses"], strict=True):
            found = self._flying.pop(id_, None)
            if found is None:
                continue
            group, sent_at, step = found
            step.final += 1
            if begin <= now < end:
                step.final_in_window += 1
            if sent_at >= begin:
                step.latencies.append(now - sent_at)
            group.signed.popleft()
            if status != "ok":
                step.failed += 1
                continue  # its lots are elsewhere now: the group is out of the game
            self._free.append(group)
