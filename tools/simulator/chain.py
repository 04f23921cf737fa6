"""What a simulated node sees of its world: an interface, so that world and node are no circle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from consensus.effects import CommittedTip, Proposal
from consensus.replica import Replica
from primitives.certificate import Certificate
from primitives.hashing import Address, Hash
from primitives.leaders import Leaders
from tools.simulator.checks import Checker
from tools.simulator.coverage import Coverage


class Chain(Protocol):
    """What a node needs of the simulated world."""

    now: int
    checker: Checker
    chain_id: Hash
    replica_type: type[Replica]
    coverage: Coverage | None
    honest: frozenset[int]
    """The indices of the nodes that keep to the rules; a liar's twin is none of them."""

    def send(self, source: int, target: int, kind: str, payload: object) -> None:
        """Send over the simulated network."""
        ...

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Call ``action`` later."""
        ...

    def get_links(self, number: int) -> tuple[int, ...]:
        """Return the nodes with a link to this one."""
        ...

    def is_gossiping(self) -> bool:
        """Whether messages must be handed on."""
        ...

    def random_int(self, low: int, high: int) -> int:
        """Draw from low to high, both included."""
        ...

    def make_tip(
        self, height: int, block_hash: Hash, exec_hash: Hash, time_ms: int,
        certificate: Certificate | None, leaders: Leaders,
    ) -> CommittedTip:  # fmt: skip
        """Return the tip with the sets that are in force there."""
        ...

    def advance_leaders(self, leaders: Leaders, proposal: Proposal) -> Leaders:
        """Return who is passed over as leader after a block."""
        ...

    def get_node_index(self, address: Address) -> int:
        """Return the node that owns a key."""
        ...

    def get_addresses(self) -> list[Address]:
        """Return all nodes' keys."""
        ...

    def check(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Verify one signature."""
        ...

    def note(self, node: int, what: str, detail: object) -> None:
        """Write a line of history, if there is one."""
        ...
