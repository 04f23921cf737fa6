"""Builtins, methods and SDK functions of the language, with what each pays.

Found by name; none of them is Python's own method lookup. Source: docs/contracts.md, "Words".
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any

from primitives.keys import verify
from tests.fuzz.reference.basics import (
    ENTRY,
    WORD,
    Addr,
    Fail,
    Rec,
    fault,
    fit,
    is_int,
    truth,
    width,
)
from tests.fuzz.reference.operations import Operations, count_items
from vm.gas import FIXED_SCALE_MAX, RANGE_ITEMS_MAX

MISSING: Any = object()


def demand(condition: bool, code: str = "type") -> None:
    if not condition:
        raise fault(code)


def is_text(*values: Any) -> bool:
    return all(type(value) is str for value in values)


class Builtins:
    """``len`` and so on, by name."""

    def __init__(self, operations: Operations) -> None:
        self.ops, self.p = operations, operations.p
        self.pay, self.hold = operations.pay, operations.hold

    def run(self, name: str, arguments: list[Any]) -> Any:
        return getattr(self, "do_" + name)(*arguments)

    def items(self, values: Any, weight: int = 1) -> list[Any]:
        """The items as a new list, at ``weight`` items of work each."""
        rows = self.ops.snapshot(values)
        count = count_items(rows)
        self.pay(self.p.item * (weight + (type(rows) is range)) * count)
        self.hold(WORD * (1 + count))
        return list(rows)

    def do_len(self, value: Any) -> int:
        demand(type(value) in (str, bytes, list, tuple, dict, Addr, range))
        return count_items(value)

    def do_int(self, value: Any) -> int:
        if type(value) in (int, bool):
            return int(value)
        demand(is_text(value))
        demand(re.fullmatch("-?[0-9]{1,78}", value) is not None, "value")
        self.pay(self.p.text)
        return fit(int(value))

    def do_str(self, value: Any) -> str:
        text = self.ops.show(value)
        self.ops.pay_copy(len(text))
        return text

    def do_bool(self, value: Any) -> bool:
        return truth(value)

    def do_abs(self, value: Any) -> int:
        demand(is_int(value))
        return fit(abs(value))

    def do_min(self, *values: Any) -> Any:
        return self._extreme(values, -1)

    def do_max(self, *values: Any) -> Any:
        return self._extreme(values, 1)

    def _extreme(self, values: tuple[Any, ...], sign: int) -> Any:
        items = self.items(values[0] if len(values) == 1 else values, 16)
        self.pay(2 * self.p.slow_path)
        demand(bool(items), "value")
        best = items[0]
        self.ops.order(best, best)
        for item in items[1:]:
            best = item if self.ops.order(item, best) == sign else best
        return best

    def do_sum(self, values: Any, start: Any = 0) -> int:
        items = self.items(values, 3)
        demand(is_int(start))
        total = start
        for item in items:
            demand(is_int(item))
            total = fit(total + item)
        return total

    def do_sorted(self, values: Any, reverse: Any = False) -> list[Any]:
        demand(type(reverse) is bool)
        items = self.items(values)
        self.pay(2 * self.p.slow_path)
        kinds = {type(item) for item in items}
        demand(len(kinds) <= 1 and len({id(i.kind) for i in items if type(i) is Rec}) <= 1)
        kind = next(iter(kinds), int)
        steps = len(items) * max(len(items).bit_length(), 1)
        longest = max(map(len, items), default=0) if kind in (str, bytes, Addr) else 0
        self.pay(steps * (self.p.sort_item + longest // 16))
        if kind in (int, str, bytes, Addr):
            return sorted(items, reverse=reverse)
        self.pay(steps * self.p.item_check)
        if len(items) == 1:
            self.ops.order(items[0], items[0])
        return self._merge_sort(items, -1 if reverse else 1)

    def _merge_sort(self, items: list[Any], sign: int) -> list[Any]:
        """Stable, bottom up: which pairs meet is part of the price."""
        runs = [[item] for item in items]
        while len(runs) > 1:
            pairs = [runs[i : i + 2] for i in range(0, len(runs), 2)]
            runs = [self._merge(*pair, sign) if len(pair) == 2 else pair[0] for pair in pairs]
        return runs[0] if runs else []

    def _merge(self, left: list[Any], right: list[Any], sign: int) -> list[Any]:
        merged, i, j = [], 0, 0
        while i < len(left) and j < len(right):
            if self.ops.order(left[i], right[j]) * sign <= 0:
                merged.append(left[i])
                i += 1
            else:
                merged.append(right[j])
                j += 1
        return merged + left[i:] + right[j:]

    def do_reversed(self, values: Any) -> list[Any]:
        demand(type(values) is not dict)
        return list(reversed(self.items(values)))

    def do_range(self, *bounds: Any) -> Any:
        demand(all(map(is_int, bounds)))
        demand(len(bounds) < 3 or bounds[2] != 0, "value")
        self.pay(2 * self.p.slow_path)
        result = range(*bounds)
        demand(count_items(result) <= RANGE_ITEMS_MAX, "size")
        self.hold(4 * WORD)
        return result

    def do_enumerate(self, values: Any, start: Any = 0) -> list[Any]:
        demand(is_int(start))
        items = self.items(values, 3)
        self.hold(WORD * len(items))
        fit(start + len(items))
        return [(start + index, item) for index, item in enumerate(items)]

    def do_zip(self, *sources: Any) -> list[Any]:
        columns = [self.ops.snapshot(source) for source in sources]
        count = min(map(count_items, columns))
        self.pay(self.p.item * (2 + len(columns)) * count)
        self.hold(2 * WORD * count)
        return [tuple(column[index] for column in columns) for index in range(count)]

    def do_list(self, values: Any = ()) -> list[Any]:
        return self.items(values)

    def do_tuple(self, values: Any = ()) -> tuple[Any, ...]:
        return tuple(self.items(values))

    def do_dict(self, values: Any = ()) -> dict[Any, Any]:
        if type(values) is dict:
            self.items(values, 4)
            self.hold(ENTRY * len(values))
            return dict(values)
        self.pay(2 * self.p.slow_path)
        result: dict[Any, Any] = {}
        for pair in self.items(values, 20):
            demand(type(pair) in (tuple, list))
            demand(len(pair) == 2, "value")
            self.hold(ENTRY)
            result[self.ops.key(pair[0])] = pair[1]
        return result

    def do_any(self, values: Any) -> bool:
        return any(map(truth, self.items(values)))

    def do_all(self, values: Any) -> bool:
        return all(map(truth, self.items(values)))

    def do_divmod(self, left: Any, right: Any) -> tuple[int, int]:
        self.hold(3 * WORD)
        demand(is_int(left) and is_int(right))
        demand(right != 0, "division-by-zero")
        return fit(left // right), left % right


class Methods:
    """``x.append`` and so on, by name, on the exact types that have them."""

    def __init__(self, operations: Operations) -> None:
        self.ops, self.p = operations, operations.p
        self.pay, self.hold, self.copy = operations.pay, operations.hold, operations.pay_copy

    def run(self, name: str, value: Any, arguments: list[Any]) -> Any:
        return getattr(self, "do_" + name)(value, *arguments)

    def do_startswith(self, text: Any, start: Any) -> bool:
        demand(type(text) in (str, bytes) and type(start) is type(text))
        self.pay(len(start) // 16)
        return bool(text[: len(start)] == start)

    def do_endswith(self, text: Any, end: Any) -> bool:
        demand(is_text(text, end))
        self.pay(len(end) // 16)
        return bool(text[max(0, len(text) - len(end)) :] == end)

    def do_find(self, text: Any, wanted: Any, start: Any = 0) -> int:
        demand(is_text(text, wanted) and is_int(start))
        self.ops.search(text, wanted)
        return int(text.find(wanted, max(-(10**6), min(start, 10**9))))

    def do_split(self, text: Any, separator: Any = None, count: Any = -1) -> list[str]:
        demand(is_text(text))
        if separator is None:
            self._ascii(text)
            parts = 2 + len(text) // 2
        else:
            demand(is_text(separator))
            demand(separator != "", "value")
            self.ops.search(text, separator)
            parts = 2 + text.count(separator)
        demand(is_int(count))
        self.pay(len(text) + 8 * parts + 2 * self.p.slow_path)
        self.hold(WORD * parts + len(text) * width(text))
        return list(text.split(separator, -1 if count < 0 else min(count, 10**9)))

    def do_join(self, separator: Any, parts: Any) -> str:
        demand(is_text(separator) and type(parts) in (list, tuple))
        self.pay(self.p.item_check * (1 + len(parts)))
        demand(is_text(*parts))
        size = sum(len(part) + len(separator) for part in parts)
        self.copy(size * width(separator, *parts))
        return str(separator.join(parts))

    def do_replace(self, text: Any, old: Any, new: Any, count: Any = -1) -> str:
        demand(is_text(text, old, new) and is_int(count))
        self.ops.search(text, old)
        times = text.count(old)
        self.pay(times + 3 * self.p.slow_path)
        self.copy((len(text) + times * len(new)) * width(text, new))
        return str(text.replace(old, new, -1 if count < 0 else min(count, 10**9)))

    def do_strip(self, text: Any, characters: Any = None) -> str:
        demand(is_text(text))
        if characters is None:
            self._ascii(text)
        else:
            demand(is_text(characters))
            self.pay(self.p.slow_path)
            self.ops.search(text, characters)
        self.pay(len(text) // 2)
        self.copy(len(text) * width(text))
        return str(text.strip(characters))

    def _ascii(self, text: Any) -> None:
        demand(all(ord(character) < 128 for character in text), "value")

    def _simple(self, text: Any) -> str:
        demand(is_text(text))
        self._ascii(text)
        self.pay(len(text) // 2)
        self.copy(len(text))
        return str(text)

    def do_lower(self, text: Any) -> str:
        return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in self._simple(text))

    def do_upper(self, text: Any) -> str:
        return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in self._simple(text))

    def do_isdigit(self, text: Any) -> bool:
        return re.fullmatch("[0-9]+", self._simple(text)) is not None

    def do_isalnum(self, text: Any) -> bool:
        return re.fullmatch("[0-9A-Za-z]+", self._simple(text)) is not None

    def do_encode(self, text: Any) -> bytes:
        demand(is_text(text))
        self.pay(len(text) // 4)
        self.copy(len(text) * width(text))
        return str(text).encode("utf-8")

    def do_hex(self, data: Any) -> str:
        demand(type(data) in (bytes, Addr))
        self.copy(2 * len(data))
        return "".join(f"{byte:02x}" for byte in data)

    def do_append(self, items: Any, item: Any) -> None:
        demand(type(items) is list)
        self.hold(WORD)
        items.append(item)

    def do_extend(self, items: Any, more: Any) -> None:
        demand(type(items) is list and type(more) in (list, tuple))
        self.pay(len(more) // 2)
        self.hold(16 * len(more))
        items += list(more)

    def do_pop(self, items: Any, key: Any = MISSING, default: Any = MISSING) -> Any:
        if type(items) is dict:
            demand(key is not MISSING)
            if self.ops.key(key) in items:
                return items.pop(key)
            demand(default is not MISSING, "key")
            return default
        demand(type(items) is list and default is MISSING)
        index = -1 if key is MISSING else key
        demand(is_int(index))
        self.pay(len(items) // 16)
        demand(-len(items) <= index < len(items), "index")
        return items.pop(index)

    def do_get(self, items: Any, key: Any, default: Any = None) -> Any:
        demand(type(items) is dict)
        return items[key] if self.ops.key(key) in items else default

    def _walk(self, items: Any) -> Any:
        demand(type(items) is dict)
        self.pay(len(items))
        self.hold(WORD + 8 * len(items))
        return items

    def do_keys(self, items: Any) -> list[Any]:
        return list(self._walk(items))

    def do_values(self, items: Any) -> list[Any]:
        return [items[name] for name in self._walk(items)]

    def do_items(self, items: Any) -> list[Any]:
        self._walk(items)
        self.pay(2 * self.p.item * len(items))
        self.hold(WORD * len(items))
        return [(name, items[name]) for name in items]


def make_sdk(ops: Operations) -> dict[str, Callable[..., Any]]:
    """The SDK's functions that need neither storage nor the running contract."""

    def revert(code: Any = "revert") -> None:
        demand(is_text(code))
        demand(len(code) <= 64, "size")
        raise Fail("reverted", code)

    def require(condition: Any, code: Any = "require") -> None:
        if not truth(condition):
            revert(code)

    def mul_div(a: Any, b: Any, c: Any, up: bool = False) -> int:
        demand(is_int(a) and is_int(b) and is_int(c))
        demand(c != 0, "division-by-zero")
        quotient, rest = divmod(a * b, c)
        return fit(quotient + (up and rest != 0))

    def check_scale(scale: Any) -> None:
        demand(is_int(scale))
        demand(0 <= scale <= FIXED_SCALE_MAX, "value")

    def parse_fixed(text: Any, scale: Any) -> int:
        demand(is_text(text))
        check_scale(scale)
        ops.pay(ops.p.text)
        found = re.fullmatch(r"(-?)([0-9]{1,78})(?:\.([0-9]{1,78}))?", text)
        demand(found is not None and len(found[3] or "") <= scale, "value")
        sign, whole, part = found.groups(default="")
        part = int(part or "0") * 10 ** (scale - len(part))
        return fit((-1 if sign else 1) * (int(whole) * 10**scale + part))

    def format_fixed(value: Any, scale: Any) -> str:
        demand(is_int(value))
        check_scale(scale)
        ops.pay(ops.p.text)
        ops.pay_copy(160)
        whole, part = divmod(abs(value), 10**scale)
        shown = f"{whole}.{part:0{scale}d}" if scale else str(whole)
        return f"-{shown}" if value < 0 else shown

    def sha256(data: Any) -> bytes:
        demand(type(data) in (bytes, Addr))
        ops.pay(ops.p.sha256 + (len(data) >> ops.p.sha256_shift))
        return hashlib.sha256(data).digest()

    def verify_ed25519(key: Any, message: Any, signature: Any) -> bool:
        demand(all(type(part) in (bytes, Addr) for part in (key, message, signature)))
        size = len(message) + len(signature)
        ops.pay(ops.p.verify_ed25519 + (size >> ops.p.verify_ed25519_shift))
        ops.hold(2 * size)
        return verify(bytes(key), bytes(message), bytes(signature))

    def address(value: Any) -> Addr:
        if type(value) is Addr:
            return value
        ops.pay(ops.p.text)
        if type(value) is bytes:
            demand(len(value) == 32, "value")
            return Addr(value)
        demand(is_text(value))
        found = re.fullmatch("(?:0x)?([0-9a-fA-F]{64})", value)
        demand(found is not None, "value")
        return Addr(bytes.fromhex(found[1]))

    return {
        "require": require, "revert": revert, "mul_div": mul_div,
        "mul_div_up": lambda a, b, c: mul_div(a, b, c, up=True),
        "parse_fixed": parse_fixed, "format_fixed": format_fixed, "sha256": sha256,
        "verify_ed25519": verify_ed25519, "Address": address,
    }  # fmt: skip
