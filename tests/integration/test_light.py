"""A light client against a real single-validator node: proven, or refused with the reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result

from primitives.codec import pack
from primitives.errors import ProofError
from primitives.genesis import Genesis, dump_genesis
from primitives.hashing import TransactionId
from primitives.transaction import Call
from tests.unit.node.support import (
    CONSORTIUM,
    TEST_PARAMS,
    RpcClient,
    Signer,
    make_configs,
    make_genesis,
    make_node,
    make_validator_key,
)
from tests.unit.tools.light_spoils import spoil_all
from tools.cli.main import main
from tools.client.client import Client
from tools.client.errors import NotFound
from tools.light.blocks import verify_commit_answer
from tools.light.keys import make_state_key
from tools.light.reader import LightReader
from tools.light.state import verify_state_answer
from tools.light.transactions import verify_transaction

pytestmark = pytest.mark.integration
LIMIT_S = 90.0
PARAMS = replace(TEST_PARAMS, epoch_blocks=2)
UNPROVEN = frozenset({"receipt.values", "events.*.fields"})


@dataclass(frozen=True, slots=True)
class Setup:
    genesis: Genesis
    node: RpcClient
    client: Client
    ids: list[TransactionId]

    @property
    def reader(self) -> LightReader:
        return LightReader(self.client, self.genesis)


@asynccontextmanager
async def run_chain(folder: Path) -> AsyncIterator[Setup]:
    """Yield a chain with a block of six transactions, two of them with several events."""
    genesis = make_genesis(1, PARAMS)
    node = make_node(make_configs(folder, 1)[0], genesis)
    async with node, aiohttp.ClientSession() as session:
        rpc = RpcClient(session, node)
        async with Client([rpc.url]) as client:
            yield Setup(genesis, rpc, client, await fill(rpc, client, genesis))


async def fill(rpc: RpcClient, client: Client, genesis: Genesis) -> list[TransactionId]:
    signer = Signer(genesis)
    calls = [
        Call("notes", "put", ("one", "first")),
        Call("notes", "put_many", ("many", 3)),
        Call("notes", "put", ("two", "forbidden")),
        Call("notes", "put", ("three", "third")),
        Call("notes", "put_many", ("many", 2)),
        Call("notes", "put", ("four", "fourth")),
    ]
    made = [signer.make([call], gas_limit=2_000_000) for call in calls]
    await rpc.call("tx_submitBatch", ["0x" + item.encoded.hex() for item in made])
    await client.wait_many([item.id for item in made], timeout_s=20.0)
    return [item.id for item in made]


def check(folder: Path, work: Callable[[Setup], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(LIMIT_S), run_chain(folder) as setup:
            await work(setup)

    asyncio.run(run())


def test_blocks_transactions_and_state_of_a_real_chain_are_proven(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        reader = setup.reader
        head = await reader.get_block()
        assert head.signers == ("validator-0",)
        statuses, events = [], []
        for id_ in setup.ids:
            proven = await reader.get_transaction(id_)
            assert proven.transaction.id == id_
            statuses.append(proven.receipt.status)
            events.append(len(proven.events))
        assert statuses == ["ok", "ok", "reverted", "ok", "ok", "ok"]
        assert events == [1, 3, 0, 1, 2, 1]
        stored = await reader.get_state(make_state_key("notes", "notes", ["one"]))
        assert stored.value == pack("first")
        absent = await reader.get_state(make_state_key("notes", "notes", ["two"]))
        assert absent.value is None
        with pytest.raises(NotFound):
            await reader.get_transaction(TransactionId(bytes(32)))

    check(tmp_path, work)


def test_a_genesis_of_another_chain_proves_nothing(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        other = replace(setup.genesis, chain_name="another")
        reader = LightReader(setup.client, other)
        for ask in (
            reader.get_block(),
            reader.get_transaction(setup.ids[0]),
            reader.get_state(b"notes\0"),
        ):
            with pytest.raises(ProofError) as error:
                await ask
            assert error.value.code == "proof-header"

    check(tmp_path, work)


def test_no_spoiled_answer_of_a_real_node_is_accepted(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        genesis, node = setup.genesis, setup.node
        key = make_state_key("notes", "notes", ["one"])
        stated = await node.call("state_get", "0x" + key.hex(), True)
        none = await node.call("state_get", "0x" + key.hex() + "00", True)
        commit = await node.call("chain_getCommit", stated["height"])
        later = await node.call("chain_getCommit", none["height"])
        block = verify_commit_answer(commit, genesis, genesis.validators)
        second = verify_commit_answer(later, genesis, genesis.validators)
        answer, last = [
            await node.call("tx_get", "0x" + (await find_at(setup, place)).hex(), True)
            for place in (0, -1)
        ]
        cases: list[tuple[Any, Callable[[Any], object]]] = [
            (commit, lambda it: verify_commit_answer(it, genesis, genesis.validators)),
            (stated, lambda it: verify_state_answer(it, key, genesis, block)),
            (none, lambda it: verify_state_answer(it, key + b"\0", genesis, second)),
            (answer, lambda it: verify_transaction(it, last, genesis, genesis.validators)),
            (last, lambda it: verify_transaction(answer, it, genesis, genesis.validators)),
        ]
        for honest, verify in cases:
            assert verify(honest) is not None
            assert [how for how, it in spoil_all(honest, UNPROVEN, 8) if accepts(verify, it)] == []

    async def find_at(setup: Setup, place: int) -> TransactionId:
        """Return a transaction of the block in which the chain's first one is."""
        height = (await setup.client.get(setup.ids[0]))["height"]
        ids = (await setup.client.get_block(height))["transactionIds"]
        return TransactionId(bytes.fromhex(ids[place][2:]))

    check(tmp_path, work)


