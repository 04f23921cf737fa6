"""The dictionary of hot values: bounded, and never a value of another height."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator

from storage.stateview import ENTRY_OVERHEAD_BYTES, HotState


class LooksWhileMoving(dict[bytes, bytes | None]):
    """Writes during whose application somebody asks for values."""

    def __init__(self, hot: HotState, writes: dict[bytes, bytes | None]) -> None:
        super().__init__(writes)
        self.hot = hot
        self.heights: list[int] = []

    def items(self) -> ItemsView[bytes, bytes | None]:
        return ItemsViewThatLooks(self)


class ItemsViewThatLooks(ItemsView[bytes, bytes | None]):
    def __init__(self, writes: LooksWhileMoving) -> None:
        super().__init__(writes)
        self._writes = writes

    def __iter__(self) -> Iterator[tuple[bytes, bytes | None]]:
        for key in list(self._writes):
            self._writes.heights.append(self._writes.hot.height)
            yield key, self._writes[key]


def test_while_values_move_they_belong_to_no_height() -> None:
    hot = HotState(1 << 20, 4)
    hot.remember(4, b"a", b"old")
    writes = LooksWhileMoving(hot, {b"a": b"new", b"b": b"1"})
    hot.apply(5, writes)
    assert len(writes.heights) == 2
    assert not set(writes.heights) & {4, 5}
    assert hot.height == 5
    assert hot.values == {b"a": b"new", b"b": b"1"}


def test_a_value_read_at_an_older_height_is_not_kept() -> None:
    hot = HotState(1 << 20, 4)
    hot.apply(5, {})
    hot.remember(4, b"a", b"old")
    assert not hot.values
    hot.remember(5, b"a", b"new")
    assert hot.values == {b"a": b"new"}


def test_the_bytes_are_bounded_and_the_oldest_written_goes_first() -> None:
    entry = ENTRY_OVERHEAD_BYTES + 1 + 10
    hot = HotState(3 * entry, 0)
    for name in (b"a", b"b", b"c", b"a", b"d"):
        hot.remember(0, name, bytes(10))
    assert set(hot.values) == {b"c", b"a", b"d"}
    assert hot.size == 3 * entry
    hot.apply(1, {b"c": None, b"unknown": None})
    assert hot.size == 2 * entry
    hot.apply(2, {b"huge": bytes(4 * entry)})
    assert hot.size == 0 and not hot.values
