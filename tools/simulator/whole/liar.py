"""A machine that forges what others catch up with: another block under the same proof."""

from __future__ import annotations

from dataclasses import replace

from node.wire import BLOCKS_ANSWER, BlocksAnswer, CertifiedBlock
from p2p.frames import Frame, FrameKind, decode_request, encode_request
from primitives.block import BLOCK


def forge(frame: Frame) -> Frame:
    """Return the frame, with every served block a second older than it is."""
    if frame.kind is not FrameKind.BLOCKS:
        return frame
    decoded = decode_request(frame.payload)
    if decoded is None:
        return frame
    request_id, body = decoded
    answer = BLOCKS_ANSWER.decode(body)
    blocks = tuple(CertifiedBlock(_age(item.block), item.certificate) for item in answer.blocks)
    forged = BLOCKS_ANSWER.encode(BlocksAnswer(answer.height, blocks))
    return Frame(frame.kind, encode_request(request_id, forged))


def _age(encoded: bytes) -> bytes:
    block = BLOCK.decode(encoded)
    header = replace(block.header, time_ms=block.header.time_ms - 1)
    return BLOCK.encode(replace(block, header=header))
