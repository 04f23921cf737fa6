"""``python -m tools.simulator.compiled ARGUMENTS``: the same seeds in half the time.

Copies the core and the simulator to ``build/compiled``, compiles them with mypyc (part of
mypy; needs a C compiler and setuptools), lets both versions run the same seeds and refuses
to go on unless they agree to the last event, then runs the compiled one with the arguments
of ``python -m tools.simulator``. ``--lines`` sees nothing of compiled code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "compiled"
SOURCES = ("primitives", "consensus", "storage", "tools/__init__.py", "tools/simulator")
COMPILED = (
    "primitives", "consensus", "tools/simulator/chain.py", "tools/simulator/checks.py",
    "tools/simulator/crypto.py", "tools/simulator/disk.py", "tools/simulator/exchange.py",
    "tools/simulator/host.py", "tools/simulator/machine.py", "tools/simulator/node.py",
    "tools/simulator/world.py",
)  # fmt: skip
"""The hot part. Liars and profiles stay as they are (mypyc fails on one of their files), and so
do plans and results: a compiled frozen dataclass cannot be sent to another process."""
INTERPRETED = ("__init__.py", "errors.py")
"""A compiled exception does not see the ``code`` of its class (mypyc 2.4)."""
BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
setup(name="carbonode-compiled", packages=[], ext_modules=mypycify(sys.argv.pop().split()))
"""
SETTINGS = """
[tool.mypy]
strict = true
[[tool.mypy.overrides]]
module = ["msgpack.*", "nacl.*", "cryptography.*", "plyvel.*"]
ignore_missing_imports = true
"""
COMPARED = ("--profile", "every", "--seeds", "1..66", "--jobs", "1")


class CompileError(Exception):
    """The compiler is absent or fails, or what it makes behaves differently."""


def compile_simulator() -> Path:
    """Return a folder with the compiled simulator of the sources as they are now."""
    digest = hash_sources()
    mark = FOLDER / "digest"
    if mark.exists() and mark.read_text("utf-8") == digest:
        return FOLDER
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in SOURCES:
        source, target = ROOT / name, FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "whole")
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    (FOLDER / "build.py").write_text(BUILD, "utf-8")
    (FOLDER / "pyproject.toml").write_text(SETTINGS, "utf-8")
    files = " ".join(str(path) for name in COMPILED for path in find_modules(name))
    run([sys.executable, "build.py", "build_ext", "--inplace", files])
    interpreted, compiled = (summarise(folder) for folder in (ROOT, FOLDER))
    if interpreted != compiled:
        raise CompileError(f"compiled and interpreted differ: {compiled} | {interpreted}")
    mark.write_text(digest, "utf-8")
    return FOLDER


def find_modules(name: str) -> list[Path]:
    """Return the modules to compile under a name, relative to the folder."""
    path = FOLDER / name
    found = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [item.relative_to(FOLDER) for item in found if item.name not in INTERPRETED]


def hash_sources() -> str:
    """Return a digest of everything that is copied, and of the interpreter."""
    hashed = hashlib.sha256(sys.version.encode())
    for name in (*SOURCES, "tools/simulator/compiled.py"):
        path = ROOT / name
        for item in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            hashed.update(str(item.relative_to(ROOT)).encode() + b"\0" + item.read_bytes())
    return hashed.hexdigest()


def summarise(folder: Path) -> str:
    """Return what a version says of some seeds of every profile, but for the time it took."""
    command = [sys.executable, "-m", "tools.simulator", *COMPARED]
    told = run(command, folder).stderr.strip().splitlines()[-1]
    return told.rpartition(",")[0]


def run(command: list[str], folder: Path = FOLDER) -> subprocess.CompletedProcess[str]:
    """Run a command there; raise CompileError with the end of what it said."""
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise CompileError(f"{command[1:4]} failed:\n{(done.stdout + done.stderr)[-2_000:]}")
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile if needed and run. Returns the simulator's exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        folder = compile_simulator()
    except CompileError as error:
        print(error, file=sys.stderr)
        return 2
    os.chdir(folder)
    return subprocess.call([sys.executable, "-m", "tools.simulator", *given])


if __name__ == "__main__":
    sys.exit(main())
