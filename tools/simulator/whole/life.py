"""One life of a node: from a start of its machine to the crash or stop that ends it.

Every task and every job on a thread belongs to the life in whose context it was begun,
so a crash ends all of them at once, whatever they are doing, and a task that outlives
its node is seen.
"""

from __future__ import annotations

import asyncio
import random
from contextvars import Context, ContextVar, copy_context

LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class Life:
    """See the module. ``rng`` draws how long this life's jobs take."""

    def __init__(self, machine: int, number: int, rng: random.Random) -> None:
        self.machine = machine
        self.number = number
        self.rng = rng
        self.is_dead = False
        self.tasks: dict[asyncio.Task[object], None] = {}
        self.jobs = 0
        self.context: Context = copy_context()
        self.context.run(LIFE.set, self)

    @property
    def name(self) -> str:
        """The machine and how often it has started."""
        return f"v{self.machine}.{self.number}"

    def adopt(self, task: asyncio.Task[object]) -> None:
        """A task was begun in this life."""
        self.tasks[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[object]) -> None:
        self.tasks.pop(task, None)

    def kill(self) -> None:
        """The power goes: nothing of this life reaches disk or network any more."""
        self.is_dead = True
        for task in list(self.tasks):
            task.cancel()
