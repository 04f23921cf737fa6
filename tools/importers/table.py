"""Reading CSV tables that people made: byte order marks, any line ends, quoted newlines.

A table that cannot be read at all (empty, not text, columns missing) is an
InputError; a record that cannot be read is a Problem with its line, and the next
record is read as if it had not been there. A quote that is never closed therefore
costs one line and not the rest of the file. Bytes that are not UTF-8 cost their record only,
and empty fields after the last column nothing. RFC 4180, with ``;`` and tab accepted.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from primitives.errors import CarbonodeError
from tools.importers.columns import find_columns

FILE_BYTES_MAX = 256 * 1024 * 1024
"""A registry's export has about 1 MB; this bounds memory."""
RECORD_LINES_MAX = 50
"""Physical lines of one record: beyond it a quote was left open."""
DELIMITERS = (",", ";", "\t")
_ESCAPED = re.compile("[\udc80-\udcff]")
"""What ``surrogateescape`` makes of bytes that are not UTF-8."""


class InputError(CarbonodeError):
    """A file that is no table of the expected kind; nothing of it is used."""

    code = "input"


@dataclass(frozen=True, slots=True)
class Problem:
    """A row left out, or flagged: ``file`` and ``line`` as an editor shows them, and why."""

    file: str
    line: int
    code: str
    reason: str

    def to_json(self) -> dict[str, object]:
        return {"file": self.file, "line": self.line, "code": self.code, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the line on which it begins and its values by normalised column name."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file's records in order, its unreadable ones, and the hash of its bytes.

    ``names`` has the file's column for each required one (columns.py: other spellings).
    """

    name: str
    sha256: bytes
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    names: Mapping[str, str]
    columns: tuple[str, ...]


def normalise_column(name: str) -> str:
    """Return a column's name without line breaks, doubled spaces and capitals."""
    return " ".join(name.split()).casefold()


def read_table(path: Path, required: Sequence[str]) -> Table:
    """Return the table of a file whose header has the ``required`` columns.

    Raises InputError naming what is wrong with the file as a whole.
    """
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise InputError("the file is too large", path=str(path), bytes=size)
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror}", path=str(path)) from None
    return parse_table(path.name, data, required)


def parse_table(name: str, data: bytes, required: Sequence[str]) -> Table:
    """Return the table of a file's bytes; see read_table."""
    text = _decode(name, data)
    if not text.strip():
        raise InputError("the file is empty", file=name)
    lines = io.StringIO(text, newline="").readlines()
    delimiter, columns, first = _read_header(name, lines, required)
    names = find_columns(columns, [normalise_column(column) for column in required])
    rows: list[Row] = []
    problems: list[Problem] = []
    for line, fields in _records(lines, first, delimiter):
        if isinstance(fields, str):
            problems.append(Problem(name, line, "unreadable", fields))
        elif any(_ESCAPED.search(field) for field in fields):
            problems.append(Problem(name, line, "encoding", "bytes that are not UTF-8 text"))
        elif len(fields) < len(columns) or any(map(str.strip, fields[len(columns) :])):
            reason = f"{len(fields)} fields where the header has {len(columns)}"
            problems.append(Problem(name, line, "fields", reason))
        else:
            stripped = (field.strip() for field in fields[: len(columns)])
            rows.append(Row(line, dict(zip(columns, stripped, strict=True))))
    digest = hashlib.sha256(data).digest()
    return Table(name, digest, tuple(rows), tuple(problems), names, tuple(columns))


def _decode(name: str, data: bytes) -> str:
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-8-sig", "surrogateescape")
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError:
        raise InputError("the file is neither UTF-8 nor UTF-16 text", file=name) from None


def _read_header(
    name: str, lines: list[str], required: Sequence[str]
) -> tuple[str, list[str], int]:
    """Return the delimiter, the normalised column names and the index of the next line."""
    wanted = [normalise_column(column) for column in required]
    missing: list[str] = []
    found: list[str] = []
    for delimiter in DELIMITERS:
        reader = csv.reader(iter(lines[:RECORD_LINES_MAX]), delimiter=delimiter, strict=True)
        try:
            columns = [normalise_column(column) for column in next(reader)]
        except (csv.Error, StopIteration) as error:
            raise InputError(f"the header cannot be read: {error}", file=name) from None
        if any(_ESCAPED.search(column) for column in columns):
            raise InputError("the header is not UTF-8 text", file=name)
        names = find_columns(columns, wanted)
        absent = [column for column in wanted if column not in names]
        if not absent:
            repeated = sorted({column for column in names.values() if columns.count(column) > 1})
            if repeated:
                raise InputError("a column stands twice", file=name, columns=repeated)
            return delimiter, columns, reader.line_num
        if delimiter == DELIMITERS[0]:
            missing, found = absent, columns
    raise InputError("columns are missing", file=name, missing=missing, found=found[:40])


def _records(lines: list[str], first: int, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield (line number, fields or why it is unreadable) of every record not blank."""
    position = first
    while position < len(lines):
        part = lines[position : position + RECORD_LINES_MAX]
        reader = csv.reader(iter(part), delimiter=delimiter, strict=True)
        try:
            fields = next(reader)
        except (csv.Error, StopIteration) as error:
            yield position + 1, f"not CSV: {error}"
            position += 1
            continue
        if any(field.strip() for field in fields):
            yield position + 1, fields
        position += reader.line_num
