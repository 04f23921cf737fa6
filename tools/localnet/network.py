"""``Localnet``: N validators as real processes on loopback, for whoever needs a chain.

    async with Localnet(directory, validators=4) as net:
        async with net.client() as client: ...
        await net.kill(2)        # SIGKILL, as a crash would
        await net.restart(2)
        await net.wait_ready()

It starts and ends processes and watches their heights; it knows nothing of the
chain's content. Children stop with their parent, however that ends (child.py). The
folder is a chain's home: started again on it, the chain goes on, unless ``fresh``.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from node.config import ENVIRONMENT_PREFIX, PeerSection
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import Address
from primitives.keys import PrivateKey
from primitives.params import ChainParams
from tools.client.client import Client
from tools.client.errors import ClientError
from tools.client.results import ChainStatus
from tools.client.transport import RetryPolicy
from tools.localnet.chain import DevelopmentChain, open_chain
from tools.localnet.homes import NodePlan, make_peer, write_home, write_text
from tools.localnet.ports import LOOPBACK, check_free, find_free_ports
from tools.localnet.processes import STOP_GRACE_S, Child, ChildError

SUMMARY_FILE = "localnet.json"
LOCK_FILE = ".lock"
LOG_FILE = "node.log"
PORTS_PER_NODE = 3
READY_TIMEOUT_S = 60.0
POLL_S = 0.1
Reach = Callable[[int, int, int], tuple[str, int]]
"""(who dials, whom, the port it listens on) -> where: for a proxy between the two."""
PROBE = RetryPolicy(rounds_max=1, request_timeout_s=5.0, connect_timeout_s=1.0)


class LocalnetError(CarbonodeError):
    """The network cannot be built, or is not ready in time."""

    code = "localnet"


@dataclass(frozen=True, slots=True)
class LocalNode:
    """One validator's place. Endpoints are URLs; ``p2p`` is ``host:port``."""

    index: int
    name: str
    home: Path
    rpc: str
    ws: str
    admin: str
    p2p: str
    public_key: Address


