"""Which declarations of storage a next version may make."""

from __future__ import annotations

import pytest

from vm.compatibility import find_storage_changes
from vm.compiler import compile_source
from vm.declarations import Contract
from vm.gas import get_schedule

RECORDS = "from vm import Address, Map, Var\n\n@record\nclass A:\n    x: int\n\n"


@pytest.mark.parametrize(
    ("old", "new", "is_kept"),
    [
        ("Var[int]()", "Var[int]()", True),
        ("Var[int]()", "Map[str, int]()", False),
        ("Map[str, int]()", "Var[int]()", False),
        ("Var[A]()", "Var[B]()", False),
        ("Var[A]()", "Var[tuple[int]]()", False),
        ("Var[list[int]]()", "Var[list[int]]()", True),
        ("Var[list[int]]()", "Var[list[str]]()", False),
        ("Var[list[A]]()", "Var[list[B]]()", False),
        ("Var[dict[str, int]]()", "Var[dict[bytes, int]]()", False),
        ("Var[dict[str, int]]()", "Var[dict[str, bool]]()", False),
        ("Var[tuple[int, int]]()", "Var[tuple[int, str]]()", False),
        ("Var[tuple[int, int]]()", "Var[tuple[int, int, int]]()", False),
        ("Var[tuple[int, int, int]]()", "Var[tuple[int, int]]()", False),
        ("Map[tuple[str, int], int]()", "Map[tuple[str, int], int]()", True),
        ("Map[tuple[str, int], int]()", "Map[tuple[int, str], int]()", False),
        ("Map[Address, int]()", "Map[bytes, int]()", False),
        ("Map[str, int]()", "Map[str, int](default=0)", False),
        ("Map[str, int](default=1)", "Map[str, int](default=1)", True),
        ("Map[str, int](default=1)", "Map[str, int](default=2)", False),
        ("Map[str, list[int]](default=[])", "Map[str, list[int]](default=[])", True),
    ],
)
def test_which_declarations_keep_their_rows(old: str, new: str, is_kept: bool) -> None:
    before, after = (declare(f"rows = {text}") for text in (old, new))
    assert find_storage_changes(before, after) == ([] if is_kept else ["rows"])


def test_a_record_in_a_record_may_gain_fields_too() -> None:
    more = RECORDS.replace("    x: int\n", "    x: int\n    y: list[Address]\n")
    assert find_storage_changes(declare("rows = Map[str, list[A]]()"),
                                declare("rows = Map[str, list[A]]()", more)) == []  # fmt: skip
    assert find_storage_changes(declare("rows = Var[A]()", more), declare("rows = Var[A]()")) == [
        "rows"
    ]


def declare(text: str, head: str = RECORDS) -> Contract:
    head = head.replace("Map, Var", "Map, Var, record") + "@record\nclass B:\n    x: int\n\n"
    return compile_source(head + text + "\n", get_schedule(1)).contract
