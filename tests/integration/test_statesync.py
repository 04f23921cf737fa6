"""Real processes: a node without data joins by snapshot, killed on the way, lied to on the way.

Four validators with short epochs. The fourth loses its data folder (its signer record
stays, as after a disk change) and joins from the other three, whose snapshots on disk
are spoiled or withheld as the case wants: what they then send is what a liar would send.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from primitives.params import ChainParams
from primitives.transaction import Call
from tools.client.client import Client
from tools.client.errors import ClientError, Duplicate, Pruned
from tools.client.proofs import verify_transaction_answer
from tools.client.transport import RetryPolicy
from tools.localnet.network import PROBE, Localnet

pytestmark = pytest.mark.integration

JOINER = 3
EPOCH = 20
PARAMS = ChainParams(
    epoch_blocks=EPOCH,
    transaction_window_blocks=1_000,
    timeout_base_ms=1_000,
    empty_block_interval_ms=60,
    batch_delay_ms=10,
)
ENVIRONMENT = {"CARBONODE_SNAPSHOTS_PAUSE_S": "0", "CARBONODE_SNAPSHOTS_JOIN_BLOCKS_MIN": "10"}
PATIENCE_S = 90.0
FOREVER = 1 << 40
POLICY = RetryPolicy(rounds_max=20, request_timeout_s=10.0, connect_timeout_s=1.0)


def run(tmp_path: Path, work: Callable[[Localnet], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Localnet(
            tmp_path / "net", params=PARAMS, environment=ENVIRONMENT, log_level="info"
        ) as net:
            await work(net)

    asyncio.run(main())


async def wait_for(what: str, look: Callable[[], Awaitable[Any]]) -> Any:
    """Return what ``look`` finds, once it finds something."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                found = await look()
            except ClientError:
                found = None
            if found:
                return found
            await asyncio.sleep(0.05)
    raise AssertionError(what)


async def ask(net: Localnet, index: int, method: str, **params: Any) -> Any:
    async with net.client(index, policy=PROBE) as client:
        return await client.call(method, **params)


async def wait_snapshots(net: Localnet, height_min: int = 1) -> int:
    """Return the height of the latest snapshot that all three servers have."""

    async def look() -> int:
        served = [set((await ask(net, index, "sync_status"))["snapshots"]) for index in range(3)]
        common = served[0] & served[1] & served[2]
        return max([height for height in common if height >= height_min], default=0)

    return int(await wait_for("snapshots on three nodes", look))


async def wait_joined(net: Localnet, least: int) -> Any:
    """Return the joiner's status once it stands at the tip, from a snapshot of ``least`` on."""

    async def look() -> Any:
        status = await ask(net, JOINER, "chain_status")
        others = await ask(net, 1, "chain_status")
        height, lowest = status["height"], status["lowestHeight"]
        is_there = height >= max(others["height"] - 2, lowest) and lowest > least
        return status if is_there and not status["syncing"] else None

    return await wait_for("the node joined", look)


def lose_data(net: Localnet) -> None:
    shutil.rmtree(net.nodes[JOINER].home / "data")


def list_files(net: Localnet, index: int, pattern: str) -> list[Path]:
    return sorted((net.nodes[index].home / "data" / "snapshots").glob(pattern))


def read_log(net: Localnet, index: int) -> str:
    return (net.nodes[index].home / "node.log").read_text()


async def grant(client: Client, net: Localnet, name: str) -> Any:
    call = Call("identity", "grant", ("regulator", name, FOREVER))
    transaction = await client.build(net.keys["enterprise-a"], [call], gas_limit=500_000)
    await client.submit(transaction)
    return transaction, await client.wait(transaction.id)


