"""Chaos's own parts: a schedule from a seed, books that find every breach, a proxy that holds."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from primitives.hashing import Hash, TransactionId
from tools.chaos.checks import find_breaches, make_chain
from tools.chaos.disks import TmpfsDisk, choose_disk, fill_up, mount_tmpfs
from tools.chaos.load import Book
from tools.chaos.proxy import ProxyMesh
from tools.chaos.schedule import LEADERS, FaultKind, make_schedule
from tools.client.results import FinalTransaction


def make_block(height: int, *numbers: int, state: str = "s") -> dict[str, Any]:
    return {
        "blockHash": "0x" + bytes([height]).hex() * 32,
        "certificate": {"execHash": "e"},
        "execution": {"stateRoot": state},
        "transactionIds": ["0x" + bytes([number]).hex() * 32 for number in numbers],
        "statuses": ["ok" for _ in numbers],
    }


def told(number: int, height: int, index: int) -> FinalTransaction:
    id_ = TransactionId(Hash(bytes([number]) * 32))
    return FinalTransaction(id_, height, index, Hash(bytes([height]) * 32), {"status": "ok"})


GOOD = [make_block(1, 1, 2), make_block(2, 3)]


def test_a_chain_that_kept_its_word_has_no_breach() -> None:
    book = Book()
    for found in (told(1, 1, 0), told(3, 2, 0), told(3, 2, 0)):
        book.note(found)
    assert find_breaches(book, [make_chain("a", GOOD), make_chain("b", GOOD)]) == []


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([GOOD[0], make_block(2)], "b lost 0303"),
        ([make_block(1, 1), make_block(2, 2, 3)], "acknowledged at"),
        ([GOOD[0], make_block(2, 3, 1)], "b has a transaction twice: 0x0101"),
        ([GOOD[0], make_block(2, 3, state="other")], "height 2 differs"),
        (GOOD[:1], "nodes differ in height"),
    ],
)
def test_each_breach_is_found(blocks: list[dict[str, Any]], words: str) -> None:
    book = Book()
    for found in (told(1, 1, 0), told(2, 1, 1), told(3, 2, 0)):
        book.note(found)
    breaches = find_breaches(book, [make_chain("a", GOOD), make_chain("b", blocks)])
    assert any(words in breach for breach in breaches), breaches


def test_two_acknowledgements_that_differ_are_a_breach() -> None:
    book = Book()
    book.note(told(1, 1, 0))
    book.note(told(1, 2, 0))
    chain = make_chain("a", GOOD)
    assert any("two places" in breach for breach in find_breaches(book, [chain]))


@pytest.mark.parametrize("validators", [4, 7])
def test_a_schedule_is_the_seed_s_and_never_hits_more_than_f(validators: int) -> None:
    faults = list(islice(make_schedule(9, validators), 200))
    assert faults == list(islice(make_schedule(9, validators), 200))
    assert faults != list(islice(make_schedule(10, validators), 200))
    seen = Counter(fault.kind for fault in faults)
    assert set(seen) == set(FaultKind)
    assert seen.most_common(1)[0][0] is FaultKind.KILL_LEADER
    for fault in faults:
        bounded = fault.kind not in {FaultKind.SLOW, FaultKind.LINK} and not fault.may_stop_chain
        assert not bounded or len(fault.victims) <= (validators - 1) // 3
        assert (fault.victims == ()) == (fault.kind in LEADERS)


def test_a_cut_way_holds_bytes_and_hands_them_on_when_healed() -> None:
    async def work() -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                heard.put_nowait(data)
                writer.write(data.upper())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with ProxyMesh(2) as mesh:
            host, port = mesh.reach(0, 1, server.sockets[0].getsockname()[1])
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"a")
            assert await reader.readexactly(1) == b"A"
            mesh.cut([(1, 0)])  # one way only: it hears us, and we do not hear it
            writer.write(b"b")
            assert (await heard.get(), await heard.get()) == (b"a", b"b")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(1), 0.3)
            mesh.heal()
            assert await reader.readexactly(1) == b"B"
            writer.close()
        server.close()

    asyncio.run(work())


@pytest.mark.skipif(not isinstance(choose_disk(), TmpfsDisk), reason="needs a mount of its own")
def test_a_node_that_takes_the_last_room_does_not_stop_the_filler(tmp_path: Path) -> None:
    mount_tmpfs(tmp_path, 1024 * 1024)
    try:
        # Less than nothing is to stay free: as if the node had written since the room was read.
        fill_up(tmp_path, -64 * 1024)
        assert os.statvfs(tmp_path).f_bavail == 0
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True, timeout=10)
