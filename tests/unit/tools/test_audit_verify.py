"""``audit verify``: a sound chain passes; each lie, even a certified one, is named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from primitives.block import BLOCK, RECEIPT
from primitives.certificate import CERTIFICATE
from primitives.codec import pack
from primitives.errors import GenesisError
from primitives.hashing import ZERO_HASH, Tag, compute_hash
from storage.chain import ChainStore
from storage.errors import DatabaseLockedError, StorageError, WrongChainError
from storage.leveldb import LevelStore
from storage.memory import MemoryStore
from storage.schema import make_height_key
from tests.unit.tools.audited_chain import MACHINE, PARAMS, AuditedChain, Lie, forge
from tools.audit.replay import find_row_differences
from tools.audit.report import AuditReport, Difference, show_key
from tools.audit.verify import verify_chain
from tools.cli.audit import audit
from tools.cli.session import Session
from vm.machine import Machine
from vm.state import CONTRACT_ENTRY, compute_entry_key


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> AuditedChain:
    chain = AuditedChain(tmp_path_factory.mktemp("template"))
    chain.grow()
    chain.chain.close()
    return chain


@pytest.fixture
def built(template: AuditedChain, tmp_path: Path) -> AuditedChain:
    return template.copy_to(tmp_path)


def verify(built: AuditedChain, from_height: int = 1, to_height: int | None = None) -> AuditReport:
    built.chain.close()
    return verify_chain(
        built.chain_path, built.genesis_path, from_height, to_height, machine=MACHINE
    )


def find_difference(built: AuditedChain, from_height: int = 1) -> Difference:
    report = verify(built, from_height)
    assert report.difference is not None
    assert not report.is_sound
    return report.difference


def test_a_sound_chain_is_sound_across_changes_of_parameters_and_validators(
    built: AuditedChain,
) -> None:
    tip = built.chain.tip
    seen: list[tuple[int, int, int]] = []
    built.chain.close()
    report = verify_chain(
        built.chain_path, built.genesis_path, progress=lambda *step: seen.append(step)
    )
    assert report.is_sound and report.is_state_compared
    assert tip is not None and report.state_root == tip.state_root
    assert (report.height, report.blocks, report.transactions) == (7, 7, 12)
    assert (report.signatures, report.certificates) == (12, 7)
    assert [step[0] for step in seen] == list(range(1, 8))
    assert built.params.batch_delay_ms == 70
    assert built.validators.members[0].name == "w0"


def test_a_range_checks_signatures_only_inside_it(built: AuditedChain) -> None:
    report = verify(built, 3, 5)
    assert report.is_sound and not report.is_state_compared
    assert (report.height, report.blocks) == (5, 5)
    assert (report.certificates, report.signatures) == (3, 3)


def test_a_chain_with_only_a_genesis_is_sound(tmp_path: Path) -> None:
    report = verify(AuditedChain(tmp_path))
    assert report.is_sound and report.blocks == 0 and report.is_state_compared


@pytest.mark.parametrize(("first", "last"), [(1, 8), (9, None), (5, 3), (0, 3)])
def test_a_range_that_is_not_there_is_refused(
    built: AuditedChain, first: int, last: int | None
) -> None:
    with pytest.raises(StorageError) as caught:
        verify(built, first, last)
    assert caught.value.code == "audit-range"


def test_a_folder_without_a_chain_is_refused_and_stays_empty(built: AuditedChain) -> None:
    folder = built.chain_path.parent / "nothing"
    with pytest.raises(StorageError) as caught:
        verify_chain(folder, built.genesis_path)
    assert caught.value.code == "no-chain"
    assert not folder.exists()


def test_a_running_node_and_another_genesis_are_refused(
    built: AuditedChain, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseLockedError):
        verify_chain(built.chain_path, built.genesis_path)
    built.chain.close()
    other = tmp_path / "other"
    other.mkdir()
    foreign = AuditedChain(other, dataclasses.replace(PARAMS, clock_drift_ms=1))
    foreign.chain.close()
    with pytest.raises(WrongChainError):
        verify_chain(built.chain_path, foreign.genesis_path)
    built.genesis_path.write_text("{}")
    with pytest.raises(GenesisError):
        verify_chain(built.chain_path, built.genesis_path)


def test_a_certified_state_that_the_blocks_do_not_give_is_found_with_its_keys(
    built: AuditedChain,
) -> None:
    honest = built.sign("verifier", "units", "attest", *attest_arguments("r-more"))
    built.commit(honest, lie=Lie(writes={b"units\0free\0kg": b"\x05"}))
    built.commit()
    difference = find_difference(built)
    assert (difference.height, difference.what) == (8, "state root")
    assert any(key.startswith("units.") for key in difference.keys)


def attest_arguments(report: str) -> tuple[Any, ...]:
    return (report, "p", 2024, "forest", 1_000, "project-owner", bytes(32))


def test_a_certified_receipt_that_execution_does_not_give_is_found(built: AuditedChain) -> None:
    transaction = built.sign("bank", "units", "no-such-method")
    receipt = RECEIPT.encode(
        dataclasses.replace(
            RECEIPT.decode(built.chain.get_receipts(5)[0]), transaction_id=transaction.id
        )
    )
    built.commit(transaction, lie=Lie(receipts=[receipt]))
    difference = find_difference(built)
    assert difference.height == 8
    assert transaction.id.hex() in difference.what
    assert difference.expected.startswith("fault no-method")
    assert difference.found.startswith("ok")


def test_certified_gas_that_was_not_used_is_found(built: AuditedChain) -> None:
    built.commit(built.sign("bank", "units", "no-such-method"), lie=Lie(gas=1))
    assert find_difference(built).what == "gas"


def test_a_certified_transaction_that_its_sender_did_not_sign_is_found(
    built: AuditedChain,
) -> None:
    honest = built.sign("verifier", "units", "attest", *attest_arguments("forged"))
    built.commit(*(built.sign("bank", "units", "x") for _ in range(140)), forge(honest))
    difference = find_difference(built)
    assert difference.height == 8
    assert difference.what.startswith("signature of transaction")


def test_a_bad_signature_before_the_range_is_not_looked_for(built: AuditedChain) -> None:
    built.commit(forge(built.sign("bank", "units", "x")))
    built.commit()
    assert verify(built, 9).is_sound


def test_a_transaction_executed_twice_is_found(built: AuditedChain) -> None:
    twice = built.sign("verifier", "units", "attest", *attest_arguments("twice"))
    built.commit(twice)
    built.commit(twice)
    difference = find_difference(built)
    assert difference.height == 8
    assert difference.what.startswith("place of transaction")


def test_a_transaction_that_stands_twice_in_a_block_is_found(built: AuditedChain) -> None:
    twice = built.sign("bank", "units", "x")
    built.commit(twice, twice)
    assert "twice in the block" in find_difference(built).what


def test_an_expired_transaction_is_found(built: AuditedChain) -> None:
    early = built.sign("bank", "units", "x")
    for _ in range(12):
        built.commit()
    built.commit(early)
    difference = find_difference(built)
    assert difference.height == 20 and "valid until" in difference.found


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("version", 2, "header version"),
        ("epoch", 7, "epoch"),
        ("time_ms", 5, "time does not advance"),
        ("validators_hash", ZERO_HASH, "validators hash"),
        ("params_hash", ZERO_HASH, "parameters hash"),
        ("txs_root", ZERO_HASH, "transactions root"),
        ("evidence_root", ZERO_HASH, "evidence root"),
        ("prev_cert_hash", ZERO_HASH, "parent certificate's hash"),
        ("proposer", ZERO_HASH, "proposer"),
    ],
)
def test_a_certified_header_that_breaks_a_rule_is_found(
    built: AuditedChain, name: str, value: object, what: str
) -> None:
    built.commit(lie=Lie(header={name: value}))
    difference = find_difference(built)
    assert (difference.height, difference.what) == (8, what)


def test_a_certificate_without_a_quorum_is_found_inside_the_range_only(
    built: AuditedChain,
) -> None:
    built.commit(lie=Lie(signers=(0, 1)))
    built.commit()
    assert find_difference(built).what == "certificate-quorum"
    assert verify(built, 10).is_sound


Tamper = Callable[[LevelStore], tuple[int, str]]


def tamper_state(store: LevelStore) -> tuple[int, str]:
    key, value = store.scan(b"sunits\0", None, 1)[0]
    store.write({key: value + b"\0"}, sync=True)
    return 7, "stored state"


def tamper_removed_state(store: LevelStore) -> tuple[int, str]:
    store.write({}, [store.scan(b"sidentity\0", None, 1)[0][0]], sync=True)
    return 7, "stored state"


def tamper_added_state(store: LevelStore) -> tuple[int, str]:
    store.write({b"szzz": b"1"}, sync=True)
    return 7, "stored state"


def tamper_tree(store: LevelStore) -> tuple[int, str]:
    key, value = store.scan(b"k\x22", None, 1)[0]
    store.write({key: value[:-1] + bytes([value[-1] ^ 1])}, sync=True)
    return 7, "stored state tree"


def tamper_receipts(store: LevelStore) -> tuple[int, str]:
    store.write({make_height_key(b"p", 5): pack([])}, sync=True)
    return 5, "number of receipts"


def tamper_events(store: LevelStore) -> tuple[int, str]:
    store.write({make_height_key(b"e", 5): pack([b"other"])}, sync=True)
    return 5, "event 0"


def tamper_block(store: LevelStore) -> tuple[int, str]:
    data = store.get(make_height_key(b"b", 6))
    assert data is not None
    block = BLOCK.decode(data)
    store.write(
        {make_height_key(b"b", 6): BLOCK.encode(dataclasses.replace(block, transactions=()))},
        sync=True,
    )
    return 6, "number of transactions"


def tamper_missing_block(store: LevelStore) -> tuple[int, str]:
    store.write({}, [make_height_key(b"b", 4)], sync=True)
    return 4, "block"


def tamper_undecodable_block(store: LevelStore) -> tuple[int, str]:
    store.write({make_height_key(b"b", 4): b"\xc1"}, sync=True)
    return 4, "database-corrupted"


def tamper_header(store: LevelStore) -> tuple[int, str]:
    other = store.get(make_height_key(b"h", 3))
    assert other is not None
    store.write({make_height_key(b"h", 4): other}, sync=True)
    return 4, "stored header"


def tamper_certificate(store: LevelStore) -> tuple[int, str]:
    data = store.get(make_height_key(b"c", 5))
    assert data is not None
    certificate = CERTIFICATE.decode(data)
    first = certificate.signatures[0]
    # Not zeroed: a signature's last byte is zero one time in sixteen.
    spoiled = (first[:-1] + bytes([first[-1] ^ 1]), *certificate.signatures[1:])
    encoded = CERTIFICATE.encode(dataclasses.replace(certificate, signatures=spoiled))
    store.write({make_height_key(b"c", 5): encoded}, sync=True)
    return 5, "certificate-signature"


def tamper_result(store: LevelStore) -> tuple[int, str]:
    store.write({}, [make_height_key(b"r", 5)], sync=True)
    return 5, "execution result"


def tamper_genesis_events(store: LevelStore) -> tuple[int, str]:
    store.write({make_height_key(b"e", 0): pack([])}, sync=True)
    return 0, "number of events"


def tamper_hash_row(store: LevelStore) -> tuple[int, str]:
    store.write({}, [key for key, _ in store.scan(b"i", None, 100)], sync=True)
    return 1, "height of the block's hash"


@pytest.mark.parametrize(
    "tamper",
    [
        tamper_state,
        tamper_removed_state,
        tamper_added_state,
        tamper_tree,
        tamper_receipts,
        tamper_events,
        tamper_block,
        tamper_missing_block,
        tamper_undecodable_block,
        tamper_header,
        tamper_certificate,
        tamper_result,
        tamper_genesis_events,
        tamper_hash_row,
    ],
)
def test_each_row_changed_behind_the_node_is_named_with_its_height(
    built: AuditedChain, tamper: Tamper
) -> None:
    built.chain.close()
    with LevelStore.open(built.chain_path) as store:
        height, what = tamper(store)
    difference = find_difference(built)
    assert (difference.height, difference.what) == (height, what)


def test_a_block_with_a_parents_certificate_of_too_few_is_found(built: AuditedChain) -> None:
    """The store's own certificate is good; the one inside the next block is not."""
    tip = built.chain.tip
    assert tip is not None and tip.certificate is not None
    weak = built.certify(tip.height, 1, tip.block_hash, tip.exec_hash, (0, 1))
    good = make_height_key(b"c", tip.height), CERTIFICATE.encode(tip.certificate)
    built.chain.close()
    with LevelStore.open(built.chain_path) as store:
        store.write({good[0]: CERTIFICATE.encode(weak)}, sync=True)
    built.chain = ChainStore.open(built.chain_path, built.chain_id)
    built.commit()
    built.chain.close()
    with LevelStore.open(built.chain_path) as store:
        store.write(dict([good]), sync=True)
    difference = find_difference(built)
    assert (difference.height, difference.what) == (8, "certificate-quorum")


