"""The client against nodes that speak real HTTP: answers, refusals, fail-over, batches."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from primitives.hashing import Hash
from primitives.keys import PrivateKey
from primitives.transaction import Call, Transaction, decode_transaction, is_signature_valid
from tests.unit.tools.fake_node import FakeNode, Refusal, make_status
from tools.client.client import Client
from tools.client.errors import (
    RPC_ERRORS,
    BadAnswer,
    Duplicate,
    MempoolFull,
    NodeUnreachable,
    NotFound,
    Reverted,
    RpcError,
    Syncing,
    WaitTimeout,
)
from tools.client.transactions import Expiry, build_transaction
from tools.client.transport import RetryPolicy
from tools.client.wire import Request

QUICK = RetryPolicy(rounds_max=2, wait_first_s=0.001, wait_max_s=0.01, refusals_max=3)
KEY = PrivateKey.from_seed(bytes(range(32)))
CHAIN = Hash(b"\x11" * 32)
DEAD = "http://127.0.0.1:1"


def make_transaction(number: int = 0) -> Transaction:
    return build_transaction(
        KEY,
        [Call("units", "touch", (number,))],
        expiry=Expiry(CHAIN, 5, 100),
        gas_limit=1000,
        nonce=number.to_bytes(8, "big"),
    )


def run(
    methods: dict[str, Callable[[dict[str, Any]], Any]],
    work: Callable[[Client, FakeNode], Awaitable[Any]],
    *more_endpoints: str,
) -> Any:
    async def inner() -> Any:
        async with (
            FakeNode(methods) as node,
            Client([*more_endpoints, node.url], policy=QUICK) as client,
        ):
            return await work(client, node)

    return asyncio.run(inner())


def refuse(code: int, /, **data: Any) -> Callable[[dict[str, Any]], Any]:
    def handler(params: dict[str, Any]) -> Any:
        raise Refusal(code, **data)

    return handler


def test_status_is_typed() -> None:
    status = run({"chain_status": lambda params: make_status()}, lambda c, n: c.status())
    assert (status.chain_id, status.height, status.syncing) == (CHAIN, 7, False)
    assert status.transaction_window_blocks == 1000


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(BadAnswer, match="chainId"):
        run(
            {"chain_status": lambda params: {"height": 1, "syncing": False, "params": {}}},
            lambda c, n: c.status(),
        )


@pytest.mark.parametrize("code", sorted(RPC_ERRORS))
def test_every_documented_code_has_its_own_error(code: int) -> None:
    if code in (-32004, -32005, -32003):
        expected: tuple[type[RpcError], ...] = (MempoolFull, Syncing, RPC_ERRORS[code])
    else:
        expected = (RPC_ERRORS[code],)
    with pytest.raises(expected) as caught:
        run({"m": refuse(code, reason="x", retryAfterMs=1)}, lambda c, n: c.call("m"))
    assert caught.value.rpc_code == code
    assert caught.value.data["reason"] == "x"


def test_an_undocumented_code_is_still_an_rpc_error() -> None:
    with pytest.raises(RpcError) as caught:
        run({"m": refuse(-31999)}, lambda c, n: c.call("m"))
    assert caught.value.rpc_code == -31999


def test_a_dead_endpoint_is_passed_over() -> None:
    status = run({"chain_status": lambda params: make_status()}, lambda c, n: c.status(), DEAD)
    assert status.height == 7


def test_the_client_stays_with_the_endpoint_that_answered() -> None:
    async def work(client: Client, node: FakeNode) -> None:
        await client.status()
        assert client.transport.endpoint == node.url
        await client.status()
        assert node.bodies == 2

    run({"chain_status": lambda params: make_status()}, work, DEAD)


def test_no_endpoint_at_all_names_each_of_them() -> None:
    async def work() -> None:
        async with Client([DEAD, "127.0.0.1:2"], policy=QUICK) as client:
            await client.status()

    with pytest.raises(NodeUnreachable) as caught:
        asyncio.run(work())
    assert set(caught.value.values_seen["endpoints"]) == {DEAD, "http://127.0.0.1:2"}  # type: ignore[call-overload]  # a dict by design


def test_a_syncing_node_is_passed_over_while_another_answers() -> None:
    async def work() -> int:
        async with (
            FakeNode({"chain_status": refuse(-32003)}) as behind,
            FakeNode({"chain_status": lambda params: make_status()}) as ahead,
            Client([behind.url, ahead.url], policy=QUICK) as client,
        ):
            return (await client.status()).height

    assert asyncio.run(work()) == 7


def test_a_syncing_node_alone_says_so() -> None:
    with pytest.raises(Syncing):
        run({"chain_status": refuse(-32003)}, lambda c, n: c.status())


@pytest.mark.parametrize("code", [-32004, -32005])
def test_a_full_or_limiting_node_is_asked_again_after_its_time(code: int) -> None:
    count = itertools.count()

    def sometimes(params: dict[str, Any]) -> Any:
        if next(count) < 3:
            raise Refusal(code, retryAfterMs=2)
        return make_status()

    assert run({"chain_status": sometimes}, lambda c, n: c.status()).height == 7


def test_patience_with_a_full_node_has_an_end() -> None:
    with pytest.raises(MempoolFull):
        run({"tx_submit": refuse(-32004)}, lambda c, n: c.submit(make_transaction()))


def test_a_refusal_that_waiting_cannot_help_is_not_repeated() -> None:
    async def work(client: Client, node: FakeNode) -> None:
        with pytest.raises(NotFound):
            await client.call("m")
        assert node.bodies == 1

    run({"m": refuse(-32001)}, work)


def test_a_batch_keeps_its_order_though_the_node_answers_in_another() -> None:
    def double(params: dict[str, Any]) -> int:
        if params["n"] == 150:
            raise Refusal(-32001)
        return int(params["n"]) * 2

    async def work(client: Client, node: FakeNode) -> list[Any]:
        found = await client.call_many([Request("m", {"n": n}) for n in range(250)])
        assert node.bodies == 3
        return found

    outcomes = run({"m": double}, work)
    assert isinstance(outcomes.pop(150), NotFound)
    assert outcomes == [2 * n for n in range(250) if n != 150]


def test_submit_hands_over_the_signed_bytes() -> None:
    transaction = make_transaction()

    async def work(client: Client, node: FakeNode) -> None:
        assert await client.submit(transaction) == transaction.id
        encoded = bytes.fromhex(node.requests[0][1]["transaction"][2:])
        assert is_signature_valid(decode_transaction(encoded))

    run({"tx_submit": lambda params: {"id": "0x", "status": "accepted"}}, work)


def test_a_duplicate_is_an_error_when_we_sent_it_once() -> None:
    with pytest.raises(Duplicate):
        run({"tx_submit": refuse(-32009)}, lambda c, n: c.submit(make_transaction()))


def test_a_duplicate_after_a_lost_answer_means_accepted() -> None:
    known: set[str] = set()

    def submit(params: dict[str, Any]) -> Any:
        if params["transaction"] in known:
            raise Refusal(-32009)
        known.add(params["transaction"])
        return {"id": "0x", "status": "accepted"}

    async def work(client: Client, node: FakeNode) -> None:
        node.drop_answers = 1
        transaction = make_transaction()
        assert await client.submit(transaction) == transaction.id
        assert node.bodies == 2

    run({"tx_submit": submit}, work)


def test_a_batch_of_transactions_has_an_outcome_each() -> None:
    def submit(params: dict[str, Any]) -> Any:
        items: list[Any] = [{"id": "0x", "status": "accepted"} for _ in params["transactions"]]
        items[1] = {"id": None, "status": "refused", "error": {"code": -32008, "message": "old"}}
        return {"items": items}

    outcomes = run(
        {"tx_submitBatch": submit},
        lambda c, n: c.submit_batch([make_transaction(n) for n in range(3)]),
    )
    assert [item.is_accepted for item in outcomes] == [True, False, True]
    assert outcomes[1].error.code == "expired"
    assert outcomes[2].id == make_transaction(2).id


def test_a_batch_s_duplicate_is_an_error_when_we_sent_it_once() -> None:
    known = {"id": None, "status": "refused", "error": {"code": -32009, "message": "known"}}
    outcomes = run(
        {"tx_submitBatch": lambda params: {"items": [known]}},
        lambda c, n: c.submit_batch([make_transaction()]),
    )
    assert isinstance(outcomes[0].error, Duplicate)


def test_a_batch_s_duplicate_after_a_lost_answer_means_accepted() -> None:
    known = {"id": None, "status": "refused", "error": {"code": -32009, "message": "known"}}

    async def work(client: Client, node: FakeNode) -> Any:
        node.drop_answers = 1
        return await client.submit_batch([make_transaction()])

    outcomes = run({"tx_submitBatch": lambda params: {"items": [known]}}, work)
    assert outcomes[0].is_accepted


def test_a_patient_batch_hands_over_again_what_found_no_room() -> None:
    room = itertools.count(1)

    def submit(params: dict[str, Any]) -> Any:
        free = next(room)
        full = {"code": -32004, "message": "full", "data": {"retryAfterMs": 1}}
        return {
            "items": [
                {"id": "0x", "status": "accepted"}
                if index < free
                else {"id": None, "status": "refused", "error": full}
                for index in range(len(params["transactions"]))
            ]
        }

    transactions = [make_transaction(n) for n in range(5)]

    async def work(client: Client, node: FakeNode) -> None:
        outcomes = await client.submit_batch(transactions, patient=True)
        assert [item.id for item in outcomes] == [item.id for item in transactions]
        assert all(item.is_accepted for item in outcomes)
        sizes = [len(params["transactions"]) for _, params in node.requests]
        assert sizes == [5, 4, 2]
        assert len({text for _, params in node.requests for text in params["transactions"]}) == 5

    run({"tx_submitBatch": submit}, work)


def test_a_batch_s_patience_has_an_end() -> None:
    full = {"id": None, "status": "refused", "error": {"code": -32004, "message": "full"}}

    async def work(client: Client, node: FakeNode) -> None:
        outcomes = await client.submit_batch([make_transaction()], patient=True)
        assert isinstance(outcomes[0].error, MempoolFull)
        assert node.bodies == 1 + QUICK.refusals_max

    run({"tx_submitBatch": lambda params: {"items": [full]}}, work)


def test_a_batch_with_another_number_of_outcomes_is_refused() -> None:
    with pytest.raises(BadAnswer, match="do not fit the batch"):
        run(
            {"tx_submitBatch": lambda params: {"items": []}},
            lambda c, n: c.submit_batch([make_transaction()]),
        )


def test_wait_asks_again_until_final_and_keeps_the_order() -> None:
    transactions = [make_transaction(n) for n in range(3)]
    rounds = itertools.count(1)

    def wait(params: dict[str, Any]) -> Any:
        ready = next(rounds)
        return {
            "items": [
                {
                    "id": id_,
                    "final": index < ready,
                    "height": 4,
                    "index": index,
                    "blockHash": "0x" + "33" * 32,
                    "receipt": {"status": "ok", "gas": 5, "code": ""},
                }
                for index, id_ in enumerate(params["ids"])
            ]
        }

    found = run(
        {"tx_waitBatch": wait}, lambda c, n: c.wait_many([item.id for item in transactions])
    )
    assert [item.id for item in found] == [item.id for item in transactions]
    assert all(item.is_ok and item.gas == 5 for item in found)


def test_wait_gives_up_when_the_time_is_over() -> None:
    with pytest.raises(WaitTimeout):
        run(
            {"tx_waitBatch": lambda params: {"items": [{"id": params["ids"][0], "final": False}]}},
            lambda c, n: c.wait(make_transaction().id, timeout_s=0.05),
        )


def test_the_builder_asks_for_chain_and_height_once() -> None:
    async def work(client: Client, node: FakeNode) -> None:
        first = await client.build(KEY, [Call("units", "touch", ())], gas_limit=9)
        second = await client.build(KEY, [Call("units", "touch", ())], gas_limit=9)
        assert [method for method, _ in node.requests] == ["chain_status"]
        assert first.body.valid_until == 7 + 500
        assert first.body.chain_id == CHAIN
        assert first.body.nonce != second.body.nonce
        assert is_signature_valid(decode_transaction(first.encoded))

    run({"chain_status": lambda params: make_status()}, work)


def test_the_gas_estimate_adds_up_the_calls_with_a_margin() -> None:
    methods = {
        "chain_status": lambda params: make_status(),
        "state_call": lambda params: {"value": None, "gas": 1000, "events": [], "height": 7},
    }
    calls = [Call("units", "touch", (b"\x01", 1 << 60)), Call("units", "touch", ())]

    async def work(client: Client, node: FakeNode) -> None:
        transaction = await client.build(KEY, calls)
        assert transaction.body.gas_limit == 2000 * 3 // 2 + 20_000
        asked = dict(node.requests[1][1])
        assert asked["arguments"] == ["0x01", str(1 << 60)]
        assert asked["sender"] == "0x" + KEY.public_key.hex()

    run(methods, work)


def test_a_later_call_that_fails_alone_takes_the_highest_limit() -> None:
    def state_call(params: dict[str, Any]) -> Any:
        if params["method"] == "second":
            raise Refusal(-32011, code="no-lot")
        return {"value": None, "gas": 1000, "events": [], "height": 7}

    methods = {"chain_status": lambda params: make_status(), "state_call": state_call}
    calls = [Call("units", "first", ()), Call("units", "second", ())]
    transaction = run(methods, lambda c, n: c.build(KEY, calls))
    assert transaction.body.gas_limit == 5_000_000


def test_a_first_call_that_would_revert_is_said_before_anything_is_signed() -> None:
    methods = {
        "chain_status": lambda params: make_status(),
        "state_call": refuse(-32011, code="not-owner"),
    }
    with pytest.raises(Reverted) as caught:
        run(methods, lambda c, n: c.build(KEY, [Call("units", "first", ())]))
    assert caught.value.data["code"] == "not-owner"


def test_a_node_of_another_chain_is_refused_before_anything_is_signed() -> None:
    async def work() -> None:
        async with FakeNode({"chain_status": lambda params: make_status()}) as node:
            client = Client(node.url, policy=QUICK, chain_id=Hash(b"\x99" * 32))
            async with client:
                await client.build(KEY, [Call("units", "touch", ())], gas_limit=1)

    with pytest.raises(BadAnswer, match="another chain"):
        asyncio.run(work())


def test_pages_are_followed_to_the_end() -> None:
    pages = {
        None: {"items": [{"name": "a"}], "nextCursor": "1"},
        "1": {"items": [{"name": "b"}], "nextCursor": None},
    }

    async def work(client: Client, node: FakeNode) -> list[Any]:
        return [item["name"] async for item in client.get_contracts()]

    assert run({"contract_list": lambda params: pages[params.get("cursor")]}, work) == ["a", "b"]


def test_something_else_on_the_port_is_named() -> None:
    async def work() -> None:
        async with (
            FakeNode() as node,
            Client(node.url + "/nothing", policy=QUICK) as client,
        ):
            await client.status()

    with pytest.raises(BadAnswer, match="not a JSON-RPC endpoint"):
        asyncio.run(work())


def test_the_clock_is_compared_by_the_http_date() -> None:
    offset = run({}, lambda c, n: c.transport.measure_clock_ms())
    assert abs(offset) <= 1_500
