"""Tables and lines for people: values of RPC answers, set in type. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

CELL_CHARACTERS_MAX = 96


def show_pairs(console: Console, title: str, pairs: Mapping[str, Any]) -> None:
    """Print names and values in two columns; nested values as compact JSON."""
    table = Table(title=title or None, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(escape(name), escape(format_value(value)))
    console.print(table)


def show_rows(console: Console, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a list of objects, one a row, with the columns named."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(escape(format_value(row.get(column))) for column in columns))
    console.print(table)


def show_transaction(console: Console, document: Mapping[str, Any]) -> None:
    """Print a transaction: where it is, its calls, its receipt, its events."""
    receipt = document.get("receipt") or {}
    pairs: dict[str, Any] = {
        name: document[name]
        for name in ("id", "height", "index", "blockHash", "sender", "validUntil")
        if name in document
    }
    if "timeMs" in document:
        pairs["time"] = format_time(document["timeMs"])
    for name in ("status", "code", "gas", "failedCall", "values"):
        if receipt.get(name) not in (None, "", []):
            pairs[name] = receipt[name]
    show_pairs(console, "Transaction", pairs)
    for title in ("calls", "events"):
        items = document.get(title) or []
        if items:
            console.print(f"[bold]{title}")
            for item in items:
                console.print("  " + escape(format_value(item, whole=True)))
    if document.get("proof"):
        console.print("proof: use --output json")


def show_page(console: Console, columns: Sequence[str], page: Mapping[str, Any]) -> None:
    """Print a page of a list, how to go on, and which heights it covers where not all."""
    show_rows(console, columns, page.get("items", []))
    if page.get("nextCursor"):
        console.print(f"more: --cursor {page['nextCursor']}", markup=False)
    if page.get("lowestHeight", 1) > 1:
        console.print(f"transactions and events from height {page['lowestHeight']} on")


def format_value(value: Any, *, whole: bool = False) -> str:
    """Return a value as text: None as a dash, structures as compact JSON."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    if not whole and len(text) > CELL_CHARACTERS_MAX:
        return text[: CELL_CHARACTERS_MAX - 1] + "…"
    return text


def format_time(time_ms: Any) -> str:
    """Return Unix milliseconds as ISO 8601 UTC; a dash for anything else."""
    if type(time_ms) is not int:
        return "-"
    try:
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return "-"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shorten(text: Any, characters: int = 12) -> str:
    """Return the head of a hash, for tables."""
    shown = str(text) if text is not None else "-"
    return shown if len(shown) <= characters else shown[:characters] + "…"
