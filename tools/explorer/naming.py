"""Values by name: fields of events and arguments of calls, by the ABI that was in force.

The index holds every version of every contract with its heights. What no ABI fits is shown
in order, without names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, select

from node.rpc.render import to_json_value
from primitives.block import EVENT, Event
from primitives.codec import unpack
from primitives.errors import CarbonodeError
from tools.client.abi import split_types
from tools.indexer.core import CODES, CONTRACTS

_GENERIC: Final = re.compile(r"(list|dict|tuple)\[(.*)\]\Z")
Fields = Sequence[tuple[str, str]]


class Abis:
    """The ABIs of an index, by contract and height. For one read of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._versions: dict[str, list[tuple[int, int | None, bytes]]] = {}

    def find(self, contract: str, height: int) -> Mapping[str, Any]:
        """Return the ABI of a contract at a height; empty where there is none."""
        if contract not in self._versions:
            columns = (CONTRACTS.c.from_height, CONTRACTS.c.to_height, CONTRACTS.c.code_hash)
            rows = self._connection.execute(
                select(*columns)
                .where(CONTRACTS.c.contract == contract)
                .order_by(CONTRACTS.c.version.desc())
            )
            self._versions[contract] = [(row[0], row[1], bytes(row[2])) for row in rows]
        for first, last, code_hash in self._versions[contract]:
            # In the block of an upgrade both codes ran: the newer one names what fits it.
            if first <= height and (last is None or height <= last):
                return self._load(code_hash)
        return {}

    def _load(self, code_hash: bytes) -> Mapping[str, Any]:
        text = self._connection.execute(
            select(CODES.c.abi).where(CODES.c.code_hash == code_hash)
        ).scalar()
        return _parse(text or "{}")


@lru_cache(maxsize=512)
def _parse(text: str) -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(text)
    names = ("functions", "events", "records")
    return {name: {item["name"]: item for item in document.get(name, [])} for name in names}


def name_event(abis: Abis, height: int, encoded: bytes) -> Any:
    """Return an event's fields as an object, or a list where no ABI fits."""
    event: Event = EVENT.decode(bytes(encoded))
    abi = abis.find(event.contract, height)
    found = abi.get("events", {}).get(event.name, {})
    return _name(abi, found.get("fields"), event.values)


def name_arguments(abis: Abis, height: int, contract: str, method: str, packed: bytes) -> Any:
    """Return a call's arguments as an object, or a list where no ABI fits."""
    abi = abis.find(contract, height)
    found = abi.get("functions", {}).get(method, {})
    return _name(abi, found.get("parameters"), unpack(bytes(packed)))


def _name(abi: Mapping[str, Any], fields: Any, values: Sequence[Any]) -> Any:
    try:
        if fields is not None and len(fields) == len(values):
            return {
                item["name"]: _show(item["type"], value, abi)
                for item, value in zip(fields, values, strict=True)
            }
    except (CarbonodeError, TypeError, ValueError):
        pass  # of another version: shown without names
    return [to_json_value(value) for value in values]


def _show(kind: str, value: Any, abi: Mapping[str, Any]) -> Any:
    record = abi["records"].get(kind)
    if record is not None:
        return {
            field["name"]: _show(field["type"], item, abi)
            for field, item in zip(record["fields"], value, strict=True)
        }
    generic = _GENERIC.match(kind)
    if generic is not None and generic[1] == "list":
        return [_show(generic[2], item, abi) for item in value]
    if generic is not None and generic[1] == "tuple":
        kinds = split_types(generic[2])
        return [_show(one, item, abi) for one, item in zip(kinds, value, strict=True)]
    return to_json_value(value)
