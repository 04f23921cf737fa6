"""Every ``require`` of a shipped contract is reached by a test that passes.

A run of the contracts' tests in a process of its own, watched by refusal_sites, says which calls
of ``require``, ``revert`` and of the contracts' own rules made a transaction revert. A site that
no test reaches is named: a new rule without a test fails here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.vm.refusal_removal import remove, run
from tests.unit.vm.refusal_sites import Site, compute_text_hash, find_sites

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[3]
CONTRACTS = sorted((ROOT / "vm" / "contracts").rglob("*.py"))
TESTS = sorted(set(Path(__file__).parent.glob("test_contracts_*.py")) - {Path(__file__)})
Places = dict[str, set[tuple[int, int]]]

TOY = """from vm import call, export, require, revert

@export
def both(a: int, b: int) -> None:
    check_low(a); check_low(b)

def check_low(n: int) -> None:
    require(n < 5, "high"); require(n > -5, "low")
""".replace("; ", "\n    ")

TOY_TEST = """
from vm.authoring import Bench

def test_one_of_two_arguments():
    bench = Bench({source!r})
    assert bench.deploy().status == "ok"
    assert bench.call("both(1, 1)").status == "ok"
    assert bench.call("both(1, 7)").code == "high"
"""


def watch(paths: list[Path], folder: Path) -> Places:
    """Run tests under the recorder; the places that refused, by the hash of a contract's text."""
    found = folder / "refusals.json"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x"]
    command += ["-p", "tests.unit.vm.refusal_sites", "--refusals", str(found)]
    finished = subprocess.run(
        [*command, "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *map(str, paths)],
        cwd=ROOT, capture_output=True, text=True, timeout=1_800, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    return {
        name: {(line, column) for line, column, _ in places}
        for name, places in json.loads(found.read_text()).items()
    }


def list_unreached(source: str, reached: Places) -> list[Site]:
    places = reached.get(compute_text_hash(source), set())
    return [site for site in find_sites(source) if site.place not in places]


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return watch(TESTS, tmp_path_factory.mktemp("refusals"))


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_every_refusal_of_a_shipped_contract_has_a_test(path: Path, reached: Places) -> None:
    source = path.read_text()
    # A method may leave every refusal to the calculators that it calls; no other contract may.
    assert find_sites(source) or path.parent.name == "methods"
    missing = [
        f"{path.name}:{site.line} {site.function}: {site.text}"
        for site in list_unreached(source, reached)
    ]
    assert missing == [], "no test reaches these refusals"


def test_a_site_without_a_test_is_named_by_its_line_and_column(tmp_path: Path) -> None:
    test = tmp_path / "test_toy.py"
    test.write_text(TOY_TEST.format(source=TOY))
    missing = list_unreached(TOY, watch([test], tmp_path))
    assert [(site.line, site.column, site.function, site.text) for site in missing] == [
        (5, 4, "both", "check_low(a)"),
        (10, 4, "check_low", "require(n > -5, 'low')"),
    ]


def test_a_contract_that_no_test_runs_is_named_whole() -> None:
    assert list_unreached(TOY, {}) == find_sites(TOY)
    assert len(find_sites(TOY)) == 4


def test_a_rule_is_taken_out_where_it_is_a_statement() -> None:
    site = find_sites(TOY)[0]
    assert remove(TOY, site) == TOY.replace("check_low(a)", "pass")
    source = 'def f() -> int:\n    require(\n        1 < 2,\n        "x"\n    )\n    return 1\n'
    assert remove(source, find_sites(source)[0]) == "def f() -> int:\n    pass\n    return 1\n"
    inner = "def require_one() -> int:\n    return 1\n\ndef f() -> int:\n    return require_one()\n"
    assert remove(inner, find_sites(inner)[0]) is None


def test_a_contract_without_one_of_its_rules_is_noticed(tmp_path: Path) -> None:
    """The test's own id is what refusal_removal runs; the whole contract passes the same way."""
    source = (ROOT / "vm" / "contracts" / "retirement.py").read_text()
    (site,) = (site for site in find_sites(source) if "no-certificate" in site.text)
    without, path = remove(source, site), tmp_path / "retirement.py"
    assert without is not None
    name = "test_contracts_retirement.py::test_views_refuse_what_is_not_there"
    codes = []
    for text in (source, without):
        path.write_text(text)
        codes.append(run("--instead", str(path), f"tests/unit/vm/{name}"))
    assert codes == [0, 1]
