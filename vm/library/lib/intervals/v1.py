"""Half-open intervals of serials: start is inside, end is the first one outside.

An interval has at least one serial: `make_interval` reverts `bad-interval` otherwise. Lists that
come out are ascending, without overlap.
"""
from vm import record, require


@record
class Interval:
    start: int
    end: int


def make_interval(start: int, end: int) -> Interval:
    require(start < end, "bad-interval")
    return Interval(start, end)


def size_of(part: Interval) -> int:
    return part.end - part.start


def holds(part: Interval, serial: int) -> bool:
    return part.start <= serial < part.end


def covers(outer: Interval, inner: Interval) -> bool:
    """Whether every serial of `inner` is in `outer`."""
    return outer.start <= inner.start and inner.end <= outer.end


def is_overlapping(a: Interval, b: Interval) -> bool:
    """Whether they share a serial; neighbours do not."""
    return a.start < b.end and b.start < a.end


def get_overlap(a: Interval, b: Interval) -> list[Interval]:
    """What they share: one interval or none."""
    if not is_overlapping(a, b):
        return []
    return [Interval(max(a.start, b.start), min(a.end, b.end))]


def split_at(part: Interval, at: int) -> list[Interval]:
    """Two parts that meet at `at`; reverts `bad-split` unless both hold a serial."""
    require(part.start < at < part.end, "bad-split")
    return [Interval(part.start, at), Interval(at, part.end)]


def subtract(part: Interval, cut: Interval) -> list[Interval]:
    """What is left of `part` without `cut`: none, one or two intervals."""
    left: list[Interval] = []
    if part.start < min(part.end, cut.start):
        left.append(Interval(part.start, min(part.end, cut.start)))
    if max(part.start, cut.end) < part.end:
        left.append(Interval(max(part.start, cut.end), part.end))
    return left


def join(a: Interval, b: Interval) -> Interval:
    """One interval of two that meet or overlap; reverts `not-adjacent` otherwise."""
    require(a.start <= b.end and b.start <= a.end, "not-adjacent")
    return Interval(min(a.start, b.start), max(a.end, b.end))


def merge(parts: list[Interval]) -> list[Interval]:
    """The same serials in as few intervals as there can be."""
    ends: dict[int, int] = {}
    for part in parts:
        ends[part.start] = max(ends.get(part.start, part.end), part.end)
    merged: list[Interval] = []
    for start in sorted(ends.keys()):
        end = ends[start]
        if len(merged) > 0 and start <= merged[-1].end:
            last = merged.pop()
            merged.append(Interval(last.start, max(last.end, end)))
        else:
            merged.append(Interval(start, end))
    return merged


def subtract_all(parts: list[Interval], cuts: list[Interval]) -> list[Interval]:
    """The serials of `parts` that are in none of `cuts`."""
    left = merge(parts)
    for cut in cuts:
        kept: list[Interval] = []
        for part in left:
            kept.extend(subtract(part, cut))
        left = kept
    return left


def count_serials(parts: list[Interval]) -> int:
    """How many different serials `parts` hold."""
    return sum([part.end - part.start for part in merge(parts)])
