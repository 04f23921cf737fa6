"""JSON-RPC of a real single-validator node on loopback: every answer and every refusal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from node.config import MempoolSection, RpcSection
from node.node import Node
from node.rpc.errors import ErrorNumber
from node.rpc.methods import METHODS
from primitives import limits
from primitives.block import (
    EXECUTION_RESULT,
    HEADER,
    compute_execution_hash,
    compute_header_hash,
)
from primitives.certificate import CERTIFICATE, verify_certificate
from primitives.genesis import Genesis, compute_chain_id
from primitives.merkle import verify_proof
from primitives.params import ChainParams
from primitives.transaction import Call
from storage.stateproof import STATE_PROOF, verify_state_proof
from tests.unit.node.support import (
    CONSORTIUM,
    OTHER_MEMBER,
    STRANGER,
    TEST_PARAMS,
    RpcClient,
    Signer,
    make_configs,
    make_genesis,
    make_node,
)
from vm.genesis_builder import CONTRACT_NAMES

pytestmark = pytest.mark.integration
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Setup:
    node: Node
    genesis: Genesis
    client: RpcClient
    session: aiohttp.ClientSession

    @property
    def signer(self) -> Signer:
        return Signer(self.genesis)


@asynccontextmanager
async def run_node(
    folder: Path,
    *,
    rpc: RpcSection | None = None,
    mempool: MempoolSection | None = None,
    params: ChainParams = TEST_PARAMS,
) -> AsyncIterator[Setup]:
    genesis = make_genesis(1, params)
    config = make_configs(folder, 1, rpc)[0]
    if mempool is not None:
        config = replace(config, mempool=mempool)
    node = make_node(config, genesis)
    async with node, aiohttp.ClientSession() as session:
        yield Setup(node, genesis, RpcClient(session, node), session)


def check(folder: Path, work: Callable[[Setup], Awaitable[None]], **options: Any) -> None:
    """Run ``work`` against a fresh node, bounded in time."""

    async def main() -> None:
        async with asyncio.timeout(LIMIT_S), run_node(folder, **options) as setup:
            await work(setup)

    asyncio.run(main())


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


# Blocks come only when they are empty every ten minutes: what is submitted stays waiting.
STANDSTILL = replace(TEST_PARAMS, batch_delay_ms=10_000, empty_block_interval_ms=600_000)


def test_envelope_errors_have_the_numbers_of_json_rpc(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        post = setup.client.post
        cases: list[tuple[Any, int]] = [
            ("{not json", ErrorNumber.PARSE),
            ("[" * 100_000, ErrorNumber.PARSE),
            ([], ErrorNumber.INVALID_REQUEST),
            ([{"jsonrpc": "2.0", "id": 1, "method": "chain_status"}] * 101, -32600),
            (7, ErrorNumber.INVALID_REQUEST),
            ({"id": 1, "method": "chain_status"}, ErrorNumber.INVALID_REQUEST),
            ({"jsonrpc": "2.0", "id": {}, "method": "chain_status"}, -32600),
            ({"jsonrpc": "2.0", "id": 1, "method": 5}, ErrorNumber.INVALID_REQUEST),
            ({"jsonrpc": "2.0", "id": 1, "method": "no_such"}, ErrorNumber.METHOD_NOT_FOUND),
            ({"jsonrpc": "2.0", "id": 1, "method": "admin_stop"}, -32601),
            ({"jsonrpc": "2.0", "id": 1, "method": "event_subscribe"}, -32601),
            ({"jsonrpc": "2.0", "id": 1, "method": "chain_status", "params": "x"}, -32602),
        ]
        for body, number in cases:
            answer = await post(body)
            assert answer["error"]["code"] == number, (str(body)[:80], answer)
        notification = {"jsonrpc": "2.0", "method": "chain_status"}
        assert await post(notification) == 204
        mixed = [notification, {"jsonrpc": "2.0", "id": "a", "method": "chain_status"}, 3]
        answers = await post(mixed)
        assert [item.get("id") for item in answers] == ["a", None]

    check(tmp_path, work)


def test_arguments_are_refused_with_a_message_that_names_them(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call = setup.client.call
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("tx_get", {}, "id: missing"),
            ("tx_get", {"id": 5}, "id: expected 0x hex"),
            ("tx_get", {"id": "0xAB"}, "lower-case"),
            ("tx_get", {"id": "0xab"}, "32 bytes"),
            ("tx_get", {"id": "0x" + "ab" * 32, "what": 1}, "unknown argument 'what'"),
            ("tx_wait", {"id": "0x" + "ab" * 32, "timeoutMs": 70_000}, "timeoutMs: expected 0"),
            ("tx_wait", {"id": "0x" + "ab" * 32, "timeoutMs": 1.5}, "a fraction"),
            ("tx_wait", {"id": "0x" + "ab" * 32, "timeoutMs": True}, "a boolean"),
            ("tx_submitBatch", {"transactions": []}, "not empty"),
            ("tx_submitBatch", {"transactions": ["0x"] * 1_001}, "at most 1000"),
            ("chain_getBlock", {"block": "0xzz"}, "block:"),
            ("chain_getBlock", {"block": -1}, "block:"),
            ("tx_search", {"sender": "0x" + "ab" * 32, "limit": 201}, "limit: expected 1 to 200"),
            ("tx_search", {"sender": "0x" + "ab" * 32, "cursor": "?"}, "cursor"),
            ("tx_search", {"sender": "0x" + "ab" * 32, "cursor": "abcd"}, "cursor"),
            ("tx_search", {}, "either sender, organisation, or contract"),
            ("state_call", {"contract": "notes", "method": "get", "arguments": 7}, "arguments"),
            ("state_call", {"contract": "n" * 65, "method": "get"}, "at most 64"),
            ("state_get", {"key": "0x" + "00" * 1_025}, "at most 1024 bytes"),
        ]
        for method, params, text in cases:
            error = await call(method, **params)
            assert error["code"] == ErrorNumber.INVALID_PARAMS, (method, params, error)
            assert text in error["message"], (text, error)

    check(tmp_path, work)


def test_a_transaction_becomes_final_and_is_found_right_after(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        transaction = setup.signer.make()
        final = await setup.client.submit_and_wait(transaction)
        found = await setup.client.call("tx_get", to_hex(transaction.id))
        assert found["height"] == final["height"]
        assert found["receipt"] == final["receipt"]
        assert found["receipt"]["values"] == [6]
        event = found["events"][0]
        assert event["contract"] == "notes"
        assert event["name"] == "Noted"
        assert event["fields"] == {"key": "key-1", "text": "text-1", "count": 6}
        block = await setup.client.call("chain_getBlock", block=final["height"], full=True)
        assert block["transactionIds"] == [to_hex(transaction.id)]
        assert block["events"][0]["fields"] == event["fields"]
        by_hash = await setup.client.call("chain_getHeader", block=block["blockHash"])
        assert by_hash["height"] == final["height"]

    check(tmp_path, work)


def test_the_proof_of_a_transaction_verifies_against_the_genesis_alone(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        batch = [signer.make() for _ in range(5)]
        await setup.client.call("tx_submitBatch", [to_hex(item.encoded) for item in batch])
        await setup.client.call("tx_waitBatch", [to_hex(item.id) for item in batch], 10_000)
        document = await setup.client.call("tx_get", to_hex(batch[3].id))
        proof = document["proof"]

        def read(name: str) -> bytes:
            return bytes.fromhex(proof[name][2:])

        def path(items: list[str]) -> list[bytes]:
            return [bytes.fromhex(item[2:]) for item in items]

        header = HEADER.decode(read("headerEncoded"))
        execution = EXECUTION_RESULT.decode(read("executionEncoded"))
        certificate = CERTIFICATE.decode(read("certificateEncoded"))
        chain_id = compute_chain_id(setup.genesis)
        verify_certificate(certificate, chain_id, header.epoch, setup.genesis.validators)
        assert certificate.block_hash == compute_header_hash(header)
        assert certificate.exec_hash == compute_execution_hash(execution)
        index, count = document["index"], proof["transactionCount"]
        assert verify_proof(
            header.txs_root, batch[3].id, index, count, path(proof["transactionPath"])
        )
        assert verify_proof(
            execution.receipts_root,
            read("receiptEncoded"),
            index,
            count,
            path(proof["receiptPath"]),
        )
        event = document["events"][0]
        assert verify_proof(
            execution.events_root,
            bytes.fromhex(event["encoded"][2:]),
            event["index"],
            proof["eventCount"],
            path(event["path"]),
        )

    check(tmp_path, work)


def test_state_proofs_of_presence_and_absence_verify(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        await setup.client.submit_and_wait(setup.signer.make())
        for key, is_there in ((b"\0params", True), (b"no-such-key", False)):
            answer = await setup.client.call("state_get", to_hex(key))
            assert (answer["value"] is not None) == is_there
            value = bytes.fromhex(answer["value"][2:]) if is_there else None
            proof = STATE_PROOF.decode(bytes.fromhex(answer["proof"]["encoded"][2:]))
            root = bytes.fromhex(answer["stateRoot"][2:])
            assert verify_state_proof(root, key, value, proof, answer["levels"])  # type: ignore[arg-type]  # a NewType of bytes

    check(tmp_path, work)


def test_each_refusal_of_a_transaction_has_its_number_and_reason(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer, call = setup.signer, setup.client.call
        good = signer.make()
        forged = good.encoded[:-1] + bytes([good.encoded[-1] ^ 1])
        committed = signer.make()
        await setup.client.submit_and_wait(committed)
        waiting = signer.make()
        await call("tx_submit", to_hex(waiting.encoded))
        far = signer.make(valid_until=TEST_PARAMS.transaction_window_blocks + 90)
        stranger = Signer(setup.genesis, STRANGER).make()
        cases: list[tuple[bytes, int, str]] = [
            (b"\x01\x02" * 60, ErrorNumber.INVALID_PARAMS, "malformed"),
            (forged, ErrorNumber.BAD_SIGNATURE, "bad-signature"),
            (signer.make(chain_id=bytes(32)).encoded, ErrorNumber.WRONG_CHAIN, "wrong-chain"),
            (signer.make(valid_until=0).encoded, ErrorNumber.EXPIRED, "expired"),
            (far.encoded, ErrorNumber.INVALID_PARAMS, "too-far-ahead"),
            (committed.encoded, ErrorNumber.DUPLICATE, "duplicate"),
            (waiting.encoded, ErrorNumber.DUPLICATE, "duplicate"),
            (stranger.encoded, ErrorNumber.NOT_PERMITTED, "not-permitted"),
            (signer.make(gas_limit=1 << 40).encoded, ErrorNumber.INVALID_PARAMS, "limit"),
            (signer.make(gas_limit=0).encoded, ErrorNumber.INVALID_PARAMS, "limit"),
        ]
        for encoded, number, reason in cases:
            error = await call("tx_submit", to_hex(encoded))
            assert error["code"] == number, (reason, error)
            assert error["data"]["reason"] == reason, error
        oversized = await call("tx_submit", "0x" + "00" * (limits.TRANSACTION_BYTES_MAX + 1))
        assert oversized["code"] == ErrorNumber.INVALID_PARAMS
        status = await call("mempool_status")
        assert status["rejected"]["bad-signature"] == 1
        texts = [to_hex(case[0]) for case in cases] + ["nonsense", 5, to_hex(good.encoded)]
        items = (await call("tx_submitBatch", texts))["items"]
        assert [item.get("error", {}).get("code") for item in items] == [
            *(case[1] for case in cases),
            ErrorNumber.INVALID_PARAMS,
            ErrorNumber.INVALID_PARAMS,
            None,
        ]

    check(tmp_path, work)


def test_a_full_pool_and_a_full_sender_say_when_to_come_back(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer, call = setup.signer, setup.client.call
        for _ in range(3):
            assert "id" in await call("tx_submit", to_hex(signer.make().encoded))
        own = await call("tx_submit", to_hex(signer.make().encoded))
        keys = [key for key in CONSORTIUM.keys.values() if key.public_key != signer.key.public_key]
        others = [Signer(setup.genesis, key) for key in keys[:3]]
        for other in others[:2]:
            assert "id" in await call("tx_submit", to_hex(other.make().encoded))
        everyone = await call("tx_submit", to_hex(others[2].make().encoded))
        for error, reason in ((own, "sender-full"), (everyone, "mempool-full")):
            assert error["code"] == ErrorNumber.MEMPOOL_FULL
            assert error["data"]["reason"] == reason
            assert error["data"]["retryAfterMs"] > 0

    mempool = MempoolSection(transactions_max=5, sender_transactions_max=3)
    check(tmp_path, work, mempool=mempool, params=STANDSTILL)


def test_waiting_ends_by_time_and_says_whether_it_is_still_waiting(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call, transaction = setup.client.call, setup.signer.make()
        await call("tx_submit", to_hex(transaction.encoded))
        waited = await call("tx_wait", to_hex(transaction.id), 20)
        assert (waited["final"], waited["pending"]) == (False, True)
        unknown = await call("tx_wait", "0x" + "ab" * 32, 20)
        assert (unknown["final"], unknown["pending"]) == (False, False)
        missing = await call("tx_get", to_hex(transaction.id))
        assert missing["code"] == ErrorNumber.NOT_FOUND
        assert missing["data"]["pending"] is True
        assert setup.node.parts.notifier.waiting == 0

    check(tmp_path, work, params=STANDSTILL)


def test_a_waiter_hears_that_its_transaction_expired(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer, call = setup.signer, setup.client.call
        blocked = signer.make(valid_until=1, gas_limit=900_000)
        # Both do not fit one block; the first is older, so the second expires at height 1.
        await call("tx_submit", to_hex(signer.make(valid_until=1, gas_limit=900_000).encoded))
        await call("tx_submit", to_hex(blocked.encoded))
        error = await call("tx_wait", to_hex(blocked.id), 20_000)
        assert error["code"] == ErrorNumber.EXPIRED, error

    params = replace(TEST_PARAMS, block_gas_max=1_000_000, transaction_gas_max=1_000_000)
    check(tmp_path, work, params=params)


def test_views_and_reverts_have_their_errors(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call = setup.client.call
        reverted = await call(
            "state_call", contract="notes", method="put", arguments=["k", "forbidden"]
        )
        assert reverted["code"] == ErrorNumber.REVERTED
        assert reverted["data"]["status"] == "reverted"
        assert reverted["data"]["code"] == "forbidden-text"
        assert reverted["data"]["gas"] > 0
        no_gas = await call(
            "state_call", contract="notes", method="put", arguments=["k", "v"], gasLimit=10
        )
        assert no_gas["data"]["status"] == "out-of-gas"
        unknown = await call("state_call", contract="nothing", method="get", arguments=[])
        assert unknown["code"] == ErrorNumber.NOT_FOUND
        for method, arguments in (
            ("nothing", []),
            ("get", []),
            ("get", [5]),
            ("get", {"wrong": "x"}),
            ("get", ["a", "b"]),
        ):
            error = await call("state_call", contract="notes", method=method, arguments=arguments)
            assert error["code"] == ErrorNumber.INVALID_PARAMS, (method, arguments, error)
        named = await call("state_call", contract="notes", method="get", arguments={"key": "none"})
        assert named["value"] == ""

    check(tmp_path, work)


def test_text_that_is_no_unicode_is_refused_and_never_breaks_the_answer(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        for body in (
            '{"jsonrpc":"2.0","id":"\\ud800","method":"\\ud800"}',
            '{"jsonrpc":"2.0","id":1,"method":"state_call","params":["notes","get",["\\ud800"]]}',
            '{"jsonrpc":"2.0","id":1,"method":"contract_abi","params":["\\ud800"]}',
            '{"jsonrpc":"2.0","id":1,"method":"state_call","params":["notes","\\ud800",[]]}',
        ):
            answer = await setup.client.post(body)
            assert answer["error"]["code"] in (-32601, -32602, -32001, -32011), answer

    check(tmp_path, work)


def test_views_are_paid_for_in_gas(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call = setup.client.call
        heavy = {"contract": "notes", "method": "put_many", "arguments": ["k", 500]}
        first = await call("state_call", **heavy)
        assert first["gas"] > 100_000
        error = await call("state_call", **heavy)
        assert error["code"] == ErrorNumber.RATE_LIMITED
        assert error["data"]["retryAfterMs"] > 0
        assert "height" in await call("chain_status")

    check(tmp_path, work, rpc=RpcSection(client_view_gas_per_second=10_000))


def test_contracts_are_listed_in_pages_and_show_their_abi(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call = setup.client.call
        names: list[str] = []
        cursor: str | None = None
        while True:
            page = await call("contract_list", limit=2, cursor=cursor)
            names += [item["name"] for item in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert names == sorted([*CONTRACT_NAMES, "notes"])
        abi = await call("contract_abi", "notes")
        functions = {item["name"] for item in abi["abi"]["functions"]}
        assert {"put", "get"} <= functions
        assert (await call("contract_abi", "nothing"))["code"] == ErrorNumber.NOT_FOUND

    check(tmp_path, work)


def test_searches_page_through_everything_once(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer, call = setup.signer, setup.client.call
        batch = [signer.make() for _ in range(7)]
        await call("tx_submitBatch", [to_hex(item.encoded) for item in batch])
        await call("tx_waitBatch", [to_hex(item.id) for item in batch], 10_000)
        final = await setup.client.submit_and_wait(signer.make())
        # At once: what is not indexed yet is read from the blocks.
        first = await call("tx_search", sender=to_hex(signer.key.public_key), limit=1)
        assert first["items"][0]["id"] == final["id"]
        assert first["indexHeight"] >= final["height"] and first["lowestHeight"] == 1
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = await call(
                "tx_search", sender=to_hex(signer.key.public_key), limit=3, cursor=cursor
            )
            assert len(page["items"]) <= 3
            found += [item["id"] for item in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert len(found) == len(set(found)) == 8
        assert {to_hex(item.id) for item in batch} <= set(found)
        events = await call("event_search", contract="notes", name="Noted", limit=200)
        assert len(events["items"]) == 8
        assert events["items"][0]["fields"]["key"].startswith("key-")
        assert {item["transactionId"] for item in events["items"]} == set(found)
        for given in ({"organisation": "enterprise-a"}, {"contract": "notes"}):
            page = await call("tx_search", **given, limit=200)
            assert [item["id"] for item in page["items"]] == found
        page = await call("tx_search", contract="notes", event="Noted", limit=200)
        assert [item["id"] for item in page["items"]] == found
        assert (await call("tx_search", contract="notes", event="no"))["items"] == []
        assert (await call("tx_search", organisation="nobody"))["items"] == []

    check(tmp_path, work)


def test_units_are_found_by_owner_and_by_serial_and_indexes_rebuilt_online(
    tmp_path: Path,
) -> None:
    async def work(setup: Setup) -> None:
        client = setup.client
        calls = {
            "verifier": ("attest", ("r1", "p", 2024, "forest", 50, "project-owner", bytes(32))),
            "registry": ("issue", ("b1", "r1", 0, 50, 50, 10)),
            "project-owner": ("transfer", ("b1", 0, 20, "enterprise-a")),
        }
        ids: list[str] = []
        for who, (method, arguments) in calls.items():
            signer = Signer(setup.genesis, CONSORTIUM.keys[who])
            made = signer.make([Call("units", method, arguments)], gas_limit=400_000)
            assert (await client.submit_and_wait(made))["receipt"]["status"] == "ok"
            ids.append(to_hex(made.id))

        async def look_up() -> list[Any]:
            lots = [
                (await client.call("unit_lots", owner=owner, limit=limit))["items"]
                for owner in ("project-owner", "enterprise-a", "buffer", "nobody")
                for limit in (1, 200)
            ]
            history = await client.call("unit_history", batch="b1", serial=7)
            return [*lots, history["items"], history["lot"]]

        answers = await look_up()
        mine = {"batch": "b1", "start": 20, "end": 40, "kg": 20, "status": "active"}
        assert answers[0] == answers[1] == [mine]
        assert answers[6] == answers[7] == []
        assert [step["transactionId"] for step in answers[8]] == [ids[2], ids[1]]
        assert answers[9]["owner"] == "enterprise-a"
        page = await client.call("unit_history", batch="b1", serial=7, limit=1)
        rest = await client.call("unit_history", batch="b1", serial=7, cursor=page["nextCursor"])
        assert page["items"] + rest["items"] == answers[8] and rest["nextCursor"] is None
        for given in ({"batch": "b1", "serial": 50}, {"batch": "b2", "serial": 1}):
            assert (await client.call("unit_history", **given))["code"] == ErrorNumber.NOT_FOUND
        for given in ({"serial": 1, "batch": "b1", "cursor": "ab"}, {"batch": "a\0", "serial": 1}):
            code = (await client.call("unit_history", **given))["code"]
            assert code == ErrorNumber.INVALID_PARAMS
        parts = setup.node.parts
        assert parts.indexer.rebuild()
        async with asyncio.timeout(10):
            while parts.index.is_rebuilding:
                assert await look_up() == answers
                await asyncio.sleep(0)
        assert await look_up() == answers

    check(tmp_path, work)


def test_large_integers_are_decimal_text(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        status = await setup.client.call("chain_status")
        assert status["params"]["gas_allowance"] == 10**12
        document = await setup.client.call("state_get", "0x00")
        assert document["height"] == 0
        body = '{"jsonrpc":"2.0","id":9007199254740993,"method":"chain_status"}'
        assert (await setup.client.post(body))["id"] == 9007199254740993

    check(tmp_path, work)


def test_too_many_requests_and_too_large_bodies_are_refused(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call = setup.client.call
        answers = [await call("chain_status") for _ in range(30)]
        limited = [item for item in answers if "code" in item]
        assert limited
        assert limited[0]["code"] == ErrorNumber.RATE_LIMITED
        assert limited[0]["data"]["retryAfterMs"] > 0
        assert await setup.client.post(json.dumps({"x": "y" * 5_000})) == 413

    rpc = RpcSection(client_requests_per_second=5, body_bytes_max=4_096)
    check(tmp_path, work, rpc=rpc)


def test_machines_can_ask_for_health_readiness_and_metrics(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        await setup.client.submit_and_wait(setup.signer.make())
        for path, text in (
            ("/health", '"status": "ok"'),
            ("/ready", '"ready": true'),
            ("/metrics", "carbonode_height 1.0"),
            ("/metrics", 'carbonode_peer_queue_bytes{lane="consensus"} 0.0'),
        ):
            async with setup.session.get(setup.client.url + path) as response:
                assert response.status == 200
                assert text in await response.text()

    check(tmp_path, work)


def test_the_status_methods_describe_a_lone_validator(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        call = setup.client.call
        consensus = await call("consensus_status")
        assert consensus["isValidator"] is True
        assert consensus["halted"] is False
        validators = await call("validator_list")
        assert validators["quorum"] == 1
        assert validators["validators"][0]["connected"] is None
        assert (await call("net_peers"))["items"] == []
        document = await call("rpc.discover")
        listed = {item["name"] for item in document["methods"]}
        assert listed == {name for name, method in METHODS.items() if not method.admin}

    check(tmp_path, work)


def test_admin_answers_only_on_its_own_listener_and_stops_the_node(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        request = {"jsonrpc": "2.0", "id": 1, "method": "admin_status"}
        refused = await setup.client.post(request)
        assert refused["error"]["code"] == ErrorNumber.METHOD_NOT_FOUND
        answer = await setup.client.post(request, url=setup.client.admin_url)
        assert answer["result"]["pid"] > 0
        headers = {"Origin": "https://example.org"}
        async with setup.session.post(
            setup.client.admin_url, json=request, headers=headers
        ) as response:
            assert response.status == 403
        stopping = {**request, "method": "admin_stop"}
        answer = await setup.client.post(stopping, url=setup.client.admin_url)
        assert answer["result"]["stopping"] is True
        async with asyncio.timeout(10):
            await setup.node.wait()

    check(tmp_path, work)


async def _subscribe(socket: aiohttp.ClientWebSocketResponse, **params: Any) -> Any:
    await socket.send_json(
        {"jsonrpc": "2.0", "id": 1, "method": "event_subscribe", "params": params}
    )
    answer = await socket.receive_json()
    return answer.get("result", answer.get("error"))


def test_subscribers_get_the_past_then_the_present_in_order(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        first = await setup.client.submit_and_wait(signer.make())
        async with setup.session.ws_connect(setup.client.url + "/ws") as socket:
            await _subscribe(
                socket, topic="events", filter={"contract": "notes"}, fromHeight=first["height"]
            )
            past = await socket.receive_json()
            assert past["method"] == "event_next"
            assert past["params"]["item"]["fields"]["key"] == "key-1"
            second = await setup.client.submit_and_wait(signer.make())
            present = (await socket.receive_json())["params"]
            assert present["item"]["fields"]["key"] == "key-2"
            assert present["cursor"] == f"{second['height']}-0"

    check(tmp_path, work)


def test_subscriptions_are_filtered_bounded_and_ended(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        async with setup.session.ws_connect(setup.client.url + "/ws") as socket:
            error = await _subscribe(socket, topic="blocks", filter={"name": "x"})
            assert error["code"] == ErrorNumber.INVALID_PARAMS
            error = await _subscribe(socket, topic="nothing")
            assert error["code"] == ErrorNumber.INVALID_PARAMS
            other = to_hex(OTHER_MEMBER.public_key)
            first = await _subscribe(socket, topic="transactions", filter={"sender": other})
            await _subscribe(socket, topic="blocks")
            error = await _subscribe(socket, topic="blocks")
            assert error["code"] == ErrorNumber.RATE_LIMITED
            mine = await setup.client.submit_and_wait(signer.make())
            block = (await socket.receive_json())["params"]
            assert block["item"]["height"] == mine["height"]
            assert block["item"]["transactions"] == 1
            request = {"jsonrpc": "2.0", "id": 2, "method": "event_unsubscribe"}
            await socket.send_json({**request, "params": [first["subscription"]]})
            assert (await socket.receive_json())["result"] == {"ended": True}
            await socket.send_json({**request, "params": ["s999"]})
            assert (await socket.receive_json())["error"]["code"] == ErrorNumber.NOT_FOUND

    check(tmp_path, work, rpc=RpcSection(connection_subscriptions_max=2))


def test_a_slow_subscriber_is_closed_with_a_reason_and_a_cursor(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        socket = await setup.session.ws_connect(setup.client.url + "/ws")
        await _subscribe(socket, topic="events", filter={"contract": "notes"})
        # Nobody reads the socket while megabytes of events become final.
        calls = [Call("notes", "put_many", ("key", 1_000))]
        big = [signer.make(calls, gas_limit=15_000_000) for _ in range(40)]
        for item in big:
            final = await setup.client.submit_and_wait(item, 20_000)
            assert final["receipt"]["status"] == "ok", final["receipt"]
        registry = setup.node.parts.metrics.registry
        async with asyncio.timeout(20):
            while registry.get_sample_value("carbonode_subscribers"):
                await setup.client.submit_and_wait(signer.make())
        reasons = []
        async for message in socket:
            document = json.loads(message.data)
            if document.get("method") == "event_closed":
                reasons.append(document["params"])
                break
        assert reasons[0]["reason"] in ("slow", "lagging")
        height, _, index = reasons[0]["cursor"].partition("-")
        assert int(height) > 0
        assert int(index) >= 0
        await socket.close()

    rpc = RpcSection(subscriber_send_timeout_ms=300, subscriber_lag_blocks_max=5)
    check(tmp_path, work, rpc=rpc)
