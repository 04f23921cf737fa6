"""A certificate of a block whose validators are not the genesis's any more."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    ExecutionResult,
    Header,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, Certificate, Phase, compute_vote_bytes
from primitives.errors import ProofError
from primitives.hashing import ZERO_HASH, Hash
from primitives.keys import PrivateKey
from primitives.merkle import EMPTY_ROOT
from primitives.params import compute_params_hash
from primitives.validators import Validator, ValidatorSet
from tests.unit.tools.test_certificate_file import (
    CHAIN,
    GENESIS,
    GOOD,
    KEYS,
    STRANGER,
    Sample,
    make_document,
)
from tools.certificate.document import FORMAT_CHANGES
from tools.certificate.verify import verify_certificate_file

FIFTH = PrivateKey.from_seed(b"\x99" * 32)
FIRST = GENESIS.validators
SECOND = ValidatorSet((*FIRST.members[1:], Validator("v4", STRANGER.public_key)))
THIRD = ValidatorSet((*SECOND.members, Validator("v5", FIFTH.public_key)))
KEYS_OF = {
    FIRST.hash: tuple(KEYS),
    SECOND.hash: (*KEYS[1:], STRANGER),
    THIRD.hash: (*KEYS[1:], STRANGER, FIFTH),
}


def make_change(
    height: int,
    before: ValidatorSet,
    after: ValidatorSet,
    *,
    voters: tuple[PrivateKey, ...] | None = None,
    shown: ValidatorSet | None = None,
) -> dict[str, Any]:
    """The last block of an epoch, signed by ``before``; the file names ``shown`` as next."""
    epoch = (height - 1) // GENESIS.params.epoch_blocks
    header = Header(
        1, CHAIN, height, 1_700_000_100_000 + height, ZERO_HASH, ZERO_HASH, ZERO_HASH,
        KEYS[1].public_key, EMPTY_ROOT, 0, EMPTY_ROOT, epoch, before.hash,
        compute_params_hash(GENESIS.params),
    )  # fmt: skip
    execution = ExecutionResult(
        height, Hash(b"\x06" * 32), EMPTY_ROOT, EMPTY_ROOT, 0, after.hash, ZERO_HASH
    )
    hashes = compute_header_hash(header), compute_execution_hash(execution)
    message = compute_vote_bytes(Phase.COMMIT, CHAIN, epoch, height, 0, *hashes)
    keys = (voters or KEYS_OF[before.hash])[: before.quorum]
    commit = Certificate(
        height, 0, *hashes, tuple(range(len(keys))), tuple(key.sign(message) for key in keys)
    )
    return {
        "header": "0x" + HEADER.encode(header).hex(),
        "execution": "0x" + EXECUTION_RESULT.encode(execution).hex(),
        "commit": "0x" + CERTIFICATE.encode(commit).hex(),
        "validators": [
            [member.name, "0x" + member.public_key.hex()] for member in (shown or after).members
        ],
    }


def make_later(validators: ValidatorSet, changes: list[dict[str, Any]]) -> dict[str, Any]:
    """A retirement at height 34, certified by ``validators``, with these changes before it."""
    sample = Sample(
        height=34, epoch=3, vote_epoch=3, execution_height=34, certificate_height=34,
        validators_hash=validators.hash, voters=KEYS_OF[validators.hash],
        signers=tuple(range(validators.quorum)),
    )  # fmt: skip
    return {**make_document(sample), "format": FORMAT_CHANGES, "changes": changes}


ONE = [make_change(10, FIRST, SECOND)]
TWO = [*ONE, make_change(30, SECOND, THIRD)]
AFTER_TWO = make_later(THIRD, TWO)


def change(*path: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(document: Any) -> None:
        *inner, last, value = path
        for step in inner:
            document = document[step]
        document[last] = value

    return spoil


def test_each_change_is_followed_from_the_genesis_to_the_block() -> None:
    verified = verify_certificate_file(json.loads(json.dumps(AFTER_TWO)), GENESIS)
    assert verified.signers == ("v1", "v2", "v3", "v4")
    assert verified.statement == AFTER_TWO["retirement"]
    assert verify_certificate_file(make_later(SECOND, ONE), GENESIS).signers == ("v1", "v2", "v3")


SPOILED: dict[str, tuple[str, dict[str, Any]]] = {
    "a change left out": ("validators", make_later(THIRD, TWO[1:])),
    "the last change left out": ("validators", make_later(THIRD, ONE)),
    "changes in another order": ("validators", make_later(THIRD, TWO[::-1])),
    "a change twice": ("validators", make_later(SECOND, [*ONE, *ONE])),
    "a change back that is older": (
        "changes",
        make_later(FIRST, [make_change(20, FIRST, SECOND), make_change(10, SECOND, FIRST)]),
    ),
    "a change within an epoch": ("changes", make_later(SECOND, [make_change(11, FIRST, SECOND)])),
    "a change to the same set": ("changes", make_later(FIRST, [make_change(10, FIRST, FIRST)])),
    "another set shown": (
        "changes",
        make_later(SECOND, [make_change(10, FIRST, SECOND, shown=THIRD)]),
    ),
    "signed by the set that follows": (
        "signature",
        make_later(SECOND, [make_change(10, FIRST, SECOND, voters=KEYS_OF[SECOND.hash])]),
    ),
    "signed by strangers": (
        "signature",
        make_later(SECOND, [make_change(10, FIRST, SECOND, voters=(STRANGER,) * 3)]),
    ),
    "the block by the set before": ("validators", make_later(FIRST, ONE)),
}


def spoil(name: str, part: str, how: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(AFTER_TWO)
    how(document)
    SPOILED[name] = (part, document)


flipped = ONE[0]["commit"][:-1] + ("0" if ONE[0]["commit"][-1] != "0" else "1")
names = ONE[0]["validators"]
spoil("no changes", "format", change("changes", []))
spoil("changes that are no list", "format", change("changes", {}))
spoil("too many changes", "format", change("changes", [ONE[0]] * 1_001))
spoil("changes without their format", "format", change("format", GOOD["format"]))
spoil("a change with a remark", "format", change("changes", 0, "note", ""))
spoil("a bad signature", "signature", change("changes", 0, "commit", flipped))
spoil("no validators", "changes", change("changes", 0, "validators", []))
spoil("a validator twice", "changes", change("changes", 0, "validators", names[:1] * 4))
spoil("a validator renamed", "changes", change("changes", 0, "validators", 0, 0, "x"))
spoil("a validator without a key", "format", change("changes", 0, "validators", 0, ["v1"]))
spoil("another execution result", "commit", change("changes", 0, "execution", GOOD["execution"]))
spoil("another header", "validators", change("changes", 1, "header", GOOD["header"]))


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_chain_of_changes_is_refused_for_its_reason(name: str) -> None:
    part, document = SPOILED[name]
    with pytest.raises(ProofError) as refused:
        verify_certificate_file(document, GENESIS)
    assert refused.value.code == f"certificate-{part}"


def test_the_format_with_changes_needs_them() -> None:
    without = {name: value for name, value in AFTER_TWO.items() if name != "changes"}
    with pytest.raises(ProofError) as refused:
        verify_certificate_file(without, GENESIS)
    assert refused.value.code == "certificate-format"
