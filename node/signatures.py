"""Signatures in chunks on threads: libsodium releases the GIL, a job costs 13 us.

One executor job for 32 and more signatures, never one for each; a lone one is
verified in place. Nothing here decides what a bad signature means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from primitives.transaction import ReceivedTransaction, is_signature_valid

CHUNK_SIGNATURES = 64
"""6 ms of one core: long enough to pay for the job, short enough to share the cores."""
INLINE_SIGNATURES_MAX = 2
"""Up to so many are verified on the event loop: 0.2 ms, less than a hop to a thread."""


class SignatureVerifier:
    """Verifies lists of signatures. Close it to end its threads."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="signatures")
        self.verified = 0

    async def verify(self, received: Sequence[ReceivedTransaction]) -> list[bool]:
        """Return for each whether its signature is valid, in the same order."""
        self.verified += len(received)
        if len(received) <= INLINE_SIGNATURES_MAX:
            return _verify_chunk(received)
        loop = asyncio.get_running_loop()
        jobs = [
            loop.run_in_executor(
                self._pool, _verify_chunk, received[start : start + CHUNK_SIGNATURES]
            )
            for start in range(0, len(received), CHUNK_SIGNATURES)
        ]
        verdicts: list[bool] = []
        for chunk in await asyncio.gather(*jobs):
            verdicts += chunk
        return verdicts

    def close(self) -> None:
        """Wait for running jobs and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _verify_chunk(received: Sequence[ReceivedTransaction]) -> list[bool]:
    return [is_signature_valid(item) for item in received]
