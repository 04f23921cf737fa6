"""``carbonode snapshot`` and ``backup`` on the home of a stopped node, and what they refuse."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from node.committed import CommittedState
from node.config import NodeConfig, render_config
from node.journal import Journal
from primitives.codec import pack, unpack
from primitives.epochs import EPOCH_END
from primitives.genesis import compute_chain_id, load_genesis
from primitives.params import ChainParams
from primitives.validators import ValidatorSet
from storage.chain import ChainStore
from storage.snapshotinstall import complete_replacement
from tests.unit.tools.audited_chain import AuditedChain
from tools.cli.main import main


def carbonode(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "--output", "json", *arguments])


def carbonode_json(home: Path, *arguments: str) -> Any:
    result = carbonode(home, *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a stopped node whose chain changed validators on the way."""
    folder = tmp_path / "home"
    chain = AuditedChain(folder / "data")
    chain.grow()
    chain.chain.close()
    (folder / "data" / "genesis.json").rename(folder / "genesis.json")
    (folder / "config.toml").write_text(render_config(NodeConfig(folder)))
    return folder


def test_a_snapshot_is_made_listed_verified_exported_and_imported(
    home: Path, tmp_path: Path
) -> None:
    made = carbonode_json(home, "snapshot", "create")
    assert made["done"] and made["height"] == 7
    (listed,) = carbonode_json(home, "snapshot", "list")["items"]
    assert listed["height"] == 7 and listed["keys"] > 50 and listed["historyFirst"] == 1
    verified = carbonode_json(home, "snapshot", "verify")
    assert verified["certified"] == ["w0", "w1", "w2"], "the names of the epoch's own set"
    assert verified["keys"] == listed["keys"]
    target = tmp_path / "snapshot.tar"
    assert carbonode_json(home, "snapshot", "export", "--file", str(target))["bytes"] > 0
    shutil.rmtree(home / "data" / "snapshots")
    imported = carbonode_json(home, "snapshot", "import", str(target))
    assert imported["certified"] == verified["certified"]
    assert carbonode_json(home, "snapshot", "list")["items"] == [listed]


def test_a_damaged_or_uncertified_snapshot_is_not_verified(home: Path) -> None:
    carbonode_json(home, "snapshot", "create")
    folder = next((home / "data" / "snapshots").iterdir())
    part = folder / "part-00000"
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = carbonode(home, "snapshot", "verify")
    assert result.exit_code == 1 and "damaged" in result.output
    part.write_bytes(content)
    certificate = folder / "certificate"
    signed = certificate.read_bytes()
    certificate.write_bytes(signed[:-1] + bytes([signed[-1] ^ 1]))
    result = carbonode(home, "snapshot", "verify")
    assert result.exit_code == 1 and "not certified" in result.output
    assert carbonode(home, "snapshot", "verify", "5").exit_code == 1


def test_a_backup_is_restored_and_the_signer_record_stays(home: Path, tmp_path: Path) -> None:
    copied = carbonode_json(home, "backup", "create", str(tmp_path / "copy"))
    assert copied["rows"] > 100
    assert carbonode(home, "backup", "create", str(tmp_path / "copy")).exit_code == 1
    (home / "signer").mkdir()
    (home / "signer" / "last-signed").write_bytes(b"mine")
    shutil.rmtree(home / "data" / "chain")
    (home / "data" / "index").mkdir()
    restored = carbonode_json(home, "backup", "restore", str(tmp_path / "copy"))
    assert restored["height"] == 7 and restored["rows"] == copied["rows"]
    assert (home / "signer" / "last-signed").read_bytes() == b"mine"
    assert not (home / "data" / "index").exists()
    assert carbonode_json(home, "audit", "verify")["sound"] is True


def test_a_copy_of_another_chain_and_a_running_node_are_refused(home: Path, tmp_path: Path) -> None:
    other = AuditedChain(tmp_path / "other", params=ChainParams(epoch_blocks=5, state_levels=2))
    other.chain.close()
    result = carbonode(home, "backup", "restore", str(other.chain_path))
    assert result.exit_code == 1 and "another chain" in result.output
    carbonode_json(home, "backup", "create", str(tmp_path / "copy"))
    chain_id = compute_chain_id(load_genesis((home / "genesis.json").read_text()))
    with ChainStore.open(home / "data" / "chain", chain_id) as running:
        result = carbonode(home, "backup", "restore", str(tmp_path / "copy"))
        assert result.exit_code == 1 and "another process" in result.output
        result = carbonode(home, "snapshot", "create")
        assert result.exit_code == 1 and "admin_port" in result.output
        assert running.tip is not None
    assert not (home / "data" / "joining").exists()


