"""The ABI: a contract's manifest from its type hints, its JSON Schema, JSON conversions.

Never runs a contract. JSON forms follow the node's RPC: bytes and addresses as ``0x``
hex, integers beyond 2^53 as decimal strings. Source: docs/contracts.md.
"""

from __future__ import annotations

from typing import Any

from primitives.codec import Value
from vm.outcome import VmEvent


class Abi:
    """functions, parameters, docs, records, events, storage."""

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as a JSON document."""
        raise NotImplementedError

    def to_json_schema(self) -> dict[str, Any]:
        """Return a JSON Schema whose $defs hold each function's parameters."""
        raise NotImplementedError

    def arguments_from_json(
        self, method: str, arguments: list[Any] | dict[str, Any]
    ) -> tuple[Value, ...]:
        """Return the wire arguments of ``method``; raises AbiError naming what does not fit."""
        raise NotImplementedError

    def result_to_json(self, method: str, value: Value) -> Any:
        """Return the JSON form of ``method``'s wire result."""
        raise NotImplementedError

    def event_to_json(self, event: VmEvent) -> dict[str, Any]:
        """Return {"contract", "name", "fields": {name: value}}."""
        raise NotImplementedError
