"""Rows as JSON and as CSV: the same values in both, amounts as decimal text. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tools.explorer.naming import Abis, name_arguments, name_event
from tools.indexer.book import Listing
from tools.indexer.columns import get_kind, render
from tools.indexer.core import CALLS, EVENTS

Row = Mapping[Any, Any]


def list_names(listing: Listing) -> list[str]:
    """Return the members of an item, in order: the header of the CSV."""
    names = [column.name for column in listing.columns]
    if listing.table is EVENTS:
        names.append("fields")
    if listing.table is CALLS:
        names.append("arguments")
    return names


def render_row(listing: Listing, row: Row, abis: Abis) -> dict[str, Any]:
    """Return a row as JSON shows it."""
    item = {column.name: render(column, row[column.name]) for column in listing.columns}
    if listing.table is EVENTS:
        item["fields"] = name_event(abis, row["height"], row["encoded"])
    if listing.table is CALLS:
        item["arguments"] = name_arguments(
            abis, row["height"], row["contract"], row["method"], row["arguments"]
        )
    return item


def dump_json(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def make_schema(listing: Listing) -> dict[str, Any]:
    """Return the JSON Schema of an item."""
    properties: dict[str, Any] = {}
    for column in listing.columns:
        schema = dict(get_kind(column).schema)
        if column.nullable and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        properties[column.name] = {**schema, "description": column.comment or ""}
    for name in list_names(listing):
        properties.setdefault(name, {"description": "by name where an ABI fits, else in order"})
    return {"type": "object", "properties": properties, "required": list(properties)}


def dump_csv(items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Return lines of CSV (RFC 4180) without the header; null is empty, lists are JSON.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerows([[_cell(item[name]) for name in names] for item in items])
    return lines.getvalue()


def dump_header(names: Sequence[str]) -> str:
    """Return the first line."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\r\n").writerow(names)
    return lines.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return dump_json(value)
    text = str(value)
    is_number = text.lstrip("-").replace(".", "", 1).isdecimal()
    return "'" + text if text[:1] in "=+-@\t\r" and text and not is_number else text
