"""Verdicts as JSON lines in a folder that git ignores, and the reasons that are committed."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant, find_mutants
from tests.mutation.targets import RESULTS, ROOT, Target


@dataclass(frozen=True)
class Verdict:
    """``by`` is the test that failed; ``took`` seconds of waiting."""

    id: str
    status: str
    by: str
    took: float


class Results:
    """One target's verdicts; the last one of an id counts."""

    def __init__(self, target: str) -> None:
        self.folder = RESULTS
        self.file = self.folder / f"{target}.jsonl"

    def read(self) -> dict[str, Verdict]:
        """Return the verdicts by id."""
        if not self.file.exists():
            return {}
        lines = self.file.read_text().splitlines()
        return {item["id"]: Verdict(**item) for item in map(json.loads, lines)}

    def add(self, verdict: Verdict) -> None:
        """Write one down."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(json.dumps(asdict(verdict)) + "\n")


def read_reasons(path: Path) -> dict[str, str]:
    """Return id -> why no test can or need kill it."""
    if not path.exists():
        return {}
    data = tomllib.loads(path.read_text())
    return {
        mutant: group["reason"].strip() for group in data["group"] for mutant in group["mutants"]
    }


def find_stale(target: Target, verdicts: dict[str, Verdict], reasons: dict[str, str]) -> list[str]:
    """Return what is explained in the target's files but is no mutant of them, or is killed."""
    ids = {mutant.id for path in target.files for mutant in find_mutants(ROOT, path)}
    here = [item for item in reasons if item.split(" ", 1)[0] in target.files]
    killed = {name for name, verdict in verdicts.items() if verdict.status == "killed"}
    return [item for item in here if item not in ids or item in killed]


def summarise(
    mutants: Sequence[Mutant], verdicts: dict[str, Verdict], reasons: dict[str, str]
) -> tuple[str, list[str]]:
    """Return a table by file and by operator, and the survivors without a reason."""
    rows: dict[str, Counter[str]] = {}
    unexplained = []
    for mutant in mutants:
        verdict = verdicts.get(mutant.id)
        status = "not run" if verdict is None else verdict.status
        if status == "survived":
            status = "explained" if mutant.id in reasons else "unexplained"
            if status == "unexplained":
                unexplained.append(mutant.id)
        for row in (mutant.path, f"[{mutant.edit.operator}]", "all"):
            rows.setdefault(row, Counter())[status] += 1
    columns = ("killed", "explained", "unexplained", "not run")
    lines = [f"{'':32}" + "".join(f"{name:>13}" for name in columns)]
    for row in sorted(rows, key=lambda name: (name == "all", name.startswith("["), name)):
        lines.append(f"{row:32}" + "".join(f"{rows[row][name]:13}" for name in columns))
    return "\n".join(lines), unexplained
