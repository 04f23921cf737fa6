"""``carbonode surveillance``: look for flags and claim them, cases, freezes, appeals.

Typed functions: tools/trading/surveillance.py; the search: tools/surveillance.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import click

from primitives.limits import HASH_BYTES
from tools.cli.desks import NUMBER, SERIAL, act, key_option, look, tell
from tools.cli.key_commands import find_key_path
from tools.cli.render import show_rows
from tools.cli.session import Session, pass_session
from tools.cli.tx_commands import HexBytes
from tools.client.client import Client
from tools.client.keyfile import read_key
from tools.surveillance.keeper import Keeper
from tools.trading.surveillance import Surveillance

DAY: Final = 86_400
_reason = click.option("--reason", required=True, help="Public, for good.")
_hash = click.option(
    "--evidence", type=HexBytes(HASH_BYTES), default=b"", help="SHA-256 of a document, in hex."
)
_case = click.option("--case", "case_number", type=click.IntRange(0), default=0, help="A case.")
_days = click.option("--days", type=click.IntRange(1, 366), required=True, help="How long.")


@click.group(name="surveillance")
def surveillance_group() -> None:
    """Find and claim flags; cases; freezes and appeals."""


@surveillance_group.command()
@click.option("--key", "key_name", help="Key name in the home, or a file. Without: look only.")
@click.option("--batch", "batches", multiple=True, help="Look at its moves too (traded ones are).")
@pass_session
def scan(session: Session, /, key_name: str | None, batches: tuple[str, ...]) -> None:
    """Look at all trades and moves and claim what is not flagged yet."""
    key = read_key(find_key_path(session, key_name)) if key_name else None

    async def run(client: Client) -> dict[str, Any]:
        return asdict(await Keeper(client, Surveillance(client, key), batches).run())

    tell(session, "Scan", session.run(run))


@surveillance_group.command()
@click.option("--organisation", default="", help="Only those about it.")
@pass_session
def flags(session: Session, /, organisation: str) -> None:
    """List flags."""

    async def read(desk: Surveillance) -> list[dict[str, Any]]:
        return [await desk.get_flag(number) for number in await desk.list_flags(organisation)]

    found = look(session, Surveillance, read)
    columns = ("flag", "rule", "subjects", "measured", "allowed", "case")
    session.emit({"flags": found}, lambda console: show_rows(console, columns, found))


@surveillance_group.command()
@click.argument("subjects", nargs=-1, required=True)
@click.option("--note", required=True, help="What it is about.")
@_hash
@key_option
@pass_session
def report(
    session: Session, /, subjects: tuple[str, ...], note: str, evidence: bytes, key_name: str
) -> None:
    """Flag what no rule computes, by a regulator or a registry."""
    number = act(
        session, key_name, Surveillance, lambda desk: desk.report(subjects, note, evidence)
    )
    tell(session, "Reported", {"flag": number})


# --- cases


@surveillance_group.group(name="case")
def case_group() -> None:
    """Cases about flags."""


@case_group.command(name="open")
@click.argument("title")
@click.argument("numbers", nargs=-1, required=True, type=NUMBER)
@key_option
@pass_session
def open_case(session: Session, /, title: str, numbers: tuple[int, ...], key_name: str) -> None:
    """Open a case from flags."""
    case = act(session, key_name, Surveillance, lambda desk: desk.open_case(title, numbers))
    tell(session, "Opened", {"case": case})


@case_group.command()
@click.argument("case", type=NUMBER)
@click.argument("regulator")
@key_option
@pass_session
def assign(session: Session, /, case: int, regulator: str, key_name: str) -> None:
    """Assign CASE to REGULATOR."""
    act(session, key_name, Surveillance, lambda desk: desk.assign(case, regulator))
    _show_case(session, case)


@case_group.command()
@click.argument("case", type=NUMBER)
@click.argument("text")
@_hash
@key_option
@pass_session
def note(session: Session, /, case: int, text: str, evidence: bytes, key_name: str) -> None:
    """Add evidence to CASE."""
    act(session, key_name, Surveillance, lambda desk: desk.add_note(case, text, evidence))
    _show_case(session, case)


@case_group.command()
@click.argument("case", type=NUMBER)
@click.argument("finding", type=click.Choice(["confirmed", "dismissed"]))
@_reason
@key_option
@pass_session
def resolve(session: Session, /, case: int, finding: str, reason: str, key_name: str) -> None:
    """Resolve CASE, by its assignee."""
    confirmed = finding == "confirmed"
    act(session, key_name, Surveillance, lambda desk: desk.resolve(case, confirmed, reason))
    _show_case(session, case)


@case_group.command()
@click.argument("case", type=NUMBER)
@_reason
@key_option
@pass_session
def reopen(session: Session, /, case: int, reason: str, key_name: str) -> None:
    """Open a resolved CASE again."""
    act(session, key_name, Surveillance, lambda desk: desk.reopen(case, reason))
    _show_case(session, case)


@case_group.command(name="show")
@click.argument("case", type=NUMBER)
@pass_session
def show_case(session: Session, /, case: int) -> None:
    """Show CASE with its flags and notes."""
    _show_case(session, case)


# --- freezes


@surveillance_group.group(name="freeze")
def freeze_group() -> None:
    """Stop an organisation's trading, or serials."""


