"""``carbonode snapshot`` and ``carbonode backup``: the state and the store as files.

``create``, ``list``, ``export``, ``import`` and ``verify`` work on the home folder's
snapshots; ``backup`` copies the chain's database and puts a copy back. Where the node of
the home is running, what needs its database is asked of its admin listener.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from node.config import NodeConfig, load_config
from node.epochs import read_known_epochs
from node.offlinestart import stage_snapshot
from node.parts import CHAIN_FOLDER, INDEX_FOLDER
from node.run import read_genesis
from node.snapshotmaking import compute_history_first
from primitives.epochs import TrustedEpoch, verify_certified
from primitives.errors import CarbonodeError, ProofError
from primitives.genesis import Genesis, compute_chain_id
from storage.backup import copy_store
from storage.chain import ChainStore
from storage.errors import DatabaseLockedError
from storage.snapshotfolder import (
    OnPart,
    SnapshotFolder,
    StoredSnapshot,
    export_snapshot,
    import_snapshot,
)
from storage.snapshotinstall import complete_replacement, open_replacement
from storage.snapshotmaker import SnapshotWriter
from tools.cli.render import show_pairs, show_rows
from tools.cli.session import Session, pass_session

ADMIN_TIMEOUT_S = 3_600.0
"""A copy of a large store takes minutes."""

_HEIGHT = click.argument("height", type=click.IntRange(1), required=False)


class SnapshotCommandError(CarbonodeError):
    """What was asked for is not here, or cannot be done now."""

    code = "snapshot-command"


@click.group()
def snapshot() -> None:
    """Make, list, verify and carry snapshots of the state."""


@snapshot.command()
@pass_session
def create(session: Session) -> None:
    """Make a snapshot of the state after the last block, now.

    Beside a running node it only begins it: ``snapshot list`` shows it when it is whole.
    """
    config = load_config(session.home, os.environ)
    genesis = read_genesis(config)

    def make(chain: ChainStore) -> dict[str, Any]:
        height = 0 if chain.tip is None else chain.tip.height
        first = compute_history_first(chain, genesis, height)
        path = SnapshotWriter(chain.store, config.snapshots_path).write(first)
        return {"height": height, "folder": str(path), "done": True}

    try:
        with _open_chain(config, genesis) as chain:
            document = make(chain)
    except DatabaseLockedError:
        answer = ask_admin(session, config, "admin_createSnapshot")
        document = {"height": answer["height"], "folder": None, "done": False}
    session.emit(document, lambda console: show_pairs(console, "Snapshot", document))


@snapshot.command(name="list")
@pass_session
def list_snapshots(session: Session) -> None:
    """List the snapshots of the home folder."""
    config = load_config(session.home, os.environ)
    folder = SnapshotFolder(config.snapshots_path)
    items = [_describe(folder, height) for height in folder.list_heights()]
    columns = ("height", "keys", "parts", "bytes", "historyFirst", "stateRoot")
    session.emit({"items": items}, lambda console: show_rows(console, columns, items))


@snapshot.command()
@_HEIGHT
@click.option("--file", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@pass_session
def export(session: Session, height: int | None, target: Path) -> None:
    """Write a snapshot (the latest unless HEIGHT is given) into one tar file."""
    stored = _find(load_config(session.home, os.environ), height)
    size = export_snapshot(stored, target)
    document = {"height": stored.height, "file": str(target), "bytes": size}
    session.emit(document, lambda console: show_pairs(console, "Exported", document))


@snapshot.command(name="import")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--start", is_flag=True, help="The stopped node begins with it, without peers.")
@pass_session
def import_command(session: Session, source: Path, start: bool) -> None:
    """Verify a tar file of ``export`` and take it in: the node serves it to others then.

    With --start the node's next start begins with its state, if that is further than the
    node is: everything is proven from the genesis, nobody is asked.
    """
    config = load_config(session.home, os.environ)
    genesis = read_genesis(config)
    if start:
        _check_behind(config, genesis)
    with _progress(session, "verifying") as on_part:
        stored = import_snapshot(source, config.snapshots_path, on_part)
    document = _verify_head(config, stored)
    if start:
        _check_behind(config, genesis, stored.height)
        with _progress(session, "installing") as on_part:
            trusted = stage_snapshot(stored, config.data_path, genesis, on_part)
        members = trusted.validators.members
        names = [members[index].name for index in stored.certificate.signers]
        document |= {"certified": names, "startsAt": stored.height}
    session.emit(document, lambda console: show_pairs(console, "Imported", document))


@snapshot.command()
@_HEIGHT
@pass_session
def verify(session: Session, height: int | None) -> None:
    """Verify every part of a snapshot against its state root, and that a quorum signed it.

    The signatures need the validators of its epoch: from the genesis in epoch 0, later
    from this node's own chain. Exit code 1 when anything does not fit.
    """
    config = load_config(session.home, os.environ)
    stored = _find(config, height)
    with _progress(session, "verifying") as on_part:
        stored.verify(on_part)
    document = _verify_head(config, stored)
    session.emit(document, lambda console: show_pairs(console, "Verified", document))


@click.group()
def backup() -> None:
    """Copy the chain's database, also beside a running node, and put a copy back."""


