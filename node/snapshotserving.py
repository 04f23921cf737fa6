"""Answers peers that join by snapshot: what we have, its bytes, the ends of epochs.

Reads the disk, on the threads and within the budgets of ``node.serving``; hashes and
verifies nothing, because the receiver must. A damaged snapshot is not served: whoever
asks gets no answer and asks another, and the log names the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from node.snapshotwire import (
    CHUNK_REQUEST,
    EPOCHS_ANSWER,
    EPOCHS_BYTES_MAX,
    EPOCHS_MAX,
    EPOCHS_REQUEST,
    OFFERS_MAX,
    PIECE_BYTES_MAX,
    SNAPSHOT_ANSWER,
    SNAPSHOT_REQUEST,
    EpochsAnswer,
    Offer,
    SnapshotAnswer,
)
from p2p.frames import FrameKind, encode_request
from primitives.errors import CodecError
from storage.chain import ChainStore
from storage.snapshotfolder import SnapshotFolder, StoredSnapshot

Serve = Callable[[int, bytes], bytes | None]


class SnapshotServer:
    """See the module. Called on threads."""

    def __init__(self, chain: ChainStore, folder: SnapshotFolder) -> None:
        self._chain = chain
        self._folder = folder

    def get_kinds(self) -> Mapping[FrameKind, tuple[FrameKind, Serve]]:
        """Return what is answered, by question: the kind of the answer and who makes it."""
        return {
            FrameKind.GET_SNAPSHOT: (FrameKind.SNAPSHOT, self.serve_offers),
            FrameKind.GET_CHUNK: (FrameKind.CHUNK, self.serve_chunk),
            FrameKind.GET_EPOCHS: (FrameKind.EPOCHS, self.serve_epochs),
        }

    def serve_offers(self, request_id: int, body: bytes) -> bytes | None:
        """Return the latest snapshots above a height; None for a malformed question."""
        try:
            request = SNAPSHOT_REQUEST.decode(body)
        except CodecError:
            return None
        heights = [height for height in self._folder.list_heights() if height > request.above]
        opened = [self._folder.open(height) for height in heights[:OFFERS_MAX]]
        offers = tuple(_make_offer(item) for item in opened if item is not None)
        answer = SnapshotAnswer(self._chain.lowest, offers)
        return encode_request(request_id, SNAPSHOT_ANSWER.encode(answer))

    def serve_chunk(self, request_id: int, body: bytes) -> bytes | None:
        """Return bytes of a part; nothing but the id when we do not have them."""
        try:
            request = CHUNK_REQUEST.decode(body)
        except CodecError:
            return None
        snapshot = self._folder.open(request.height)
        if snapshot is None or snapshot.hash != request.manifest_hash:
            return encode_request(request_id, b"")
        piece = snapshot.read(request.part, request.offset, PIECE_BYTES_MAX)
        return encode_request(request_id, piece or b"")

    def serve_epochs(self, request_id: int, body: bytes) -> bytes | None:
        """Return consecutive ends of epochs, as many as one answer holds."""
        try:
            request = EPOCHS_REQUEST.decode(body)
        except CodecError:
            return None
        ends: list[bytes] = []
        size = 0
        for epoch in range(request.first, request.first + EPOCHS_MAX):
            end = self._chain.get_epoch_end(epoch)
            if end is None or size + len(end) > EPOCHS_BYTES_MAX:
                break
            size += len(end)
            ends.append(end)
        answer = EpochsAnswer(request.first, tuple(ends))
        return encode_request(request_id, EPOCHS_ANSWER.encode(answer))


def _make_offer(snapshot: StoredSnapshot) -> Offer:
    manifest = snapshot.manifest
    return Offer(
        snapshot.hash,
        len(snapshot.encoded),
        manifest.header,
        manifest.result,
        snapshot.certificate,
    )
