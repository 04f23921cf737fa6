"""Structured logs: one line an event, as JSON for machines or as text for people.

Every line carries the node's name and its fields (height, peer, reason, ...). Keys
and secrets are never logged. The one place that configures :mod:`logging`.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FIELD_CHARACTERS_MAX = 400
"""A field that came from outside must not fill the disk."""


def log_event(logger: logging.Logger, level: int, message: str, **fields: Any) -> None:
    """Log ``message`` with ``fields``; free when the level is off."""
    if logger.isEnabledFor(level):
        logger.log(level, message, extra={"fields": fields})


def open_logs(node_name: str, level: str, line_format: str, path: Path | None) -> logging.Handler:
    """Set up the root logger and return its handler (close it with ``close_logs``)."""
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    formatter = _JsonFormatter(node_name) if line_format == "json" else _TextFormatter(node_name)
    handler.setFormatter(formatter)
    root = logging.getLogger("carbonode")
    root.addHandler(handler)
    root.setLevel(level.upper())
    root.propagate = False
    return handler


def close_logs(handler: logging.Handler) -> None:
    """Remove and close the handler."""
    logging.getLogger("carbonode").removeHandler(handler)
    handler.close()


def _shorten(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()[:FIELD_CHARACTERS_MAX]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return str(value)[:FIELD_CHARACTERS_MAX]


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: _shorten(value) for key, value in getattr(record, "fields", {}).items()}


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _JsonFormatter(logging.Formatter):
    def __init__(self, node_name: str) -> None:
        super().__init__()
        self._node_name = node_name

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "node": self._node_name,
            "part": record.name.removeprefix("carbonode."),
            "message": record.getMessage(),
        }
        line.update(_fields(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _TextFormatter(logging.Formatter):
    def __init__(self, node_name: str) -> None:
        super().__init__()
        self._node_name = node_name

    def format(self, record: logging.LogRecord) -> str:
        part = record.name.removeprefix("carbonode.")
        fields = " ".join(f"{key}={value}" for key, value in _fields(record).items())
        line = (
            f"{_timestamp(record)} {record.levelname:<7} {self._node_name} {part}: "
            f"{record.getMessage()} {fields}"
        ).rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
