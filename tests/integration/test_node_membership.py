"""Validators come, go and change their keys; versions; evidence. Real disks and real TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from consensus.evidence import make_evidence
from consensus.messages import EvidenceMessage, Vote, compute_signed_vote, encode_message
from node.config import NodeConfig
from node.node import Node
from node.parts import open_parts
from node.versions import VersionError, Versions
from p2p.tls import make_certificate
from primitives.certificate import Phase
from primitives.codec import Value
from primitives.hashing import ZERO_HASH, Hash
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tests.integration.test_node_network import Cluster, run_cluster
from tests.unit.node.support import (
    CONSORTIUM,
    TEST_PARAMS,
    Signer,
    make_configs,
    make_validator_key,
    wait_until,
)
from tools.certificate.build import find_changes
from tools.client.client import Client
from tools.light.epochs import make_set
from vm.gas import SCHEDULES, get_schedule

pytestmark = pytest.mark.integration
PARAMS = replace(TEST_PARAMS, epoch_blocks=6, timeout_base_ms=500)
LIMIT_S = 120.0
SYNCING = -32003


def run(work: object) -> None:
    asyncio.run(asyncio.wait_for(work, LIMIT_S))  # type: ignore[arg-type]  # a coroutine


class Government:
    """The administrator of the test chains; each call is final when it returns."""

    def __init__(self, cluster: Cluster, ask: int = 0) -> None:
        self._cluster = cluster
        self._ask = ask
        self._signer = Signer(cluster.genesis, CONSORTIUM.keys["regulator"])

    async def send(self, method: str, *arguments: Value) -> Any:
        height = self._cluster.height(self._ask)
        transaction = self._signer.make(
            [Call("governance", method, arguments)], valid_until=height + 50, gas_limit=2_000_000
        )
        client = self._cluster.client(self._ask)
        final = await client.submit_and_wait(transaction, 30_000)
        assert final["receipt"]["status"] == "ok", final
        return final["receipt"]["values"][0]

    async def carry(self, method: str, *arguments: Value) -> None:
        await self.send("execute", int(await self.send(f"propose_{method}", *arguments)))

    async def admit(self, name: str, key: PrivateKey) -> None:
        await self.carry("candidate", name, key.public_key, make_certificate(key), True)

    async def end_epoch(self) -> None:
        """Return when a new epoch's first block is final."""
        epoch = self._cluster.height(self._ask) // PARAMS.epoch_blocks
        await self._cluster.wait_height(self._ask, (epoch + 1) * PARAMS.epoch_blocks + 1)


async def keep_loading(cluster: Cluster, signer: Signer, done: list[str]) -> None:
    """Transactions one after another to whoever runs; ``done`` are the ids that became final."""
    for number in count():
        index = sorted(cluster.nodes)[number % len(cluster.nodes)]
        height = cluster.height(index)
        transaction, client = signer.make(valid_until=height + 50), cluster.client(index)
        taken = await client.call("tx_submit", "0x" + transaction.encoded.hex())
        if taken.get("code") == SYNCING:
            continue
        assert taken.get("status") == "accepted", taken
        final = await client.call("tx_wait", "0x" + transaction.id.hex(), 20_000)
        if final.get("final"):
            done.append(final["id"])


def get_set(cluster: Cluster, index: int) -> list[str]:
    return [member.name for member in cluster.nodes[index].parts.state.validators.members]


