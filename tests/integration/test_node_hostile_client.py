"""A hostile client at the JSON-RPC port of a real node: what it sends, holds and leaves.

A second client is one that comes from another address of loopback.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from node.config import MEBIBYTE, MempoolSection, RpcSection
from node.rpc import connections, server
from node.rpc.dispatch import INTEGER_DIGITS_MAX, VALUES_MAX
from node.rpc.errors import ErrorNumber
from node.rpc.transactions import CLIENT_WAITING_SHARE
from primitives.transaction import Call
from tests.integration.test_node_rpc import STANDSTILL, Setup, check, to_hex
from tests.unit.node.support import OTHER_MEMBER, RpcClient

pytestmark = pytest.mark.integration
LIMIT_S = 20.0
OTHER_ADDRESS = "127.0.0.2"


@asynccontextmanager
async def other_client(setup: Setup) -> AsyncIterator[RpcClient]:
    """A client at another address: the first one's greed must not reach it."""
    connector = aiohttp.TCPConnector(local_addr=(OTHER_ADDRESS, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield RpcClient(session, setup.node)


async def until(is_done: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not is_done():  # noqa: ASYNC110  # what is polled tells nobody of its changes
            await asyncio.sleep(0.01)


def make_id(number: int) -> str:
    return f"0x{number:064x}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" + b"[]," * VALUES_MAX + b"[]]", "values in one document"),
        (b'{"params":[' + b"1," * VALUES_MAX + b"1]}", "values in one document"),
        (b'{"params":[' + b"9" * (INTEGER_DIGITS_MAX + 1) + b"]}", "an integer of 101 digits"),
        (b'{"params":[' + b"9" * 1_000_000 + b"]}", "an integer of 1000000 digits"),
        (b'{"params":[-Infinity]}', "-Infinity is no number"),
        (b'{"id":NaN}', "NaN is no number"),
        (b'{"method":"chain_status","method":"net_peers"}', "member 'method' twice"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b'{"method":"\xff"}', "not UTF-8 at byte 11"),
        ('{"method":"chain_status"}'.encode("utf-16"), "not UTF-8"),
        (b"", "not JSON"),
    ],
)
def test_documents_that_cost_or_mean_more_than_they_say_are_refused(
    tmp_path: Path, body: bytes, words: str
) -> None:
    async def work(setup: Setup) -> None:
        started = time.monotonic()
        answer = await setup.client.post(body)
        assert time.monotonic() - started < 2
        assert answer["error"]["code"] == ErrorNumber.PARSE
        assert words in answer["error"]["message"]
        assert "sys." not in answer["error"]["message"]

    check(tmp_path, work)


