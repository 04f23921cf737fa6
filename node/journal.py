"""What this node promised, on disk before anyone hears it.

The vote log holds consensus's records and the bodies of the blocks that we prepared;
the last-signed record lies apart from the data folder. One thread writes both, log
first, so the event loop never waits for a disk. Also the small files that must outlive
a restart: validator sets that are no longer in force, and the report of a halt.
Source: consensus/README.md 2 and 11; design/consensus.md, "Crash recovery".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from consensus.effects import Persist
from consensus.signing import LAST_SIGNED, LastSigned
from node.logs import log_event
from primitives import limits
from primitives.codec import Array, Bytes, Struct
from primitives.errors import CarbonodeError, CodecError
from primitives.hashing import Hash
from primitives.validators import VALIDATOR_SET, ValidatorSet
from storage.errors import SignerRecordError
from storage.files import DISK_FILES, Files, write_durably
from storage.signer import SignerRecord, SignerRecordFile
from storage.votelog import VoteLog

SIGNER_FILE = "last-signed"
VOTE_LOG_FOLDER = "votelog"
SETS_FOLDER = "validator-sets"
_CONSENSUS_RECORD = b"\x01"
_BODY_RECORD = b"\x02"

_log = logging.getLogger("carbonode.journal")


class JournalError(CarbonodeError):
    """We were about to promise something that we could not keep: our bug."""

    code = "journal"


@dataclass(frozen=True, slots=True)
class BodyRecord:
    """The transactions of a block that we prepared."""

    block_hash: Hash
    transactions: tuple[bytes, ...]


BODY_RECORD = Struct(
    BodyRecord,
    limits.BLOCK_BYTES_MAX + limits.MESSAGE_BYTES_MAX,
    block_hash=Bytes(limits.HASH_BYTES),
    transactions=Array(Bytes(max=limits.TRANSACTION_BYTES_MAX), limits.BLOCK_TRANSACTIONS_MAX),
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What an earlier run left: input of ``consensus.recovery.recover``."""

    records: tuple[bytes, ...]
    last_signed: bytes | None
    bodies: tuple[BodyRecord, ...]


class Journal:
    """Open with ``open``; close it last. One owner (the driver) appends."""

    def __init__(
        self,
        data_folder: Path,
        log: VoteLog,
        signer: SignerRecordFile | None,
        signer_path: Path,
        files: Files = DISK_FILES,
    ) -> None:
        self._files = files
        self._data_folder = data_folder
        self._log = log
        self._signer = signer
        self._signer_path = signer_path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._bodies_kept: set[Hash] = set()

    @classmethod
    def open(
        cls,
        data_folder: Path,
        signer_folder: Path,
        *,
        is_first_start: bool,
        files: Files = DISK_FILES,
    ) -> Journal:
        """Open the vote log and the last-signed record.

        The record is made only at the very first start of a node; later a missing one
        means lost, and the node watches without voting; it is made again, after the vote
        log, with the first vote that consensus finds safe. Raises VoteLogDamagedError and
        other storage errors.
        """
        log = VoteLog.open(data_folder / VOTE_LOG_FOLDER, files=files)
        if log.bytes_cut:
            log_event(_log, logging.WARNING, "cut a torn vote log", bytes=log.bytes_cut)
        try:
            signer = _open_signer(signer_folder / SIGNER_FILE, is_first_start, files)
        except BaseException:
            log.close()
            raise
        return cls(data_folder, log, signer, signer_folder / SIGNER_FILE, files)

    def replay(self, from_height: int) -> Replayed:
        """Return what was recorded for ``from_height`` and above."""
        records: list[bytes] = []
        bodies: dict[Hash, BodyRecord] = {}
        for encoded in self._log.replay(from_height):
            tag, content = encoded[:1], encoded[1:]
            if tag == _CONSENSUS_RECORD:
                records.append(content)
            elif tag == _BODY_RECORD:
                body = BODY_RECORD.decode(content)
                bodies[body.block_hash] = body
            else:
                raise CodecError("unknown vote log record", tag=tag.hex())
        return Replayed(tuple(records), self._encode_last_signed(), tuple(bodies.values()))

    async def persist(self, effect: Persist, height: int, body: Sequence[bytes] | None) -> None:
        """Return when everything that ``effect`` names is durable.

        ``body`` are the transactions of the block that it names.
        """
        records = [_CONSENSUS_RECORD + record for record in effect.records]
        if effect.body is not None and effect.body not in self._bodies_kept:
            if body is None:
                raise JournalError("a vote for a block whose body is not here", body=effect.body)
            encoded = BODY_RECORD.encode(BodyRecord(effect.body, tuple(body)))
            records.insert(0, _BODY_RECORD + encoded)
            self._bodies_kept.add(effect.body)
        last = None if effect.last_signed is None else LAST_SIGNED.decode(effect.last_signed)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._write, records, height, last)

    def catch_up_signer(self, last: LastSigned) -> None:
        """Bring the last-signed record up to the vote log, before its votes are repeated.

        A crash between the two leaves the record a step behind; were the log lost after
        that vote was heard, nothing would keep us from voting otherwise.
        """
        if self._signer is not None and last.place > self._signer.record.place:
            self._signer.advance(_make_record(last))

    async def forget_below(self, height: int) -> None:
        """Everything below ``height`` is committed: whole segments may go."""
        self._bodies_kept.clear()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._log.truncate_below, height)

    def save_set(self, validators: ValidatorSet) -> None:
        """Keep a set that goes out of force: the tip's certificate is verified with it."""
        folder = self._data_folder / SETS_FOLDER
        self._files.make_folder(folder)
        write_durably(self._files, folder / validators.hash.hex(), VALIDATOR_SET.encode(validators))

    def load_set(self, set_hash: Hash) -> ValidatorSet | None:
        """Return a set kept by ``save_set``."""
        path = self._data_folder / SETS_FOLDER / set_hash.hex()
        if not self._files.exists(path):
            return None
        loaded = VALIDATOR_SET.decode(self._files.read(path))
        return loaded if loaded.hash == set_hash else None

    def write_report(self, name: str, text: str) -> Path:
        """Keep a report for people; return where it is."""
        path = self._data_folder / name
        write_durably(self._files, path, text.encode("utf-8", "replace"))
        return path

    def close(self) -> None:
        """Finish what is being written and release the files."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._log.close()
        if self._signer is not None:
            self._signer.close()

    def _write(self, records: list[bytes], height: int, last: LastSigned | None) -> None:
        self._log.append(records, height)
        if last is not None:
            if self._signer is None:
                # Consensus signs again only when it is safe: the record is lost no longer.
                self._signer = SignerRecordFile.create(self._signer_path, self._files)
            self._signer.advance(_make_record(last))

    def _encode_last_signed(self) -> bytes | None:
        if self._signer is None:
            return None
        record = self._signer.record
        return LAST_SIGNED.encode(
            LastSigned(record.height, record.view, record.phase, record.digest, record.signature)
        )


def _make_record(last: LastSigned) -> SignerRecord:
    return SignerRecord(last.height, last.view, last.step, last.digest, last.signature)


def _open_signer(path: Path, is_first_start: bool, files: Files) -> SignerRecordFile | None:
    if files.exists(path):
        return SignerRecordFile.open(path, files)
    if is_first_start:
        return SignerRecordFile.create(path, files)
    log_event(
        _log,
        logging.ERROR,
        "the last-signed record is lost: this validator watches and does not vote",
        path=path,
        code=SignerRecordError.code,
    )
    return None
