"""Which lines of consensus/ ran: the last word on paths that no name covers.

``sys.settrace`` follows the frames of that folder alone, and a function all of whose
lines were seen is not followed any more, so most of a long run goes at full speed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import consensus

FOLDER = str(Path(consensus.__path__[0]))


class Lines:
    """Lines that ran, as (file, line), while ``follow`` is on."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._left: dict[CodeType, set[int]] = {}

    def start(self) -> None:
        """Follow every call from here on."""
        sys.settrace(self._on_call)

    def stop(self) -> None:
        """Follow nothing any more."""
        sys.settrace(None)

    def merge(self, other: Lines) -> None:
        """Take what another process saw."""
        self.seen |= other.seen
        self._left.clear()

    def __getstate__(self) -> set[tuple[str, int]]:
        return self.seen

    def __setstate__(self, seen: set[tuple[str, int]]) -> None:
        self.seen, self._left = seen, {}

    def _on_call(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        left = self._left.get(code)
        if left is None:
            inside = code.co_filename.startswith(FOLDER)
            left = self._left[code] = set(_find_lines(code)) if inside else set()
        if not left:
            return None
        name = code.co_filename

        def on_line(inner: FrameType, kind: str, _: Any) -> Any:
            if kind == "line":
                left.discard(inner.f_lineno)
                self.seen.add((name, inner.f_lineno))
            return on_line

        return on_line

    def find_missing(self) -> list[str]:
        """Return the lines of functions in consensus/ that never ran, as "file:line: text"."""
        missing = []
        for path in sorted(Path(FOLDER).glob("*.py")):
            source = path.read_text()
            text = source.splitlines()
            wanted = set(_find_function_lines(compile(source, str(path), "exec")))
            for line in sorted(wanted):
                if (str(path), line) not in self.seen:
                    missing.append(f"{path.name}:{line}: {text[line - 1].strip()}")
        return missing


def _find_lines(code: CodeType) -> Iterator[int]:
    """Yield the lines of one function; its first is its ``def``, which runs elsewhere."""
    for _, _, line in code.co_lines():
        if line is not None and line != code.co_firstlineno:
            yield line


def _find_function_lines(code: CodeType) -> Iterator[int]:
    """Yield the lines inside functions; what runs at import is left out."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & 0x2:  # CO_NEWLOCALS: a function, no class body
                yield from _find_lines(constant)
            yield from _find_function_lines(constant)
