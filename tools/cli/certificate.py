"""``carbonode audit certificate``: is this file the proof of a retirement? Offline."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from primitives.errors import GenesisError, ProofError
from primitives.genesis import Genesis, load_genesis
from primitives.limits import GENESIS_BYTES_MAX
from tools.certificate.document import DOCUMENT_BYTES_MAX
from tools.certificate.page import make_page
from tools.certificate.verify import VerifiedRetirement, verify_certificate_file
from tools.cli.render import show_pairs
from tools.cli.session import Session, pass_session

_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(name="certificate")
@click.argument("file", type=_file)
@click.option(
    "--genesis",
    "genesis_path",
    type=_file,
    help="A genesis you trust. Default: genesis.json in --home, else beside FILE.",
)
@click.option(
    "--page",
    "page_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a web page that verifies the same in a browser, offline.",
)
@click.option("--output", type=click.Choice(["text", "json"]), help="As the global option.")
@pass_session
def certificate_command(
    session: Session,
    file: Path,
    genesis_path: Path | None,
    page_path: Path | None,
    output: str | None,
) -> None:
    """Verify a retirement certificate against the genesis alone; asks no node.

    Exit code 0: FILE proves the retirement that it states. 1: it does not, and why.
    The proof is as good as the genesis: compare the chain id shown with your chain's.
    """
    if output is not None:
        session.output = output
    trusted = genesis_path or find_genesis(session.home, file)
    verified = verify_certificate_file(read_document(file), read_genesis(trusted))
    document = {**describe(verified), "genesis": str(trusted)}
    if page_path is not None:
        page = make_page(file.read_text("utf-8"), trusted.read_text("utf-8"))
        page_path.write_text(page, "utf-8")
        document["page"] = str(page_path)
    session.emit({"valid": True, **document}, lambda console: _show(console, document))


def find_genesis(home: Path, certificate: Path) -> Path:
    """Return the genesis to use when none is named; raises GenesisError where there is none."""
    for folder in (home, certificate.parent):
        if (folder / "genesis.json").is_file():
            return folder / "genesis.json"
    raise GenesisError("no genesis.json in the home or beside the file: name one with --genesis")


def read_document(path: Path) -> Any:
    """Return a certificate file's JSON, or raise ProofError."""
    if path.stat().st_size > DOCUMENT_BYTES_MAX:
        raise ProofError("the file is too large for a certificate", path=str(path))
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_refuse_repeated)
    except (ValueError, RecursionError) as error:
        raise ProofError(f"the file is not JSON: {error}", code="certificate-format") from None


def read_genesis(path: Path) -> Genesis:
    """Return a genesis file's genesis, or raise GenesisError."""
    # JSON text may be twice the size of the bytes that the limit is for.
    if path.stat().st_size > 4 * GENESIS_BYTES_MAX:
        raise GenesisError("the file is too large for a genesis", path=str(path))
    try:
        return load_genesis(path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise GenesisError("the genesis is not UTF-8 text", path=str(path)) from None


def describe(verified: VerifiedRetirement) -> dict[str, Any]:
    """Return what was proven, as JSON."""
    return {
        "retirement": verified.statement,
        "transaction": "0x" + verified.transaction_id.hex(),
        "sender": "0x" + verified.sender.hex(),
        "blockHash": "0x" + verified.block_hash.hex(),
        "stateRoot": "0x" + verified.state_root.hex(),
        "chainId": "0x" + verified.chain_id.hex(),
        "chainName": verified.chain_name,
        "signers": list(verified.signers),
    }


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A member that stands twice means one thing to us and another to the next reader."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ProofError("a member stands twice", code="certificate-format")
    return document


def _show(console: Console, document: dict[str, Any]) -> None:
    stated = document["retirement"]
    pieces = ", ".join(
        f"{piece['batch']} [{piece['start']:,}, {piece['end']:,})" for piece in stated["pieces"]
    )
    beneficiary = stated["beneficiary"]
    pairs = {
        "certificate": f"no. {stated['certificate']} ({stated['kind']})",
        "quantity": f"{stated['quantityKg'] / 1000:,.3f} t CO2e",
        "serials (kg)": pieces,
        "owner": stated["owner"],
        "beneficiary": f"{stated['beneficiaryName']} {f'({beneficiary})' if beneficiary else ''}",
        "purpose": stated["purpose"],
        "time": _format_time(stated["time"]),
        "height": stated["height"],
        "block": document["blockHash"],
        "transaction": document["transaction"],
        "chain": f"{document['chainName']} {document['chainId']}",
        "genesis": document["genesis"],
        **({"page": document["page"]} if "page" in document else {}),
        "signed by": ", ".join(document["signers"]),
    }
    console.print("[bold green]VALID[/]: proven against the genesis alone")
    show_pairs(console, "Retirement certificate", pairs)


def _format_time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"
