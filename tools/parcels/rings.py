"""Whether the rings of a boundary enclose what they say: no crossings, holes inside. No I/O.

Exact integers, so nothing depends on a tolerance. Refused: an edge across the antimeridian (RFC
7946, 3.1.9: cut it there), edges that cross, overlap or touch other than rings at a common
vertex, spikes, an outer ring inside another polygon's land, a hole outside its outer ring.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tools.parcels.geojson import Boundary, BoundaryError, Point, Ring
from tools.parcels.grid import DEGREE

PAIRS_MAX: Final = 20_000_000
"""Pairs of edges near each other: beyond this a boundary is a trap or should be split."""

Edge = tuple[int, int, int, int, int, int]
"""West and east end, south and north end, ring, place in the ring."""


def check_rings(boundary: Boundary) -> None:
    """Raise BoundaryError unless the boundary is sound."""
    rings = boundary.rings
    for ring in rings:
        for at, point in enumerate(ring):
            if abs(point[0] - ring[at - 1][0]) > 180 * DEGREE:
                raise BoundaryError("an edge crosses the antimeridian: cut it there", at=point)
    for one, other in _list_near(rings):
        _check_pair(rings, one, other)
    _check_nesting(boundary)


def _list_near(rings: list[Ring]) -> Iterator[tuple[Edge, Edge]]:
    """Yield the pairs of edges whose boxes meet: a sweep from west to east."""
    edges = sorted(
        (min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1]), number, at)
        for number, ring in enumerate(rings)
        for at, b in enumerate(ring)
        for a in (ring[at - 1],)
    )
    active: list[Edge] = []
    pairs = 0
    for edge in edges:
        active = [other for other in active if other[1] >= edge[0]]
        pairs += len(active)
        if pairs > PAIRS_MAX:
            raise BoundaryError("too intricate: split the boundary into parcels")
        for other in active:
            if other[2] <= edge[3] and edge[2] <= other[3]:
                yield other, edge
        active.append(edge)


def _check_pair(rings: list[Ring], one: Edge, other: Edge) -> None:
    ring, place = rings[one[4]], one[5]
    a, b = ring[place - 1], ring[place]
    ring, place = rings[other[4]], other[5]
    c, d = ring[place - 1], ring[place]
    common = {a, b} & {c, d}
    if len(common) == 1 and (one[4] != other[4] or _is_next(one[5], other[5], len(ring))):
        # They meet in a vertex; along a line they must not go back over each other.
        (meeting,) = common
        (p,), (q,) = {a, b} - common, {c, d} - common
        if _turn(meeting, p, q) != 0 or _is_between(p, meeting, q):
            return
    elif not _do_meet(a, b, c, d):
        return
    raise BoundaryError("edges cross or touch", first=(a, b), second=(c, d))


def _is_next(place: int, other: int, count: int) -> bool:
    return (place - other) % count in (1, count - 1)


def _turn(a: Point, b: Point, c: Point) -> int:
    """Positive when a, b, c turn left, 0 on one line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _is_between(a: Point, middle: Point, b: Point) -> bool:
    """Whether ``middle``, on the line of a and b, lies between them."""
    return (a[0] - middle[0]) * (b[0] - middle[0]) + (a[1] - middle[1]) * (b[1] - middle[1]) < 0


def _do_meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the closed segments have a point in common; their boxes do."""
    one, two = _turn(a, b, c), _turn(a, b, d)
    three, four = _turn(c, d, a), _turn(c, d, b)
    return one * two <= 0 and three * four <= 0


def _check_nesting(boundary: Boundary) -> None:
    rings = boundary.rings
    corners = [set(ring) for ring in rings]
    number = 0
    for polygon in boundary.polygons:
        outer = number
        for place in range(len(polygon)):
            depth, inside_outer = 0, False
            for other, ring in enumerate(rings):
                if other != number and _is_inside(rings[number], ring, corners[other]):
                    depth += 1
                    inside_outer = inside_outer or other == outer
            wanted = 0 if place == 0 else 1
            if depth % 2 != wanted or (place > 0 and not inside_outer):
                what = "a hole is not in its outer ring" if place else "polygons lie in each other"
                raise BoundaryError(what, at=rings[number][0])
            number += 1


def _is_inside(ring: Ring, other: Ring, corners: set[Point]) -> bool:
    """Whether ``ring``, which does not cross ``other``, lies in it."""
    point = next((item for item in ring if item not in corners), None)
    if point is None:
        return False
    x, y = point
    inside = False
    for at, (x2, y2) in enumerate(other):
        x1, y1 = other[at - 1]
        if (y1 > y) != (y2 > y):
            low, high = ((x1, y1), (x2, y2)) if y1 < y2 else ((x2, y2), (x1, y1))
            inside ^= _turn(low, high, (x, y)) > 0
    return inside
