"""Raw readings on disk, one file a batch: written whole before the batch is submitted.

``<folder>/<device>/<first>-<last>.readings`` holds the signed header and the leaves. The chain
keeps the Merkle root only; whoever loses these files can prove nothing about single readings.
Never deletes and never replaces a batch by another one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from primitives.codec import pack, unpack
from primitives.errors import CodecError
from tools.gateway.batching import Batch, Header, Position
from tools.gateway.readings import ReadingError, decode_leaf

SUFFIX = ".readings"
_DEVICE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_NAME = re.compile(r"([0-9]{1,16})-([0-9]{1,16})\.readings\Z")


class ReadingStore:
    """A folder of batches. Any number of processes may read it, one writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, batch: Batch) -> None:
        """Keep the batch on disk; the same one again changes nothing.

        Raises ReadingError when another batch of the device has one of its sequences.
        """
        header = batch.header
        for first, last in self.list_runs(header.device):
            if first <= header.last and header.first <= last:
                if self.get(header.device, last) == batch:
                    return
                raise ReadingError(
                    "these readings are stored already, in another batch",
                    device=header.device,
                    first=first,
                    last=last,
                )
        folder = self._get_folder(header.device)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{header.first}-{header.last}{SUFFIX}"
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(pack([header.wire, batch.leaves]))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(folder)

    def get(self, device: str, last: int) -> Batch:
        """Return the batch that ends at ``last``; raises ReadingError when there is none."""
        for first, end in self.list_runs(device):
            if end == last:
                return read_batch(self._get_folder(device) / f"{first}-{end}{SUFFIX}")
        raise ReadingError("no such batch in the store", device=device, last=last)

    def find(self, device: str, sequence: int) -> Batch:
        """Return the batch that holds a sequence; raises ReadingError when there is none."""
        for first, last in self.list_runs(device):
            if first <= sequence <= last:
                return self.get(device, last)
        raise ReadingError("no such reading in the store", device=device, sequence=sequence)

    def list_runs(self, device: str) -> list[tuple[int, int]]:
        """Return (first, last) of the device's batches, ascending."""
        folder = self._get_folder(device)
        if not folder.is_dir():
            return []
        found = (_NAME.match(path.name) for path in folder.iterdir())
        return sorted((int(match[1]), int(match[2])) for match in found if match)

    def list_after(self, device: str, last: int) -> Iterator[Batch]:
        """Yield the device's batches that begin after ``last``, in order."""
        for first, end in self.list_runs(device):
            if first > last:
                yield self.get(device, end)

    def get_position(self, device: str) -> Position | None:
        """Return where the device's stored batches end; None when there are none."""
        runs = self.list_runs(device)
        return self.get(device, runs[-1][1]).position if runs else None

    def _get_folder(self, device: str) -> Path:
        if not _DEVICE.match(device) or set(device) == {"."}:
            raise ReadingError("not a device's id", device=device)
        return self.folder / device


def read_batch(path: Path) -> Batch:
    """Return the batch of a file, else raise ReadingError with the path."""
    try:
        wire, leaves = unpack(path.read_bytes())
        header = Header(*wire)
        readings = tuple(decode_leaf(leaf) for leaf in leaves)
    except (OSError, CodecError, TypeError, ValueError) as error:
        raise ReadingError(f"not a batch of readings: {error}", path=str(path)) from None
    kinds = [type(value) for value in header.wire]
    if kinds != [str, *[int] * 8, *[bytes] * 3]:
        raise ReadingError("not a batch's header", path=str(path))
    return Batch(header, readings)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
