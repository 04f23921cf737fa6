"""Two indexes of a chain, row by row: what one has and the other has not, or has otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, select

from tools.indexer.database import reading, require_meta
from tools.indexer.errors import IndexFault
from tools.indexer.registry import CERTIFIED, DERIVED
from tools.indexer.writing import HEIGHT

SHOWN_MAX: Final = 20
FETCHED: Final = 2_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out: rows compared by table, and the first differences."""

    height: int
    rows: dict[str, int]
    differences: list[str]

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference."""
        return not self.differences


def compare(one: Engine, other: Engine) -> Comparison:
    """Compare every table of two indexes of one chain at one height.

    Raises IndexFault when chain or height differ: their rows could not be equal.
    """
    with reading(one) as left, reading(other) as right:
        for name, code in (("chain_id", "index-chain"), (HEIGHT, "index-heights")):
            values = [require_meta(item, name) for item in (left, right)]
            if values[0] != values[1]:
                raise IndexFault(
                    f"the two indexes differ in their {name}: {values[0]} and {values[1]}",
                    code=code,
                )
        height = int(values[0])
        rows: dict[str, int] = {}
        differences: list[str] = []
        for table in (*CERTIFIED, *DERIVED):
            rows[table.name] = _compare_table(table, left, right, differences)
            if len(differences) >= SHOWN_MAX:
                break
    return Comparison(height, rows, differences[:SHOWN_MAX])


def _compare_table(
    table: Table, left: Connection, right: Connection, differences: list[str]
) -> int:
    """Return how many rows were compared; both sides come in the order of their keys."""
    count = 0
    ours, others = _read(table, left), _read(table, right)
    mine, its = next(ours, None), next(others, None)
    while (mine is not None or its is not None) and len(differences) < SHOWN_MAX:
        count += 1
        if mine is not None and (its is None or mine[0] < its[0]):
            differences.append(f"{table.name} {mine[0]}: only in the first")
            mine = next(ours, None)
        elif its is not None and (mine is None or its[0] < mine[0]):
            differences.append(f"{table.name} {its[0]}: only in the second")
            its = next(others, None)
        else:
            assert mine is not None and its is not None
            for column, one, other in zip(table.columns, mine[1], its[1], strict=True):
                if one != other:
                    differences.append(f"{table.name} {mine[0]}: {column.name} {one!r} {other!r}")
            mine, its = next(ours, None), next(others, None)
    return count


def _read(
    table: Table, connection: Connection
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    primary = list(table.primary_key.columns)
    statement = select(table).order_by(*primary).execution_options(yield_per=FETCHED)
    places = [list(table.columns).index(column) for column in primary]
    for row in connection.execute(statement):
        values = tuple(bytes(item) if isinstance(item, memoryview) else item for item in row)
        yield tuple(_order(values[place]) for place in places), values


def _order(value: Any) -> Any:
    # Both engines sort texts by their bytes, which is not how Python compares all of them.
    return value.encode() if isinstance(value, str) else value
