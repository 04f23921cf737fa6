"""The compiled simulator's list of modules is true; failures end in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.simulator import compiled
from tools.simulator.compiled import COMPILED, ROOT, SOURCES, CompileError, hash_sources, run


def test_what_is_compiled_exists_and_is_copied() -> None:
    for name in COMPILED:
        assert (ROOT / name).exists()
        assert any(name == source or name.startswith(f"{source}/") for source in SOURCES)


def test_a_changed_source_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("primitives", "tools/simulator"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tools/simulator/compiled.py").write_text("1")
    (tmp_path / "primitives/codec.py").write_text("1")
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    monkeypatch.setattr(compiled, "SOURCES", ("primitives",))
    before = hash_sources()
    assert hash_sources() == before
    (tmp_path / "primitives/codec.py").write_text("2")
    assert hash_sources() != before


def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('cc: not found')"]
    with pytest.raises(CompileError, match="cc: not found"):
        run(command, tmp_path)
