"""The last-signed record: forward only, durable, whole after any torn write."""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path

import pytest

from consensus.signing import INITIAL_LAST_SIGNED, LAST_SIGNED, LastSigned
from primitives.hashing import Hash
from storage.errors import DatabaseLockedError, DiskFullError, SignerRecordError
from storage.signer import (
    FILE_BYTES,
    NOTHING_SIGNED,
    SIGNER_RECORD,
    SLOT_STRIDE_BYTES,
    SignerRecord,
    SignerRecordFile,
)


def make_record(height: int, view: int = 0, phase: int = 1, fill: int = 7) -> SignerRecord:
    return SignerRecord(height, view, phase, Hash(bytes([fill]) * 32), bytes([fill]) * 64)


def read(path: Path) -> SignerRecord:
    with SignerRecordFile.open(path) as file:
        return file.record


def test_a_new_record_says_that_nothing_is_signed(tmp_path: Path) -> None:
    path = tmp_path / "signer" / "record"
    SignerRecordFile.create(path).close()
    assert read(path) == NOTHING_SIGNED
    assert path.stat().st_size == FILE_BYTES
    assert path.stat().st_mode & 0o077 == 0
    assert [item.name for item in path.parent.iterdir()] == ["record"]


def test_the_record_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path) as file:
        for height in range(1, 8):
            file.advance(make_record(height))
            assert file.record == make_record(height)
            # What is durable is what another process would read now.
            copy = tmp_path / f"copy-{height}"
            copy.write_bytes(path.read_bytes())
            assert read(copy) == make_record(height)
    assert read(path) == make_record(7)
    assert path.stat().st_size == FILE_BYTES


@pytest.mark.parametrize(
    "earlier",
    [make_record(4, 9, 9), make_record(5, 1, 9), make_record(5, 2, 0), make_record(0)],
)
def test_an_earlier_place_is_refused(tmp_path: Path, earlier: SignerRecord) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path) as file:
        file.advance(make_record(5, 2, 1))
        before = path.read_bytes()
        with pytest.raises(SignerRecordError) as caught:
            file.advance(earlier)
        assert caught.value.code == "signer-went-back"
        assert path.read_bytes() == before
        file.advance(make_record(5, 2, 2))


def test_another_digest_at_the_same_place_is_refused_and_the_same_one_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path) as file:
        file.advance(make_record(5))
        before = path.read_bytes()
        file.advance(make_record(5))
        assert path.read_bytes() == before
        with pytest.raises(SignerRecordError) as caught:
            file.advance(make_record(5, fill=8))
        assert caught.value.code == "signer-conflict"
        assert path.read_bytes() == before
    with SignerRecordFile.open(path) as file, pytest.raises(SignerRecordError):
        file.advance(make_record(5, fill=8))


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_write_torn_at_any_byte_leaves_the_record_before_or_after_it(
    tmp_path: Path, writes: int
) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path) as file:
        for height in range(1, writes):
            file.advance(make_record(height, fill=height))
        before, content_before = file.record, path.read_bytes()
        file.advance(make_record(writes, fill=writes + 100))
        after, content_after = file.record, path.read_bytes()
    changed = [at for at in range(FILE_BYTES) if content_before[at] != content_after[at]]
    for cut in range(changed[0], changed[-1] + 2):
        for torn in (
            content_after[:cut] + content_before[cut:],
            content_before[:cut] + content_after[cut:],
        ):
            path.write_bytes(torn)
            expected = after if torn == content_after else before
            assert read(path) == expected, cut


def test_a_record_with_both_slots_spoiled_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path) as file:
        file.advance(make_record(1))
        file.advance(make_record(2))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    content[SLOT_STRIDE_BYTES + 20] ^= 1
    for spoiled in (bytes(content), b"", bytes(FILE_BYTES), bytes(path.read_bytes()) + b"x"):
        path.write_bytes(spoiled)
        with pytest.raises(SignerRecordError) as caught:
            SignerRecordFile.open(path)
        assert caught.value.code == "signer-record-damaged"


def test_a_missing_record_is_not_a_new_one(tmp_path: Path) -> None:
    with pytest.raises(SignerRecordError) as caught:
        SignerRecordFile.open(tmp_path / "record")
    assert caught.value.code == "signer-record-missing"


def test_a_record_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path) as file:
        file.advance(make_record(9))
    with pytest.raises(SignerRecordError) as caught:
        SignerRecordFile.create(path)
    assert caught.value.code == "signer-record-exists"
    assert read(path) == make_record(9)


def test_two_signers_with_one_record_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with SignerRecordFile.create(path), pytest.raises(DatabaseLockedError):
        SignerRecordFile.open(path)


def test_a_record_of_the_wrong_shape_or_after_closing_is_refused(tmp_path: Path) -> None:
    file = SignerRecordFile.create(tmp_path / "record")
    with pytest.raises(SignerRecordError) as caught:
        file.advance(dataclasses.replace(make_record(1), signature=b"short"))
    assert caught.value.code == "signer-shape"
    file.close()
    file.close()
    with pytest.raises(SignerRecordError):
        file.advance(make_record(1))


def test_after_a_failed_write_nothing_more_is_signed(tmp_path: Path) -> None:
    path = tmp_path / "record"
    file = SignerRecordFile.create(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(DiskFullError):
            file.advance(make_record(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.record == NOTHING_SIGNED
    with pytest.raises(SignerRecordError) as caught:
        file.advance(make_record(2))
    assert caught.value.code == "signer-failed"
    file.close()
    assert read(path) == NOTHING_SIGNED


def test_the_record_is_encoded_as_consensus_encodes_it() -> None:
    record = make_record(5, 6, 2)
    twin = LastSigned(5, 6, 2, record.digest, record.signature)
    assert SIGNER_RECORD.encode(record) == LAST_SIGNED.encode(twin)
    assert SIGNER_RECORD.decode(INITIAL_LAST_SIGNED) == NOTHING_SIGNED


def test_one_record_is_one_sync_and_it_comes_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record"
    synced: list[SignerRecord] = []

    def note(descriptor: int) -> None:
        copy = tmp_path / "copy"
        copy.write_bytes(path.read_bytes())
        synced.append(read(copy))

    with SignerRecordFile.create(path) as file:
        monkeypatch.setattr("storage.files._sync_data", note)
        file.advance(make_record(3))
        assert synced == [make_record(3)]
