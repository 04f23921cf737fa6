"""``carbonode doctor``: looks at everything that keeps a node from running, with advice.

Reads only; the database is opened and closed again, and only when no node runs on it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys

import click
from rich.console import Console

from node.config import ConfigError, NodeConfig, load_config
from primitives.errors import CarbonodeError
from primitives.genesis import compute_chain_id, load_genesis
from storage.chain import ChainStore
from storage.errors import DatabaseLockedError
from tools.cli.home_checks import Check, Outcome, check_home
from tools.cli.session import ExitCode, Session, pass_session
from tools.cli.situation import get_now_ms
from tools.cli.utility_commands import LIBRARIES, get_version
from tools.client.client import Client
from tools.client.errors import ClientError, NodeUnreachable
from tools.client.results import ChainStatus
from tools.client.transport import RetryPolicy
from tools.localnet.ports import is_free

PYTHON_OLDEST = (3, 11)
PYTHON_NEWEST_TRIED = (3, 12)
DISK_FREE_MIN = 1 << 30
DISK_FREE_WARN = 10 << 30
CLOCK_WARN_MS = 2_000
CLOCK_FAIL_MS = 8_000
"""A block whose time is 10 s ahead of a validator's clock is refused (clock_drift_ms)."""
PROBE = RetryPolicy(rounds_max=1, request_timeout_s=5.0, connect_timeout_s=2.0)
CHAIN_FOLDER = "chain"


@click.command()
@pass_session
def doctor(session: Session) -> None:
    """Check the home folder, the machine and the running node; say what to do.

    Exit code 1 when a check failed; warnings leave it at 0.
    """
    checks = [check_python(), *check_libraries()]
    try:
        config = load_config(session.home, os.environ)
    except ConfigError as error:
        advice = "carbonode init" if error.code == "config-missing" else "edit config.toml"
        checks.append(Check("configuration", Outcome.FAILED, str(error), advice))
    else:
        checks.extend(check_home(config))
        checks.append(check_disk(config))
        status = asyncio.run(_ask_node(config))
        checks.extend(check_ports(config, running=status is not None))
        checks.append(_check_database(config, status))
        checks.append(asyncio.run(_check_clock(session, config, status)))
    failed = any(check.outcome is Outcome.FAILED for check in checks)

    def show(console: Console) -> None:
        for check in checks:
            console.print(check.render())

    session.emit({"healthy": not failed, "checks": [item.to_json() for item in checks]}, show)
    if failed:
        click.get_current_context().exit(ExitCode.FAILURE)


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Return whether this Python is one that contracts were metered on."""
    text = ".".join(str(part) for part in version)
    name = platform.python_implementation()
    if version[:2] < PYTHON_OLDEST or name != "CPython":
        return Check("Python", Outcome.FAILED, f"{name} {text}", "install CPython 3.11 or 3.12")
    if version[:2] > PYTHON_NEWEST_TRIED:
        return Check(
            "Python", Outcome.WARNING, f"{name} {text} is newer than what the tests ran on",
            "prefer 3.11 or 3.12 for a validator",
        )  # fmt: skip
    return Check("Python", Outcome.OK, f"{name} {text}")


def check_libraries() -> list[Check]:
    """Return one check over the libraries that pyproject.toml names."""
    versions = {name: get_version(name) for name in LIBRARIES}
    missing = [name for name, version in versions.items() if version is None]
    if missing == ["uvloop"]:
        return [Check("libraries", Outcome.WARNING, "uvloop is missing: the node runs slower")]
    if missing:
        return [
            Check(
                "libraries",
                Outcome.FAILED,
                f"missing: {', '.join(missing)}",
                "pip install --require-hashes -r lock/requirements.lock",
            )
        ]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [Check("libraries", Outcome.OK, shown)]


def check_disk(config: NodeConfig, free_bytes: int | None = None) -> Check:
    """Return whether the data folder's disk has room."""
    if free_bytes is None:
        free_bytes = shutil.disk_usage(config.home).free
    shown = f"{free_bytes / (1 << 30):.1f} GiB free"
    if free_bytes < DISK_FREE_MIN:
        return Check("disk", Outcome.FAILED, shown, "a node that cannot write stops: free some")
    if free_bytes < DISK_FREE_WARN:
        return Check("disk", Outcome.WARNING, shown, "plan for more before the chain needs it")
    return Check("disk", Outcome.OK, shown)


