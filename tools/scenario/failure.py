"""The one error of a run, and what raises it."""

from __future__ import annotations

from typing import Any

from primitives.errors import CarbonodeError


class ScenarioFailed(CarbonodeError):
    """The chain did something that the plan does not allow, or did not do what it asks."""

    code = "scenario"


def compare(what: str, expected: Any, found: Any) -> None:
    """Raise ScenarioFailed, with ``what`` as its text, unless both are the same."""
    if expected != found:
        raise ScenarioFailed(what, expected=expected, found=found)
