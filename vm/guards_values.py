"""Guards of subscripts, displays, iteration, fields and f-strings.

Every container that is made, copied or walked is charged before the work. Values are
copied where two owners could otherwise share one. Source: docs/contracts.md, "Gas".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vm.guards_operators import check_key, compact
from vm.meter import OBJECT_BYTES, Meter, joined_text_bytes
from vm.outcome import Fault
from vm.types import Address

_ENTRY_BYTES = 160
_PART_SCALARS = frozenset({str, int, bool, type(None), Address})


class ValueGuards:
    """``$get_item``, ``$turns``, ``$keep`` and so on, bound to one meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def get_table(self) -> dict[str, Callable[..., Any]]:
        """Return guard name -> function."""
        names = (
            "delete_item", "get_slice", "turns", "unpack", "key", "make_dict", "copy",
            "join_parts",
        )  # fmt: skip
        table = {name: getattr(self, name) for name in names} | make_short_paths(self)
        return table | {"field": get_field}

    # Subscripts

    def get_item(self, container: Any, index: Any) -> Any:
        kind = type(container)
        if kind is dict:
            try:
                return container[check_key(self.meter, index)]
            except KeyError:
                raise Fault("key") from None
        if kind not in (list, tuple, str, bytes, range) or type(index) is not int:
            raise Fault("type")
        try:
            return container[index]
        except IndexError:
            raise Fault("index") from None

    def set_item(self, value: Any, container: Any, index: Any) -> None:
        """Set an item of anything but a list by an int."""
        if type(container) is not dict:
            raise Fault("type")
        check_key(self.meter, index)
        if index not in container:
            self.meter.allocate(_ENTRY_BYTES)
        container[index] = value

    def delete_item(self, container: Any, index: Any) -> None:
        kind = type(container)
        if kind is dict:
            try:
                del container[check_key(self.meter, index)]
            except KeyError:
                raise Fault("key") from None
            compact(container)
            self.meter.charge(self.meter.schedule.slow_path)
            return
        if kind is not list or type(index) is not int:
            raise Fault("type")
        self.meter.charge(len(container) >> 4)
        try:
            del container[index]
        except IndexError:
            raise Fault("index") from None

    def get_slice(self, container: Any, low: Any, high: Any) -> Any:
        kind = type(container)
        if kind not in (list, tuple, str, bytes):
            raise Fault("type")
        for bound in (low, high):
            if bound is not None and type(bound) is not int:
                raise Fault("type")
        self.meter.charge(3 * self.meter.schedule.slow_path)
        start, stop, _ = slice(low, high).indices(len(container))
        count = max(stop - start, 0)
        if kind is list or kind is tuple:
            self.meter.charge(count >> 1)
            self.meter.allocate(OBJECT_BYTES + 16 * count)
        else:
            self.meter.charge_copy(4 * count if kind is str else count)
        return container[start:stop]

    # Iteration

    def snapshot(self, values: Any) -> Any:
        """Return something that iterates over ``values`` as they are now."""
        kind = type(values)
        if kind is range:
            return values
        if kind not in (list, tuple, dict, str, bytes):
            raise Fault("type")
        self.meter.charge(len(values) >> 1)
        if kind is tuple or kind is str or kind is bytes:
            return values
        self.meter.allocate(OBJECT_BYTES + 8 * len(values))
        return list(values)

    def turns(self, values: Any, price: int, size: int) -> Any:
        """``for ... in values``: a snapshot; ``price`` a turn up front in comprehensions."""
        result = self.snapshot(values)
        if price:
            count = count_items(result)
            self.meter.charge(price * count)
            self.meter.allocate(OBJECT_BYTES * count)
        if size:
            self.meter.charge(self.meter.schedule.slow_path * count_items(result))
            for row in result:
                if type(row) is not tuple and type(row) is not list:
                    raise Fault("type")
                if len(row) != size:
                    raise Fault("value")
            if type(result) is list or type(result) is tuple:
                # A row that is a list could change size before its turn.
                lists = sum(1 for row in result if type(row) is list)
                self.meter.charge((lists * size) >> 1)
                self.meter.allocate((OBJECT_BYTES + 8 * size) * lists)
                result = [row if type(row) is tuple else tuple(row) for row in result]
        return result

    def unpack(self, values: Any, size: int) -> Any:
        if type(values) is not tuple and type(values) is not list:
            raise Fault("type")
        if len(values) != size:
            raise Fault("value")
        return values

    # Displays

    def key(self, key: Any) -> Any:
        return check_key(self.meter, key)

    def make_dict(self, parts: tuple[Any, ...]) -> dict[Any, Any]:
        self.meter.charge(self.meter.schedule.slow_path + 8 * len(parts))
        self.meter.allocate(OBJECT_BYTES + (_ENTRY_BYTES * len(parts) >> 1))
        result = {}
        for index in range(0, len(parts), 2):
            result[check_key(self.meter, parts[index])] = parts[index + 1]
        return result

    def copy(self, value: Any) -> Any:
        """Return a copy of a constant: each use of it is a fresh value."""
        kind = type(value)
        if kind is list or kind is tuple:
            self.meter.charge(self.meter.schedule.slow_path * (2 + len(value)))
            self.meter.allocate(OBJECT_BYTES * (1 + len(value)))
            return kind([self.copy(item) for item in value])
        if kind is dict:
            self.meter.charge(2 * self.meter.schedule.slow_path * (1 + len(value)))
            self.meter.allocate(OBJECT_BYTES + _ENTRY_BYTES * len(value))
            return {name: self.copy(item) for name, item in value.items()}
        return value

    def to_text(self, value: Any) -> str:
        """Return what an f-string or str() shows: str, int, bool, None, Address."""
        kind = type(value)
        if kind not in _PART_SCALARS:
            raise Fault("type")
        if kind is str:
            return value  # type: ignore[no-any-return]  # str, just checked
        return "0x" + value.hex() if kind is Address else str(value)

    def join_parts(self, parts: tuple[Any, ...]) -> str:
        self.meter.charge(2 * self.meter.schedule.slow_path)
        texts = [self.to_text(part) for part in parts]
        self.meter.charge_copy(joined_text_bytes(sum(map(len, texts)), *texts))
        return "".join(texts)


def make_short_paths(guards: ValueGuards) -> dict[str, Callable[..., Any]]:
    """Return plain functions for the commonest cases; all others are left to the methods."""
    meter = guards.meter

    def keep(display: Any, size: int) -> Any:
        memory = meter.memory = meter.memory - size
        if memory < 0:
            raise Fault("memory")
        return display

    def get_item(container: Any, index: Any) -> Any:
        if type(container) is list and type(index) is int:
            try:
                return container[index]
            except IndexError:
                raise Fault("index") from None
        return guards.get_item(container, index)

    def set_item(value: Any, container: Any, index: Any) -> None:
        if type(container) is list and type(index) is int:
            try:
                container[index] = value
            except IndexError:
                raise Fault("index") from None
        else:
            guards.set_item(value, container, index)

    return {"charge": meter.charge, "keep": keep, "get_item": get_item, "set_item": set_item}


def count_items(values: Any) -> int:
    """Return the number of items; a range's own len() depends on the machine's word."""
    if type(values) is range:
        return max(
            0, (values.stop - values.start + values.step - _sign(values.step)) // values.step
        )
    return len(values)


def _sign(step: int) -> int:
    return 1 if step > 0 else -1


def get_field(value: Any, name: str) -> Any:
    """``$field``: a record's field by name."""
    try:
        return value[type(value).indexes[name]]
    except (AttributeError, KeyError):
        raise Fault("type") from None
