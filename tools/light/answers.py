"""Refusing answers: named reasons, and the rule that an answer must equal what is proven.

A node repeats in readable form what the canonical bytes say. Whatever of an answer we
verified is rendered again with the node's own functions and compared, member by member
and in type, so that no byte of an answer is believed and none is ignored. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from primitives.errors import CodecError, GenesisError, ProofError
from tools.client.errors import BadAnswer


def refuse(part: str, message: str, **values: object) -> ProofError:
    """Return the error of an answer that does not prove what was asked."""
    return ProofError(message, code=f"light-{part}", **values)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn whatever an answer of another shape makes readers raise into ProofError."""
    try:
        yield
    except (BadAnswer, CodecError, GenesisError) as error:
        raise refuse("form", f"{name} is not of the documented form: {error}") from None
    except ValueError as error:
        # int() of thousands of digits, which a documented answer never has.
        raise refuse("form", f"{name} holds a number of no form: {error}"[:200]) from None


def require_same(stated: object, proven: object, name: str) -> None:
    """Raise ProofError naming the first member of ``stated`` that is not as proven."""
    place = find_difference(stated, proven, name)
    if place is not None:
        raise refuse("answer", "the answer says something else than its proof", member=place)


def is_same(stated: Any, proven: Any) -> bool:
    """Whether two JSON values are equal in type too: in Python True == 1 and 1.0 == 1."""
    return find_difference(stated, proven, "") is None


def find_difference(stated: Any, proven: Any, place: str) -> str | None:
    """Return where two JSON values first differ in value, type, members or number."""
    if type(stated) is not type(proven):
        return place
    if isinstance(proven, dict):
        odd = sorted(map(str, stated.keys() ^ proven.keys()))
        if odd:
            return f"{place}.{odd[0]}"
        pairs = ((stated[name], proven[name], f"{place}.{name}") for name in proven)
    elif isinstance(proven, list):
        if len(stated) != len(proven):
            return place
        pairs = (
            (one, other, f"{place}[{number}]")
            for number, (one, other) in enumerate(zip(stated, proven, strict=True))
        )
    else:
        return None if stated == proven else place
    for one, other, inner in pairs:
        found = find_difference(one, other, inner)
        if found is not None:
            return found
    return None
