"""Home folders for validators on several machines, and more nodes for a chain there is.

``write_testnet`` makes a chain; ``expand_testnet`` adds nodes to it. A new node has
the chain's genesis and knows everyone; everyone's configuration gets the new node.
Whether it becomes a validator is governance's decision, not a file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from node.config import CONFIG_FILE, NodeConfig, PeerSection, load_config, render_config
from primitives.genesis import Genesis, compute_chain_id, load_genesis
from primitives.hashing import Hash
from primitives.keys import PrivateKey
from tools.client.keyfile import generate_key, read_key, write_key
from tools.localnet.chain import build_chain
from tools.localnet.homes import (
    GENESIS_FILE,
    KEY_FILE,
    HomeError,
    NodePlan,
    make_peer,
    write_home,
    write_text,
)
from tools.localnet.ports import LOOPBACK

PORTS_PER_NODE = 3
PARTY_KEYS_FOLDER = "keys"


@dataclass(frozen=True, slots=True)
class TestnetPlan:
    """What the operator asked for. No hosts: all on loopback with ports apart."""

    __test__ = False  # not a test, whatever pytest thinks of its name

    directory: Path
    count: int
    hosts: tuple[str, ...]
    base_port: int


@dataclass(frozen=True, slots=True)
class WrittenTestnet:
    """The nodes written now, and the files of other nodes that changed."""

    chain_id: Hash
    nodes: tuple[NodePlan, ...]
    changed: tuple[Path, ...]


def write_testnet(plan: TestnetPlan) -> WrittenTestnet:
    """Make a new chain in ``plan.directory``; refuses a folder that holds one."""
    _check_hosts(plan)
    if plan.directory.exists() and any(plan.directory.iterdir()):
        raise HomeError("the folder is not empty: use --expand", path=str(plan.directory))
    chain = build_chain(plan.count, is_public=False)
    nodes = tuple(
        _make_plan(plan, index, index, member.name, chain.validator_keys[index])
        for index, member in enumerate(chain.genesis.validators.members)
    )
    peers = [node.peer for node in nodes]
    for node in nodes:
        write_home(node, chain.genesis, peers)
    for name, key in chain.party_keys.items():
        write_key(plan.directory / PARTY_KEYS_FOLDER / f"{name}.key", key)
    return WrittenTestnet(compute_chain_id(chain.genesis), nodes, ())


def expand_testnet(plan: TestnetPlan) -> WrittenTestnet:
    """Add ``plan.count`` nodes to the chain in ``plan.directory``."""
    _check_hosts(plan)
    homes = _find_homes(plan.directory)
    genesis = _read_genesis(homes)
    configs = [load_config(home, {}) for home in homes]
    known = [_read_peer(config, configs) for config in configs]
    names = {config.node.name for config in configs}
    added = []
    for offset in range(plan.count):
        index = len(homes) + offset
        name = _choose_name(names, index)
        names.add(name)
        added.append(_make_plan(plan, offset, index, name, generate_key()))
    peers = [*known, *(node.peer for node in added)]
    for node in added:
        write_home(node, genesis, peers)
    new = tuple(node.peer for node in added)
    for config in configs:
        changed = replace(config, peers=(*config.peers, *new))
        write_text(config.home / CONFIG_FILE, render_config(changed))
    paths = tuple(home / CONFIG_FILE for home in homes)
    return WrittenTestnet(compute_chain_id(genesis), tuple(added), paths)


def _make_plan(plan: TestnetPlan, offset: int, index: int, name: str, key: PrivateKey) -> NodePlan:
    """``offset`` counts the hosts given now, ``index`` all nodes of the chain."""
    own_machine = bool(plan.hosts)
    first = plan.base_port + (0 if own_machine else index * PORTS_PER_NODE)
    return NodePlan(
        name=name,
        home=plan.directory / name,
        key=key,
        host=plan.hosts[offset] if own_machine else LOOPBACK,
        listen="0.0.0.0" if own_machine else LOOPBACK,
        p2p_port=first,
        rpc_port=first + 1,
        admin_port=first + 2,
    )


def _check_hosts(plan: TestnetPlan) -> None:
    if plan.hosts and len(plan.hosts) != plan.count:
        raise HomeError("give one --host for each node", hosts=len(plan.hosts), nodes=plan.count)
    if len(set(plan.hosts)) != len(plan.hosts):
        raise HomeError("two nodes on one host need their own ports: leave --host out")


def _find_homes(directory: Path) -> list[Path]:
    homes = [path.parent for path in directory.glob(f"*/{CONFIG_FILE}")]
    if not homes:
        raise HomeError("there is no chain in this folder to expand", path=str(directory))
    return sorted(homes)


def _read_genesis(homes: Sequence[Path]) -> Genesis:
    texts = {(home / GENESIS_FILE).read_text("utf-8") for home in homes}
    if len(texts) != 1:
        raise HomeError("the folders hold different chains", folders=[str(home) for home in homes])
    return load_genesis(texts.pop())


def _read_peer(config: NodeConfig, configs: Sequence[NodeConfig]) -> PeerSection:
    """Return how ``config``'s node is named by the others; alone, by its own settings."""
    key = read_key(config.home / KEY_FILE)
    for other in configs:
        for peer in other.peers:
            if peer.public_key == key.public_key:
                return peer
    return make_peer(config.node.name, key, config.p2p.host, config.p2p.port)


def _choose_name(taken: set[str], index: int) -> str:
    number = index + 1
    while f"node-{number}" in taken:
        number += 1
    return f"node-{number}"