def check_ports(config: NodeConfig, *, running: bool) -> list[Check]:
    """Return whether the node's ports can be listened on, or are its own already."""
    checks = []
    for name, host, port in (
        ("p2p port", config.p2p.host, config.p2p.port),
        ("RPC port", config.rpc.host, config.rpc.port),
    ):
        place = f"{host}:{port}"
        if port == 0:
            checks.append(
                Check(
                    name,
                    Outcome.WARNING,
                    "0: another one at each start",
                    "give it a number, so that others find it",
                )
            )
        elif running:
            checks.append(Check(name, Outcome.OK, f"{place}, held by the running node"))
        elif is_free(port, host):
            checks.append(Check(name, Outcome.OK, f"{place} is free"))
        else:
            checks.append(
                Check(
                    name,
                    Outcome.FAILED,
                    f"{place} is taken by another program, or is not this machine's",
                    f"find it with: ss -ltnp 'sport = :{port}'",
                )
            )
    return checks


def compare_clock(local_ms: int, block_ms: int) -> Check:
    """Judge our clock by the latest block's time: a block cannot be from the future."""
    ahead_ms = block_ms - local_ms
    if ahead_ms > CLOCK_FAIL_MS:
        outcome = Outcome.FAILED
    elif ahead_ms > CLOCK_WARN_MS:
        outcome = Outcome.WARNING
    else:
        return Check("clock", Outcome.OK, "not behind the validators' block times")
    return Check(
        "clock",
        outcome,
        f"this machine is {ahead_ms / 1000:.1f} s behind the last block's proposer",
        "synchronise it (chrony, systemd-timesyncd)",
    )


def compare_offsets(offsets_ms: dict[str, int]) -> Check:
    """Judge our clock by other machines' HTTP dates (one second coarse): the median."""
    ordered = sorted(offsets_ms.values())
    median = ordered[len(ordered) // 2]
    message = f"{median / 1000:+.1f} s against {len(ordered)} node(s)"
    if abs(median) > CLOCK_FAIL_MS:
        return Check("clock", Outcome.FAILED, message, "synchronise it (chrony)")
    if abs(median) > CLOCK_WARN_MS:
        return Check("clock", Outcome.WARNING, message, "synchronise it (chrony)")
    return Check("clock", Outcome.OK, message)


async def _ask_node(config: NodeConfig) -> ChainStatus | None:
    if config.rpc.port == 0:
        return None
    host = "127.0.0.1" if config.rpc.host in ("0.0.0.0", "::") else config.rpc.host
    try:
        async with Client(f"http://{host}:{config.rpc.port}", policy=PROBE) as client:
            return await client.status()
    except ClientError:
        return None


def _check_database(config: NodeConfig, status: ChainStatus | None) -> Check:
    folder = config.data_path / CHAIN_FOLDER
    if status is not None:
        return Check("database", Outcome.OK, f"open in the running node, height {status.height}")
    if not folder.exists():
        return Check("database", Outcome.OK, "none yet: it is made at the first start")
    try:
        genesis = load_genesis(config.genesis_path.read_text("utf-8"))
        store = ChainStore.open(folder, compute_chain_id(genesis))
    except DatabaseLockedError:
        return Check(
            "database",
            Outcome.WARNING,
            "another process has it open and does not answer on the RPC port",
            "see whether a node hangs, or an offline tool runs",
        )
    except (CarbonodeError, OSError) as error:
        return Check("database", Outcome.FAILED, str(error))
    try:
        tip = store.tip
    finally:
        store.close()
    where = "empty" if tip is None else f"height {tip.height}"
    return Check("database", Outcome.OK, f"opens; {where}")


async def _check_clock(session: Session, config: NodeConfig, status: ChainStatus | None) -> Check:
    offsets: dict[str, int] = {}
    for endpoint in session.nodes:
        try:
            async with Client(endpoint, policy=PROBE) as client:
                offset = await client.transport.measure_clock_ms()
        except NodeUnreachable:
            continue
        if offset is not None:
            offsets[endpoint] = offset
    if offsets:
        return compare_offsets(offsets)
    block_ms = None if status is None else status.document.get("timeMs")
    if type(block_ms) is int:
        return compare_clock(get_now_ms(), block_ms)
    return Check(
        "clock",
        Outcome.SKIPPED,
        "no node runs here",
        "name other members' nodes: carbonode --node URL doctor",
    )
