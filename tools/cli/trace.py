"""``carbonode audit trace``: the life of one kilogram, proven against a genesis step by step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from tools.cli.light import ask_proven, trust_options
from tools.cli.render import format_time, show_pairs, show_rows
from tools.cli.session import Session, pass_session
from tools.light.trace import Trace, trace_serial


@click.command(name="trace")
@click.argument("batch")
@click.argument("serial", type=click.IntRange(0))
@trust_options
@pass_session
def trace_command(session: Session, /, batch: str, serial: int, **trust: Any) -> None:
    """Prove where the kilogram SERIAL of BATCH is and every step that brought it there.

    Asks a node and believes none of it: each step is a row of the certified state with its
    proof. Exit code 0: proven. 1: the answers do not prove it, and why.
    """
    trace, chain = ask_proven(session, trust, lambda reader: trace_serial(reader, batch, serial))
    document = {"proven": True, **describe(trace), **chain}
    session.emit(document, lambda console: _show(console, trace, chain))


def describe(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON, newest step first."""
    return {
        "batch": trace.batch,
        "serial": trace.serial,
        "height": trace.proven_at,
        "lot": trace.lot,
        "origin": trace.origin,
        "steps": [_name(asdict(step)) for step in trace.steps],
    }


def _name(step: dict[str, Any]) -> dict[str, Any]:
    return {**step, "time": step.pop("time_s"), "provenAt": step.pop("proven_at")}


def _show(console: Console, trace: Trace, chain: dict[str, Any]) -> None:
    console.print("[bold green]PROVEN[/]: every step stands in a state that a quorum signed")
    lot, origin = trace.lot, trace.origin
    pairs = {
        "serial": f"{trace.serial} of {trace.batch}",
        "now": f"{lot['status']}, {lot['owner']}, lot [{lot['start']:,}, {lot['end']:,})",
        "project": f"{origin['project']}, vintage {origin['vintage']}",
        "issued by": f"{origin['issuer']} to {origin['issuedTo']}",
        "verified by": origin["verifier"] or f"imported from {origin['origin']}",
        "as of height": trace.proven_at,
        "chain": f"{chain['chainName']} {chain['chainId']}",
    }
    show_pairs(console, "Trace", pairs)
    rows = [
        {
            "step": step.step,
            "kind": step.kind,
            "lot": f"[{step.start:,}, {step.end:,})",
            "from": step.giver,
            "to": step.taker,
            "time": format_time(step.time_s * 1_000),
            "height": step.height,
        }
        for step in trace.steps
    ]
    show_rows(console, ("step", "kind", "lot", "from", "to", "time", "height"), rows)