def test_a_request_with_bad_params_is_answered_under_its_id(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        request = {"jsonrpc": "2.0", "id": 7, "method": "chain_status", "params": None}
        answer = await setup.client.post(request)
        assert (answer["id"], answer["error"]["code"]) == (7, ErrorNumber.INVALID_PARAMS)

    check(tmp_path, work)


def test_a_cursor_of_another_method_is_refused_or_pages_on_harmlessly(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        page = await setup.client.call("contract_list", limit=1)
        for cursor in (page["nextCursor"], "00", "f" * 255, "ff" * 128, "-" * 256):
            for method, given in (("event_search", "notes"), ("tx_search", "notes")):
                answer = await setup.client.call(method, contract=given, cursor=cursor)
                assert answer.get("code") == ErrorNumber.INVALID_PARAMS, (method, cursor, answer)
                assert "cursor" in answer["message"]

    check(tmp_path, work)


def test_waiters_of_clients_that_left_are_forgotten(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        notifier = setup.node.parts.notifier
        ids = [make_id(number) for number in range(50)]
        body = {"jsonrpc": "2.0", "id": 1, "method": "tx_waitBatch", "params": [ids, 60_000]}
        waiting = [asyncio.create_task(setup.client.post(body)) for _ in range(10)]
        async with setup.session.ws_connect(setup.client.url + "/ws") as link:
            # More than it may have in work at once: the rest waits in its socket.
            for _ in range(server.SOCKET_REQUESTS_MAX + 8):
                await link.send_json(body)
            await until(lambda: notifier.waiting == 50 * (10 + server.SOCKET_REQUESTS_MAX))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: notifier.waiting == 0)
        client = setup.node.rpc._service.clients.get("127.0.0.1")
        assert client.get_held("waited-for ids") == 0

    check(tmp_path, work)


def test_one_client_cannot_take_every_waiter(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        notifier = setup.node.parts.notifier
        share = 100 // CLIENT_WAITING_SHARE
        ids = [make_id(number) for number in range(share)]
        waiting = asyncio.create_task(setup.client.call("tx_waitBatch", ids, 60_000))
        await until(lambda: notifier.waiting == share)
        refused = await setup.client.call("tx_wait", make_id(99), 60_000)
        assert refused["code"] == ErrorNumber.RATE_LIMITED
        assert refused["data"]["retryAfterMs"] > 0
        async with other_client(setup) as other:
            answer = await other.call("tx_wait", make_id(99), 10)
            assert answer == {"id": make_id(99), "final": False, "pending": False}
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    check(tmp_path, work, rpc=RpcSection(waiters_max=100))


def test_look_ups_of_many_ids_are_paid_for(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        ids = [make_id(number) for number in range(1_000)]
        request = {"jsonrpc": "2.0", "id": 1, "method": "tx_waitBatch", "params": [ids, 0]}
        answers = await setup.client.post([request] * 10)
        refused = [item for item in answers if "error" in item]
        assert len(refused) >= 5
        assert {item["error"]["code"] for item in refused} == {ErrorNumber.RATE_LIMITED}
        async with other_client(setup) as other:
            assert "items" in await other.call("tx_waitBatch", ids[:10], 0)

    check(tmp_path, work, rpc=RpcSection(client_requests_per_second=100))


def test_a_transaction_that_became_final_during_the_look_up_is_not_missed(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        for _ in range(5):
            item = signer.make()
            ids = [make_id(number) for number in range(500)] + [to_hex(item.id)]
            waiting = asyncio.create_task(setup.client.call("tx_waitBatch", ids, 3_000))
            await setup.client.submit_and_wait(item)
            assert (await waiting)["items"][-1]["final"]

    check(tmp_path, work)


def test_silent_connections_are_bounded_and_others_get_in(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        address = setup.node.rpc.address
        silent = [await asyncio.open_connection(*address) for _ in range(4)]
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"too many connections\n")
        writer.close()
        async with other_client(setup) as other:
            assert (await other.call("chain_status"))["chainName"] == "test-chain"
            status = {"jsonrpc": "2.0", "id": 1, "method": "admin_status"}
            answer = await other.post(status, url=other.admin_url)
            assert "pid" in answer["result"]
        for _, held in silent:
            held.close()

        async def is_free() -> bool:
            try:
                request = {"jsonrpc": "2.0", "id": 1, "method": "chain_status"}
                return isinstance(await setup.client.post(request), dict)
            except aiohttp.ClientError:
                return False

        async with asyncio.timeout(LIMIT_S):
            while not await is_free():  # noqa: ASYNC110  # only asking tells
                await asyncio.sleep(0.01)

    check(tmp_path, work, rpc=RpcSection(connections_max=8))


def test_an_answer_that_nobody_reads_is_dropped_with_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 0.3)
    monkeypatch.setattr(server, "SWEEP_S", 0.05)

    async def work(setup: Setup) -> None:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(setup.node.rpc.address)
        request = {"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}
        body = json.dumps([request] * 100).encode()
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for _ in range(8):
            deaf.sendall(head + body)
        public = setup.node.rpc._connections[0]
        await until(lambda: len(public) == 1)
        await until(lambda: len(public) == 0)
        deaf.close()
        assert "height" in await setup.client.call("chain_status")

    check(tmp_path, work)


def test_the_node_stops_in_seconds_though_clients_neither_read_nor_answer(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        address = setup.node.rpc.address
        upgrade = (
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        deaf = [await asyncio.open_connection(*address) for _ in range(20)]
        for reader, writer in deaf:
            writer.write(upgrade)
            assert b" 101 " in await reader.readline()
        silent = [await asyncio.open_connection(*address) for _ in range(20)]
        half = [await asyncio.open_connection(*address) for _ in range(20)]
        for _, writer in half:
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        await until(lambda: len(setup.node.rpc._sockets) == 20)
        started = time.monotonic()
        setup.node.stop()
        await setup.node.wait()
        assert time.monotonic() - started < 12
        for _, writer in (*deaf, *silent, *half):
            writer.transport.abort()

    check(tmp_path, work)


def test_one_client_cannot_take_every_subscription(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        url = setup.client.url + "/ws"
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "event_subscribe",
            "params": {"topic": "blocks"},
        }
        async with setup.session.ws_connect(url) as greedy:
            for is_taken in (True, True, False):
                await greedy.send_json(request)
                answer = await greedy.receive_json()
                assert ("result" in answer) is is_taken, answer
            assert answer["error"]["code"] == ErrorNumber.RATE_LIMITED
            connector = aiohttp.TCPConnector(local_addr=(OTHER_ADDRESS, 0))
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.ws_connect(url) as other,
            ):
                await other.send_json(request)
                assert "result" in await other.receive_json()
        # Those of a client that left are free again.
        async with setup.session.ws_connect(url) as again:
            await until(lambda: setup.node.rpc._service._counter.count == 0)
            await again.send_json(request)
            assert "result" in await again.receive_json()

    check(tmp_path, work, rpc=RpcSection(subscriptions_max=4))


def test_following_the_past_is_paced_and_leaves_other_requests_alone(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        for _ in range(8):
            await setup.client.submit_and_wait(signer.make())
        status = {"jsonrpc": "2.0", "id": 1, "method": "event_subscribe"}
        wish = {"topic": "events", "filter": {"contract": "none-of-these"}, "fromHeight": 1}
        client = setup.node.rpc._service.clients.get("127.0.0.1")
        async with setup.session.ws_connect(setup.client.url + "/ws") as link:
            for _ in range(16):
                await link.send_json({**status, "params": wish})
                assert "result" in await link.receive_json()
            # 16 times 8 blocks at 40 a second and a burst of 80.
            await until(lambda: client.pay_following(0) > 0)
            assert "height" in await setup.client.call("chain_status")

    check(tmp_path, work, rpc=RpcSection(client_requests_per_second=40))


def test_the_dearest_view_and_a_flood_of_them_hold_up_no_block(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        signer = setup.signer
        view = ("state_call", "notes", "put_many", ["a", 1_000_000], None, 20_000_000)
        flood = [asyncio.create_task(setup.client.call(*view)) for _ in range(50)]
        started = time.monotonic()
        for _ in range(5):
            item = await setup.client.submit_and_wait(signer.make())
            assert item["final"]
        assert time.monotonic() - started < 10
        answers = await asyncio.gather(*flood)
        assert {item["code"] for item in answers} <= {
            ErrorNumber.REVERTED,
            ErrorNumber.RATE_LIMITED,
        }

    check(tmp_path, work)


def test_a_member_that_fills_the_pool_with_large_ones_leaves_room_for_others(
    tmp_path: Path,
) -> None:
    async def work(setup: Setup) -> None:
        signer, big = setup.signer, "x" * 60_000
        calls = [Call("notes", "put", ("key", big)), Call("notes", "put", ("other", big))]
        refused: list[Any] = []
        for _ in range(30):
            batch = [to_hex(signer.make(calls).encoded) for _ in range(3)]
            answer = await setup.client.call("tx_submitBatch", batch)
            refused += [item["error"] for item in answer["items"] if "error" in item]
        assert {error["code"] for error in refused} == {ErrorNumber.MEMPOOL_FULL}
        assert {error["data"]["reason"] for error in refused} == {"sender-full"}
        mine = replace(signer, key=OTHER_MEMBER)
        accepted = await setup.client.call("tx_submit", to_hex(mine.make().encoded))
        assert accepted.get("status") == "accepted", accepted

    check(tmp_path, work, params=STANDSTILL, mempool=MempoolSection(bytes_max=4 * MEBIBYTE))


def test_a_client_that_asks_more_than_its_share_at_once_keeps_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEARTBEAT_S", 0.4)

    async def work(setup: Setup) -> None:
        async with setup.session.ws_connect(setup.client.url + "/ws") as link:
            count = server.SOCKET_REQUESTS_MAX + 4
            for number in range(count):
                params = [make_id(number), 1_000]
                request = {"jsonrpc": "2.0", "id": number, "method": "tx_wait"}
                await link.send_json({**request, "params": params})
            answers = [await link.receive_json() for _ in range(count)]
        assert {item["id"] for item in answers} == set(range(count))

    check(tmp_path, work)
