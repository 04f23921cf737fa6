"""The peer table: membership, graded bans, and which of two links stays."""

from __future__ import annotations

import pytest

from p2p.errors import PeerAddressError
from p2p.peers import BanPolicy, Offence, PeerAddress, PeerTable, is_dialler_kept
from primitives.hashing import Address

OWN = Address(b"o" * 32)


def make_address(
    number: int, *, is_validator: bool = False, certificate: bytes = b""
) -> PeerAddress:
    key = Address(bytes((number,)) * 32)
    return PeerAddress(
        f"n{number}", key, "127.0.0.1", 1, certificate or b"cert %d" % number, is_validator
    )


def make_table(peers_max: int = 10) -> PeerTable:
    return PeerTable(OWN, peers_max, BanPolicy())


def test_bans_are_graded_long_for_lies_short_for_silence_none_for_load() -> None:
    table = make_table()
    seconds = {}
    for number, offence in enumerate(Offence):
        peer = table.add(make_address(number), 0.0)
        assert peer is not None
        seconds[offence] = table.note_offence(peer, offence, "why", 0.0)
        assert peer.is_banned(0.0) == (offence is not Offence.OVERLOAD)
        assert peer.last_error == f"{offence.value}: why"
    assert seconds[Offence.BAD_SIGNATURE] > seconds[Offence.PROTOCOL] > seconds[Offence.TIMEOUT]
    assert seconds[Offence.TIMEOUT] > seconds[Offence.OVERLOAD] == 0


def test_repetition_doubles_the_ban_up_to_a_ceiling_and_it_always_ends() -> None:
    table = make_table()
    peer = table.add(make_address(1), 0.0)
    assert peer is not None
    bans = [table.note_offence(peer, Offence.PROTOCOL, "", 0.0) for _ in range(100)]
    assert bans[:3] == [60, 120, 240]
    assert max(bans) == BanPolicy().ban_max_s
    assert not peer.is_banned(BanPolicy().ban_max_s)


def test_a_validator_is_back_within_a_minute_whatever_it_sent() -> None:
    table = make_table()
    peer = table.add(make_address(1, is_validator=True), 0.0)
    assert peer is not None
    for _ in range(20):
        table.note_offence(peer, Offence.BAD_SIGNATURE, "", 0.0)
    assert peer.is_banned(59.9)
    assert not peer.is_banned(60.0)


def test_an_old_offence_is_forgotten_and_a_short_ban_never_shortens_a_long_one() -> None:
    table = make_table()
    peer = table.add(make_address(1), 0.0)
    assert peer is not None
    assert table.note_offence(peer, Offence.BAD_SIGNATURE, "", 0.0) == 600
    table.note_offence(peer, Offence.TIMEOUT, "", 1.0)
    assert peer.is_banned(599)
    assert table.note_offence(peer, Offence.PROTOCOL, "", 10_000.0) == 60


def test_an_endless_reason_is_cut() -> None:
    table = make_table()
    peer = table.add(make_address(1), 0.0)
    assert peer is not None
    table.note_offence(peer, Offence.OVERLOAD, "x" * 100_000, 0.0)
    assert peer.last_error is not None and len(peer.last_error) <= 300


def test_only_members_certificates_lead_to_a_key_and_a_new_one_replaces_the_old() -> None:
    table = make_table()
    table.add(make_address(1, certificate=b"old"), 0.0)
    peer = table.add(make_address(1, certificate=b"new"), 0.0)
    assert peer is not None
    assert table.get_key(b"old") is None
    assert table.get_key(b"new") == peer.address.public_key
    assert table.certificates == [b"new"]
    table.remove(peer.address.public_key)
    assert table.get_key(b"new") is None
    assert table.certificates == []


def test_we_are_not_our_own_peer_and_the_table_is_bounded() -> None:
    table = make_table(peers_max=2)
    own = PeerAddress("me", OWN, "h", 1, b"c")
    assert table.add(own, 0.0) is None
    table.add(make_address(1), 0.0)
    table.add(make_address(2), 0.0)
    table.add(make_address(2), 0.0)
    with pytest.raises(PeerAddressError):
        table.add(make_address(3), 0.0)


def test_both_sides_keep_the_link_that_the_lower_key_dialled() -> None:
    low, high = Address(b"a" * 32), Address(b"b" * 32)
    assert is_dialler_kept(low, high, outbound=True)
    assert is_dialler_kept(high, low, outbound=False)
    assert not is_dialler_kept(low, high, outbound=False)
    assert not is_dialler_kept(high, low, outbound=True)