TALLY = """
from vm import Var, export

total = Var[int]()

@export
def add(amount: int) -> int:
    total.set(total.get() + amount)
    return total.get()
"""


def test_an_upgrade_and_a_freeze_are_computed_again(built: AuditedChain) -> None:
    gas = 4_000_000
    doubled = TALLY.replace("get() + amount", "get() + 2 * amount")
    doubled += "\n@export\ndef migrate() -> None:\n    total.set(1000)\n"
    code_hash = compute_hash(Tag.CONTRACT_CODE, doubled.encode())
    for who, contract, method, *arguments in (
        ("regulator", "system", "deploy", "tally", TALLY),
        ("bank", "tally", "add", 1),
        ("regulator", "system", "publish", doubled),
        ("regulator", "governance", "propose_upgrade", "tally", 2, code_hash, 0),
        ("regulator", "governance", "execute", 3),
        ("bank", "tally", "add", 1),
        ("regulator", "governance", "activate", "tally"),
        ("bank", "tally", "add", 1),
        ("regulator", "governance", "freeze", "tally", "a test", 3600),
        ("bank", "tally", "add", 1),
    ):
        built.commit(built.sign(who, contract, method, *arguments, gas=gas))
    receipts = [
        RECEIPT.decode(built.chain.get_receipts(height)[0]) for height in range(8, built.height + 1)
    ]
    assert [item.code for item in receipts] == [""] * 9 + ["frozen"]
    assert [receipts[index].values for index in (1, 5, 7)] == [(1,), (2,), (1002,)]
    # A machine of its own: what this process has compiled must not be needed.
    built.chain.close()
    report = verify_chain(built.chain_path, built.genesis_path, machine=Machine())
    assert report.is_sound and report.is_state_compared
    assert report.height == 17


