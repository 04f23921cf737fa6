"""Who may link with this node: the configuration's peers, and governance's registry.

After each block that changed the registry the network's table follows it: nodes whose
TLS certificate governance published are admitted, those struck off are expelled whatever
the configuration says. A certificate from the chain is believed only if it is its key's
own (self-signed, Ed25519). A node that is known by the chain alone has no address here:
it dials us. Lives on the event loop; decides nothing about consensus.
Decision: docs/decisions/0011-membership-by-epoch.md.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from node.config import PeerSection
from node.logs import log_event
from p2p.errors import PeerAddressError
from p2p.peers import PeerAddress
from p2p.tls import check_peer_address
from primitives.hashing import Address, Hash
from primitives.validators import ValidatorSet
from vm import engine_view
from vm.state import StateReader

_log = logging.getLogger("carbonode.registry")


class PeerAdmission(Protocol):
    """The network, as seen from here."""

    def add_peer(self, address: PeerAddress) -> None:
        """Admit a node, or replace its entry."""
        ...

    def remove_peer(self, peer: Address) -> None:
        """Expel a node."""
        ...

    def set_validator(self, is_validator: bool) -> None:
        """Say in HELLO whether we validate."""
        ...


class Registry:
    """See the module. ``entries`` are what the network has been told."""

    def __init__(self, own: Address, configured: Sequence[PeerSection]) -> None:
        self._own = own
        self._configured = tuple(configured)
        self._seen: tuple[int, Hash] | None = None
        self.entries: dict[Address, PeerAddress] = {}

    def load(self, view: StateReader, validators: ValidatorSet) -> list[PeerAddress]:
        """Return who may link with us, to begin with."""
        self._seen = (engine_view.get_registry_version(view), validators.hash)
        self.entries = self._compute(view, validators)
        return list(self.entries.values())

    def refresh(self, view: StateReader, validators: ValidatorSet, network: PeerAdmission) -> None:
        """Bring the network up to the registry after a block; cheap when nothing changed."""
        seen = (engine_view.get_registry_version(view), validators.hash)
        if seen == self._seen:
            return
        self._seen = seen
        wanted = self._compute(view, validators)
        for key in [key for key in self.entries if key not in wanted]:
            log_event(_log, logging.WARNING, "node struck off", node=self.entries[key].name)
            network.remove_peer(key)
            del self.entries[key]
        for key, address in wanted.items():
            if self.entries.get(key) != address:
                self._admit(address, network)
        network.set_validator(validators.get_index(self._own) is not None)

    def _admit(self, address: PeerAddress, network: PeerAdmission) -> None:
        try:
            network.add_peer(address)
        except PeerAddressError as error:  # the table is full
            log_event(_log, logging.ERROR, "node not admitted", node=address.name, reason=error)
            return
        self.entries[address.public_key] = address
        log_event(_log, logging.INFO, "node admitted", node=address.name)

    def _compute(self, view: StateReader, validators: ValidatorSet) -> dict[Address, PeerAddress]:
        names = {member.public_key: member.name for member in validators.members}
        found: dict[Address, PeerAddress] = {}
        for key, certificate in engine_view.list_certificates(view):
            name = names.get(key) or engine_view.get_node_name(view, key) or key.hex()[:16]
            address = PeerAddress(name, key, "", 0, certificate, is_validator=key in names)
            try:
                check_peer_address(address)
            except PeerAddressError as error:
                log_event(_log, logging.ERROR, "certificate refused", node=name, reason=error)
                continue
            found[key] = address
        for peer in self._configured:
            found[peer.public_key] = PeerAddress(
                name=peer.name,
                public_key=peer.public_key,
                host=peer.host,
                port=peer.port,
                certificate=peer.certificate_bytes,
                is_validator=peer.public_key in names,
            )
        return {
            key: address
            for key, address in found.items()
            if key != self._own and not engine_view.is_struck_off(view, key)
        }