def accepts(verify: Callable[[Any], object], answer: Any) -> bool:
    try:
        verify(answer)
    except ProofError:
        return False
    return True


def test_the_command_prints_what_is_proven_and_exits_1_where_it_is_not(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        trusted, other = tmp_path / "trusted.json", tmp_path / "other.json"
        trusted.write_text(dump_genesis(setup.genesis))
        other.write_text(dump_genesis(replace(setup.genesis, chain_name="another")))

        async def carbonode(genesis: Path, *arguments: str) -> Result:
            given = ["--genesis", str(genesis), "--node", setup.node.url]
            command = ["--output", "json", "light", *arguments, *given]
            return await asyncio.to_thread(CliRunner().invoke, main, command)

        head = await carbonode(trusted, "head")
        assert head.exit_code == 0, head.output
        assert json.loads(head.stdout)["signers"] == ["validator-0"]
        shown = await carbonode(trusted, "head", "1", "--output", "text")
        assert shown.exit_code == 0 and "PROVEN" in shown.stdout
        found = json.loads((await carbonode(trusted, "tx", setup.ids[1].hex())).stdout)
        assert (found["proven"], found["status"], len(found["events"])) == (True, "ok", 3)
        state = json.loads((await carbonode(trusted, "state", "notes", "notes", "one")).stdout)
        assert (state["exists"], state["decoded"]) == (True, "first")
        raw = await carbonode(trusted, "state", "--raw", state["key"][2:] + "00")
        assert json.loads(raw.stdout)["exists"] is False
        assert (await carbonode(trusted, "tx", "00" * 32)).exit_code == 6
        assert (await carbonode(trusted, "state", "notes", "notes", "int:x")).exit_code == 2
        for arguments in (["head"], ["tx", setup.ids[0].hex()], ["state", "notes", "notes", "one"]):
            refused = await carbonode(other, *arguments)
            assert refused.exit_code == 1
            assert json.loads(refused.stderr)["error"]["code"] == "proof-header"

    check(tmp_path, work)


async def rename_validator(setup: Setup, name: str, proposal: int) -> None:
    """Let governance decide a set of one other name, and wait until it is in force."""
    signer = Signer(setup.genesis, CONSORTIUM.keys["regulator"], 100 * proposal)
    wanted: Any = [[name, make_validator_key(0).public_key]]
    for call in (
        Call("governance", "propose_validators", (wanted,)),
        Call("governance", "execute", (proposal,)),
    ):
        status = (await setup.client.status()).height
        made = signer.make([call], valid_until=status + 50, gas_limit=5_000_000)
        final = await setup.node.submit_and_wait(made)
        assert final["receipt"]["status"] == "ok", final
    for number in range(PARAMS.epoch_blocks + 1):
        height = (await setup.client.status()).height
        note = Call("notes", "put", (name, str(number)))
        await setup.node.submit_and_wait(signer.make([note], valid_until=height + 50))


def test_changes_of_the_validators_are_followed_by_the_ends_of_epochs(tmp_path: Path) -> None:
    async def work(setup: Setup) -> None:
        await rename_validator(setup, "renamed", 1)
        await rename_validator(setup, "renamed-again", 2)
        reader = setup.reader
        head = await reader.get_block()
        assert head.signers == ("renamed-again",)
        assert reader.trusted.epoch >= 2
        state = await reader.get_state(make_state_key("notes", "notes", ["renamed-again"]))
        assert state.value is not None
        # The first block is of the genesis's set: a reader that starts there still proves it.
        first = await setup.reader.get_transaction(setup.ids[0])
        assert first.block.signers == ("validator-0",)
        with pytest.raises(ProofError) as error:
            await reader.get_transaction(setup.ids[0])
        assert error.value.code == "light-epoch"

    check(tmp_path, work)
