"""Four validators in one process, on loopback, with real disks and real TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from node.config import NodeConfig
from node.host import REAL_HOST, Host
from node.journal import Journal
from node.node import Node
from primitives.genesis import Genesis
from primitives.params import ChainParams
from tests.unit.node.support import (
    TEST_PARAMS,
    RpcClient,
    Signer,
    make_configs,
    make_genesis,
    make_node,
    wait_until,
)

pytestmark = pytest.mark.integration
LIMIT_S = 60.0


class Cluster:
    """Validators that can be stopped and started again by index."""

    def __init__(self, configs: Sequence[NodeConfig], genesis: Genesis) -> None:
        self.configs = configs
        self.genesis = genesis
        self.nodes: dict[int, Node] = {}
        self.session = aiohttp.ClientSession()

    async def start(self, index: int, host: Host = REAL_HOST) -> None:
        node = make_node(self.configs[index], self.genesis, index, host)
        await node.__aenter__()
        self.nodes[index] = node

    async def stop(self, index: int) -> None:
        await self.nodes.pop(index).__aexit__(None, None, None)

    def client(self, index: int) -> RpcClient:
        return RpcClient(self.session, self.nodes[index])

    def height(self, index: int) -> int:
        return self.nodes[index].parts.state.height

    async def wait_height(self, index: int, height: int) -> None:
        """Return when that node has committed ``height``."""
        notifier = self.nodes[index].parts.notifier
        await wait_until(lambda: self.height(index) >= height, notifier.wait_tip, LIMIT_S)

    async def check_equal(self, height: int) -> None:
        """All nodes hold the same block and the same result at ``height``."""
        results = set()
        for index, node in self.nodes.items():
            await self.wait_height(index, height)
            block = node.parts.chain.get_block_bytes(height)
            results.add((block, node.parts.chain.get_result(height)))
        assert len(results) == 1


@asynccontextmanager
async def run_cluster(
    folder: Path, count: int = 4, params: ChainParams = TEST_PARAMS
) -> AsyncIterator[Cluster]:
    cluster = Cluster(make_configs(folder, count), make_genesis(count, params))
    try:
        for index in range(count):
            await cluster.start(index)
        yield cluster
    finally:
        for index in list(cluster.nodes):
            await cluster.stop(index)
        await cluster.session.close()


def run(work: object) -> None:
    asyncio.run(asyncio.wait_for(work, LIMIT_S))  # type: ignore[arg-type]  # a coroutine


def test_four_validators_commit_what_any_of_them_was_given_and_agree(tmp_path: Path) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path) as cluster:
            signer = Signer(cluster.genesis)
            last = 0
            for index in range(8):
                final = await cluster.client(index % 4).submit_and_wait(signer.make(), 30_000)
                assert final["final"] is True
                assert final["receipt"]["status"] == "ok"
                last = final["height"]
            await cluster.check_equal(last)
            seen = await cluster.client(2).call(
                "state_call", contract="notes", method="get", arguments=["key-1"]
            )
            assert seen["value"] == "text-1"

    run(work())


def test_each_signature_is_verified_once_on_each_node(tmp_path: Path) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path) as cluster:
            signer = Signer(cluster.genesis)
            transactions = [signer.make() for _ in range(100)]
            texts = ["0x" + item.encoded.hex() for item in transactions]
            client = cluster.client(0)
            answer = await client.call("tx_submitBatch", texts)
            assert all(item["status"] == "accepted" for item in answer["items"])
            ids = ["0x" + item.id.hex() for item in transactions]
            waited = await client.call("tx_waitBatch", ids, 30_000)
            assert all(item["final"] for item in waited["items"])
            height = max(item["height"] for item in waited["items"])
            await cluster.check_equal(height)
            for node in cluster.nodes.values():
                verified = node.parts.metrics.registry.get_sample_value(
                    "carbonode_signatures_verified_total"
                )
                assert verified == 100

    run(work())


def test_a_validator_that_was_away_catches_up_and_votes_again(tmp_path: Path) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path) as cluster:
            signer = Signer(cluster.genesis)
            await cluster.client(0).submit_and_wait(signer.make(), 30_000)
            await cluster.stop(3)
            last = 0
            for _ in range(5):
                final = await cluster.client(0).submit_and_wait(signer.make(), 30_000)
                last = final["height"]
            await cluster.start(3)
            await cluster.wait_height(3, last)
            registry = cluster.nodes[0].parts.metrics.registry
            missed = registry.get_sample_value(
                "carbonode_missed_blocks_total", {"validator": "validator-3"}
            )
            assert missed is not None
            assert missed >= 1
            # With another one gone the chain needs the vote of the one that came back.
            await cluster.stop(1)
            final = await cluster.client(3).submit_and_wait(signer.make(), 30_000)
            assert final["final"] is True
            await cluster.check_equal(final["height"])

    run(work())


def test_a_node_that_missed_everything_catches_up_from_height_zero(tmp_path: Path) -> None:
    async def work() -> None:
        cluster = Cluster(make_configs(tmp_path, 4), make_genesis(4))
        try:
            for index in range(3):
                await cluster.start(index)
            signer = Signer(cluster.genesis)
            last = 0
            for _ in range(5):
                final = await cluster.client(0).submit_and_wait(signer.make(), 30_000)
                last = final["height"]
            assert last >= 5
            await cluster.start(3)
            await cluster.wait_height(3, last)
            await cluster.check_equal(last)
        finally:
            for index in list(cluster.nodes):
                await cluster.stop(index)
            await cluster.session.close()

    run(work())


@pytest.mark.parametrize("epoch_blocks", [1_000, 1])
def test_everything_stopped_and_started_goes_on_where_it_was(
    tmp_path: Path, epoch_blocks: int
) -> None:
    async def work() -> None:
        params = replace(TEST_PARAMS, epoch_blocks=epoch_blocks)
        async with run_cluster(tmp_path, params=params) as cluster:
            signer = Signer(cluster.genesis)
            first = await cluster.client(0).submit_and_wait(signer.make(), 30_000)
            for index in range(4):
                await cluster.stop(index)
            for index in range(4):
                await cluster.start(index)
            again = await cluster.client(1).call("tx_wait", first["id"], 0)
            assert again["final"] is True
            assert again["height"] == first["height"]
            second = await cluster.client(2).submit_and_wait(signer.make(), 30_000)
            assert second["height"] > first["height"]
            await cluster.check_equal(second["height"])

    run(work())


@pytest.mark.parametrize("validators", [1, 4])
def test_the_bytes_of_every_block_voted_for_were_on_disk_with_the_vote(
    tmp_path: Path, validators: int
) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path, validators) as cluster:
            signer = Signer(cluster.genesis)
            transactions = [signer.make() for _ in range(4)]
            last = 0
            for transaction in transactions:
                final = await cluster.client(0).submit_and_wait(transaction, 30_000)
                last = final["height"]
            await cluster.check_equal(last)
            configs = list(cluster.configs)
        for config in configs:
            journal = Journal.open(config.data_path, config.signer_path, is_first_start=False)
            bodies = journal.replay(1).bodies
            journal.close()
            kept = {encoded for body in bodies for encoded in body.transactions}
            assert {item.encoded for item in transactions} <= kept

    run(work())
