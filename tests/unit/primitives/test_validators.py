"""Validator sets: quorums for every size, leaders, and sets that cannot be."""

from __future__ import annotations

from itertools import combinations

import pytest

from primitives.errors import GenesisError
from primitives.hashing import Address
from primitives.validators import VALIDATOR_SET, Validator, ValidatorSet


def make_set(size: int) -> ValidatorSet:
    return ValidatorSet(
        tuple(Validator(f"v{i}", Address(i.to_bytes(32, "big"))) for i in range(size))
    )


@pytest.mark.parametrize("size", range(1, 101))
def test_two_quorums_share_an_honest_validator_and_the_honest_are_a_quorum(size: int) -> None:
    validators = make_set(size)
    faulty, quorum = validators.faulty_max, validators.quorum
    assert 3 * faulty + 1 <= size <= 3 * faulty + 3
    assert 2 * quorum - size >= faulty + 1
    assert size - faulty >= quorum
    assert validators.weak_quorum == faulty + 1


def test_two_f_plus_one_would_not_do_for_six() -> None:
    validators = make_set(6)
    assert validators.quorum == 5
    disjoint = [
        (a, b) for a, b in combinations(combinations(range(6), 3), 2) if not set(a) & set(b)
    ]
    assert disjoint


@pytest.mark.parametrize(
    ("size", "faulty", "quorum"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 3), (4, 1, 3), (5, 1, 4), (6, 1, 5), (7, 2, 5), (10, 3, 7),
     (30, 9, 21), (100, 33, 67)],
)  # fmt: skip
def test_known_quorums(size: int, faulty: int, quorum: int) -> None:
    validators = make_set(size)
    assert (validators.faulty_max, validators.quorum) == (faulty, quorum)


def test_a_validator_is_found_by_its_key_and_a_stranger_is_not() -> None:
    validators = make_set(4)
    assert validators.get_index(validators.members[2].public_key) == 2
    assert validators.get_index(Address(b"\xff" * 32)) is None


@pytest.mark.parametrize("size", [0, 101])
def test_a_set_of_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(GenesisError):
        make_set(size)


def test_two_validators_with_one_key_or_one_name_are_refused() -> None:
    first, second = make_set(2).members
    with pytest.raises(GenesisError):
        ValidatorSet((first, Validator("other", first.public_key)))
    with pytest.raises(GenesisError):
        ValidatorSet((first, Validator(first.name, second.public_key)))


def test_the_hash_covers_names_keys_and_order() -> None:
    members = make_set(3).members
    base = ValidatorSet(members)
    renamed = ValidatorSet((Validator("x", members[0].public_key), *members[1:]))
    assert len({base.hash, ValidatorSet(members[::-1]).hash, renamed.hash}) == 3
    assert base.hash.hex() == "a27cad2eed5d5a9adb60d1fbfcd47747112fa1950eeef4a9b41ef0106ba4ac24"


def test_a_set_is_read_back_from_its_bytes() -> None:
    validators = make_set(4)
    assert VALIDATOR_SET.decode(VALIDATOR_SET.encode(validators)) == validators
