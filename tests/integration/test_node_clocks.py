"""Wall clocks that are years off at a start: the chain goes on and its time never goes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from node.clock import Clock
from node.host import Host
from tests.integration.test_node_network import Cluster
from tests.unit.node.support import Signer, make_configs, make_genesis

pytestmark = pytest.mark.integration
LIMIT_S = 60.0
YEAR_MS = 365 * 24 * 3_600 * 1_000


def make_clock(offset_ms: int) -> type[Clock]:
    class Shifted(Clock):
        def now_ms(self) -> int:
            return super().now_ms() + offset_ms

    return Shifted


def check_shift(cluster: Cluster, index: int, offset_ms: int) -> None:
    """The node's clock is wrong indeed: without this the tests would pass with a right one."""
    read_ms = cluster.nodes[index].parts.clock.now_ms()
    assert abs(read_ms - offset_ms - Clock().now_ms()) < 10_000


async def commit(cluster: Cluster, signer: Signer, index: int) -> int:
    """Return the time of the block that took a transaction given to a node."""
    client = cluster.client(index)
    transaction = signer.make(valid_until=cluster.height(index) + 50)
    item = await client.submit_and_wait(transaction, 30_000)
    assert item.get("final"), item
    header = cluster.nodes[index].parts.chain.get_header(item["height"])
    assert header is not None
    return header.time_ms


def test_a_lone_validator_goes_on_after_jumps_of_years_in_both_directions(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        cluster = Cluster(make_configs(tmp_path, 1), make_genesis(1))
        signer, times = Signer(cluster.genesis), []
        try:
            for offset_ms in (0, 10 * YEAR_MS, -5 * YEAR_MS, 0):
                await cluster.start(0, Host(make_clock=make_clock(offset_ms)))
                check_shift(cluster, 0, offset_ms)
                times += [await commit(cluster, signer, 0) for _ in range(2)]
                await cluster.stop(0)
        finally:
            await cluster.session.close()
        assert times == sorted(set(times))

    asyncio.run(asyncio.wait_for(work(), LIMIT_S))


@pytest.mark.parametrize("offset_ms", [YEAR_MS, -YEAR_MS])
def test_one_wrong_clock_of_four_neither_stops_nor_moves_the_chain(
    tmp_path: Path, offset_ms: int
) -> None:
    async def work() -> None:
        cluster = Cluster(make_configs(tmp_path, 4), make_genesis(4))
        signer = Signer(cluster.genesis)
        try:
            for index in range(4):
                await cluster.start(index, Host(make_clock=make_clock(0 if index else offset_ms)))
            check_shift(cluster, 0, offset_ms)
            for index in (1, 2, 3, 0, 1):
                time_ms = await commit(cluster, signer, index)
                assert abs(time_ms - Clock().now_ms()) < 60_000
            await cluster.check_equal(min(cluster.height(index) for index in range(4)))
        finally:
            for index in list(cluster.nodes):
                await cluster.stop(index)
            await cluster.session.close()

    asyncio.run(asyncio.wait_for(work(), LIMIT_S))
