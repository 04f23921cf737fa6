"""What CPython is given: no attribute, no import, no operator that a guard did not see."""

import dis
import types

from tests.unit.vm.vm_corpus import HEADER, VALUES
from vm.compiler import compile_source
from vm.gas import Schedule

FORBIDDEN = (
    "ATTR", "METHOD", "IMPORT", "BINARY", "INPLACE", "COMPARE", "SUBSCR", "SLICE", "CONTAINS",
    "IS_OP", "FORMAT", "NEGATIVE", "INVERT", "POSITIVE", "GLOBAL_STORE", "STORE_GLOBAL",
    "DELETE", "FUNCTION_EX", "YIELD", "AWAIT", "RAISE_VARARGS", "EXCEPT", "WITH", "SETUP", "MATCH",
    "BUILD_CLASS", "SET_ADD", "BUILD_SET", "DICT_MERGE", "UNPACK_EX", "SEND", "GENERATOR",
)  # fmt: skip


def collect_instructions(code: types.CodeType):
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from collect_instructions(constant)


def test_no_forbidden_instruction_is_in_any_compiled_contract():
    for body, _ in VALUES:
        source = HEADER.replace("def f(a: int) -> int:", "def f(a: int):") + f"    {body}\n"
        program = compile_source(source, Schedule())
        for function in (c for c in program.code.co_consts if isinstance(c, types.CodeType)):
            for instruction in collect_instructions(function):
                name = instruction.opname
                assert not any(word in name for word in FORBIDDEN), (body, name)


def test_global_names_are_guards_or_functions_of_the_contract():
    program = compile_source(HEADER + "    return helper(a) + len(NAMES)\n", Schedule())
    for instruction in collect_instructions(program.code):
        if instruction.opname == "LOAD_GLOBAL":
            name = instruction.argval
            assert name.startswith("$") or name in program.contract.functions
        if instruction.opname == "LOAD_NAME":
            raise AssertionError("a name looked up at module level")


def test_every_branch_and_loop_body_begins_with_a_charge():
    source = (
        "def f(a: int) -> int:\n    for i in range(3):\n        a += 1\n    while a:\n"
        "        a -= 1\n    if a:\n        a = 1\n    else:\n        a = 2\n    return a\n"
    )
    program = compile_source(source, Schedule())
    assert sorted(line for line, _ in program.blocks) == [1, 2, 4, 4, 6, 7, 9, 10]
    names = [i.argval for i in collect_instructions(program.code) if i.opname == "LOAD_GLOBAL"]
    assert names.count("$charge") == len(program.blocks)
