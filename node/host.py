"""What a node needs of the machine that it runs on: files, stores, clock, network, dice.

``REAL_HOST`` is this machine. The simulator has another, on which whole nodes run in
one process, on time that it makes up, from one seed. Everything else that a node does
is the same on both.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node.clock import Clock
from node.codecache import FileCodeCache
from p2p.carrier import MakeCarrier
from storage.engine import KeyValueStore
from storage.files import DISK_FILES, Files
from vm.machine import Machine
from vm.specialise import LinkOptions
from vm.stored import CodeCache


def _open_folder(folder: Path) -> KeyValueStore | Path:
    return folder


def _make_rng() -> random.Random:
    return random.Random(secrets.randbits(64))


@dataclass(frozen=True, slots=True)
class Host:
    """See the module."""

    files: Files = DISK_FILES
    open_store: Callable[[Path], KeyValueStore | Path] = _open_folder
    """Returns an open store for a folder, or the folder itself: LevelDB opens that."""
    make_clock: Callable[[], Clock] = Clock
    make_rng: Callable[[], random.Random] = _make_rng
    """Not for secrets: whom to ask first, and how long to wait."""
    make_carrier: MakeCarrier | None = None
    """Carries the node's links; None for TCP and TLS."""
    open_code_cache: Callable[[Path, bytes], CodeCache] = FileCodeCache.open
    """Where compiled code is kept, from a folder and the node's secret."""
    make_machine: Callable[[int, LinkOptions], Machine] = Machine
    """Returns what executes blocks under a version of the VM; one that several nodes of one
    process share spares compiling the contracts again."""


REAL_HOST = Host()
