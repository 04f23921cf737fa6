"""Writes the methods of docs/rpc.md from the node's own table: the page cannot drift.

    python -m tools.client.reference docs/rpc.md

Replaces everything below the heading "Methods". A test compares the page with the table.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from node.rpc.methods import METHODS, Method
from node.rpc.schema import Param

MARKER = "# Methods\n"
"""What stands before it is written by people, what follows by this module."""


def render_methods() -> str:
    """Return the section with every method of the table."""
    parts = [MARKER]
    namespace = ""
    for method in METHODS.values():
        own = method.name.partition("_")[0].partition(".")[0]
        if own != namespace:
            namespace = own
            parts.append(f"\n## {namespace}\n")
        parts.append(_render_method(method))
    return "".join(parts)


def _render_method(method: Method) -> str:
    where = " (WebSocket only)" if method.socket else " (admin listener only)" * method.admin
    lines = [f"\n### {method.name}{where}", method.summary, ""]
    if method.params:
        lines += ["| parameter | type | default | |", "|---|---|---|---|"]
        lines += [_render_param(param) for param in method.params]
        lines.append("")
    lines.append(f"Result: `{method.result}`")
    return "\n".join(lines) + "\n"


def _render_param(param: Param) -> str:
    default = "required" if param.is_required else _render_default(param.default)
    kind = _render_schema(param.kind.to_schema())
    return f"| `{param.name}` | {kind} | {default} | {param.summary} |"


def _render_default(value: Any) -> str:
    if isinstance(value, bytes):
        return "32 zero bytes" if value == bytes(32) else "`0x" + value.hex() + "`"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{json.dumps(value)}`"


def _render_schema(schema: dict[str, Any]) -> str:
    """Return a few words for a JSON Schema of node.rpc.schema."""
    if "oneOf" in schema:
        return "height, `latest` or block hash"
    if "enum" in schema:
        return " or ".join(f"`{option}`" for option in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of 1 to {schema['maxItems']}: {_render_schema(schema['items'])}"
    if kind == "object":
        return "object: " + _join(f"`{name}`" for name in schema.get("properties", {}))
    if kind == "string":
        return _render_text(schema)
    if kind == ["integer", "string"]:
        return f"integer {schema['minimum']} to {schema['maximum']}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _render_text(schema: dict[str, Any]) -> str:
    pattern = str(schema.get("pattern", ""))
    exact = re.fullmatch(r"\^0x\[0-9a-f\]\{(\d+)\}\$", pattern)
    if exact:
        return f"hex, {int(exact[1]) // 2} bytes"
    if pattern:
        size = (int(schema.get("maxLength", 2)) - 2) // 2
        return f"hex, at most {size} bytes" if size else "hex"
    return f"text, at most {schema['maxLength']} characters"


def _join(items: Iterable[str]) -> str:
    return ", ".join(items)


def update(page: str) -> str:
    """Return ``page`` with its methods written anew."""
    return page.partition(MARKER)[0] + render_methods()


if __name__ == "__main__":
    _path = Path(sys.argv[1])
    _path.write_text(update(_path.read_text("utf-8")), "utf-8")
