"""Ed25519 by libsodium's rule, against RFC 8032 and the published edge cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from primitives.errors import KeyFormatError
from primitives.keys import PrivateKey, verify

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
RFC = json.loads((VECTORS / "ed25519_rfc8032.json").read_text())["cases"]
EDGES = json.loads((VECTORS / "ed25519_speccheck.json").read_text())["cases"]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize("case", RFC, ids=lambda case: str(case["name"]))
def test_keys_and_signatures_are_those_of_rfc_8032(case: dict[str, str]) -> None:
    key = PrivateKey.from_hex(case["seed"])
    message = bytes.fromhex(case["message"])
    assert key.public_key.hex() == case["public_key"]
    assert key.sign(message).hex() == case["signature"]
    assert verify(key.public_key, message, bytes.fromhex(case["signature"]))


@pytest.mark.parametrize("case", EDGES, ids=lambda case: f"{case['case']}: {case['about']}")
def test_edge_cases_get_the_verdict_published_for_libsodium(case: dict[str, Any]) -> None:
    verdict = verify(
        bytes.fromhex(case["public_key"]),
        bytes.fromhex(case["message"]),
        bytes.fromhex(case["signature"]),
    )
    assert verdict is case["libsodium"]


def test_the_edge_cases_are_all_twelve_and_one_is_valid() -> None:
    assert [case["case"] for case in EDGES] == list(range(12))
    assert [case["case"] for case in EDGES if case["libsodium"]] == [3]


def test_a_signature_with_the_group_order_added_to_s_is_refused() -> None:
    key = PrivateKey.from_seed(b"\x07" * 32)
    signature = key.sign(b"once")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert verify(key.public_key, b"once", signature)
    assert not verify(key.public_key, b"once", signature[:32] + scalar.to_bytes(32, "little"))


def test_every_flipped_bit_of_a_signature_is_refused() -> None:
    key = PrivateKey.from_seed(b"\x08" * 32)
    signature = key.sign(b"message")
    for bit in range(512):
        spoiled = bytearray(signature)
        spoiled[bit // 8] ^= 1 << bit % 8
        assert not verify(key.public_key, b"message", bytes(spoiled)), bit


def test_lengths_that_are_not_a_key_or_a_signature_are_false_and_never_raise() -> None:
    key = PrivateKey.from_seed(b"\x09" * 32)
    signature = key.sign(b"")
    for size in (0, 31, 33, 64):
        assert not verify(key.public_key[:size].ljust(size, b"\0"), b"", signature)
    for size in (0, 63, 65):
        assert not verify(key.public_key, b"", signature[:size].ljust(size, b"\0"))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(KeyFormatError):
        PrivateKey.from_seed(bytes(size))


@pytest.mark.parametrize("text", ["", "zz" * 32, "0x", "ab" * 31, "ключ"])
def test_key_text_that_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(KeyFormatError):
        PrivateKey.from_hex(text)


def test_key_text_may_have_a_prefix_and_a_newline() -> None:
    assert PrivateKey.from_hex("0x" + "07" * 32 + "\n") == PrivateKey.from_seed(b"\x07" * 32)


def test_the_secret_is_not_in_the_repr() -> None:
    key = PrivateKey.from_seed(b"\x5a" * 32)
    assert "5a5a" not in repr(key)
    assert key.public_key.hex() in repr(key)
