"""An asyncio event loop whose time is made up: it jumps to the next timer, never sleeps.

Jobs for threads run here, one after the other on each thread of their pool, at drawn
times: a job runs when its thread would begin it and is over when it would end. What it
wrote meanwhile is in doubt until then (``job_ends_at``). So the same seed gives the same
order of everything. Knows nothing of nodes; opens no socket and no thread.
Source: the way of FoundationDB's simulator ("Sim2") and of asyncio's own base loop.
"""

from __future__ import annotations

import asyncio
import weakref
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, cast

from tools.simulator.whole.life import LIFE, Life

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

JOB_SECONDS: dict[str, tuple[float, float]] = {
    "execution": (0.001, 0.020),
    "journal": (0.0003, 0.006),
    "signatures": (0.0005, 0.006),
    "indexer": (0.001, 0.030),
}
"""How long a job takes, by the name of its pool."""
JOB_SECONDS_DEFAULT = (0.0002, 0.004)
STALL_CHANCE = 0.01
STALL_SECONDS = (0.05, 0.4)
"""Now and then a disk or a scheduler takes its time."""


class StandstillError(Exception):
    """Nothing is left to happen, and the main task still waits."""


class _Selector:
    """Stands where asyncio waits for sockets: it moves time instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise StandstillError("no timer is set and no task is ready")
        self._loop.advance(timeout)
        return []


class VirtualLoop(BaseEventLoop):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector(self)
        self._time_s = 0.0
        self._threads: weakref.WeakKeyDictionary[Executor, list[float]] = (
            weakref.WeakKeyDictionary()
        )
        self.job_ends_at: float | None = None
        self.problems: list[str] = []
        self.set_task_factory(_make_task)
        self.set_exception_handler(self._note_problem)

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._time_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._time_s += max(seconds, 0.0)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run ``func`` when a thread of ``executor`` is free, in virtual time."""
        assert executor is not None, "every pool here has an owner"
        future: asyncio.Future[_T] = self.create_future()
        life = LIFE.get()
        begin_at, end_at = self._take_thread(executor, life)
        self.call_at(begin_at, self._begin, executor, future, life, end_at, lambda: func(*args))
        return future

    def _take_thread(self, executor: Executor, life: Life | None) -> tuple[float, float]:
        name = str(getattr(executor, "_thread_name_prefix", ""))
        count = int(getattr(executor, "_max_workers", 1))
        free_at = self._threads.setdefault(executor, [0.0] * count)
        begin_at = max(self._time_s, min(free_at))
        taken_s = JOB_SECONDS_DEFAULT[0]
        if life is not None:
            taken_s = life.rng.uniform(*JOB_SECONDS.get(name, JOB_SECONDS_DEFAULT))
            if life.rng.random() < STALL_CHANCE:
                taken_s += life.rng.uniform(*STALL_SECONDS)
            life.jobs += 1
        free_at[free_at.index(min(free_at))] = begin_at + taken_s
        return begin_at, begin_at + taken_s

    def _begin(
        self,
        executor: Executor,
        future: asyncio.Future[_T],
        life: Life | None,
        end_at: float,
        work: Callable[[], _T],
    ) -> None:
        is_shut = bool(getattr(executor, "_shutdown", False))
        if (life is not None and life.is_dead) or future.cancelled() or is_shut:
            # As a pool does it: a job that has not begun can be taken back.
            future.cancel()
            _end_job(life)
            return
        self.job_ends_at = end_at
        settle: Callable[[], None]
        try:
            result = work()
        except Exception as error:
            # A pool hands every error to whoever waits for the job.
            settle = partial(future.set_exception, error)
        else:
            settle = partial(future.set_result, result)
        finally:
            self.job_ends_at = None
        self.call_at(end_at, self._end, future, life, settle)

    def _end(
        self, future: asyncio.Future[_T], life: Life | None, settle: Callable[[], None]
    ) -> None:
        _end_job(life)
        if not future.cancelled():
            settle()

    def _note_problem(self, _loop: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.problems.append(f"{context.get('message')}: {error!r}")

    # What the base leaves to those who have sockets.

    def _process_events(self, event_list: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _end_job(life: Life | None) -> None:
    if life is not None:
        life.jobs -= 1


def _make_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    context: Context | None = None,
    **options: Any,
) -> asyncio.Task[Any]:
    """Make a task, and enter it with the life in whose context it runs."""
    task = asyncio.Task(cast(Coroutine[Any, Any, Any], work), loop=loop, context=context, **options)
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is not None:
        life.adopt(task)
    return task