class Newcomers:
    """Nodes beyond the genesis set: their homes know the first four, who do not know them."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        seven = make_configs(folder, 7)
        configs = list(cluster.configs)
        for index in range(4, 7):
            configs.append(replace(seven[index], peers=self._find_peers(configs)))
        cluster.configs = configs

    def _find_peers(self, configs: list[NodeConfig]) -> Any:
        first = (configs[1].peers[0], *configs[0].peers)
        assert len(first) == 4
        return first


def test_a_chain_goes_from_four_to_seven_to_five_validators_under_load(tmp_path: Path) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path, params=PARAMS) as cluster:
            Newcomers(cluster, tmp_path)
            government, done = Government(cluster), list[str]()
            load = asyncio.create_task(keep_loading(cluster, Signer(cluster.genesis), done))
            for index in (4, 5, 6):
                key = make_validator_key(index)
                await government.admit(f"validator-{index}", key)
                await cluster.start(index)
                await government.carry("validator", key.public_key, True)
                await government.end_epoch()
            assert get_set(cluster, 0) == [f"validator-{index}" for index in range(7)]
            # Seven need five: two of the first four may stop only if the new ones really vote.
            await cluster.stop(2)
            await cluster.stop(3)
            before = cluster.height(0)
            await cluster.wait_height(0, before + 3)
            await cluster.start(2)
            await cluster.start(3)
            for index in (4, 1):
                await government.carry("validator", make_validator_key(index).public_key, False)
            await government.end_epoch()
            assert get_set(cluster, 0) == [f"validator-{index}" for index in (0, 2, 3, 5, 6)]
            load.cancel()
            with suppress(asyncio.CancelledError):
                await load
            height = cluster.height(0)
            for index in list(cluster.nodes):
                await cluster.wait_height(index, height)
                description = cluster.nodes[index].parts.driver.describe()
                assert description.role == ("observer" if index in (1, 4) else "validator")
            await cluster.check_equal(height)
            await check_changes(cluster, height)
            assert len(done) > 10
            for id_text in done:
                again = await cluster.client(6).call("tx_wait", id_text, 20_000)
                assert again["final"] is True

    run(work())


async def check_changes(cluster: Cluster, height: int) -> None:
    """What a certificate file needs can be had from any node: each set that followed another."""
    header = cluster.nodes[6].parts.chain.get_header(height)
    assert header is not None
    async with Client([cluster.client(0).url]) as client:
        changes = await find_changes(client, header)
    sizes = [len(change.validators) for change in changes]
    # The two removals may fall on either side of an epoch's end.
    assert sizes in ([5, 6, 7, 5], [5, 6, 7, 6, 5])
    last = make_set(changes[-1].validators)
    assert last is not None
    assert last.hash == header.validators_hash


def test_a_key_is_replaced_and_the_old_one_can_be_struck_off(tmp_path: Path) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path, params=PARAMS) as cluster:
            Newcomers(cluster, tmp_path)
            government = Government(cluster)
            old, new = make_validator_key(3).public_key, make_validator_key(4)
            await government.admit("spare", new)
            await cluster.start(4)
            await government.carry("validator_key", old, new.public_key)
            await government.end_epoch()
            assert get_set(cluster, 0) == [f"validator-{index}" for index in range(4)]
            assert cluster.nodes[4].parts.driver.describe().role == "validator"
            assert cluster.nodes[3].parts.driver.describe().role == "observer"
            await cluster.stop(2)  # the new key is needed for the quorum of three
            await government.carry("candidate", "validator-3", old, b"", False)
            network = cluster.nodes[0].parts.network
            assert old not in network.connected
            assert old not in {peer.public_key for peer in network.describe()}
            before = cluster.height(0)
            await cluster.wait_height(0, before + 2)
            assert cluster.height(3) <= before + 1

    run(work())


def test_a_certificate_that_is_not_the_keys_admits_nobody(tmp_path: Path) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path, 1, PARAMS) as cluster:
            government = Government(cluster)
            stranger, other = make_validator_key(8), make_validator_key(9)
            for certificate in (make_certificate(other), b"no certificate"):
                key = stranger.public_key if certificate[:2] != b"no" else other.public_key
                await government.carry("candidate", f"n-{key.hex()[:4]}", key, certificate, True)
            assert cluster.nodes[0].parts.network.describe() == []
            listed = await cluster.client(0).call("validator_list")
            assert len(listed["candidates"]) == 2

    run(work())


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Versions]:
    """A program with one more version of both; its VM asks 100 gas more for a call."""
    dearer = replace(get_schedule(1), contract_call=get_schedule(1).contract_call + 100)
    monkeypatch.setitem(SCHEDULES, 2, dearer)
    yield Versions(protocol=2, vm=2)


def test_a_node_whose_program_is_too_old_stops_before_the_boundary(
    tmp_path: Path, versions: Versions
) -> None:
    async def work() -> None:
        async with run_cluster(tmp_path, params=PARAMS) as cluster:
            await cluster.stop(3)
            parts = open_parts(cluster.configs[3], cluster.genesis, make_validator_key(3), versions)
            cluster.nodes[3] = Node(parts)
            await cluster.nodes[3].__aenter__()
            government = Government(cluster)
            view = {"contract": "governance", "method": "get_threshold", "arguments": []}
            gas = (await cluster.client(3).call("state_call", **view))["gas"]
            await government.carry("versions", 2, 2)
            last = -(-cluster.height(0) // PARAMS.epoch_blocks) * PARAMS.epoch_blocks
            listed = await cluster.client(0).call("validator_list")
            assert listed["next"]["lacking"] == (
                "protocol version 2 (this program knows up to 1) and VM version 2 "
                "(this program knows up to 1)"
            )
            listed = await cluster.client(3).call("validator_list")
            assert listed["next"]["lacking"] == ""
            for index in range(3):
                node = cluster.nodes.pop(index)
                with pytest.raises(BaseExceptionGroup) as caught:
                    await asyncio.wait_for(node.wait(), 60)
                assert caught.group_contains(VersionError, match=f"from height {last + 1} on")
                assert node.parts.state.height == last
            assert cluster.height(3) <= last
            # Started again, the old program refuses; the new one goes on.
            with pytest.raises(VersionError):
                open_parts(cluster.configs[0], cluster.genesis, make_validator_key(0))
            for index in range(3):
                config, key = cluster.configs[index], make_validator_key(index)
                cluster.nodes[index] = Node(open_parts(config, cluster.genesis, key, versions))
                await cluster.nodes[index].__aenter__()
            await cluster.wait_height(0, last + 2)
            params = cluster.nodes[0].parts.state.params
            assert (params.protocol_version, params.vm_version) == (2, 2)
            for index in (0, 3):  # started again, and never stopped
                await cluster.wait_height(index, last + 2)
                seen = await cluster.client(index).call("state_call", **view)
                assert seen["gas"] == gas + 100

    run(work())


def make_double_vote(cluster: Cluster, liar: int) -> bytes:
    """Evidence that validator ``liar`` prepared two blocks at the height being decided."""
    state, key = cluster.nodes[0].parts.state, make_validator_key(liar)
    height, validators = state.height + 1, state.validators
    epoch = (height - 1) // state.params.epoch_blocks
    votes = []
    for content in (b"\1" * 32, b"\2" * 32):
        vote = Vote(int(Phase.PREPARE), height, 0, Hash(content), ZERO_HASH, liar, b"")
        signed = compute_signed_vote(vote, cluster.nodes[0].parts.chain_id, epoch)
        votes.append(replace(vote, signature=key.sign(signed)))
    return make_evidence(votes[0], votes[1], epoch, validators)


def test_evidence_told_to_one_node_is_in_a_block_and_before_governance_on_all(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        params = replace(PARAMS, epoch_blocks=1_000)
        async with run_cluster(tmp_path, params=params) as cluster:
            evidence = make_double_vote(cluster, 2)
            message = encode_message(EvidenceMessage(evidence))
            driver = cluster.nodes[1].parts.driver
            driver.on_message(make_validator_key(0).public_key, message, None)
            for index in range(4):
                notifier = cluster.nodes[index].parts.notifier
                client = cluster.client(index)
                found: list[Any] = []

                async def ask(client: Any = client, found: list[Any] = found) -> None:
                    found[:] = (await client.call("evidence_list"))["items"]

                async def again(notifier: Any = notifier, ask: Any = ask) -> None:
                    await notifier.wait_tip()
                    await ask()

                await ask()
                await wait_until(lambda found=found: bool(found), again, 60)  # type: ignore[misc]  # a lambda's default
                (row,) = found
                assert (row["name"], row["kind"], row["proposal"]) == (
                    "validator-2",
                    "two-votes",
                    1,
                )
                assert row["validator"] == "0x" + make_validator_key(2).public_key.hex()
            height = cluster.height(0)
            blocks = [
                await cluster.client(3).call("chain_getBlock", number)
                for number in range(1, height + 1)
            ]
            held = [item for block in blocks for item in block["evidence"]]
            assert held == ["0x" + evidence.hex()]
            await cluster.check_equal(height)

    run(work())


def test_a_dead_validator_is_passed_over_as_leader(tmp_path: Path) -> None:
    async def work() -> None:
        params = replace(PARAMS, epoch_blocks=1_000)
        async with run_cluster(tmp_path, params=params) as cluster:
            await cluster.stop(3)
            signer, views = Signer(cluster.genesis), list[int]()
            for _ in range(40):
                transaction = signer.make(valid_until=cluster.height(0) + 50)
                final = await cluster.client(0).submit_and_wait(transaction, 30_000)
                certificate = cluster.nodes[0].parts.chain.get_certificate(final["height"])
                assert certificate is not None
                views.append(certificate.view)
            # Every fourth height without the rule: ten. With it 4, 8 and 16 heights are skipped.
            assert 1 <= sum(view > 0 for view in views) <= 5
            listed = await cluster.client(0).call("validator_list")
            dead = listed["validators"][3]
            assert dead["missedTurns"] >= 2
            assert dead["leadsAgainAt"] > 3
            await cluster.start(3)
            await cluster.wait_height(3, cluster.height(0))
            leaders = [cluster.nodes[index].parts.state.tip.next_leaders for index in range(4)]
            assert leaders[3].records[0].misses >= 2

    run(work())
