"""One simulated machine: its disk and clock, and the supervisor that starts its node.

The node is the real one, from ``open_parts`` to ``Node``; only its host is made up.
A node that ends because its disk is full is started again later, as systemd does it;
any other end that nobody asked for is a finding.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from consensus.signing import LastSigned
from node.clock import Clock
from node.config import NodeConfig, NodeSection, P2pSection, PeerSection, RpcSection
from node.host import Host
from node.journal import SIGNER_FILE
from node.node import Node
from node.parts import CHAIN_FOLDER, open_parts
from node.rpc.dispatch import Caller
from node.rpc.service import RpcService
from primitives.genesis import Genesis
from storage.engine import KeyValueStore
from storage.errors import StorageError
from storage.signer import SignerRecordFile
from tools.simulator.whole.chain import START_MS, make_key, make_machine, make_shown_certificate
from tools.simulator.whole.disk import Disk, MadeFiles
from tools.simulator.whole.life import Life
from tools.simulator.whole.loop import VirtualLoop
from tools.simulator.whole.network import MadeCarrier, MadeNetwork, make_address
from tools.simulator.whole.plan import Crash
from tools.simulator.whole.store import MadeStore, StoreImage
from vm.stored import NoCache

HOME = Path("/simulated")
LAST_TASK_S = 30.0
"""So long after a crash every task of the life must be over."""
RESTART_S = (0.3, 1.5)
"""The supervisor's pause before it starts a node that ended by itself."""


class UnreachableError(Exception):
    """The node is not there, or went away before it answered."""


class World(Protocol):
    """The run, as a machine sees it."""

    loop: VirtualLoop
    network: MadeNetwork
    genesis: Genesis
    seed: int

    def note(self, text: str) -> None:
        """Write a line of history."""
        ...

    def fail(self, what: str, **details: object) -> None:
        """Report a breach."""
        ...

    def see_write(self, machine: int, rows: Mapping[bytes, bytes]) -> None:
        """A batch goes to a machine's chain."""
        ...

    def is_disk_full(self, machine: int) -> bool:
        """Whether there is no room at this moment."""
        ...


class MadeClock(Clock):
    """A machine's clock: off by some milliseconds, and a little too fast or slow."""

    def __init__(self, loop: VirtualLoop, skew_ms: int, drift_ppm: int) -> None:
        self._loop, self._skew_ms, self._rate = loop, skew_ms, 1 + drift_ppm / 1_000_000

    def now_ms(self) -> int:
        return START_MS + 60_000 + self._skew_ms + int(self._loop.time() * 1_000 * self._rate)

    def monotonic_s(self) -> float:
        return self._loop.time() * self._rate


class Desk:
    """Where simulated clients hand their JSON-RPC requests straight to the dispatcher."""

    def __init__(self, service: RpcService, _config: RpcSection) -> None:
        self._service = service
        self._client = service.clients.get("simulated")
        self._open: dict[asyncio.Task[str | None], None] = {}
        self.is_open = False
        self.address = ("", 0)
        self.admin_address = ("", 0)

    async def __aenter__(self) -> Desk:
        self.is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.is_open = False
        for task in self._open:
            task.cancel()
        self._service.close()

    def begin(self, body: str, life: Life) -> asyncio.Task[str | None]:
        """Start answering a request; the task ends with the node."""
        work = self._service.dispatcher.answer(body, Caller(self._client, {}))
        task = asyncio.get_running_loop().create_task(work, context=life.context)
        self._open[task] = None
        task.add_done_callback(lambda done: self._open.pop(done, None))
        return task


