"""rpc.discover: the table of methods as an OpenRPC 1.3.2 document."""

from __future__ import annotations

from typing import Any

from node.rpc.errors import ErrorNumber
from node.rpc.methods import METHODS, Method


def make_openrpc(node_version: str) -> dict[str, Any]:
    """Return the document; ``admin_*`` is not in it, since clients cannot reach it."""
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "Carbonode",
            "version": node_version,
            "description": "Bytes are 0x lower-case hex; integers above 2^53 decimal strings.",
        },
        "methods": [_show(method) for method in METHODS.values() if not method.admin],
        "components": {
            "errors": {
                number.name: {"code": int(number), "message": number.name.lower().replace("_", " ")}
                for number in ErrorNumber
            }
        },
    }


def _show(method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "either",
        "params": [
            {
                "name": param.name,
                "summary": param.summary,
                "required": param.is_required,
                "schema": param.kind.to_schema(),
            }
            for param in method.params
        ],
        "result": {"name": "result", "summary": method.result, "schema": {}},
        "tags": [{"name": "websocket"}] if method.socket else [],
    }
