"""``carbonode project``: projects and their land, from a GeoJSON to cells that are claimed.

A boundary is read, checked, hashed and covered here (tools/parcels); the chain takes its hash and
its cells. What other steps there are (suspend, complete, reversals ...) is ``carbonode tx call``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from primitives.codec import Value
from primitives.errors import CarbonodeError
from primitives.transaction import Call
from tools.cli.governance import send_call
from tools.cli.render import show_pairs, show_rows
from tools.cli.session import Session, pass_session
from tools.client.client import Client
from tools.parcels.cover import Cover, cover_boundary, measure_m2
from tools.parcels.geojson import Boundary, parse_boundary

PROJECTS: Final = "projects"
PARCELS: Final = "parcels"
PAGE: Final = 100

_file = click.Path(path_type=Path, dir_okay=False, exists=True)
_key = click.option("--key", "key_name", required=True, help="Key name in the home, or a file.")
_level = click.option(
    "--level",
    type=click.IntRange(0, 10),
    help="Squares of 2^LEVEL cells a side. Default: the finest that takes 4,096 ranges.",
)


class ParcelDiffers(CarbonodeError):
    """The chain holds other cells or another boundary than the file gives."""

    code = "parcel-differs"


@click.group()
def project() -> None:
    """Projects: draft, parcels, public notice, registration; what they are and where."""


@project.command()
@click.argument("name")
@click.option("--region", required=True, help="ISO 3166-1 or 3166-2: CN, CN-FJ.")
@click.option("--methodology", required=True)
@click.option("--scope", required=True, help="Accreditation that its verifiers need.")
@click.option("--claim", "claims", multiple=True, required=True, help="biomass, soil ...; several.")
@click.option("--from", "begin", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--to", "end", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Exclusive.")
@click.option("--document", type=_file, required=True, help="Its design document: hashed only.")
@_key
@pass_session
def draft(
    session: Session,
    /,
    name: str,
    region: str,
    methodology: str,
    scope: str,
    claims: tuple[str, ...],
    begin: datetime,
    end: datetime,
    document: Path,
    key_name: str,
) -> None:
    """Begin project NAME of the key's organisation, credited from --from to --to (UTC)."""
    period = [int(date.replace(tzinfo=UTC).timestamp()) for date in (begin, end)]
    digest = sha256(document.read_bytes()).digest()
    terms: list[Value] = [name, region, methodology, scope, [*claims], *period, digest]
    _send(session, key_name, Call(PROJECTS, "draft", tuple(terms)))


@project.group()
def parcel() -> None:
    """The land of a project."""


@parcel.command(name="check")
@click.argument("file", type=_file)
@_level
@pass_session
def check_command(session: Session, /, file: Path, level: int | None) -> None:
    """Say what the chain would be given for FILE: hash, cells, area. Sends nothing."""
    boundary, cover = _read(file, level)
    document = {**_describe(boundary, cover), "ranges": [list(pair) for pair in cover.ranges]}
    shown = {**document, "ranges": len(cover.ranges)}
    session.emit(document, lambda console: show_pairs(console, file.name, shown))


@parcel.command(name="add")
@click.argument("name")
@click.argument("file", type=_file)
@click.option("--area-m2", type=click.IntRange(1), help="As surveyed. Default: as the file has it.")
@_level
@_key
@pass_session
def add_command(
    session: Session,
    /,
    name: str,
    file: Path,
    area_m2: int | None,
    level: int | None,
    key_name: str,
) -> None:
    """Add the boundary in FILE (GeoJSON, one polygon or multipolygon) to the draft NAME."""
    boundary, cover = _read(file, level)
    area = measure_m2(boundary) if area_m2 is None else area_m2
    first, *others = cover.cut()
    terms = (name, boundary.compute_hash(), cover.level, area, len(cover.ranges), first)
    final = send_call(session, key_name, Call(PARCELS, "add_parcel", terms), whole_gas=True)
    number = int(final.receipt["values"][0])
    for ranges in others:
        call = Call(PARCELS, "extend_parcel", (name, number, ranges))
        send_call(session, key_name, call, whole_gas=True)
    document = {"project": name, "parcel": number, **_describe(boundary, cover)}
    session.emit(document, lambda console: show_pairs(console, "Parcel", document))


@parcel.command(name="verify")
@click.argument("name")
@click.argument("number", type=click.IntRange(0))
@click.argument("file", type=_file)
@pass_session
def verify_command(session: Session, /, name: str, number: int, file: Path) -> None:
    """Cover FILE again and compare with parcel NUMBER of project NAME on the chain."""

    async def ask(client: Client) -> tuple[list[Any], list[int]]:
        found = await _ask(client, PARCELS, "get_parcel", name, number)
        ranges: list[int] = []
        for piece in range(found[6]):
            ranges += await _ask(client, PARCELS, "get_piece", name, number, piece)
        return found, ranges

    found, ranges = session.run(ask)
    boundary, cover = _read(file, found[1])
    if found[0] != "0x" + boundary.compute_hash().hex():
        raise ParcelDiffers("the boundary's hash is another", on_chain=found[0])
    if ranges != [number for pair in cover.ranges for number in pair]:
        raise ParcelDiffers("the cells are others", on_chain=found[4], in_file=cover.cells)
    document = {"project": name, "parcel": number, "same": True, **_describe(boundary, cover)}
    session.emit(document, lambda console: show_pairs(console, "Parcel as on the chain", document))


@project.command()
@click.argument("name")
@_key
@pass_session
def submit(session: Session, /, name: str, key_name: str) -> None:
    """Hand the draft NAME in: nothing of it changes any more."""
    _send(session, key_name, Call(PROJECTS, "submit", (name,)))


