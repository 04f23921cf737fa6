"""What strangers and broken or lying members do at the port, over real sockets.

In each case the node must stay well: an honest peer's link and frames are unharmed.
"""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from p2p.frames import FrameKind
from p2p.hello import HELLO
from p2p.tls import make_certificate, make_contexts
from primitives.hashing import Hash
from tests.unit.p2p.loopback import (
    KEYS,
    LIMITS,
    SHORT_BANS,
    WAIT_S,
    Node,
    RawServer,
    make_address,
    make_hello,
    raw_peer,
    run,
    started,
)

STRANGER, MEMBER = KEYS[5], KEYS[6]


async def check_is_well(node: Node, friend: Node) -> None:
    """A frame from the honest peer arrives over the same link as before."""
    count = len(node.recorder.frames)
    assert friend.network.send(node.key.public_key, FrameKind.CONSENSUS, b"are you well")
    await node.recorder.until(
        lambda: (
            (friend.key.public_key, FrameKind.CONSENSUS, b"are you well")
            in node.recorder.frames[count:]
        )
    )
    assert node.recorder.events.count((friend.key.public_key, True)) == 1
    assert (friend.key.public_key, False) not in node.recorder.events


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """All that came before the other side closed; an alert counts as closing."""
    data = b""
    try:
        async with asyncio.timeout(WAIT_S):
            while piece := await reader.read(65_536):
                data += piece
    except OSError:
        return data
    return data


def make_pair(**limits: object) -> tuple[Node, Node]:
    changed = dataclasses.replace(LIMITS, **limits)  # type: ignore[arg-type]  # test values
    return Node(KEYS[0], changed, bans=SHORT_BANS), Node(KEYS[1], LIMITS)


def test_a_stranger_with_a_good_certificate_of_his_own_gets_nothing() -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            context = make_contexts(STRANGER, [make_certificate(node.key)]).client
            reader, writer = await asyncio.open_connection(*node.network.listening, ssl=context)
            writer.write(b"x" * 100)
            assert await read_to_end(reader) == b""
            writer.transport.abort()
            await check_is_well(node, friend)
            assert {peer for peer, _ in node.recorder.events} == {friend.key.public_key}

    run(scenario())


def test_garbage_at_the_port_is_cut_off() -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(70_000), b"\x16\x03\x01\xff\xff" * 99):
                reader, writer = await asyncio.open_connection(*node.network.listening)
                writer.write(garbage)
                await read_to_end(reader)
                writer.transport.abort()
            await check_is_well(node, friend)

    run(scenario())


def test_silent_strangers_hold_few_places_and_lose_them() -> None:
    async def scenario() -> None:
        node, friend = make_pair(handshake_s=0.3, half_open_per_ip_max=3)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            strangers = [await asyncio.open_connection(*node.network.listening) for _ in range(10)]
            for reader, _ in strangers[3:]:
                await read_to_end(reader)
            for reader, writer in strangers:
                await read_to_end(reader)
                writer.transport.abort()
            await check_is_well(node, friend)
            assert node.network.refused_connections == 7

    run(scenario())


def test_an_address_that_knocks_too_often_is_not_let_in_for_a_while() -> None:
    async def scenario() -> None:
        node, friend = make_pair(visits_per_s=0.001, visits_burst=8.0)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*node.network.listening)
                writer.write(b"knock knock")
                await read_to_end(reader)
                writer.transport.abort()
            assert node.network.refused_connections >= 12
            await check_is_well(node, friend)

    run(scenario())


def test_a_member_that_never_says_hello_is_cut_off() -> None:
    async def scenario() -> None:
        node, friend = make_pair(handshake_s=0.2)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            node.network.add_peer(make_address(MEMBER, None))
            context = make_contexts(MEMBER, [make_certificate(node.key)]).client
            reader, writer = await asyncio.open_connection(*node.network.listening, ssl=context)
            await read_to_end(reader)
            writer.transport.abort()
            await check_is_well(node, friend)
            assert node.describe(MEMBER).connects == 0

    run(scenario())


