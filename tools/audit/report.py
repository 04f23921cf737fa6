"""What an audit says: how much it checked, and the first difference, if there is one.

Values only. A difference names the height, what differs, both sides, and the state keys
concerned where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from primitives.errors import CarbonodeError
from primitives.hashing import Hash

KEYS_SHOWN_MAX = 20
"""State keys named in one difference; the rest would say nothing more."""


class Mismatch(CarbonodeError):
    """Raised by a check at the first thing that differs; the audit adds the height."""

    code = "audit-difference"

    def __init__(
        self, what: str, *, expected: object, found: object, keys: Sequence[bytes] = ()
    ) -> None:
        super().__init__(what, expected=show(expected), found=show(found))
        self.what = what
        self.expected = show(expected)
        self.found = show(found)
        self.keys = tuple(show_key(key) for key in keys[:KEYS_SHOWN_MAX])


@dataclass(frozen=True, slots=True)
class Difference:
    """``expected`` is what the audit computed, ``found`` is what the chain has stored."""

    height: int
    what: str
    expected: str
    found: str
    keys: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "height": self.height,
            "what": self.what,
            "expected": self.expected,
            "found": self.found,
            "keys": list(self.keys),
        }


@dataclass(frozen=True, slots=True)
class AuditReport:
    """``blocks`` and the counts after it are what was checked, up to a difference.

    ``state_root`` is the one that the audit computed at ``height``, the last height it
    reached. ``snapshot_height`` is where its state began, 0: with the genesis.
    ``is_state_compared``: the stored state was compared key by key too (only when the
    audit ends at the tip).
    """

    chain_id: Hash
    chain_name: str
    from_height: int
    to_height: int
    tip_height: int
    height: int
    blocks: int
    transactions: int
    signatures: int
    certificates: int
    state_root: Hash
    is_state_compared: bool
    snapshot_height: int
    difference: Difference | None

    @property
    def is_sound(self) -> bool:
        """Whether everything that was checked is as it must be."""
        return self.difference is None

    def to_json(self) -> dict[str, Any]:
        return {
            "sound": self.is_sound,
            "chainId": "0x" + self.chain_id.hex(),
            "chainName": self.chain_name,
            "fromHeight": self.from_height,
            "toHeight": self.to_height,
            "tipHeight": self.tip_height,
            "height": self.height,
            "blocks": self.blocks,
            "transactions": self.transactions,
            "signatures": self.signatures,
            "certificates": self.certificates,
            "stateRoot": "0x" + self.state_root.hex(),
            "stateCompared": self.is_state_compared,
            "snapshotHeight": self.snapshot_height,
            "difference": None if self.difference is None else self.difference.to_json(),
        }


def require(what: str, *, expected: object, found: object) -> None:
    """Raise Mismatch unless both are equal."""
    if expected != found:
        raise Mismatch(what, expected=expected, found=found)


def show(value: object) -> str:
    """Return a value as one line: bytes as hex."""
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def show_key(key: bytes) -> str:
    """Return a state key as hex, with the contract and variable where it has them."""
    parts = key.split(b"\0", 2)
    if len(parts) < 3 or not parts[0].isascii() or not parts[1].isascii():
        return show(key)
    owner = parts[0].decode("ascii") or "engine"
    return f"{owner}.{parts[1].decode('ascii')} {show(key)}"
