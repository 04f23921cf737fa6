"""The SDK: what ``from vm import ...`` gives a contract, apart from storage and records.

Source: docs/contracts.md, "Words"; Ed25519 by primitives.keys (libsodium's rule).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from primitives.keys import verify
from primitives.limits import ADDRESS_BYTES, CODE_CHARACTERS_MAX
from vm.codecs import Convert, build_to_wire
from vm.gas import FIXED_SCALE_MAX
from vm.guards_operators import check_int
from vm.outcome import Fault, Revert
from vm.runtime import Runtime
from vm.types import Address, Record, RecordType

_FIXED = re.compile(r"(-?)([0-9]{1,78})(?:\.([0-9]{1,78}))?\Z")
_HEX_ADDRESS = re.compile(r"(?:0x)?([0-9a-fA-F]{64})\Z")
_BYTES = frozenset({bytes, Address})


class SdkGuards:
    """``$sdk.require``, ``$ctx.sender`` and so on, bound to one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.meter = runtime.meter

    def get_table(self) -> dict[str, Callable[..., Any]]:
        """Return guard name -> function; ``call`` is the Machine's."""
        runtime = self.runtime
        sdk: dict[str, Callable[..., Any]] = {
            "require": require, "revert": revert, "emit": self.emit, "mul_div": mul_div,
            "mul_div_up": mul_div_up, "parse_fixed": self.parse_fixed,
            "format_fixed": self.format_fixed, "sha256": self.sha256,
            "verify_ed25519": self.verify_ed25519, "Address": self.address,
        }  # fmt: skip
        context: dict[str, Callable[..., Any]] = {
            "sender": lambda: runtime.sender,
            "contract": lambda: runtime.contract,
            "height": lambda: runtime.height,
            "time": lambda: runtime.time,
            "tx": lambda: runtime.transaction,
        }
        return {f"sdk.{name}": function for name, function in sdk.items()} | {
            f"ctx.{name}": function for name, function in context.items()
        }

    def emit(self, event: Any) -> None:
        if not isinstance(event, Record) or not event.is_event:
            raise Fault("type")
        wire = type(event).to_wire(event)  # type: ignore[attr-defined]  # set by RecordMaker
        self.runtime.add_event(event.type_name, wire)

    def parse_fixed(self, text: Any, scale: Any) -> int:
        """``parse_fixed('1.25', 3)`` is 1250; more decimals than ``scale`` fault."""
        if type(text) is not str:
            raise Fault("type")
        _check_scale(scale)
        self.meter.charge(self.meter.schedule.text)
        match = _FIXED.match(text)
        if match is None or len(match[3] or "") > scale:
            raise Fault("value")
        magnitude = int(match[2] + (match[3] or "").ljust(scale, "0"))
        return check_int(-magnitude if match[1] else magnitude)

    def format_fixed(self, value: Any, scale: Any) -> str:
        """``format_fixed(1250, 3)`` is '1.250'."""
        if type(value) is not int:
            raise Fault("type")
        _check_scale(scale)
        self.meter.charge(self.meter.schedule.text)
        self.meter.charge_copy(160)
        digits = str(abs(value)).rjust(scale + 1, "0")
        sign = "-" if value < 0 else ""
        if scale == 0:
            return sign + digits
        return f"{sign}{digits[:-scale]}.{digits[-scale:]}"

    def sha256(self, data: Any) -> bytes:
        if type(data) not in _BYTES:
            raise Fault("type")
        schedule = self.meter.schedule
        self.meter.charge(schedule.sha256 + (len(data) >> schedule.sha256_shift))
        return hashlib.sha256(data).digest()

    def verify_ed25519(self, public_key: Any, message: Any, signature: Any) -> bool:
        """Whether the signature is valid; False for a key or signature of a wrong length."""
        for part in (public_key, message, signature):
            if type(part) not in _BYTES:
                raise Fault("type")
        schedule = self.meter.schedule
        size = len(message) + len(signature)
        self.meter.charge(schedule.verify_ed25519 + (size >> schedule.verify_ed25519_shift))
        self.meter.allocate(2 * size)
        return verify(bytes(public_key), message, signature)

    def address(self, value: Any) -> Address:
        """``Address(b)`` from 32 bytes or from 64 hex digits, with or without 0x."""
        if type(value) is Address:
            return value
        self.meter.charge(self.meter.schedule.text)
        if type(value) is bytes:
            if len(value) != ADDRESS_BYTES:
                raise Fault("value")
            return Address(value)
        if type(value) is not str:
            raise Fault("type")
        match = _HEX_ADDRESS.match(value)
        if match is None:
            raise Fault("value")
        return Address(bytes.fromhex(match[1]))


