"""``carbonode explorer`` as a process beside a real node: what it serves is proven and current."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Engine

from primitives.genesis import Genesis, dump_genesis
from primitives.transaction import Call
from tests.unit.node.support import (
    CONSORTIUM,
    RpcClient,
    Signer,
    make_configs,
    make_genesis,
    make_node,
)
from tests.unit.tools.test_explorer_api import ROOT, Api
from tools.client.client import Client
from tools.client.wire import from_hex
from tools.indexer.commands import get_status
from tools.indexer.comparing import compare
from tools.indexer.database import open_engine
from tools.indexer.following import Follower
from tools.indexer.registry import LISTINGS
from tools.light.blocks import verify_commit_answer
from tools.light.state import verify_state_answer
from tools.light.transactions import verify_transaction

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 180.0
HASH = bytes(32)

STORY: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
    ("verifier", "units", "attest", ("r1", "p", 2024, "forest", 1000, "project-owner", HASH)),
    ("registry", "units", "issue", ("b1", "r1", 0, 1000, 1000, 100)),
    ("project-owner", "units", "transfer", ("b1", 0, 400, "enterprise-a")),
    ("enterprise-a", "retirement", "retire", ("b1", 0, 50, "enterprise-a", "fleet 2024")),
    ("enterprise-a", "retirement", "cancel", ("b1", 50, 60, "spoilt")),
    ("bank", "cash", "issue", ("CNY", "enterprise-b", 50_000_000, "")),
    ("regulator", "identity", "register", ("mill", "Mill", "CN", ["enterprise"], [])),
    ("enterprise-a", "identity", "grant", ("verifier", "books", 1_900_000_000)),
    ("regulator", "governance", "propose_threshold", (1,)),
    ("enterprise-a", "devices", "register_installation", ("plant", "enterprise-b", "CN-FJ", HASH)),
    ("enterprise-a", "units", "transfer", ("b1", 70, 80, "nobody")),
)


@asynccontextmanager
async def run_explorer(url: str, genesis: Path, db: Path) -> AsyncIterator[tuple[Api, Any]]:
    command = ("--output", "json", "explorer", "--node", url, "--db", str(db))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.cli.main", *command, "--genesis", str(genesis),
        "--listen", "127.0.0.1:0", "--rate", "10000", cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        text = b""
        while not text.rstrip().endswith(b"}"):
            line = await process.stdout.readline()
            assert line, "the explorer ended"
            text += line
        async with aiohttp.ClientSession() as session:
            yield Api(session, json.loads(text)["address"]), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def wait_for_height(api: Api, height: int) -> Any:
    """Ask until the index is there: an answer takes a few milliseconds."""
    while True:
        _, status, _ = await api.get(f"{ROOT}/status")
        if status["index_height"] >= height:
            return status
        await asyncio.sleep(0.05)


async def tell(node: RpcClient, client: Client, genesis: Genesis) -> int:
    """Run the story; returns the height of its last transaction."""
    height = 0
    for number, (who, contract, method, arguments) in enumerate(STORY):
        signer = Signer(genesis, CONSORTIUM.keys[who], 1_000 + number)
        now = (await client.status()).height
        call = Call(contract, method, arguments)
        made = signer.make([call], valid_until=now + 50, gas_limit=2_000_000)
        final = await node.submit_and_wait(made)
        wanted = "reverted" if arguments[-1] == "nobody" else "ok"
        assert final["receipt"]["status"] == wanted, final
        height = final["height"]
    return height


def test_a_process_serves_what_the_node_certified(tmp_path: Path) -> None:
    genesis = make_genesis(1)
    path = tmp_path / "genesis.json"
    path.write_text(dump_genesis(genesis))

    async def run() -> None:
        node = make_node(make_configs(tmp_path, 1)[0], genesis)
        async with asyncio.timeout(LIMIT_S), node, aiohttp.ClientSession() as session:
            rpc = RpcClient(session, node)
            async with Client([rpc.url]) as client:
                async with run_explorer(rpc.url, path, tmp_path / "index.db") as (api, process):
                    height = await tell(rpc, client, genesis)
                    status = await wait_for_height(api, height)
                    assert (status["unread_events"], status["error"]) == (0, "")
                    await check_answers(api)
                    await check_proofs(api, genesis)
                    process.send_signal(signal.SIGTERM)
                    assert await process.wait() == 0
                await check_rebuilt(client, genesis, tmp_path)

    asyncio.run(run())


async def check_answers(api: Api) -> None:
    _, found, _ = await api.get(f"{ROOT}/certificates")
    assert [item["purpose"] for item in found["items"]] == ["spoilt", "fleet 2024"]
    _, found, _ = await api.get(f"{ROOT}/transactions", status="reverted")
    assert [item["code"] for item in found["items"]] == ["no-receiver"]
    _, found, _ = await api.get(f"{ROOT}/organisations/mill")
    assert found["item"]["country"] == "CN"


async def check_proofs(api: Api, genesis: Genesis) -> None:
    """Every row of every list that promises a proof has one, of the row that it is."""
    proven: dict[str, int] = {}
    for name, listing in LISTINGS.items():
        if listing.proof is None:
            continue
        _, page, _ = await api.get(f"{ROOT}/{name}", limit=3)
        for item in page["items"]:
            place = "/".join(str(item[part]) for part in listing.key)
            status, document, headers = await api.get(f"{ROOT}/{name}/{place}", proof="true")
            if status == 404 and item.get("height") == 0:
                continue  # the genesis made it
            assert status == 200, (name, document)
            assert headers["Cache-Control"] == "no-store"
            kind = check_proof(document["proof"], genesis)
            proven[kind] = proven.get(kind, 0) + 1
    assert proven["state"] > 10 and proven["transaction"] > 5


def check_proof(proof: Any, genesis: Genesis) -> str:
    """Verify as a stranger would, with the genesis alone; state rows must be there."""
    answer, validators = proof["answer"], genesis.validators
    if proof["kind"] == "state":
        block = verify_commit_answer(proof["commit"], genesis, validators)
        found = verify_state_answer(answer, from_hex(answer["key"]), genesis, block)
        assert found.value is not None, answer["key"]
    else:
        verify_transaction(answer, proof.get("last", answer), genesis, validators)
    return str(proof["kind"])


async def check_rebuilt(client: Client, genesis: Genesis, folder: Path) -> None:
    """An index built again from the node equals the one that the process left."""
    live: Engine = open_engine(str(folder / "index.db"))
    again = open_engine(str(folder / "again.db"))
    until = get_status(str(folder / "index.db"))["indexHeight"]
    await Follower(again, [client], genesis, until).run(asyncio.Event())
    assert compare(live, again).differences == []