def test_code_put_in_place_without_a_vote_is_found(built: AuditedChain) -> None:
    built.commit(built.sign("regulator", "system", "deploy", "tally", TALLY, gas=4_000_000))
    with built.chain.view() as view:
        key = compute_entry_key("tally")
        entry = CONTRACT_ENTRY.decode(view.get(key) or b"")
    swapped = dataclasses.replace(entry, version=2)
    built.commit(lie=Lie(writes={key: CONTRACT_ENTRY.encode(swapped)}))
    difference = find_difference(built)
    assert (difference.height, difference.what) == (9, "state root")


def test_row_differences_are_found_on_both_sides_and_bounded() -> None:
    ours, theirs = MemoryStore(), MemoryStore()
    ours.write({b"sa": b"1", b"sb": b"1", b"sd": b"1", b"tz": b"1"}, sync=False)
    theirs.write({b"sb": b"2", b"sc": b"1", b"sd": b"1", b"ue": b"1"}, sync=False)
    assert find_row_differences(ours, theirs, b"s", 10) == [b"a", b"b", b"c"]
    assert find_row_differences(ours, theirs, b"s", 2) == [b"a", b"b"]
    assert find_row_differences(theirs, ours, b"s", 10) == [b"a", b"b", b"c"]
    assert find_row_differences(ours, ours, b"s", 10) == []


