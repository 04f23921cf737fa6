"""``carbonode methodology``: from a manifest with vectors to a methodology in force.

A regulator publishes a draft, anybody runs its vectors on the deployed code,
administrators vote it into force. Source: docs/carbon.md, "A new methodology".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from tools.cli.contract import read_accepted
from tools.cli.contract_life import find_contract
from tools.cli.governance import open_proposal, send_call
from tools.cli.render import show_pairs, show_rows
from tools.cli.session import ExitCode, Session, pass_session
from tools.client.client import Client
from tools.client.errors import Reverted
from tools.client.wire import from_hex, to_hex
from tools.methodologies.manifest import (
    CONTRACT,
    Manifest,
    ManifestError,
    hash_vector,
    read_manifest,
)
from tools.methodologies.trying import try_vectors
from vm.inclusion import compute_code_hash

PAGE_ROWS: Final = 100
_VERSION: Final = (
    "code", "code_hash", "kind", "gwp_set", "ratio_num", "ratio_den", "rounding", "valid_from",
    "valid_to", "requirements", "vectors_hash", "status", "title", "source", "parameters",
    "vectors", "supersedes", "publisher",
)  # fmt: skip
_manifest = click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False, exists=True))
_key = click.option("--key", "key_name", required=True, help="Name in the home, or file.")


@click.group(name="methodology")
def methodology_group() -> None:
    """Methodologies: which code computes, on which inputs, and since when."""


@methodology_group.command(name="list")
@pass_session
def list_command(session: Session) -> None:
    """List every version of every methodology on the chain."""

    async def work(client: Client) -> list[dict[str, Any]]:
        rows = []
        for name in await _list_names(client):
            count = int((await client.state_call(CONTRACT, "count_versions", [name])).value)
            for version in range(1, count + 1):
                found = await _get_version(client, name, version)
                rows.append({"methodology": name, "version": version, **found})
        return rows

    rows = session.run(work)
    columns = ("methodology", "version", "status", "kind", "code", "gwp_set", "title")
    session.emit({"items": rows}, lambda console: show_rows(console, columns, rows))


@methodology_group.command()
@click.argument("name")
@click.option("--version", type=int, default=1, show_default=True)
@pass_session
def get(session: Session, name: str, version: int) -> None:
    """Show one version, and which of its vectors nobody has run yet."""

    async def work(client: Client) -> dict[str, Any]:
        found = await _get_version(client, name, version)
        unchecked = (await client.state_call(CONTRACT, "list_unchecked", [name, version])).value
        return {**found, "unchecked": [int(index) for index in unchecked]}

    document = session.run(work)
    session.emit(document, lambda console: show_pairs(console, f"{name} {version}", document))


@methodology_group.command(name="try")
@_manifest
@click.argument("code", type=click.Path(path_type=Path), required=False)
@pass_session
def try_command(session: Session, manifest: Path, code: Path | None) -> None:
    """Run the vectors here, on CODE (default: the file beside the manifest). Sends nothing."""
    wanted = read_manifest(manifest)
    trials = try_vectors(wanted, read_accepted(code or _find_code(manifest, wanted)))
    rows: list[dict[str, Any]] = [
        {"vector": item.index, "result": item.problem or "passes", "gas": item.gas,
         "about": item.about}
        for item in trials
    ]  # fmt: skip
    columns = ("vector", "result", "gas", "about")
    session.emit({"items": rows}, lambda console: show_rows(console, columns, rows))
    if any(item.problem for item in trials):
        raise SystemExit(int(ExitCode.FAILURE))


@methodology_group.command()
@_manifest
@_key
@pass_session
def publish(session: Session, manifest: Path, key_name: str) -> None:
    """Publish a draft (a regulator's key) and run its vectors on the deployed code."""
    wanted = read_manifest(manifest)
    code_hash = _find_deployed(session, manifest, wanted)
    found = _find_version(session, wanted)
    if found is None:
        send_call(session, key_name, wanted.make_publish(code_hash), whole_gas=True)
        found = _find_version(session, wanted) or {}
    if not _is_same(found, wanted, code_hash):
        raise ManifestError(
            "this version is on the chain and says something else",
            methodology=wanted.methodology, version=wanted.version,
        )  # fmt: skip
    _check(session, wanted, key_name)


@methodology_group.command()
@_manifest
@_key
@pass_session
def check(session: Session, manifest: Path, key_name: str) -> None:
    """Run the vectors of a published draft that nobody has run yet; anybody may."""
    _check(session, read_manifest(manifest), key_name)


@methodology_group.command()
@click.argument("name")
@click.argument("version", type=int)
@_key
@pass_session
def activate(session: Session, name: str, version: int, key_name: str) -> None:
    """Propose that a tried version comes into force (an administrator's key)."""
    _decide(session, name, version, key_name, wanted=True)


@methodology_group.command()
@click.argument("name")
@click.argument("version", type=int)
@_key
@pass_session
def withdraw(session: Session, name: str, version: int, key_name: str) -> None:
    """Propose that a version goes out of force, for good."""
    _decide(session, name, version, key_name, wanted=False)


def _decide(session: Session, name: str, version: int, key_name: str, *, wanted: bool) -> None:
    number, height, threshold = open_proposal(
        session, key_name, "propose_decision", CONTRACT, name, version, wanted
    )
    document = {"proposal": number, "height": height, "executed": threshold == 1}

    def show(console: Console) -> None:
        console.print(
            f"proposal {number} is carried out at height {height}"
            if threshold == 1
            else f"proposal {number}: needs {threshold} votes; 'validator vote {number}'"
        )

    session.emit(document, show)


def _check(session: Session, wanted: Manifest, key_name: str) -> None:
    """Send one transaction a vector; a refused one ends the command with its code."""
    subject = [wanted.methodology, wanted.version]
    answer = session.run(lambda client: client.state_call(CONTRACT, "list_unchecked", subject))
    left = [int(index) for index in answer.value]
    for index in left:
        final = send_call(session, key_name, wanted.make_check(index), whole_gas=True)
        session.note(f"vector {index} passes, {final.gas:,} gas: {wanted.abouts[index]}")
    document = {
        "methodology": wanted.methodology, "version": wanted.version, "passed": len(left),
        "vectors": len(wanted.vectors),
    }  # fmt: skip
    session.emit(document, lambda console: show_pairs(console, "Tried", document))


def _find_code(manifest: Path, wanted: Manifest) -> Path:
    return manifest.with_name(f"{wanted.code}.py")


def _find_deployed(session: Session, manifest: Path, wanted: Manifest) -> bytes:
    """Return the hash of the deployed code, which must be that of the file beside the manifest."""
    deployed = from_hex(find_contract(session, wanted.code)["codeHash"])
    path = _find_code(manifest, wanted)
    if not path.is_file():
        raise ManifestError("the code is not beside the manifest", file=str(path))
    mine = compute_code_hash(read_accepted(path))
    if mine != deployed:
        raise ManifestError(
            "the contract on the chain has other code", contract=wanted.code,
            chain=to_hex(deployed), file=to_hex(mine),
        )  # fmt: skip
    return deployed


def _find_version(session: Session, wanted: Manifest) -> dict[str, Any] | None:
    async def work(client: Client) -> dict[str, Any] | None:
        try:
            return await _get_version(client, wanted.methodology, wanted.version)
        except Reverted as refusal:
            if refusal.data.get("code") != "no-version":
                raise
            return None

    return session.run(work)


def _is_same(found: dict[str, Any], wanted: Manifest, code_hash: bytes) -> bool:
    """Whether a version on the chain is what the manifest says, as far as one text can say it."""
    draft = wanted.make_draft(code_hash)
    mine = [*draft[:3], to_hex(code_hash), *draft[4:6], draft[9]]
    names = ("title", "source", "code", "code_hash", "kind", "gwp_set", "valid_from")
    given = [found[name] for name in names]
    hashes = [to_hex(hash_vector(vector)) for vector in wanted.vectors]
    return given == mine and list(found["vectors"]) == hashes


async def _list_names(client: Client) -> list[str]:
    names: list[str] = []
    while True:
        after = names[-1] if names else ""
        page = (await client.state_call(CONTRACT, "list_methodologies", [after, PAGE_ROWS])).value
        names.extend(str(name) for name in page)
        if len(page) < PAGE_ROWS:
            return names


async def _get_version(client: Client, name: str, version: int) -> dict[str, Any]:
    record = (await client.state_call(CONTRACT, "get_version", [name, version])).value
    if not isinstance(record, dict):
        record = dict(zip(_VERSION, record, strict=True))
    return record
