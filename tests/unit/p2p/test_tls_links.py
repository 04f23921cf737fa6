"""Certificates derived from keys, and handshakes in memory: members only, TLS 1.3 only."""

from __future__ import annotations

import dataclasses
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from p2p.errors import PeerAddressError
from p2p.peers import PeerAddress
from p2p.tls import check_peer_address, get_certificate_key, make_certificate, make_contexts
from primitives.keys import PrivateKey

ALICE, BOB, EVE = (PrivateKey.from_seed(bytes((number,)) * 32) for number in (1, 2, 3))
TRUST = [make_certificate(ALICE), make_certificate(BOB)]


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Run both sides of a handshake to its end, or raise what one of them raised."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_side=False)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [one, other]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return one, other


def test_a_certificate_is_a_function_of_the_key_for_ever() -> None:
    """Golden: a changed byte would lock every node out of every registry."""
    digest = hashlib.sha256(make_certificate(PrivateKey.from_seed(bytes(32)))).hexdigest()
    assert digest == "9dbb6115efda6c497a711f4d4f647fe8e0dc4256aa163082e9a21041845d0022"


def test_a_certificate_names_the_key_that_signed_it() -> None:
    assert get_certificate_key(make_certificate(ALICE)) == ALICE.public_key


def test_two_members_meet_over_tls_1_3_and_each_sees_the_others_certificate() -> None:
    one, other = shake(make_contexts(ALICE, TRUST).client, make_contexts(BOB, TRUST).server)
    assert one.version() == other.version() == "TLSv1.3"
    assert one.getpeercert(binary_form=True) == TRUST[1]
    assert other.getpeercert(binary_form=True) == TRUST[0]


def test_a_stranger_who_dials_fails_in_the_handshake() -> None:
    stranger = make_contexts(EVE, [*TRUST, make_certificate(EVE)]).client
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(stranger, make_contexts(BOB, TRUST).server)


def test_a_stranger_who_answers_fails_in_the_handshake() -> None:
    stranger = make_contexts(EVE, [*TRUST, make_certificate(EVE)]).server
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(make_contexts(ALICE, TRUST).client, stranger)


def test_with_an_empty_registry_nobody_is_believed() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(make_contexts(ALICE, TRUST).client, make_contexts(BOB, []).server)


def test_a_client_without_a_certificate_is_refused() -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLError, match="CERTIFICATE"):
        shake(client, make_contexts(BOB, TRUST).server)


def test_an_older_tls_is_refused() -> None:
    client = make_contexts(ALICE, TRUST).client
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake(client, make_contexts(BOB, TRUST).server)


def test_there_is_no_session_to_resume() -> None:
    """A ticket would let in a key that was expelled meanwhile."""
    assert make_contexts(BOB, TRUST).server.num_tickets == 0


def test_a_member_cannot_vouch_for_a_stranger(tmp_path: Path) -> None:
    """Eve's key in a certificate that Alice signed: Alice's own is in the trust store."""
    eve = Ed25519PrivateKey.from_private_bytes(EVE.seed)
    alice = x509.load_der_x509_certificate(TRUST[0])
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "eve")]))
        .issuer_name(alice.subject)
        .public_key(eve.public_key())
        .serial_number(7)
        .not_valid_before(alice.not_valid_before_utc)
        .not_valid_after(alice.not_valid_after_utc)
        .sign(Ed25519PrivateKey.from_private_bytes(ALICE.seed), None)
    )
    client = make_contexts(EVE, TRUST).client
    path = tmp_path / "eve.pem"
    pem = eve.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(pem + forged.public_bytes(serialization.Encoding.PEM))
    client.load_cert_chain(path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(client, make_contexts(BOB, TRUST).server)


def test_an_address_must_carry_the_certificate_of_its_own_key() -> None:
    good = PeerAddress("alice", ALICE.public_key, "127.0.0.1", 26_656, TRUST[0])
    check_peer_address(good)
    with pytest.raises(PeerAddressError, match="another key"):
        check_peer_address(dataclasses.replace(good, certificate=TRUST[1]))
    with pytest.raises(PeerAddressError, match="port"):
        check_peer_address(dataclasses.replace(good, port=70_000))


def test_other_certificates_are_named_as_what_they_are() -> None:
    with pytest.raises(PeerAddressError, match="DER"):
        get_certificate_key(b"not a certificate")
    with pytest.raises(PeerAddressError, match="too large"):
        get_certificate_key(bytes(5_000))
    broken = bytearray(TRUST[0])
    broken[-1] ^= 1
    with pytest.raises(PeerAddressError, match="own key"):
        get_certificate_key(bytes(broken))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    alice = x509.load_der_x509_certificate(TRUST[0])
    other = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(alice.not_valid_before_utc)
        .not_valid_after(alice.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    with pytest.raises(PeerAddressError, match="not Ed25519"):
        get_certificate_key(other.public_bytes(serialization.Encoding.DER))
