"""kill -9 of any one validator at random moments under load: nothing final is lost.

Real processes on loopback. Senders submit and wait through whichever node answers;
meanwhile one validator after another is killed at a random moment and started again.
Afterwards every transaction that ``tx_wait`` reported final must be on every node at
the same place, no two nodes may differ at any height, and each victim must have come
back to the tip by itself.

CARBONODE_KILLS (20) and CARBONODE_SEED choose how often and which.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from primitives.keys import PrivateKey
from primitives.params import ChainParams
from primitives.transaction import Call, TransactionId
from tools.client.client import Client
from tools.client.errors import ClientError
from tools.client.proofs import verify_transaction_answer
from tools.client.results import FinalTransaction
from tools.client.transport import RetryPolicy
from tools.client.wire import Request, to_hex
from tools.localnet.network import Localnet

KILLS = int(os.environ.get("CARBONODE_KILLS", "20"))
SEED = int(os.environ.get("CARBONODE_SEED", str(secrets.randbelow(1 << 32))))
VALIDATORS = 4
SENDERS = ("enterprise-a", "enterprise-b", "bank", "verifier", "registry", "project-owner")
BATCH = 5
BACK_AT_TIP_S = 45.0
PROGRESS_S = 20.0
"""With all validators up and the network sound the chain goes on within this time."""
KILLED_AGAIN = 0.25
FINAL_PER_KILL_MIN = 5
POLICY = RetryPolicy(rounds_max=20, wait_max_s=0.5, request_timeout_s=10.0, connect_timeout_s=1.0)
PARAMS = ChainParams(timeout_base_ms=500, empty_block_interval_ms=2_000)
FOREVER = 1 << 40


@dataclass(slots=True)
class Witness:
    """What clients were told is final, and where."""

    final: dict[TransactionId, FinalTransaction] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)

    def note(self, found: FinalTransaction) -> None:
        known = self.final.setdefault(found.id, found)
        if (known.height, known.index, known.status) != (found.height, found.index, found.status):
            self.contradictions.append(found.id.hex())


async def send_for_ever(
    client: Client, name: str, key: PrivateKey, witness: Witness, stopping: asyncio.Event
) -> None:
    """Grant something new, again and again; what fails is tried no further."""
    number = 0
    while not stopping.is_set():
        calls = []
        for _ in range(BATCH):
            number += 1
            calls.append(Call("identity", "grant", ("regulator", f"{name}-{number}", FOREVER)))
        try:
            transactions = [await client.build(key, [call], gas_limit=500_000) for call in calls]
            submitted = await client.submit_batch(transactions)
            ids = [item.id for item in submitted if item.is_accepted]
            for found in await client.wait_many(ids, timeout_s=20.0):
                witness.note(found)
        except ClientError:
            client.transport.fail_over()


async def wait_at_tip(net: Localnet, victim: int, seed: str) -> None:
    """Return when the victim stands where the others stood when it was started."""
    others = [index for index in range(VALIDATORS) if index != victim]
    statuses = await net.statuses()
    target = max(status.height for index in others if (status := statuses[index]) is not None)
    async with asyncio.timeout(BACK_AT_TIP_S):
        while True:
            assert net.is_running(victim), f"validator {victim} ended by itself; {seed}"
            status = (await net.statuses())[victim]
            if status is not None and not status.syncing and status.height >= target:
                return
            await asyncio.sleep(0.05)


async def wait_for_progress(witness: Witness, told: str) -> float:
    """Return how long it took until something new was final; all four are up meanwhile."""
    clock = asyncio.get_running_loop()
    before, began = len(witness.final), clock.time()
    while len(witness.final) == before:
        waited_s = clock.time() - began
        assert waited_s < PROGRESS_S, f"nothing became final for {waited_s:.0f} s; {told}"
        await asyncio.sleep(0.05)
    return clock.time() - began


async def kill_and_restart(net: Localnet, rng: random.Random, witness: Witness) -> None:
    for number in range(KILLS):
        victim = rng.randrange(VALIDATORS)
        told = f"seed {SEED}, kill {number}, victim {victim}"
        await asyncio.sleep(rng.uniform(0.05, 1.5))
        await net.kill(victim)
        await asyncio.sleep(rng.uniform(0.0, 1.0))
        before = len(witness.final)
        await net.start(victim)
        if rng.random() < KILLED_AGAIN:  # while it starts, replays its log, catches up
            await asyncio.sleep(rng.uniform(0.0, 1.5))
            await net.kill(victim)
            await net.start(victim)
        await wait_at_tip(net, victim, told)
        meanwhile = len(witness.final) - before
        waited_s = await wait_for_progress(witness, told)
        print(f"{told}: back at the tip, {meanwhile} final meanwhile, next after {waited_s:.1f} s")


async def check_nothing_lost(net: Localnet, witness: Witness) -> None:
    """Every final transaction is on every node, where the client was told it is."""
    ids = list(witness.final)
    for node in net.nodes:
        async with net.client(node.index, policy=POLICY) as client:
            answers = await client.call_many(
                [Request("tx_get", {"id": to_hex(id_), "proof": False}) for id_ in ids]
            )
            for id_, answer in zip(ids, answers, strict=True):
                assert isinstance(answer, dict), f"{node.name} lost {id_.hex()}; seed {SEED}"
                told = witness.final[id_]
                assert answer["height"] == told.height
                assert answer["index"] == told.index
                assert answer["blockHash"] == to_hex(told.block_hash)
                assert answer["receipt"]["status"] == told.status


async def check_nobody_differs(net: Localnet, height: int) -> None:
    """Block hash, execution hash and state root are equal at every height."""
    chains = []
    for node in net.nodes:
        async with net.client(node.index, policy=POLICY) as client:
            answers = await client.call_many(
                [Request("chain_getCommit", {"block": number}) for number in range(1, height + 1)]
            )
        assert all(isinstance(answer, dict) for answer in answers), f"{node.name}; seed {SEED}"
        chains.append(
            [
                (item["blockHash"], item["execHash"], item["execution"]["stateRoot"])
                for item in answers
            ]
        )
    for number, places in enumerate(zip(*chains, strict=True), 1):
        assert len(set(places)) == 1, f"height {number} differs; seed {SEED}: {places}"


async def check_proofs(net: Localnet, witness: Witness, rng: random.Random) -> None:
    """A sample verifies against the genesis alone."""
    ids = rng.sample(sorted(witness.final), min(5, len(witness.final)))
    async with net.client(policy=POLICY) as client:
        for id_ in ids:
            verified = verify_transaction_answer(await client.get(id_), net.genesis)
            assert verified.transaction.id == id_
            assert verified.header.height == witness.final[id_].height


async def run(directory: Path) -> None:
    rng = random.Random(SEED)
    witness = Witness()
    stopping = asyncio.Event()
    async with Localnet(directory, validators=VALIDATORS, params=PARAMS, fresh=True) as net:
        async with asyncio.TaskGroup() as group:
            for offset, name in enumerate(SENDERS):
                first = offset % VALIDATORS
                endpoints = net.endpoints[first:] + net.endpoints[:first]
                client = Client(endpoints, policy=POLICY)
                group.create_task(_send_with(client, name, net.keys[name], witness, stopping))
            try:
                await kill_and_restart(net, rng, witness)
            finally:
                stopping.set()
        height = await net.wait_ready(30.0)
        assert witness.contradictions == [], f"seed {SEED}"
        assert len(witness.final) >= FINAL_PER_KILL_MIN * KILLS, f"seed {SEED}"
        assert all(found.is_ok for found in witness.final.values())
        await check_nothing_lost(net, witness)
        await check_nobody_differs(net, height)
        await check_proofs(net, witness, rng)
        print(f"seed {SEED}: {KILLS} kills, {len(witness.final)} final, height {height}")


async def _send_with(
    client: Client, name: str, key: PrivateKey, witness: Witness, stopping: asyncio.Event
) -> None:
    async with client:
        await send_for_ever(client, name, key, witness, stopping)


@pytest.mark.integration
def test_killing_any_validator_at_any_moment_loses_nothing_final(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    asyncio.run(run(tmp_path / "net"))
