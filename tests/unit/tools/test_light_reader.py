"""The reader against a node that lies about which set, which block, which key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from node.rpc.render import to_hex
from primitives.errors import CarbonodeError, ProofError
from primitives.hashing import TransactionId
from primitives.validators import ValidatorSet
from tests.unit.tools.fake_node import FakeNode
from tests.unit.tools.light_answers import (
    ABSENT,
    GENESIS,
    IDS,
    KEY,
    KEYS,
    VALIDATORS,
    VALUE,
    Sample,
    change,
    make_set,
    make_state,
)
from tools.client.client import Client
from tools.client.errors import UnknownMethod
from tools.light.epochs import TrustedSet
from tools.light.keys import make_state_key
from tools.light.reader import LightReader

NEXT = make_set(0, 1, 2, 4)


def make_later(height: int, **values: Any) -> Sample:
    """Return a block of the second epoch, certified by the next set."""
    return change(
        height=height, execution_height=height, certificate_height=height, epoch=1, vote_epoch=1,
        validators=NEXT, next_validators=NEXT, voters=(KEYS[0], KEYS[1], KEYS[2], KEYS[4]),
        **values,
    )  # fmt: skip


BY_OLD_SET = change(
    height=12, execution_height=12, certificate_height=12, epoch=1, vote_epoch=1,
    validators=NEXT, voters=tuple(KEYS[:4]), signers=(0, 1, 3),
)  # fmt: skip
END = change(height=10, execution_height=10, certificate_height=10, next_validators=NEXT)


def make_methods(**changed: Any) -> dict[str, Any]:
    sample = Sample()
    commits = {7: sample, 10: END, 12: make_later(12)}
    return {
        "chain_getCommit": lambda params: commits[
            12 if params["block"] == "latest" else params["block"]
        ].make_commit(),
        "chain_getBlock": lambda params: {"transactionIds": [to_hex(id_) for id_ in IDS]},
        "tx_get": lambda params: sample.make_transaction(
            [to_hex(id_) for id_ in IDS].index(params["id"])
        ),
        "state_get": lambda params: make_state(KEY, VALUE),
        "validator_list": lambda params: list_validators(NEXT),
        "tx_search": lambda params: {"items": [{"id": to_hex(IDS[0])}], "nextCursor": None},
        **changed,
    }


def list_validators(validators: ValidatorSet) -> dict[str, Any]:
    return {
        "validators": [
            {"index": n, "name": item.name, "publicKey": to_hex(item.public_key)}
            for n, item in enumerate(validators.members)
        ]
    }


def ask(work: Callable[[LightReader], Awaitable[Any]], **changed: Any) -> Any:
    async def run() -> Any:
        async with FakeNode(make_methods(**changed)) as node, Client([node.url]) as client:
            return await work(LightReader(client, GENESIS))

    return asyncio.run(run())


def test_the_reader_proves_blocks_transactions_and_state_over_a_change_of_validators() -> None:
    assert ask(lambda reader: reader.get_block()).signers == ("v0", "v1", "v4")
    assert ask(lambda reader: reader.get_block(7)).height == 7
    proven = ask(lambda reader: reader.get_transaction(IDS[2]))
    assert [item.index for item in proven.events] == [1, 2]
    assert ask(lambda reader: reader.get_state(KEY)).value == VALUE


LIES: dict[str, tuple[str, Callable[[LightReader], Awaitable[Any]], dict[str, Any]]] = {
    "no set has the certified hash": (
        "light-validators-unknown",
        lambda reader: reader.get_block(),
        {"validator_list": lambda params: list_validators(VALIDATORS)},
    ),
    "the set in another order": (
        "light-validators-unknown",
        lambda reader: reader.get_block(),
        {"validator_list": lambda params: list_validators(make_set(4, 0, 1, 2))},
    ),
    "a list of validators that is no list": (
        "light-form",
        lambda reader: reader.get_block(),
        {"validator_list": lambda params: {"validators": [5]}},
    ),
    "an epoch's end of another height": (
        "light-asked",
        lambda reader: reader.get_block(),
        {
            "chain_getCommit": lambda params: (
                make_later(12) if params["block"] == "latest" else Sample()
            ).make_commit()
        },
    ),
    "a later block by the old set's liars alone": (
        "certificate-signature",
        lambda reader: reader.get_block(),
        {
            "chain_getCommit": lambda params: (
                END if params["block"] == 10 else BY_OLD_SET
            ).make_commit()
        },
    ),
    "pages of proposals without end": (
        "light-validators-unknown",
        lambda reader: reader.get_block(),
        {
            "validator_list": lambda params: list_validators(VALIDATORS),
            "tx_search": lambda params: {"items": [], "nextCursor": "00"},
        },
    ),
    "a block ten thousand epochs ahead": (
        "light-epoch",
        lambda reader: reader.get_block(),
        {
            "chain_getCommit": lambda params: change(
                height=200_000, epoch=19_999, validators=NEXT, execution_height=200_000
            ).make_commit()
        },
    ),
    "a block of another height": (
        "light-asked",
        lambda reader: reader.get_block(7),
        {"chain_getCommit": lambda params: END.make_commit()},
    ),
    "another transaction": (
        "light-asked",
        lambda reader: reader.get_transaction(IDS[1]),
        {"tx_get": lambda params: Sample().make_transaction(4)},
    ),
    "another last transaction": (
        "light-last",
        lambda reader: reader.get_transaction(IDS[2]),
        {"chain_getBlock": lambda params: {"transactionIds": [to_hex(IDS[3])]}},
    ),
    "a block without transactions": (
        "light-form",
        lambda reader: reader.get_transaction(IDS[2]),
        {"chain_getBlock": lambda params: {"transactionIds": []}},
    ),
    "another key": (
        "light-state",
        lambda reader: reader.get_state(ABSENT),
        {},
    ),
    "a state of another block": (
        "light-asked",
        lambda reader: reader.get_state(KEY),
        {"chain_getCommit": lambda params: END.make_commit()},
    ),
    "a state at a height that is text": (
        "light-form",
        lambda reader: reader.get_state(KEY),
        {"state_get": lambda params: {**make_state(KEY, VALUE), "height": "seven"}},
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_node_is_refused_for_its_lie(name: str) -> None:
    code, work, changed = LIES[name]
    with pytest.raises(ProofError) as error:
        ask(work, **changed)
    assert error.value.code == code


def test_a_block_before_the_trusted_epoch_is_refused_as_such() -> None:
    async def work(reader: LightReader) -> Any:
        reader.trusted = TrustedSet(1, NEXT)
        assert (await reader.get_block()).height == 12
        return await reader.get_block(7)

    with pytest.raises(ProofError) as error:
        ask(work)
    assert error.value.code == "light-epoch"


@pytest.mark.parametrize("answer", [None, 5, "x", [], {}, [{}], {"proof": 5}, {"proof": {}}])
def test_an_answer_of_no_shape_is_a_refusal_too(answer: Any) -> None:
    methods = dict.fromkeys(("chain_getCommit", "tx_get", "state_get"), lambda params: answer)
    for work in (
        lambda reader: reader.get_block(),
        lambda reader: reader.get_transaction(TransactionId(IDS[0])),
        lambda reader: reader.get_state(KEY),
    ):
        with pytest.raises(ProofError) as error:
            ask(work, **methods)
        assert error.value.code == "light-form"


@pytest.mark.parametrize(
    ("parts", "tail"),
    [
        ([], b""),
        (["B.1"], b"B.1\0"),
        (["text:int:5"], b"int:5\0"),
        (["int:0"], b"\x80" + bytes(31)),
        (["int:-1"], b"\x7f" + b"\xff" * 31),
        (["bytes:0x0001"], b"\0\xff\x01\0\0"),
        (["address:0x" + "07" * 32, "a"], b"\x07" * 32 + b"a\0"),
    ],
)
def test_a_state_key_is_made_of_typed_parts(parts: list[str], tail: bytes) -> None:
    assert make_state_key("units", "lots", parts) == b"units\0lots\0" + tail


@pytest.mark.parametrize(
    "part",
    ["int:x", "int:", f"int:{1 << 255}", "int:" + "9" * 500, "address:0x00", "bytes:zz", "a\0"],
)
def test_a_part_that_does_not_fit_is_named(part: str) -> None:
    with pytest.raises(UnknownMethod) as error:
        make_state_key("units", "lots", [part])
    assert isinstance(error.value, CarbonodeError)
