"""Order-preserving state keys.

``<contract> 00 <variable> 00 <parts>``: text is UTF-8 and a NUL; an int is 32 bytes
big-endian of n + 2^255; bytes escape 00 as 00 FF and end with 00 00; an Address is its
32 bytes. Byte order is the order of the values, no key is a prefix of another, and ``1``
and ``'1'`` differ. Source: docs/contracts.md, "Storage".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vm.gas import KEY_BYTES_MAX
from vm.outcome import Fault
from vm.types import Address, Scalar, TupleType, Type

INT_BIAS: Final = 1 << 255
"""Added to an int, so that negative ones sort first."""


def encode_text(value: object) -> bytes:
    """Return the part of a str; a NUL inside would end it early and so faults."""
    if type(value) is not str:
        raise Fault("type")
    if "\0" in value:
        raise Fault("value")
    return value.encode() + b"\0"


def encode_int(value: object) -> bytes:
    """Return the part of an int."""
    if type(value) is not int:
        raise Fault("type")
    return (value + INT_BIAS).to_bytes(32, "big")


def encode_bytes(value: object) -> bytes:
    """Return the part of a byte string."""
    if type(value) is not bytes:
        raise Fault("type")
    return value.replace(b"\0", b"\0\xff") + b"\0\0"


def encode_address(value: object) -> bytes:
    """Return the part of an Address."""
    if type(value) is not Address:
        raise Fault("type")
    return value


_ENCODERS: Final[dict[str, Callable[[object], bytes]]] = {
    "str": encode_text,
    "int": encode_int,
    "bytes": encode_bytes,
    "Address": encode_address,
}


def get_key_parts(kind: Type) -> tuple[Scalar, ...]:
    """Return the scalar parts of a Map's key type."""
    items = kind.items if isinstance(kind, TupleType) else (kind,)
    return tuple(item for item in items if isinstance(item, Scalar))


def build_key_encoder(prefix: bytes, kind: Type) -> Callable[[Any], bytes]:
    """Return the function from a Map's key to its state key; ``fault size`` over 256 bytes."""
    limit = len(prefix) + KEY_BYTES_MAX
    if isinstance(kind, Scalar):
        encode = _ENCODERS[kind.name]

        def encode_single(key: object) -> bytes:
            encoded = prefix + encode(key)
            if len(encoded) > limit:
                raise Fault("size")
            return encoded

        return encode_single
    encoders = [_ENCODERS[part.name] for part in get_key_parts(kind)]
    size = len(encoders)

    def encode_tuple(key: Any) -> bytes:
        if type(key) is not tuple or len(key) != size:
            raise Fault("type")
        encoded = prefix + b"".join(
            [encode(part) for encode, part in zip(encoders, key, strict=True)]
        )
        if len(encoded) > limit:
            raise Fault("size")
        return encoded

    return encode_tuple


def build_prefix_encoder(prefix: bytes, kind: Type) -> Callable[[Any], bytes]:
    """Return the function from a scan's prefix to a key prefix.

    () and None are everything. A tuple key takes its leading parts (one part may stand
    alone); a single str or bytes key takes the text or bytes it begins with.
    """
    encoders = [_ENCODERS[part.name] for part in get_key_parts(kind)]
    single = isinstance(kind, Scalar)

    def encode_prefix(value: Any) -> bytes:
        if value is None or value == ():
            return prefix
        if single:
            return prefix + _encode_beginning(value, encoders[0])
        parts = value if type(value) is tuple else (value,)
        if len(parts) > len(encoders):
            raise Fault("type")
        encoded = b"".join([encode(part) for encode, part in zip(encoders, parts, strict=False)])
        if len(encoded) > KEY_BYTES_MAX:
            raise Fault("size")
        return prefix + encoded

    return encode_prefix


def _encode_beginning(value: object, encode: Callable[[object], bytes]) -> bytes:
    encoded = encode(value)
    if len(encoded) > KEY_BYTES_MAX:
        raise Fault("size")
    if encode is encode_text:
        return encoded[:-1]
    if encode is encode_bytes:
        return encoded[:-2]
    return encoded


def build_key_decoder(prefix: bytes, kind: Type) -> Callable[[bytes], Any]:
    """Return the inverse of ``build_key_encoder``, for keys that it made."""
    start = len(prefix)
    decoders = [_DECODERS[part.name] for part in get_key_parts(kind)]
    single = isinstance(kind, Scalar)

    def decode(key: bytes) -> Any:
        position, parts = start, []
        for decoder in decoders:
            part, position = decoder(key, position)
            parts.append(part)
        return parts[0] if single else tuple(parts)

    return decode


def _decode_text(key: bytes, position: int) -> tuple[str, int]:
    end = key.index(b"\0", position)
    return key[position:end].decode(), end + 1


def _decode_int(key: bytes, position: int) -> tuple[int, int]:
    return int.from_bytes(key[position : position + 32], "big") - INT_BIAS, position + 32


def _decode_bytes(key: bytes, position: int) -> tuple[bytes, int]:
    end = position
    while True:
        end = key.index(b"\0", end)
        if key[end + 1] == 0:
            return key[position:end].replace(b"\0\xff", b"\0"), end + 2
        end += 2


def _decode_address(key: bytes, position: int) -> tuple[Address, int]:
    return Address(key[position : position + 32]), position + 32


_DECODERS: Final[dict[str, Callable[[bytes, int], tuple[Any, int]]]] = {
    "str": _decode_text,
    "int": _decode_int,
    "bytes": _decode_bytes,
    "Address": _decode_address,
}