@freeze_group.command()
@click.argument("organisation")
@_days
@_case
@_reason
@key_option
@pass_session
def trading(
    session: Session, /, organisation: str, days: int, case_number: int, reason: str, key_name: str
) -> None:
    """Stop the trading of ORGANISATION (of a regulator: propose it to a vote)."""
    number = act(
        session,
        key_name,
        Surveillance,
        lambda desk: desk.freeze_trading(organisation, case_number, days * DAY, reason),
    )
    _show_freeze(session, number)


@freeze_group.command()
@click.argument("batch")
@click.argument("start", type=SERIAL)
@click.argument("end", type=NUMBER)
@_days
@_case
@_reason
@key_option
@pass_session
def serials(
    session: Session, /, batch: str, start: int, end: int, days: int, case_number: int,
    reason: str, key_name: str,
) -> None:  # fmt: skip
    """Stop the serials [START, END) of BATCH, inside one active lot."""
    number = act(
        session,
        key_name,
        Surveillance,
        lambda desk: desk.freeze_serials(batch, start, end, case_number, days * DAY, reason),
    )
    _show_freeze(session, number)


@freeze_group.command()
@click.argument("freeze", type=NUMBER)
@_reason
@key_option
@pass_session
def lift(session: Session, /, freeze: int, reason: str, key_name: str) -> None:
    """End FREEZE before its time."""
    act(session, key_name, Surveillance, lambda desk: desk.lift(freeze, reason))
    _show_freeze(session, freeze)


@freeze_group.command()
@click.argument("freeze", type=NUMBER)
@key_option
@pass_session
def expire(session: Session, /, freeze: int, key_name: str) -> None:
    """Open the serials of FREEZE after its end: anybody may."""
    act(session, key_name, Surveillance, lambda desk: desk.expire(freeze))
    _show_freeze(session, freeze)


@freeze_group.command(name="show")
@click.argument("freeze", type=NUMBER)
@pass_session
def show_freeze(session: Session, /, freeze: int) -> None:
    """Show FREEZE with every reason given."""
    _show_freeze(session, freeze)


@surveillance_group.command()
@click.argument("freeze", type=NUMBER)
@_reason
@_hash
@key_option
@pass_session
def appeal(session: Session, /, freeze: int, reason: str, evidence: bytes, key_name: str) -> None:
    """Appeal against FREEZE, by the organisation that is frozen."""
    act(session, key_name, Surveillance, lambda desk: desk.appeal(freeze, reason, evidence))
    _show_freeze(session, freeze)


@surveillance_group.command()
@click.argument("freeze", type=NUMBER)
@click.argument("finding", type=click.Choice(["granted", "refused"]))
@_reason
@key_option
@pass_session
def decide(session: Session, /, freeze: int, finding: str, reason: str, key_name: str) -> None:
    """Decide the appeal against FREEZE, by a regulator that has no part in it."""
    granted = finding == "granted"
    act(session, key_name, Surveillance, lambda desk: desk.decide_appeal(freeze, granted, reason))
    _show_freeze(session, freeze)


def _show_case(session: Session, case: int) -> None:
    tell(session, "Case", look(session, Surveillance, lambda desk: desk.get_case(case)))


def _show_freeze(session: Session, freeze: int) -> None:
    tell(session, "Freeze", look(session, Surveillance, lambda desk: desk.get_freeze(freeze)))
