"""How the tables of rules write down what an author reads about a text."""

from collections.abc import Iterable

from vm.outcome import Problem


def describe(problems: Iterable[Problem]) -> list[str]:
    """One line a reason: ``line:column code: message (hint)``."""
    return [
        f"{item.line}:{item.column} {item.code}: {item.message}"
        + (f" ({item.hint})" if item.hint != "" else "")
        for item in problems
    ]
