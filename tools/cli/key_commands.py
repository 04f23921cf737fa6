"""``carbonode keys``: make, look at and hand on Ed25519 keys. Never prints a secret unasked."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from primitives.errors import KeyFormatError
from primitives.keys import PrivateKey
from tools.cli.session import Session, pass_session
from tools.client.keyfile import KEY_SUFFIX, generate_key, list_keys, read_key, write_key
from tools.localnet.homes import KEY_FILE

KEYS_FOLDER = "keys"


@click.group()
def keys() -> None:
    """Make, show, list and export keys (HOME/keys/NAME.key, mode 0600)."""


@keys.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Replace an existing key for good.")
@pass_session
def generate(session: Session, name: str, force: bool) -> None:
    """Make the key NAME (or the key file NAME, if it contains a slash)."""
    path = find_key_path(session, name)
    key = generate_key()
    write_key(path, key, overwrite=force)
    _emit_key(session, path, key)


@keys.command()
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show a key's public key, which is also its account's address."""
    path = find_key_path(session, name)
    _emit_key(session, path, read_key(path))


@keys.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the keys of the home folder; unusable files are named, with the reason."""
    paths = [
        path
        for path in (session.home / KEY_FILE, *list_keys(session.home / KEYS_FOLDER))
        if path.exists()
    ]
    rows = [_describe_key(path) for path in paths]

    def show_table(console: Console) -> None:
        table = Table("name", "public key", "file")
        for row in rows:
            table.add_row(row["name"], row["publicKey"] or f"[red]{row['problem']}", row["file"])
        console.print(table)

    session.emit({"keys": rows}, show_table)


@keys.command()
@click.argument("name")
@click.option("--secret", is_flag=True, help="The secret seed instead of the public key.")
@click.option("--yes", is_flag=True, help="Confirm --secret.")
@pass_session
def export(session: Session, name: str, secret: bool, yes: bool) -> None:
    """Print a key in hex: the public key, or with --secret --yes the seed."""
    if secret and not yes:
        raise click.UsageError("whoever sees the secret can sign for you: confirm with --yes")
    key = read_key(find_key_path(session, name))
    text = "0x" + (key.seed if secret else key.public_key).hex()
    session.emit({"secret" if secret else "publicKey": text}, lambda console: click.echo(text))


def find_key_path(session: Session, name: str) -> Path:
    """Return the file of a key named, or given as a path; ``node`` is the node's own."""
    if "/" in name or name.endswith(KEY_SUFFIX):
        return Path(name).expanduser()
    if not name or name.startswith("."):
        raise click.UsageError(f"not a key's name: {name!r}")
    own = session.home / KEYS_FOLDER / (name + KEY_SUFFIX)
    if name == "node" and not own.exists():
        return session.home / KEY_FILE
    return own


def _describe_key(path: Path) -> dict[str, str | None]:
    row: dict[str, str | None] = {"name": path.stem, "publicKey": None, "file": str(path)}
    try:
        row["publicKey"] = "0x" + read_key(path).public_key.hex()
    except KeyFormatError as error:
        row["problem"] = str(error.args[0])
    return row


def _emit_key(session: Session, path: Path, key: PrivateKey) -> None:
    public = "0x" + key.public_key.hex()

    def show_lines(console: Console) -> None:
        click.echo(f"public key  {public}")
        click.echo(f"file        {path}")

    session.emit({"name": path.stem, "publicKey": public, "file": str(path)}, show_lines)
