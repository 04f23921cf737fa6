"""Factor sets onto a running chain, and back: what is there already is not sent twice.

A set goes in three steps, each of them many calls in few transactions: opened, filled,
published. What the chain holds is asked of the chain, so a load may be killed at any
moment and run again. At the end every figure is read back and compared: a set counts as
loaded when the chain has all of it and nothing else. Never changes a published set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.client.client import Client
from tools.factors.figures import FactorSet, Figure
from tools.importers.submission import DONE, Item, Outcome, Submission

CONTRACT: Final = "factors"
ENTRIES_PER_CALL: Final = 50
PAGE_ROWS: Final = 100
LOADED: Final = "loaded"
THERE: Final = "already-there"
DIFFERS: Final = "differs"
REFUSED: Final = "refused"
_SET: Final = (
    "source", "source_hash", "jurisdiction", "gwp_set", "valid_from", "valid_to", "status", "stage",
    "supersedes", "publisher", "count", "published_at",
)  # fmt: skip
_FACTOR: Final = (
    "factor", "version", "value", "scale", "unit", "gas", "gwp_set", "source", "page",
    "jurisdiction", "valid_from", "valid_to", "status",
)  # fmt: skip


@dataclass(slots=True)
class SetResult:
    """How one set ended. ``reason`` says what differs or why the chain refused."""

    wanted: FactorSet
    status: str = ""
    reason: str = ""
    on_chain: int = 0


@dataclass(slots=True)
class LoadResult:
    """A whole load: one result a set, and what it cost."""

    sets: list[SetResult] = field(default_factory=list)
    transactions: int = 0
    gas: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every set stands on the chain as the files have it."""
        return all(item.status in (LOADED, THERE) for item in self.sets)


@dataclass(slots=True)
class Loader:
    """Loads sets under one key, a regulator's. ``on_step`` hears what is being done."""

    client: Client
    key: PrivateKey
    on_step: Callable[[str], None] = lambda text: None

    async def run(self, sets: Sequence[FactorSet]) -> LoadResult:
        """Load ``sets``; an InputError never comes from here, a refusal is in the result.

        Raises SubmissionError when the account may not send, ClientError when no node
        answers. What is final stays; run again.
        """
        result = LoadResult([SetResult(item) for item in sets])
        there = set(await list_sets(self.client))
        new = [item for item in result.sets if item.wanted.table not in there]
        await self._submit("open", [(item, _open(item.wanted)) for item in new], result)
        waiting: list[SetResult] = []
        for item in result.sets:
            is_new = item.wanted.table not in there
            if not item.status and (is_new or await self._is_unfinished(item)):
                waiting.append(item)
        added = [(item, call) for item in waiting for call in await self._plan(item, there)]
        await self._submit("add", added, result)
        waiting = [item for item in waiting if not item.status]
        await self._submit("publish", [(item, _publish(item.wanted)) for item in waiting], result)
        for item in waiting:
            if not item.status:
                await self._compare(item, LOADED)
        return result

    async def _is_unfinished(self, item: SetResult) -> bool:
        """Whether a set of the chain still has to be filled; else it is whole, or another."""
        found = await get_set(self.client, item.wanted.table)
        names = ("jurisdiction", "gwp_set", "valid_from", "valid_to", "supersedes", "source")
        for name in names:
            if found[name] != getattr(item.wanted, name):
                item.status, item.reason = DIFFERS, f"{name} is {found[name]!r} on the chain"
                return False
        if found["stage"] == "open":
            return True
        if found["stage"] != "published":
            item.status, item.reason = DIFFERS, f"the set is {found['stage']} on the chain"
            return False
        await self._compare(item, THERE)
        return False

    async def _plan(self, item: SetResult, there: set[str]) -> list[Call]:
        """Return the calls that add what an open set lacks; none when it has other figures."""
        table = item.wanted.table
        held = await list_figures(self.client, table) if table in there else {}
        wanted = {figure.factor: replace(figure, line=0) for figure in item.wanted.figures}
        for name, found in held.items():
            if found != wanted.get(name):
                item.status, item.reason = DIFFERS, f"{name} is another on the chain"
                return []
        return _add(table, [figure for name, figure in wanted.items() if name not in held])

    async def _compare(self, item: SetResult, status: str) -> None:
        """Read the set back: ``status`` when the chain has exactly these figures."""
        there = await list_figures(self.client, item.wanted.table)
        item.on_chain = len(there)
        wanted = {figure.factor: replace(figure, line=0) for figure in item.wanted.figures}
        wrong = sorted(name for name in wanted | there if wanted.get(name) != there.get(name))
        item.status = DIFFERS if wrong else status
        item.reason = f"{len(wrong)} figures differ, first {wrong[0]}" if wrong else ""

    async def _submit(
        self, step: str, calls: Sequence[tuple[SetResult, Call]], result: LoadResult
    ) -> None:
        """Send ``calls``; one that is refused ends its set."""
        self.on_step(f"{step}: {len(calls)} calls")
        items = [Item(f"{n}", call, _weigh(call)) for n, (_, call) in enumerate(calls)]
        submission = Submission(self.client, self.key, lambda outcome: None)
        outcomes: list[Outcome] = []
        try:
            outcomes = await submission.run(items)
        finally:
            result.transactions += submission.transactions
            result.gas += submission.gas
        for outcome in outcomes:
            if outcome.status != DONE:
                item = calls[int(outcome.item.name)][0]
                item.status, item.reason = REFUSED, outcome.code