@backup.command(name="create")
@click.argument("folder", type=click.Path(path_type=Path))
@pass_session
def create_backup(session: Session, folder: Path) -> None:
    """Copy the database as it is now into a new FOLDER.

    Keys and the signer record are not part of it: see docs/operations.md.
    """
    config = load_config(session.home, os.environ)
    target = folder.absolute()
    try:
        with _open_chain(config, read_genesis(config)) as chain:
            copied = copy_store(chain.store, target, lambda: None)
        document = {"folder": str(target), "rows": copied.rows, "bytes": copied.bytes}
    except DatabaseLockedError:
        document = ask_admin(session, config, "admin_backup", folder=str(target))
    session.emit(document, lambda console: show_pairs(console, "Copied", document))


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@pass_session
def restore(session: Session, folder: Path) -> None:
    """Put a copy in the place of the stopped node's database.

    The copy must be of this chain. The node fetches what it lacks; the signer record
    stays as it is, so nothing is signed twice.
    """
    config = load_config(session.home, os.environ)
    chain_id = compute_chain_id(read_genesis(config))
    with ChainStore.open(folder, chain_id) as copy:
        tip = copy.tip
        if tip is None:
            raise SnapshotCommandError("the copy holds no chain", folder=str(folder))
        config.data_path.mkdir(parents=True, exist_ok=True)
        if (config.data_path / CHAIN_FOLDER).exists():
            with ChainStore.open(config.data_path / CHAIN_FOLDER, chain_id):
                pass  # refused here when the node runs
        with open_replacement(config.data_path) as target:
            copied = copy_store(copy.store, target, lambda: None)
    complete_replacement(config.data_path, CHAIN_FOLDER, (INDEX_FOLDER,))
    document = {"height": tip.height, "rows": copied.rows, "bytes": copied.bytes}
    session.emit(document, lambda console: show_pairs(console, "Restored", document))


# -- helpers


def _check_behind(config: NodeConfig, genesis: Genesis, height: int | None = None) -> None:
    """Raise where the node of this home runs, or is as far as ``height``."""
    path = config.data_path / CHAIN_FOLDER
    if not path.exists():
        return
    with ChainStore.open(path, compute_chain_id(genesis)) as chain:
        tip = 0 if chain.tip is None else chain.tip.height
    if height is not None and tip >= height:
        raise SnapshotCommandError("the chain here is further", height=tip, snapshot=height)


def _open_chain(config: NodeConfig, genesis: Genesis) -> ChainStore:
    path = config.data_path / CHAIN_FOLDER
    if not path.exists():
        raise SnapshotCommandError("there is no chain in this home", path=str(path))
    return ChainStore.open(path, compute_chain_id(genesis))


def ask_admin(session: Session, config: NodeConfig, method: str, **params: Any) -> Any:
    """Return what the admin listener of the node that runs on this home answers."""
    port = config.rpc.admin_port
    if not port:
        raise SnapshotCommandError(
            "a node runs on this home and rpc.admin_port is 0: set it, or stop the node"
        )

    async def ask() -> Any:
        async with session.make_client(f"http://127.0.0.1:{port}") as client:
            return await client.call(method, timeout_s=ADMIN_TIMEOUT_S, **params)

    return asyncio.run(ask())


def _find(config: NodeConfig, height: int | None) -> StoredSnapshot:
    folder = SnapshotFolder(config.snapshots_path)
    heights = folder.list_heights()
    wanted = heights[0] if height is None and heights else height
    stored = None if wanted is None else folder.open(wanted)
    if stored is None:
        raise SnapshotCommandError("there is no such snapshot", height=height, have=heights)
    return stored


def _describe(folder: SnapshotFolder, height: int) -> dict[str, Any]:
    try:
        stored = folder.open(height)
    except CarbonodeError as error:
        return {"height": height, "stateRoot": f"damaged: {error}"}
    if stored is None:
        return {"height": height, "stateRoot": "removed meanwhile"}
    manifest = stored.manifest
    return {
        "height": height,
        "keys": manifest.keys,
        "parts": len(manifest.parts),
        "bytes": sum(part.bytes for part in manifest.parts),
        "historyFirst": manifest.history_first,
        "stateRoot": "0x" + manifest.result.state_root.hex(),
        "hash": "0x" + stored.hash.hex(),
    }


def _verify_head(config: NodeConfig, stored: StoredSnapshot) -> dict[str, Any]:
    """Return what was verified; ``certified`` says by whom, or why that is not known."""
    manifest = stored.manifest
    document = {
        "height": stored.height,
        "keys": manifest.keys,
        "parts": len(manifest.parts),
        "stateRoot": "0x" + manifest.result.state_root.hex(),
    }
    genesis = read_genesis(config)
    trusted = _find_trusted(config, genesis, stored.height)
    if trusted is None:
        return {**document, "certified": "not verified: this home does not know its validators"}
    try:
        verify_certified(
            manifest.header,
            manifest.result,
            stored.certificate,
            trusted,
            compute_chain_id(genesis),
        )
    except ProofError as error:
        raise SnapshotCommandError(f"the snapshot is not certified: {error}") from error
    signers = [trusted.validators.members[index].name for index in stored.certificate.signers]
    return {**document, "certified": signers}


def _find_trusted(config: NodeConfig, genesis: Genesis, height: int) -> TrustedEpoch | None:
    epoch = TrustedEpoch.from_genesis(genesis)
    if height <= genesis.params.epoch_blocks:
        return epoch
    try:
        with _open_chain(config, genesis) as chain:
            known = read_known_epochs(chain, genesis, height)
    except (DatabaseLockedError, SnapshotCommandError):
        return None
    return known[-1] if known else None


@contextmanager
def _progress(session: Session, what: str) -> Iterator[OnPart]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
