"""What the second evaluator stands on: its own values, meter, bytes and keys.

Written from docs/contracts.md, docs/protocol.md and design/vm.md, not from vm/'s guards.
Shares with the VM only the checked tree, the price table and the named limits.
"""

from dataclasses import dataclass
from typing import Any

from vm import gas as limits
from vm.gas import INT_MAX, INT_MIN, Schedule
from vm.types import RecordType

WORD = 64
"""Bytes of memory that an object counts beside its content."""
ENTRY = 160
"""Bytes of memory that an entry of a dict counts."""


class Fail(Exception):
    """The transaction ends: ``status`` and ``code`` are the receipt's."""

    def __init__(self, status: str, code: str) -> None:
        super().__init__(status, code)
        self.status, self.code = status, code


def fault(code: str) -> Fail:
    return Fail("fault", code)


class Addr(bytes):
    """An address. Equal to its bytes as a key of a dict, as the documentation says."""


@dataclass(eq=False)
class Rec:
    """A record or event: its declared type and its fields in order."""

    kind: RecordType
    fields: tuple[Any, ...]


class Purse:
    """Gas and memory that are left."""

    def __init__(self, prices: Schedule) -> None:
        self.prices = prices
        self.gas = 0
        self.memory = limits.MEMORY_BYTES_MAX

    def pay(self, amount: int) -> None:
        self.gas -= amount
        if self.gas < 0:
            raise Fail("out-of-gas", "out-of-gas")

    def hold(self, amount: int) -> None:
        self.memory -= amount
        if self.memory < 0:
            raise fault("memory")

    def pay_copy(self, size: int) -> None:
        self.pay(size >> self.prices.copy_shift)
        self.hold(size + WORD)


def fit(value: int) -> int:
    """Return an integer of the language, or fault."""
    if value < INT_MIN or value > INT_MAX:
        raise fault("overflow")
    return value


def width(*texts: str) -> int:
    """Bytes a character takes in a text made of ``texts``."""
    return 1 if all(text.isascii() for text in texts) else 4


def is_int(value: object) -> bool:
    return type(value) is int


def pack(value: Any) -> bytes:
    """MessagePack, shortest forms; integers beyond 64 bits as extension 1."""
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), (0xA0, 32), ((1, 0xD9), (2, 0xDA), (4, 0xDB))) + data
    if isinstance(value, bytes):
        return _head(len(value), None, ((1, 0xC4), (2, 0xC5), (4, 0xC6))) + value
    body = b"".join(map(pack, value))
    return _head(len(value), (0x90, 16), ((2, 0xDC), (4, 0xDD))) + body


def _head(size: int, fix: tuple[int, int] | None, forms: tuple[tuple[int, int], ...]) -> bytes:
    if fix is not None and size < fix[1]:
        return bytes([fix[0] | size])
    for length, tag in forms:
        if size < 1 << (8 * length):
            return bytes([tag]) + size.to_bytes(length, "big")
    raise ValueError(size)


def _pack_int(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return bytes([256 + value])
    for power in range(4):
        size = 1 << power
        if 0 <= value < 1 << (8 * size):
            return bytes([0xCC + power]) + value.to_bytes(size, "big")
        if -(1 << (8 * size - 1)) <= value < 0:
            return bytes([0xD0 + power]) + value.to_bytes(size, "big", signed=True)
    size = 9
    while not -(1 << (8 * size - 1)) <= value < 1 << (8 * size - 1):
        size += 1
    data = value.to_bytes(size, "big", signed=True)
    fixed = {16: b"\xd8"}.get(size)
    return (fixed or bytes([0xC7, size])) + b"\x01" + data


def key_part(name: str, value: Any) -> bytes:
    """The bytes of one part of a storage key."""
    exact = {"str": str, "int": int, "bytes": bytes, "Address": Addr}[name]
    if type(value) is not exact:
        raise fault("type")
    if name == "str":
        if "\0" in value:
            raise fault("value")
        return value.encode() + b"\0"
    if name == "int":
        return (value + 2**255).to_bytes(32, "big")
    if name == "bytes":
        return b"".join(b"\0\xff" if byte == 0 else bytes([byte]) for byte in value) + b"\0\0"
    return bytes(value)


def truth(value: Any) -> bool:
    """Whether a value of the language counts as true."""
    return isinstance(value, Rec) or bool(value)
