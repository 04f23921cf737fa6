"""Methods, by exact type from a table, never getattr.

Text methods that would consult Unicode tables fault on non-ASCII: those tables change
with Python's version. Source: docs/contracts.md, "Words".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vm.guards_operators import charge_search, check_key, compact
from vm.meter import OBJECT_BYTES, Meter, joined_text_bytes, text_bytes
from vm.outcome import Fault
from vm.types import Address

_MISSING: Any = object()


class MethodGuards:
    """``$method.append`` and so on, bound to one meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def get_table(self) -> dict[str, Callable[..., Any]]:
        """Return guard name -> function."""
        names = (
            "startswith", "endswith", "find", "split", "join", "replace", "strip", "lower",
            "upper", "isdigit", "isalnum", "encode", "hex", "append", "pop", "extend", "get",
            "keys", "values", "items",
        )  # fmt: skip
        return {f"method.{name}": getattr(self, name) for name in names}

    # Text and bytes

    def startswith(self, text: Any, start: Any) -> bool:
        if type(text) not in (str, bytes) or type(start) is not type(text):
            raise Fault("type")
        self.meter.charge(len(start) >> 4)
        return bool(text.startswith(start))

    def endswith(self, text: Any, end: Any) -> bool:
        _require_text(text, end)
        self.meter.charge(len(end) >> 4)
        return bool(text.endswith(end))

    def find(self, text: Any, wanted: Any, start: Any = 0) -> int:
        _require_text(text, wanted)
        if type(start) is not int:
            raise Fault("type")
        charge_search(self.meter, text, wanted)
        return int(text.find(wanted, start))

    def split(self, text: Any, separator: Any = None, count: Any = -1) -> list[str]:
        _require_text(text)
        if separator is None:
            _require_ascii(text)
        else:
            _require_text(separator)
            if separator == "":
                raise Fault("value")
            charge_search(self.meter, text, separator)
        if type(count) is not int:
            raise Fault("type")
        # Paid before the parts exist; without separator at worst every other character.
        parts_max = 2 + (len(text) >> 1 if separator is None else text.count(separator))
        self.meter.charge(len(text) + 8 * parts_max + 2 * self.meter.schedule.slow_path)
        self.meter.allocate(OBJECT_BYTES * parts_max + text_bytes(text))
        parts: list[str] = text.split(separator, max(-1, min(count, len(text))))
        return parts

    def join(self, separator: Any, parts: Any) -> str:
        _require_text(separator)
        if type(parts) not in (list, tuple):
            raise Fault("type")
        self.meter.charge(self.meter.schedule.item_check * (1 + len(parts)))
        if any(type(part) is not str for part in parts):
            raise Fault("type")
        size = sum(map(len, parts)) + len(parts) * len(separator)
        self.meter.charge_copy(joined_text_bytes(size, separator, *parts))
        return separator.join(parts)  # type: ignore[no-any-return]  # str, just checked

    def replace(self, text: Any, old: Any, new: Any, count: Any = -1) -> str:
        _require_text(text, old, new)
        if type(count) is not int:
            raise Fault("type")
        charge_search(self.meter, text, old)
        times = text.count(old)
        self.meter.charge(times + 3 * self.meter.schedule.slow_path)
        self.meter.charge_copy(joined_text_bytes(len(text) + times * len(new), text, new))
        return text.replace(old, new, max(-1, min(count, times)))  # type: ignore[no-any-return]  # str, just checked

    def strip(self, text: Any, characters: Any = None) -> str:
        _require_text(text)
        if characters is None:
            _require_ascii(text)
        else:
            _require_text(characters)
            self.meter.charge(self.meter.schedule.slow_path)
            charge_search(self.meter, text, characters)
        self.meter.charge(len(text) >> 1)
        self.meter.charge_copy(text_bytes(text))
        return text.strip(characters)  # type: ignore[no-any-return]  # str, just checked

    def lower(self, text: Any) -> str:
        return self._ascii(text).lower()

    def upper(self, text: Any) -> str:
        return self._ascii(text).upper()

    def isdigit(self, text: Any) -> bool:
        return self._ascii(text).isdigit()

    def isalnum(self, text: Any) -> bool:
        return self._ascii(text).isalnum()

    def _ascii(self, text: Any) -> str:
        _require_text(text)
        _require_ascii(text)
        self.meter.charge(len(text) >> 1)
        self.meter.charge_copy(len(text))
        return text  # type: ignore[no-any-return]  # str, just checked

    def encode(self, text: Any) -> bytes:
        _require_text(text)
        self.meter.charge(len(text) >> 2)
        self.meter.charge_copy(text_bytes(text))
        return text.encode()  # type: ignore[no-any-return]  # str, just checked

    def hex(self, data: Any) -> str:
        if type(data) is not bytes and type(data) is not Address:
            raise Fault("type")
        self.meter.charge_copy(2 * len(data))
        return data.hex()

    # Lists and dicts

    def append(self, items: Any, item: Any) -> None:
        if type(items) is not list:
            raise Fault("type")
        self.meter.allocate(OBJECT_BYTES)
        items.append(item)

    def extend(self, items: Any, more: Any) -> None:
        if type(items) is not list or type(more) not in (list, tuple):
            raise Fault("type")
        self.meter.charge(len(more) >> 1)
        self.meter.allocate(16 * len(more))
        items.extend(more)

    def pop(self, items: Any, key: Any = _MISSING, default: Any = _MISSING) -> Any:
        if type(items) is dict:
            return self._pop_entry(items, key, default)
        if type(items) is not list or default is not _MISSING:
            raise Fault("type")
        if key is _MISSING:
            key = -1
        if type(key) is not int:
            raise Fault("type")
        self.meter.charge(len(items) >> 4)
        try:
            return items.pop(key)
        except (IndexError, OverflowError):  # the latter beyond the machine's word
            raise Fault("index") from None

    def _pop_entry(self, items: dict[Any, Any], key: Any, default: Any) -> Any:
        if key is _MISSING:
            raise Fault("type")
        check_key(self.meter, key)
        if key in items:
            item = items.pop(key)
            compact(items)
            return item
        if default is _MISSING:
            raise Fault("key")
        return default

    def get(self, items: Any, key: Any, default: Any = None) -> Any:
        if type(items) is not dict:
            raise Fault("type")
        return items.get(check_key(self.meter, key), default)

    def keys(self, items: Any) -> list[Any]:
        return list(self._walk(items))

    def values(self, items: Any) -> list[Any]:
        return list(self._walk(items).values())

    def items(self, items: Any) -> list[Any]:
        entries = self._walk(items)
        self.meter.charge(2 * self.meter.schedule.item * len(entries))
        self.meter.allocate(OBJECT_BYTES * len(entries))
        return list(entries.items())

    def _walk(self, items: Any) -> dict[Any, Any]:
        if type(items) is not dict:
            raise Fault("type")
        self.meter.charge(len(items))
        self.meter.allocate(OBJECT_BYTES + 8 * len(items))
        return items


def _require_text(*texts: Any) -> None:
    for text in texts:
        if type(text) is not str:
            raise Fault("type")


def _require_ascii(text: str) -> None:
    if not text.isascii():
        raise Fault("value")
