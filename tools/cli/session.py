"""What every command shares: the home folder, the endpoints, the form of the output.

A command prints through ``Session.emit``: one JSON document on standard output with
``--output json``, tables and sentences otherwise. Errors are one line on standard
error; their class decides the exit code (docs/operations.md).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from node.config import ConfigError, load_config
from primitives.errors import CarbonodeError
from tools.client.client import Client
from tools.client.errors import (
    BadAnswer,
    NodeUnreachable,
    NotFound,
    Pruned,
    RpcError,
    Syncing,
    UnknownMethod,
    WaitTimeout,
)
from tools.client.transport import RetryPolicy
from tools.localnet.network import SUMMARY_FILE

PATIENCE = RetryPolicy(rounds_max=2, request_timeout_s=30.0, connect_timeout_s=3.0)
"""A person waits in front of the screen: two rounds, then say what is wrong."""

T = TypeVar("T")


WIDTH_PIPED = 200
"""Columns when nobody looks: a file or a pipe has no edge to fold at."""


def make_console() -> Console:
    """Return where tables and sentences go: standard output."""
    width = None if sys.stdout.isatty() else WIDTH_PIPED
    return Console(highlight=False, soft_wrap=True, width=width)


class ExitCode(IntEnum):
    """Documented in docs/operations.md; they never change their meaning."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    TIMEOUT = 5
    NOT_FOUND = 6
    INTERRUPTED = 130


class Refused(CarbonodeError):
    """The chain took the transaction and its receipt says that the calls failed."""

    code = "refused"


@dataclass
class Session:
    """The global options; ``pass_session`` hands it to a command."""

    home: Path
    output: str = "text"
    nodes: tuple[str, ...] = ()
    console: Console = field(default_factory=make_console)

    @property
    def is_json(self) -> bool:
        """Whether the answer is one JSON document on standard output."""
        return self.output == "json"

    def emit(self, document: Any, show: Callable[[Console], None] | None = None) -> None:
        """Print ``document`` as JSON, or let ``show`` print it for people."""
        if self.is_json or show is None:
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            show(self.console)

    def note(self, text: str) -> None:
        """Print a remark for people; on standard error, so that JSON stays alone."""
        click.echo(text, err=True)

    def get_endpoints(self) -> list[str]:
        """Return the nodes to ask: ``--node``, or the local network or node in ``--home``."""
        if self.nodes:
            return list(self.nodes)
        summary = self.home / SUMMARY_FILE
        if summary.exists():
            return read_summary_endpoints(summary)
        config = load_config(self.home, {})
        host = "127.0.0.1" if config.rpc.host in ("0.0.0.0", "::") else config.rpc.host
        return [f"http://{host}:{config.rpc.port}"]

    def make_client(self, endpoint: str | None = None) -> Client:
        """Return a client of one endpoint, or of all with fail-over."""
        return Client([endpoint] if endpoint else self.get_endpoints(), policy=PATIENCE)

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Run ``work`` with an open client and return what it returns."""

        async def with_client() -> T:
            async with self.make_client() as client:
                return await work(client)

        return asyncio.run(with_client())


pass_session = click.make_pass_decorator(Session)


class RootGroup(click.Group):
    """The group at the root: turns our errors into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CarbonodeError as error:
            _report(ctx, error.code, str(error), getattr(error, "data", None))
            ctx.exit(get_exit_code(error))
        except ExceptionGroup as group:
            first = _first_error(group)
            _report(ctx, first.code, str(first), getattr(first, "data", None))
            ctx.exit(get_exit_code(first))
        except BrokenPipeError:
            raise  # 'carbonode ... | head' is no error; click ends quietly
        except OSError as error:
            _report(ctx, "system", f"{error.strerror}: {error.filename or ''}".strip(": "), None)
            ctx.exit(ExitCode.FAILURE)
        except KeyboardInterrupt:
            _report(ctx, "interrupted", "interrupted", None)
            ctx.exit(ExitCode.INTERRUPTED)


def get_exit_code(error: CarbonodeError) -> ExitCode:
    """Return the documented exit code of an error."""
    if isinstance(error, ConfigError) and error.code == "config-missing":
        return ExitCode.USAGE
    for kinds, exit_code in _EXIT_CODES:
        if isinstance(error, kinds):
            return exit_code
    return ExitCode.FAILURE


_EXIT_CODES: tuple[tuple[tuple[type[CarbonodeError], ...], ExitCode], ...] = (
    ((NodeUnreachable, BadAnswer, Syncing), ExitCode.UNREACHABLE),
    ((WaitTimeout,), ExitCode.TIMEOUT),
    ((NotFound, Pruned), ExitCode.NOT_FOUND),
    ((UnknownMethod,), ExitCode.USAGE),
    ((RpcError, Refused), ExitCode.REFUSED),
)


def read_summary_endpoints(path: Path) -> list[str]:
    """Return the RPC endpoints of a ``localnet.json``."""
    try:
        return [str(node["rpc"]) for node in json.loads(path.read_text("utf-8"))["nodes"]]
    except (ValueError, KeyError, TypeError):
        raise ConfigError("not a local network's summary", path=str(path)) from None


def parse_json(text: str, name: str) -> Any:
    """Return the JSON of an argument, or a usage error that names it."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{name} is not JSON: {error}") from None


def _first_error(group: ExceptionGroup[Exception]) -> CarbonodeError:
    """Return the first of our errors in a group; anything else is a bug and is raised."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            return _first_error(error)
        if isinstance(error, CarbonodeError):
            return error
    raise group


def _report(ctx: click.Context, code: str, message: str, data: Any) -> None:
    line = " ".join(message.split())
    session = ctx.obj
    if isinstance(session, Session) and session.is_json:
        error = {"code": code, "message": line}
        if data:
            error["data"] = data
        click.echo(json.dumps({"error": error}, ensure_ascii=False), file=sys.stderr)
    else:
        click.echo(f"error: {line}", file=sys.stderr)
