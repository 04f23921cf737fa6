"""A headless Chromium for tests: one page from a file, and scripts in it, by DevTools."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

START_S = 60.0
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip

LOADED = "location.protocol === 'file:' && document.readyState === 'complete'"


def find_chromium() -> str:
    """Return the program, or skip the test with a message."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium here: apt-get install chromium")


class Page:
    """One open page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def send(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": params}))
        async for message in self._socket:
            answer = json.loads(message.data)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
        raise AssertionError("Chromium hung up")

    async def evaluate(self, script: str) -> Any:
        """Return the value of a script, or of the promise it makes."""
        answer = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")


@asynccontextmanager
async def open_page(folder: Path, file: Path) -> AsyncIterator[Page]:
    """Yield the page of a file, opened from the disk; Chromium ends with the block."""
    profile = folder / "profile"
    process = await asyncio.create_subprocess_exec(
        find_chromium(), *FLAGS, f"--user-data-dir={profile}", file.as_uri(),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(START_S):
            async for line in process.stderr:
                if line.startswith(b"DevTools listening on "):
                    break
        drain = asyncio.create_task(process.stderr.read())
        address = line.decode().split("ws://")[1].split("/")[0]
        async with aiohttp.ClientSession() as session:
            url = await _find_page(session, f"http://{address}/json/list", file)
            async with session.ws_connect(url, max_msg_size=0) as socket:
                page = Page(socket)
                async with asyncio.timeout(START_S):
                    while not await page.evaluate(LOADED):
                        pass
                yield page
    finally:
        process.terminate()
        await process.wait()
    await drain


async def _find_page(session: aiohttp.ClientSession, url: str, file: Path) -> str:
    async with asyncio.timeout(START_S):
        while True:
            async with session.get(url) as response:
                for target in await response.json():
                    if target["type"] == "page" and target["url"] == file.as_uri():
                        return str(target["webSocketDebuggerUrl"])
