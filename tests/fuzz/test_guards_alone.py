"""The second line of defence alone: every check switched off, the rewriter and the guards left.

Whatever is still compiled has no operation that a guard did not see, and no program gets a
value that is not its own. The check alone is in test_two_layers.py.
"""

import pytest

from tests.adversarial.confine import make_source
from tests.adversarial.programs import FAMILIES as PROGRAMS
from tests.adversarial.texts import FAMILIES as TEXTS
from tests.fuzz.bytecode import audit
from tests.fuzz.cases import Case, observe
from vm import compiler
from vm.gas import Schedule
from vm.machine import Machine

FAMILIES = PROGRAMS | TEXTS


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


@pytest.mark.parametrize(
    ("text", "node"),
    [("raise a", "Raise"), ("bump = 1\nreturn bump()", "Call"), ("return bump(**D)", "Call"),
     ("return lambda: 1", "Lambda"), ("del a", "Name"), ("return (yield)", "Yield"),
     ("a.start += 1", "Attribute"), ("assert a", "Assert"), ("return K[0]()", "Call"),
     ("try:\n    a\nexcept:\n    a", "Try"), ("return bump(*K)", "Starred"), ("a + 1", "Expr"),
     ("return {**D}", "Dict"), ("return {a: 1, **D}", "Dict")],
)  # fmt: skip
def test_the_rewriter_knows_only_what_the_checks_accept(unchecked, text, node):
    with pytest.raises(AssertionError, match=f"^{node} passed the checks"):
        compiler.compile_source(make_source(text)[0], Schedule())
