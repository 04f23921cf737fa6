"""What must be true of a node while it runs, and of the disks when everything is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from node.config import NodeConfig
from node.requests import OPEN_REQUESTS_MAX
from p2p.limits import NetworkLimits
from primitives.block import compute_header_hash
from primitives.genesis import Genesis, compute_chain_id
from primitives.transaction import compute_transaction_id
from storage.chain import ChainStore
from storage.memory import MemoryStore
from tools.simulator.whole.clients import Acknowledged
from tools.simulator.whole.machine import HOME, Machine

TASKS_MAX = 300
"""Tasks of one node: its dozen, two for each peer, and the requests of the clients."""
JOBS_MAX = 200
"""Jobs for threads that have not ended."""

Fail = Callable[..., None]


def check_bounds(machine: Machine, fail: Fail) -> None:
    """Nothing in a node grows without bound."""
    life, node = machine.life, machine.node
    if life is None or node is None:
        return
    parts, limits = node.parts, NetworkLimits()
    config: NodeConfig = parts.config
    lanes = (
        limits.consensus_queue_bytes,
        limits.blocks_queue_bytes,
        limits.transactions_queue_bytes,
    )
    held = {
        "tasks": (len(life.tasks), TASKS_MAX),
        "jobs": (life.jobs, JOBS_MAX),
        "pool": (len(parts.mempool), config.mempool.transactions_max),
        "waiters": (parts.notifier.waiting, config.rpc.waiters_max),
        "questions": (parts.links.requests.waiting, OPEN_REQUESTS_MAX),
    }
    for peer in parts.network.describe():
        for number, size in enumerate(peer.lane_bytes):
            held[f"lane {number} to {peer.name}"] = (size, lanes[number])
    for name, (size, limit) in held.items():
        if size > limit:
            fail("a queue without bound", node=life.name, queue=name, size=size, limit=limit)


def check_disks(
    machines: Sequence[Machine],
    genesis: Genesis,
    acknowledged: Sequence[Acknowledged],
    liar: int | None,
    fail: Fail,
) -> None:
    """Read every chain as the next start would find it, power cut included."""
    tips = {}
    for machine in machines:
        image = machine.images.get(HOME / f"v{machine.index}" / "data" / "chain")
        if image is None:
            fail("no chain on disk", machine=machine.index)
            return
        image.settle(float("inf"))
        store = MemoryStore()
        store.write(image.rows, sync=True)
        with ChainStore.open(store, compute_chain_id(genesis)) as chain:
            tip = chain.tip
            if tip is None:
                fail("no tip on disk", machine=machine.index)
                return
            tips[machine.index] = (tip.height, tip.state_root)
            _check_chain(machine.index, chain, tip.height, fail)
            if machine.index != liar:
                _check_acknowledged(machine.index, chain, acknowledged, fail)
    honest = {tip for index, tip in tips.items() if index != liar}
    if len(honest) != 1:
        fail("different states at the end", tips=tips)


def _check_chain(machine: int, chain: ChainStore, height: int, fail: Fail) -> None:
    """Blocks are linked, and no transaction is in two places."""
    places: dict[bytes, tuple[int, int]] = {}
    parent = None
    for number in range(1, height + 1):
        block = chain.get_block(number)
        if block is None:
            fail("a block is missing", machine=machine, height=number)
            return
        if parent is not None and block.header.parent_hash != parent:
            fail("a block does not follow its parent", machine=machine, height=number)
        parent = compute_header_hash(block.header)
        for index, encoded in enumerate(block.transactions):
            transaction_id = compute_transaction_id(encoded)
            if transaction_id in places:
                fail("a transaction twice", machine=machine, id=transaction_id.hex(), height=number)
            places[transaction_id] = (number, index)


def _check_acknowledged(
    machine: int, chain: ChainStore, acknowledged: Sequence[Acknowledged], fail: Fail
) -> None:
    for item in acknowledged:
        encoded_place = chain.find_transaction(item.id)
        if encoded_place != (item.height, item.index):
            fail(
                "what was final is lost", machine=machine, id=item.id.hex(), told=item.height,
                found=encoded_place,
            )  # fmt: skip
