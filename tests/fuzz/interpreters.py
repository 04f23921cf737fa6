"""Other CPython versions that can run vm/: finding them, and making them once.

The VM needs only vm/, primitives/, msgpack and PyNaCl, so each version gets a small
environment of its own with those two from the lock file. ``python -m
tests.fuzz.interpreters`` makes the ones that lack; tests skip what is not here.
"""

import functools
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
_NEEDED = ("cffi", "msgpack", "pycparser", "pynacl")
_PLAIN = "import sys; print(*sys.version_info[:2], sep='.')"
_PROBE = "import msgpack, nacl.bindings; " + _PLAIN


def get_home(version: str) -> Path:
    """Where the small environment of ``version`` is."""
    return ROOT / f".venv-vm{version}"


def _works(python: Path, version: str, probe: str = _PROBE) -> bool:
    try:
        told = subprocess.check_output(
            [python, "-c", probe], stderr=subprocess.DEVNULL, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return told.strip() == version


@functools.cache
def find_interpreter(version: str) -> str | None:
    """Return a Python of ``version`` with what vm/ imports, None when there is none here."""
    if sys.version.startswith(version + "."):
        return sys.executable
    short = version.replace(".", "")
    for home in (ROOT / ".venv", ROOT / f".venv{short}", get_home(version)):
        if _works(home / "bin" / "python", version):
            return str(home / "bin" / "python")
    return None


def extract_requirements(lock: str) -> str:
    """Return the lock's entries, with their hashes, of what the VM's worker imports."""
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    return "\n".join(entry for entry in entries if entry.split("==")[0] in _NEEDED) + "\n"


def make_interpreter(version: str) -> str:
    """Make the environment of ``version`` if it lacks; return what was done."""
    if find_interpreter(version) is not None:
        return "is here"
    bases = [Path("/usr/bin") / f"python{version}", Path("/usr/local/bin") / f"python{version}"]
    bases += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    base = next((item for item in bases if _works(item, version, _PLAIN)), None)
    if base is None:
        return f"no CPython {version} on this machine"
    home = get_home(version)
    subprocess.run([base, "-m", "venv", home], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(extract_requirements((ROOT / "lock" / "requirements.lock").read_text()))
        file.flush()
        install = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
        install += ["--disable-pip-version-check", "--require-hashes", "-r", file.name]
        subprocess.run(install, check=True)
    find_interpreter.cache_clear()
    return "made" if find_interpreter(version) else "made, but does not work"


if __name__ == "__main__":
    for wanted in VERSIONS:
        print(f"CPython {wanted}: {make_interpreter(wanted)}", flush=True)
