"""The OpenAPI 3.1 document, from the same definitions as the handlers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tools.explorer.operation import Operation
from tools.explorer.problems import TYPE

OPENAPI: Final = "3.1.0"
_HEADERS: Final[dict[str, Any]] = {
    "Index-Height": {
        "description": "the index holds the chain up to this height",
        "schema": {"type": "integer"},
    },
    "ETag": {"description": "changes with the index's height", "schema": {"type": "string"}},
}
_MEANINGS: Final = {
    400: "a parameter is wrong", 404: "there is no such thing", 429: "too many requests",
    500: "a bug", 502: "no node proves it", 503: "come back later",
}  # fmt: skip


def make_openapi(operations: Sequence[Operation], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the document of every operation."""
    paths: dict[str, Any] = {}
    for operation in operations:
        paths[operation.path] = {"get": _describe(operation)}
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Carbonode: public interface",
            "version": "1",
            "description": "Read-only. Every answer says up to which height the index holds the "
            "chain. Amounts are decimal text, times ISO 8601 UTC, bytes 0x hex.",
        },
        "paths": paths,
        "components": {"schemas": {**schemas, "problem": _PROBLEM}},
    }


def _describe(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {operation.media: {"schema": operation.schema}}
    if operation.media == "text/csv":
        content = {operation.media: {"schema": {"type": "string"}}}
    elif operation.exports:
        item = {"$ref": f"#/components/schemas/{operation.exports}"}
        content = {operation.media: {"schema": {
            "type": "object", "required": ["index_height", "items"],
            "properties": {"index_height": {"type": "integer"},
                           "items": {"type": "array", "items": item}},
        }}}  # fmt: skip
    responses: dict[str, Any] = {
        "200": {"description": operation.about, "headers": _HEADERS, "content": content},
        "304": {"description": "not changed since the ETag"},
    }
    for status in operation.problems:
        responses[str(status)] = {
            "description": _MEANINGS[status],
            "content": {TYPE: {"schema": {"$ref": "#/components/schemas/problem"}}},
        }
    return {
        "operationId": operation.name,
        "summary": operation.about,
        "tags": [operation.tag],
        "parameters": [parameter.to_openapi() for parameter in operation.parameters],
        "responses": responses,
    }


_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "index_height": {"type": "integer"},
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "index_height"],
}
