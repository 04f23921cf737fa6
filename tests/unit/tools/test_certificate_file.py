"""A retirement certificate is accepted whole, or refused for what is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from primitives.block import (
    EVENT,
    EXECUTION_RESULT,
    HEADER,
    RECEIPT,
    Event,
    ExecutionResult,
    Header,
    Receipt,
    compute_events_root,
    compute_execution_hash,
    compute_header_hash,
    compute_receipts_root,
    compute_transactions_root,
)
from primitives.certificate import CERTIFICATE, Certificate, Phase, compute_vote_bytes
from primitives.codec import Value
from primitives.errors import ProofError
from primitives.genesis import Genesis, compute_chain_id, dump_genesis
from primitives.hashing import ZERO_HASH, Hash
from primitives.keys import PrivateKey
from primitives.merkle import compute_proof
from primitives.params import ChainParams, compute_params_hash
from primitives.transaction import Call, TransactionBody, make_nonce, sign_transaction
from primitives.validators import Validator, ValidatorSet
from tools.certificate.document import CertificateDocument, Leaf, dump_document
from tools.certificate.verify import make_statement, verify_certificate_file
from tools.cli.certificate import certificate_command
from tools.cli.session import RootGroup, Session

KEYS = [PrivateKey.from_seed(bytes([number + 1]) * 32) for number in range(4)]
SENDER = PrivateKey.from_seed(b"\x77" * 32)
STRANGER = PrivateKey.from_seed(b"\x78" * 32)
GENESIS = Genesis(
    version=1,
    chain_name="certificate test",
    time_ms=1_700_000_000_000,
    validators=ValidatorSet(tuple(Validator(f"v{n}", k.public_key) for n, k in enumerate(KEYS))),
    params=ChainParams(epoch_blocks=10),
    contracts=(),
    calls=(),
)
CHAIN = compute_chain_id(GENESIS)
RETIRE = Call("retirement", "retire", ("B.1", 0, 5_000, "enterprise-a", "flights 2025"))
RETIRED: tuple[Value, ...] = (
    7, "retirement", [["B.1", 0, 5_000]], 5_000, "enterprise-a", "enterprise-a", "Enterprise A",
)  # fmt: skip


@dataclass
class Sample:
    """Everything of one block; a test changes a part and signs all of it again."""

    chain_id: Hash = CHAIN
    height: int = 14
    epoch: int = 1
    version: int = 1
    validators_hash: Hash = GENESIS.validators.hash
    header_chain_id: Hash = CHAIN
    execution_height: int = 14
    certificate_height: int = 14
    vote_epoch: int = 1
    phase: Phase = Phase.COMMIT
    signers: tuple[int, ...] = (0, 1, 3)
    voters: tuple[PrivateKey, ...] = tuple(KEYS)
    transaction_chain: Hash = CHAIN
    calls: tuple[Call, ...] = (Call("units", "split", ("B.1", 9)), RETIRE)
    receipt_values: tuple[Value, ...] = (None, 7)
    receipt_status: str = "ok"
    receipt_of: int = 1
    event: Event = field(default_factory=lambda: Event(1, "retirement", "Retired", RETIRED))
    event_first: int = 2
    event_count: int = 2
    call: int | None = 1
    purpose: str | None = "flights 2025"


def make_document(sample: Sample) -> dict[str, Any]:
    transactions = [
        sign_transaction(
            TransactionBody(
                1, sample.transaction_chain, SENDER.public_key, make_nonce(n), 99, 10, calls
            ),
            SENDER,
        )
        for n, calls in enumerate([(Call("c", "m", ()),), sample.calls, (Call("c", "m", (1,)),)])
    ]
    other = Event(0, "units", "Split", ("B.1", 9, "enterprise-a"))
    events = [other, other, replace(other, transaction_index=1), sample.event, other]
    receipts = [
        Receipt(transactions[0].id, "ok", "", 5, None, (None,), 0, 2),
        Receipt(
            transactions[sample.receipt_of].id,
            sample.receipt_status,
            "",
            5,
            None,
            sample.receipt_values,
            sample.event_first,
            sample.event_count,
        ),
        Receipt(transactions[2].id, "reverted", "no-lot", 5, 0, (), 4, 0),
    ]
    return seal(sample, transactions, receipts, events)


def seal(
    sample: Sample, transactions: list[Any], receipts: list[Receipt], events: list[Event]
) -> dict[str, Any]:
    ids = [transaction.id for transaction in transactions]
    encoded_receipts = [RECEIPT.encode(receipt) for receipt in receipts]
    encoded_events = [EVENT.encode(event) for event in events]
    header = Header(
        sample.version, sample.header_chain_id, sample.height, 1_700_000_123_456, ZERO_HASH,
        ZERO_HASH, ZERO_HASH, KEYS[0].public_key, compute_transactions_root(ids), len(ids),
        ZERO_HASH, sample.epoch, sample.validators_hash, compute_params_hash(GENESIS.params),
    )  # fmt: skip
    execution = ExecutionResult(
        sample.execution_height, Hash(b"\x05" * 32), compute_receipts_root(encoded_receipts),
        compute_events_root(encoded_events), 15, GENESIS.validators.hash, ZERO_HASH,
    )  # fmt: skip
    block_hash, execution_hash = compute_header_hash(header), compute_execution_hash(execution)
    message = compute_vote_bytes(
        sample.phase, sample.chain_id, sample.vote_epoch, sample.certificate_height, 0,
        block_hash, execution_hash,
    )  # fmt: skip
    certificate = Certificate(
        sample.certificate_height, 0, block_hash, execution_hash, sample.signers,
        tuple(sample.voters[signer].sign(message) for signer in sample.signers),
    )  # fmt: skip
    try:
        statement = make_statement(sample.event, header, sample.purpose)
    except ProofError:
        statement = {}
    return dump_document(
        CertificateDocument(
            chain_id=sample.chain_id,
            retirement=statement,
            transaction_id=ids[1],
            transaction=Leaf(transactions[1].encoded, 1, 3, compute_proof(ids, 1)),
            receipt=encoded_receipts[1],
            receipt_path=compute_proof(encoded_receipts, 1),
            call=sample.call,
            event=Leaf(encoded_events[3], 3, 5, compute_proof(encoded_events, 3)),
            header=HEADER.encode(header),
            execution=EXECUTION_RESULT.encode(execution),
            commit=CERTIFICATE.encode(certificate),
        )
    )


GOOD = make_document(Sample())


def test_a_whole_certificate_is_proven_against_the_genesis_alone() -> None:
    verified = verify_certificate_file(json.loads(json.dumps(GOOD)), GENESIS)
    assert verified.statement == {
        "certificate": 7,
        "kind": "retirement",
        "pieces": [{"batch": "B.1", "start": 0, "end": 5_000}],
        "quantityKg": 5_000,
        "owner": "enterprise-a",
        "beneficiary": "enterprise-a",
        "beneficiaryName": "Enterprise A",
        "purpose": "flights 2025",
        "time": 1_700_000_123,
        "height": 14,
    }
    assert verified.sender == SENDER.public_key
    assert verified.signers == ("v0", "v1", "v3")
    assert verified.chain_name == "certificate test"


def test_a_retirement_by_another_contract_states_no_purpose() -> None:
    sample = Sample(
        calls=(Call("market", "settle", ()),), receipt_values=(None,), call=None, purpose=None
    )
    verified = verify_certificate_file(make_document(sample), GENESIS)
    assert verified.statement["purpose"] is None


def change(*path: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(document: Any) -> None:
        *inner, last, value = path
        for step in inner:
            document = document[step]
        document[last] = value

    return spoil


def flip(*path: str, position: int = -1) -> Callable[[dict[str, Any]], None]:
    """Change one hex digit."""

    def spoil(document: Any) -> None:
        *inner, last = path
        for step in inner:
            document = document[step]
        text = list(document[last])
        text[position] = "0" if text[position] != "0" else "1"
        document[last] = "".join(text)

    return spoil


def drop(*path: str) -> Callable[[dict[str, Any]], None]:
    def spoil(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return spoil


def spoil_path(part: str, how: str) -> Callable[[dict[str, Any]], None]:
    def spoil(document: dict[str, Any]) -> None:
        path = document[part]["path"]
        if how == "longer":
            path.append("0x" + "00" * 32)
        elif how == "shorter":
            path.pop()
        elif how == "reversed":
            path.reverse()
        else:
            path[0] = "0x" + "ab" * 32

    return spoil


FILE_SPOILS: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    **{f"no {name}": ("format", drop(name)) for name in GOOD},
    **{f"{name} is a number": ("format", change(name, 5)) for name in GOOD},
    "an unknown member": ("format", change("extra", 1)),
    "another format": ("format", change("format", "carbonode-retirement-certificate/2")),
    "a member of the transaction missing": ("format", drop("transaction", "count")),
    "a member of the event added": ("format", change("event", "note", "")),
    "upper-case hex": ("format", change("header", str(GOOD["header"]).upper())),
    "hex without 0x": ("format", change("header", str(GOOD["header"])[2:])),
    "hex with blanks": ("format", change("chainId", "0x 00" + str(GOOD["chainId"])[5:])),
    "odd hex": ("format", change("header", str(GOOD["header"]) + "0")),
    "a negative index": ("format", change("event", "index", -1)),
    "a true index": ("format", change("event", "index", True)),
    "a fractional count": ("format", change("event", "count", 5.0)),
    "a path of texts": ("format", change("event", "path", ["x"])),
    "a path of short hashes": ("format", change("event", "path", ["0x00"])),
    "an endless path": ("format", change("event", "path", ["0x" + "00" * 32] * 65)),
    "another chain named": ("chain", flip("chainId")),
    "the header changed": ("commit", flip("header", position=-1)),
    "the header cut": ("header", change("header", str(GOOD["header"])[:-2])),
    "bytes after the header": ("header", change("header", str(GOOD["header"]) + "c0")),
    "the execution result changed": ("commit", flip("execution")),
    "the execution result cut": ("execution", change("execution", str(GOOD["execution"])[:-2])),
    "the commit cut": ("commit", change("commit", str(GOOD["commit"])[:-2])),
    "a signature changed": ("signature", flip("commit")),
    "the transaction changed": ("transaction", flip("transaction", "encoded")),
    "the transaction cut": ("transaction", change("transaction", "encoded", "0x00")),
    "another transaction id": ("transaction", flip("transaction", "id")),
    "the transaction elsewhere": ("transaction", change("transaction", "index", 2)),
    "the transaction outside the block": ("transaction", change("transaction", "index", 3)),
    "another number of transactions": ("transaction", change("transaction", "count", 4)),
    "the receipt changed": ("receipt", flip("receipt", "encoded")),
    "the receipt cut": ("receipt", change("receipt", "encoded", "0x98")),
    "the event changed": ("event", flip("event", "encoded")),
    "the event elsewhere": ("event", change("event", "index", 2)),
    "the event beyond the block": ("event", change("event", "index", 5)),
    "another number of events": ("event", change("event", "count", 9)),
    **{
        f"the {part}'s path {how}": (part, spoil_path(part, how))
        for part in ("transaction", "receipt", "event")
        for how in ("longer", "shorter", "reversed", "changed")
    },
    "a call that is not there": ("call", change("receipt", "call", 2)),
    "a call that retires nothing": ("call", change("receipt", "call", 0)),
    "the call denied, the purpose kept": ("statement", change("receipt", "call", None)),
    "another certificate number": ("statement", change("retirement", "certificate", 8)),
    "another kind": ("statement", change("retirement", "kind", "cancellation")),
    "a larger quantity": ("statement", change("retirement", "quantityKg", 5_001)),
    "the quantity as a fraction": ("statement", change("retirement", "quantityKg", 5_000.0)),
    "the quantity as text": ("statement", change("retirement", "quantityKg", "5000")),
    "another owner": ("statement", change("retirement", "owner", "enterprise-b")),
    "another beneficiary": ("statement", change("retirement", "beneficiary", "enterprise-b")),
    "another beneficiary's name": ("statement", change("retirement", "beneficiaryName", "B")),
    "another purpose": ("statement", change("retirement", "purpose", "flights 2026")),
    "no purpose": ("statement", change("retirement", "purpose", None)),
    "another time": ("statement", change("retirement", "time", 1_700_000_124)),
    "another height": ("statement", change("retirement", "height", 15)),
    "another batch": ("statement", change("retirement", "pieces", 0, "batch", "B.2")),
    "other serials": ("statement", change("retirement", "pieces", 0, "start", 1)),
    "serials further on": ("statement", change("retirement", "pieces", 0, "end", 5_001)),
    "a piece more": (
        "statement",
        lambda document: document["retirement"]["pieces"].append(
            {"batch": "B.1", "start": 5_000, "end": 6_000}
        ),
    ),
    "no pieces": ("statement", change("retirement", "pieces", [])),
    "a piece with a remark": ("statement", change("retirement", "pieces", 0, "note", "x")),
    "a remark in the statement": ("statement", change("retirement", "note", "x")),
    "a member of the statement missing": ("statement", drop("retirement", "owner")),
}


@pytest.mark.parametrize("name", FILE_SPOILS)
def test_a_spoiled_file_is_refused_for_its_reason(name: str) -> None:
    part, spoil = FILE_SPOILS[name]
    document = copy.deepcopy(GOOD)
    spoil(document)
    assert json.dumps(document) != json.dumps(GOOD)
    with pytest.raises(ProofError) as refused:
        verify_certificate_file(document, GENESIS)
    assert refused.value.code == f"certificate-{part}"


# The same, signed as if by the validators: what only a quorum of liars, another chain or
# another kind of transaction could produce.
SIGNED_SPOILS: dict[str, tuple[str, dict[str, Any]]] = {
    "two signers of four": ("quorum", {"signers": (0, 1)}),
    "one signer twice": ("order", {"signers": (0, 0, 1)}),
    "signers out of order": ("order", {"signers": (1, 0, 3)}),
    "a stranger signs": ("signature", {"voters": (*KEYS[:3], STRANGER)}),
    "prepares instead of commits": ("signature", {"phase": Phase.PREPARE}),
    "votes of another epoch": ("signature", {"vote_epoch": 0}),
    "a header of another chain": ("header", {"header_chain_id": Hash(b"\x01" * 32)}),
    "a header of another version": ("header", {"version": 2}),
    "an epoch that does not fit": ("header", {"epoch": 2, "vote_epoch": 2}),
    "height zero": ("header", {"height": 0, "epoch": 0}),
    "another set of validators": ("validators", {"validators_hash": Hash(b"\x02" * 32)}),
    "an execution of another height": ("commit", {"execution_height": 13}),
    "a commit of another height": ("commit", {"certificate_height": 13}),
    "a transaction of another chain": (
        "transaction",
        {"transaction_chain": Hash(b"\x03" * 32)},
    ),
    "a receipt of another transaction": ("receipt", {"receipt_of": 2}),
    "a reverted transaction": ("receipt", {"receipt_status": "reverted"}),
    "a rejected transaction": ("receipt", {"receipt_status": "rejected"}),
    "the event of the next transaction": ("event", {"event_count": 1}),
    "the event of the transaction before": ("event", {"event_first": 4, "event_count": 1}),
    "an event that names another transaction": (
        "event",
        {"event": Event(0, "retirement", "Retired", RETIRED)},
    ),
    "another contract's event": ("event", {"event": Event(1, "retirements", "Retired", RETIRED)}),
    "a cancellation": ("event", {"event": Event(1, "retirement", "Cancelled", RETIRED)}),
    "an event with a field less": (
        "event",
        {"event": Event(1, "retirement", "Retired", RETIRED[:-1])},
    ),
    "an event with a field more": (
        "event",
        {"event": Event(1, "retirement", "Retired", (*RETIRED, 1))},
    ),
    "an event with a quantity of text": (
        "event",
        {"event": Event(1, "retirement", "Retired", (*RETIRED[:3], "5000", *RETIRED[4:]))},
    ),
    "an event with a true quantity": (
        "event",
        {"event": Event(1, "retirement", "Retired", (*RETIRED[:3], True, *RETIRED[4:]))},
    ),
    "an event with a broken piece": (
        "event",
        {"event": Event(1, "retirement", "Retired", (*RETIRED[:2], [["B.1", 0]], *RETIRED[3:]))},
    ),
    "a call that made another certificate": ("call", {"receipt_values": (None, 8)}),
    "a receipt without values": ("call", {"receipt_values": ()}),
    "a call of another contract": (
        "call",
        {"calls": (Call("c", "m", ()), Call("units", "retire", RETIRE.arguments))},
    ),
    "a call with too few arguments": (
        "call",
        {"calls": (Call("c", "m", ()), Call("retirement", "retire", ("B.1", 0)))},
    ),
    "a purpose that is no text": (
        "event",
        {"calls": (Call("c", "m", ()), Call("retirement", "retire", ("B.1", 0, 1, "x", 5)))},
    ),
}


@pytest.mark.parametrize("name", SIGNED_SPOILS)
def test_a_well_signed_untruth_is_refused_for_its_reason(name: str) -> None:
    part, changes = SIGNED_SPOILS[name]
    with pytest.raises(ProofError) as refused:
        verify_certificate_file(make_document(Sample(**changes)), GENESIS)
    assert refused.value.code == f"certificate-{part}"


def test_there_are_far_more_than_sixty_spoiled_variants() -> None:
    assert len(FILE_SPOILS) + len(SIGNED_SPOILS) >= 100


def test_another_genesis_is_refused() -> None:
    other = replace(GENESIS, chain_name="another")
    with pytest.raises(ProofError) as refused:
        verify_certificate_file(GOOD, other)
    assert refused.value.code == "certificate-chain"


@pytest.mark.parametrize("document", [None, [], 1, "x", {}, {"format": None}])
def test_json_that_is_no_certificate_is_refused(document: object) -> None:
    with pytest.raises(ProofError):
        verify_certificate_file(document, GENESIS)


def run_command(folder: Path, text: str, *options: str) -> Any:
    (folder / "certificate.json").write_text(text, "utf-8")
    (folder / "genesis.json").write_text(dump_genesis(GENESIS), "utf-8")
    group = RootGroup("audit")
    group.add_command(certificate_command)
    arguments = ["certificate", str(folder / "certificate.json"), "--genesis"]
    return CliRunner().invoke(
        group, [*arguments, str(folder / "genesis.json"), *options], obj=Session(home=folder)
    )


def test_the_command_prints_what_is_proven_and_ends_with_zero(tmp_path: Path) -> None:
    shown = run_command(tmp_path, json.dumps(GOOD))
    assert shown.exit_code == 0
    assert "VALID" in shown.stdout
    assert "Enterprise A" in shown.stdout
    as_json = run_command(tmp_path, json.dumps(GOOD), "--output", "json")
    assert json.loads(as_json.stdout)["valid"] is True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        json.dumps({**GOOD, "chainId": "0x" + "00" * 32}),
        json.dumps(GOOD)[:-1] + f', "chainId": "{GOOD["chainId"]}"}}',
    ],
    ids=["empty", "cut", "deep", "another chain", "a member twice"],
)
def test_the_command_refuses_with_one_line_and_exit_code_one(tmp_path: Path, text: str) -> None:
    shown = run_command(tmp_path, text)
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: ")
    assert shown.stderr.count("\n") == 1


@pytest.mark.parametrize("place", ["home", "beside"])
def test_the_command_finds_the_genesis_of_the_home_or_beside_the_file(
    tmp_path: Path, place: str
) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    (folder / "certificate.json").write_text(json.dumps(GOOD), "utf-8")
    group = RootGroup("audit")
    group.add_command(certificate_command)
    arguments = ["certificate", str(folder / "certificate.json"), "--output", "json"]
    missing = CliRunner().invoke(group, arguments, obj=Session(home=home))
    assert missing.exit_code == 1
    assert "--genesis" in missing.stderr
    genesis = (home if place == "home" else folder) / "genesis.json"
    genesis.write_text(dump_genesis(GENESIS), "utf-8")
    found = CliRunner().invoke(group, arguments, obj=Session(home=home))
    assert json.loads(found.stdout)["genesis"] == str(genesis)
