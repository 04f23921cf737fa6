"""Signatures in chunks on threads: libsodium releases the GIL, a job costs 13 us.

One executor job for 32 and more signatures, never one for each; a lone one is
verified in place. The look-up of each id in the store is done in the same jobs: a read
of the disk gives the GIL away, and on the event loop it would wait to get it back from
whoever executes contracts. Nothing here decides what a verdict means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

from primitives.hashing import TransactionId
from primitives.transaction import ReceivedTransaction, is_signature_valid

CHUNK_SIGNATURES = 64
"""6 ms of one core: long enough to pay for the job, short enough to share the cores."""
INLINE_SIGNATURES_MAX = 2
"""Up to so many are verified on the event loop: 0.2 ms, less than a hop to a thread."""


class Finding(Enum):
    """What a check found."""

    VALID = "valid"
    BAD_SIGNATURE = "bad-signature"
    COMMITTED = "committed"


IsCommitted = Callable[[TransactionId], bool]
"""Whether a block holds the id; called on a thread."""


class SignatureVerifier:
    """Checks lists of transactions. Close it to end its threads."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="signatures")

    async def check(
        self, received: Sequence[ReceivedTransaction], is_committed: IsCommitted | None
    ) -> list[Finding]:
        """Return a finding for each, in the same order; a committed one is not verified."""
        if len(received) <= INLINE_SIGNATURES_MAX:
            return _check_chunk(received, is_committed)
        loop = asyncio.get_running_loop()
        jobs = [
            loop.run_in_executor(
                self._pool, _check_chunk, received[start : start + CHUNK_SIGNATURES], is_committed
            )
            for start in range(0, len(received), CHUNK_SIGNATURES)
        ]
        findings: list[Finding] = []
        for chunk in await asyncio.gather(*jobs):
            findings += chunk
        return findings

    def close(self) -> None:
        """Wait for running jobs and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _check_chunk(
    received: Sequence[ReceivedTransaction], is_committed: IsCommitted | None
) -> list[Finding]:
    findings: list[Finding] = []
    for item in received:
        if is_committed is not None and is_committed(item.id):
            findings.append(Finding.COMMITTED)
        else:
            findings.append(Finding.VALID if is_signature_valid(item) else Finding.BAD_SIGNATURE)
    return findings
