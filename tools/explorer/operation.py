"""What an address of the interface is: one definition for the router, the check of its
parameters, its handler and the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tools.explorer.parameters import Parameter
from tools.explorer.service import Answer, Service

Values = dict[str, Any]
Handler = Callable[[Service, Values], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One GET. ``schema`` is of the answer's document; ``tag`` groups it."""

    name: str
    path: str
    about: str
    handler: Handler
    schema: dict[str, Any]
    parameters: tuple[Parameter, ...] = ()
    tag: str = "chain"
    cost: int = 1
    """Requests that a client pays for it."""
    exports: str = ""
    """Name of the list of which this is the whole, as a stream in ``media``."""
    media: str = "application/json"
    problems: tuple[int, ...] = field(default=(400, 429, 500, 503))
