"""The contract ``surveillance`` for programs: claim flags, run cases, freeze, appeal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tools.client.wire import parse_integer
from tools.trading.desk import PAGE, Desk, read_pages

KEYS_PER_QUESTION = 200
"""Keys in one ``is_flagged`` (vm/contracts/README.md)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds in force: seconds, days, kilograms, counts; shares in 10^-4."""

    cycle_seconds: int
    cycle_tolerance: int
    price_deviation: int
    price_days: int
    price_trades: int
    carousel_seconds: int
    carousel_returns: int
    young_seconds: int
    young_kg: int
    resale_seconds: int
    many_flags: int
    many_seconds: int


@dataclass(frozen=True, slots=True)
class Surveillance(Desk):
    """What a regulator, a keeper and a frozen party do; numbers begin at 1."""

    CONTRACT: ClassVar[str] = "surveillance"

    async def get_rules(self) -> Rules:
        """The thresholds in force."""
        return await self.record(Rules, "get_rules")

    async def find_flagged(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys (``rule:...``) that carry a flag already."""
        found: set[str] = set()
        for start in range(0, len(keys), KEYS_PER_QUESTION):
            part = list(keys[start : start + KEYS_PER_QUESTION])
            answers = await self.view("is_flagged", part)
            found |= {key for key, is_there in zip(part, answers, strict=True) if is_there}
        return found

    async def claim(self, method: str, *arguments: Any) -> int:
        """The flag's number; raises TradeRefused when the contract computes otherwise."""
        return parse_integer(await self.send(method, *arguments))

    async def report(self, subjects: Sequence[str], note: str, evidence_hash: bytes) -> int:
        """A flag that no rule computes, by a regulator or a registry."""
        return parse_integer(await self.send("report", list(subjects), note, evidence_hash))

    async def list_flags(self, organisation: str = "") -> list[int]:
        """Numbers of all flags, or of those about one organisation."""

        async def read(last: int | None) -> list[int]:
            about = ("flags_about", organisation) if organisation else ("list_flags",)
            return [parse_integer(item) for item in await self.view(*about, last or 0, PAGE)]

        return await read_pages(read)

    async def get_flag(self, flag: int) -> dict[str, Any]:
        """One flag with its facts, as JSON."""
        return {"flag": flag, **await self.view("get_flag", flag)}

    async def open_case(self, title: str, flags: Sequence[int]) -> int:
        """By a regulator that the flags are not about."""
        return parse_integer(await self.send("open_case", title, list(flags)))

    async def assign(self, case: int, assignee: str) -> None:
        """To a regulator."""
        await self.send("assign", case, assignee)

    async def add_note(self, case: int, text: str, evidence_hash: bytes) -> int:
        """Evidence in words and a hash (or none)."""
        return parse_integer(await self.send("add_note", case, text, evidence_hash))

    async def resolve(self, case: int, confirmed: bool, reason: str) -> None:
        """By the assignee."""
        await self.send("resolve", case, confirmed, reason)

    async def reopen(self, case: int, reason: str) -> None:
        """By any regulator that it is not about."""
        await self.send("reopen", case, reason)

    async def get_case(self, case: int) -> dict[str, Any]:
        """One case with its flags and notes, as JSON."""
        notes = await self.view("notes_of", case, 0, PAGE)
        flags = await self.view("flags_in", case)
        found = dict(await self.view("get_case", case))
        return {"case": case, **found, "flags": flags, "notes": notes}

    async def freeze_trading(self, organisation: str, case: int, seconds: int, reason: str) -> int:
        """The freeze's number; of a regulator it is only proposed."""
        found = await self.send("freeze_trading", organisation, case, seconds, reason)
        return parse_integer(found)

    async def freeze_serials(
        self, batch: str, start: int, end: int, case: int, seconds: int, reason: str
    ) -> int:
        """The freeze's number: [start, end) inside one active lot."""
        found = await self.send("freeze_serials", batch, start, end, case, seconds, reason)
        return parse_integer(found)

    async def appeal(self, freeze: int, reason: str, evidence_hash: bytes) -> None:
        """By the frozen organisation, once."""
        await self.send("appeal", freeze, reason, evidence_hash)

    async def decide_appeal(self, freeze: int, granted: bool, reason: str) -> None:
        """By a regulator that has no part in it."""
        await self.send("decide_appeal", freeze, granted, reason)

    async def lift(self, freeze: int, reason: str) -> None:
        """By a regulator."""
        await self.send("lift", freeze, reason)

    async def expire(self, freeze: int) -> None:
        """By anybody, after the end: frozen serials are free."""
        await self.send("expire", freeze)

    async def get_freeze(self, freeze: int) -> dict[str, Any]:
        """One freeze with its reasons, as JSON."""
        return {"freeze": freeze, **await self.view("get_freeze", freeze)}
