"""The mutation tool: stable names, changes that compile, reasons that point at code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.__main__ import choose_files
from tests.mutation.edits import apply, find_edits
from tests.mutation.mutants import find_mutants
from tests.mutation.results import Verdict, find_stale, read_reasons, summarise
from tests.mutation.targets import ROOT, TARGETS

CODE = '''"""A module."""
LIMIT = 4

def keep(items, most=2):
    """Text."""
    assert items
    if len(items) >= most and not items[0]:
        raise ValueError("too many", code="many")
    return sorted(items)[:most]
'''


def find_ids(root: Path, code: str) -> list[str]:
    (root / "m.py").write_text(code)
    return [mutant.id for mutant in find_mutants(root, "m.py")]


def test_each_operator_makes_the_change_that_its_name_says(tmp_path: Path) -> None:
    ids = find_ids(tmp_path, CODE)
    assert "m.py keep [comparison] len(items) >= most -> len(items) > most" in ids
    both = "len(items) >= most and (not items[0])"
    assert f"m.py keep [dropped not] {both} -> len(items) >= most and items[0]" in ids
    assert "m.py keep [constant] LIMIT = 4 -> LIMIT = 5" not in ids
    assert "m.py <module> [constant] LIMIT = 4 -> LIMIT = 5" in ids
    assert "m.py keep [removed] raise ValueError('too many', code='many') -> pass" in ids
    assert "m.py keep [slice] sorted(items)[:most] -> sorted(items)[:]" in ids
    assert not any("assert" in item or "Text" in item for item in ids)
    assert len(set(ids)) == len(ids)


def test_ids_outlive_moved_lines(tmp_path: Path) -> None:
    moved = CODE.replace("LIMIT = 4", "# a comment\n\n\nLIMIT = 4")
    assert find_ids(tmp_path, CODE) == find_ids(tmp_path, moved)


@pytest.mark.parametrize("name", TARGETS)
def test_every_mutant_compiles_and_differs(name: str) -> None:
    path = TARGETS[name].files[0]
    tree = ast.parse((ROOT / path).read_text())
    before = ast.unparse(tree)
    for edit in find_edits(tree):
        changed = ast.fix_missing_locations(apply(tree, edit.path, edit.new))
        assert ast.unparse(changed) != before
        compile(changed, path, "exec")  # type: ignore[arg-type]  # a module, as it was parsed
    assert ast.unparse(tree) == before


@pytest.mark.parametrize("name", TARGETS)
def test_every_reason_in_the_file_of_survivors_is_about_code_that_exists(name: str) -> None:
    target = TARGETS[name]
    ids = {mutant.id for path in target.files for mutant in find_mutants(ROOT, path)}
    reasons = read_reasons(target.survivors)
    assert [item for item in reasons if item not in ids] == []
    assert all(len(reason) > 20 for reason in reasons.values())


def test_one_module_can_be_judged_alone() -> None:
    target = choose_files(TARGETS["consensus"], ["votes", "inbox"])
    assert target.files == ("consensus/inbox.py", "consensus/votes.py")
    assert choose_files(TARGETS["consensus"], []) == TARGETS["consensus"]
    with pytest.raises(SystemExit, match="no such module"):
        choose_files(TARGETS["consensus"], ["votes", "vote"])


def test_a_survivor_needs_a_reason_and_a_reason_a_survivor() -> None:
    target = choose_files(TARGETS["consensus"], ["watch"])
    mutants = find_mutants(ROOT, "consensus/watch.py")
    killed, explained, unexplained = (mutant.id for mutant in mutants[:3])
    verdicts = {
        killed: Verdict(killed, "killed", "a test", 0.1),
        explained: Verdict(explained, "survived", "", 0.1),
        unexplained: Verdict(unexplained, "survived", "", 0.1),
    }
    gone = "consensus/watch.py Watch.gone [removed] x() -> pass"
    elsewhere = "consensus/votes.py VoteBook.gone [removed] x() -> pass"
    reasons = dict.fromkeys((explained, killed, gone, elsewhere), "a reason of some length")
    _, missing = summarise(mutants, verdicts, reasons)
    assert missing == [unexplained]
    assert sorted(find_stale(target, verdicts, reasons)) == sorted([killed, gone])
