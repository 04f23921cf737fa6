"""The same cases on other interpreters: other versions, hash seeds, ``-O``, ``-W error``.

``python -m tests.fuzz.workers`` is the far end: a case a line in, a digest a line out.
Only vm/, primitives/, msgpack and PyNaCl are imported there.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from types import TracebackType

from tests.fuzz.cases import Case, digest, observe
from tests.fuzz.interpreters import ROOT, find_interpreter
from vm.machine import Machine

VARIANTS = {
    "3.11 -O": ("3.11", ("-O",), "1"),
    "3.12 -W error": ("3.12", ("-W", "error"), "4242"),
    "3.13 -O -W error": ("3.13", ("-O", "-W", "error"), "77"),
}


class Worker:
    """One far interpreter. ``ask`` sends cases, ``answer`` takes their digests."""

    def __init__(self, name: str) -> None:
        version, options, seed = VARIANTS[name]
        python = find_interpreter(version)
        if python is None:
            raise LookupError(f"no CPython {version} for the VM: make vm-interpreters")
        self.name = name
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [python, *options, "-m", "tests.fuzz.workers"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def ask(self, cases: Iterable[Case]) -> None:
        assert self.process.stdin is not None
        for case in cases:
            self.process.stdin.write(ascii((case.contracts, case.transactions)) + "\n")
        self.process.stdin.flush()

    def answer(self, count: int) -> list[str]:
        assert self.process.stdout is not None
        return [self.process.stdout.readline().strip() or "died" for _ in range(count)]

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


def find_variants() -> tuple[list[str], list[str]]:
    """Return the variants that can run here, and those that lack their interpreter."""
    here = [name for name, (version, *_) in VARIANTS.items() if find_interpreter(version)]
    return here, [name for name in VARIANTS if name not in here]


def serve() -> None:
    """Answer each case with the digest of what this interpreter makes of it."""
    machine = Machine()
    for line in sys.stdin:
        case = Case.from_line(line)
        try:
            answer = digest(observe(case, machine))
        except Exception as error:  # the near end must hear of it, whatever it is
            answer = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)


if __name__ == "__main__":
    serve()
