"""When the first node told that a block is final: how long the chain stood still.

Every node is listened to all the time; whoever tells of a height first counts. A chain
"goes on" after a moment when a block that was *proposed* after it becomes final: one that
was already under way proves nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType

from tools.client.client import Client
from tools.client.errors import ClientError
from tools.client.results import Json, get_integer
from tools.client.transport import RetryPolicy

AGAIN_S = 0.1
POLICY = RetryPolicy(rounds_max=1, refusals_max=5, request_timeout_s=5.0, connect_timeout_s=1.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A final block: ``at_s`` (monotonic) is when the first node told of it."""

    height: int
    at_s: float
    proposed_ms: int
    proposer: str
    view: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks."""

    at_s: float
    unix_ms: int

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.time_ns() // 1_000_000)


class Watch:
    """``async with Watch(endpoints) as watch``; ``seen`` is by height."""

    def __init__(self, endpoints: Sequence[str]) -> None:
        self.seen: dict[int, Seen] = {}
        self._endpoints = endpoints
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Watch:
        self._tasks = [asyncio.create_task(self._follow(item)) for item in self._endpoints]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def height(self) -> int:
        """The highest block that anyone told of."""
        return max(self.seen, default=0)

    async def wait_for(self, is_wanted: Callable[[Seen], bool], timeout_s: float) -> Seen | None:
        """Return the first block told of that is wanted, None when the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            wanted = [block for block in self.seen.values() if is_wanted(block)]
            if wanted:
                return min(wanted, key=lambda block: block.at_s)
            self._news.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._news.wait()
            except TimeoutError:
                return None

    def find_longest_gap_s(self, begin_s: float, end_s: float) -> float:
        """Return the longest time without a new block that overlaps the interval."""
        times = sorted({block.at_s for block in self.seen.values()})
        gaps = [
            after - before
            for before, after in pairwise(times)
            if after >= begin_s and before <= end_s
        ]
        return max(gaps, default=0.0)

    async def _follow(self, endpoint: str) -> None:
        async with Client(endpoint, policy=POLICY) as client:
            while True:
                try:
                    first = self.height + 1 if self.seen else None
                    async for notification in client.subscribe("blocks", from_height=first):
                        self._note(notification.item)
                except ClientError:
                    await asyncio.sleep(AGAIN_S)  # it is down; it comes back

    def _note(self, item: Json) -> None:
        height = get_integer(item, "height")
        if height not in self.seen:
            self.seen[height] = Seen(
                height,
                time.monotonic(),
                get_integer(item, "timeMs"),
                str(item.get("proposer")),
                get_integer(item, "view"),
            )
            self._news.set()
