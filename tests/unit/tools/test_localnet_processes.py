"""Children of a local network: started, killed, stopped, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tools.localnet.child import GRACE_S
from tools.localnet.ports import PORT_LAST, PortError, check_free, find_free_ports, is_free
from tools.localnet.processes import Child, ChildError

ROOT = Path(__file__).resolve().parents[3]
SLEEPER = "print('up', flush=True); import time; time.sleep(60)"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); import time; time.sleep(60)"
)


def make_child(tmp_path: Path, source: str) -> Child:
    (tmp_path / "victim.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    return Child("victim", "victim", [], tmp_path / "log", environment)


async def until(is_true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Other processes tell us nothing: look, until it is so or the time is over."""
    async with asyncio.timeout(timeout_s):
        while True:
            if is_true():
                return
            await asyncio.sleep(0.02)


async def wait_for_text(path: Path, text: str) -> None:
    await until(lambda: path.exists() and text in path.read_text())


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(_run(work))


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(40):
        await work()


def test_a_child_stops_when_asked_and_is_reaped(tmp_path: Path) -> None:
    async def work() -> None:
        child = make_child(tmp_path, SLEEPER)
        await child.start()
        await wait_for_text(child.log, "up")
        assert child.is_running
        assert await child.stop() == -signal.SIGTERM
        assert not child.is_running

    run(work)


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    async def work() -> None:
        child = make_child(tmp_path, STUBBORN)
        await child.start()
        await wait_for_text(child.log, "up")
        assert await child.stop(grace_s=0.2) == -signal.SIGKILL

    run(work)


def test_a_killed_child_can_be_started_again(tmp_path: Path) -> None:
    async def work() -> None:
        child = make_child(tmp_path, SLEEPER)
        await child.start()
        first = child.pid
        await wait_for_text(child.log, "up")
        await child.kill()
        assert child.exit_code == -signal.SIGKILL
        await child.start()
        assert child.pid != first
        with pytest.raises(ChildError, match="already running"):
            await child.start()
        await child.kill()

    run(work)


def test_a_child_that_ended_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async def work() -> None:
        child = make_child(tmp_path, "raise SystemExit('no room')")
        await child.start()
        await wait_for_text(child.log, "no room")
        await until(lambda: not child.is_running)
        assert child.exit_code == 1
        assert "no room" in child.read_log_tail()
        assert await child.stop() == 1

    run(work)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    (tmp_path / "victim.py").write_text(
        "import os, pathlib, time; "
        f"pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()) + ' '); time.sleep(60)"
    )  # the default action of SIGTERM ends it at once, without the grace period
    parent = (
        "import asyncio, pathlib, time\n"
        "from tools.localnet.processes import Child\n"
        "async def main():\n"
        f"    await Child('v', 'victim', [], pathlib.Path({str(tmp_path / 'log')!r})).start()\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )

    async def work() -> None:
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", parent, env=environment
        )
        try:
            await wait_for_text(pid_file, " ")
        finally:
            process.kill()
            await process.wait()
        pid = int(pid_file.read_text())
        await until(lambda: not _exists(pid), timeout_s=GRACE_S / 2)

    run(work)


def _exists(pid: int) -> bool:
    """Whether the process runs; an orphan that nobody reaps yet has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_free_ports_differ_and_lie_below_the_system_s_own_range() -> None:
    ports = find_free_ports(12, seed=1)
    assert len(set(ports)) == 12
    assert max(ports) < PORT_LAST <= 32_768


def test_a_taken_port_is_named() -> None:
    async def work() -> None:
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            assert not is_free(port)
            with pytest.raises(PortError, match=str(port)):
                check_free([port])

    run(work)
