"""State values and their absence under a certified block's state root. Pure.

The proof is a key's whole bucket and the siblings of its way to the root. How many there
are is the depth of the tree, which grows with the chain: the certified root vouches for it,
because buckets and nodes are hashed under different tags, so no proof of another depth
leads to it. Source: docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from primitives.genesis import Genesis
from storage.stateproof import STATE_PROOF, StateProof, verify_state_proof
from tools.client.results import get_integer, get_member, get_object
from tools.client.wire import from_hex, to_hex
from tools.light.answers import reading, refuse, require_same
from tools.light.blocks import ProvenBlock


@dataclass(frozen=True, slots=True)
class ProvenState:
    """``key`` has ``value`` after ``block``; None: it has none, and that is proven too."""

    key: bytes
    value: bytes | None
    block: ProvenBlock


def get_state_height(answer: object) -> int:
    """Return the height that a ``state_get`` answer claims: which commit to fetch."""
    with reading("the state"):
        return get_integer(get_object(answer), "height")


def verify_state_answer(
    answer: object, key: bytes, genesis: Genesis, block: ProvenBlock
) -> ProvenState:
    """Return what an answer of ``state_get`` with proof proves about ``key`` after ``block``."""
    with reading("the state"):
        document = get_object(answer)
        stated = get_member(document, "value")
        value = None if stated is None else from_hex(stated)
        shown = get_object(get_member(document, "proof"))
        proof: StateProof = STATE_PROOF.decode(from_hex(get_member(shown, "encoded")))
    levels = len(proof.siblings)
    if levels < genesis.params.state_levels:
        raise refuse("state", "the proof is of a tree that is less deep than the genesis's")
    if not verify_state_proof(block.execution.state_root, key, value, proof, levels):
        raise refuse("state", "the proof does not lead from key and value to the state root")
    require_same(document, _render(key, value, block, proof, levels), "state")
    return ProvenState(key, value, block)


def _render(
    key: bytes, value: bytes | None, block: ProvenBlock, proof: StateProof, levels: int
) -> dict[str, Any]:
    return {
        "key": to_hex(key),
        "value": None if value is None else to_hex(value),
        "height": block.height,
        "stateRoot": to_hex(block.execution.state_root),
        "levels": levels,
        "proof": {
            "bucket": to_hex(proof.bucket),
            "siblings": [to_hex(item) for item in proof.siblings],
            "encoded": to_hex(STATE_PROOF.encode(proof)),
        },
    }
