"""Blocks that peers serve: the true ones pass, every lie is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from consensus.effects import CommittedTip
from node.catchup import verify_fetched
from node.wire import CertifiedBlock
from primitives.block import BLOCK, Block, compute_header_hash
from primitives.certificate import (
    CERTIFICATE,
    Certificate,
    Phase,
    compute_vote_bytes,
)
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import Address, Hash
from primitives.keys import PrivateKey
from primitives.validators import Validator, ValidatorSet
from tests.unit.node.support import (
    RpcClient,
    Signer,
    make_configs,
    make_genesis,
    make_node,
    make_validator_key,
)

GENESIS = make_genesis()
CHAIN_ID = compute_chain_id(GENESIS)


class Served:
    """Two real blocks of a lone validator, and the tip before each."""

    def __init__(self, folder: Path) -> None:
        self.tips: list[CommittedTip] = []
        self.blocks: list[CertifiedBlock] = []
        asyncio.run(asyncio.wait_for(self._make(folder), 30))

    async def _make(self, folder: Path) -> None:
        node = make_node(make_configs(folder, 1)[0], GENESIS)
        async with node, aiohttp.ClientSession() as session:
            client, signer = RpcClient(session, node), Signer(GENESIS)
            for _ in range(2):
                self.tips.append(node.parts.state.tip)
                final = await client.submit_and_wait(signer.make())
                chain, height = node.parts.chain, final["height"]
                block, certificate = chain.get_block_bytes(height), chain.get_certificate(height)
                assert block is not None
                assert certificate is not None
                self.blocks.append(CertifiedBlock(block, CERTIFICATE.encode(certificate)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("served"))


def certify(block: Block, exec_hash: bytes, key: PrivateKey) -> CertifiedBlock:
    """A block with a certificate signed by ``key`` as the only validator."""
    header, block_hash = block.header, compute_header_hash(block.header)
    message = compute_vote_bytes(
        Phase.COMMIT, CHAIN_ID, header.epoch, header.height, 0, block_hash, Hash(exec_hash)
    )
    certificate = Certificate(
        header.height, 0, block_hash, Hash(exec_hash), (0,), (key.sign(message),)
    )
    return CertifiedBlock(BLOCK.encode(block), CERTIFICATE.encode(certificate))


def test_true_blocks_pass_in_order(served: Served) -> None:
    for tip, item in zip(served.tips, served.blocks, strict=True):
        fetched = verify_fetched(item, CHAIN_ID, tip)
        assert fetched.block.header.height == tip.height + 1
        assert len(fetched.transactions) == 1


def test_a_block_out_of_order_is_refused(served: Served) -> None:
    with pytest.raises(CarbonodeError, match="height"):
        verify_fetched(served.blocks[1], CHAIN_ID, served.tips[0])
    with pytest.raises(CarbonodeError, match="height"):
        verify_fetched(served.blocks[0], CHAIN_ID, served.tips[1])


def test_another_chain_is_refused(served: Served) -> None:
    with pytest.raises(CarbonodeError, match="chain"):
        verify_fetched(served.blocks[0], Hash(bytes(32)), served.tips[0])


def test_an_old_proof_is_not_judged_by_a_new_validator_set(served: Served) -> None:
    other = ValidatorSet((Validator("x", Address(make_validator_key(9).public_key)),))
    with pytest.raises(CarbonodeError, match="validators"):
        verify_fetched(served.blocks[0], CHAIN_ID, replace(served.tips[0], next_validators=other))


def test_a_certificate_by_a_stranger_is_refused(served: Served) -> None:
    block = BLOCK.decode(served.blocks[0].block)
    lie = certify(block, bytes(32), make_validator_key(5))
    with pytest.raises(CarbonodeError, match="bad signature"):
        verify_fetched(lie, CHAIN_ID, served.tips[0])


def test_a_certificate_for_another_block_is_refused(served: Served) -> None:
    mixed = CertifiedBlock(served.blocks[0].block, served.blocks[1].certificate)
    with pytest.raises(CarbonodeError, match="certified height"):
        verify_fetched(mixed, CHAIN_ID, served.tips[0])


def _other_transaction(block: Block, genesis: Genesis) -> Block:
    return replace(block, transactions=(Signer(genesis, next_nonce=77).make().encoded,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda block: _other_transaction(block, GENESIS), "transactions root"),
        (lambda block: replace(block, transactions=()), "transactions"),
        (lambda block: replace(block, evidence=(b"x",)), "evidence root"),
        (lambda block: replace(block, parent_certificate=None), "parent certificate"),
    ],
)
def test_bytes_that_the_header_does_not_name_are_refused(
    served: Served, change: Callable[[Block], Block], words: str
) -> None:
    block = change(BLOCK.decode(served.blocks[1].block))
    swapped = CertifiedBlock(BLOCK.encode(block), served.blocks[1].certificate)
    with pytest.raises(CarbonodeError, match=words):
        verify_fetched(swapped, CHAIN_ID, served.tips[1])


@pytest.mark.parametrize("field", ["parent_hash", "prev_exec_hash", "params_hash"])
def test_a_header_that_does_not_follow_the_tip_is_refused(served: Served, field: str) -> None:
    block = BLOCK.decode(served.blocks[0].block)
    lie = replace(block, header=replace(block.header, **{field: Hash(b"x" * 32)}))
    with pytest.raises(CarbonodeError, match="does not fit"):
        verify_fetched(certify(lie, bytes(32), make_validator_key(0)), CHAIN_ID, served.tips[0])
