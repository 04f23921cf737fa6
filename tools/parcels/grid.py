"""The grid: 2^43 cells of one size on the WGS 84 ellipsoid, numbered in Z-order. No I/O.

2^22 columns of equal longitude from -180 degrees eastwards, 2^21 rows between parallels that
enclose equal areas from the south pole northwards. A cell's number interleaves column (even
bits) and row (odd bits). At level n a square is 2^n by 2^n cells, 4^n numbers in a row.
Parallels are computed in 128-bit fixed point; floats only begin Newton's iteration, which
forgets them: the same on every machine, to 10^-9 of a degree.
Sources: Snyder, Map Projections (USGS PP 1395), eq. 3-12 for q and authalic latitude; NIMA
TR8350.2 for WGS 84; docs/decisions/0071-equal-area-cells.md.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

COLUMN_BITS: Final = 22
ROW_BITS: Final = 21
CELLS_OF_EARTH: Final = 1 << (COLUMN_BITS + ROW_BITS)
EARTH_M2: Final = 510_065_621_724_088
"""Of the WGS 84 ellipsoid."""
LEVEL_MAX: Final = 10
DEGREE: Final = 10**9
"""Coordinates are integers of 10^-9 degree, a tenth of a millimetre."""

_BITS: Final = 128
_ONE: Final = 1 << _BITS
_PI_DIGITS: Final = 314159265358979323846264338327950288419716939937510
_PI: Final = _PI_DIGITS * _ONE // 10**50
_FLATTENING: Final = (10**9 * _ONE) // 298_257_223_563
_E2: Final = (_FLATTENING * (2 * _ONE - _FLATTENING)) >> _BITS
TERMS: Final = 24
"""Of the series in the eccentricity: 0.0067^24 is below 2^-128."""


def _make_series() -> tuple[int, ...]:
    """q / (1 - e2) = sum over k of e2^k (1 + 1 / (2k + 1)) sin^(2k+1), as fixed point."""
    power, terms = _ONE, []
    for k in range(TERMS):
        terms.append(power + power // (2 * k + 1))
        power = (power * _E2) >> _BITS
    return tuple(terms)


_SERIES: Final = _make_series()
_Q_POLE: Final = sum(_SERIES)


def _compute_share(sine: int) -> int:
    """The sine of the authalic latitude: what part of a hemisphere lies below."""
    square, total = (sine * sine) >> _BITS, 0
    for term in reversed(_SERIES):
        total = term + ((total * square) >> _BITS)
    return (((total * sine) >> _BITS) * _ONE) // _Q_POLE


def _compute_sine_of(share: int) -> int:
    """The inverse of ``_compute_share``, by Newton's iteration."""
    sine = share
    for _ in range(8):
        # dq/dsin = 2 (1 - e2) / (1 - e2 sin^2)^2
        loss = _ONE - (((_E2 * sine) >> _BITS) * sine >> _BITS)
        slope = (2 * _ONE * _ONE // ((loss * loss) >> _BITS)) * _ONE // _Q_POLE
        sine += (share - _compute_share(sine)) * _ONE // slope
    return max(-_ONE, min(_ONE, sine))


def _compute_sine_cosine(angle: int) -> tuple[int, int]:
    """Of radians between -pi/2 and pi/2, by Taylor's series."""
    sine = cosine = 0
    term, n = _ONE, 0
    while term:
        if n % 2 == 0:
            cosine += term if n % 4 == 0 else -term
        else:
            sine += term if n % 4 == 1 else -term
        n += 1
        term = (term * abs(angle) >> _BITS) // n
    return (sine if angle >= 0 else -sine), cosine


def compute_row_share(latitude: int) -> int:
    """Return the share of the Earth's surface south of ``latitude`` (10^-9 degree), x 2^128."""
    sine, _ = _compute_sine_cosine(latitude * _PI // (180 * DEGREE))
    return max(0, min(_ONE, (_ONE + _compute_share(sine)) // 2))


@cache
def compute_latitude(numerator: int, bits: int) -> int:
    """Return the parallel below which numerator / 2^bits of the surface lies, in 10^-9 degree."""
    sine = _compute_sine_of((2 * numerator * _ONE >> bits) - _ONE)
    angle = int(math.asin(sine / _ONE) * 2**60) << (_BITS - 60)
    for _ in range(3):
        now, slope = _compute_sine_cosine(angle)
        if slope:
            angle += (sine - now) * _ONE // slope
    doubled = angle * 2 * 180 * DEGREE // _PI
    return (doubled + 1) // 2


def compute_cell(longitude: int, latitude: int) -> int:
    """Return the cell that holds a point; its left and lower edge are its own."""
    column = min(
        (longitude + 180 * DEGREE << COLUMN_BITS) // (360 * DEGREE), (1 << COLUMN_BITS) - 1
    )
    row = min(compute_row_share(latitude) << ROW_BITS >> _BITS, (1 << ROW_BITS) - 1)
    return interleave(column, row)


def interleave(column: int, row: int) -> int:
    """Return the number of a square: the column's bits at even places, the row's at odd ones."""
    return _spread(column) | _spread(row) << 1


_MASKS: Final = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def _spread(number: int) -> int:
    for shift, mask in _MASKS:
        number = (number | number << shift) & mask
    return number


def to_m2(cells: int) -> int:
    """Return the area of so many cells, rounded down."""
    return cells * EARTH_M2 >> (COLUMN_BITS + ROW_BITS)
