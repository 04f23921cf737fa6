"""Frames: golden bytes, bounds before buffering, any cut of the stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.errors import FrameError
from p2p.frames import (
    CONTROL_KINDS,
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    Frame,
    FrameKind,
    FrameParser,
    Lane,
    decode_request,
    encode_frame,
    encode_request,
)

BODY_KINDS = [kind for kind in FrameKind if kind is not FrameKind.HELLO]


def make_stream(frames: list[Frame]) -> bytes:
    return b"".join(encode_frame(frame.kind, frame.payload) for frame in frames)


def test_the_layout_is_length_kind_payload() -> None:
    assert encode_frame(FrameKind.GOSSIP_CONSENSUS, b"vote").hex() == "0000000412" + b"vote".hex()


def test_numbers_of_kinds_never_change() -> None:
    assert {kind.name: int(kind) for kind in FrameKind} == {
        "HELLO": 1,
        "PING": 2,
        "PONG": 3,
        "GOODBYE": 4,
        "CONSENSUS": 16,
        "STATUS": 17,
        "GOSSIP_CONSENSUS": 18,
        "CONSENSUS_ANNOUNCE": 19,
        "CONSENSUS_PULL": 20,
        "NEIGHBOURS": 21,
        "GET_BODY": 32,
        "BODY": 33,
        "GET_BLOCKS": 34,
        "BLOCKS": 35,
        "GET_SNAPSHOT": 36,
        "SNAPSHOT": 37,
        "GET_CHUNK": 38,
        "CHUNK": 39,
        "GET_EPOCHS": 40,
        "EPOCHS": 41,
        "TX_BATCH": 64,
        "TX_ANNOUNCE": 65,
        "TX_PULL": 66,
    }


def test_votes_travel_before_blocks_and_blocks_before_transactions() -> None:
    assert FrameKind.STATUS.lane is Lane.CONSENSUS
    assert FrameKind.BLOCKS.lane is Lane.BLOCKS
    assert FrameKind.TX_PULL.lane is Lane.TRANSACTIONS
    assert all(kind.lane is Lane.CONSENSUS for kind in CONTROL_KINDS)


def test_every_kind_has_a_bound() -> None:
    assert set(PAYLOAD_BYTES_MAX) == set(FrameKind)
    for kind in FrameKind:
        assert kind.payload_bytes_max == PAYLOAD_BYTES_MAX[kind] > 0


def test_we_never_send_more_than_the_bound() -> None:
    with pytest.raises(FrameError):
        encode_frame(FrameKind.PING, bytes(9))


@given(
    st.lists(st.tuples(st.sampled_from(BODY_KINDS), st.binary(max_size=8)), max_size=20),
    st.data(),
)
def test_any_cut_of_the_stream_gives_the_same_frames(
    content: list[tuple[FrameKind, bytes]], data: st.DataObject
) -> None:
    frames = [Frame(FrameKind.HELLO, b"hi")] + [Frame(kind, body) for kind, body in content]
    stream = make_stream(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    parser = FrameParser()
    got: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += parser.feed(stream[start:end])
    assert got == frames
    assert parser.violation is None
    assert parser.buffered_bytes == 0


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_is_refused_or_waits_but_never_raises(garbage: bytes, step: int) -> None:
    parser = FrameParser()
    for start in range(0, len(garbage), step):
        parser.feed(garbage[start : start + step])
    largest = HEADER_BYTES + PAYLOAD_BYTES_MAX[FrameKind.HELLO]
    assert parser.buffered_bytes <= largest


@pytest.mark.parametrize("kind", BODY_KINDS)
def test_oversize_is_refused_at_the_header_before_a_byte_of_payload(kind: FrameKind) -> None:
    parser = FrameParser(awaits_hello=False)
    header = (kind.payload_bytes_max + 1).to_bytes(4, "big") + bytes((kind,))
    assert parser.feed(header) == []
    assert parser.violation is not None and parser.violation.code == "oversize"
    assert parser.buffered_bytes == 0


@pytest.mark.parametrize("kind", BODY_KINDS)
def test_the_largest_payload_of_each_kind_passes(kind: FrameKind) -> None:
    parser = FrameParser(awaits_hello=False)
    frame = encode_frame(kind, bytes(kind.payload_bytes_max))
    half = len(frame) // 2
    assert parser.feed(frame[:half]) == []
    (got,) = parser.feed(frame[half:])
    assert got.kind is kind and len(got.payload) == kind.payload_bytes_max


def test_an_unknown_kind_is_refused_even_when_its_header_comes_byte_by_byte() -> None:
    parser = FrameParser(awaits_hello=False)
    for byte in b"\0\0\0\1\xc8":
        parser.feed(bytes((byte,)))
    assert parser.violation is not None and parser.violation.code == "unknown-kind"
    assert parser.buffered_bytes == 0


def test_the_first_frame_must_be_hello_and_no_other_may_be() -> None:
    """But GOODBYE: who is turned away must not answer the refusal with a ban."""
    refused = FrameParser()
    assert len(refused.feed(encode_frame(FrameKind.GOODBYE, b"banned"))) == 1
    assert refused.violation is None
    early = FrameParser()
    early.feed(encode_frame(FrameKind.PING, b""))
    assert early.violation is not None and early.violation.code == "hello-order"
    hello = encode_frame(FrameKind.HELLO, b"x")
    twice = FrameParser()
    assert len(twice.feed(hello + hello)) == 1
    assert twice.violation is not None and twice.violation.code == "hello-order"


def test_frames_before_a_violation_count_and_nothing_after_it_does() -> None:
    parser = FrameParser(awaits_hello=False)
    good = encode_frame(FrameKind.PING, b"1")
    assert len(parser.feed(good + b"\0\0\0\0\xff" + good)) == 1
    assert parser.violation is not None
    assert parser.feed(good) == []


def test_no_more_than_one_frame_is_ever_buffered() -> None:
    parser = FrameParser(awaits_hello=False)
    frame = encode_frame(FrameKind.PING, bytes(8))
    stream = frame * 1_000
    total = 0
    for start in range(0, len(stream), 7):
        total += len(parser.feed(stream[start : start + 7]))
        assert parser.buffered_bytes < len(frame)
    assert total == 1_000


def test_request_ids_are_eight_bytes_in_front_of_the_body() -> None:
    payload = encode_request(258, b"body")
    assert payload.hex() == "0000000000000102" + b"body".hex()
    assert decode_request(payload) == (258, b"body")
    assert decode_request(encode_request(2**64 - 1, b"")) == (2**64 - 1, b"")
    assert decode_request(bytes(7)) is None
