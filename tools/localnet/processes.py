"""One child process: started with a log file, stopped by its own pid, never orphaned."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from primitives.errors import CarbonodeError

STOP_GRACE_S = 10.0
"""How long a child may take to stop cleanly before it is killed."""
LOG_TAIL_LINES = 12
_LAUNCHER = (sys.executable, "-m", "tools.localnet.child")


class ChildError(CarbonodeError):
    """A child ended by itself, or does not start; ``log`` has its last lines."""

    code = "child"


class Child:
    """A Python module running in its own process (see tools.localnet.child)."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [*_LAUNCHER, module, *arguments]
        self._environment = None if environment is None else dict(environment)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None when it has not been started."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last run (negative: the signal that killed it)."""
        return self._process.returncode if self._process is not None else None

    async def start(self, program: Sequence[str] | None = None) -> None:
        """Start the process; its output is appended to the log file.

        ``program`` (module and arguments) runs in place of the usual one, this once.
        """
        if self.is_running:
            raise ChildError("already running", name=self.name, pid=self.pid)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(self._command if program is None else [*_LAUNCHER, *program]),
                stdin=PIPE,
                stdout=output,
                stderr=output,
                env=self._environment,
                # Ctrl-C in a terminal reaches a whole process group: only we are to hear it.
                start_new_session=True,
            )

    async def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would; returns when it is gone."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await self._reap(process)

    async def stop(self, grace_s: float = STOP_GRACE_S) -> int | None:
        """Ask it to stop (SIGTERM) and return its exit code; kill it after ``grace_s``."""
        process = self._process
        if process is None or process.returncode is not None:
            return self.exit_code
        process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await self._reap(process)
        except TimeoutError:
            await self.kill()
        return process.returncode

    def read_log_tail(self) -> str:
        """Return the last lines of the log, for error messages."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 8192))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    async def _reap(self, process: Process) -> None:
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
