"""``carbonode audit``: verifies offline what a node has stored, and certificates.

``audit verify`` executes every block again from the genesis, or from a snapshot. The node
must be stopped, or a copy of its home be audited. Progress goes to standard error.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from node.config import load_config
from node.parts import CHAIN_FOLDER
from tools.audit.report import AuditReport
from tools.audit.verify import verify_chain
from tools.cli.certificate import certificate_command
from tools.cli.render import show_pairs
from tools.cli.session import ExitCode, Session, pass_session
from tools.cli.trace import trace_command


@click.group(name="audit")
def audit() -> None:
    """Verify a node's whole chain, a certificate, or a serial's life; nothing is believed."""


@audit.command(name="verify")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Home folder of the stopped node; as the global option.",
)
@click.option(
    "--from", "first", type=click.IntRange(1), default=1, show_default=True,
    help="Check signatures and certificates from this height on; execution is from genesis.",
)  # fmt: skip
@click.option("--to", "last", type=click.IntRange(0), help="Last height. Default: the tip.")
@click.option(
    "--from-snapshot", "snapshot", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Begin after this snapshot (a folder of data/snapshots) instead of the genesis.",
)  # fmt: skip
@click.option("--output", type=click.Choice(["text", "json"]), help="As the global option.")
@pass_session
def verify(
    session: Session,
    home: Path | None,
    first: int,
    last: int | None,
    snapshot: Path | None,
    output: str | None,
) -> None:
    """Execute every block again, from the genesis or a snapshot, and compare everything.

    A snapshot is believed no more than the chain: its parts are computed again up to the
    state root, which a quorum signed, and the validators are followed from the genesis.
    Checks header links, roots, signatures, certificates, receipts, events, state roots
    and, at the tip, the stored state key by key. Exit code 0: all as it must be. 1: the
    first difference, with its height and what differs.
    """
    if output is not None:
        session.output = output
    config = load_config(home or session.home, os.environ)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[transactions]:,} transactions"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("auditing", total=None, transactions=0)

        def advance(height: int, last_height: int, transactions: int) -> None:
            bar.update(task, completed=height, total=last_height, transactions=transactions)

        report = verify_chain(
            config.data_path / CHAIN_FOLDER,
            config.genesis_path,
            first,
            last,
            advance,
            snapshot_folder=snapshot,
        )
    session.emit(report.to_json(), lambda out: _show(out, report))
    if not report.is_sound:
        click.get_current_context().exit(ExitCode.FAILURE)


audit.add_command(certificate_command)
audit.add_command(trace_command)


def _show(console: Console, report: AuditReport) -> None:
    pairs = {
        "chain": f"{report.chain_name} 0x{report.chain_id.hex()}",
        "heights": f"0 to {report.height} of {report.tip_height}",
        "state from": f"snapshot at {report.snapshot_height}"
        if report.snapshot_height
        else "genesis",
        "blocks executed": f"{report.blocks:,}",
        "transactions executed": f"{report.transactions:,}",
        "signatures verified": f"{report.signatures:,}",
        "certificates verified": f"{report.certificates:,}",
        "state root": "0x" + report.state_root.hex(),
        "stored state compared": report.is_state_compared,
    }
    difference = report.difference
    if difference is None:
        console.print("[bold green]SOUND[/]: every block executed again with the same results")
    else:
        console.print(f"[bold red]DIFFERENT[/] at height {difference.height}")
        pairs |= {
            "what": difference.what,
            "expected": difference.expected,
            "found": difference.found,
            "keys": "\n".join(difference.keys) or None,
        }
    show_pairs(console, "Audit", pairs)