def test_state_keys_are_shown_with_contract_and_variable() -> None:
    assert show_key(b"units\0lots\0\x01") == "units.lots 0x756e697473006c6f74730001"
    assert show_key(b"\0gas\0bank") == "engine.gas 0x006761730062616e6b"
    assert show_key(b"\xff") == "0xff"


def run_command(built: AuditedChain, *arguments: str) -> Any:
    built.chain.close()
    home = built.chain_path.parent / "home"
    (home / "data").mkdir(parents=True, exist_ok=True)
    if built.chain_path.exists():
        built.chain_path.rename(home / "data" / "chain")
        built.genesis_path.rename(home / "genesis.json")
    (home / "config.toml").write_text("")
    return CliRunner().invoke(
        audit, ["verify", "--home", str(home), *arguments], obj=Session(home=home)
    )


def test_the_command_says_sound_and_ends_with_0(built: AuditedChain) -> None:
    result = run_command(built)
    assert result.exit_code == 0, result.output
    result = run_command(built, "--output", "json", "--from", "2", "--to", "6")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["sound"] is True
    assert (document["fromHeight"], document["toHeight"], document["blocks"]) == (2, 6, 6)
    assert document["difference"] is None


def test_the_command_names_the_difference_and_ends_with_1(built: AuditedChain) -> None:
    built.commit(lie=Lie(gas=1))
    result = run_command(built, "--output", "json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["sound"] is False
    assert document["difference"] == {
        "height": 8,
        "what": "gas",
        "expected": "0",
        "found": "1",
        "keys": [],
    }
