"""Operator guards for operands that are integers for certain (vm/integers.py).

They do what the guards of the same names do for two ints, without looking at types: the
operation, then the check of its size. Used for nothing else. Source: docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vm.gas import INT_MAX, INT_MIN
from vm.outcome import Fault

PREFIX: Final = "int."


def add(left: int, right: int) -> int:
    result = left + right
    if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
        return result
    raise Fault("overflow")


def subtract(left: int, right: int) -> int:
    result = left - right
    if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
        return result
    raise Fault("overflow")


def multiply(left: int, right: int) -> int:
    result = left * right
    if -1073741823 < result < 1073741823 or INT_MIN <= result <= INT_MAX:
        return result
    raise Fault("overflow")


def divide(left: int, right: int) -> int:
    if right == 0:
        raise Fault("division-by-zero")
    result = left // right
    if result <= INT_MAX:  # the least int by -1
        return result
    raise Fault("overflow")


def modulo(left: int, right: int) -> int:
    if right == 0:
        raise Fault("division-by-zero")
    return left % right


def equal(left: int, right: int) -> bool:
    return left == right


def not_equal(left: int, right: int) -> bool:
    return left != right


def less(left: int, right: int) -> bool:
    return left < right


def less_equal(left: int, right: int) -> bool:
    return left <= right


def greater(left: int, right: int) -> bool:
    return left > right


def greater_equal(left: int, right: int) -> bool:
    return left >= right


INTEGER_GUARDS: Final[dict[str, Callable[[int, int], int]]] = {
    "add": add, "extend_or_add": add, "subtract": subtract, "multiply": multiply,
    "divide": divide, "modulo": modulo, "equal": equal, "not_equal": not_equal, "less": less,
    "less_equal": less_equal, "greater": greater, "greater_equal": greater_equal,
}  # fmt: skip
"""By the name of the guard that each stands for."""
