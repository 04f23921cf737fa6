"""``audit verify --from-snapshot``: what it proves first, and what it finds after that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner

from primitives.certificate import CERTIFICATE
from primitives.codec import pack, unpack
from primitives.epochs import EPOCH_END
from primitives.validators import ValidatorSet
from storage.errors import StorageError
from storage.pruning import prune_below
from storage.snapshotfolder import CERTIFICATE_FILE, MANIFEST_FILE, get_part_path
from storage.snapshotformat import MANIFEST, compute_part_hash
from storage.snapshotmaker import SnapshotWriter
from tests.unit.tools.audited_chain import MACHINE, AuditedChain, Lie
from tools.audit.report import AuditReport, Difference
from tools.audit.verify import verify_chain
from tools.cli.audit import audit
from tools.cli.session import Session

TIP = 14
BEGIN = {"at the end of an epoch": 8, "within one": 10}


@pytest.fixture(scope="module", params=BEGIN.values(), ids=BEGIN)
def template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AuditedChain:
    """A chain of 14 blocks, its set of validators changed at 4, with a snapshot."""
    folder = tmp_path_factory.mktemp("template")
    chain = AuditedChain(folder)
    chain.grow()
    while chain.height < TIP:
        given = (f"n{chain.height}", "p", 2024, "forest", 7, "project-owner", bytes(32))
        chain.commit(chain.sign("verifier", "units", "attest", *given))
        if chain.height == request.param:
            SnapshotWriter(chain.chain.store, folder / "snapshots").write(1)
    chain.chain.close()
    return chain


@pytest.fixture
def built(template: AuditedChain, tmp_path: Path) -> AuditedChain:
    twin = template.copy_to(tmp_path / "home")
    copytree(template.chain_path.parent / "snapshots", tmp_path / "home" / "snapshots")
    return twin


def get_folder(built: AuditedChain) -> Path:
    return next((built.chain_path.parent / "snapshots").iterdir())


def verify(built: AuditedChain, to_height: int | None = None) -> AuditReport:
    built.chain.close()
    return verify_chain(
        built.chain_path,
        built.genesis_path,
        to_height=to_height,
        machine=MACHINE,
        snapshot_folder=get_folder(built),
    )


def find_difference(built: AuditedChain) -> Difference:
    difference = verify(built).difference
    assert difference is not None
    return difference


def test_a_sound_chain_is_sound_from_a_snapshot_and_ends_with_the_same_root(
    built: AuditedChain,
) -> None:
    begin = int(get_folder(built).name)
    tip = built.chain.tip
    report = verify(built)
    assert report.is_sound and report.is_state_compared
    assert tip is not None and report.state_root == tip.state_root
    assert (report.snapshot_height, report.from_height) == (begin, begin + 1)
    assert (report.height, report.blocks) == (TIP, TIP - begin)
    assert report.signatures == report.transactions == TIP - begin
    assert report.certificates == TIP - begin + 1


def test_blocks_before_the_snapshot_may_be_gone(built: AuditedChain) -> None:
    begin = int(get_folder(built).name)
    prune_below(built.chain, begin + 1, built.params.epoch_blocks, lambda: None)
    assert built.chain.lowest == begin + 1
    assert verify(built).is_sound


def test_a_block_after_the_snapshot_that_is_gone_is_no_range(built: AuditedChain) -> None:
    begin = int(get_folder(built).name)
    prune_below(built.chain, begin + 2, built.params.epoch_blocks, lambda: None)
    with pytest.raises(StorageError) as caught:
        verify(built)
    assert caught.value.code == "audit-range"


def test_the_range_may_end_before_the_tip_but_not_before_the_snapshot(
    built: AuditedChain,
) -> None:
    begin = int(get_folder(built).name)
    report = verify(built, begin + 2)
    assert (report.is_sound, report.height, report.is_state_compared) == (True, begin + 2, False)
    assert verify(built, begin).is_sound
    for last in (begin - 1, TIP + 1):
        with pytest.raises(StorageError) as caught:
            verify(built, last)
        assert caught.value.code == "audit-range"


def test_a_certified_lie_after_the_snapshot_is_found_with_its_keys(built: AuditedChain) -> None:
    built.commit(lie=Lie(writes={b"lie\0key": b"value"}))
    built.commit()
    difference = find_difference(built)
    assert (difference.height, difference.what) == (TIP + 1, "state root")


def test_stored_state_that_was_changed_is_named_key_by_key(built: AuditedChain) -> None:
    built.chain.store.write({b"smine\0key": b"1"}, sync=True)
    difference = find_difference(built)
    assert (difference.height, difference.what) == (TIP, "stored state")
    assert difference.keys == ("0x" + b"mine\0key".hex(),)


def test_a_changed_value_in_the_snapshot_is_found_though_its_hash_is_right(
    built: AuditedChain,
) -> None:
    folder = get_folder(built)
    manifest = MANIFEST.decode((folder / MANIFEST_FILE).read_bytes())
    path = get_part_path(folder, 0)
    items = unpack(path.read_bytes())
    assert isinstance(items, list)
    items[1] = b"another value"
    content = pack(items)
    path.write_bytes(content)
    part = replace(manifest.state[0], bytes=len(content), hash=compute_part_hash(content))
    forged = replace(manifest, state=(part, *manifest.state[1:]))
    (folder / MANIFEST_FILE).write_bytes(MANIFEST.encode(forged))
    difference = find_difference(built)
    assert difference.height == int(folder.name) and difference.what == "snapshot"
    assert "state root" in difference.found


def test_a_snapshot_that_no_quorum_signed_is_refused(built: AuditedChain) -> None:
    path = get_folder(built) / CERTIFICATE_FILE
    honest = CERTIFICATE.decode(path.read_bytes())
    one = honest.signatures[0]
    spoiled = (one[:-1] + bytes([one[-1] ^ 1]), *honest.signatures[1:])
    for forged in (
        replace(honest, signatures=spoiled),
        replace(honest, signers=honest.signers[:2], signatures=honest.signatures[:2]),
    ):
        path.write_bytes(CERTIFICATE.encode(forged))
        assert find_difference(built).height == honest.height


def test_a_forged_end_of_an_epoch_makes_nobody_a_validator(built: AuditedChain) -> None:
    key = b"x" + bytes(8)
    stored = built.chain.store.get(key)
    assert stored is not None
    end = EPOCH_END.decode(stored)
    members = (*end.validators.members[:3], replace(end.validators.members[3], name="mallory"))
    forged = replace(end, validators=ValidatorSet(members))
    built.chain.store.write({key: EPOCH_END.encode(forged)}, sync=True)
    assert "next validators" in find_difference(built).found


def test_a_folder_that_is_no_snapshot_is_said_so(built: AuditedChain) -> None:
    built.chain.close()
    with pytest.raises(StorageError) as caught:
        verify_chain(built.chain_path, built.genesis_path, snapshot_folder=built.chain_path)
    assert caught.value.code == "no-snapshot"


def test_the_command_takes_a_snapshot_and_names_it(built: AuditedChain, tmp_path: Path) -> None:
    home = tmp_path / "node"
    (home / "data").mkdir(parents=True)
    built.chain.close()
    copytree(built.chain_path, home / "data" / "chain")
    (home / "genesis.json").write_text(built.genesis_path.read_text())
    (home / "config.toml").write_text("")
    session = Session(home=home, output="json", nodes=())
    given = ["verify", "--from-snapshot", str(get_folder(built))]
    result = CliRunner().invoke(audit, given, obj=session)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["sound"] and document["snapshotHeight"] == int(get_folder(built).name)
