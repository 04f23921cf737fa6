"""Tagged hashes: golden values, and no two uses that could be confused."""

from __future__ import annotations

import hashlib
from itertools import permutations

from primitives.hashing import Tag, compute_contract_address, compute_hash


def test_a_hash_is_sha256_over_tag_and_data() -> None:
    expected = hashlib.sha256(b"carbonode/header/1\x00" + b"abc").digest()
    assert compute_hash(Tag.HEADER, b"abc") == expected


def test_the_golden_hash_of_each_tag_has_not_changed() -> None:
    digest = hashlib.sha256(b"".join(compute_hash(tag, b"golden") for tag in Tag)).hexdigest()
    assert digest == "bba20680688945ace52e84af044dafa7e49f6020fc274863fa7b67c9eef80aca"


def test_no_tag_begins_with_another() -> None:
    assert not [(a, b) for a, b in permutations(Tag, 2) if b.value.startswith(a.value)]
    assert all(tag.value.count(b"\0") == 1 and tag.value.endswith(b"\0") for tag in Tag)


def test_a_contract_address_is_the_golden_hash_of_its_name() -> None:
    assert (
        compute_contract_address("units").hex()
        == "787ffd2bdac32ce6f895708f6e9e4be6cee1be63213b8fb907bf3021c6342ea3"
    )