class Machine:
    """See the module."""

    def __init__(self, world: World, index: int, skew_ms: int, drift_ppm: int) -> None:
        self.world, self.index = world, index
        self.skew_ms, self.drift_ppm = skew_ms, drift_ppm
        self.disk = Disk(self._get_certain_at, world.loop.time)
        self.disk.is_full = lambda: world.is_disk_full(index)
        self.images: dict[Path, StoreImage] = {}
        self.life: Life | None = None
        self.node: Node | None = None
        self.lives = 0
        self._rng = random.Random(f"machine/{world.seed}/{index}")
        self._is_key_used = False
        self._dead: list[tuple[float, Life]] = []

    # -- for clients and checks

    @property
    def height(self) -> int:
        """The height of the running node; -1 while there is none."""
        return self.node.parts.state.height if self.node is not None else -1

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        """Return the result, or the error as ``{"error": ...}``. Raises UnreachableError."""
        life, node = self.life, self.node
        desk = node.rpc if node is not None else None
        if life is None or not isinstance(desk, Desk) or not desk.is_open:
            raise UnreachableError
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        task = desk.begin(json.dumps(request), life)
        await asyncio.wait({task})
        if task.cancelled():
            raise UnreachableError
        answer = json.loads(task.result() or "{}")
        return answer["result"] if "result" in answer else {"error": answer.get("error")}

    def read_signed(self) -> LastSigned | None:
        """Return the last-signed record that a crash would leave now."""
        path = self._make_config().signer_path / SIGNER_FILE
        data = self.disk.read_certain(path)
        if data is None:
            return None
        scratch = Disk(lambda: 0.0, lambda: 0.0)
        files = MadeFiles(scratch)
        file = files.open(path, make=True)
        file.write(data, 0)
        with SignerRecordFile.open(path, files) as opened:
            record = opened.record
        return LastSigned(record.height, record.view, record.phase, record.digest, record.signature)

    # -- the supervisor

    def start(self) -> None:
        """Start the node, unless it runs."""
        if self.life is not None:
            return
        self.lives += 1
        rng = random.Random(f"life/{self.world.seed}/{self.index}/{self.lives}")
        life = self.life = Life(self.index, self.lives, rng)
        self.world.note(f"{life.name} starts")
        task = self.world.loop.create_task(self._live(life), context=life.context)
        task.add_done_callback(lambda done: self._on_end(life, done))

    def crash(self, crash: Crash, back_at: float) -> None:
        """The power goes, or an operator stops the node; it is started again at ``back_at``."""
        life = self.life
        if life is None:
            return
        if crash.is_stop and self.node is not None:
            self.world.note(f"{life.name} is told to stop")
            self.node.stop()
            self.world.loop.call_at(back_at, self.start)
            return
        self.world.note(f"{life.name} crashes, loses {crash.loses or 'what was not synced'}")
        life.kill()
        self._dead.append((self.world.loop.time(), life))
        self.life = self.node = None
        self.world.network.crash(life, is_loud=crash.is_loud)
        self.disk.crash(self._rng)
        for image in self.images.values():
            image.crash(self._rng, self.world.loop.time())
        self._lose(crash.loses)
        self.world.loop.call_at(back_at, self.start)

    def check_dead(self) -> None:
        """Every task of a life must end with it."""
        now = self.world.loop.time()
        for died_at, life in list(self._dead):
            if not life.tasks:
                self._dead.remove((died_at, life))
            elif now - died_at > LAST_TASK_S:
                names = sorted(str(task.get_coro()) for task in life.tasks)
                self.world.fail("tasks outlive their node", node=life.name, tasks=names)

    def _lose(self, what: str) -> None:
        config = self._make_config()
        if what:
            self.disk.wipe(config.data_path)
            self.images.clear()
        if what == "all":
            self.disk.wipe(config.signer_path)
            self._is_key_used = True

    async def _live(self, life: Life) -> None:
        config = self._make_config()
        parts = open_parts(
            config, self.world.genesis, make_key(self.index), host=self._make_host(life)
        )
        node = Node(parts, make_door=Desk)
        async with node:
            self.world.note(f"{life.name} runs from height {parts.state.height}")
            self.node = node
            await node.wait()

    def _on_end(self, life: Life, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if life.is_dead:
            return
        self._dead.append((self.world.loop.time(), life))
        self.life = self.node = None
        cause = _find_cause(error)
        self.world.note(f"{life.name} ended: {cause!r}")
        if error is None:
            return
        if not isinstance(cause, StorageError) or not self._is_disk_trouble(cause):
            self.world.fail("a node stopped by itself", node=life.name, error=repr(cause))
        pause_s = self._rng.uniform(*RESTART_S)
        self.world.loop.call_later(pause_s, self.start)

    def _is_disk_trouble(self, error: StorageError) -> bool:
        """Only a disk without room may end a node here."""
        return error.code == "disk-full"

    # -- its host

    def _make_config(self) -> NodeConfig:
        count = len(self.world.genesis.validators.members)
        peers = tuple(
            PeerSection(
                f"v{other}", make_key(other).public_key, *_split(make_address(other)),
                "0x" + make_shown_certificate(other).hex(),
            )
            for other in range(count)
            if other != self.index
        )  # fmt: skip
        host, port = _split(make_address(self.index))
        section = NodeSection(name=f"v{self.index}")
        if self._is_key_used:
            section = replace(section, key_used_before=True)
        return NodeConfig(
            home=HOME / f"v{self.index}", node=section, p2p=P2pSection(host, port), peers=peers
        )

    def _make_host(self, life: Life) -> Host:
        world, drawn = self.world, iter(range(1_000))

        def make_rng() -> random.Random:
            return random.Random(f"node/{world.seed}/{life.name}/{next(drawn)}")

        return Host(
            files=MadeFiles(self.disk, life),
            open_store=lambda folder: self._open_store(folder, life),
            make_clock=lambda: MadeClock(world.loop, self.skew_ms, self.drift_ppm),
            make_rng=make_rng,
            make_carrier=lambda make_link: MadeCarrier(
                world.network, life, make_shown_certificate(self.index), make_link
            ),
            open_code_cache=lambda folder, seed: NoCache(),
            make_machine=make_machine,
        )

    def _open_store(self, folder: Path, life: Life) -> KeyValueStore:
        self.disk.folders[folder] = None
        image = self.images.setdefault(folder, StoreImage())
        on_write: Callable[[Mapping[bytes, bytes]], None] = _ignore
        if folder.name == CHAIN_FOLDER:
            on_write = self._see_write
        now, is_full = self.world.loop.time, self.disk.is_full
        return MadeStore(image, life, now, self._get_certain_at, is_full, on_write)

    def _see_write(self, rows: Mapping[bytes, bytes]) -> None:
        self.world.see_write(self.index, rows)

    def _get_certain_at(self) -> float:
        """When what is done at this moment is on the disk."""
        ends_at = self.world.loop.job_ends_at
        return self.world.loop.time() if ends_at is None else ends_at


def _find_cause(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def _ignore(_rows: Mapping[bytes, bytes]) -> None:
    """Indexes are nobody's promise."""
