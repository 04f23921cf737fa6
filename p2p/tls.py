"""TLS 1.3 between nodes: self-signed Ed25519 certificates, pinned by the registry.

A node's certificate is a function of its private key alone: every field is fixed or
derived from the public key, and Ed25519 signatures are deterministic (RFC 8032). The
registry of nodes holds each certificate; the trust store is exactly that registry, so
a stranger fails in the handshake. There are no session tickets: resumption would let
in a key that was removed meanwhile.

Never decides who belongs to the registry. Sources: RFC 8446, RFC 5280 (4.1.2.5 for a
certificate without end), RFC 8410; OpenSSL X509_V_FLAG_PARTIAL_CHAIN.
"""

from __future__ import annotations

import datetime
import secrets
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2p.errors import PeerAddressError
from p2p.peers import PeerAddress
from primitives.hashing import Address, Tag, compute_hash
from primitives.keys import PrivateKey

CERTIFICATE_BYTES_MAX: Final = 4 * 1024
"""Ours have about 450 bytes."""

_NOT_BEFORE: Final = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER: Final = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


def make_certificate(key: PrivateKey) -> bytes:
    """Return the DER certificate of a node: the same bytes for the same key, always."""
    signer = Ed25519PrivateKey.from_private_bytes(key.seed)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.public_key.hex())])
    serial = int.from_bytes(compute_hash(Tag.PEER, key.public_key)[:16], "big") | 1
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(serial)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )
    return builder.sign(signer, None).public_bytes(serialization.Encoding.DER)


def get_certificate_key(certificate: bytes) -> Address:
    """Return the Ed25519 public key that ``certificate`` (DER) is for and is signed by.

    Raises PeerAddressError for anything but a self-signed Ed25519 certificate.
    """
    if len(certificate) > CERTIFICATE_BYTES_MAX:
        raise PeerAddressError("certificate too large", size=len(certificate))
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        public_key = parsed.public_key()
        if not isinstance(public_key, Ed25519PublicKey):
            raise PeerAddressError("the certificate's key is not Ed25519")
        public_key.verify(parsed.signature, parsed.tbs_certificate_bytes)
    except ValueError as error:
        raise PeerAddressError(f"not a DER certificate: {error}") from None
    except InvalidSignature:
        raise PeerAddressError("the certificate is not signed by its own key") from None
    return Address(public_key.public_bytes_raw())


def check_peer_address(address: PeerAddress) -> None:
    """Raise PeerAddressError unless the entry's certificate is its key's and the port is one."""
    if get_certificate_key(address.certificate) != address.public_key:
        raise PeerAddressError("the certificate is another key's", name=address.name)
    if not 0 <= address.port <= 65_535:
        raise PeerAddressError("no such port", name=address.name, port=address.port)


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """What a listener and a dialler need, for one state of the registry."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_contexts(key: PrivateKey, trusted: Iterable[bytes]) -> TlsContexts:
    """Return contexts that prove ``key`` and believe exactly the certificates ``trusted``."""
    store = b"".join(trusted)
    server = _make_context(ssl.PROTOCOL_TLS_SERVER, key, store)
    server.num_tickets = 0
    return TlsContexts(server, _make_context(ssl.PROTOCOL_TLS_CLIENT, key, store))


def _make_context(protocol: int, key: PrivateKey, store: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    # Names mean nothing here: the certificate itself is pinned.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if store:
        context.load_verify_locations(cadata=store)
    _load_own_key(context, key)
    return context


def _load_own_key(context: ssl.SSLContext, key: PrivateKey) -> None:
    """Give the key to OpenSSL, which takes it from a file only.

    The file is private, lives for this call, and holds the key encrypted under a
    password that exists in memory alone.
    """
    password = secrets.token_bytes(32).hex().encode()
    signer = Ed25519PrivateKey.from_private_bytes(key.seed)
    secret_pem = signer.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    certificate_pem = ssl.DER_cert_to_PEM_cert(make_certificate(key)).encode()
    with tempfile.NamedTemporaryFile(prefix="carbonode-tls-") as file:
        file.write(secret_pem + certificate_pem)
        file.flush()
        context.load_cert_chain(file.name, password=password)
