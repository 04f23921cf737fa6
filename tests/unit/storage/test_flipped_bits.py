"""A flipped bit in any file of a node's stores is harmless or reported, and never served.

Chain, indexes and a snapshot of a real small chain; every file of them, bits at random
(the seed is printed) and at both ends. After each flip everything is read. What is read
must be what was written: a chain that lost unsynced-looking blocks at its end is still
one whose every answer is right, and its state leads to the certified root.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from primitives.block import compute_header_hash
from primitives.errors import CarbonodeError
from primitives.hashing import Hash
from primitives.transaction import decode_transaction
from storage.chain import ChainStore
from storage.indexes import IndexStore
from storage.snapshotfolder import StoredSnapshot
from storage.snapshotmaker import SnapshotWriter
from storage.stateproof import verify_state_proof
from tests.unit.tools.audited_chain import AuditedChain

FLIPS = 16
Answers = dict[tuple[object, ...], object]


class Home:
    """Three stores of one chain in a folder, and everything that they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = AuditedChain(folder)
        self.chain_id = made.chain_id
        made.grow()
        with IndexStore.open(folder / "index", self.chain_id) as index:
            for height in range(1, made.height + 1):
                block = made.chain.get_block(height)
                assert block is not None
                transactions = [decode_transaction(item) for item in block.transactions]
                receipts, events = made.chain.get_receipts(height), made.chain.get_events(height)
                index.apply(height, block, receipts, events, transactions)
        SnapshotWriter(made.chain.store, folder / "snapshots").write(1)
        self.senders = [key.public_key for key in made.keys.values()]
        self.height = made.height
        made.chain.close()
        # Opened again, the log becomes a table; the next blocks are in a log again.
        again = ChainStore.open(folder / "chain", self.chain_id)
        again.close()
        self.answers = read_chain(folder, self.chain_id) | self.read_index()
        self.snapshot = read_snapshot(folder)

    def read_index(self) -> Answers:
        with IndexStore.open(self.folder / "index", self.chain_id) as index:
            found: Answers = {("index height",): index.index_height}
            for sender in self.senders:
                found["sender", sender] = index.find_by_sender(sender, None, 1_000)
            return found


def read_chain(folder: Path, chain_id: Hash) -> Answers:
    """Return everything that the chain's store serves, but the present state."""
    answers: Answers = {}
    with ChainStore.open(folder / "chain", chain_id) as chain:
        tip = chain.tip
        assert tip is not None
        for height in range(1, tip.height + 1):
            header = chain.get_header(height)
            assert header is not None
            answers["header", height] = header
            answers["block", height] = chain.get_block_bytes(height)
            answers["certificate", height] = chain.get_certificate(height)
            answers["result", height] = chain.get_result(height)
            answers["receipts", height] = chain.get_receipts(height)
            answers["events", height] = chain.get_events(height)
            answers["hash", height] = chain.get_height_of(compute_header_hash(header))
            answers["epoch", height] = chain.get_epoch_end(height)
        answers["root", tip.height] = tip.state_root
        check_state(chain)
    return answers


def check_state(chain: ChainStore) -> None:
    """Every key and value is proven under the root of the tip's certified result."""
    with chain.view() as view:
        for key, value in view.scan(b"", None, 100_000):
            proof = view.prove(key)
            assert verify_state_proof(view.state_root, key, value, proof, view.state_levels)
        assert chain.tip is not None
        result = chain.get_result(chain.tip.height)
        assert result is not None and result.state_root == view.state_root


def read_snapshot(folder: Path) -> Hash:
    stored = StoredSnapshot.open(next((folder / "snapshots").iterdir()))
    stored.verify()
    return stored.hash


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("flips") / "home")


def list_flips(path: Path, numbers: random.Random) -> Iterator[tuple[int, int]]:
    size = path.stat().st_size
    offsets = {0, size - 1, *(numbers.randrange(size) for _ in range(FLIPS))} if size else set()
    for offset in sorted(offsets):
        yield offset, 1 << numbers.randrange(8)


def test_no_flipped_bit_is_ever_served(home: Home, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    numbers = random.Random(seed)
    files = sorted(path for path in home.folder.rglob("*") if path.is_file())
    kinds = {"chain": 0, "index": 0, "snapshots": 0}
    reported = dict(kinds)
    for path in files:
        part = path.relative_to(home.folder).parts[0]
        if part not in kinds:
            continue
        for offset, bit in list_flips(path, numbers):
            copy = tmp_path / "copy"
            shutil.copytree(home.folder, copy)
            spoiled = copy / path.relative_to(home.folder)
            content = bytearray(spoiled.read_bytes())
            content[offset] ^= bit
            spoiled.write_bytes(content)
            kinds[part] += 1
            reported[part] += not read_all(home, copy, part, f"{path.name}@{offset}^{bit}")
            shutil.rmtree(copy)
    print("flips", kinds, "reported", reported)
    assert all(kinds.values()) and reported["chain"] > kinds["chain"] // 4
    assert reported["snapshots"] > kinds["snapshots"] // 2


def read_all(home: Home, copy: Path, part: str, where: str) -> bool:
    """Read one store; False when the damage was reported. Fails on a wrong answer."""
    try:
        if part == "chain":
            found = read_chain(copy, home.chain_id)
        elif part == "index":
            twin = Home.__new__(Home)
            twin.folder, twin.chain_id, twin.senders = copy, home.chain_id, home.senders
            found = twin.read_index()
            if found["index height",] != home.height:
                return True  # behind: the indexer goes on from there
        else:
            # Another manifest is another snapshot: no peer offers it, nobody joins by it.
            return read_snapshot(copy) == home.snapshot
    except CarbonodeError:
        return False
    for key, value in found.items():
        if key[0] != "root" or key in home.answers:
            assert value == home.answers[key], (where, key)
    return True
