"""Proofs that the interface hands on, of a chain whose state tree got a level more meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from primitives.params import ChainParams
from storage.stateproof import STATE_PROOF
from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.index_node import ONE_TRY, follow, make_index_node
from tests.unit.tools.test_explorer_api import ROOT, run_api
from tools.client.client import Client
from tools.client.wire import from_hex, to_hex
from tools.indexer.database import open_engine
from tools.light.blocks import verify_commit_answer
from tools.light.state import verify_state_answer

PARAMS = ChainParams(epoch_blocks=4, state_levels=1)
GROWN = 8
"""Said with the last block of epoch 0, in force after that of epoch 1 (decision 0033)."""
ADDRESSES = ("organisations/bank", "accreditations/verifier/forest")


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditedChain]:
    """A chain of which the state has more keys than one level is for from the genesis on."""
    monkeypatch.setattr("primitives.params.STATE_BUCKET_KEYS_MAX", 4)
    monkeypatch.setattr("storage.treegrowth.STEP_BUCKETS_MIN", 1)
    chain = AuditedChain(tmp_path / "chain", PARAMS)
    yield chain
    chain.chain.close()


def cut(method: str, params: dict[str, Any], answer: Any) -> Any:
    """Show a proof as long as it would be at the depth of the genesis."""
    if method == "state_get":
        proof = STATE_PROOF.decode(from_hex(answer["proof"]["encoded"]))
        short = replace(proof, siblings=proof.siblings[1:])
        siblings = [to_hex(item) for item in short.siblings]
        answer["proof"].update(siblings=siblings, encoded=to_hex(STATE_PROOF.encode(short)))
        answer["levels"] = len(siblings)
    return answer


def test_a_row_is_proven_before_and_after_the_tree_gets_a_level_more(
    growing: AuditedChain, tmp_path: Path
) -> None:
    engine, genesis = open_engine(str(tmp_path / "index.db")), growing.genesis
    depths: list[int] = []

    async def ask(*spoils: Any) -> list[tuple[int, Any]]:
        async with AsyncExitStack() as stack:
            clients = []
            for spoil in spoils:
                node = await stack.enter_async_context(make_index_node(growing, spoil))
                clients.append(await stack.enter_async_context(Client(node.url, policy=ONE_TRY)))
            api = await stack.enter_async_context(run_api(growing, engine, clients=clients))
            return [(await api.get(f"{ROOT}/{name}", proof="true"))[:2] for name in ADDRESSES]

    for height in (2, GROWN, GROWN + 1, GROWN + 6):
        while growing.height < height:
            growing.commit(growing.sign("verifier", "units", "no-such", growing.height))
        follow(growing, engine)
        for status, document in asyncio.run(ask(None)):
            assert status == 200, document
            proof = document["proof"]
            # As a stranger would, who knows the genesis and so the first depth alone.
            block = verify_commit_answer(proof["commit"], genesis, genesis.validators)
            key = from_hex(proof["answer"]["key"])
            assert verify_state_answer(proof["answer"], key, genesis, block).value is not None
            assert block.height == height
            depths.append(proof["answer"]["levels"])
    assert depths == [1, 1, 1, 1, 2, 2, 2, 2]
    for status, document in asyncio.run(ask(cut)):
        assert (status, document["code"]) == (502, "proof-refused")
    assert [status for status, _ in asyncio.run(ask(cut, None))] == [200, 200], "the next is asked"
    engine.dispose()
