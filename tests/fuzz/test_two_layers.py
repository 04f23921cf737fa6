"""Two layers, each of which stops what the other is for: the check, and the guards.

The check alone: nothing it accepts can spell an attribute that is not a word of the
language. The guards alone: with every check switched off, whatever is still compiled has
no operation that a guard did not see, and no program gets a value that is not its own.
"""

import ast
import re
import subprocess
from collections import Counter

import pytest

from tests.adversarial import bombs, programs, state, texts
from tests.adversarial.confine import make_source
from tests.fuzz.bytecode import ALLOWED, MODULE_ONLY, audit, audit_source
from tests.fuzz.cases import Case, observe
from tests.fuzz.generator.library import Words, list_modules
from tests.fuzz.generator.programs import make_case
from tests.fuzz.interpreters import ROOT, VERSIONS, find_interpreter
from tests.unit.vm.vm_corpus import FAILURES, HEADER, VALUES
from vm import compiler
from vm.compiler import check_source
from vm.gas import Schedule
from vm.language import CONTEXT_FIELDS, MAP_METHODS, METHODS, VAR_METHODS
from vm.machine import Machine

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


@pytest.fixture
def unchecked(monkeypatch):
    """A compiler without the lexer's, the grammar's and the resolver's refusals."""
    monkeypatch.setattr(compiler, "check_text", lambda source: [])
    monkeypatch.setattr(compiler, "check_grammar", lambda tree: [])
    monkeypatch.setattr(
        compiler,
        "check_functions",
        lambda contract, problems: {name: [] for name in contract.functions},
    )


ATTACKS = [
    text
    for family in ("attribute-walk", "format", "frame", "generator", "pattern", "scope", "text")
    for verdict, text in FAMILIES[family]
    if verdict.startswith("rejected") and not text.startswith("|")
]


@pytest.mark.parametrize("text", ATTACKS)
def test_the_guards_alone_leave_no_unguarded_operation(unchecked, text):
    """Either the rewriter has no words for it, or every operation of it became a guard."""
    source, _ = make_source(text)
    try:
        program = compiler.compile_source(source, Schedule())
    except Exception:  # the rewriter or the compiler has no words for it: nothing runs
        return
    findings = audit(program.code)
    # A name that nothing defines reaches nothing: the namespace has no builtins.
    assert [finding for finding in findings if "global" not in finding] == []


WALKS = [
    ("return a.__class__", ("fault", "type")),
    ("return ().__class__.__bases__", ("fault", "type")),
    ("return ''.__doc__", ("fault", "type")),
    ("return ctx.__class__", ("fault", "value")),
    ("return f'{a.__class__}'", ("fault", "type")),
    ("x = Lot(ctx.sender, 1, [])\nreturn x.indexes", ("fault", "type")),
    ("x = Lot(ctx.sender, 1, [])\nreturn x.__class__", ("fault", "type")),
    ("return [].__class__.mro()", ("fault", "value")),
    ("return '{0.__class__}'.format(a)", ("fault", "value")),
    ("return 'a'.__getattribute__('x')", ("fault", "value")),
    ("return getattr(a, 'real')", ("fault", "value")),
    ("return __import__('os')", ("fault", "value")),
    ("return eval('1')", ("fault", "value")),
    ("return globals()", ("fault", "value")),
    ("return charge(-1000000)", ("fault", "value")),
]


@pytest.mark.parametrize(("text", "expected"), WALKS)
def test_the_guards_alone_stop_an_attribute_walk(unchecked, text, expected):
    source, _ = make_source(text)
    case = Case((("main", source, []),), ((0, 1_000_000, [("main", "f", [7])]),))
    seen = observe(case, Machine())
    assert seen[0][0] == "ok" and seen[1][:2] == expected


def test_the_audit_counts_what_it_reads():
    seen = Counter()
    assert audit_source("def f(a: int) -> int:\n    return a + 1\n", seen) == []
    assert seen["CALL"] >= 2


@pytest.mark.parametrize(
    ("text", "node"),
    [("raise a", "Raise"), ("bump = 1\nreturn bump()", "Call"), ("return bump(**D)", "Call"),
     ("return lambda: 1", "Lambda"), ("del a", "Name"), ("return (yield)", "Yield"),
     ("a.start += 1", "Attribute"), ("assert a", "Assert"), ("return K[0]()", "Call"),
     ("try:\n    a\nexcept:\n    a", "Try"), ("return bump(*K)", "Starred"), ("a + 1", "Expr")],
)  # fmt: skip
def test_the_rewriter_knows_only_what_the_checks_accept(unchecked, text, node):
    with pytest.raises(AssertionError, match=f"^{node} passed the checks"):
        compiler.compile_source(make_source(text)[0], Schedule())
