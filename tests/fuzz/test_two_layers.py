"""Two layers, each of which stops what the other is for: the check, and the guards.

The check alone: nothing it accepts can spell an attribute that is not a word of the
language, and of all that it accepts nothing but harmless operations is compiled. The guards
alone are in test_guards_alone.py.
"""

import ast
import re
import subprocess
from collections import Counter

import pytest

from tests.adversarial import bombs, programs, state, texts
from tests.adversarial.confine import make_source
from tests.fuzz.bytecode import ALLOWED, MODULE_ONLY, audit, audit_source
from tests.fuzz.generator.library import Words, list_modules
from tests.fuzz.generator.programs import make_case
from tests.fuzz.interpreters import ROOT, VERSIONS, find_interpreter
from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES
from vm.compiler import check_source
from vm.language import CONTEXT_FIELDS, MAP_METHODS, METHODS, VAR_METHODS

GENERATED = 80
FAMILIES = programs.FAMILIES | texts.FAMILIES | bombs.FAMILIES | state.FAMILIES


def collect_sources():
    head = HEADER.replace("def f(a: int) -> int:", "def f(a: int):")
    yield from (f"{head}    {row[0]}\n" for row in (*VALUES, *FAILURES))
    yield from (path.read_text() for path in sorted((ROOT / "vm" / "contracts").glob("*.py")))
    for seed in range(GENERATED):
        yield from (source for _, source, _ in make_case(seed).contracts)
    for rows in FAMILIES.values():
        yield from (make_source(text)[0] for verdict, text in rows if verdict.startswith("ok"))


SOURCES = list(dict.fromkeys(collect_sources()))


@pytest.mark.parametrize("version", VERSIONS)
def test_only_harmless_operations_are_in_what_cpython_is_given(version):
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"no CPython {version} for the VM: make vm-interpreters")
    told = subprocess.run(
        [python, "-m", "tests.fuzz.bytecode"], cwd=ROOT, text=True, check=True, timeout=300,
        input="".join(ascii(source) + "\n" for source in SOURCES), stdout=subprocess.PIPE,
    ).stdout.splitlines()  # fmt: skip
    assert told[:-1] == []
    found_version, _, names = told[-1].partition(": ")
    assert found_version.startswith(version)
    # The corpus is worth something: it makes the compiler use most of what it may use.
    assert len(names.split(", ")) >= 30


def test_no_operation_is_allowed_that_reaches_an_object_a_module_or_another_frame():
    forbidden = re.compile(
        "ATTR|METHOD|IMPORT|BINARY|INPLACE|COMPARE|SUBSCR|SLICE|CONTAINS|IS_OP|FORMAT|NEGATIVE|INVERT"
        "|STORE_GLOBAL|DELETE|FUNCTION_EX|YIELD|AWAIT|RAISE_VARARGS|EXC|WITH|SETUP|MATCH|CLASS"
        "|SET_ADD|BUILD_SET|DICT_|UNPACK_EX|SEND|GENERATOR|PUSH_NULL|INTRINSIC|LOAD_NAME"
    )
    assert [name for name in {**ALLOWED, **MODULE_ONLY} if forbidden.search(name)] == []
    assert all(len(reason) > 6 for reason in {**ALLOWED, **MODULE_ONLY}.values())


@pytest.mark.parametrize(
    ("python", "finding"),
    [
        ("def f(a):\n    return a.x\n", "LOAD_ATTR"),
        ("def f(a):\n    return a + 1\n", "BINARY_OP"),
        ("def f(a):\n    return [a[0] for x in a]\n", "BINARY_SUBSCR"),
        ("def f(a):\n    return a(1)\n", "PUSH_NULL"),
        ("def f(a):\n    yield a\n", "YIELD_VALUE"),
        ("def f(a):\n    for x in a:\n        pass\n", "GET_ITER"),
        ("def f(a):\n    try:\n        f(a)\n    except:\n        pass\n", "handler"),
        ("def f(a):\n    return len(a)\n", "global len"),
        ("import os\n", "IMPORT_NAME"),
        ("class A:\n    pass\n", "LOAD_BUILD_CLASS"),
    ],
)
def test_the_audit_sees_what_it_is_for(python, finding):
    assert any(finding in text for text in audit(compile(python, "x", "exec")))


def test_the_check_alone_lets_no_attribute_be_spelt_but_words_and_fields():
    words = {*METHODS, *MAP_METHODS, *VAR_METHODS, *CONTEXT_FIELDS}
    accepted = 0
    for source in SOURCES:
        if check_source(source):
            continue
        accepted += 1
        tree = ast.parse(source)
        fields = {
            item.target.id
            for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
            for item in node.body if isinstance(item, ast.AnnAssign)
        }  # fmt: skip
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        for node in imports:
            records = list_modules().get(node.module or "", Words()).records
            fields |= {name for record in records.values() for name, _ in record}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert node.attr in words | fields, source
            if isinstance(node, ast.Name):
                assert "__" not in node.id and node.id[0] != "_", source
            assert not isinstance(node, ast.Import | ast.Try | ast.Lambda | ast.Yield), source
    assert accepted > 400


def test_the_audit_counts_what_it_reads():
    seen = Counter()
    assert audit_source("def f(a: int) -> int:\n    return a + 1\n", seen) == []
    assert seen["CALL"] >= 2
