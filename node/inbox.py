"""What waits for the driver: our own answers, blocks to import, messages of peers.

Our answers come first, because they end what was begun; they are bounded by what was
started. Peers' messages are bounded in number and bytes: beyond that they are dropped,
and STATUS repairs what mattered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consensus.effects import Effect
from node.catchup import FetchedBlock
from primitives.hashing import Address, Hash

MESSAGES_WAITING_MAX = 10_000
"""Consensus messages not yet handled: several heights of a hundred validators."""
MESSAGES_BYTES_MAX = 64 * 1024 * 1024
"""Their bytes together: a few of the largest would fill the memory long before the count."""

Input = Callable[[int], Sequence[Effect]]
"""Something to tell the replica: takes now in ms, returns the effects."""


@dataclass(frozen=True, slots=True)
class Message:
    """A consensus message; ``item_id`` when gossip awaits a verdict on it."""

    peer: Address
    data: bytes
    item_id: Hash | None


@dataclass(frozen=True, slots=True)
class Import:
    """A block that sync fetched; ``done`` is set when it was committed or was not the next."""

    fetched: FetchedBlock
    done: asyncio.Future[None]


class Inbox:
    """See the module. Lives on the event loop; the driver alone takes."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._messages_bytes = 0
        self._inputs: deque[Input] = deque()
        self._imports: deque[Import] = deque()
        self._arrived = asyncio.Event()

    def put_message(self, message: Message) -> bool:
        """Leave a message; False when there is no room."""
        size = self._messages_bytes + len(message.data)
        if len(self._messages) >= MESSAGES_WAITING_MAX or size > MESSAGES_BYTES_MAX:
            return False
        self._messages_bytes = size
        self._messages.append(message)
        self._arrived.set()
        return True

    def put_input(self, item: Input) -> None:
        """Leave an answer of our own."""
        self._inputs.append(item)
        self._arrived.set()

    async def put_import(self, fetched: FetchedBlock) -> None:
        """Leave a block and return when the driver is done with it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._imports.append(Import(fetched, done))
        self._arrived.set()
        await done

    async def wait(self) -> None:
        """Return when there is something to take."""
        while not (self._inputs or self._imports or self._messages):
            self._arrived.clear()
            await self._arrived.wait()

    def take(self) -> Input | Import | Message | None:
        """Return the next thing: answers, then imports, then messages."""
        if self._inputs:
            return self._inputs.popleft()
        if self._imports:
            return self._imports.popleft()
        if self._messages:
            message = self._messages.popleft()
            self._messages_bytes -= len(message.data)
            return message
        return None

    def close(self) -> None:
        """Tell those who wait that nothing will be taken any more."""
        for item in self._imports:
            item.done.cancel()
        self._imports.clear()
