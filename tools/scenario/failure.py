"""The one error of a run."""

from __future__ import annotations

from primitives.errors import CarbonodeError


class ScenarioFailed(CarbonodeError):
    """The chain did something that the plan does not allow, or did not do what it asks."""

    code = "scenario"