def _weigh(call: Call) -> int:
    """Return a call's share of gas: as many as the figures that it adds."""
    last = call.arguments[-1]
    return len(last) if isinstance(last, list) else 1


def _open(wanted: FactorSet) -> Call:
    return Call(CONTRACT, "open_set", wanted.to_arguments())


def _publish(wanted: FactorSet) -> Call:
    return Call(CONTRACT, "publish", (wanted.table, len(wanted.figures)))


def _add(table: str, figures: Sequence[Figure]) -> list[Call]:
    calls = []
    for start in range(0, len(figures), ENTRIES_PER_CALL):
        part = figures[start : start + ENTRIES_PER_CALL]
        calls.append(Call(CONTRACT, "add", (table, [figure.to_entry() for figure in part])))
    return calls


# -- reading


async def list_sets(client: Client) -> list[str]:
    """Return the ids of all sets on the chain."""
    found: list[str] = []
    while True:
        after = found[-1] if found else ""
        page = await _ask(client, "list_sets", [after, PAGE_ROWS])
        found.extend(str(name) for name in page)
        if len(page) < PAGE_ROWS:
            return found


async def get_set(client: Client, table: str) -> dict[str, Any]:
    """Return a set's record by field name, integers as int."""
    return _name(await _ask(client, "get_set", [table]), _SET)


async def list_rows(client: Client, table: str) -> list[dict[str, Any]]:
    """Return the factors of a set by field name, in order of their ids."""
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["factor"] if found else ""
        page = await _ask(client, "list_factors", [table, after, PAGE_ROWS])
        found.extend(_name(row, _FACTOR) for row in page)
        if len(page) < PAGE_ROWS:
            return found


async def list_figures(client: Client, table: str) -> dict[str, Figure]:
    """Return what the chain has of a set, as the figures that a file would give."""
    figures = {}
    for row in await list_rows(client, table):
        names = ("factor", "value", "scale", "unit", "gas", "page")
        figures[row["factor"]] = Figure(*(row[name] for name in names))
    return figures


async def get_factor(client: Client, factor: str, start: int, end: int) -> dict[str, Any]:
    """Return the version of a factor that holds for all of [start, end)."""
    return _name(await _ask(client, "get_factor", [factor, start, end]), _FACTOR)


async def get_version(client: Client, factor: str, version: int) -> dict[str, Any]:
    """Return one version of a factor as it was published."""
    return _name(await _ask(client, "get_version", [factor, version]), _FACTOR)


async def _ask(client: Client, method: str, arguments: list[Any]) -> Any:
    return (await client.state_call(CONTRACT, method, arguments)).value


_NUMBERS: Final = frozenset(
    {"value", "scale", "version", "valid_from", "valid_to", "count", "published_at"}
)


def _name(record: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Return a record by field name; a node writes large integers as decimal text."""
    if not isinstance(record, dict):
        record = dict(zip(fields, record, strict=True))
    return {
        name: int(record[name]) if name in _NUMBERS else record[name] for name in fields
    }  # fmt: skip
