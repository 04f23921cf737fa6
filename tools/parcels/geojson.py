"""A parcel's boundary out of a GeoJSON text: exact integers, one canonical form, one hash. No I/O.

Coordinates become integers of 10^-9 degree, rounded half to even; heights are dropped. The
canonical form is a MultiPolygon of those integers as JSON without spaces, its hash SHA-256:
two files with the same boundary point by point have the same hash, whatever their layout.
Source: RFC 7946.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from primitives.errors import CarbonodeError
from tools.parcels.grid import DEGREE

FILE_BYTES_MAX: Final = 16 * 1024 * 1024
VERTICES_MAX: Final = 100_000
RINGS_MAX: Final = 500
"""Rings lie in each other: who lies in whom takes rings x vertices steps."""
KNOWN_CRS: Final = ("CRS84", "EPSG::4326", "EPSG:4326", "EPSG::4490", "EPSG:4490")
"""WGS 84 and CGCS2000, which differ by centimetres."""

Point = tuple[int, int]
"""Longitude, latitude in 10^-9 degree."""
Ring = tuple[Point, ...]
"""Without the repeated last point and without repeated neighbours."""


class BoundaryError(CarbonodeError):
    """The file holds no boundary that the chain could take."""

    code = "bad-boundary"


@dataclass(frozen=True, slots=True)
class Boundary:
    """Polygons: of each the outer ring, then its holes."""

    polygons: tuple[tuple[Ring, ...], ...]

    @property
    def rings(self) -> list[Ring]:
        """Every ring of every polygon, outer ones and holes."""
        return [ring for polygon in self.polygons for ring in polygon]

    def encode(self) -> bytes:
        """Return the canonical form."""
        coordinates = [
            [[list(point) for point in (*ring, ring[0])] for ring in polygon]
            for polygon in self.polygons
        ]
        document = {"coordinates": coordinates, "type": "MultiPolygon", "unit": "1e-9 degree"}
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()

    def compute_hash(self) -> bytes:
        """Return SHA-256 of the canonical form: what the chain keeps."""
        return hashlib.sha256(self.encode()).digest()


def parse_boundary(data: bytes) -> Boundary:
    """Return the boundary of a Polygon, MultiPolygon, Feature or collection of one Feature.

    Raises BoundaryError for anything else; whether rings cross is ``check_rings``'s.
    """
    if len(data) > FILE_BYTES_MAX:
        raise BoundaryError("the file is too large", size=len(data), allowed=FILE_BYTES_MAX)
    geometry = _find_geometry(_parse(data))
    coordinates = geometry.get("coordinates")
    match geometry.get("type"):
        case "Polygon":
            coordinates = [coordinates]
        case "MultiPolygon":
            pass
        case other:
            raise BoundaryError("a parcel is a Polygon or MultiPolygon", got=str(other)[:40])
    counts = [0, 0]
    polygons = tuple(
        tuple(_read_ring(ring, counts) for ring in _read_list(polygon, "a polygon"))
        for polygon in _read_list(coordinates, "coordinates")
    )
    return Boundary(polygons)


def _parse(data: bytes) -> Any:
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_read_object,
        )
    except (ValueError, RecursionError) as error:
        raise BoundaryError("not JSON", reason=str(error)[:80]) from None


def _refuse_constant(name: str) -> Any:
    raise BoundaryError("not a number", got=name)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BoundaryError("a name stands twice in one object")
    return found


def _find_geometry(document: Any) -> dict[str, Any]:
    if isinstance(document, dict) and document.get("crs") is not None:
        text = json.dumps(document["crs"], default=str)
        if not any(name in text for name in KNOWN_CRS):
            raise BoundaryError("coordinates are longitude and latitude of WGS 84", crs=text[:80])
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = _read_list(document.get("features"), "features")
        if len(features) != 1:
            raise BoundaryError("one parcel a file", features=len(features))
        document = features[0]
    if isinstance(document, dict) and document.get("type") == "Feature":
        document = document.get("geometry")
    if not isinstance(document, dict):
        raise BoundaryError("no GeoJSON geometry")
    return document


def _read_list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise BoundaryError(f"{what}: expected a list that is not empty")
    return value


def _read_ring(value: Any, counts: list[int]) -> Ring:
    """Return the ring; ``counts`` gathers rings and vertices of the whole file."""
    points = [_read_point(item) for item in _read_list(value, "a ring")]
    counts[0] += 1
    counts[1] += len(points)
    if counts[0] > RINGS_MAX or counts[1] > VERTICES_MAX:
        raise BoundaryError("too many rings or vertices", rings=counts[0], vertices=counts[1])
    if points[0] != points[-1]:
        raise BoundaryError("a ring is not closed", first=points[0], last=points[-1])
    kept = [point for at, point in enumerate(points[:-1]) if point != points[at + 1]]
    if len(set(kept)) < 3:
        raise BoundaryError("a ring needs three different points", first=points[0])
    return tuple(kept)


def _read_point(value: Any) -> Point:
    if not isinstance(value, list) or not 2 <= len(value) <= 3:
        raise BoundaryError("a position is [longitude, latitude]", got=str(value)[:60])
    longitude, latitude = (_read_degrees(item) for item in value[:2])
    if abs(latitude) > 90 * DEGREE:
        hint = "longitude comes first" if abs(longitude) <= 90 * DEGREE else ""
        raise BoundaryError("a latitude is beyond 90 degrees", got=str(value)[:60], hint=hint)
    return longitude, latitude


def _read_degrees(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not -180 <= value <= 180:
        raise BoundaryError("not a number of degrees", got=str(value)[:60])
    return int((Decimal(value) * DEGREE).to_integral_value(ROUND_HALF_EVEN))


def list_edges(rings: Sequence[Ring]) -> list[tuple[Point, Point]]:
    """Return the edges of all rings, each as it is walked."""
    return [(ring[at - 1], point) for ring in rings for at, point in enumerate(ring)]
