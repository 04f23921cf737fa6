"""Gas and memory left to the running transaction.

Every guard charges here before it works. One Meter per Machine; a transaction resets
it. Source: docs/contracts.md, "Gas".
"""

from __future__ import annotations

from vm.gas import MEMORY_BYTES_MAX, Schedule
from vm.outcome import Fault, OutOfGas

OBJECT_BYTES = 64
"""What an object costs beside its content; CPython's headers are 40 to 64 bytes."""


class Meter:
    """``gas`` and ``memory`` are what is left; ``schedule`` the prices."""

    __slots__ = ("gas", "memory", "schedule")

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.gas = 0
        self.memory = MEMORY_BYTES_MAX

    def charge(self, amount: int) -> None:
        """Take ``amount`` gas, or end the transaction."""
        gas = self.gas = self.gas - amount
        if gas < 0:
            raise OutOfGas("gas limit reached")

    def allocate(self, size: int) -> None:
        """Take ``size`` bytes of memory, or fault."""
        memory = self.memory = self.memory - size
        if memory < 0:
            raise Fault("memory")

    def charge_text(self, size: int) -> None:
        """Pay for text or bytes of ``size`` that come in from outside."""
        self.charge(self.schedule.wire_text + (size >> self.schedule.copy_shift))
        self.allocate(size + OBJECT_BYTES)

    def charge_copy(self, size: int) -> None:
        """Pay for copying ``size`` bytes into a new object."""
        self.charge(size >> self.schedule.copy_shift)
        self.allocate(size + OBJECT_BYTES)


def joined_text_bytes(size: int, *texts: str) -> int:
    """Return the bytes of a text of ``size`` characters made of ``texts``.

    One character beyond ASCII widens all the others with it.
    """
    return size if all(map(str.isascii, texts)) else 4 * size


def text_bytes(text: str) -> int:
    """Return the bytes a str occupies at most: 1 a character, or 4 beyond ASCII."""
    return len(text) if text.isascii() else 4 * len(text)
