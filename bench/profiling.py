"""Where one validator's time goes: it is run again under a sampler while the load goes on."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from tools.localnet.network import Localnet
from tools.localnet.processes import Child

TOP = 40
READY_S = 30.0


class ProfiledNode:
    """One node of a network, replaced by a sampled one. Use as ``async with``.

    Afterwards ``result`` has the share of samples of each function, by thread, and the
    unsampled node runs again.
    """

    def __init__(self, net: Localnet, index: int) -> None:
        self._net = net
        self._index = index
        self._output = Path(tempfile.mkdtemp(prefix="carbonode-profile-")) / "samples.json"
        self._child: Child | None = None
        self.result: dict[str, Any] | None = None

    async def __aenter__(self) -> ProfiledNode:
        node = self._net.nodes[self._index]
        await self._net.stop(self._index)
        self._child = Child(
            f"{node.name} (sampled)",
            "bench.sampled_node",
            [str(self._output), str(node.home)],
            node.home / "profile.log",
        )
        await self._child.start()
        await self._wait_for_tip()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._child is not None:
            await self._child.stop()
            self.result = _summarise(json.loads(self._output.read_text("utf-8")))
            await self._net.start(self._index)

    async def _wait_for_tip(self) -> None:
        """The sampled node is not one of the network's own children: ask it directly."""
        async with asyncio.timeout(READY_S), self._net.client(self._index) as client:
            while (await client.status()).syncing:  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.1)
        self._output.with_name(self._output.name + ".start").touch()


def _summarise(samples: dict[str, Any]) -> dict[str, Any]:
    total = max(samples["samples"], 1)

    def list_top(name: str) -> list[dict[str, Any]]:
        return [
            {"thread": thread, "function": function, "percent": round(100 * count / total, 1)}
            for thread, function, count in samples[name][:TOP]
        ]

    return {
        "what": "share of samples in which a thread was in the function; threads run side by side",
        "seconds": round(samples["seconds"], 1),
        "cpuSeconds": round(samples["cpuSeconds"], 1),
        "samples": samples["samples"],
        "leaves": list_top("leaves"),
        "inclusive": list_top("inclusive"),
    }