class Localnet:
    """A network in one folder. Use as ``async with``; nodes are numbered from 0."""

    def __init__(
        self,
        directory: Path | str,
        *,
        validators: int = 4,
        base_port: int | None = None,
        fresh: bool = False,
        params: ChainParams | None = None,
        enterprises: int = 0,
        log_level: str = "info",
        environment: Mapping[str, str] | None = None,
        ready_timeout_s: float = READY_TIMEOUT_S,
        reach: Reach | None = None,
    ) -> None:
        """``base_port``: three consecutive ports a node from there; None: free ones.

        ``enterprises`` adds plain parties to a new chain, one sender each for load.
        ``environment`` is added to the children's (``CARBONODE_RPC_...`` settings).
        ``reach`` says where one node reaches another, when that is not where it listens.
        """
        self.directory = Path(directory).absolute()
        self.nodes: list[LocalNode] = []
        self._validators = validators
        self._base_port = base_port
        self._fresh = fresh
        self._params = params
        self._enterprises = enterprises
        self._log_level = log_level
        # Settings of the caller's own node (its ports, its folders) are not for the children.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ENVIRONMENT_PREFIX)
        }
        self._environment = {**inherited, **(environment or {})}
        self._ready_timeout_s = ready_timeout_s
        self._reach = reach
        self._children: list[Child] = []
        self._chain: DevelopmentChain | None = None
        self._lock: int | None = None

    @property
    def genesis(self) -> Genesis:
        """The chain's genesis."""
        return self._get_chain().genesis

    @property
    def genesis_path(self) -> Path:
        """A genesis file, for offline checks."""
        return self.nodes[0].home / "genesis.json"

    @property
    def keys(self) -> Mapping[str, PrivateKey]:
        """The development parties' keys, by party name."""
        return self._get_chain().party_keys

    @property
    def endpoints(self) -> list[str]:
        """Every node's RPC endpoint, in order."""
        return [node.rpc for node in self.nodes]

    @property
    def summary_path(self) -> Path:
        """The file with endpoints, pids and development keys."""
        return self.directory / SUMMARY_FILE

    async def __aenter__(self) -> Localnet:
        check_directory(self.directory)
        self._lock = lock_directory(self.directory)
        try:
            self.prepare()
            for child in self._children:
                await child.start()
            self._write_summary()
            await self.wait_ready(self._ready_timeout_s)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def prepare(self) -> None:
        """Write the genesis, keys and homes, without starting anything."""
        if self._fresh and self.directory.exists():
            remove_network(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.summary_path.exists():
            write_text(self.summary_path, "{}\n")  # marks the folder as ours, for --fresh
        chain = open_chain(
            self.directory, self._validators, self._params, enterprises=self._enterprises
        )
        ports = self._choose_ports(len(chain.validator_keys))
        plans = [
            self._make_plan(index, member.name, chain.validator_keys[index], ports)
            for index, member in enumerate(chain.genesis.validators.members)
        ]
        for index, plan in enumerate(plans):
            peers = [self._make_peer(index, other, to) for other, to in enumerate(plans)]
            write_home(plan, chain.genesis, peers, overwrite=True)
        self._chain = chain
        self.nodes = [_make_node(index, plan) for index, plan in enumerate(plans)]
        self._children = [
            Child(
                node.name,
                "node",
                [str(node.home)],
                node.home / LOG_FILE,
                self._environment,
            )
            for node in self.nodes
        ]

    async def close(self) -> None:
        """Stop every child: cleanly, or by force after a grace period."""
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(child.stop())
        if self._chain is not None:
            self._write_summary()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def kill(self, index: int) -> None:
        """End a node as a crash would (SIGKILL)."""
        await self._children[index].kill()

    async def stop(self, index: int, grace_s: float = STOP_GRACE_S) -> int | None:
        """Stop a node cleanly; return its exit code."""
        return await self._children[index].stop(grace_s)

    async def start(self, index: int, program: Sequence[str] | None = None) -> None:
        """Start a node that is not running; does not wait until it is ready.

        ``program`` (a module and its arguments) runs in place of the node's, this once.
        """
        await self._children[index].start(program)
        self._write_summary()

    async def restart(self, index: int) -> None:
        """Stop a node cleanly if it runs, and start it again."""
        await self.stop(index)
        await self.start(index)

    def is_running(self, index: int) -> bool:
        """Whether the node's process is alive."""
        return self._children[index].is_running

    def exit_code(self, index: int) -> int | None:
        """The exit code of the node's last run; None while it runs."""
        return self._children[index].exit_code

    def pid(self, index: int) -> int | None:
        """The node's process id."""
        return self._children[index].pid

    def client(self, index: int | None = None, *, policy: RetryPolicy | None = None) -> Client:
        """Return a client of one node, or of all of them (with fail-over)."""
        endpoints = self.endpoints if index is None else [self.nodes[index].rpc]
        return Client(endpoints, policy=policy, chain_id=compute_chain_id(self.genesis))

    async def statuses(self) -> list[ChainStatus | None]:
        """Return each node's status; None where a node does not answer."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._probe(index)) for index in range(len(self.nodes))]
        return [task.result() for task in tasks]

    async def wait_ready(
        self, timeout_s: float = READY_TIMEOUT_S, *, indices: Iterable[int] | None = None
    ) -> int:
        """Wait until the nodes (all, unless named) serve and stand at one height.

        Returns the height. Raises ChildError when one of them has ended, with the end
        of its log, and LocalnetError when the time is over.
        """
        watched = list(range(len(self.nodes)) if indices is None else indices)
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout_s
        while True:
            self._check_running(watched)
            statuses = await self.statuses()
            seen = [statuses[index] for index in watched]
            heights = {status.height for status in seen if status and not status.syncing}
            if len(heights) == 1 and all(status and not status.syncing for status in seen):
                return heights.pop()
            if clock.time() > deadline:
                raise LocalnetError("not ready in time", heights=_describe(watched, statuses))
            await asyncio.sleep(POLL_S)

    def check_running(self) -> None:
        """Raise ChildError when any node has ended by itself."""
        self._check_running(range(len(self.nodes)))

    def _check_running(self, indices: Iterable[int]) -> None:
        for index in indices:
            child = self._children[index]
            if not child.is_running:
                raise ChildError(
                    f"{child.name} has ended; the end of its log:\n{child.read_log_tail()}\n",
                    exit_code=child.exit_code,
                )

    async def _probe(self, index: int) -> ChainStatus | None:
        if not self._children[index].is_running:
            return None
        try:
            async with self.client(index, policy=PROBE) as client:
                return await client.status()
        except ClientError:
            return None

    def _choose_ports(self, count: int) -> list[int]:
        if self._base_port is None:
            return find_free_ports(count * PORTS_PER_NODE)
        ports = list(range(self._base_port, self._base_port + count * PORTS_PER_NODE))
        check_free(ports)
        return ports

    def _make_plan(self, index: int, name: str, key: PrivateKey, ports: Sequence[int]) -> NodePlan:
        first = index * PORTS_PER_NODE
        return NodePlan(
            name=name,
            home=self.directory / name,
            key=key,
            host=LOOPBACK,
            listen=LOOPBACK,
            p2p_port=ports[first],
            rpc_port=ports[first + 1],
            admin_port=ports[first + 2],
            log_level=self._log_level,
        )

    def _make_peer(self, dialler: int, target: int, plan: NodePlan) -> PeerSection:
        """Return how one node's configuration names another."""
        if self._reach is None or dialler == target:
            return plan.peer
        host, port = self._reach(dialler, target, plan.p2p_port)
        return make_peer(plan.name, plan.key, host, port)

    def _get_chain(self) -> DevelopmentChain:
        if self._chain is None:
            raise LocalnetError("the network is not prepared: use 'async with'")
        return self._chain

    def _write_summary(self) -> None:
        write_text(self.summary_path, json.dumps(self._summarise(), indent=2) + "\n")
        self.summary_path.chmod(0o600)  # it holds development keys

    def _summarise(self) -> dict[str, Any]:
        return {
            "chainId": "0x" + compute_chain_id(self.genesis).hex(),
            "genesis": str(self.genesis_path),
            "nodes": [
                {
                    "name": node.name,
                    "pid": self.pid(node.index) if self.is_running(node.index) else None,
                    "rpc": node.rpc,
                    "ws": node.ws,
                    "admin": node.admin,
                    "p2p": node.p2p,
                    "home": str(node.home),
                    "publicKey": "0x" + node.public_key.hex(),
                }
                for node in self.nodes
            ],
            "keys": {name: "0x" + key.seed.hex() for name, key in self.keys.items()},
        }


def check_directory(directory: Path) -> None:
    """Raise LocalnetError when the folder holds something that is not a local network."""
    if not directory.is_dir() or (directory / SUMMARY_FILE).exists():
        return
    if any(entry.name != LOCK_FILE for entry in directory.iterdir()):
        raise LocalnetError(
            "the folder is not a local network's and not empty", path=str(directory)
        )


def lock_directory(directory: Path) -> int:
    """Return a descriptor that holds the folder until it is closed, or raise LocalnetError.

    Two networks in one folder would write over each other's configuration.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise LocalnetError(
            "a local network runs in this folder already", path=str(directory)
        ) from None
    return descriptor


def remove_network(directory: Path) -> None:
    """Delete a local network's folder but its lock; refuses any other folder."""
    check_directory(directory)
    for entry in directory.iterdir():
        if entry.name == LOCK_FILE:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _make_node(index: int, plan: NodePlan) -> LocalNode:
    return LocalNode(
        index=index,
        name=plan.name,
        home=plan.home,
        rpc=f"http://{LOOPBACK}:{plan.rpc_port}",
        ws=f"ws://{LOOPBACK}:{plan.rpc_port}/ws",
        admin=f"http://{LOOPBACK}:{plan.admin_port}",
        p2p=f"{LOOPBACK}:{plan.p2p_port}",
        public_key=plan.key.public_key,
    )


def _describe(indices: Sequence[int], statuses: Sequence[ChainStatus | None]) -> dict[int, str]:
    described: dict[int, str] = {}
    for index in indices:
        status = statuses[index]
        if status is None:
            described[index] = "no answer"
        else:
            described[index] = f"{status.height}{' syncing' if status.syncing else ''}"
    return described
