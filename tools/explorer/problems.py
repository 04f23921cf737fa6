"""Refusals of the interface as problem+json. Source: RFC 9457."""

from __future__ import annotations

from typing import Any, Final

TYPE: Final = "application/problem+json"
TITLES: Final = {
    "bad-parameter": (400, "A parameter is wrong"),
    "bad-cursor": (400, "The cursor is not one of this list"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "This interface is for reading"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "A bug of this program"),
    "proof-refused": (502, "The node's answer does not prove the row"),
    "no-node": (502, "No node answers"),
    "busy": (503, "Too many wait"),
    "too-dear": (503, "The question takes too long"),
    "no-index": (503, "The index is not there yet"),
}
"""Code: status and title. A code's meaning never changes."""


class Problem(Exception):
    """A refusal; ``code`` is one of TITLES."""

    def __init__(self, code: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail
        self.status, self.title = TITLES[code]
        self.retry_after_s = retry_after_s

    def to_json(self, instance: str, index_height: int) -> dict[str, Any]:
        """Return the document; ``type`` is the place of its explanation."""
        return {
            "type": f"/api/v1/problems#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "index_height": index_height,
        }
