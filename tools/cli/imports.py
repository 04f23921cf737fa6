"""``carbonode import``: a registry's public export onto a running chain.

Sentences and progress go to standard error, the report to standard output. Exit code
0 when every row is on the chain, flagged or not, 1 when some are refused (each with its line, code
and reason; what is good is there all the same) or a file is no such table,
3 to 5 as for every command when the chain does not answer, refuses or is late.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from tools.cli.session import ExitCode, Session, pass_session, read_summary_endpoints
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.client.transport import RetryPolicy
from tools.importers.formats import ACR, CAR, RegistryFormat
from tools.importers.importing import Importer, Parties
from tools.importers.importing import Progress as Steps
from tools.importers.reading import Ledger, read_ledger
from tools.importers.report import make_forecast, make_report
from tools.localnet.network import SUMMARY_FILE

ISSUER_KEY = "keys/registry.key"
PATIENCE = RetryPolicy(rounds_max=20)
"""A node that restarts must not end an import."""
PROBLEMS_SHOWN = 20

_file = click.Path(path_type=Path, dir_okay=False, exists=True)
Command = Callable[..., Any]


@click.group(name="import")
def import_group() -> None:
    """Put a registry's public export on a running chain.

    Run it again after whatever interrupted it: what is on the chain is not sent twice.
    """


def _options(command: Command) -> Command:
    for decorator in reversed(
        (
            click.argument("issuances", type=_file),
            click.argument("retirements", type=_file),
            click.option(
                "--node", "nodes", multiple=True, help="RPC endpoint; several for fail-over."
            ),
            click.option(
                "--key",
                type=_file,
                help="Key file of the issuing registry, accredited for import:ACR (or CAR).",
            ),
            click.option(
                "--holder-key",
                type=_file,
                help="Key file of the organisation that holds and retires what is imported, "
                "accredited too.",
            ),
            click.option(
                "--localnet",
                type=click.Path(path_type=Path, file_okay=False, exists=True),
                help="Folder of a local network: its endpoints and development keys. "
                "Default without keys: --home, run or run/localnet, where one is.",
            ),
            click.option(
                "--report",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Write the whole report, with every bad row, to this file.",
            ),
            click.option("--dry-run", is_flag=True, help="Read and check the files; send nothing."),
            click.option(
                "--output", type=click.Choice(["text", "json"]), help="As the global option."
            ),
            pass_session,
        )
    ):
        command = decorator(command)
    return command


@import_group.command(name="acr")
@_options
def import_acr(session: Session, **options: Any) -> None:
    """American Carbon Registry: ISSUANCES.csv RETIREMENTS.csv."""
    _import(session, ACR, **options)


@import_group.command(name="car")
@_options
def import_car(session: Session, **options: Any) -> None:
    """Climate Action Reserve: ISSUANCES.csv RETIREMENTS.csv."""
    _import(session, CAR, **options)


def _import(
    session: Session,
    form: RegistryFormat,
    *,
    issuances: Path,
    retirements: Path,
    nodes: tuple[str, ...],
    key: Path | None,
    holder_key: Path | None,
    localnet: Path | None,
    report: Path | None,
    dry_run: bool,
    output: str | None,
) -> None:
    if output is not None:
        session.output = output
    started = time.monotonic()
    # A day ahead of us somewhere on Earth is not a date in the future.
    ledger = read_ledger(form, issuances, retirements, date.today() + timedelta(days=1))
    if dry_run:
        document = make_forecast(ledger)
    else:
        if localnet is None and key is None and holder_key is None:
            localnet = find_localnet(session.home)
        parties = _read_parties(form, key, holder_key, localnet)
        endpoints = _get_endpoints(session, nodes, localnet)
        document = asyncio.run(_run(session, ledger, parties, endpoints))
        document["seconds"] = round(time.monotonic() - started, 1)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    session.emit(document, lambda console: _show(console, document, report))
    if document["badRows"]:
        raise SystemExit(int(ExitCode.FAILURE))


def find_localnet(home: Path) -> Path | None:
    """Return the folder of a local network where `make run` and `localnet` leave one."""
    for folder in (home, Path("run"), Path("run/localnet")):
        if (folder / SUMMARY_FILE).is_file():
            return folder
    return None


async def _run(
    session: Session, ledger: Ledger, parties: Parties, endpoints: list[str]
) -> dict[str, Any]:
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    bars: dict[str, TaskID] = {}

    def show(phase: str, done: int, total: int) -> None:
        if phase not in bars:
            bars[phase] = progress.add_task(phase, total=total)
            if not console.is_terminal and not session.is_json:
                session.note(f"{phase}: {done} of {total} there, {total - done} to do")
        progress.update(bars[phase], completed=done, total=total)

    async with Client(endpoints, policy=PATIENCE) as client:
        with progress:
            result = await Importer(client, parties, ledger, Steps(show)).run()
        status = await client.status()
    chain = {
        "chainId": "0x" + status.chain_id.hex(),
        "height": status.height,
        "stateRoot": status.state_root,
    }
    return make_report(result, chain)


def _read_parties(
    form: RegistryFormat, key: Path | None, holder_key: Path | None, localnet: Path | None
) -> Parties:
    holder_name = f"keys/{form.registry.lower()}-accounts.key"
    if localnet is not None:
        key = key or localnet / ISSUER_KEY
        holder_key = holder_key or localnet / holder_name
    if key is None or holder_key is None:
        raise click.UsageError(
            "give --localnet DIR, or --key FILE (the issuing registry's) and --holder-key FILE "
            "(the organisation that will hold and retire; it must be another one)"
        )
    return Parties(issuer=read_key(key), holder=read_key(holder_key))


def _get_endpoints(session: Session, nodes: tuple[str, ...], localnet: Path | None) -> list[str]:
    if nodes:
        return list(nodes)
    if localnet is not None:
        return read_summary_endpoints(localnet / SUMMARY_FILE)
    return session.get_endpoints()


def _show(console: Console, document: Mapping[str, Any], report: Path | None) -> None:
    table = Table(title=f"Import of {document['registry']}", title_justify="left")
    for column, justify in (("", "left"), ("rows", "right"), ("tonnes", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]  # both are literals
    issued, retired = document["issuances"], document["retirements"]
    table.add_row("issuances in the file", f"{issued['rows']:,}", f"{issued['tonnes']:,}")
    table.add_row("  of which to the buffer", "", f"{issued['bufferTonnes']:,}")
    table.add_row("retirements in the file", f"{retired['rows']:,}", f"{retired['tonnes']:,}")
    if "onChain" in document:
        there = document["onChain"]
        table.add_section()
        table.add_row("issued on the chain", f"{there['batches']:,}", f"{there['issuedTonnes']:,}")
        table.add_row("  of which to the buffer", "", f"{there['bufferedTonnes']:,}")
        table.add_row("  released from the buffer", "", f"{there['releasedTonnes']:,}")
        table.add_row(
            "retired on the chain", f"{there['retirements']:,}", f"{there['retiredTonnes']:,}"
        )
    console.print(table)
    if "thisRun" in document:
        run, chain = document["thisRun"], document["chain"]
        console.print(
            f"This run: {run['issuances']:,} issuances, {run['bufferReleases']} releases, "
            f"{run['retirements']:,} retirements in {run['transactions']} transactions, "
            f"{document['seconds']} s. Already there: {run['issuancesBefore']:,} and "
            f"{run['retirementsBefore']:,}."
        )
        console.print(f"Height {chain['height']}, state root {chain['stateRoot']}")
    _show_problems(console, document, report)


def _count(by_rule: Mapping[str, int]) -> str:
    return ", ".join(f"{rule}: {count:,}" for rule, count in by_rule.items())


def _show_problems(console: Console, document: Mapping[str, Any], report: Path | None) -> None:
    problems, flags = document["problems"], document["flags"]
    for flag in flags[:PROBLEMS_SHOWN]:
        console.print(
            escape(f"  {flag['file']}:{flag['line']}: flagged [{flag['code']}] {flag['reason']}"),
            highlight=False,
        )
    if flags:
        console.print(f"{len(flags)} flags: {_count(document['flaggedByRule'])}", highlight=False)
    if not problems:
        console.print("No bad rows.")
        return
    console.print(
        f"{len(problems)} rows are refused: {_count(document['refusedByRule'])}", highlight=False
    )
    for problem in problems[:PROBLEMS_SHOWN]:
        console.print(
            escape(
                f"  {problem['file']}:{problem['line']}: [{problem['code']}] {problem['reason']}"
            ),
            highlight=False,
        )
    if len(problems) > PROBLEMS_SHOWN:
        where = f"in {report}" if report else "with --report FILE or --output json"
        console.print(f"  and {len(problems) - PROBLEMS_SHOWN} more: all of them {where}")