def test_a_truncated_frame_is_not_delivered_and_earns_no_ban() -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node) as peer:
                await node.recorder.until_up(MEMBER)
                peer.send(FrameKind.STATUS, b"whole")
                peer.writer.write(b"\0\0\xff\xff\x12half")
                await peer.writer.drain()
                await node.recorder.until(lambda: len(node.recorder.frames) == 1)
            await node.recorder.until_down(MEMBER)
            assert node.recorder.frames == [(MEMBER.public_key, FrameKind.STATUS, b"whole")]
            assert node.describe(MEMBER).bans == 0
            await check_is_well(node, friend)

    run(scenario())


@pytest.mark.parametrize(
    ("name", "bytes_sent"),
    [
        ("oversize", b"\x7f\xff\xff\xff\x12"),
        ("unknown-kind", b"\0\0\0\1\xee?"),
        ("hello-order", b"\0\0\0\0\1"),
    ],
)
def test_a_member_outside_the_protocol_is_banned_and_comes_back(
    name: str, bytes_sent: bytes
) -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node) as peer:
                await node.recorder.until_up(MEMBER)
                peer.writer.write(bytes_sent)
                goodbye = await peer.read_until(FrameKind.GOODBYE)
                assert goodbye is not None and b"protocol" in goodbye.payload
            info = node.describe(MEMBER)
            assert info.bans == 1 and info.last_error is not None and name in info.last_error
            first: FrameKind | None = None
            async with asyncio.timeout(WAIT_S):
                while first is not FrameKind.HELLO:
                    # While it is banned it hears GOODBYE instead of HELLO.
                    async with raw_peer(node) as peer:
                        frame = await peer.read_frame()
                        first = frame.kind if frame is not None else None
                        if first is FrameKind.HELLO:
                            await node.recorder.until_up(MEMBER, 2)
            await check_is_well(node, friend)

    run(scenario())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"chain_id": Hash(b"x" * 32)}, b"another chain"), ({"protocol": 9}, b"protocol 9")],
)
def test_a_member_of_another_chain_or_protocol_is_told_so(
    changes: dict[str, object], reason: bytes
) -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node, hello=make_hello(**changes)) as peer:
                goodbye = await peer.read_until(FrameKind.GOODBYE)
                assert goodbye is not None and reason in goodbye.payload
            assert (MEMBER.public_key, True) not in node.recorder.events
            await check_is_well(node, friend)

    run(scenario())


def test_a_hello_that_does_not_decode_is_a_violation() -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            hello = dataclasses.replace(make_hello(), height=-1)
            assert HELLO.encode(hello)
            async with raw_peer(node, hello=hello) as peer:
                assert await peer.read_until(FrameKind.GOODBYE) is not None
            assert node.describe(MEMBER).bans == 1
            await check_is_well(node, friend)

    run(scenario())


def test_a_slow_reader_costs_a_bounded_queue_and_then_its_link() -> None:
    async def scenario() -> None:
        node, friend = make_pair(write_timeout_s=0.3, transactions_queue_bytes=4 << 20)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node):
                await node.recorder.until_up(MEMBER)
                for _ in range(60):
                    node.network.send(MEMBER.public_key, FrameKind.TX_BATCH, bytes(1 << 20))
                    await asyncio.sleep(0)
                info = node.describe(MEMBER)
                assert info.queued_bytes <= (4 << 20) + (1 << 20)
                assert info.dropped_frames > 0
                await check_is_well(node, friend)
                await node.recorder.until_down(MEMBER)
            assert node.describe(MEMBER).last_error is not None
            await check_is_well(node, friend)

    run(scenario())


def test_a_stuck_peer_with_a_full_consensus_queue_is_cut_off_not_skipped() -> None:
    async def scenario() -> None:
        node, friend = make_pair(consensus_queue_bytes=3 << 20)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node):
                await node.recorder.until_up(MEMBER)
                for _ in range(60):
                    node.network.send(MEMBER.public_key, FrameKind.CONSENSUS, bytes(1 << 20))
                    await asyncio.sleep(0)
                await node.recorder.until_down(MEMBER)
            await check_is_well(node, friend)

    run(scenario())