def test_a_node_without_data_joins_votes_and_refuses_what_the_chain_has_had(tmp_path: Path) -> None:
    async def work(net: Localnet) -> None:
        async with net.client(0, policy=POLICY) as client:
            first = await wait_snapshots(net)
            await net.stop(JOINER)
            transaction, final = await grant(client, net, "before-the-snapshot")
            await wait_snapshots(net, max(final.height, first + 1))
            lose_data(net)
            await net.start(JOINER)
            joined = await wait_joined(net, final.height)
            assert joined["lowestHeight"] % EPOCH == 1
            async with net.client(JOINER, policy=POLICY) as own:
                # The same duplicates are refused; the block itself is not here.
                with pytest.raises(Duplicate):
                    await own.submit(transaction)
                with pytest.raises(Pruned) as pruned:
                    await own.get(transaction.id)
                assert pruned.value.data["lowest"] == joined["lowestHeight"]
                with pytest.raises(Pruned):
                    await own.get_block(1)
                # It votes: with another one gone there is no quorum without it.
                await net.stop(2)
                later, _ = await grant(own, net, "after-the-snapshot")
                answer = await own.get(later.id)
                verify_transaction_answer(answer, net.genesis)
                status = await own.call("sync_status")
                assert status["phase"] == "idle" and status["lowestHeight"] > final.height
                page = await own.search(net.keys["enterprise-a"].public_key)
                assert [item["height"] for item in page.items] == [answer["height"]]

    run(tmp_path, work)


async def leave_one_snapshot(net: Localnet) -> int:
    """Return the height of the one snapshot that is left; the joiner is stopped, the other
    three are stopped too, and make no more of them when they start again."""
    await wait_snapshots(net)
    await net.stop(JOINER)
    height = await wait_snapshots(net, (await ask(net, 0, "chain_status"))["height"] - EPOCH)
    for index in range(3):
        await net.stop(index)
        config = net.nodes[index].home / "config.toml"
        config.write_text(config.read_text().replace("make = true", "make = false"))
        for folder in list_files(net, index, "*"):
            if folder.name != f"{height:020}":
                shutil.rmtree(folder)
    lose_data(net)
    return height


def test_a_killed_node_goes_on_with_the_parts_that_it_has(tmp_path: Path) -> None:
    async def work(net: Localnet) -> None:
        height = await leave_one_snapshot(net)
        # Nobody gives history: the state's parts come, then the node waits for the rest.
        for index in range(3):
            for path in list_files(net, index, "*/part-*")[1:]:
                path.rename(path.with_name("held-" + path.name))
        for index in range(4):
            await net.start(index)

        async def look() -> Any:
            status = await ask(net, JOINER, "sync_status")
            taken = status["snapshot"]
            is_half = status["phase"] == "parts" and 0 < taken["partsDone"] < taken["partsWanted"]
            return taken if is_half else None

        half = await wait_for("half of the snapshot", look)
        await net.kill(JOINER)
        for index in range(3):
            for path in list_files(net, index, "*/held-*"):
                path.rename(path.with_name(path.name.removeprefix("held-")))
        await net.start(JOINER)
        joined = await wait_joined(net, height)
        assert f"going on parts={half['partsDone']}" in read_log(net, JOINER)
        assert joined["lowestHeight"] == height + 1

    run(tmp_path, work)


def test_a_peer_that_sends_bad_parts_pays_and_the_others_serve_them(tmp_path: Path) -> None:
    async def work(net: Localnet) -> None:
        height = await leave_one_snapshot(net)
        for path in list_files(net, 0, f"{height:020}/part-*"):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(bytes(content))
        await net.start(0)
        await net.start(JOINER)

        async def look() -> bool:
            return "is not the one that the manifest names" in read_log(net, JOINER)

        await wait_for("the liar was found out", look)
        assert (await ask(net, JOINER, "sync_status"))["snapshot"]["partsDone"] == 0
        for index in (1, 2):
            await net.start(index)
        joined = await wait_joined(net, height)
        assert joined["lowestHeight"] == height + 1
        blocks = [
            await ask(net, index, "chain_getBlock", block=height + 1) for index in (1, JOINER)
        ]
        assert blocks[0]["blockHash"] == blocks[1]["blockHash"]

    run(tmp_path, work)
