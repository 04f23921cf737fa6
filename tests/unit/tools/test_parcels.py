"""Boundaries to cells: the grid against published figures, covers against plain geometry."""

from __future__ import annotations

import hashlib
import json
import math
import random
from decimal import Decimal, getcontext
from itertools import pairwise
from typing import Any

import pytest

from tools.parcels.cover import Cover, cover_boundary, measure_m2
from tools.parcels.geojson import (
    VERTICES_MAX,
    Boundary,
    BoundaryError,
    parse_boundary,
)
from tools.parcels.grid import (
    CELLS_OF_EARTH,
    DEGREE,
    EARTH_M2,
    compute_cell,
    compute_latitude,
    compute_row_share,
    interleave,
    to_m2,
)

Points = list[list[float]]


def polygon(*rings: Points) -> bytes:
    return json.dumps({"type": "Polygon", "coordinates": rings}).encode()


def square(west: float, south: float, side: float) -> Points:
    east, north = round(west + side, 9), round(south + side, 9)
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def cover(*rings: Points, level: int | None = 0) -> Cover:
    return cover_boundary(parse_boundary(polygon(*rings)), level)


def spread(found: Cover) -> set[int]:
    return {cell for start, count in found.ranges for cell in range(start, start + count)}


# --- the grid


def test_the_surface_of_the_ellipsoid_is_the_closed_form() -> None:
    """2 pi a^2 (1 + (1 - e^2) atanh(e) / e), with the constants of WGS 84, in 40 digits."""
    getcontext().prec = 40
    a, f = Decimal(6378137), 1 / Decimal("298.257223563")
    e2 = f * (2 - f)
    e = e2.sqrt()
    atanh = ((1 + e) / (1 - e)).ln() / 2
    pi = Decimal("3.14159265358979323846264338327950288419716")
    area = 2 * pi * a * a * (1 + (1 - e2) * atanh / e)
    assert int(area) == EARTH_M2


def test_authalic_latitudes_are_those_of_snyder() -> None:
    """Snyder's example (PP 1395, p. 16) is of Clarke 1866; here q is computed again in Decimal."""
    getcontext().prec = 40
    f = 1 / Decimal("298.257223563")
    e2 = f * (2 - f)
    e = e2.sqrt()

    def q(sine: Decimal) -> Decimal:
        inner = sine / (1 - e2 * sine * sine)
        return (1 - e2) * (inner - ((1 - e * sine) / (1 + e * sine)).ln() / (2 * e))

    half = Decimal("0.5")
    share = (1 + q(half) / q(Decimal(1))) / 2
    found = Decimal(compute_row_share(30 * DEGREE)) / 2**128
    assert abs(found - share) < Decimal("1e-30")
    # EASE-Grid 2.0, another equal-area grid on WGS 84, true to scale at 30 degrees: its upper edge
    # is y = 7,314,540.8306 m at 85.0445664 degrees (Brodzik et al. 2012, table 2; NSIDC).
    k0 = (Decimal(3).sqrt() / 2) / (1 - e2 * half * half).sqrt()
    y_pole = Decimal(6378137) * q(Decimal(1)) / (2 * k0)
    edge = Decimal(compute_row_share(85_044_566_400)) / 2**128
    assert abs((2 * edge - 1) * y_pole - Decimal("7314540.8306")) < Decimal("0.01")


@pytest.mark.parametrize("row", [0, 1, 77, 1 << 20, 1_500_000, (1 << 21) - 1])
def test_a_rows_central_parallel_lies_in_the_row(row: int) -> None:
    latitude = compute_latitude(2 * row + 1, 22)
    assert compute_row_share(latitude) << 21 >> 128 == row
    # To the nearest 10^-9 degree: the neighbours are on other sides of the middle.
    middle = (2 * row + 1) << (128 - 22)
    assert compute_row_share(latitude - 1) < middle < compute_row_share(latitude + 1)


def test_cells_count_from_the_south_west_and_interleave() -> None:
    assert compute_cell(-180 * DEGREE, -90 * DEGREE) == 0
    assert compute_cell(180 * DEGREE, 90 * DEGREE) == CELLS_OF_EARTH - 1
    assert [interleave(x, y) for y in (0, 1) for x in (0, 1)] == [0, 1, 2, 3]
    assert interleave(0b101, 0b011) == 0b011011
    assert compute_latitude(1, 1) == 0
    assert to_m2(CELLS_OF_EARTH) == EARTH_M2


# --- covers


def is_inside(rings: list[Points], x: float, y: float) -> bool:
    """Even-odd, in floats: for points that are well off every edge."""
    inside = False
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
    return inside


