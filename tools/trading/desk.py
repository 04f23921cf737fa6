"""What modules of trading share: a call that must succeed, views as typed records, serials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar, get_type_hints

from primitives.codec import Value
from primitives.errors import CarbonodeError
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.client.client import Client
from tools.client.errors import BadAnswer
from tools.client.results import FinalTransaction, get_member, get_object
from tools.client.wire import from_hex, parse_integer

PAGE = 100
"""Items of one page of a contract's list."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """Serials of one batch, half-open."""

    batch: str
    start: int
    end: int


class TradeRefused(CarbonodeError):
    """The chain refused it; ``refusal`` is the contract's code."""

    code = "refused"

    def __init__(self, final: FinalTransaction, call: Call) -> None:
        super().__init__(
            f"{call.contract}.{call.method}: {final.status} {final.code}".rstrip(),
            contract=call.contract,
            method=call.method,
            refusal=final.code,
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """One contract over one client. ``key`` signs what changes something."""

    client: Client
    key: PrivateKey | None = None
    CONTRACT: ClassVar[str] = ""

    async def send(self, method: str, *arguments: Value) -> Any:
        """Make one call and return its value once final; raise TradeRefused or Reverted."""
        if self.key is None:
            raise CarbonodeError("a key is needed to sign", method=method)
        call = Call(self.CONTRACT, method, arguments)
        final = await self.client.send(self.key, [call])
        if not final.is_ok:
            raise TradeRefused(final, call)
        return final.receipt["values"][0]

    async def get_organisation(self) -> str:
        """Return the organisation for which the key speaks; empty for a stranger's."""
        if self.key is None:
            return ""
        arguments = [self.key.public_key]
        return str((await self.client.state_call("identity", "organisation_of", arguments)).value)

    async def view(self, method: str, *arguments: Value) -> Any:
        """Return a view's value as JSON."""
        return (await self.client.state_call(self.CONTRACT, method, list(arguments))).value

    async def record(self, kind: type[T], method: str, *arguments: Value) -> T:
        """Return a view's value as a record."""
        return read_record(kind, await self.view(method, *arguments))

    async def records(self, kind: type[T], method: str, *arguments: Value) -> list[T]:
        """Return a view's list as records."""
        return [read_record(kind, item) for item in await self.view(method, *arguments)]


async def read_pages(read: Callable[[T | None], Awaitable[Sequence[T]]]) -> list[T]:
    """Return all items of a list; ``read`` returns the page after an item, first after None."""
    items: list[T] = []
    while True:
        page = await read(items[-1] if items else None)
        items += page
        if len(page) < PAGE:
            return items


def read_record(kind: type[T], value: object) -> T:
    """Return JSON as the dataclass ``kind``: integers also from text, bytes from hex."""
    document = get_object(value)
    hints: Mapping[str, Any] = _get_hints(kind)  # type: ignore[arg-type]  # a class is hashable
    return kind(
        **{name: _convert(hint, get_member(document, name)) for name, hint in hints.items()}
    )


@cache
def _get_hints(kind: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _convert(hint: Any, value: Any) -> Any:
    if hint is int:
        return parse_integer(value)
    if hint is bytes:
        return from_hex(value)
    if hint is bool or hint is str:
        if type(value) is not hint:
            raise BadAnswer("a field has another type", expected=hint.__name__)
        return value
    if is_dataclass(hint):
        return read_record(hint, value)  # type: ignore[arg-type]  # a hint is a class, no instance
    return tuple(value)
