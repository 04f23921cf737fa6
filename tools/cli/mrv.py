"""``carbonode mrv``: a report's figure, from the result back to the readings, computed again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tools.cli.light import ask_proven, trust_options
from tools.cli.render import format_time, show_pairs, show_rows
from tools.cli.session import Session, pass_session
from tools.client.wire import to_hex
from tools.gateway.proofs import prove, verify_inclusion
from tools.gateway.store import ReadingStore
from tools.localnet.homes import write_text
from tools.mrv.document import Quantity, ReportTrace, TraceError, dump_trace, parse_trace
from tools.mrv.gathering import gather, gather_header
from tools.mrv.readings import CheckedReadings, check_readings
from tools.mrv.recomputing import Recomputation, recompute

_READINGS = click.option(
    "--readings",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of a gateway's raw readings, to be held against the chain as well.",
)


@click.group()
def mrv() -> None:
    """Measuring, reporting, verification: follow a report's figure and compute it again.

    Exit code 0: it comes out again. 1: it does not, and where.
    """


@mrv.command()
@click.argument("report")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Keep the trace.")
@_READINGS
@trust_options
@pass_session
def trace(
    session: Session, /, report: str, save: Path | None, readings: Path | None, **trust: Any
) -> None:
    """Prove what REPORT was computed from, row by row, and compute it again here.

    Prints each input with its source, each formula with its result, and the grams.
    """
    found, chain = ask_proven(session, trust, lambda reader: gather(reader, report))
    if save is not None:
        write_text(save, json.dumps(dump_trace(found), indent=2, ensure_ascii=False) + "\n")
    _finish(session, found, readings, chain)


@mrv.command(name="recompute")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_READINGS
@pass_session
def recompute_command(session: Session, /, file: Path, readings: Path | None) -> None:
    """Compute a trace that ``mrv trace --save`` kept again, without any node."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TraceError(f"cannot read the trace: {error}", path=str(file)) from None
    _finish(session, parse_trace(document), readings, {})


@mrv.command()
@click.argument("device")
@click.argument("sequence", type=click.IntRange(1))
@click.option(
    "--readings",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="Folder of the gateway's raw readings.",
)
@trust_options
@pass_session
def reading(session: Session, /, device: str, sequence: int, readings: Path, **trust: Any) -> None:
    """Show one raw reading with its proof under the Merkle root that the chain keeps.

    The root and the device's key are proven; the store is not believed.
    """
    proof = prove(ReadingStore(readings), device, sequence)
    (header, key, height), chain = ask_proven(
        session, trust, lambda reader: gather_header(reader, device, proof.last)
    )
    shown = verify_inclusion(header, key, proof).reading
    document = {
        "proven": True, "device": device, "sequence": shown.sequence, "timeFrom": shown.time_from,
        "timeTo": shown.time_to, "amount": shown.amount, "estimated": shown.is_estimated,
        "batch": f"{header.first}-{header.last}", "root": to_hex(header.root), "height": height,
        "proof": proof.to_json(), **chain,
    }  # fmt: skip

    def show(console: Console) -> None:
        console.print("[bold green]PROVEN[/]: signed by the device, under the root on the chain")
        pairs = {name: value for name, value in document.items() if name != "proof"}
        times = {name: format_time(pairs[name] * 1000) for name in ("timeFrom", "timeTo")}
        show_pairs(console, "Reading", {**pairs, **times})

    session.emit(document, show)


def _finish(
    session: Session, found: ReportTrace, readings: Path | None, chain: dict[str, Any]
) -> None:
    again = recompute(found)
    checked = None if readings is None else check_readings(found, ReadingStore(readings))
    differences = [*again.differences, *(checked.differences if checked else ())]
    document = {
        "recomputed": not differences, "grams": again.grams, "differences": differences,
        "readings": None if checked is None else checked.readings,
        **dump_trace(found), **chain,
    }  # fmt: skip
    session.emit(document, lambda console: _show(console, found, again, checked))
    if differences:
        raise TraceError(
            "the report does not come out again", differences=len(differences), first=differences[0]
        )


def _show(
    console: Console, found: ReportTrace, again: Recomputation, checked: CheckedReadings | None
) -> None:
    report = found.report
    period = f"{_day(report['period_from'])} to {_day(report['period_to'])}"
    pairs = {
        "report": f"{found.name}, {report['status']}",
        "of": f"{report['kind']} {report['subject']}, {period}",
        "methodology": f"{report['methodology']} version {report['version']}, "
        f"code {found.code.contract} 0x{found.code.code_hash.hex()[:16]}...",
        "owner": report["owner"], "submitter": report["submitter"],
        "verifier": report["verifier"], "issuer": report["issuer"], "approver": report["approver"],
        "computed": f"{report['computed_grams']:,} g",
        "verified": f"{report['verified_grams']:,} g",
        "issued": f"{report['issued_kg']:,} kg, of which buffer {report['buffer_kg']:,} kg",
        "flags": ", ".join(found.flags),
    }  # fmt: skip
    show_pairs(console, "Report", pairs)
    show_trace(console, found)
    show_verdict(console, found, again, checked)


def show_trace(console: Console, found: ReportTrace) -> None:
    """Print inputs with their sources, and the lines of the computation."""
    inputs = [
        {"input": item.name, "value": format_scaled(item.value, item.scale), "unit": item.unit,
         "reference": item.reference, "source": describe_source(found, item)}
        for item in found.inputs
    ]  # fmt: skip
    show_rows(console, ("input", "value", "unit", "reference", "source"), inputs)
    lines = [
        {"symbol": line.symbol, "formula": line.formula, "of": " ".join(line.inputs),
         "result": format_scaled(line.value, line.scale), "unit": line.unit}
        for line in found.lines
    ]  # fmt: skip
    show_rows(console, ("symbol", "formula", "of", "result", "unit"), lines)


def show_verdict(
    console: Console, found: ReportTrace, again: Recomputation, checked: CheckedReadings | None
) -> None:
    """Print whether the figure came out again, and what did not fit."""
    differences: Sequence[str] = [
        *again.differences, *(checked.differences if checked else ()),
    ]  # fmt: skip
    if again.grams == found.report["computed_grams"] and not again.differences:
        console.print(f"[bold green]RECOMPUTED[/] offline: {again.grams:,} g, the same")
    if checked is not None and not checked.differences:
        console.print(
            f"[bold green]READINGS[/] {checked.readings:,} in {checked.batches:,} batches stand "
            "under the hashes on the chain"
        )
    for difference in differences:
        console.print(f"[bold red]DIFFERENT[/] {difference}", soft_wrap=True, highlight=False)


def describe_source(found: ReportTrace, item: Quantity) -> str:
    """Return in a line what stands behind an input."""
    source = found.sources.get(item.reference, {})
    match source.get("kind"):
        case "batch":
            return f"meter {source['device']} of {source['installation']}"
        case "factor":
            return f"{source['source']}, {source['page']} ({source['status']})"
        case "activity":
            return f"submitted by {source['submitter']}"
        case "report":
            return f"report of {source['owner']}"
    return "the methodology's own"


def format_scaled(value: int, scale: int) -> str:
    """Return value / 10**scale, exactly, without trailing zeros."""
    with localcontext() as context:
        context.prec = 200
        text = f"{Decimal(value).scaleb(-scale):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _day(seconds: int) -> str:
    return format_time(seconds * 1000)[:10]
