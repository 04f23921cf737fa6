"""Who may link: the configuration and governance's registry together."""

from __future__ import annotations

import pytest

from node.config import PeerSection
from node.registry import Registry
from node.versions import VersionError, Versions, check_versions, find_unsupported
from p2p.errors import PeerAddressError
from p2p.peers import PeerAddress
from p2p.tls import make_certificate
from primitives.codec import pack
from primitives.hashing import Address
from primitives.keys import PrivateKey
from primitives.params import ChainParams
from primitives.validators import Validator, ValidatorSet
from tests.unit.vm.carbon_chain import MemoryState
from vm import engine_view

KEYS = [PrivateKey.from_seed(bytes((number + 1,)) * 32) for number in range(4)]
OWN, FIRST, SECOND, THIRD = KEYS
VALIDATORS = ValidatorSet((Validator("own", OWN.public_key), Validator("first", FIRST.public_key)))


class FakeNetwork:
    """Keeps what it was told; full at ``room`` nodes."""

    def __init__(self, room: int = 100) -> None:
        self.peers: dict[Address, PeerAddress] = {}
        self.is_validator: bool | None = None
        self.room = room

    def add_peer(self, address: PeerAddress) -> None:
        if len(self.peers) >= self.room:
            raise PeerAddressError("too many nodes")
        self.peers[address.public_key] = address

    def remove_peer(self, peer: Address) -> None:
        del self.peers[peer]

    def set_validator(self, is_validator: bool) -> None:
        self.is_validator = is_validator


def configure(key: PrivateKey, name: str) -> PeerSection:
    certificate = "0x" + make_certificate(key).hex()
    return PeerSection(name, key.public_key, "127.0.0.1", 1, certificate)


def publish(state: MemoryState, version: int, **rows: bytes | None) -> None:
    """Write governance's rows: a certificate for each key name, and the version."""
    state.apply({engine_view.REGISTRY_VERSION_KEY: pack(version)})
    for name, certificate in rows.items():
        key = engine_view.CERTIFICATE_PREFIX + KEYS[int(name[1:])].public_key
        state.apply({key: None if certificate is None else pack(certificate)})


def test_the_registry_begins_with_the_configuration() -> None:
    registry = Registry(OWN.public_key, [configure(FIRST, "one"), configure(OWN, "self")])
    (peer,) = registry.load(MemoryState(), VALIDATORS)
    assert (peer.name, peer.host, peer.is_validator) == ("one", "127.0.0.1", True)


def test_a_certificate_on_the_chain_admits_its_node_without_an_address() -> None:
    state, network = MemoryState(), FakeNetwork()
    registry = Registry(OWN.public_key, [])
    assert registry.load(state, VALIDATORS) == []
    publish(state, 1, k2=make_certificate(SECOND))
    state.apply({engine_view.CANDIDATE_PREFIX + SECOND.public_key: pack("second")})
    registry.refresh(state, VALIDATORS, network)
    peer = network.peers[SECOND.public_key]
    assert (peer.name, peer.host, peer.is_validator) == ("second", "", False)
    assert network.is_validator is True


def test_the_configured_address_of_a_node_stays_when_the_chain_names_it_too() -> None:
    state, network = MemoryState(), FakeNetwork()
    registry = Registry(OWN.public_key, [configure(FIRST, "one")])
    registry.load(state, VALIDATORS)
    publish(state, 1, k1=make_certificate(FIRST))
    registry.refresh(state, VALIDATORS, network)
    assert registry.entries[FIRST.public_key].host == "127.0.0.1"
    assert network.peers == {}  # nothing about it changed


def test_a_certificate_of_another_key_or_none_at_all_admits_nobody() -> None:
    state, network = MemoryState(), FakeNetwork()
    registry = Registry(OWN.public_key, [])
    registry.load(state, VALIDATORS)
    publish(state, 1, k2=make_certificate(THIRD), k3=b"junk")
    registry.refresh(state, VALIDATORS, network)
    assert network.peers == {}


def test_a_node_that_is_struck_off_is_expelled_although_it_is_configured() -> None:
    state, network = MemoryState(), FakeNetwork()
    registry = Registry(OWN.public_key, [configure(FIRST, "one")])
    network.peers = {peer.public_key: peer for peer in registry.load(state, VALIDATORS)}
    state.apply({engine_view.STRUCK_OFF_PREFIX + FIRST.public_key: pack(True)})
    publish(state, 1)
    registry.refresh(state, VALIDATORS, network)
    assert network.peers == {}
    assert Registry(OWN.public_key, [configure(FIRST, "one")]).load(state, VALIDATORS) == []


def test_a_changed_set_changes_who_counts_as_a_validator_and_nothing_else_is_told_twice() -> None:
    state, network = MemoryState(), FakeNetwork()
    registry = Registry(OWN.public_key, [configure(FIRST, "one"), configure(SECOND, "two")])
    registry.load(state, VALIDATORS)
    registry.refresh(state, VALIDATORS, network)
    assert (network.peers, network.is_validator) == ({}, None)
    changed = ValidatorSet((Validator("second", SECOND.public_key), VALIDATORS.members[1]))
    registry.refresh(state, changed, network)
    assert list(network.peers) == [SECOND.public_key]
    assert network.peers[SECOND.public_key].is_validator
    assert network.is_validator is False


def test_a_full_table_is_tried_again_at_the_next_change() -> None:
    state, network = MemoryState(), FakeNetwork(room=0)
    registry = Registry(OWN.public_key, [])
    registry.load(state, VALIDATORS)
    publish(state, 1, k2=make_certificate(SECOND))
    registry.refresh(state, VALIDATORS, network)
    assert registry.entries == {}
    network.room = 1
    publish(state, 2)
    registry.refresh(state, VALIDATORS, network)
    assert list(network.peers) == [SECOND.public_key]


@pytest.mark.parametrize(
    ("protocol", "vm", "lacking"),
    [
        (1, 1, ""),
        (2, 1, "protocol version 2 (this program knows up to 1)"),
        (1, 3, "VM version 3 (this program knows up to 1)"),
        (2, 2, "protocol version 2 (this program knows up to 1) and VM version 2 "
         "(this program knows up to 1)"),
    ],
)  # fmt: skip
def test_what_a_program_lacks_is_named(protocol: int, vm: int, lacking: str) -> None:
    params = ChainParams(protocol_version=protocol, vm_version=vm)
    assert find_unsupported(params, Versions(1, 1)) == lacking
    assert find_unsupported(params, Versions(3, 3)) == ""
    if lacking:
        with pytest.raises(VersionError, match="from height 11 on"):
            check_versions(params, 11, Versions(1, 1))
    else:
        check_versions(params, 11, Versions(1, 1))
