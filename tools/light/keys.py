"""State keys from what people type: contract, variable, and key parts with their types. Pure.

A node is not asked for types: with a wrong one it could prove the absence of another key.
Source: docs/contracts.md, "Storage"; vm/keys.py for the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from primitives.limits import ADDRESS_BYTES
from tools.client.errors import BadAnswer, UnknownMethod
from tools.client.wire import from_hex
from vm.keys import encode_address, encode_bytes, encode_int, encode_text
from vm.outcome import Fault
from vm.types import Address

_INT_DIGITS_MAX = 78
_INT_LIMIT = 1 << 255


def make_state_key(contract: str, variable: str, parts: Sequence[str]) -> bytes:
    """Return the state key of a contract's variable; none of ``parts`` for a plain one.

    A part is text, or ``int:5``, ``address:0x...``, ``bytes:0x...``, ``text:...``. Raises
    UnknownMethod naming the part that does not fit.
    """
    try:
        prefix = encode_text(contract) + encode_text(variable)
    except Fault:
        raise UnknownMethod("a NUL in the name of a contract or variable") from None
    return prefix + b"".join(map(_encode_part, parts))


def _encode_part(part: str) -> bytes:
    kind, colon, content = part.partition(":")
    try:
        if colon and kind == "int":
            return encode_int(_parse_int(content))
        if colon and kind == "address":
            return encode_address(Address(from_hex(content, ADDRESS_BYTES)))
        if colon and kind == "bytes":
            return encode_bytes(from_hex(content))
        return encode_text(content if colon and kind == "text" else part)
    except (BadAnswer, Fault, ValueError) as error:
        raise UnknownMethod(f"the key part {part[:80]!r} does not fit: {error}") from None


def _parse_int(text: str) -> int:
    if len(text) > _INT_DIGITS_MAX:
        raise ValueError("more digits than 256 bits have")
    number = int(text)
    if not -_INT_LIMIT <= number < _INT_LIMIT:
        raise ValueError("beyond 256 bits")
    return number
