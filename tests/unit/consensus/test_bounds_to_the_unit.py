"""Every bound of the core at one below, at, and one above; the numbers are the design's.

Bounds are written out here: a test that read them from consensus/bounds.py would pass with
any value in it.
"""

from __future__ import annotations

import pytest

from consensus import bounds
from consensus.departures import Cause, Departure, Departures
from consensus.effects import Accuse, Broadcast, SetTimer, TimerName
from consensus.height import HeightState, Leading
from consensus.inbox import FutureBox, PeerTable, PeerView
from consensus.messages import EvidenceMessage, VerifiedVote, Vote, encode_message
from consensus.pacing import Pacing
from consensus.verification import Verifier
from consensus.votes import VoteBook
from primitives.certificate import Phase
from primitives.hashing import ZERO_HASH, Address, Hash
from primitives.params import ChainParams
from tests.unit.consensus.harness import CHAIN, NOW, Bench, hash_of, only

MIB = 1024 * 1024


def address(number: int) -> Address:
    return Address(number.to_bytes(32, "big"))


def vote(
    view: int, signer: int = 0, phase: Phase = Phase.PREPARE, block: str = "b"
) -> VerifiedVote:
    exec_hash = ZERO_HASH if phase is Phase.PREPARE else hash_of("state")
    return VerifiedVote(
        Vote(int(phase), 1, view, hash_of(block), exec_hash, signer, b"%064d" % signer)
    )


def test_the_bounds_are_those_of_the_design() -> None:
    assert {name: value for name, value in vars(bounds).items() if name.isupper()} == {
        "STATUS_INTERVAL_MS": 1_000,
        "VIEWS_KEPT_MAX": 4,
        "PROPOSALS_KEPT_MAX": 16,
        "FUTURE_MESSAGES_PER_PEER_MAX": 512,
        "FUTURE_BYTES_PER_PEER_MAX": 4 * MIB,
        "PEERS_KEPT_MAX": 256,
        "SIGNATURES_KEPT_MAX": 4_096,
        "REPAIR_GAP_MS": 200,
        "DEPARTURES_KEPT_MAX": 16,
        "EVIDENCE_KEPT_MAX": 128,
    }


# -- early messages ------------------------------------------------------------------------------


def test_a_link_has_room_for_512_early_messages_and_no_more() -> None:
    box = FutureBox()
    assert [box.add(address(1), b"%d" % number) for number in range(513)] == [True] * 512 + [False]
    assert box.held == 512


def test_a_link_has_room_for_4_mib_of_early_messages_to_the_byte() -> None:
    for last, fits in ((MIB, True), (MIB + 1, False), (MIB - 1, True)):
        box = FutureBox()
        assert all(box.add(address(1), bytes([n]) * MIB) for n in range(3))
        assert box.add(address(1), b"\xff" * last) is fits


def test_only_large_messages_are_counted_by_the_byte() -> None:
    # 512 messages of 4 KiB are half of the room, so small ones need no sum: up to 4,096 bytes.
    for size, fits in ((4_096, True), (4_097, False)):
        box = FutureBox()
        assert all(box.add(address(1), bytes([n]) * MIB) for n in range(4))
        assert box.add(address(1), b"\xff" * size) is fits


def test_256_links_have_a_place_for_early_messages_and_keep_it() -> None:
    box = FutureBox()
    assert [box.add(address(n), b"a") for n in range(257)] == [True] * 256 + [False]
    assert box.held == 256
    assert box.add(address(255), b"b") and box.add(address(0), b"b")
    assert [peer for peer, _ in box.take_all()] == [
        peer for n in range(256) for peer in [address(n)] * (2 if n in (0, 255) else 1)
    ]


# -- links ---------------------------------------------------------------------------------------


def test_a_link_we_know_nothing_of_has_said_nothing() -> None:
    assert PeerView() == PeerView(height=0, view=0, heard_at_ms=0, last_error="")
    table = PeerTable()
    table.blame(address(1), "why")
    assert table.get_all() == {address(1): PeerView(0, 0, 0, "why")}
    table.hear(address(1), 5, 2, NOW)
    table.hear(address(2), 6, 3, NOW + 1)
    table.blame(address(2), "y" * 201)
    assert table.get_all() == {
        address(1): PeerView(5, 2, NOW, "why"),
        address(2): PeerView(6, 3, NOW + 1, "y" * 200),
    }
    assert table.held == 2


