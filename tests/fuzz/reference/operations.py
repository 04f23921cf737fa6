"""Operators, subscripts, displays and iteration of the language, with what each pays.

Values are told apart by exact type; nothing is coerced. Source: docs/contracts.md,
"Types", "Statements and expressions", "Gas".
"""

import ast
from typing import Any

from tests.fuzz.reference.basics import ENTRY, WORD, Addr, Purse, Rec, fault, fit, is_int, width
from vm.gas import DICT_KEY_INT_LIMIT, VALUE_DEPTH_MAX

SEQUENCES = (list, tuple, str, bytes)
ORDERED = (int, str, bytes, Addr)


class Operations:
    """Pays from one purse."""

    def __init__(self, purse: Purse) -> None:
        self.purse, self.p = purse, purse.prices
        self.pay, self.hold, self.pay_copy = purse.pay, purse.hold, purse.pay_copy

    # Operators

    def binary(self, op: ast.operator, left: Any, right: Any, in_place: bool = False) -> Any:
        if is_int(left) and is_int(right):
            return self._integers(op, left, right)
        if isinstance(op, ast.Mult):
            return self._repeat(left, right)
        if not isinstance(op, ast.Add) or type(left) is not type(right):
            raise fault("type")
        if in_place and type(left) is list:
            self._items(len(right))
            left += right
            return left
        self.pay(3 * self.p.slow_path)
        size = len(left) + len(right) if type(left) in SEQUENCES else 0
        if type(left) is str:
            self.pay_copy(size * width(left, right))
        elif type(left) is bytes:
            self.pay_copy(size)
        elif type(left) in (list, tuple):
            self._items(size)
        else:
            raise fault("type")
        return left + right

    def _integers(self, op: ast.operator, a: int, b: int) -> int:
        match op:
            case ast.Add():
                return fit(a + b)
            case ast.Sub():
                return fit(a - b)
            case ast.Mult():
                return fit(a * b)
            case ast.FloorDiv() | ast.Mod():
                if b == 0:
                    raise fault("division-by-zero")
                return fit(a // b) if isinstance(op, ast.FloorDiv) else a - b * (a // b)
            case ast.BitAnd():
                return a & b
            case ast.BitOr():
                return a | b
            case ast.BitXor():
                return a ^ b
        if b < 0:
            raise fault("value")
        if isinstance(op, ast.RShift):
            return a // 2 ** min(b, 300)
        if isinstance(op, ast.LShift):
            return fit(a * 2 ** min(b, 300))
        if a in (0, 1, -1):
            return 1 if b % 2 == 0 and (a or b == 0) else a
        return fit(a ** min(b, 300))

    def _repeat(self, left: Any, right: Any) -> Any:
        items, times = (right, left) if is_int(left) else (left, right)
        if not is_int(times) or type(items) not in SEQUENCES:
            raise fault("type")
        self.pay(2 * self.p.slow_path)
        size = len(items) * max(times, 0)
        if type(items) in (list, tuple):
            self._items(size)
        else:
            self.pay_copy(size * (width(items) if type(items) is str else 1))
        return items * times if size else items[:0]

    def _items(self, count: int) -> None:
        self.pay(count // 2)
        self.hold(WORD + 16 * count)

    def unary(self, op: ast.unaryop, value: Any) -> int:
        if not is_int(value):
            raise fault("type")
        return fit(-value) if isinstance(op, ast.USub) else -value - 1

    # Comparison

    def compare(self, op: ast.cmpop, left: Any, right: Any) -> bool:
        match op:
            case ast.Eq():
                return self.equal(left, right)
            case ast.NotEq():
                return not self.equal(left, right)
            case ast.In():
                return self.contains(left, right)
            case ast.NotIn():
                return not self.contains(left, right)
        if not (is_int(left) and is_int(right)):
            self.pay(2 * self.p.slow_path)
        order = self.order(left, right)
        if isinstance(op, ast.Lt | ast.GtE):
            return (order < 0) == isinstance(op, ast.Lt)
        return (order > 0) == isinstance(op, ast.Gt)

    def equal(self, left: Any, right: Any) -> bool:
        if is_int(left):
            return is_int(right) and left == right
        self.pay(self.p.slow_path)
        return self._same(left, right, VALUE_DEPTH_MAX)

    def _same(self, left: Any, right: Any, depth: int) -> bool:
        kind = type(left)
        if kind is not type(right) or (kind is Rec and left.kind is not right.kind):
            return False
        if kind in (str, bytes):
            self.pay(min(len(left), len(right)) >> self.p.copy_shift)
        if left is None or kind in (int, bool, str, bytes, Addr):
            return bool(left == right)
        if depth == 0:
            raise fault("depth")
        if kind is Rec:
            left, right = left.fields, right.fields
        elif kind not in (list, tuple, dict):
            raise fault("type")
        if len(left) != len(right):
            return False
        self.pay(self.p.item_check * (3 + len(left)))
        if kind is dict:
            return all(k in right and self._same(v, right[k], depth - 1) for k, v in left.items())
        return all(self._same(a, b, depth - 1) for a, b in zip(left, right, strict=True))

    def order(self, left: Any, right: Any, depth: int = VALUE_DEPTH_MAX) -> int:
        """-1, 0 or 1."""
        kind = type(left)
        if kind is not type(right):
            raise fault("type")
        if kind in ORDERED:
            if kind is not int:
                self.pay(min(len(left), len(right)) >> self.p.copy_shift)
            return -1 if left < right else int(left != right)
        if kind not in (tuple, list):
            raise fault("type")
        if depth == 0:
            raise fault("depth")
        for a, b in zip(left, right, strict=False):
            self.pay(2 * self.p.slow_path)
            found = self.order(a, b, depth - 1)
            if found:
                return found
        return -1 if len(left) < len(right) else int(len(left) != len(right))

    def contains(self, item: Any, container: Any) -> bool:
        kind = type(container)
        self.pay(self.p.slow_path)
        if kind in (str, bytes):
            if type(item) is not kind:
                raise fault("type")
            self.search(container, item)
            return container.find(item) >= 0
        if kind is dict:
            return self.key(item) in container
        if kind is range:
            return is_int(item) and item in container
        if kind not in (list, tuple):
            raise fault("type")
        self.pay(self.p.item_check * len(container))
        return any(self.equal(element, item) for element in container)

    def search(self, text: Any, wanted: Any) -> None:
        """The worst case of a naive search."""
        self.pay(len(text) * (1 + len(wanted)) // 8)

    # Subscripts

    def key(self, key: Any) -> Any:
        """A key of a dict, hashed."""
        self.pay(self.p.key)
        if type(key) in (str, bytes):
            self.pay(len(key) // 16)
        elif is_int(key):
            if abs(key) >= DICT_KEY_INT_LIMIT:
                raise fault("key")
        elif type(key) is not Addr:
            raise fault("type")
        return key

    def _index(self, items: Any, index: Any) -> int:
        """The position, from the front, of an index that is inside."""
        count = count_items(items)
        if not -count <= index < count:
            raise fault("index")
        return index % count

    def get_item(self, container: Any, index: Any) -> Any:
        if type(container) is dict:
            if self.key(index) not in container:
                raise fault("key")
            return container[index]
        if type(container) not in (*SEQUENCES, range) or not is_int(index):
            raise fault("type")
        return container[self._index(container, index)]

    def set_item(self, value: Any, container: Any, index: Any) -> None:
        if type(container) is dict:
            if self.key(index) not in container:
                self.hold(ENTRY)
            container[index] = value
            return
        if type(container) is not list or not is_int(index):
            raise fault("type")
        container[self._index(container, index)] = value

    def delete_item(self, container: Any, index: Any) -> None:
        if type(container) is dict:
            if self.key(index) not in container:
                raise fault("key")
            container.pop(index)
            self.pay(self.p.slow_path)
            return
        if type(container) is not list or not is_int(index):
            raise fault("type")
        self.pay(len(container) // 16)
        container.pop(self._index(container, index))

    def get_slice(self, container: Any, low: Any, high: Any) -> Any:
        if type(container) not in SEQUENCES:
            raise fault("type")
        if not all(bound is None or is_int(bound) for bound in (low, high)):
            raise fault("type")
        self.pay(3 * self.p.slow_path)
        part = container[low:high]
        if type(container) in (list, tuple):
            self._items(len(part))
        else:
            self.pay_copy(len(part) * (4 if type(container) is str else 1))
        return part

    # Iteration

    def snapshot(self, values: Any) -> Any:
        """The items as they are now: a range, or a sequence nobody changes."""
        if type(values) is range:
            return values
        if type(values) not in (*SEQUENCES, dict):
            raise fault("type")
        self.pay(len(values) // 2)
        if type(values) in (list, dict):
            self.hold(WORD + 8 * len(values))
        return tuple(values)

    def turns(self, values: Any, price: int, names: int) -> Any:
        """What a loop runs over; ``price`` a turn, ``names`` in a tuple target (0: one name)."""
        rows = self.snapshot(values)
        count = count_items(rows)
        if price:
            self.pay(price * count)
            self.hold(WORD * count)
        if not names:
            return rows
        self.pay(self.p.slow_path * count)
        for row in rows:
            if type(row) not in (tuple, list):
                raise fault("type")
            if len(row) != names:
                raise fault("value")
        lists = [row for row in rows if type(row) is list]
        if type(values) in (list, tuple, dict):
            self.pay(len(lists) * names // 2)
            self.hold((WORD + 8 * names) * len(lists))
        return [tuple(row) for row in rows]

    def unpack(self, values: Any, names: int) -> Any:
        if type(values) not in (tuple, list):
            raise fault("type")
        if len(values) != names:
            raise fault("value")
        return values

    # Displays

    def make_dict(self, parts: list[Any]) -> dict[Any, Any]:
        self.pay(self.p.slow_path + 8 * len(parts))
        self.hold(WORD + ENTRY // 2 * len(parts))
        return {self.key(key): value for key, value in zip(parts[::2], parts[1::2], strict=True)}

    def constant(self, value: Any) -> Any:
        """A fresh copy of a constant."""
        if type(value) in (list, tuple):
            self.pay(self.p.slow_path * (2 + len(value)))
            self.hold(WORD * (1 + len(value)))
            return type(value)([self.constant(item) for item in value])
        if type(value) is dict:
            self.pay(2 * self.p.slow_path * (1 + len(value)))
            self.hold(WORD + ENTRY * len(value))
            return {name: self.constant(item) for name, item in value.items()}
        return value

    def show(self, value: Any) -> str:
        """What str() and an f-string show."""
        if type(value) is Addr:
            return "0x" + bytes(value).hex()
        if value is None or type(value) in (str, int, bool):
            return str(value)
        raise fault("type")

    def join(self, parts: list[Any]) -> str:
        self.pay(2 * self.p.slow_path)
        texts = [self.show(part) for part in parts]
        whole = "".join(texts)
        self.pay_copy(len(whole) * width(whole))
        return whole


def count_items(values: Any) -> int:
    """len(), of a range too long for the machine as well."""
    if type(values) is not range:
        return len(values)
    span = values.stop - values.start
    return max(0, -(-span // values.step))
