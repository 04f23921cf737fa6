"""Time that is made up: timers ring in order, threads are busy one job at a time."""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.simulator.whole.life import Life
from tools.simulator.whole.loop import StandstillError, VirtualLoop


def make_life(machine: int = 0) -> Life:
    return Life(machine, 1, random.Random(1))


def test_an_hour_of_sleep_takes_no_time() -> None:
    loop = VirtualLoop()
    started = time.monotonic()
    loop.run_until_complete(asyncio.sleep(3_600))
    loop.close()
    assert loop.time() == pytest.approx(3_600)
    assert time.monotonic() - started < 60


def test_a_task_that_waits_for_nothing_is_a_standstill() -> None:
    loop = VirtualLoop()
    with pytest.raises(StandstillError):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_one_thread_does_one_job_at_a_time_and_in_order() -> None:
    loop, life = VirtualLoop(), make_life()
    ran: list[tuple[int, float]] = []

    async def work() -> None:
        pool = ThreadPoolExecutor(1, thread_name_prefix="journal")
        jobs = [
            loop.run_in_executor(pool, lambda number=number: ran.append((number, loop.time())))
            for number in range(20)
        ]
        await jobs[19]
        assert all(job.done() for job in jobs)
        assert not pool._threads

    loop.run_until_complete(loop.create_task(work(), context=life.context))
    loop.close()
    assert [number for number, _ in ran] == list(range(20))
    assert len({at for _, at in ran}) == 20
    assert life.jobs == 0


def test_what_a_job_raises_reaches_whoever_waits() -> None:
    loop = VirtualLoop()

    async def work() -> None:
        pool = ThreadPoolExecutor(1)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(pool, lambda: 1 // 0)

    loop.run_until_complete(work())
    loop.close()


def test_a_job_that_has_not_begun_when_the_power_goes_never_runs() -> None:
    loop, life = VirtualLoop(), make_life()
    ran: list[int] = []

    async def work() -> None:
        pool = ThreadPoolExecutor(1)
        for number in range(3):
            loop.run_in_executor(pool, ran.append, number)
        await asyncio.sleep(3_600)

    async def main() -> None:
        task = loop.create_task(work(), context=life.context)
        await asyncio.sleep(0.0001)  # the first job begins at once and takes longer
        life.kill()
        await asyncio.wait({task})
        await asyncio.sleep(60)
        assert not life.tasks

    loop.run_until_complete(main())
    loop.close()
    assert ran == [0]


def test_an_exception_that_nobody_takes_is_noted() -> None:
    loop = VirtualLoop()

    async def fail() -> None:
        raise ValueError("lost")

    async def main() -> None:
        task = loop.create_task(fail())
        await asyncio.sleep(1)
        del task

    loop.run_until_complete(main())
    loop.close()
    assert ["lost" in problem for problem in loop.problems] == [True]