def test_256_links_are_remembered_and_the_one_silent_longest_gives_way() -> None:
    table = PeerTable()
    for number in range(256):
        table.hear(address(number), number, 0, NOW)
    # One that is known already costs nobody a place and is now the youngest.
    for number in (3, 0):
        table.hear(address(number), 7, 0, NOW)
        assert len(table.get_all()) == 256
    table.hear(address(256), 8, 0, NOW)
    known = table.get_all()
    assert len(known) == 256
    assert known[address(0)].height == 7 and known[address(256)].height == 8
    assert address(1) not in known and address(2) in known


def test_1024_answers_are_remembered_and_the_oldest_gives_way() -> None:
    table = PeerTable()
    for number in range(1_024):
        assert table.may_answer(address(number), "status", NOW)
    assert table.held == 1_024
    # One that is answered again costs nobody a place and is now the youngest.
    for number in (5, 0):
        assert table.may_answer(address(number), "status", NOW + 200)
        assert table.held == 1_024
    assert table.may_answer(address(1_024), "status", NOW + 200)
    assert table.held == 1_024
    assert not table.may_answer(address(0), "status", NOW + 200)
    assert not table.may_answer(address(2), "status", NOW + 199)
    assert table.may_answer(address(1), "status", NOW + 199)


def test_a_link_is_answered_again_after_200_ms_and_for_each_kind_apart() -> None:
    table = PeerTable()
    assert table.may_answer(address(1), "repair", NOW)
    assert not table.may_answer(address(1), "repair", NOW + 199)
    assert table.may_answer(address(1), "repair", NOW + 200)
    assert table.may_answer(address(1), "status", NOW + 200)
    assert table.may_answer(address(2), "repair", NOW + 200)
    assert table.held == 3


# -- votes ---------------------------------------------------------------------------------------


def test_a_signer_has_places_for_its_four_highest_views_and_only_its_own_give_way() -> None:
    book = VoteBook()
    for phase in (Phase.PREPARE, Phase.COMMIT):
        for view in (7, 5, 6, 8):
            assert book.add(vote(view, 0, phase)) and book.add(vote(view, 1, phase))
    assert book.held == 16
    # A fifth view takes the place of the lowest, which is neither the first nor the last come.
    assert book.add(vote(9, 0))
    assert book.get_views(Phase.PREPARE) == [9, 8, 7, 6, 5]
    assert [item.signer for item in book.get_votes(5, Phase.PREPARE)] == [1]
    assert [item.signer for item in book.get_votes(5, Phase.COMMIT)] == [1]
    assert [item.signer for item in book.get_votes(6, Phase.PREPARE)] == [0, 1]
    assert book.held == 15
    assert not book.add(vote(5, 0)) and not book.add(vote(0, 0))
    assert book.held == 15
    # When nobody's vote is left there, nothing is.
    assert book.add(vote(9, 1)) and book.add(vote(9, 1, Phase.COMMIT))
    assert book.get_views(Phase.PREPARE) == [9, 8, 7, 6]
    assert book.get_views(Phase.COMMIT) == [9, 8, 7, 6]
    assert book.get_votes(5, Phase.PREPARE) == []


def test_the_views_of_a_phase_are_those_with_votes_of_it() -> None:
    book = VoteBook()
    book.add(vote(3))
    book.add(vote(2, 1, Phase.COMMIT))
    assert (book.get_views(Phase.PREPARE), book.get_views(Phase.COMMIT)) == ([3], [2])


@pytest.mark.parametrize("quorum", [1, 3, 5])
def test_a_certificate_holds_exactly_a_quorum_of_one_tuple_with_the_lowest_signers(
    quorum: int,
) -> None:
    book = VoteBook()
    assert book.find_certificate(2, Phase.PREPARE, quorum) is None
    others = [vote(2, 9, block="other"), vote(2, 8, block="third")]
    mine = [vote(2, signer) for signer in range(quorum + 1, 0, -1)]
    for item in [*others, *mine[:-2]]:
        book.add(item)
    # Together with the votes for other blocks there are enough, and it is no certificate.
    if quorum > 1:
        assert book.find_certificate(2, Phase.PREPARE, quorum) is None
    book.add(mine[-2])
    found = book.find_certificate(2, Phase.PREPARE, quorum)
    assert found is not None
    assert (found.height, found.view, found.block_hash) == (1, 2, hash_of("b"))
    book.add(mine[-1])
    found = book.find_certificate(2, Phase.PREPARE, quorum)
    assert found is not None
    assert found.signers == tuple(range(1, quorum + 1))
    assert found.signatures == tuple(b"%064d" % signer for signer in range(1, quorum + 1))
    assert book.find_certificate(2, Phase.COMMIT, quorum) is None
    assert book.get_bitmap(2, Phase.PREPARE) == sum(1 << n for n in [*range(1, quorum + 2), 8, 9])


