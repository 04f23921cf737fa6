"""A node for the index's tests: real HTTP, answers of the node's own form, a real chain behind.

``spoil`` changes what it answers, as a lying node would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from sqlalchemy import Engine

from node.rpc.render import to_hex, to_json_params
from primitives.block import EXECUTION_RESULT, HEADER
from primitives.certificate import CERTIFICATE
from primitives.transaction import Call
from storage.stateproof import STATE_PROOF
from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.fake_node import FakeNode, Refusal
from tools.client.client import Client
from tools.client.transport import RetryPolicy
from tools.client.wire import from_hex
from tools.indexer.following import Follower
from tools.light.blocks import ProvenBlock, render_commit
from vm.machine import BlockContext

Spoil = Callable[[str, dict[str, Any], Any], Any]


def make_index_node(chain: AuditedChain, spoil: Spoil | None = None) -> FakeNode:
    """Return a node that shows ``chain``; enter it with ``async with``."""
    answers = ChainAnswers(chain)
    methods: dict[str, Callable[[dict[str, Any]], Any]] = {
        "chain_status": answers.status,
        "chain_getContents": answers.contents,
        "chain_getCommit": answers.commit,
        "validator_list": answers.validators,
        "tx_search": lambda params: {"items": [], "nextCursor": None},
        "state_call": answers.call,
        "state_get": answers.state,
    }
    if spoil is not None:
        methods = {name: _spoiled(name, work, spoil) for name, work in methods.items()}
    return FakeNode(methods)


def _spoiled(name: str, work: Callable[[dict[str, Any]], Any], spoil: Spoil) -> Any:
    return lambda params: spoil(name, params, work(params))


class ChainAnswers:
    """What the node answers, from a chain on disk. ``tip`` hides the blocks above."""

    def __init__(self, chain: AuditedChain) -> None:
        self._chain = chain
        self.sets = {bytes(chain.genesis.validators.hash): chain.genesis.validators}

    def status(self, params: dict[str, Any]) -> Any:
        tip = self._chain.chain.tip
        assert tip is not None
        return {
            "chainId": to_hex(self._chain.chain_id), "chainName": "audited", "height": tip.height,
            "stateRoot": to_hex(tip.state_root), "timeMs": tip.time_ms, "syncing": False,
            "params": to_json_params(self._chain.params),
        }  # fmt: skip

    def contents(self, params: dict[str, Any]) -> Any:
        store, height = self._chain.chain, params["block"]
        block, certificate = store.get_block(height), store.get_certificate(height)
        result = store.get_result(height)
        if block is None or certificate is None or result is None:
            raise Refusal(-32001, "no such block yet")
        return {
            "height": height,
            "headerEncoded": to_hex(HEADER.encode(block.header)),
            "executionEncoded": to_hex(EXECUTION_RESULT.encode(result)),
            "certificateEncoded": to_hex(CERTIFICATE.encode(certificate)),
            "transactions": [to_hex(item) for item in block.transactions],
            "receipts": [to_hex(item) for item in store.get_receipts(height)],
            "events": [to_hex(item) for item in store.get_events(height)],
        }

    def commit(self, params: dict[str, Any]) -> Any:
        store, height = self._chain.chain, params["block"]
        header, certificate = store.get_header(height), store.get_certificate(height)
        result = store.get_result(height)
        assert header is not None and certificate is not None and result is not None
        return render_commit(
            ProvenBlock(header, result, certificate, self._chain.genesis.validators)
        )

    def validators(self, params: dict[str, Any]) -> Any:
        now = self._chain.validators
        if params["validatorsHash"] != to_hex(now.hash):
            raise Refusal(-32001, "no such set")
        return {
            "validators": [
                {"name": item.name, "publicKey": to_hex(item.public_key)} for item in now.members
            ]
        }

    def state(self, params: dict[str, Any]) -> Any:
        key = from_hex(params["key"])
        with self._chain.chain.view() as view:
            value, proof = view.get(key), view.prove(key)
            return {
                "key": to_hex(key),
                "value": None if value is None else to_hex(value),
                "height": view.height,
                "stateRoot": to_hex(view.state_root),
                "levels": view.state_levels,
                "proof": {
                    "bucket": to_hex(proof.bucket),
                    "siblings": [to_hex(item) for item in proof.siblings],
                    "encoded": to_hex(STATE_PROOF.encode(proof)),
                },
            }

    def call(self, params: dict[str, Any]) -> Any:
        chain, tip = self._chain, self._chain.chain.tip
        assert tip is not None
        context = BlockContext(chain.chain_id, tip.height, tip.time_ms // 1_000, 0, bytes(32))  # type: ignore[arg-type]  # nobody
        with chain.chain.view() as view:
            abi = chain.machine.get_abi(view, params["contract"])
            assert abi is not None
            arguments = abi.arguments_from_json(params["method"], params["arguments"])
            call = Call(params["contract"], params["method"], arguments)
            outcome = chain.machine.view(view, context, bytes(32), call, 50_000_000)  # type: ignore[arg-type]  # nobody
        if outcome.status != "ok":
            raise Refusal(-32011, outcome.code, status=outcome.status, code=outcome.code, gas=1)
        value = abi.result_to_json(params["method"], outcome.values[0])
        return {"value": value, "gas": outcome.gas, "events": [], "height": tip.height}


ONE_TRY = RetryPolicy(rounds_max=1, request_timeout_s=30.0, connect_timeout_s=2.0)


def follow(
    chain: AuditedChain, engine: Engine, until: int | None = None, *spoils: Spoil
) -> Follower:
    """Bring an index up to a height (the tip), from nodes that spoil their answers and, last,
    an honest one."""

    async def run() -> Follower:
        async with AsyncExitStack() as stack:
            clients = []
            for spoil in (*spoils, None):
                node = await stack.enter_async_context(make_index_node(chain, spoil))
                clients.append(await stack.enter_async_context(Client(node.url, policy=ONE_TRY)))
            follower = Follower(engine, clients, chain.genesis, until or chain.height)
            async with asyncio.timeout(60):
                await follower.run(asyncio.Event())
            return follower

    return asyncio.run(run())
