"""Canonical MessagePack: one value, one byte string.

A structure is an array of its fields in order, so there are no field names to
repeat, misspell or add. The decoder refuses every other form of the same value:
it packs what it read again and compares. Floats, maps and timestamps have no
place here. Integers beyond 64 bits are extension type 1 with the shortest
big-endian two's complement, and only when 64 bits do not hold them.

Source: MessagePack specification; canonical rules are ours (docs/protocol.md).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgpack

from primitives import limits
from primitives.errors import CodecError

BIG_INTEGER_EXTENSION = 1
NESTING_MAX = 64
"""Lists within lists: a contract value has 8, the deepest structure around it fewer than 20."""
_INT_MIN = -(1 << (limits.INT_BITS - 1))
_INT_MAX = (1 << (limits.INT_BITS - 1)) - 1
_MACHINE_MIN = -(1 << 63)
_MACHINE_MAX = (1 << 64) - 1

Value = None | bool | int | str | bytes | list[Any]
"""What a contract call takes and returns: nested lists of scalars."""

T = TypeVar("T")


def pack(wire: object) -> bytes:
    """Return the canonical bytes of lists, ints, bools, text, bytes and None.

    Raises CodecError for anything else (a float, a map, an integer over 256 bits).
    """
    packed = pack_trusted(wire)
    if type(wire) not in _SCALARS:
        _check_kinds(wire, NESTING_MAX)
    return packed


def pack_trusted(wire: object) -> bytes:
    """As ``pack``, for lists built here of exact scalars: skips the walk that proves it."""
    packers = _PACKERS
    try:
        packed: bytes = packers.pack(wire)
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"value has no canonical form: {error}") from None
    if len(packed) > _BUFFER_KEPT_BYTES_MAX:
        packers.renew()
    return packed


def unpack(data: bytes) -> Any:
    """Return the value whose canonical form is exactly ``data``, else raise CodecError."""
    wire = _unpack_canonical(data)
    _check_kinds(wire, NESTING_MAX)
    return wire


def _unpack_canonical(data: bytes) -> Any:
    """Like ``unpack``, but maps, floats and times still pass: for readers that check types."""
    try:
        wire = msgpack.unpackb(data, ext_hook=_unpack_big_integer, strict_map_key=True)
        again = pack_trusted(wire)
    except CodecError:
        raise
    except (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException) as error:
        raise CodecError(f"not MessagePack of ours: {error}") from None
    if again != data:
        raise CodecError("not the canonical form", size=len(data))
    return wire


_SCALARS = frozenset({type(None), bool, int, str, bytes})


def _check_kinds(wire: object, depth_left: int) -> None:
    """Raise CodecError for a kind that MessagePack has and we have not: maps, floats, times.

    Bounds the nesting too: an interpreter's own recursion limit differs between nodes.
    """
    if type(wire) is list:
        if depth_left == 0:
            raise CodecError("lists too deep", limit=NESTING_MAX)
        for item in wire:
            if type(item) not in _SCALARS:
                _check_kinds(item, depth_left - 1)
    elif type(wire) not in _SCALARS:
        raise CodecError("value has no canonical form", type=type(wire).__name__)


def unpack_trusted(data: bytes) -> Any:
    """Return the value of bytes that ``pack`` made here: skips the proof of canonical form."""
    return msgpack.unpackb(data, ext_hook=_unpack_big_integer, strict_map_key=True)


def make_packer() -> Callable[[object], bytes]:
    """Return ``pack_trusted`` for one owner: never two threads at once, and errors are raw."""
    packer: Callable[[object], bytes] = msgpack.Packer(
        default=_pack_big_integer, strict_types=True
    ).pack
    return packer


def _pack_big_integer(value: object) -> msgpack.ExtType:
    if type(value) is not int or not _INT_MIN <= value <= _INT_MAX:
        raise CodecError("value has no canonical form", type=type(value).__name__)
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return msgpack.ExtType(BIG_INTEGER_EXTENSION, value.to_bytes(size, "big", signed=True))


def _unpack_big_integer(extension: int, data: bytes) -> int:
    if extension != BIG_INTEGER_EXTENSION or not 9 <= len(data) <= limits.INT_BITS // 8:
        raise CodecError("unknown extension", extension=extension, size=len(data))
    value = int.from_bytes(data, "big", signed=True)
    if _MACHINE_MIN <= value <= _MACHINE_MAX:
        raise CodecError("a 64-bit integer in the long form")
    return value


class _Packers(threading.local):
    """One MessagePack packer for each thread: making one costs ten times a short value."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget the buffer, which never shrinks by itself."""
        self.pack = make_packer()


_PACKERS = _Packers()
_BUFFER_KEPT_BYTES_MAX = 1 << 20
"""What a thread's packer may keep between two values; a block is longer."""


class Field(Protocol):
    """One field of a structure: checks a wire value and turns it into a field value."""

    def to_wire(self, value: Any) -> Any:
        """Return what MessagePack packs for ``value``."""
        ...

    def from_wire(self, wire: Any) -> Any:
        """Return the field value, or raise CodecError."""
        ...


class _Plain:
    def to_wire(self, value: Any) -> Any:
        return value


class Bytes(_Plain):
    """A byte string of ``size`` bytes, or of at most ``max`` bytes."""

    def __init__(self, size: int | None = None, *, max: int = 0) -> None:
        self._low = size if size is not None else 0
        self._high = size if size is not None else max

    def from_wire(self, wire: Any) -> bytes:
        if type(wire) is not bytes or not self._low <= len(wire) <= self._high:
            raise CodecError("expected bytes", low=self._low, high=self._high, got=_shape(wire))
        return wire