# -- signatures, departures, accused ---------------------------------------------------------------


def test_4096_signatures_are_remembered_and_the_oldest_gives_way() -> None:
    checked: list[bytes] = []
    verifier = Verifier(CHAIN, lambda key, message, signature: checked.append(message) is None)
    for number in range(4_096):
        verifier.is_signed(b"k", b"%d" % number, b"s")
    verifier.is_signed(b"k", b"0", b"s")
    assert (len(checked), verifier.held) == (4_096, 4_096)
    verifier.is_signed(b"k", b"new", b"s")
    verifier.is_signed(b"k", b"1", b"s")
    assert (len(checked), verifier.held) == (4_097, 4_096)
    verifier.is_signed(b"k", b"0", b"s")
    assert (len(checked), verifier.held) == (4_098, 4_096)


def test_16_views_that_were_left_and_16_reasons_are_kept() -> None:
    departures = Departures()
    for view in range(16):
        departures.note_turned_down(view, f"{view}" + "x" * 300)
    assert departures.held == 16
    departures.note_turned_down(3, "again")
    assert departures.held == 16 and departures.get_turned_down(0) != ""
    departures.note_turned_down(16, "the seventeenth")
    assert departures.held == 16
    assert departures.get_turned_down(0) == ""
    assert departures.get_turned_down(1) == "1" + "x" * 199
    assert departures.get_turned_down(3) == "again"
    assert departures.get_turned_down(16) == "the seventeenth"
    for number in range(17):
        departures.note(100 + number, 101 + number, Cause.TIMEOUT, NOW, "y" * 201)
    assert [item.view for item in departures] == list(range(100, 116))
    assert [item.detail for item in departures] == ["y" * 200] * 16


def test_a_time_out_after_a_proposal_was_turned_down_is_a_refusal_and_nothing_else_is() -> None:
    departures = Departures()
    departures.note_turned_down(1, "why")
    departures.note(0, 1, Cause.TIMEOUT, NOW)
    departures.note(1, 2, Cause.TIMEOUT, NOW + 1, "lost")
    departures.note(1, 3, Cause.FOLLOWED, NOW + 2)
    departures.note(3, 4, Cause.FOLLOWED, NOW + 3, "kept")
    assert list(departures) == [
        Departure(0, 1, Cause.TIMEOUT, "", NOW),
        Departure(1, 2, Cause.REFUSED, "why", NOW + 1),
        Departure(1, 3, Cause.FOLLOWED, "", NOW + 2),
        Departure(3, 4, Cause.FOLLOWED, "kept", NOW + 3),
    ]


def test_128_accused_validators_are_remembered_and_each_is_told_once() -> None:
    bench = Bench()
    replica = bench.replica
    for number in range(128):
        replica._publish_evidence(address(number), b"e%d" % number)
    told = replica._take_effects()
    assert only(told, Accuse) == [Accuse(address(n), b"e%d" % n) for n in range(128)]
    assert len(only(told, Broadcast)) == 128
    replica._publish_evidence(address(0), b"e0")
    assert replica._take_effects() == []
    replica._publish_evidence(address(128), b"e128")
    replica._publish_evidence(address(1), b"e1")
    assert len(replica._take_effects()) == 2
    assert len(replica._accused) == 128
    replica._publish_evidence(address(0), b"e0")
    words = Broadcast(encode_message(EvidenceMessage(b"e0")))
    assert replica._take_effects() == [Accuse(address(0), b"e0"), words]


# -- proposals -----------------------------------------------------------------------------------


