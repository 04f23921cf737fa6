"""``carbonode factors``: published tables onto the chain, and what the chain has of them.

Exit code of ``load``: 0 when the chain has every figure of every file, 1 when it has not
or a cell is no figure (each with its line), else as for every command.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tools.cli.imports import PATIENCE, find_localnet
from tools.cli.render import show_pairs, show_rows
from tools.cli.session import ExitCode, Session, pass_session, read_summary_endpoints
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.factors.figures import UNVERIFIED, VERIFIED, FactorSet, override, to_decimal, to_seconds
from tools.factors.known import READERS, read_sets
from tools.factors.loading import (
    Loader,
    LoadResult,
    get_factor,
    get_set,
    get_version,
    list_rows,
    list_sets,
)
from tools.importers.table import InputError
from tools.localnet.network import SUMMARY_FILE

PUBLISHER_KEY = "keys/regulator.key"
PROBLEMS_SHOWN = 20
_FACTOR_COLUMNS: tuple[str, ...] = ("factor", "version", "value", "unit", "gas", "page", "status")
_SET_COLUMNS: tuple[str, ...] = (
    "set", "count", "stage", "status", "valid_from", "valid_to", "gwp_set", "source",
)  # fmt: skip


@click.group(name="factors")
def factors_group() -> None:
    """Emission factors and other published figures, with their source."""


@factors_group.command()
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False
)
@click.option(
    "--all",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Load every known table of a folder.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Key file of a regulator. Default: the local network's.",
)
@click.option("--set", "table", help="Id of the set (a table of one's own needs it).")
@click.option("--source", help="The publication.")
@click.option("--jurisdiction", help="Where the figures hold, e.g. EU, CN, world.")
@click.option("--gwp-set", help="The GWP set in the figures, e.g. AR5GWP100.")
@click.option("--valid-from", help="First day, YYYY-MM-DD.")
@click.option("--valid-to", help="The day after the last one, YYYY-MM-DD.")
@click.option(
    "--status",
    type=click.Choice([VERIFIED, UNVERIFIED]),
    help="A third party's copy is always unverified.",
)
@click.option("--supersedes", help="Id of the set whose place this one takes.")
@click.option("--dry-run", is_flag=True, help="Read and check; send nothing.")
@pass_session
def load(
    session: Session,
    /,
    file: Path | None,
    folder: Path | None,
    key: Path | None,
    dry_run: bool,
    **said: str | None,
) -> None:
    """Put published tables on the chain. Run again, it adds what is missing."""
    if (file is None) == (folder is None):
        raise click.UsageError("give FILE, or --all DIR")
    if folder is not None and any(value is not None for value in said.values()):
        raise click.UsageError("--all takes each table as it is known: no other options but --key")
    sets = read_folder(folder) if folder is not None else read_with_options(file or Path(), said)
    problems = [problem.to_json() for item in sets for problem in item.problems]
    document: dict[str, Any] = {"sets": [_describe(item) for item in sets], "problems": problems}
    is_whole = True
    if not dry_run:
        result = asyncio.run(_load(session, sets, key))
        is_whole = result.is_whole
        document |= _report(result)
    session.emit(document, lambda console: _show(console, document))
    if problems or not is_whole:
        raise SystemExit(int(ExitCode.FAILURE))


def read_folder(folder: Path) -> list[FactorSet]:
    """Return the sets of every known table in a folder, by file name."""
    paths = [folder / name for name in sorted(READERS) if (folder / name).is_file()]
    if not paths:
        raise InputError("no known table is here", folder=str(folder), known=sorted(READERS))
    return [item for path in paths for item in read_sets(path)]


def read_with_options(file: Path, said: dict[str, str | None]) -> list[FactorSet]:
    """Return the sets of one file with what the caller said about them."""
    sets = read_sets(file)
    if len(sets) > 1 and any(value is not None for value in said.values()):
        raise InputError("the file has several sets, the options fit one", file=file.name)
    changes: dict[str, object] = dict(said)
    for name in ("valid_from", "valid_to"):
        if (text := said[name]) is not None:
            changes[name] = to_seconds(_parse_day(text))
    sets = [override(item, **changes) for item in sets]
    for item in sets:
        if item.is_copy and item.status == VERIFIED:
            raise InputError(
                "a third party's copy enters as unverified: compare it, then factors.verify",
                set=item.table,
            )
        if not item.table or not item.source or not item.jurisdiction:
            raise InputError("say --set, --source and --jurisdiction", file=file.name)
        if not item.figures:
            raise InputError("the table has no figures", file=file.name)
    return sets


async def _load(session: Session, sets: list[FactorSet], key: Path | None) -> LoadResult:
    folder = find_localnet(session.home)
    if key is None and folder is not None:
        key = folder / PUBLISHER_KEY
    if key is None:
        raise click.UsageError("give --key FILE (a regulator's); no local network is here")
    endpoints = list(session.nodes)
    if not endpoints and folder is not None:
        endpoints = read_summary_endpoints(folder / SUMMARY_FILE)
    async with Client(endpoints or session.get_endpoints(), policy=PATIENCE) as client:
        return await Loader(client, read_key(key), session.note).run(sets)


@factors_group.command(name="list")
@click.argument("table", required=False)
@pass_session
def list_command(session: Session, table: str | None) -> None:
    """List the sets on the chain, or the figures of one."""

    async def work(client: Client) -> list[dict[str, Any]]:
        if table is not None:
            return [_show_factor(row) for row in await list_rows(client, table)]
        names = await list_sets(client)
        return [{"set": name, **_show_days(await get_set(client, name))} for name in names]

    found = session.run(work)
    columns = _FACTOR_COLUMNS if table is not None else _SET_COLUMNS
    session.emit({"items": found}, lambda console: show_rows(console, columns, found))


@factors_group.command()
@click.argument("factor")
@click.option("--version", type=int, help="As it was published, whether or not it holds.")
@click.option("--from", "start", help="First day of the period, YYYY-MM-DD. Default: today.")
@click.option("--to", "end", help="The day after its last one. Default: the next day.")
@pass_session
def get(
    session: Session, factor: str, version: int | None, start: str | None, end: str | None
) -> None:
    """Show a factor: what holds for a period, with its source and page."""
    first = _parse_day(start) if start else datetime.now(UTC).date()
    begin = to_seconds(first)
    finish = to_seconds(_parse_day(end)) if end else begin + 24 * 3600

    async def work(client: Client) -> dict[str, Any]:
        if version is not None:
            return await get_version(client, factor, version)
        return await get_factor(client, factor, begin, finish)

    document = _show_factor(session.run(work))
    session.emit(document, lambda console: show_pairs(console, factor, document))


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"not a day as YYYY-MM-DD: {text!r}") from None


def _show_day(seconds: int) -> str:
    """Return a day; '' for none, which is how far validity goes without an end."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _show_days(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: _show_day(row[name]) for name in ("valid_from", "valid_to")}


