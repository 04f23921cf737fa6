"""The builtin functions of the language.

Each returns plain lists where Python returns lazy iterators, so that the work is
charged where it is asked for. Source: docs/contracts.md, "Words".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from vm.gas import INT_MAX, INT_MIN, RANGE_ITEMS_MAX
from vm.guards_operators import OperatorGuards, check_int, check_key
from vm.guards_values import ValueGuards, count_items
from vm.meter import OBJECT_BYTES, Meter
from vm.outcome import Fault
from vm.types import Address

_INTEGER_TEXT = re.compile(r"-?[0-9]{1,78}\Z")
_SIZED = frozenset({str, bytes, list, tuple, dict, Address})
_NATIVE_ORDER = frozenset({int, str, bytes, Address})


class BuiltinGuards:
    """``$builtin.len`` and so on, bound to one meter."""

    def __init__(self, meter: Meter, operators: OperatorGuards, values: ValueGuards) -> None:
        self.meter = meter
        self.operators = operators
        self.value_guards = values

    def get_table(self) -> dict[str, Callable[..., Any]]:
        """Return guard name -> function."""
        names = (
            "len", "int", "str", "abs", "min", "max", "sum", "sorted", "reversed", "range",
            "enumerate", "zip", "list", "dict", "tuple", "any", "all", "divmod",
        )  # fmt: skip
        table = {name: getattr(self, f"make_{name}") for name in names} | {"bool": bool}
        return {f"builtin.{name}": function for name, function in table.items()}

    def _list(self, values: Any, weight: int = 1) -> list[Any]:
        """Return the items as a new list, paying ``weight`` items of work for each."""
        snapshot = self.value_guards.snapshot(values)
        count = count_items(snapshot)
        weight += type(snapshot) is range  # its integers do not exist yet
        self.meter.charge(self.meter.schedule.item * weight * count)
        self.meter.allocate(OBJECT_BYTES * (1 + count))
        return snapshot if type(snapshot) is list else list(snapshot)

    def make_len(self, value: Any) -> int:
        if type(value) is range:
            return count_items(value)
        if type(value) not in _SIZED:
            raise Fault("type")
        return len(value)

    def make_int(self, value: Any) -> int:
        if type(value) is int:
            return value
        if type(value) is bool:
            return 1 if value else 0
        if type(value) is not str:
            raise Fault("type")
        if not _INTEGER_TEXT.match(value):
            raise Fault("value")
        self.meter.charge(self.meter.schedule.text)
        return check_int(int(value))

    def make_str(self, value: Any) -> str:
        text = self.value_guards.to_text(value)
        self.meter.charge_copy(len(text))
        return text

    def make_abs(self, value: Any) -> int:
        if type(value) is not int:
            raise Fault("type")
        return check_int(abs(value))

    def make_min(self, *values: Any) -> Any:
        return self._pick(values, -1)

    def make_max(self, *values: Any) -> Any:
        return self._pick(values, 1)

    def _pick(self, values: tuple[Any, ...], wanted: int) -> Any:
        items = self._list(values[0] if len(values) == 1 else values, 16)
        self.meter.charge(2 * self.meter.schedule.slow_path)
        if not items:
            raise Fault("value")
        best = items[0]
        compare = self.operators.compare
        compare(best, best)
        for item in items[1:]:
            if compare(item, best) == wanted:
                best = item
        return best

    def make_sum(self, values: Any, start: Any = 0) -> int:
        items = self._list(values, 3)
        total = start
        if type(total) is not int:
            raise Fault("type")
        for item in items:
            if type(item) is not int:
                raise Fault("type")
            total += item
            if not INT_MIN <= total <= INT_MAX:
                raise Fault("overflow")
        return total

    def make_sorted(self, values: Any, reverse: Any = False) -> list[Any]:
        if type(reverse) is not bool:
            raise Fault("type")
        items = self._list(values)
        self.meter.charge(2 * self.meter.schedule.slow_path)
        count = len(items)
        rounds = count.bit_length()
        kinds = {type(item) for item in items}
        if len(kinds) > 1:
            raise Fault("type")
        longest = 0
        if kinds & _NATIVE_ORDER and kinds != {int}:
            longest = max(map(len, items))
        self.meter.charge(count * rounds * (self.meter.schedule.sort_item + (longest >> 4)))
        if kinds <= _NATIVE_ORDER:
            return sorted(items, reverse=reverse)
        self.meter.charge(count * rounds * self.meter.schedule.item_check)
        if count == 1:
            self.operators.compare(items[0], items[0])
        return self._merge(items, -1 if reverse else 1)

    def _merge(self, items: list[Any], direction: int) -> list[Any]:
        """Sort, stable, by comparing pairs in an order of ours.

        Each comparison charges for what it walks, and which ones Python's own sort makes
        changes with its version.
        """
        compare, width = self.operators.compare, 1
        while width < len(items):
            merged: list[Any] = []
            for start in range(0, len(items), 2 * width):
                left, right = start, start + width
                left_end, right_end = min(right, len(items)), min(right + width, len(items))
                while left < left_end and right < right_end:
                    if compare(items[left], items[right]) * direction <= 0:
                        merged.append(items[left])
                        left += 1
                    else:
                        merged.append(items[right])
                        right += 1
                merged += items[left:left_end] or items[right:right_end]
            items, width = merged, 2 * width
        return items

    def make_reversed(self, values: Any) -> list[Any]:
        if type(values) is dict:
            raise Fault("type")
        return self._list(values)[::-1]

    def make_range(self, *bounds: Any) -> Any:
        for bound in bounds:
            if type(bound) is not int:
                raise Fault("type")
        if len(bounds) == 3 and bounds[2] == 0:
            raise Fault("value")
        self.meter.charge(2 * self.meter.schedule.slow_path)
        result = range(*bounds)
        if count_items(result) > RANGE_ITEMS_MAX:
            raise Fault("size")
        self.meter.allocate(4 * OBJECT_BYTES)
        return result

    def make_enumerate(self, values: Any, start: Any = 0) -> list[Any]:
        if type(start) is not int:
            raise Fault("type")
        items = self._list(values, 3)
        self.meter.allocate(OBJECT_BYTES * len(items))
        check_int(start + len(items))
        return list(enumerate(items, start))

    def make_zip(self, *sources: Any) -> list[Any]:
        columns = [self.value_guards.snapshot(source) for source in sources]
        count = min(map(count_items, columns))
        self.meter.charge(self.meter.schedule.item * (2 + len(columns)) * count)
        self.meter.allocate(OBJECT_BYTES * 2 * count)
        return list(zip(*columns, strict=False))

    def make_list(self, values: Any = ()) -> list[Any]:
        return self._list(values)

    def make_tuple(self, values: Any = ()) -> tuple[Any, ...]:
        return tuple(self._list(values))

    def make_dict(self, values: Any = ()) -> dict[Any, Any]:
        if type(values) is dict:
            self._list(values, 4)
            self.meter.allocate(160 * len(values))
            return dict(values)
        result: dict[Any, Any] = {}
        self.meter.charge(2 * self.meter.schedule.slow_path)
        for pair in self._list(values, 20):
            if type(pair) is not tuple and type(pair) is not list:
                raise Fault("type")
            if len(pair) != 2:
                raise Fault("value")
            self.meter.allocate(160)
            result[check_key(self.meter, pair[0])] = pair[1]
        return result

    def make_any(self, values: Any) -> bool:
        return any(self._list(values))

    def make_all(self, values: Any) -> bool:
        return all(self._list(values))

    def make_divmod(self, left: Any, right: Any) -> tuple[int, int]:
        self.meter.allocate(3 * OBJECT_BYTES)
        return self.operators.divide(left, right), self.operators.modulo(left, right)