@pytest.fixture
def exported(home: Path, tmp_path: Path) -> Path:
    """A snapshot's file; the set of validators changed before it."""
    carbonode_json(home, "snapshot", "create")
    target = tmp_path / "snapshot.tar"
    carbonode_json(home, "snapshot", "export", "--file", str(target))
    return target


@pytest.fixture
def fresh(home: Path, tmp_path: Path) -> Path:
    """A home that never ran: genesis and configuration."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    shutil.copy(home / "genesis.json", folder / "genesis.json")
    (folder / "config.toml").write_text(render_config(NodeConfig(folder)))
    return folder


def test_a_fresh_node_begins_with_a_file_and_asks_nobody(
    home: Path, fresh: Path, exported: Path
) -> None:
    document = carbonode_json(fresh, "snapshot", "import", str(exported), "--start")
    assert document["certified"] == ["w0", "w1", "w2"] and document["startsAt"] == 7
    # Nothing is in the chain's place before the node starts: it has its first start then.
    assert not (fresh / "data" / "chain").exists()
    assert complete_replacement(fresh / "data", "chain", ("index",))
    genesis = load_genesis((fresh / "genesis.json").read_text())
    chain_id = compute_chain_id(genesis)
    journal = Journal.open(fresh / "data", fresh / "signer", is_first_start=True)
    with (
        ChainStore.open(fresh / "data" / "chain", chain_id) as chain,
        ChainStore.open(home / "data" / "chain", chain_id) as source,
    ):
        assert chain.tip == source.tip and chain.lowest == 8
        state = CommittedState.open(chain, journal)
        assert state.tip.height == 7 and state.tip.validators.members[0].name == "w0"
        for prefix in (b"s", b"k"):
            rows = source.store.scan(prefix, None, 100_000)
            assert rows and chain.store.scan(prefix, None, 100_000) == rows
        state.close()
    journal.close()


def test_a_file_that_does_not_prove_itself_starts_nothing(
    fresh: Path, exported: Path, tmp_path: Path
) -> None:
    with tarfile.open(exported) as archive:
        archive.extractall(tmp_path / "files", filter="data")

    def pack_again(name: str) -> Path:
        target = tmp_path / name
        with tarfile.open(target, "w") as archive:
            for path in sorted((tmp_path / "files").iterdir()):
                archive.add(path, arcname=path.name)
        return target

    epochs = tmp_path / "files" / "epochs"
    honest = epochs.read_bytes()
    (encoded,) = unpack(honest)  # type: ignore[misc, str-unpack]  # one end, of epoch 0
    end = EPOCH_END.decode(encoded)  # type: ignore[arg-type]  # bytes
    other = replace(end.validators.members[0], name="mallory")
    forged = replace(end, validators=ValidatorSet((other, *end.validators.members[1:])))
    unsigned = replace(end, certificate=replace(end.certificate, signers=(), signatures=()))
    for number, (content, says) in enumerate(
        [
            (pack([]), "how validators changed"),
            (pack([EPOCH_END.encode(forged)]), "next validators"),
            (pack([EPOCH_END.encode(unsigned)]), ""),
            (b"\xff", "damaged"),
        ]
    ):
        epochs.write_bytes(content)
        result = carbonode(fresh, "snapshot", "import", str(pack_again(f"{number}.tar")), "--start")
        assert result.exit_code == 1 and says in result.output, result.output
        assert not (fresh / "data" / "joining").exists()
        shutil.rmtree(fresh / "data" / "snapshots")
    epochs.unlink()
    result = carbonode(fresh, "snapshot", "import", str(pack_again("old.tar")), "--start")
    assert result.exit_code == 1 and "how validators changed" in result.output


def test_a_chain_that_is_further_and_a_running_node_are_left_alone(
    home: Path, exported: Path
) -> None:
    shutil.rmtree(home / "data" / "snapshots")
    result = carbonode(home, "snapshot", "import", str(exported), "--start")
    assert result.exit_code == 1 and "further" in result.output
    chain_id = compute_chain_id(load_genesis((home / "genesis.json").read_text()))
    with ChainStore.open(home / "data" / "chain", chain_id):
        result = carbonode(home, "snapshot", "import", str(exported), "--start")
    assert result.exit_code == 1 and "another process" in result.output
    assert not (home / "data" / "joining").exists()