def test_a_flood_of_frames_is_dropped_over_the_rate_and_delays_nobody() -> None:
    async def scenario() -> None:
        rates = {**LIMITS.frame_rates, FrameKind.STATUS: (10.0, 50.0)}
        node, friend = make_pair(frame_rates=rates)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node) as peer:
                await node.recorder.until_up(MEMBER)
                for _ in range(5_000):
                    peer.send(FrameKind.STATUS, b"flood")
                peer.send(FrameKind.CONSENSUS, b"end of flood")
                await check_is_well(node, friend)
                await node.recorder.until(
                    lambda: b"end of flood" in [f[2] for f in node.recorder.frames]
                )
                floods = sum(payload == b"flood" for _, _, payload in node.recorder.frames)
                assert 50 <= floods < 200
                assert node.describe(MEMBER).dropped_frames == 5_000 - floods
                assert node.describe(MEMBER).state == "connected"

    run(scenario())


def test_a_flood_of_bytes_is_slowed_down_by_not_reading() -> None:
    async def scenario() -> None:
        node, friend = make_pair(read_bytes_per_s=4 << 20, read_burst_bytes=1 << 20)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node) as peer:
                await node.recorder.until_up(MEMBER)
                begin = asyncio.get_running_loop().time()
                for _ in range(3):
                    peer.send(FrameKind.TX_BATCH, bytes(1 << 20))
                await check_is_well(node, friend)
                await node.recorder.until(
                    lambda: sum(p == MEMBER.public_key for p, _, _ in node.recorder.frames) == 3
                )
                assert asyncio.get_running_loop().time() - begin > 0.4

    run(scenario())


def test_a_peer_that_falls_silent_is_noticed() -> None:
    async def scenario() -> None:
        node, friend = make_pair(ping_s=0.05, idle_timeout_s=0.3)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node):
                await node.recorder.until_up(MEMBER)
                await node.recorder.until_down(MEMBER)
            assert node.describe(MEMBER).last_error is not None
            # The friend answers pings, so it stays although it has nothing to say either.
            await check_is_well(node, friend)
            assert node.describe(friend.key).round_trip_ms is not None

    run(scenario())


def test_a_second_link_of_the_same_run_replaces_the_first_without_a_gap() -> None:
    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            async with raw_peer(node) as first:
                await node.recorder.until_up(MEMBER)
                async with raw_peer(node) as second:
                    goodbye = await first.read_until(FrameKind.GOODBYE)
                    assert goodbye is not None and goodbye.payload == b"replaced"
                    node.network.send(MEMBER.public_key, FrameKind.STATUS, b"over the new one")
                    assert await second.read_until(FrameKind.STATUS) is not None
                    assert (MEMBER.public_key, False) not in node.recorder.events
            await check_is_well(node, friend)

    run(scenario())


def test_a_peer_that_restarted_is_believed_although_its_old_link_looks_alive() -> None:
    """Its machine lost power: no FIN came, our own dial would win, but the session is new."""

    async def scenario() -> None:
        node, friend = make_pair()
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            server = RawServer(MEMBER, session=b"old-run!")
            node.network.add_peer(await server.open(node))
            await node.recorder.until_up(MEMBER)
            hello = make_hello(session=b"new-run!")
            async with raw_peer(node, hello=hello, is_known=True) as peer:
                assert await peer.read_until(FrameKind.HELLO) is not None
                async with asyncio.timeout(WAIT_S):
                    while node.describe(MEMBER).direction != "inbound":  # noqa: ASYNC110  # silent
                        await asyncio.sleep(0)
                node.network.send(MEMBER.public_key, FrameKind.STATUS, b"to the new run")
                assert await peer.read_until(FrameKind.STATUS) is not None
            await server.close()
            await check_is_well(node, friend)

    run(scenario())


def test_a_link_that_its_peer_forgot_is_found_dead_when_the_peer_dials_again() -> None:
    async def scenario() -> None:
        node, friend = make_pair(probe_s=0.05)
        async with started(node, friend):
            await friend.recorder.until_up(node.key)
            server = RawServer(MEMBER, session=bytes(8))
            node.network.add_peer(await server.open(node))
            await node.recorder.until_up(MEMBER)
            async with raw_peer(node, is_known=True) as peer:
                goodbye = await peer.read_until(FrameKind.GOODBYE)
                assert goodbye is not None and goodbye.payload == b"duplicate"
            await node.recorder.until_down(MEMBER)
            assert node.describe(MEMBER).last_error == "forgotten-by-peer"
            await server.close()
            await check_is_well(node, friend)

    run(scenario())
