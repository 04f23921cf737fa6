"""A node's answer against the genesis alone: whatever is changed in it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    RECEIPT,
    ExecutionResult,
    Header,
    Receipt,
    compute_execution_hash,
    compute_header_hash,
    compute_receipts_root,
    compute_transactions_root,
)
from primitives.certificate import CERTIFICATE, Certificate, Phase, compute_vote_bytes
from primitives.errors import ProofError
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import ZERO_HASH, Hash, TransactionId
from primitives.keys import PrivateKey
from primitives.merkle import compute_proof
from primitives.params import ChainParams
from primitives.transaction import Call, Transaction
from primitives.validators import Validator, ValidatorSet
from tools.client.errors import BadAnswer
from tools.client.proofs import verify_transaction_answer
from tools.client.transactions import Expiry, build_transaction
from tools.client.wire import to_hex

KEYS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(1, 5)]
SENDER = PrivateKey.from_seed(b"s" * 32)
VALIDATORS = ValidatorSet(
    tuple(Validator(f"v{number}", key.public_key) for number, key in enumerate(KEYS))
)
GENESIS = Genesis(1, "proofs", 0, VALIDATORS, ChainParams(), (), ())
CHAIN = compute_chain_id(GENESIS)
HEIGHT = 7
COUNT = 5
INDEX = 3


def make_transaction(number: int, chain: Hash = CHAIN) -> Transaction:
    call = Call("units", "touch", (number,))
    return build_transaction(
        SENDER, [call], expiry=Expiry(chain, 1, 100), gas_limit=1, nonce=bytes(7) + bytes([number])
    )


def make_receipt(transaction_id: TransactionId) -> Receipt:
    return Receipt(transaction_id, "ok", "", 5, None, (1,), 0, 0)


TRANSACTIONS = [make_transaction(number) for number in range(COUNT)]
IDS = [item.id for item in TRANSACTIONS]
RECEIPTS = [RECEIPT.encode(make_receipt(id_)) for id_ in IDS]
HEADER_VALUE = Header(
    version=1,
    chain_id=CHAIN,
    height=HEIGHT,
    time_ms=1,
    parent_hash=ZERO_HASH,
    prev_exec_hash=ZERO_HASH,
    prev_cert_hash=ZERO_HASH,
    proposer=KEYS[0].public_key,
    txs_root=compute_transactions_root(IDS),
    tx_count=COUNT,
    evidence_root=ZERO_HASH,
    epoch=0,
    validators_hash=VALIDATORS.hash,
    params_hash=ZERO_HASH,
)
RESULT = ExecutionResult(
    HEIGHT, ZERO_HASH, compute_receipts_root(RECEIPTS), ZERO_HASH, 5, ZERO_HASH, ZERO_HASH
)


def certify(header: Header, result: ExecutionResult, signers: tuple[int, ...] = (0, 1, 3)) -> str:
    block_hash, exec_hash = compute_header_hash(header), compute_execution_hash(result)
    vote = compute_vote_bytes(Phase.COMMIT, CHAIN, 0, header.height, 0, block_hash, exec_hash)
    certificate = Certificate(
        height=header.height,
        view=0,
        block_hash=block_hash,
        exec_hash=exec_hash,
        signers=signers,
        signatures=tuple(KEYS[signer].sign(vote) for signer in signers),
    )
    return to_hex(CERTIFICATE.encode(certificate))


def make_answer(
    header: Header = HEADER_VALUE, result: ExecutionResult = RESULT, index: int = INDEX
) -> dict[str, Any]:
    return {
        "id": to_hex(IDS[index]),
        "index": index,
        "encoded": to_hex(TRANSACTIONS[index].encoded),
        "proof": {
            "headerEncoded": to_hex(HEADER.encode(header)),
            "transactionPath": [to_hex(item) for item in compute_proof(IDS, index)],
            "transactionCount": COUNT,
            "executionEncoded": to_hex(EXECUTION_RESULT.encode(result)),
            "receiptEncoded": to_hex(RECEIPTS[index]),
            "receiptPath": [to_hex(item) for item in compute_proof(RECEIPTS, index)],
            "certificateEncoded": certify(header, result),
        },
    }


@pytest.mark.parametrize("index", range(COUNT))
def test_a_true_answer_verifies(index: int) -> None:
    verified = verify_transaction_answer(make_answer(index=index), GENESIS)
    assert verified.transaction.id == IDS[index]
    assert verified.receipt.status == "ok"
    assert verified.header.height == HEIGHT


def spoil(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(answer: dict[str, Any]) -> None:
        (answer["proof"] if name in answer["proof"] else answer)[name] = value

    return change


OTHER = make_transaction(99)
FAILED = replace(make_receipt(IDS[INDEX]), status="reverted")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoil("encoded", to_hex(OTHER.encoded)), "another id"),
        (spoil("id", to_hex(OTHER.id)), "another id"),
        (spoil("index", INDEX - 1), "not in the block"),
        (spoil("transactionPath", []), "not in the block"),
        (spoil("receiptPath", []), "receipt is not under"),
        (spoil("receiptEncoded", to_hex(RECEIPT.encode(FAILED))), "receipt is not under"),
        (spoil("receiptEncoded", to_hex(RECEIPTS[0])), "receipt is not under"),
        (spoil("headerEncoded", "0x00"), "does not decode"),
        (spoil("encoded", "0x00"), "does not decode"),
        (
            spoil("headerEncoded", to_hex(HEADER.encode(replace(HEADER_VALUE, time_ms=2)))),
            "another block",
        ),
        (
            spoil("executionEncoded", to_hex(EXECUTION_RESULT.encode(replace(RESULT, gas=6)))),
            "another result",
        ),
        (
            spoil("executionEncoded", to_hex(EXECUTION_RESULT.encode(replace(RESULT, height=8)))),
            "different heights",
        ),
        (spoil("certificateEncoded", certify(HEADER_VALUE, RESULT, (0, 1))), "too few signers"),
    ],
)
def test_a_changed_answer_is_refused(change: Callable[[dict[str, Any]], None], said: str) -> None:
    answer = make_answer()
    change(answer)
    with pytest.raises(ProofError, match=said):
        verify_transaction_answer(answer, GENESIS)


def test_a_forged_signature_is_refused() -> None:
    answer = make_answer()
    text = answer["proof"]["certificateEncoded"]
    answer["proof"]["certificateEncoded"] = text[:-2] + ("00" if text[-2:] != "00" else "01")
    with pytest.raises(ProofError, match="bad signature"):
        verify_transaction_answer(answer, GENESIS)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (replace(HEADER_VALUE, chain_id=Hash(b"x" * 32)), "another chain"),
        (replace(HEADER_VALUE, epoch=1), "another chain or epoch"),
        (replace(HEADER_VALUE, validators_hash=ZERO_HASH), "another validator set"),
    ],
)
def test_a_block_of_elsewhere_is_refused_though_it_is_signed(header: Header, said: str) -> None:
    with pytest.raises(ProofError, match=said):
        verify_transaction_answer(make_answer(header), GENESIS)


def test_a_receipt_of_another_transaction_is_refused_at_the_right_place() -> None:
    swapped = [*RECEIPTS]
    swapped[INDEX] = RECEIPTS[0]
    result = replace(RESULT, receipts_root=compute_receipts_root(swapped))
    answer = make_answer(result=result)
    answer["proof"]["receiptEncoded"] = to_hex(RECEIPTS[0])
    answer["proof"]["receiptPath"] = [to_hex(item) for item in compute_proof(swapped, INDEX)]
    with pytest.raises(ProofError, match="of another transaction"):
        verify_transaction_answer(answer, GENESIS)


def test_an_answer_without_its_proof_is_no_answer() -> None:
    answer = make_answer()
    del answer["proof"]
    with pytest.raises(BadAnswer, match="missing"):
        verify_transaction_answer(answer, GENESIS)


def test_the_set_of_a_later_epoch_is_given_by_the_caller() -> None:
    smaller = ValidatorSet(VALIDATORS.members[:3])
    header = replace(HEADER_VALUE, validators_hash=smaller.hash)
    answer = make_answer(header)
    answer["proof"]["certificateEncoded"] = certify(header, RESULT, (0, 1, 2))
    with pytest.raises(ProofError, match="another validator set"):
        verify_transaction_answer(answer, GENESIS)
    assert verify_transaction_answer(answer, GENESIS, smaller).header.height == HEIGHT
