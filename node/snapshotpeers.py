"""Asks peers for snapshots, pieces of them, and the ends of epochs.

An answer that does not decode or does not fit its question costs the peer that gave it;
no answer costs nothing but the time. What answers mean is judged by ``node.statesync``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from node.logs import log_event
from node.requests import PeerRequests, Peers
from node.snapshotwire import (
    CHUNK_REQUEST,
    EPOCHS_ANSWER,
    EPOCHS_REQUEST,
    PIECE_BYTES_MAX,
    SNAPSHOT_ANSWER,
    SNAPSHOT_REQUEST,
    ChunkRequest,
    EpochsRequest,
    Offer,
    SnapshotAnswer,
    SnapshotRequest,
)
from p2p.frames import FrameKind
from p2p.peers import Offence
from primitives.epochs import EPOCH_END, EpochEnd
from primitives.errors import CodecError
from primitives.hashing import Address

OFFER_TIMEOUT_S = 2.0
PIECE_TIMEOUT_S = 10.0
"""A mebibyte at 1 Mbit/s; a peer over its budget does not answer at all."""
PIECE_TRIES = 2

_log = logging.getLogger("carbonode.statesync")


class SnapshotPeers:
    """See the module. Lives on the event loop."""

    def __init__(self, requests: PeerRequests, peers: Peers) -> None:
        self._requests = requests
        self._peers = peers

    def get_connected(self) -> list[Address]:
        """Return the peers that can be asked."""
        return self._peers.get_connected()

    def accuse(self, peer: Address, reason: str) -> None:
        """A peer sent what only a liar or a broken program sends."""
        log_event(_log, logging.WARNING, "a peer lies", peer=peer, reason=reason)
        self._peers.report(peer, Offence.BAD_SIGNATURE, f"state sync: {reason}")

    async def ask_offers(self, peer: Address, above: int) -> SnapshotAnswer | None:
        """Return what the peer has above a height; None when it does not say."""
        body = SNAPSHOT_REQUEST.encode(SnapshotRequest(above))
        answer = await self._requests.ask(
            peer, FrameKind.GET_SNAPSHOT, body, FrameKind.SNAPSHOT, OFFER_TIMEOUT_S
        )
        if answer is None:
            return None
        try:
            return SNAPSHOT_ANSWER.decode(answer)
        except CodecError as error:
            self._refuse(peer, f"offers: {error}")
            return None

    async def ask_epochs(self, peer: Address, first: int) -> Sequence[EpochEnd] | None:
        """Return ends of epochs from ``first`` on, unverified; None when it does not say."""
        body = EPOCHS_REQUEST.encode(EpochsRequest(first))
        answer = await self._requests.ask(
            peer, FrameKind.GET_EPOCHS, body, FrameKind.EPOCHS, PIECE_TIMEOUT_S
        )
        if answer is None:
            return None
        try:
            decoded = EPOCHS_ANSWER.decode(answer)
            return tuple(EPOCH_END.decode(end) for end in decoded.ends)
        except CodecError as error:
            self._refuse(peer, f"epochs: {error}")
            return None

    async def fetch(self, peer: Address, offer: Offer, part: int | None, size: int) -> bytes | None:
        """Return ``size`` bytes of a part (None: of the manifest) from one peer, or None.

        Their hash is the caller's to check: these are bytes that the peer alone sent.
        """
        pieces: list[bytes] = []
        offset = 0
        while offset < size:
            piece = await self._fetch_piece(peer, offer, part, offset)
            if piece is None:
                return None
            if len(piece) > min(size - offset, PIECE_BYTES_MAX):
                self._refuse(peer, "more bytes than a part has")
                return None
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    async def _fetch_piece(
        self, peer: Address, offer: Offer, part: int | None, offset: int
    ) -> bytes | None:
        request = ChunkRequest(offer.height, offer.manifest_hash, part, offset)
        body = CHUNK_REQUEST.encode(request)
        for _ in range(PIECE_TRIES):
            if peer not in self._peers.get_connected():
                return None
            piece = await self._requests.ask(
                peer, FrameKind.GET_CHUNK, body, FrameKind.CHUNK, PIECE_TIMEOUT_S
            )
            if piece is not None:
                return piece
        return None

    def _refuse(self, peer: Address, reason: str) -> None:
        self._peers.report(peer, Offence.PROTOCOL, reason)
