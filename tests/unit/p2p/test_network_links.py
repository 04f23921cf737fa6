"""Links between honest nodes over real sockets: one a pair, in priority, back after a fall."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
import uvloop

from p2p.carrier import TlsCarrier
from p2p.errors import FrameError, NetworkError, PeerAddressError
from p2p.frames import FrameKind
from p2p.peers import Offence
from p2p.tls import make_certificate
from tests.unit.p2p.loopback import (
    KEYS,
    LIMITS,
    SHORT_BANS,
    WAIT_S,
    Node,
    make_address,
    run,
    started,
)


async def converse(one: Node, nodes: list[Node]) -> None:
    """Send to everyone, again when links change meanwhile, until everyone has heard."""
    others = [node for node in nodes if node is not one]

    def has_heard(node: Node) -> bool:
        return one.key.public_key in [peer for peer, _, _ in node.recorder.frames]

    while not all(map(has_heard, others)):
        changes = len(one.recorder.events)
        one.network.broadcast(FrameKind.CONSENSUS, b"do you hear me")
        for node in others:
            await node.recorder.until(
                lambda node=node, changes=changes: (
                    has_heard(node) or len(one.recorder.events) > changes
                )
            )


def test_four_nodes_that_all_dial_at_once_end_with_one_link_a_pair() -> None:
    async def scenario() -> None:
        limits = dataclasses.replace(LIMITS, yield_s=0.0)
        nodes = [Node(key, limits) for key in KEYS[:4]]
        async with started(*nodes):
            for one in nodes:
                for other in nodes:
                    if one is not other:
                        await one.recorder.until_up(other.key)
            # A frame through every link proves that the two ends agree on which it is.
            for one in nodes:
                await converse(one, nodes)
            for one in nodes:
                assert len(one.network.connected) == 3
                for other in nodes:
                    if one is not other:
                        here, there = one.describe(other.key), other.describe(one.key)
                        assert {here.direction, there.direction} == {"inbound", "outbound"}

    run(scenario())


def test_what_is_sent_arrives_whole_and_in_order_up_to_the_largest_frame() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0]), Node(KEYS[1])
        async with started(one, other):
            await one.recorder.until_up(other.key)
            largest = bytes(FrameKind.BLOCKS.payload_bytes_max)
            payloads = [b"first", largest, b"last"]
            for payload in payloads:
                assert one.network.send(other.key.public_key, FrameKind.BLOCKS, payload)
            await other.recorder.until(lambda: len(other.recorder.frames) == 3)
            assert [payload for _, _, payload in other.recorder.frames] == payloads
            assert other.recorder.frames[0][:2] == (one.key.public_key, FrameKind.BLOCKS)

    run(scenario())


def test_a_vote_overtakes_a_queue_of_transactions() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0]), Node(KEYS[1])
        async with started(one, other):
            await one.recorder.until_up(other.key)
            for _ in range(12):
                one.network.send(other.key.public_key, FrameKind.TX_BATCH, bytes(1 << 20))
            one.network.send(other.key.public_key, FrameKind.CONSENSUS, b"vote")
            await other.recorder.until(lambda: len(other.recorder.frames) == 13)
            kinds = [kind for _, kind, _ in other.recorder.frames]
            assert kinds.index(FrameKind.CONSENSUS) == 0

    run(scenario())


def test_a_peer_that_restarts_is_linked_again_at_once_by_its_new_session() -> None:
    async def scenario() -> None:
        stays, falls = Node(KEYS[0]), Node(KEYS[1])
        async with started(stays):
            for _ in range(2):
                async with started(falls, introduce=False):
                    falls.network.add_peer(make_address(stays.key, stays))
                    stays.network.add_peer(make_address(falls.key, falls))
                    await falls.recorder.until_up(stays.key)
                await stays.recorder.until_down(falls.key)
                falls = Node(KEYS[1])
            ups = [up for _, up in stays.recorder.events]
            assert ups == [True, False, True, False]
            assert stays.describe(falls.key).last_error == "goodbye: shutting-down"

    run(scenario())


def test_the_lower_keys_dial_is_made_again_when_the_other_comes_late() -> None:
    async def scenario() -> None:
        early, late = Node(KEYS[0]), Node(KEYS[1])
        async with started(late, introduce=False):
            address = make_address(late.key, late)
        # Nobody listens there now: the dial fails and backs off until the port is open.
        async with started(early):
            early.network.add_peer(address)
            late = Node(KEYS[1], port=address.port)
            async with started(late, introduce=False):
                late.network.add_peer(make_address(early.key, None))
                await late.recorder.until_up(early.key)
                await early.recorder.until_up(late.key)
                assert early.describe(late.key).direction == "outbound"

    run(scenario())


def test_a_member_that_answers_in_anothers_place_is_not_taken_for_it() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0]), Node(KEYS[1])
        async with started(one, other):
            await one.recorder.until_up(other.key)
            one.network.add_peer(make_address(KEYS[2], other))
            async with asyncio.timeout(WAIT_S):
                # Nothing tells the node of a link that never came up.
                while one.describe(KEYS[2]).last_error != "another-node-answered":  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert one.network.connected == [other.key.public_key]
            assert one.recorder.events == [(other.key.public_key, True)]

    run(scenario())


def test_an_expelled_node_is_cut_off_and_an_admitted_one_comes_in() -> None:
    async def scenario() -> None:
        one, other, third = Node(KEYS[0]), Node(KEYS[1]), Node(KEYS[2])
        async with started(one, other):
            await one.recorder.until_up(other.key)
            await other.recorder.until_up(one.key)
            one.network.remove_peer(other.key.public_key)
            assert isinstance(one.network._carrier, TlsCarrier)
            assert one.network._carrier._get_contexts().server.cert_store_stats()["x509"] == 0
            await other.recorder.until_down(one.key)
            assert one.network.connected == []
            assert not one.network.send(other.key.public_key, FrameKind.STATUS, b"")
            async with started(third, introduce=False):
                third.network.add_peer(make_address(one.key, one))
                one.network.add_peer(make_address(third.key, None))
                await one.recorder.until_up(third.key)
            # The one that was expelled keeps dialling: its key must fail in the handshake.
            assert isinstance(one.network._carrier, TlsCarrier)
            assert one.network._carrier._get_contexts().server.cert_store_stats()["x509"] == 1
            one.network.add_peer(make_address(other.key, other))
            await one.recorder.until_up(other.key, count=2)

    run(scenario())


def test_reports_close_the_link_by_grade_and_the_peer_is_back_after_its_ban() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0], bans=SHORT_BANS), Node(KEYS[1], bans=SHORT_BANS)
        async with started(one, other):
            await one.recorder.until_up(other.key)
            await other.recorder.until_up(one.key)
            one.network.report(other.key.public_key, Offence.OVERLOAD, "busy")
            assert one.network.connected == [other.key.public_key]
            one.network.report(other.key.public_key, Offence.BAD_SIGNATURE, "forged vote")
            assert one.network.connected == []
            info = one.describe(other.key)
            assert info.state == "banned" and info.banned_s is not None and info.bans == 1
            assert info.last_error == "bad-signature: forged vote"
            await one.recorder.until_up(other.key, count=2)
            assert one.describe(other.key).state == "connected"

    run(scenario())


def test_our_own_bug_in_the_handler_costs_one_link_and_no_more() -> None:
    async def scenario() -> None:
        one, other, third = Node(KEYS[0]), Node(KEYS[1]), Node(KEYS[2])
        async with started(one, other, third):
            await one.recorder.until_up(other.key)
            await one.recorder.until_up(third.key)
            await other.recorder.until_up(one.key)
            one.recorder.fail_on = b"poison"
            other.network.send(one.key.public_key, FrameKind.CONSENSUS, b"poison")
            await one.recorder.until_down(other.key)
            assert (third.key.public_key, False) not in one.recorder.events
            await one.recorder.until_up(other.key, count=2)

    run(scenario())


def test_a_clean_shutdown_says_goodbye_and_leaves_no_task() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0]), Node(KEYS[1])
        before = asyncio.all_tasks()
        async with started(one, other):
            await one.recorder.until_up(other.key)
            await other.recorder.until_up(one.key)
            one.network.send(other.key.public_key, FrameKind.CONSENSUS, b"last words")
        assert asyncio.all_tasks() == before
        assert (other.key.public_key, False) in one.recorder.events
        assert one.describe(other.key).state != "connected"

    run(scenario())


def test_frames_queued_before_a_shutdown_still_arrive() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0]), Node(KEYS[1])
        async with started(one):
            async with started(other, introduce=False):
                one.network.add_peer(make_address(other.key, other))
                other.network.add_peer(make_address(one.key, one))
                await other.recorder.until_up(one.key)
                other.network.send(one.key.public_key, FrameKind.CONSENSUS, b"last words")
            await one.recorder.until_down(other.key)
            assert [payload for _, _, payload in one.recorder.frames] == [b"last words"]

    run(scenario())


def test_links_work_the_same_on_uvloop() -> None:
    async def scenario() -> None:
        one, other = Node(KEYS[0]), Node(KEYS[1])
        async with started(one, other):
            await one.recorder.until_up(other.key)
            await other.recorder.until_up(one.key)
            one.network.send(other.key.public_key, FrameKind.BLOCKS, bytes(3_000_000))
            await other.recorder.until(lambda: len(other.recorder.frames) == 1)
            one.network.report(other.key.public_key, Offence.PROTOCOL, "x")
            await other.recorder.until_down(one.key)

    uvloop.run(asyncio.wait_for(scenario(), 30))


def test_the_operators_mistakes_are_named() -> None:
    async def scenario() -> None:
        one = Node(KEYS[0])
        with pytest.raises(NetworkError, match="already"):
            one.network.attach(one.recorder)
        async with started(one):
            second = Node(KEYS[1], port=one.network.listening[1])
            with pytest.raises(NetworkError, match="cannot listen"):
                await second.network.__aenter__()
            stolen = dataclasses.replace(
                make_address(KEYS[2], one), certificate=make_certificate(KEYS[3])
            )
            with pytest.raises(PeerAddressError):
                one.network.add_peer(stolen)
            with pytest.raises(FrameError):
                one.network.broadcast(FrameKind.TX_BATCH, bytes(2 << 20))
            with pytest.raises(FrameError):
                one.network.broadcast(FrameKind.PING, b"")

    run(scenario())
