"""Which local network an import takes when nobody names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.cli.imports import find_localnet


def test_the_home_comes_before_the_folders_of_make_run_and_localnet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_localnet(tmp_path / "home") is None
    for folder in (Path("run/localnet"), Path("run"), tmp_path / "home"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "localnet.json").write_text("{}", "utf-8")
        assert find_localnet(tmp_path / "home") == folder
