"""Sources of contracts, by their hash, and which version ran from which height. Pure.

The genesis holds the first ones; later ones are arguments of ``system.deploy`` and
``system.publish``, which validators executed: no node is asked for a source.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from primitives.transaction import Call
from tools.indexer.book import Place
from tools.indexer.columns import dump_document
from tools.indexer.core import CODES, CONTRACTS
from tools.indexer.rows import Rows
from vm.abi import Abi
from vm.compiler import compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.inclusion import compute_code_hash
from vm.outcome import Rejected

SYSTEM: Final = "system"


@lru_cache(maxsize=256)
def make_abi(source: str) -> dict[str, Any]:
    """Return the ABI of a source; an empty one where this program's VM refuses it."""
    try:
        return Abi(compile_source(source, get_schedule(VM_VERSION)).contract).to_json()
    except Rejected:
        return {}


def add_code(rows: Rows, source: str) -> bytes:
    """Keep a source and its ABI; returns its hash."""
    code_hash = bytes(compute_code_hash(source))
    if rows.find(CODES, code_hash) is None:
        rows.add(CODES, code_hash=code_hash, source=source, abi=dump_document(make_abi(source)))
    return code_hash


def start_version(rows: Rows, at: Place, contract: str, version: int, code_hash: bytes) -> None:
    """Let a version of a contract begin, and the one before end."""
    if version > 1:
        rows.change(CONTRACTS, contract, version - 1, to_height=at.height)
    code = rows.find(CODES, code_hash)
    rows.add(
        CONTRACTS, contract=contract, version=version, code_hash=code_hash,
        from_height=at.height, since=at.time_s,
        source_characters=None if code is None else len(code["source"]),
    )  # fmt: skip


def apply_system_call(rows: Rows, at: Place, call: Call) -> None:
    """Keep what a successful call of the engine's own contract brought."""
    if call.contract != SYSTEM:
        return
    if call.method == "deploy" and len(call.arguments) == 2:
        name, source = call.arguments
        start_version(rows, at, str(name), 1, add_code(rows, str(source)))
    elif call.method == "publish" and len(call.arguments) == 1:
        add_code(rows, str(call.arguments[0]))