class Text(_Plain):
    """UTF-8 text of ``min`` to ``max`` characters."""

    def __init__(self, max: int, *, min: int = 0) -> None:
        self._min, self._max = min, max

    def from_wire(self, wire: Any) -> str:
        if type(wire) is not str or not self._min <= len(wire) <= self._max:
            raise CodecError("expected text", low=self._min, high=self._max, got=_shape(wire))
        return wire


class Uint(_Plain):
    """An integer from 0 to 2^bits - 1 (a bool is not an integer)."""

    def __init__(self, bits: int = 63) -> None:
        self._bits = bits

    def from_wire(self, wire: Any) -> int:
        if type(wire) is not int or wire < 0 or wire.bit_length() > self._bits:
            raise CodecError("expected an unsigned integer", bits=self._bits, got=_shape(wire))
        return wire


class Boolean(_Plain):
    """True or False."""

    def from_wire(self, wire: Any) -> bool:
        if type(wire) is not bool:
            raise CodecError("expected a boolean", got=_shape(wire))
        return wire


class Array:
    """A tuple of ``min`` to ``max`` items, each of one field type."""

    def __init__(self, item: Field, max: int, *, min: int = 0) -> None:
        self._item, self._min, self._max = item, min, max

    def to_wire(self, value: Sequence[Any]) -> list[Any]:
        to_wire = self._item.to_wire
        return [to_wire(item) for item in value]

    def from_wire(self, wire: Any) -> tuple[Any, ...]:
        if type(wire) is not list or not self._min <= len(wire) <= self._max:
            raise CodecError("expected a list", low=self._min, high=self._max, got=_shape(wire))
        from_wire = self._item.from_wire
        return tuple([from_wire(item) for item in wire])


class Optional:
    """None or one field value."""

    def __init__(self, item: Field) -> None:
        self._item = item

    def to_wire(self, value: Any) -> Any:
        return None if value is None else self._item.to_wire(value)

    def from_wire(self, wire: Any) -> Any:
        return None if wire is None else self._item.from_wire(wire)


class AnyValue(_Plain):
    """A contract value: None, bool, 256-bit int, text, bytes, or lists of them (bounded)."""

    def from_wire(self, wire: Any) -> Value:
        check_value(wire)
        return wire  # type: ignore[no-any-return]  # check_value has just proved the type


def check_value(value: object) -> None:
    """Raise CodecError unless ``value`` is a bounded contract value (see ``Value``)."""
    _count_value(value, limits.VALUE_DEPTH_MAX, limits.VALUE_ITEMS_MAX)


def _count_value(value: object, depth_left: int, items_left: int) -> int:
    """Return the items left after ``value``; one pass, bounded by both limits."""
    kind = type(value)
    if kind is int:
        if not _INT_MIN <= value <= _INT_MAX:  # type: ignore[operator]  # kind is int
            raise CodecError("integer over 256 bits")
    elif kind is str:
        if len(value) > limits.VALUE_TEXT_BYTES_MAX:  # type: ignore[arg-type]  # kind is str
            raise CodecError("text too long")
    elif kind is bytes:
        if len(value) > limits.VALUE_TEXT_BYTES_MAX:  # type: ignore[arg-type]  # kind is bytes
            raise CodecError("bytes too long")
    elif isinstance(value, list):
        items_left -= len(value)
        if depth_left == 0 or items_left < 0:
            raise CodecError("lists too deep or too many items")
        for item in value:
            items_left = _count_value(item, depth_left - 1, items_left)
    elif value is not None and kind is not bool:
        raise CodecError("not a contract value", type=kind.__name__)
    return items_left


class Struct(Generic[T]):
    """A frozen dataclass as an array of its fields, in declaration order.

    ``bytes_max`` bounds the encoded size and is checked before anything is parsed.
    """

    def __init__(self, factory: Callable[..., T], bytes_max: int, **fields: Field) -> None:
        names = [field.name for field in dataclasses.fields(factory)]  # type: ignore[arg-type]  # always a dataclass
        if names != list(fields):
            raise CodecError("fields differ from the dataclass", names=names, given=list(fields))
        self._factory = factory
        self._bytes_max = bytes_max
        self._fields = tuple(fields.items())
        self._readers = tuple(field.from_wire for field in fields.values())

    def to_wire(self, value: T) -> list[Any]:
        return [field.to_wire(getattr(value, name)) for name, field in self._fields]

    def from_wire(self, wire: Any) -> T:
        readers = self._readers
        if type(wire) is not list or len(wire) != len(readers):
            raise CodecError("expected a structure", fields=len(readers), got=_shape(wire))
        return self._factory(*[read(item) for read, item in zip(readers, wire, strict=True)])

    def encode(self, value: T) -> bytes:
        """Return the canonical bytes of ``value``."""
        return pack(self.to_wire(value))

    def decode(self, data: bytes) -> T:
        """Return the structure whose canonical bytes are ``data``, else raise CodecError."""
        if len(data) > self._bytes_max:
            raise CodecError("too large", size=len(data), limit=self._bytes_max)
        return self.from_wire(_unpack_canonical(data))


def _shape(wire: object) -> str:
    size = f"[{len(wire)}]" if isinstance(wire, bytes | str | list) else ""
    return type(wire).__name__ + size
