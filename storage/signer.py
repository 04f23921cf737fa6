"""The last-signed record: the last place where this validator signed anything.

It lives apart from the data folder, so that restoring an old copy of the data cannot
make the validator sign again what it has signed otherwise. It is on disk before the
signature leaves and only ever moves forward.

Two slots in one file of fixed size are written in turn, one write and one fdatasync
each: a torn write spoils the slot being written and leaves the one before, whose
successor nobody has heard. Source: design, consensus, "Crash recovery".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from struct import Struct as Layout
from zlib import crc32

from primitives import limits
from primitives.codec import Bytes, Struct, Uint
from primitives.hashing import ZERO_HASH, Hash
from storage.closing import Closing
from storage.errors import SignerRecordError, StorageError
from storage.files import DISK_FILES, File, Files, write_durably

SLOT_STRIDE_BYTES = 4096
"""The slots are on different pages and sectors: one torn write cannot reach both."""
FILE_BYTES = 2 * SLOT_STRIDE_BYTES

_MAGIC = b"CNSIGN\x00\x01"
_SLOT = Layout(">8sQQQB32s64s")
_SLOT_BYTES = _SLOT.size + 4
_FAILED = "a write of the signer record failed; restart the node on a sound disk"


@dataclass(frozen=True, slots=True)
class SignerRecord:
    """What was signed last. Places are ordered by (height, view, phase).

    ``SIGNER_RECORD`` encodes it exactly as consensus encodes its last-signed record.
    """

    height: int
    view: int
    phase: int
    digest: Hash
    signature: bytes

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it was signed; two digests at one place are equivocation."""
        return self.height, self.view, self.phase


SIGNER_RECORD = Struct(
    SignerRecord,
    256,
    height=Uint(),
    view=Uint(32),
    phase=Uint(8),
    digest=Bytes(limits.HASH_BYTES),
    signature=Bytes(limits.SIGNATURE_BYTES),
)

NOTHING_SIGNED = SignerRecord(0, 0, 0, ZERO_HASH, bytes(limits.SIGNATURE_BYTES))
"""The record of a new key. A missing file is another thing: a lost record."""


class SignerRecordFile(Closing):
    """The record in its file. One process has it; use ``create`` or ``open``."""

    def __init__(self, path: Path, file: File) -> None:
        self._path = path
        self._file = file
        self._sequence = 0
        self._record = NOTHING_SIGNED
        self._failure: str | None = None

    @classmethod
    def create(cls, path: Path, files: Files = DISK_FILES) -> SignerRecordFile:
        """Make the file for a validator that has signed nothing, durably, and open it.

        Raises SignerRecordError 'signer-record-exists' when there is one already.
        """
        if files.exists(path):
            raise SignerRecordError(
                "there is a signer record already", code="signer-record-exists", path=str(path)
            )
        files.make_folder(path.parent)
        write_durably(files, path, _encode_slot(0, NOTHING_SIGNED).ljust(FILE_BYTES, b"\0"))
        return cls.open(path, files)

    @classmethod
    def open(cls, path: Path, files: Files = DISK_FILES) -> SignerRecordFile:
        """Open the record.

        Raises SignerRecordError 'signer-record-missing' (a validator without it may
        only watch) or 'signer-record-damaged', DatabaseLockedError, StorageError.
        """
        if not files.exists(path):
            raise SignerRecordError(
                "the signer record is missing; without it this validator may only watch",
                code="signer-record-missing",
                path=str(path),
            )
        file = files.open(path)
        opened = cls(path, file)
        try:
            file.lock()
            opened._load()
        except BaseException:
            opened.close()
            raise
        return opened

    @property
    def record(self) -> SignerRecord:
        """What was signed last; NOTHING_SIGNED when nothing was."""
        return self._record

    def advance(self, record: SignerRecord) -> None:
        """Return when ``record`` is durable; only then may its signature leave.

        The same place and digest again is allowed and writes nothing. Raises
        SignerRecordError 'signer-went-back' for an earlier place and 'signer-conflict'
        for another digest at the same place, with nothing written.
        """
        if self._failure is not None:
            raise SignerRecordError(self._failure, code="signer-failed", path=str(self._path))
        last = self._record
        if record.place <= last.place:
            if record.place < last.place:
                raise _make_refusal("signer-went-back", last, record)
            if record.digest != last.digest:
                raise _make_refusal("signer-conflict", last, record)
            return
        slot = _encode_slot(self._sequence + 1, record)
        offset = ((self._sequence + 1) % 2) * SLOT_STRIDE_BYTES
        try:
            self._file.write(slot, offset)
            self._file.sync()
        except StorageError:
            # Whether the slot is on disk is not known: sign nothing more until a restart.
            self._failure = _FAILED
            raise
        self._sequence += 1
        self._record = record

    def close(self) -> None:
        """Release the file. Closing twice is harmless."""
        self._file.close()
        self._failure = "the signer record is closed"

    def _load(self) -> None:
        data = self._file.read()
        slots = [_decode_slot(data[:SLOT_STRIDE_BYTES]), _decode_slot(data[SLOT_STRIDE_BYTES:])]
        sound = [slot for slot in slots if slot is not None]
        if len(data) != FILE_BYTES or not sound:
            raise SignerRecordError(
                "the signer record is damaged; without it this validator may only watch",
                code="signer-record-damaged",
                path=str(self._path),
                size=len(data),
            )
        self._sequence, self._record = max(sound, key=lambda slot: slot[0])


def _encode_slot(sequence: int, record: SignerRecord) -> bytes:
    """Return the bytes of one slot."""
    if len(record.digest) != limits.HASH_BYTES or len(record.signature) != limits.SIGNATURE_BYTES:
        raise SignerRecordError("digest or signature size", code="signer-shape")
    packed = _SLOT.pack(
        _MAGIC,
        sequence,
        record.height,
        record.view,
        record.phase,
        record.digest,
        record.signature,
    )
    return packed + crc32(packed).to_bytes(4, "big")


def _decode_slot(data: bytes) -> tuple[int, SignerRecord] | None:
    """Return (sequence, record) of a sound slot, else None."""
    packed = data[: _SLOT.size]
    check = data[_SLOT.size : _SLOT_BYTES]
    if len(data) < _SLOT_BYTES or crc32(packed).to_bytes(4, "big") != check:
        return None
    magic, sequence, height, view, phase, digest, signature = _SLOT.unpack(packed)
    if magic != _MAGIC:
        return None
    return sequence, SignerRecord(height, view, phase, Hash(digest), signature)


def _make_refusal(code: str, last: SignerRecord, offered: SignerRecord) -> SignerRecordError:
    return SignerRecordError(
        "refusing to sign: the record would go back or change",
        code=code,
        signed=last.place,
        offered=offered.place,
        signed_digest=last.digest.hex(),
        offered_digest=offered.digest.hex(),
    )
