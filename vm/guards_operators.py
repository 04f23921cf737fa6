"""Operator guards: checked 256-bit arithmetic, comparison, membership.

Exact types decide; nothing of a value's own is ever looked up. Two ints are most of what
contracts compare and add: plain functions do that, and leave to the methods what is no
int or does not fit. Source: docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vm.gas import INT_MAX, INT_MIN, VALUE_DEPTH_MAX
from vm.meter import OBJECT_BYTES, Meter, joined_text_bytes, text_bytes
from vm.outcome import Fault
from vm.types import Address, Record

_ORDERED = (int, str, bytes, Address)
_CONTAINERS = (list, tuple, dict)
_SPARSE_BYTES = 1024
_SPARSE_ENTRY_BYTES = 256
"""A full dict has at most about 130 bytes an entry."""


class OperatorGuards:
    """``$add``, ``$less`` and so on, bound to one meter."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def get_table(self) -> dict[str, Callable[..., Any]]:
        """Return guard name -> function."""
        names = (
            "subtract", "divide", "modulo", "power", "shift_left", "shift_right", "bit_and",
            "bit_or", "bit_xor", "negate", "invert", "contains", "lacks",
        )  # fmt: skip
        table = {name: getattr(self, name) for name in names} | make_int_paths(self)
        return table | make_int_comparisons(self) | {"is_none": is_none, "is_some": is_some}

    # Arithmetic

    def add(self, left: Any, right: Any) -> Any:
        """``+`` of anything but two ints whose sum fits."""
        kind = type(left)
        if kind is not type(right):
            raise Fault("type")
        if kind is int:
            raise Fault("overflow")
        self.meter.charge(3 * self.meter.schedule.slow_path)
        if kind is str:
            self.meter.charge_copy(joined_text_bytes(len(left) + len(right), left, right))
        elif kind is bytes:
            self.meter.charge_copy(len(left) + len(right))
        elif kind is list or kind is tuple:
            self._charge_items(len(left) + len(right))
        else:
            raise Fault("type")
        return left + right

    def extend_or_add(self, left: Any, right: Any) -> Any:
        """``+=``: a list grows in place, as in Python."""
        if type(left) is not list or type(right) is not list:
            return self.add(left, right)
        self._charge_items(len(right))
        left.extend(right)
        return left

    @staticmethod
    def subtract(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            result = left - right
            if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
                return result
            raise Fault("overflow")
        raise Fault("type")

    def multiply(self, left: Any, right: Any) -> Any:
        """``*`` of anything but two ints whose product fits."""
        if type(left) is int:
            if type(right) is int:
                raise Fault("overflow")
            left, right = right, left
        kind = type(left)
        if type(right) is not int or kind not in (str, bytes, list, tuple):
            raise Fault("type")
        self.meter.charge(2 * self.meter.schedule.slow_path)
        size = max(right, 0) * (text_bytes(left) if kind is str else len(left))
        if kind is list or kind is tuple:
            self._charge_items(size)
        else:
            self.meter.charge_copy(size)
        return left * right if size else left[:0]

    def _charge_items(self, count: int) -> None:
        self.meter.charge(count >> 1)
        self.meter.allocate(OBJECT_BYTES + 16 * count)

    @staticmethod
    def divide(left: Any, right: Any) -> int:
        if type(left) is not int or type(right) is not int:
            raise Fault("type")
        if right == 0:
            raise Fault("division-by-zero")
        return check_int(left // right)

    @staticmethod
    def modulo(left: Any, right: Any) -> int:
        if type(left) is not int or type(right) is not int:
            raise Fault("type")
        if right == 0:
            raise Fault("division-by-zero")
        return left % right

    @staticmethod
    def power(left: Any, right: Any) -> int:
        if type(left) is not int or type(right) is not int:
            raise Fault("type")
        if right < 0:
            raise Fault("value")
        if -1 <= left <= 1:
            return left ** (2 - (right & 1)) if right else 1
        # |left| >= 2, so more bits than this cannot fit and are never computed.
        if right > 255 or (left.bit_length() - 1) * right > 256:
            raise Fault("overflow")
        return check_int(left**right)

    @staticmethod
    def shift_left(left: Any, right: Any) -> int:
        if type(left) is not int or type(right) is not int:
            raise Fault("type")
        if right < 0:
            raise Fault("value")
        if left == 0:
            return 0
        if right > 255:
            raise Fault("overflow")
        return check_int(left << right)

    @staticmethod
    def shift_right(left: Any, right: Any) -> int:
        if type(left) is not int or type(right) is not int:
            raise Fault("type")
        if right < 0:
            raise Fault("value")
        return left >> right if right < 256 else left >> 256

    @staticmethod
    def bit_and(left: Any, right: Any) -> int:
        _require_ints(left, right)
        return left & right  # type: ignore[no-any-return]  # ints, just checked

    @staticmethod
    def bit_or(left: Any, right: Any) -> int:
        _require_ints(left, right)
        return left | right  # type: ignore[no-any-return]  # ints, just checked

    @staticmethod
    def bit_xor(left: Any, right: Any) -> int:
        _require_ints(left, right)
        return left ^ right  # type: ignore[no-any-return]  # ints, just checked

    @staticmethod
    def negate(value: Any) -> int:
        if type(value) is not int:
            raise Fault("type")
        return check_int(-value)

    @staticmethod
    def invert(value: Any) -> int:
        if type(value) is not int:
            raise Fault("type")
        return ~value

    # Comparison

    def equal(self, left: Any, right: Any) -> bool:
        kind, meter = type(left), self.meter
        if kind is int:
            return type(right) is int and left == right
        if kind is not str or type(right) is not str:
            meter.charge(meter.schedule.slow_path)
            return self._equal(left, right, VALUE_DEPTH_MAX)
        schedule = meter.schedule
        meter.charge(schedule.slow_path + (min(len(left), len(right)) >> schedule.copy_shift))
        return bool(left == right)

    def _equal(self, left: Any, right: Any, depth: int) -> bool:
        """Equality by exact type: 1 is not True, an Address is not bytes."""
        kind = type(left)
        if kind is not type(right):
            return False
        if kind is str or kind is bytes:
            self.meter.charge(min(len(left), len(right)) >> self.meter.schedule.copy_shift)
            return bool(left == right)
        if left is None or kind is int or kind is bool or kind is Address:
            return bool(left == right)
        if depth == 0:
            raise Fault("depth")
        if kind not in _CONTAINERS and not issubclass(kind, Record):
            raise Fault("type")
        if len(left) != len(right):
            return False
        self.meter.charge(self.meter.schedule.item_check * (3 + len(left)))
        if kind is dict:
            return self._equal_dicts(left, right, depth)
        for one, other in zip(left, right, strict=True):
            if type(one) is int:
                if type(other) is not int or one != other:
                    return False
            elif not self._equal(one, other, depth - 1):
                return False
        return True

    def _equal_dicts(self, left: dict[Any, Any], right: dict[Any, Any], depth: int) -> bool:
        for name, item in left.items():
            if name not in right or not self._equal(item, right[name], depth - 1):
                return False
        return True

    def compare(self, left: Any, right: Any, depth: int = VALUE_DEPTH_MAX) -> int:
        """Return -1, 0 or 1 for two values of one ordered type; tuples and lists by item."""
        kind = type(left)
        if kind is not type(right):
            raise Fault("type")
        if kind in _ORDERED:
            if kind is not int:
                self.meter.charge(min(len(left), len(right)) >> self.meter.schedule.copy_shift)
            return int(left > right) - int(left < right)
        if kind is not tuple and kind is not list:
            raise Fault("type")
        if depth == 0:
            raise Fault("depth")
        for one, other in zip(left, right, strict=False):
            self.meter.charge(2 * self.meter.schedule.slow_path)
            order = self.compare(one, other, depth - 1)
            if order:
                return order
        return int(len(left) > len(right)) - int(len(left) < len(right))

    def order(self, left: Any, right: Any) -> int:
        """``compare`` at the price of one comparison outside the int path."""
        self.meter.charge(2 * self.meter.schedule.slow_path)
        return self.compare(left, right)

    def contains(self, item: Any, container: Any) -> bool:
        kind = type(container)
        self.meter.charge(self.meter.schedule.slow_path)
        if kind is str or kind is bytes:
            if type(item) is not kind:
                raise Fault("type")
            charge_search(self.meter, container, item)
            return item in container
        if kind is dict:
            return check_key(self.meter, item) in container
        if kind is range:
            return type(item) is int and item in container
        if kind is not list and kind is not tuple:
            raise Fault("type")
        self.meter.charge(self.meter.schedule.item_check * len(container))
        return any(self.equal(element, item) for element in container)

    def lacks(self, item: Any, container: Any) -> bool:
        return not self.contains(item, container)


def make_int_paths(guards: OperatorGuards) -> dict[str, Callable[[Any, Any], Any]]:
    """Return functions that answer for two ints and leave everything else to the methods.

    CPython compares ints of one 30-bit digit by a fast path of its own, so a result is
    first told to be one.
    """

    def add(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            result = left + right
            if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
                return result
        return guards.add(left, right)

    def extend_or_add(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            result = left + right
            if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
                return result
        return guards.extend_or_add(left, right)

    def multiply(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            result = left * right
            if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
                return result
        return guards.multiply(left, right)

    return {"add": add, "extend_or_add": extend_or_add, "multiply": multiply}


def make_int_comparisons(guards: OperatorGuards) -> dict[str, Callable[[Any, Any], Any]]:
    """As ``make_int_paths``, for comparisons."""

    def equal(left: Any, right: Any) -> bool:
        if type(left) is int:
            return type(right) is int and left == right
        return guards.equal(left, right)

    def not_equal(left: Any, right: Any) -> bool:
        if type(left) is int and type(right) is int:
            return left != right
        return not guards.equal(left, right)

    def less(left: Any, right: Any) -> bool:
        if type(left) is int and type(right) is int:
            return left < right
        return guards.order(left, right) < 0

    def less_equal(left: Any, right: Any) -> bool:
        if type(left) is int and type(right) is int:
            return left <= right
        return guards.order(left, right) <= 0

    def greater(left: Any, right: Any) -> bool:
        if type(left) is int and type(right) is int:
            return left > right
        return guards.order(left, right) > 0

    def greater_equal(left: Any, right: Any) -> bool:
        if type(left) is int and type(right) is int:
            return left >= right
        return guards.order(left, right) >= 0

    return {
        "equal": equal, "not_equal": not_equal, "less": less, "less_equal": less_equal,
        "greater": greater, "greater_equal": greater_equal,
    }  # fmt: skip


def is_none(value: object) -> bool:
    """``$is_none``."""
    return value is None


def is_some(value: object) -> bool:
    """``$is_some``."""
    return value is not None


def check_int(value: int) -> int:
    """Return ``value`` if it fits 256 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("overflow")


def _require_ints(left: object, right: object) -> None:
    if type(left) is not int or type(right) is not int:
        raise Fault("type")


def charge_search(meter: Meter, text: Any, wanted: Any) -> None:
    """Pay for the worst case of a naive search: the product of both lengths."""
    meter.charge((len(text) * (1 + len(wanted))) >> 3)


def compact(entries: dict[Any, Any]) -> None:
    """Rebuild a dict that is mostly deleted entries, as every later walk would step over them.

    Seen by nobody: order, identity and gas stay. Each rebuild is paid by the deletions
    that made it due.
    """
    if entries.__sizeof__() > _SPARSE_BYTES + _SPARSE_ENTRY_BYTES * len(entries):
        kept = dict(entries)
        entries.clear()
        entries.update(kept)


def check_key(meter: Meter, key: Any) -> Any:
    """Return ``key`` if it may be a dict's key; pays for hashing it."""
    kind = type(key)
    if kind is str or kind is bytes:
        meter.charge(meter.schedule.key + (len(key) >> 4))
        return key
    meter.charge(meter.schedule.key)
    if kind is int:
        if -1152921504606846976 < key < 1152921504606846976:  # 2^60, see vm/gas.py
            return key
        raise Fault("key")
    if kind is Address:
        return key
    raise Fault("type")