def test_16_proposals_are_kept_and_the_block_a_leader_must_propose_again_stays() -> None:
    bench = Bench()
    state = HeightState(bench.rules, 3)
    chosen = bench.proposal(ids=("chosen",))
    second = bench.proposal(ids=("second",))
    for item in (chosen, second):
        state.keep_proposal(item)
    certificate = bench.certificate((0, 1, 2), Phase.PREPARE, 0, chosen.block_hash)
    state.leading = Leading(1, (), certificate)
    for number in range(14):
        state.keep_proposal(bench.proposal(ids=(f"{number}",)))
    assert len(state.proposals) == 16 and second.block_hash in state.proposals
    # One that is known already costs nobody a place, and stays as old as it is.
    state.keep_proposal(second)
    assert len(state.proposals) == 16
    kept = (state.bodies, state.refused, state.executions, state.fetching)
    for block in (chosen.block_hash, second.block_hash):
        state.bodies[block] = state.fetching[block] = None
        state.refused[block], state.executions[block] = "why", hash_of("state")
    state.keep_proposal(bench.proposal(ids=("one more",)))
    assert len(state.proposals) == 16
    assert chosen.block_hash in state.proposals and second.block_hash not in state.proposals
    assert [list(item) for item in kept] == [[chosen.block_hash]] * 4
    # A leader that owes a free block holds on to nothing.
    state.leading = Leading(2, (), None)
    state.keep_proposal(bench.proposal(ids=("and another",)))
    assert chosen.block_hash not in state.proposals


def test_what_is_held_is_counted_once_each() -> None:
    bench = Bench()
    state = HeightState(bench.rules, 3)
    state.votes.add(vote(0))
    for signer in range(2):
        state.view_changes.add(bench.replica._verifier.verify_view_change(
            bench.view_change(signer, 1), 0, bench.validators
        ))  # fmt: skip
    blocks = [hash_of(f"{n}") for n in range(7)]
    for number in range(3):
        state.keep_proposal(bench.proposal(ids=(f"{number}",)))
    state.bodies = dict.fromkeys(blocks[:4])
    state.refused = dict.fromkeys(blocks[:5], "why")
    state.executions = {block: Hash(block) for block in blocks[:6]}
    state.fetching = dict.fromkeys(blocks[:7])
    for view in range(8):
        state.departures.note_turned_down(view, "why")
    assert state.count_held() == 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8


def test_a_replica_counts_everything_that_peers_made_it_keep() -> None:
    bench = Bench()
    replica = bench.replica
    before = replica.count_held()
    peer = bench.keys[0].public_key
    replica._future.add(peer, b"early")
    assert replica.count_held() == before + 1
    replica._peers.blame(peer, "why")
    replica._peers.may_answer(peer, "status", NOW)
    assert replica.count_held() == before + 3
    replica._accused[peer] = 0
    assert replica.count_held() == before + 4
    assert replica._verifier.is_signed(peer, b"m", bench.keys[0].sign(b"m"))
    assert replica.count_held() == before + 5


# -- time ----------------------------------------------------------------------------------------


def test_the_block_time_is_smoothed_by_an_eighth_and_sets_the_time_out_fourfold() -> None:
    params = ChainParams(timeout_base_ms=50, timeout_max_ms=600_000)
    pacing = Pacing()
    assert pacing.compute_timeout(0, params) == 50
    expected = []
    smoothed = 800
    pacing.observe(800)
    for observed in (1_600, 1_600, 80, 80, 807):
        pacing.observe(observed)
        smoothed += (observed - smoothed) // 8
        expected.append(smoothed)
        assert pacing.compute_timeout(0, params) == 4 * smoothed
        assert pacing.compute_timeout(3, params) == 4 * smoothed * 8
    assert expected[:2] == [900, 987]  # by hand: 800 + 100, 900 + 87


def test_a_time_out_doubles_with_each_view_up_to_the_twentieth() -> None:
    params = ChainParams(timeout_base_ms=1, timeout_max_ms=1 << 30)
    timeouts = [Pacing().compute_timeout(view, params) for view in (0, 1, 19, 20, 21, 1_000)]
    assert timeouts == [1, 2, 1 << 19, 1 << 20, 1 << 20, 1 << 20]


@pytest.mark.parametrize(("base_ms", "interval_ms"), [(999, 999), (1_000, 1_000), (1_001, 1_000)])
def test_a_status_is_said_every_second_or_every_time_out_if_that_is_shorter(
    base_ms: int, interval_ms: int
) -> None:
    bench = Bench(params=ChainParams(timeout_base_ms=base_ms, epoch_blocks=10))
    effects = bench.replica.expire(TimerName.STATUS, NOW + 5_000)
    assert only(effects, SetTimer) == [SetTimer(TimerName.STATUS, NOW + 5_000 + interval_ms)]
