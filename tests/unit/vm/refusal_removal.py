"""Takes each rule out of the shipped contracts, one at a time: does a test notice?

    python -m tests.unit.vm.refusal_removal [contract ...]

A test may reach a refusal and yet not ask for it, or another rule behind it may refuse with the
same code. For each site of refusal_sites that is a statement, the tests that reached it run
again on a contract in which ``pass`` stands in its place. Exit code 1 when they all pass once.
About three seconds a site; not part of the test suite.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.unit.vm.refusal_sites import Site, compute_text_hash, find_sites

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "vm" / "contracts"
TESTS = sorted(
    str(path.relative_to(ROOT))
    for path in Path(__file__).parent.glob("test_contracts_*.py")
    if path.stem != "test_contracts_refusals"
)


def remove(source: str, site: Site) -> str | None:
    """Return the contract without the statement at ``site``; None when it is part of another."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Call() as call) if site.place == (
                call.lineno,
                call.col_offset,
            ):
                lines = source.split("\n")
                before = lines[node.lineno - 1][: node.col_offset]
                after = lines[(node.end_lineno or node.lineno) :]
                return "\n".join([*lines[: node.lineno - 1], before + "pass", *after])
    return None


def run(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    command += ["-p", "tests.unit.vm.refusal_sites", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode


def find_unnoticed(path: Path, tests: dict[tuple[int, int], set[str]], folder: Path) -> list[Site]:
    """Return the sites of one contract whose removal no test notices."""
    source, unnoticed = path.read_text(), []
    for site in find_sites(source):
        less = remove(source, site)
        if less is None:
            continue
        changed = folder / path.name
        changed.write_text(less)
        reached_by = sorted(tests.get(site.place, set()))
        if not reached_by or run("--instead", str(changed), *reached_by) != 1:
            unnoticed.append(site)
            print(f"unnoticed: {path.name}:{site.line} {site.function}: {site.text}", flush=True)
    return unnoticed


def main() -> None:
    """Run the command."""
    paths = sorted(CONTRACTS.rglob("*.py"))
    if names := sys.argv[1:]:
        paths = [path for path in paths if path.stem in names]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as name:
        found = Path(name) / "refusals.json"
        if run("--refusals", str(found), *TESTS) != 0:
            raise SystemExit("the contracts' tests fail")
        reached = json.loads(found.read_text())
        for path in paths:
            tests: dict[tuple[int, int], set[str]] = {}
            for line, column, test in reached.get(compute_text_hash(path.read_text()), []):
                tests.setdefault((line, column), set()).add(test)
            unnoticed += len(find_unnoticed(path, tests, Path(name)))
    print(f"{unnoticed} rules of {', '.join(path.stem for path in paths)} go unnoticed")
    raise SystemExit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()
