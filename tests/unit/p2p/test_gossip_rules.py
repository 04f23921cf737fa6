"""Gossip, rule by rule: what one node answers to one message."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.errors import FrameError
from p2p.frames import FrameKind
from p2p.gossip import (
    GOSSIP_KINDS,
    Action,
    Deliver,
    Gossip,
    Penalise,
    Send,
    Topic,
    compute_item_id,
)
from p2p.limits import GossipLimits, TopicLimits
from p2p.peers import Offence
from primitives.hashing import Address, Hash

OWN, ALICE, BOB, CAROL, DAVE = (Address(letter * 32) for letter in (b"o", b"a", b"b", b"c", b"d"))
FRESH, REPAIR = b"\x01", b"\x00"
VOTE_ID = compute_item_id(Topic.CONSENSUS, b"vote")
BATCH_ID = compute_item_id(Topic.TRANSACTIONS, b"batch")


def shrink(**changes: object) -> GossipLimits:
    plain = GossipLimits()
    topic = dataclasses.replace(plain.transactions, **changes)  # type: ignore[arg-type]  # test values
    return dataclasses.replace(plain, transactions=topic)


def make_gossip(*peers: Address, limits: GossipLimits | None = None) -> Gossip:
    """A node with links to ``peers``, whose first ticks are over."""
    gossip = Gossip(OWN, random.Random(1), limits)
    for peer in peers:
        gossip.on_peer(peer, True, 0.0)
    gossip.tick(0.0)
    return gossip


def get_sends(actions: list[Action], kind: FrameKind) -> list[tuple[Address, bytes]]:
    return [(a.peer, a.payload) for a in actions if isinstance(a, Send) and a.kind is kind]


def push(
    gossip: Gossip, peer: Address, payload: bytes = b"batch", now: float = 1.0
) -> list[Action]:
    return gossip.on_message(peer, FrameKind.TX_BATCH, payload, now)


def announce(
    gossip: Gossip, peer: Address, ids: bytes, now: float = 1.0, mode: bytes = FRESH
) -> list[Action]:
    return gossip.on_message(peer, FrameKind.TX_ANNOUNCE, mode + ids, now)


def test_ids_are_hashes_of_topic_and_bytes() -> None:
    golden = "decbf6e3f197a055aa621761e51f8b0140a42d7a508daf7b47ec9b31ab51b2f4"
    assert VOTE_ID.hex() == golden
    assert compute_item_id(Topic.TRANSACTIONS, b"vote") != VOTE_ID


def test_the_origin_pushes_to_every_neighbour() -> None:
    gossip = make_gossip(ALICE, BOB)
    sends = gossip.publish(Topic.CONSENSUS, b"vote", 1.0)
    assert sends == [Send(peer, FrameKind.GOSSIP_CONSENSUS, b"vote") for peer in (ALICE, BOB)]


def test_our_own_payload_coming_back_is_not_delivered_to_us() -> None:
    gossip = make_gossip(ALICE)
    gossip.publish(Topic.TRANSACTIONS, b"batch", 1.0)
    assert push(gossip, ALICE) == []


def test_publishing_again_pushes_again_but_not_to_those_who_showed_that_they_have_it() -> None:
    gossip = make_gossip(ALICE, BOB)
    gossip.publish(Topic.TRANSACTIONS, b"batch", 1.0)
    announce(gossip, ALICE, BATCH_ID)
    assert gossip.publish(Topic.TRANSACTIONS, b"batch", 2.0) == [
        Send(BOB, FrameKind.TX_BATCH, b"batch")
    ]


def test_a_payload_is_delivered_once_and_relayed_only_after_it_was_accepted() -> None:
    gossip = make_gossip(ALICE, BOB)
    assert push(gossip, ALICE) == [Deliver(Topic.TRANSACTIONS, ALICE, BATCH_ID, b"batch")]
    assert push(gossip, BOB) == []
    pulled = gossip.on_message(BOB, FrameKind.TX_PULL, BATCH_ID, 1.0)
    assert pulled == [], "what nobody judged is served to nobody"
    assert gossip.accept(BATCH_ID, 1.1) == [], "both hold it already"
    assert gossip.on_message(BOB, FrameKind.TX_PULL, BATCH_ID, 1.2) != []


def test_what_nobody_judged_is_not_announced_either() -> None:
    gossip = make_gossip(ALICE, BOB)
    push(gossip, ALICE)
    assert get_sends(gossip.tick(2.0), FrameKind.TX_ANNOUNCE) == []
    assert get_sends(gossip.on_peer(CAROL, True, 2.0), FrameKind.TX_ANNOUNCE) == []
    gossip.accept(BATCH_ID, 2.0)
    told = [peer for peer, _ in get_sends(gossip.tick(3.0), FrameKind.TX_ANNOUNCE)]
    assert CAROL in told and ALICE not in told


def test_an_ignored_payload_that_is_pushed_again_later_is_delivered_again() -> None:
    """A vote that came too early or found no room, and whose sender insists."""
    gossip = make_gossip(ALICE, BOB)
    push(gossip, ALICE, now=1.0)
    gossip.ignore(BATCH_ID)
    assert push(gossip, BOB, now=1.5) == []
    assert push(gossip, BOB, now=2.5) == [Deliver(Topic.TRANSACTIONS, BOB, BATCH_ID, b"batch")]


def test_a_vote_is_relayed_at_once_and_a_batch_by_its_id() -> None:
    gossip = make_gossip(ALICE, BOB)
    gossip.on_message(ALICE, FrameKind.GOSSIP_CONSENSUS, b"vote", 1.0)
    assert gossip.accept(VOTE_ID, 1.0) == [Send(BOB, FrameKind.GOSSIP_CONSENSUS, b"vote")]
    push(gossip, ALICE)
    assert gossip.accept(BATCH_ID, 1.0) == [Send(BOB, FrameKind.TX_ANNOUNCE, FRESH + BATCH_ID)]


def test_nothing_is_relayed_to_a_neighbour_who_says_it_is_linked_to_the_sender() -> None:
    gossip = make_gossip(ALICE, BOB, CAROL)
    gossip.on_message(BOB, FrameKind.NEIGHBOURS, OWN + ALICE, 1.0)
    gossip.on_message(CAROL, FrameKind.NEIGHBOURS, OWN + DAVE, 1.0)
    gossip.on_message(ALICE, FrameKind.GOSSIP_CONSENSUS, b"vote", 1.0)
    assert [send.peer for send in gossip.accept(VOTE_ID, 1.0) if isinstance(send, Send)] == [CAROL]


def test_the_senders_own_claim_about_its_links_silences_nobody() -> None:
    gossip = make_gossip(ALICE, BOB)
    gossip.on_message(ALICE, FrameKind.NEIGHBOURS, OWN + BOB, 1.0)
    gossip.on_message(ALICE, FrameKind.GOSSIP_CONSENSUS, b"vote", 1.0)
    assert len(gossip.accept(VOTE_ID, 1.0)) == 1


def test_rejected_garbage_is_not_relayed_not_served_and_whoever_sends_it_pays() -> None:
    gossip = make_gossip(ALICE, BOB, CAROL)
    push(gossip, ALICE)
    assert gossip.reject(BATCH_ID, Offence.BAD_SIGNATURE, "forged") == [
        Penalise(ALICE, Offence.BAD_SIGNATURE, "forged")
    ]
    assert gossip.accept(BATCH_ID, 1.0) == []
    assert gossip.on_message(CAROL, FrameKind.TX_PULL, BATCH_ID, 1.0) == []
    (again,) = push(gossip, BOB)
    assert isinstance(again, Penalise) and again.peer == BOB
    assert announce(gossip, CAROL, BATCH_ID) == [], "and it is never asked for again"


def test_an_ignored_payload_is_neither_relayed_nor_asked_for_and_nobody_pays() -> None:
    gossip = make_gossip(ALICE, BOB)
    push(gossip, ALICE)
    gossip.ignore(BATCH_ID)
    assert gossip.accept(BATCH_ID, 1.0) == []
    assert push(gossip, BOB) == []
    assert announce(gossip, BOB, BATCH_ID) == []


def test_a_fresh_announcement_is_pulled_at_once_and_a_repair_after_the_grace() -> None:
    gossip = make_gossip(ALICE, BOB)
    assert announce(gossip, ALICE, BATCH_ID) == [Send(ALICE, FrameKind.TX_PULL, BATCH_ID)]
    patient = make_gossip(ALICE, BOB)
    grace_s = GossipLimits().transactions.grace_s
    assert announce(patient, ALICE, BATCH_ID, 1.0, REPAIR) == []
    assert get_sends(patient.tick(0.9 + grace_s), FrameKind.TX_PULL) == []
    assert get_sends(patient.tick(1.1 + grace_s), FrameKind.TX_PULL) == [(ALICE, BATCH_ID)]


def test_a_payload_that_comes_within_the_grace_is_not_pulled() -> None:
    gossip = make_gossip(ALICE, BOB)
    announce(gossip, ALICE, BATCH_ID, 1.0, REPAIR)
    push(gossip, BOB, now=1.5)
    assert get_sends(gossip.tick(10.0), FrameKind.TX_PULL) == []


def test_only_one_is_asked_at_a_time_and_the_next_when_it_does_not_answer() -> None:
    gossip = make_gossip(ALICE, BOB)
    timeout_s = GossipLimits().transactions.pull_timeout_s
    announce(gossip, ALICE, BATCH_ID)
    assert announce(gossip, BOB, BATCH_ID) == []
    assert get_sends(gossip.tick(0.9 + timeout_s), FrameKind.TX_PULL) == []
    assert get_sends(gossip.tick(1.1 + timeout_s), FrameKind.TX_PULL) == [(BOB, BATCH_ID)]
    assert get_sends(gossip.tick(9.0), FrameKind.TX_PULL) == [], "nobody is left to ask"
    assert announce(gossip, ALICE, BATCH_ID, 9.0) != [], "a new announcement starts anew"


def test_who_does_not_answer_is_asked_last_until_it_answers() -> None:
    gossip = make_gossip(ALICE, BOB)
    announce(gossip, ALICE, Hash(b"x" * 32))
    gossip.tick(9.0)
    announce(gossip, ALICE, BATCH_ID, 10.0, REPAIR)
    announce(gossip, BOB, BATCH_ID, 10.0, REPAIR)
    assert get_sends(gossip.tick(13.0), FrameKind.TX_PULL) == [(BOB, BATCH_ID)]
    assert get_sends(gossip.tick(16.0), FrameKind.TX_PULL) == [(ALICE, BATCH_ID)]
    push(gossip, ALICE, now=16.1)
    other = compute_item_id(Topic.TRANSACTIONS, b"other")
    announce(gossip, BOB, other, 17.0, REPAIR)
    announce(gossip, ALICE, other, 17.0, REPAIR)
    assert get_sends(gossip.tick(20.0), FrameKind.TX_PULL) == [(ALICE, other)]


def test_when_a_link_dies_what_was_asked_of_it_is_asked_of_another_at_once() -> None:
    gossip = make_gossip(ALICE, BOB)
    announce(gossip, ALICE, BATCH_ID)
    announce(gossip, BOB, BATCH_ID)
    gossip.on_peer(ALICE, False, 1.1)
    assert get_sends(gossip.tick(1.2), FrameKind.TX_PULL) == [(BOB, BATCH_ID)]


def test_a_peer_that_comes_up_is_told_of_recent_payloads_and_of_our_links() -> None:
    gossip = make_gossip(ALICE)
    gossip.publish(Topic.TRANSACTIONS, b"batch", 1.0)
    actions = gossip.on_peer(BOB, True, 2.0)
    assert get_sends(actions, FrameKind.NEIGHBOURS) == [(BOB, ALICE + BOB)]
    assert get_sends(actions, FrameKind.TX_ANNOUNCE) == [(BOB, REPAIR + BATCH_ID)]
    assert get_sends(gossip.tick(2.1), FrameKind.NEIGHBOURS) == [
        (ALICE, ALICE + BOB),
        (BOB, ALICE + BOB),
    ]


def test_old_payloads_are_neither_announced_nor_served_but_their_ids_are_remembered() -> None:
    gossip = make_gossip(ALICE)
    gossip.publish(Topic.TRANSACTIONS, b"batch", 1.0)
    later = 2.0 + GossipLimits().transactions.store_age_s
    gossip.tick(later)
    assert get_sends(gossip.on_peer(BOB, True, later), FrameKind.TX_ANNOUNCE) == []
    assert gossip.on_message(ALICE, FrameKind.TX_PULL, BATCH_ID, later) == []
    assert push(gossip, ALICE, now=later) == []


def test_a_stranger_to_gossip_is_not_heard() -> None:
    gossip = make_gossip(ALICE)
    assert push(gossip, BOB) == []
    assert push(gossip, ALICE) != []


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (FrameKind.NEIGHBOURS, b"short"),
        (FrameKind.TX_ANNOUNCE, b""),
        (FrameKind.TX_ANNOUNCE, b"\x02" + BATCH_ID),
        (FrameKind.TX_ANNOUNCE, FRESH + BATCH_ID[1:]),
        (FrameKind.TX_PULL, BATCH_ID + b"x"),
        (FrameKind.CONSENSUS_PULL, bytes(32 * 513)),
        (FrameKind.BLOCKS, b""),
    ],
)
def test_malformed_gossip_is_outside_the_protocol(kind: FrameKind, payload: bytes) -> None:
    gossip = make_gossip(ALICE)
    (action,) = gossip.on_message(ALICE, kind, payload, 1.0)
    assert isinstance(action, Penalise) and action.offence is Offence.PROTOCOL


@given(st.sampled_from(sorted(GOSSIP_KINDS)), st.binary(max_size=200))
def test_no_bytes_from_a_peer_raise(kind: FrameKind, payload: bytes) -> None:
    gossip = make_gossip(ALICE, BOB)
    gossip.on_message(ALICE, kind, payload, 1.0)
    gossip.tick(5.0)


def test_one_peers_unjudged_payloads_are_bounded_and_others_are_heard() -> None:
    gossip = make_gossip(ALICE, BOB, limits=shrink(pending_max=3, pending_bytes=1_000))
    taken = [push(gossip, ALICE, b"%d" % number) for number in range(5)]
    assert [isinstance(actions[0], Deliver) for actions in taken] == [True] * 3 + [False] * 2
    (last,) = taken[4]
    assert isinstance(last, Penalise) and last.offence is Offence.OVERLOAD
    assert isinstance(push(gossip, BOB, b"other")[0], Deliver)
    gossip.accept(compute_item_id(Topic.TRANSACTIONS, b"0"), 1.0)
    assert isinstance(push(gossip, ALICE, b"3")[0], Deliver)
    assert isinstance(push(gossip, BOB, bytes(1_000))[0], Penalise)


def test_what_the_node_forgets_to_judge_does_not_block_its_sender_for_ever() -> None:
    gossip = make_gossip(ALICE, limits=shrink(pending_max=1))
    push(gossip, ALICE, b"first")
    assert isinstance(push(gossip, ALICE, b"second")[0], Penalise)
    gossip.tick(100.0)
    assert isinstance(push(gossip, ALICE, b"second", 100.0)[0], Deliver)


def test_a_flood_of_announcements_fills_a_bounded_list_and_pulls_few_at_a_time() -> None:
    limits = shrink(wants_max=100, wants_per_peer_max=60, pulls_per_peer_max=10)
    gossip = make_gossip(ALICE, BOB, CAROL, limits=limits)
    lane = gossip._lanes[Topic.TRANSACTIONS]
    for seed, peer in ((1, ALICE), (2, BOB)):
        (pull,) = announce(gossip, peer, random.Random(seed).randbytes(32 * 50))
        assert isinstance(pull, Send) and len(pull.payload) == 10 * 32
        announce(gossip, peer, random.Random(seed + 10).randbytes(32 * 50))
    assert len(lane.wants) == 100
    # Two fill the list; a third is heard all the same.
    assert announce(gossip, CAROL, BATCH_ID) == [Send(CAROL, FrameKind.TX_PULL, BATCH_ID)]
    assert len(lane.wants) == 100
    for _ in range(200):
        gossip.tick(10.0)
        gossip.tick(20.0)
    for peer in (ALICE, BOB, CAROL):
        gossip.on_peer(peer, False, 30.0)
    assert len(lane.wants) == 0
    assert not lane.wants._charged and not lane.wants._asked


def test_stores_are_bounded_in_count_and_bytes() -> None:
    limits = shrink(seen_max=50, store_bytes=1_000)
    gossip = make_gossip(ALICE, limits=limits)
    lane = gossip._lanes[Topic.TRANSACTIONS]
    for number in range(500):
        payload = b"%0100d" % number
        push(gossip, ALICE, payload)
        gossip.accept(compute_item_id(Topic.TRANSACTIONS, payload), 1.0)
    assert len(lane.store) == 50
    assert lane.store.held_bytes == 1_000
    gossip.tick(1_000.0)
    assert len(lane.store) == 0
    assert lane.store.held_bytes == 0
    assert not lane.store._pending and not lane.store._pending_bytes


def test_serving_one_peer_is_bounded_in_bytes_a_second() -> None:
    limits = dataclasses.replace(GossipLimits(), serve_bytes_per_s=100.0)
    gossip = make_gossip(ALICE, limits=limits)
    ids = []
    for number in range(5):
        payload = b"%040d" % number
        ids.append(compute_item_id(Topic.TRANSACTIONS, payload))
        gossip.publish(Topic.TRANSACTIONS, payload, 1.0)
    assert len(gossip.on_message(ALICE, FrameKind.TX_PULL, b"".join(ids), 1.0)) == 2
    assert len(gossip.on_message(ALICE, FrameKind.TX_PULL, b"".join(ids), 3.0)) == 2


def test_links_beyond_the_bound_take_no_part() -> None:
    limits = dataclasses.replace(GossipLimits(), neighbours_max=1)
    gossip = make_gossip(ALICE, limits=limits)
    assert gossip.on_peer(BOB, True, 1.0) == []
    assert push(gossip, BOB) == []


def test_we_never_publish_what_no_peer_would_take() -> None:
    with pytest.raises(FrameError):
        make_gossip(ALICE).publish(Topic.TRANSACTIONS, bytes((1 << 20) + 1), 1.0)


def test_limits_of_both_topics_forget_ids_long_after_anyone_announces_them() -> None:
    """Else a payload could come back from the dead and travel round and round."""
    limits = GossipLimits()
    topics: tuple[TopicLimits, ...] = (limits.consensus, limits.transactions)
    for topic in topics:
        assert topic.seen_age_s >= 5 * topic.store_age_s
        assert topic.grace_s > topic.repair_s
    assert Hash(VOTE_ID) == VOTE_ID


def test_what_is_released_is_neither_announced_nor_served_nor_delivered_again() -> None:
    gossip = make_gossip(ALICE, BOB)
    for number, now in ((1, 1.0), (2, 2.0)):
        vote = b"vote %d" % number
        assert gossip.on_message(ALICE, FrameKind.GOSSIP_CONSENSUS, vote, now)
        gossip.accept(compute_item_id(Topic.CONSENSUS, vote), now)
    old, young = (compute_item_id(Topic.CONSENSUS, b"vote %d" % number) for number in (1, 2))
    gossip.release(Topic.CONSENSUS, 2.0)
    announced = b"".join(
        payload
        for tick in range(20)
        for _, payload in get_sends(gossip.tick(3.0 + tick / 4), FrameKind.CONSENSUS_ANNOUNCE)
    )
    assert young in announced
    assert old not in announced
    served = gossip.on_message(BOB, FrameKind.CONSENSUS_PULL, old + young, 9.0)
    assert get_sends(served, FrameKind.GOSSIP_CONSENSUS) == [(BOB, b"vote 2")]
    again = gossip.on_message(BOB, FrameKind.GOSSIP_CONSENSUS, b"vote 1", 9.5)
    assert not [action for action in again if isinstance(action, Deliver)]


def test_release_of_one_topic_leaves_the_other() -> None:
    gossip = make_gossip(ALICE, BOB)
    push(gossip, ALICE)
    gossip.accept(BATCH_ID, 1.0)
    gossip.release(Topic.CONSENSUS, 100.0)
    served = gossip.on_message(BOB, FrameKind.TX_PULL, BATCH_ID, 1.5)
    assert get_sends(served, FrameKind.TX_BATCH) == [(BOB, b"batch")]
