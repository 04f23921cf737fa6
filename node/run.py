"""Runs one node in this process: ``carbonode start`` and ``python -m node``.

Reads the home folder, sets up logs and signals, runs the node, and turns whatever
ended it into a sentence and an exit code that a supervisor can act on.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from node.committer import DivergenceError
from node.config import ConfigError, NodeConfig, load_config
from node.driver import HaltError
from node.logs import close_logs, log_event, open_logs
from node.node import Node
from node.parts import open_parts
from node.rpc.server import ListenError
from node.versions import VersionError
from p2p.errors import NetworkError
from primitives.errors import CarbonodeError, GenesisError, KeyFormatError
from primitives.genesis import Genesis, load_genesis
from primitives.keys import PrivateKey
from storage.errors import StorageError

EXIT_OK = 0
EXIT_BUG = 1
"""An error that nobody foresaw; the log has the traceback."""
EXIT_CONFIG = 2
"""Configuration, genesis or key cannot be used: nothing was touched."""
EXIT_STORAGE = 3
"""Disk or database: full, damaged, locked, or of another chain."""
EXIT_HALTED = 4
"""This node computed something else than a quorum. Do not just restart it."""
EXIT_SYSTEM = 5
"""A port is taken, memory ran out, or the operating system refused something."""
EXIT_VERSION = 6
"""Governance activated a version that this program does not know: install a newer one."""

DESCRIPTORS = 16_384
"""Open files: the default thousand connections of clients, two databases, a hundred peers,
and room for an operator who allows more."""

GC_THRESHOLDS = (50_000, 20, 50)
"""Collections are rare and cheap after ``gc.freeze``: the node makes few cycles."""
SWITCH_INTERVAL_S = 0.001

_log = logging.getLogger("carbonode.run")


def run_node(home: Path | str, overrides: Mapping[str, str] | None = None) -> int:
    """Run the node in ``home`` until a signal; return the exit code.

    ``overrides`` maps ``table.key`` to text, as flags do (see ``node.config``).
    """
    try:
        config = load_config(Path(home), os.environ, overrides)
        genesis, key = read_genesis(config), read_key(config)
    except (ConfigError, GenesisError, KeyFormatError) as error:
        print(f"carbonode: {error.code}: {error}", file=sys.stderr)
        return EXIT_CONFIG
    path = config.home / config.log.file if config.log.file else None
    _raise_descriptor_limit()
    handler = open_logs(config.node.name, config.log.level, config.log.format, path)
    try:
        uvloop.run(_run(config, genesis, key))
    except BaseExceptionGroup as group:
        return _explain(_find_cause(group))
    except KeyboardInterrupt:
        return EXIT_OK
    except Exception as error:
        # The process ends here: each cause gets its line and exit code.
        return _explain(error)
    finally:
        close_logs(handler)
    return EXIT_OK


def read_genesis(config: NodeConfig) -> Genesis:
    """Return the genesis of the home folder. Raises GenesisError."""
    try:
        return load_genesis(config.genesis_path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GenesisError(f"cannot read: {error}", path=str(config.genesis_path)) from None


def read_key(config: NodeConfig) -> PrivateKey:
    """Return the node's key. Raises KeyFormatError, also when others may read the file."""
    path = config.key_path
    try:
        if path.stat().st_mode & 0o077:
            raise KeyFormatError("others can read the key: chmod 600", path=str(path))
        return PrivateKey.from_hex(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFormatError(f"cannot read: {error}", path=str(path)) from None


async def _run(config: NodeConfig, genesis: Genesis, key: PrivateKey) -> None:
    # Before the stores: a signal that comes while they open must stop us cleanly, too.
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    while True:
        node = Node(open_parts(config, genesis, key), stopping)
        async with node:
            _settle_interpreter()
            await node.wait()
        if not node.wants_restart:
            return
        stopping.clear()


def _settle_interpreter() -> None:
    """Set what the interpreter does beside our work (DESIGN.md, "Speed").

    What exists now is taken out of garbage collection's sight. The event loop gives the
    GIL away at each system call; it must get it back from executing contracts soon, or
    votes wait 5 ms at every read and write.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _raise_descriptor_limit() -> None:
    """Ask for as many open files as the system allows: clients must not use up those of
    the database and of peers (LevelDB alone may hold a thousand)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _find_cause(error: BaseException) -> BaseException:
    """Return the first error inside groups: what happened before everything fell."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _explain(error: BaseException) -> int:
    """Say what ended the node, in the log and on standard error; return the exit code."""
    if isinstance(error, HaltError | DivergenceError):
        code, reason = EXIT_HALTED, error.code
    elif isinstance(error, StorageError):
        code, reason = EXIT_STORAGE, error.code
    elif isinstance(error, VersionError):
        code, reason = EXIT_VERSION, error.code
    elif isinstance(error, ConfigError | GenesisError | KeyFormatError):
        code, reason = EXIT_CONFIG, error.code
    elif isinstance(error, ListenError | NetworkError):
        code, reason = EXIT_SYSTEM, error.code
    elif isinstance(error, OSError | MemoryError):
        code, reason = EXIT_SYSTEM, type(error).__name__
    elif isinstance(error, CarbonodeError):
        code, reason = EXIT_BUG, error.code
    else:
        code, reason = EXIT_BUG, type(error).__name__
    log_event(_log, logging.CRITICAL, "the node stops", reason=reason, error=error)
    if code == EXIT_BUG:
        _log.critical("traceback", exc_info=error)
    _say_last(f"carbonode: {reason}: {error}")
    return code


def _say_last(words: str) -> None:
    """Print to standard error. On a full disk that fails as well, if it goes to a file there:
    the exit code must still say why, so what cannot be written is thrown away."""
    try:
        print(words, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