def _show_factor(row: dict[str, Any]) -> dict[str, Any]:
    return _show_days(row) | {"value": to_decimal(row["value"], row["scale"])}


def _describe(item: FactorSet) -> dict[str, Any]:
    return {
        "set": item.table, "figures": len(item.figures), "absent": item.absent,
        "status": item.status, "gwpSet": item.gwp_set, "validFrom": _show_day(item.valid_from),
        "validTo": _show_day(item.valid_to), "source": item.source,
    }  # fmt: skip


def _report(result: LoadResult) -> dict[str, Any]:
    rows = [
        {"set": item.wanted.table, "result": item.status, "reason": item.reason,
         "onChain": item.on_chain}
        for item in result.sets
    ]  # fmt: skip
    return {"results": rows, "transactions": result.transactions, "gas": result.gas}


def _show(console: Console, document: dict[str, Any]) -> None:
    columns = ("set", "figures", "absent", "status", "validFrom", "validTo", "source")
    show_rows(console, columns, document["sets"])
    if "results" in document:
        show_rows(console, ("set", "result", "onChain", "reason"), document["results"])
        console.print(
            f"{sum(row['onChain'] for row in document['results']):,} figures of "
            f"{len(document['results'])} sets on the chain; {document['transactions']} "
            f"transactions, {document['gas']:,} gas."
        )
    for problem in document["problems"][:PROBLEMS_SHOWN]:
        console.print(
            f"  {problem['file']}:{problem['line']}: [{problem['code']}] {problem['reason']}",
            highlight=False, markup=False,
        )  # fmt: skip
