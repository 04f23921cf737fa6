"""The cells of a boundary: those whose centre it holds, as ascending ranges. No I/O.

Row by row: where the row's central parallel crosses the edges, exactly, by integers. A centre on
an edge belongs to the land east or north of it, so that parcels that meet share no cell and leave
none out. Squares that are full are taken whole, which makes the Z-order's ranges long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tools.parcels.geojson import Boundary, BoundaryError, Point, list_edges
from tools.parcels.grid import (
    COLUMN_BITS,
    DEGREE,
    EARTH_M2,
    LEVEL_MAX,
    ROW_BITS,
    compute_latitude,
    compute_row_share,
    interleave,
    to_m2,
)
from tools.parcels.rings import check_rings

RANGES_WANTED: Final = 4096
"""The level is the finest at which a parcel takes no more: 16 transactions of 256 to claim."""
RANGES_MAX: Final = 65_536
ROWS_MAX: Final = 200_000
"""At level 0 about 1,400 km from south to north."""
PIECE_RANGES: Final = 256

Span = tuple[int, int]
"""Columns [first, end) of a row."""


@dataclass(frozen=True, slots=True)
class Cover:
    """``ranges`` are (first cell, how many) of level 0, ascending and apart."""

    level: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def cells(self) -> int:
        """How many of the finest cells (level 0), whatever the level it is drawn at."""
        return sum(count for _, count in self.ranges)

    @property
    def area_m2(self) -> int:
        """The area of all of them, in square metres."""
        return to_m2(self.cells)

    def cut(self) -> list[list[int]]:
        """Return the pieces in which the chain takes them."""
        return [
            [number for pair in self.ranges[at : at + PIECE_RANGES] for number in pair]
            for at in range(0, len(self.ranges), PIECE_RANGES)
        ]


def cover_boundary(boundary: Boundary, level: int | None = None) -> Cover:
    """Return the cells of a sound boundary; raise BoundaryError when it is not, or has none."""
    check_rings(boundary)
    levels = range(LEVEL_MAX + 1) if level is None else [level]
    for tried in levels:
        rows = _count_rows(boundary, tried)
        if rows > ROWS_MAX:
            continue
        ranges = _make_ranges(_cover_rows(boundary, tried), tried)
        if not ranges and level is None:
            raise BoundaryError("too small: no cell has its centre in it")
        if len(ranges) <= (RANGES_WANTED if level is None else RANGES_MAX) and ranges:
            return Cover(tried, tuple(ranges))
    raise BoundaryError("no level covers it: split the boundary into parcels")


def _get_latitudes(boundary: Boundary) -> tuple[int, int]:
    latitudes = [point[1] for ring in boundary.rings for point in ring]
    return min(latitudes), max(latitudes)


def _find_rows(boundary: Boundary, level: int) -> range:
    bits = ROW_BITS - level
    low, high = (
        compute_row_share(latitude) >> (128 - bits) for latitude in _get_latitudes(boundary)
    )
    return range(low, min(high + 1, 1 << bits))


def _count_rows(boundary: Boundary, level: int) -> int:
    return len(_find_rows(boundary, level))


def _cover_rows(boundary: Boundary, level: int) -> dict[int, list[Span]]:
    edges: list[tuple[Point, Point]] = []
    for a, b in list_edges(boundary.rings):
        if a[1] != b[1]:
            edges.append((a, b) if a[1] < b[1] else (b, a))
    edges.sort(key=lambda edge: edge[0][1])
    rows: dict[int, list[Span]] = {}
    active: list[tuple[Point, Point]] = []
    at = 0
    for row in _find_rows(boundary, level):
        latitude = compute_latitude(2 * row + 1, ROW_BITS - level + 1)
        while at < len(edges) and edges[at][0][1] <= latitude:
            active.append(edges[at])
            at += 1
        active = [edge for edge in active if latitude < edge[1][1]]
        columns = sorted(_find_column(edge, latitude, level) for edge in active)
        spans = [
            (columns[n], columns[n + 1])
            for n in range(0, len(columns), 2)
            if columns[n] < columns[n + 1]
        ]
        if spans:
            rows[row] = _join(spans)
    return rows


def _find_column(edge: tuple[Point, Point], latitude: int, level: int) -> int:
    """The first column whose centre is not west of the edge on this parallel."""
    (x1, y1), (x2, y2) = edge
    below = y2 - y1
    east = (x1 + 180 * DEGREE) * below + (latitude - y1) * (x2 - x1)
    # centre = (2 column + 1) 180 / 2^bits degrees from the west
    numerator = (east << (COLUMN_BITS - level + 1)) - 360 * DEGREE * below
    return -(-numerator // (720 * DEGREE * below))


def _join(spans: list[Span]) -> list[Span]:
    joined = [spans[0]]
    for span in spans[1:]:
        if span[0] <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span[1]))
        else:
            joined.append(span)
    return joined


def _make_ranges(rows: dict[int, list[Span]], level: int) -> list[tuple[int, int]]:
    """Return the ranges of all squares: from the smallest up, those that no larger one holds."""
    found: list[tuple[int, int]] = []
    while rows:
        larger = _find_full(rows)
        for row, spans in rows.items():
            held = [(2 * first, 2 * end) for first, end in larger.get(row // 2, [])]
            for first, end in _subtract(spans, held):
                for column in range(first, end):
                    found.append((interleave(column, row) << 2 * level, 1 << 2 * level))
        rows, level = larger, level + 1
    found.sort()
    ranges: list[tuple[int, int]] = []
    for start, count in found:
        if ranges and ranges[-1][0] + ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + count)
        else:
            ranges.append((start, count))
    return ranges


def _find_full(rows: dict[int, list[Span]]) -> dict[int, list[Span]]:
    """Return the squares of twice the side of which all four quarters are there."""
    larger: dict[int, list[Span]] = {}
    for row in rows:
        if row % 2 or row + 1 not in rows:
            continue
        spans = [
            (-(-first // 2), end // 2)
            for first, end in _intersect(rows[row], rows[row + 1])
            if -(-first // 2) < end // 2
        ]
        if spans:
            larger[row // 2] = spans
    return larger


def _intersect(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    found, at = [], 0
    for first, end in one:
        while at < len(other) and other[at][1] <= first:
            at += 1
        look = at
        while look < len(other) and other[look][0] < end:
            found.append((max(first, other[look][0]), min(end, other[look][1])))
            look += 1
    return found


def _subtract(spans: Sequence[Span], cuts: Sequence[Span]) -> list[Span]:
    """``cuts`` lie in ``spans`` and ascend."""
    left = []
    for first, end in spans:
        start = first
        for low, high in cuts:
            if first <= low and high <= end:
                if start < low:
                    left.append((start, low))
                start = high
        if start < end:
            left.append((start, end))
    return left


def measure_m2(boundary: Boundary) -> int:
    """Return the area on the ellipsoid, edges straight in longitude and latitude; for people.

    The integral of the area below each edge by Simpson's rule, in steps of at most a tenth of a
    degree: error below 10^-9 of the area. Floats: the chain only compares it with the cells.
    """
    total = 0.0
    for polygon in boundary.polygons:
        for place, ring in enumerate(polygon):
            area = abs(math.fsum(_integrate(a, b) for a, b in list_edges([ring])))
            total += area if place == 0 else -area
    return round(total * EARTH_M2)


def _integrate(a: Point, b: Point) -> float:
    """The share of the Earth between an edge and the south pole."""
    steps = max(1, math.ceil(abs(b[1] - a[1]) / (DEGREE / 10)))
    width = (b[0] - a[0]) / (360 * DEGREE)
    shares = []
    for step in range(2 * steps + 1):
        latitude = a[1] + (b[1] - a[1]) * step // (2 * steps)
        shares.append(compute_row_share(latitude) / 2**128)
    inner = 4 * math.fsum(shares[1::2]) + 2 * math.fsum(shares[2:-1:2])
    return width * (shares[0] + inner + shares[-1]) / (6 * steps)
