"""Key files: made for their owner alone, refused when others may read them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from primitives.errors import KeyFormatError
from tools.client.keyfile import generate_key, list_keys, read_key, write_key


def test_a_key_comes_back_as_it_was_written(tmp_path: Path) -> None:
    key = generate_key()
    write_key(tmp_path / "sub" / "a.key", key)
    assert read_key(tmp_path / "sub" / "a.key").seed == key.seed


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    write_key(path, generate_key())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_key_is_never_replaced_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    first = generate_key()
    write_key(path, first)
    with pytest.raises(KeyFormatError, match="exists already"):
        write_key(path, generate_key())
    assert read_key(path).seed == first.seed


def test_it_is_replaced_when_told_to_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text("x")
    path.chmod(0o644)
    key = generate_key()
    write_key(path, key, overwrite=True)
    assert read_key(path).seed == key.seed


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    write_key(path, generate_key())
    path.chmod(mode)
    with pytest.raises(KeyFormatError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "xyz", "00" * 31, "é" * 64])
def test_a_malformed_key_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFormatError) as caught:
        read_key(path)
    assert not text or text not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFormatError, match=r"gone\.key"):
        read_key(tmp_path / "gone.key")


def test_keys_are_listed_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_key(tmp_path / f"{name}.key", generate_key())
    (tmp_path / "notes.txt").write_text("x")
    assert [path.stem for path in list_keys(tmp_path)] == ["a", "b"]
    assert list_keys(tmp_path / "gone") == []