@project.command()
@click.argument("name")
@_key
@pass_session
def notice(session: Session, /, name: str, key_name: str) -> None:
    """Put NAME on public notice, by a registry."""
    _send(session, key_name, Call(PROJECTS, "open_notice", (name,)))


@project.command()
@click.argument("name")
@click.option("--share", type=click.IntRange(0, 10_000), required=True, help="Buffer, in 1/10000.")
@click.option("--evidence", type=_file, required=True, help="The validation report: hashed only.")
@_key
@pass_session
def validate(session: Session, /, name: str, share: int, evidence: Path, key_name: str) -> None:
    """Validate NAME after its notice, by a verifier accredited for its scope."""
    digest = sha256(evidence.read_bytes()).digest()
    _send(session, key_name, Call(PROJECTS, "validate", (name, share, digest)))


@project.command()
@click.argument("name")
@_key
@pass_session
def claim(session: Session, /, name: str, key_name: str) -> None:
    """Claim every piece of NAME's land that is not claimed yet; then it may be registered."""

    async def ask(client: Client) -> list[tuple[int, int]]:
        waiting, after = [], -1
        while True:
            page = await _ask(client, PARCELS, "list_parcels", name, after, PAGE)
            for found in page:
                after += 1
                waiting += [(after, found[6] - found[7])]
            if len(page) < PAGE:
                return waiting

    claimed = 0
    for number, count in session.run(ask):
        for _ in range(count):
            call = Call(PARCELS, "claim", (name, number))
            send_call(session, key_name, call, whole_gas=True)
            claimed += 1
    document = {"project": name, "claimed": claimed}
    session.emit(document, lambda console: console.print(f"{claimed} pieces claimed"))


@project.command()
@click.argument("name")
@_key
@pass_session
def register(session: Session, /, name: str, key_name: str) -> None:
    """Register NAME, by a registry, when it is validated and its land is claimed."""
    _send(session, key_name, Call(PROJECTS, "register", (name,)))


@project.command()
@click.argument("name")
@pass_session
def show(session: Session, /, name: str) -> None:
    """Show what NAME is, its land and what it contributed to the buffer."""

    async def ask(client: Client) -> tuple[Any, ...]:
        found = await _ask(client, PROJECTS, "get_project", name)
        extent = await _ask(client, PARCELS, "get_extent", name)
        return found, extent, await _ask(client, "buffer", "get_account", name)

    found, extent, account = session.run(ask)
    document = {
        "project": name, **dict(zip(FIELDS, found, strict=True)),
        **dict(zip(EXTENT, extent, strict=True)), **dict(zip(ACCOUNT, account, strict=True)),
    }  # fmt: skip
    session.emit(document, lambda console: show_pairs(console, "Project", document))


@project.command(name="list")
@click.option("--owner", default="", help="Only those of this organisation.")
@pass_session
def list_command(session: Session, /, owner: str) -> None:
    """List projects with their status and land."""

    async def ask(client: Client) -> list[dict[str, Any]]:
        names, rows = await _list_names(client, owner), []
        for name in names:
            found = await _ask(client, PROJECTS, "get_project", name)
            extent = await _ask(client, PARCELS, "get_extent", name)
            rows.append(
                {"project": name, **dict(zip(FIELDS[:7], found, strict=False)),
                 "area_m2": extent[3]}
            )  # fmt: skip
        return rows

    rows = session.run(ask)
    columns = ("project", "owner", "status", "region", "methodology", "area_m2")

    def show_them(console: Console) -> None:
        show_rows(console, columns, rows)

    session.emit({"projects": rows}, show_them)


FIELDS: Final = (
    "owner", "status", "crediting_from", "crediting_to", "region", "methodology", "buffer_share",
    "scope", "claims", "origin", "source", "validator", "registrar", "document_hash",
    "evidence_hash", "created_at", "status_since", "notice_until", "registered_at", "ended_at",
)  # fmt: skip
EXTENT: Final = ("parcels", "drawn", "cells", "area_m2", "pieces", "claimed")
ACCOUNT: Final = ("gross_kg", "contributed_kg", "released_kg", "used_kg")
"""The records of vm/contracts/README.md."""


async def _list_names(client: Client, owner: str) -> list[str]:
    names: list[str] = []
    while True:
        after = names[-1] if names else ""
        method, first = ("projects_of", [owner]) if owner else ("list_projects", [])
        page = await _ask(client, PROJECTS, method, *first, after, PAGE)
        names += page
        if len(page) < PAGE:
            return names


async def _ask(client: Client, contract: str, method: str, *arguments: Any) -> Any:
    value = (await client.state_call(contract, method, arguments)).value
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return [list(item.values()) if isinstance(item, dict) else item for item in value]
    return value


def _read(file: Path, level: int | None) -> tuple[Boundary, Cover]:
    boundary = parse_boundary(file.read_bytes())
    return boundary, cover_boundary(boundary, level)


def _describe(boundary: Boundary, cover: Cover) -> dict[str, Any]:
    return {
        "boundary_hash": "0x" + boundary.compute_hash().hex(),
        "level": cover.level,
        "cells": cover.cells,
        "area_m2": cover.area_m2,
        "measured_m2": measure_m2(boundary),
        "pieces": len(cover.cut()),
    }


def _send(session: Session, key_name: str, call: Call) -> None:
    final = send_call(session, key_name, call)
    document = {"project": call.arguments[0], "step": call.method, "height": final.height}
    text = f"{call.method}: final at height {final.height}"
    session.emit(document, lambda console: console.print(text))
