"""Home folders of nodes: who they are, where they listen, whom they know.

One function writes everything that ``carbonode start`` reads: ``config.toml``,
``genesis.json``, ``node.key``. ``carbonode init``, ``testnet`` and ``localnet`` all
use it, so that a development node differs from a production one in nothing but its
addresses. It never touches ``data`` or ``signer``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.config import (
    CONFIG_FILE,
    LogSection,
    NodeConfig,
    NodeSection,
    P2pSection,
    PeerSection,
    RpcSection,
    check_config,
    render_config,
)
from p2p.tls import make_certificate
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis, dump_genesis
from primitives.hashing import Address
from primitives.keys import PrivateKey
from tools.client.keyfile import read_key, write_key

KEY_FILE = "node.key"
GENESIS_FILE = "genesis.json"


class HomeError(CarbonodeError):
    """A home folder that is in the way, or lacks something."""

    code = "home"


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node to be written. ``host`` is where others reach it, ``listen`` what it binds."""

    name: str
    home: Path
    key: PrivateKey
    host: str
    listen: str
    p2p_port: int
    rpc_port: int
    admin_port: int
    rpc_listen: str = "127.0.0.1"
    log_level: str = "info"
    log_format: str = "text"
    key_used_before: bool = False

    @property
    def peer(self) -> PeerSection:
        """How the others' configurations name this node."""
        return make_peer(self.name, self.key, self.host, self.p2p_port)


def make_peer(name: str, key: PrivateKey, host: str, port: int) -> PeerSection:
    """Return a peer entry with the certificate that the key's owner presents."""
    return PeerSection(
        name=name,
        public_key=Address(key.public_key),
        host=host,
        port=port,
        certificate="0x" + make_certificate(key).hex(),
    )


def make_config(plan: NodePlan, peers: Sequence[PeerSection]) -> NodeConfig:
    """Return the checked configuration of one node; a node does not list itself."""
    others = tuple(peer for peer in peers if peer.public_key != plan.key.public_key)
    return check_config(
        NodeConfig(
            home=plan.home,
            node=NodeSection(
                name=plan.name,
                genesis=GENESIS_FILE,
                key=KEY_FILE,
                key_used_before=plan.key_used_before,
            ),
            p2p=P2pSection(host=plan.listen, port=plan.p2p_port),
            rpc=RpcSection(host=plan.rpc_listen, port=plan.rpc_port, admin_port=plan.admin_port),
            log=LogSection(level=plan.log_level, format=plan.log_format),
            peers=others,
        )
    )


def write_home(
    plan: NodePlan, genesis: Genesis, peers: Sequence[PeerSection], *, overwrite: bool = False
) -> None:
    """Write a node's home folder.

    Raises HomeError when there is a node in it already, unless ``overwrite``: then the
    configuration is replaced, and key and genesis must be the same as before.
    """
    plan.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = plan.home / CONFIG_FILE
    if config.exists() and not overwrite:
        raise HomeError("there is a node in this folder already", path=str(plan.home))
    _write_genesis(plan.home / GENESIS_FILE, dump_genesis(genesis))
    key_path = plan.home / KEY_FILE
    if not key_path.exists():
        write_key(key_path, plan.key)
    elif read_key(key_path).public_key != plan.key.public_key:
        raise HomeError("another node's key is in this folder", path=str(key_path))
    write_text(config, render_config(make_config(plan, peers)))


def write_text(path: Path, text: str) -> None:
    """Replace a text file as a whole: a reader sees the old one or the new one."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _write_genesis(path: Path, text: str) -> None:
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise HomeError("another chain's genesis is in this folder", path=str(path))
        return
    write_text(path, text)
