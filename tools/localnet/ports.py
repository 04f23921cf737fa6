"""Free TCP ports on loopback, below the range from which the system picks its own.

A port that the system hands out to outgoing connections may be taken again between
our probe and a node's start, or while a killed node is down. Ports below that range
are taken only by those who ask for them by number.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from primitives.errors import CarbonodeError

LOOPBACK = "127.0.0.1"
PORT_FIRST = 15_000
PORT_LAST = 32_000
"""Linux hands out ports from 32768 on (ip_local_port_range), macOS from 49152."""
TRIES_MAX = 2_000


class PortError(CarbonodeError):
    """A port that we need is taken, or none is free."""

    code = "port"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether ``port`` can be listened on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return _bind(probe, host, port)


def find_free_ports(count: int, *, seed: int | None = None) -> list[int]:
    """Return ``count`` different free ports, or raise PortError."""
    choose = random.Random(seed)
    found: list[int] = []
    with ExitStack() as held:  # all stay bound until the last is found, so none comes twice
        for _ in range(TRIES_MAX):
            if len(found) == count:
                return found
            port = choose.randrange(PORT_FIRST, PORT_LAST)
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            if _bind(probe, LOOPBACK, port):
                found.append(port)
            else:
                probe.close()
    raise PortError("not enough free ports", wanted=count, found=len(found))


def check_free(ports: Sequence[int]) -> None:
    """Raise PortError naming the first port that is taken."""
    for port in ports:
        if not is_free(port):
            raise PortError("the port is taken", port=port)


def _bind(probe: socket.socket, host: str, port: int) -> bool:
    # A server closed a moment ago leaves connections in TIME_WAIT; servers bind over
    # them with this option, so the probe must too.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
        probe.listen(1)
    except OSError:
        return False
    return True