def draw_star(rng: random.Random, x: float, y: float, size: float) -> Points:
    count = rng.randrange(3, 30)
    points = []
    for n in range(count):
        angle = 2 * math.pi * n / count
        radius = size * rng.uniform(0.3, 1)
        points.append(
            [round(x + radius * math.cos(angle), 9), round(y + radius * math.sin(angle), 9)]
        )
    return [*points, points[0]]


@pytest.mark.parametrize("seed", range(12))
def test_a_cover_holds_exactly_the_cells_whose_centre_lies_inside(seed: int) -> None:
    rng = random.Random(seed)
    x, y = rng.uniform(-179, 179), rng.uniform(-80, 80)
    rings = [draw_star(rng, x, y, 0.003)]
    if seed % 2:
        rings.append(draw_star(rng, x, y, 0.0008))
    level = rng.choice([0, 0, 1, 2])
    found = spread(cover(*rings, level=level))
    side = 1 << level
    corner = compute_cell(round((x - 0.004) * DEGREE), round((y - 0.004) * DEGREE))
    column, row = (_compact(corner >> shift) // side for shift in (0, 1))
    expected = set()
    for across in range(column, column + 130 // side):
        for up in range(row, row + 300 // side):
            longitude = -180 + (2 * across + 1) * 180 / (1 << 22 - level)
            latitude = compute_latitude(2 * up + 1, 22 - level) / DEGREE
            if is_inside(rings, longitude, latitude):
                first = interleave(across, up) << 2 * level
                expected |= set(range(first, first + side * side))
    assert found == expected


def _compact(number: int) -> int:
    return sum((number >> 2 * bit & 1) << bit for bit in range(22))


@pytest.mark.parametrize("seed", range(5))
def test_parcels_that_meet_share_no_cell_and_leave_none_out(seed: int) -> None:
    """A square cut in two along a line with bends: both parts together are the whole."""
    rng = random.Random(seed)
    west, south, side = rng.uniform(-170, 170), rng.uniform(-70, 70), 0.01
    west, south = round(west, 9), round(south, 9)
    whole = square(west, south, side)
    east, north = whole[2]
    cut = [[west, round(south + side / 2, 9)]]
    cut += [
        [round(west + side * n / 9, 9), round(south + side * rng.uniform(0.2, 0.8), 9)]
        for n in range(1, 9)
    ]
    cut.append([east, round(south + side / 3, 9)])
    lower = [[west, south], [east, south], *cut[::-1], [west, south]]
    upper = [*cut, [east, north], [west, north], cut[0]]
    parts = [spread(cover(part)) for part in (lower, upper)]
    assert parts[0] & parts[1] == set()
    assert parts[0] | parts[1] == spread(cover(whole))


def test_edges_on_centres_belong_to_one_side() -> None:
    """The hardest case of the above: a boundary that runs exactly through cells' centres."""
    row = compute_latitude(2 * 1_400_000 + 1, 22)
    south, north = compute_latitude(2 * 1_399_990 + 1, 22), compute_latitude(2 * 1_400_010 + 1, 22)
    # 2^11 columns are 45 x 5^9 x 10^-9 degrees: the centre of column 2^10 - 1/2 would be exact.
    west, east = 100 * DEGREE, 100 * DEGREE + 45 * 5**9

    def make(low: int, high: int) -> set[int]:
        ring = ((west, low), (east, low), (east, high), (west, high))
        return spread(cover_boundary(Boundary(((ring,),)), 0))

    assert make(south, row) & make(row, north) == set()
    assert make(south, row) | make(row, north) == make(south, north)


def test_a_boundary_of_a_hundred_thousand_hectares_takes_few_ranges() -> None:
    points = []
    for n in range(2000):
        angle = 2 * math.pi * n / 2000
        radius = 0.17 * (1 + 0.15 * math.sin(7 * angle) + 0.05 * math.sin(31 * angle))
        points.append([117 + radius * math.cos(angle), 26 + radius * math.sin(angle)])
    boundary = parse_boundary(polygon([*points, points[0]]))
    found, measured = cover_boundary(boundary), measure_m2(boundary)
    assert measured > 10**9
    assert len(found.ranges) < 4096
    assert abs(found.area_m2 - measured) * 10**4 < measured
    pieces = found.cut()
    assert [number for piece in pieces for number in piece] == [
        number for pair in found.ranges for number in pair
    ]
    assert max(len(piece) for piece in pieces) == 512
    # Ascending, apart and whole squares of its level: what the chain checks.
    mask = (1 << 2 * found.level) - 1
    last = -1
    for start, count in found.ranges:
        assert start > last
        assert count > 0
        assert (start | count) & mask == 0
        last = start + count


def test_the_measured_area_is_that_of_a_zone() -> None:
    """A degree by a degree at the equator: 12,308.78 km2 on WGS 84 (GeographicLib's tables)."""
    boundary = parse_boundary(polygon(square(10, 0, 1)))
    share = (compute_row_share(DEGREE) - compute_row_share(0)) / 2**128
    assert abs(measure_m2(boundary) - share / 360 * EARTH_M2) < 1
    assert measure_m2(boundary) // 10**6 == 12_308
    hole = parse_boundary(polygon(square(10, 0, 1), square(10.2, 0.2, 0.5)))
    other = parse_boundary(polygon(square(10.2, 0.2, 0.5)))
    assert abs(measure_m2(hole) + measure_m2(other) - measure_m2(boundary)) <= 1


# --- the file


def test_one_boundary_has_one_hash_whatever_the_layout() -> None:
    ring = square(117.1, 25.9, 0.01)
    plain = parse_boundary(polygon(ring))
    feature = {"type": "Feature", "properties": {"n": 1}, "geometry": json.loads(polygon(ring))}
    collection = {"type": "FeatureCollection", "features": [feature]}
    multi = {"type": "MultiPolygon", "coordinates": [[ring]]}
    doubled = [ring[0], *ring]
    high = [[*point, 99] for point in ring]
    for other in (
        json.dumps(feature, indent=4).encode(),
        json.dumps(collection).encode(),
        json.dumps(multi).encode(),
        polygon(doubled),
        polygon(high),
        polygon(ring).replace(b"117.1,", b"117.10000000000000001,"),
        b"\xef\xbb\xbf" + polygon(ring),
    ):
        assert parse_boundary(other).compute_hash() == plain.compute_hash()
    assert parse_boundary(polygon(ring[::-1])).compute_hash() != plain.compute_hash()
    corners = "[117100000000,25900000000],[{e},25900000000],[{e},{n}],[117100000000,{n}]"
    text = corners.format(e=117_110_000_000, n=25_910_000_000) + ",[117100000000,25900000000]"
    text = f'{{"coordinates":[[[{text}]]],"type":"MultiPolygon","unit":"1e-9 degree"}}'
    assert plain.compute_hash() == hashlib.sha256(text.encode()).digest()


def nest(depth: int) -> bytes:
    return b'{"type":"Polygon","coordinates":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ("not JSON", b"{"),
        ("not JSON", b"\xff"),
        ("not JSON", nest(200_000)),
        ("not JSON", b"[" + b"1" * 5000 + b"]"),
        ("twice", b'{"type":"Polygon","type":"Polygon"}'),
        ("no GeoJSON", b"[]"),
        ("no GeoJSON", b'{"type":"Feature","geometry":null}'),
        ("Polygon or MultiPolygon", b'{"type":"LineString","coordinates":[[0,0],[1,1]]}'),
        ("one parcel", b'{"type":"FeatureCollection","features":[{},{}]}'),
        ("not empty", b'{"type":"FeatureCollection","features":[]}'),
        ("not empty", b'{"type":"Polygon","coordinates":[]}'),
        ("not empty", b'{"type":"Polygon"}'),
        ("WGS 84", b'{"type":"Polygon","crs":{"properties":{"name":"EPSG:3857"}}}'),
        ("position", polygon([[0]])),
        ("position", polygon([[0, 1, 2, 3]])),
        ("number of degrees", b'{"type":"Polygon","coordinates":[[["0","1"]]]}'),
        ("number of degrees", b'{"type":"Polygon","coordinates":[[[true,1]]]}'),
        ("number of degrees", b'{"type":"Polygon","coordinates":[[[1e999999999,1]]]}'),
        ("not a number", b'{"type":"Polygon","coordinates":[[[NaN,1]]]}'),
        ("number of degrees", polygon([[181, 0]])),
        ("longitude comes first", polygon([[25.9, 117.1], [26, 117], [26, 118], [25.9, 117.1]])),
        ("not closed", polygon([[0, 0], [1, 0], [1, 1]])),
        ("three different", polygon([[0, 0], [1, 0], [0, 0]])),
        ("three different", polygon([[0, 0], [0, 0], [0, 0], [0, 0]])),
        ("too many", polygon(*[square(n / 1000, 0, 0.0001) for n in range(501)])),
        ("too many", polygon([[0, n / 10**6] for n in range(VERTICES_MAX + 1)])),
        ("too large", b" " * (16 * 1024 * 1024 + 1)),
    ],
)
def test_what_is_no_boundary_is_refused_by_name(words: str, data: bytes) -> None:
    with pytest.raises(BoundaryError, match=words):
        parse_boundary(data)


def test_a_tiny_number_is_zero_and_costs_nothing() -> None:
    text = polygon(square(0, 0, 1)).replace(b"[0, 0]", b"[1e-999999999, 0]")
    assert (
        parse_boundary(text).compute_hash()
        == parse_boundary(polygon(square(0, 0, 1))).compute_hash()
    )


A = square(10, 10, 1)
BOW = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
SPIKE = [[0, 0], [1, 0], [2, 0], [1, 0], [1, 1], [0, 0]]
PINCHED = [[0, 0], [2, 0], [1, 1], [2, 2], [0, 2], [1, 1], [0, 0]]
TOUCHING = [[0, 0], [2, 0], [2, 2], [1, 0], [0, 2], [0, 0]]


@pytest.mark.parametrize(
    ("words", "polygons"),
    [
        ("antimeridian", [[[[179, 0], [-179, 0], [-179, 1], [179, 0]]]]),
        ("cross", [[BOW]]),
        ("cross", [[SPIKE]]),
        ("cross", [[PINCHED]]),
        ("cross", [[TOUCHING]]),
        ("cross", [[A, square(10.5, 10.5, 1)]]),
        ("cross", [[A], [square(10.5, 10.5, 1)]]),
        ("cross", [[A], [A]]),
        ("cross", [[A, square(10, 10.2, 0.3)]]),
        ("cross", [[A], [square(11, 10.2, 0.3)]]),
        ("hole", [[A, square(12, 10, 0.5)]]),
        ("lie in each other|hole", [[A, square(10.2, 10.2, 0.6), square(10.3, 10.3, 0.1)]]),
        ("lie in each other", [[A], [square(10.2, 10.2, 0.6)]]),
        ("hole", [[A], [square(12, 10, 1), square(10.2, 10.2, 0.1)]]),
    ],
)
def test_rings_that_do_not_enclose_are_refused(words: str, polygons: Any) -> None:
    data = json.dumps({"type": "MultiPolygon", "coordinates": polygons}).encode()
    with pytest.raises(BoundaryError, match=words):
        cover_boundary(parse_boundary(data), 5)


def test_holes_and_islands_and_corners_that_touch_are_sound() -> None:
    hole, island = square(10.2, 10.2, 0.6), square(10.3, 10.3, 0.1)
    corner = square(11, 11, 1)
    polygons = [[A, hole], [island], [corner]]
    data = json.dumps({"type": "MultiPolygon", "coordinates": polygons}).encode()
    boundary = parse_boundary(data)
    found = cover_boundary(boundary, 5)
    assert abs(found.area_m2 - measure_m2(boundary)) * 500 < measure_m2(boundary)


def test_land_on_both_sides_of_the_antimeridian_is_cut_there() -> None:
    halves = [[square(179.99, 10, 0.01)], [square(-180, 10, 0.01)]]
    data = json.dumps({"type": "MultiPolygon", "coordinates": halves}).encode()
    boundary = parse_boundary(data)
    found = cover_boundary(boundary)
    assert abs(found.area_m2 - measure_m2(boundary)) * 100 < measure_m2(boundary)
    one = cover_boundary(parse_boundary(polygon(halves[0][0])), found.level)
    assert 2 * one.cells == found.cells


def test_a_sliver_without_a_centre_is_no_parcel() -> None:
    sliver = [[10, 10], [10.000001, 10], [10.000001, 10.00001], [10, 10]]
    with pytest.raises(BoundaryError, match="too small"):
        cover_boundary(parse_boundary(polygon(sliver)))


def test_a_trap_of_long_edges_is_refused_and_not_searched(monkeypatch: Any) -> None:
    monkeypatch.setattr("tools.parcels.rings.PAIRS_MAX", 10_000)
    comb: Points = []
    for n in range(400):
        comb += [[0, n / 1000], [50, n / 1000 + 0.0002]]
    comb += [[51, 1], [-1, 1], [-1, 0], [0, 0]]
    with pytest.raises(BoundaryError, match="intricate"):
        cover_boundary(parse_boundary(polygon(comb)), 10)


def test_a_boundary_round_the_poles_needs_parts() -> None:
    cap = [[-180, 80], [180, 80], [180, 90], [-180, 90], [-180, 80]]
    with pytest.raises(BoundaryError, match="antimeridian"):
        cover_boundary(parse_boundary(polygon(cap)))