class RecordMaker:
    """The constructor of one record or event, and ``replace`` for its values.

    ``to_wire`` and ``make`` take the place of the general ones when they are given.
    """

    def __init__(
        self,
        kind: RecordType,
        runtime: Runtime,
        to_wire: Convert | None = None,
        make: Callable[..., Record] | None = None,
    ) -> None:
        self.kind = kind
        self.meter = runtime.meter
        self.names = tuple(name for name, _ in kind.fields)
        self.memory = 64 * (1 + len(self.names))
        self.to_wire = to_wire or build_to_wire(kind, runtime.meter)
        self.make = make or self.make_generally
        # A class belongs to one link, so it may carry that link's encoder.
        kind.cls.to_wire = staticmethod(self.to_wire)  # type: ignore[attr-defined]  # read by emit
        kind.cls.remake = staticmethod(self.remake)  # type: ignore[attr-defined]  # read by replace

    def make_generally(self, /, *values: Any, **named: Any) -> Record:
        """Return a record whose fields have their declared types."""
        if named:
            values += tuple(named[name] for name in self.names[len(values) :])
        self.meter.allocate(self.memory)
        record: Record = tuple.__new__(self.kind.cls, values)
        memory = self.meter.memory
        self.to_wire(record)  # for its checks; the wire form is dropped
        self.meter.memory = memory
        return record

    def remake(self, record: Record, changes: dict[str, Any]) -> Record:
        """Return a copy with some fields changed."""
        if any(name not in self.kind.cls.indexes for name in changes):
            raise Fault("type")
        schedule = self.meter.schedule
        self.meter.charge(2 * (schedule.record + schedule.record_field * len(self.names)))
        fields = zip(self.names, record, strict=True)
        return self.make(*[changes.get(name, value) for name, value in fields])


def replace(record: Any, /, **changes: Any) -> Record:
    """``replace(record, field=value)``."""
    if not isinstance(record, Record):
        raise Fault("type")
    return type(record).remake(record, changes)  # type: ignore[attr-defined,no-any-return]  # set by RecordMaker


def require(condition: Any, code: Any = "require") -> None:
    """Revert with ``code`` unless ``condition`` holds."""
    if not condition:
        revert(code)


def revert(code: Any = "revert") -> None:
    """End the transaction with the contract's own code, at most 64 characters."""
    if type(code) is not str:
        raise Fault("type")
    if len(code) > CODE_CHARACTERS_MAX:
        raise Fault("size")
    raise Revert(code)


def mul_div(left: Any, right: Any, divisor: Any) -> int:
    """floor(left * right / divisor); the product may exceed 256 bits."""
    if type(left) is not int or type(right) is not int or type(divisor) is not int:
        raise Fault("type")
    if divisor == 0:
        raise Fault("division-by-zero")
    return check_int(left * right // divisor)


def mul_div_up(left: Any, right: Any, divisor: Any) -> int:
    """ceil(left * right / divisor); the product may exceed 256 bits."""
    if type(left) is not int or type(right) is not int or type(divisor) is not int:
        raise Fault("type")
    if divisor == 0:
        raise Fault("division-by-zero")
    return check_int(-(left * right // -divisor))


def _check_scale(scale: Any) -> None:
    if type(scale) is not int:
        raise Fault("type")
    if not 0 <= scale <= FIXED_SCALE_MAX:
        raise Fault("value")
