"""The audit of what CPython is given: which operations occur, and why each may.

``python -m tests.fuzz.bytecode`` reads sources (a Python literal a line) and prints what
this interpreter's compiler made of them. Closed by default: an operation that is not in
ALLOWED is a finding, so that a new Python's new operation is read by a person first.
"""

import ast
import dis
import sys
import types
from collections import Counter
from collections.abc import Iterator

from vm.compiler import compile_source
from vm.gas import VM_VERSION, get_schedule
from vm.outcome import Rejected

_MOVES = "moves values between the stack and a function's own locals; runs nothing"
_JUMPS = "control flow; a condition is the truth of an exact type of the VM, which has no code"
_BUILDS = "makes a list, tuple or dict of values there are; paid by the guard around it or up front"
ALLOWED = {
    "RESUME": "start of a function",
    "NOP": "nothing",
    "EXTENDED_ARG": "a longer argument of the next operation",
    "CACHE": "room of the interpreter's own",
    "LOAD_CONST": "a literal of the source",
    "LOAD_FAST": _MOVES,
    "LOAD_FAST_CHECK": "as LOAD_FAST; NameError, told as fault value, where it is not bound",
    "LOAD_FAST_AND_CLEAR": "a comprehension puts aside the local that its name hides",
    "LOAD_FAST_LOAD_FAST": _MOVES,
    "STORE_FAST": _MOVES,
    "STORE_FAST_LOAD_FAST": _MOVES,
    "STORE_FAST_STORE_FAST": _MOVES,
    "LOAD_DEREF": "a local of the function around a comprehension (3.11 makes a function of one)",
    "LOAD_CLOSURE": "as LOAD_DEREF",
    "STORE_DEREF": "as LOAD_DEREF",
    "MAKE_CELL": "as LOAD_DEREF",
    "COPY_FREE_VARS": "as LOAD_DEREF",
    "MAKE_FUNCTION": "a function of the contract, or on 3.11 a comprehension",
    "LOAD_GLOBAL": "a guard, a constant or a function of the contract: names are checked beside",
    "COPY": _MOVES,
    "SWAP": _MOVES,
    "POP_TOP": _MOVES,
    "PRECALL": "part of a call",
    "KW_NAMES": "part of a call",
    "CALL": "of a LOAD_GLOBAL, or on 3.11 of a comprehension: nothing else can be a callee without"
    " PUSH_NULL, which is not here",
    "CALL_KW": "as CALL",
    "RETURN_VALUE": "end of a function",
    "RETURN_CONST": "end of a function",
    "JUMP_FORWARD": _JUMPS,
    "JUMP_BACKWARD": _JUMPS,
    "JUMP_IF_FALSE_OR_POP": _JUMPS,
    "JUMP_IF_TRUE_OR_POP": _JUMPS,
    "POP_JUMP_IF_FALSE": _JUMPS,
    "POP_JUMP_IF_TRUE": _JUMPS,
    "POP_JUMP_FORWARD_IF_FALSE": _JUMPS,
    "POP_JUMP_FORWARD_IF_TRUE": _JUMPS,
    "POP_JUMP_BACKWARD_IF_FALSE": _JUMPS,
    "POP_JUMP_BACKWARD_IF_TRUE": _JUMPS,
    "TO_BOOL": _JUMPS,
    "UNARY_NOT": "the truth of an exact type of the VM, negated",
    "GET_ITER": "of what $turns gives, one for one: a snapshot or a range",
    "FOR_ITER": "as GET_ITER",
    "END_FOR": "as GET_ITER",
    "UNPACK_SEQUENCE": "of a tuple or list whose length a guard has checked, or of a display",
    "BUILD_LIST": _BUILDS,
    "BUILD_TUPLE": _BUILDS,
    "BUILD_MAP": _BUILDS + "; only a comprehension's, empty",
    "LIST_EXTEND": "the literals of a display, out of a constant tuple",
    "LIST_APPEND": "one turn of a comprehension, paid by $turns before the first",
    "MAP_ADD": "as LIST_APPEND; the key went through $key",
    "RERAISE": "the end of the only handler there is: see is_comprehension_handler",
}  # fmt: skip
"""Operation -> why it is harmless."""
MODULE_ONLY = {"STORE_NAME": "binds the contract's functions when it is linked"}
_HANDLER = {"SWAP", "POP_TOP", "STORE_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST"}


def walk(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from walk(constant)


def is_comprehension_handler(code: types.CodeType, target: int) -> bool:
    """Whether the handler only puts a hidden local back and raises on (3.12 and later)."""
    for instruction in dis.get_instructions(code):
        if instruction.offset < target:
            continue
        if instruction.opname == "RERAISE":
            return True
        if instruction.opname not in _HANDLER | {"EXTENDED_ARG"}:
            return False
    return False


def audit(module: types.CodeType) -> list[str]:
    """Return what a compiled contract has that none may have."""
    findings = []
    functions = {code.co_name for code in module.co_consts if isinstance(code, types.CodeType)}
    for code in walk(module):
        names: Counter[str] = Counter()
        for instruction in dis.get_instructions(code):
            name = instruction.opname
            names[name] += 1
            if name not in ALLOWED and not (code is module and name in MODULE_ONLY):
                findings.append(f"{code.co_name}: {name} {instruction.argrepr}")
            if name == "LOAD_GLOBAL":
                names[str(instruction.argval)] += 1
                if not instruction.argval.startswith("$") and instruction.argval not in functions:
                    findings.append(f"{code.co_name}: global {instruction.argval}")
        if names["GET_ITER"] != names["$turns"]:
            findings.append(
                f"{code.co_name}: {names['GET_ITER']} GET_ITER, {names['$turns']} $turns"
            )
        for entry in dis.Bytecode(code).exception_entries:
            if not is_comprehension_handler(code, entry.target):
                findings.append(f"{code.co_name}: a handler at {entry.target}")
    return findings


def audit_source(source: str, seen: Counter[str]) -> list[str]:
    """Audit an accepted source; ``seen`` counts the operations met."""
    try:
        module = compile_source(source, get_schedule(VM_VERSION)).code
    except Rejected:
        return []
    for code in walk(module):
        seen.update(instruction.opname for instruction in dis.get_instructions(code))
    return audit(module)


def serve() -> None:
    seen: Counter[str] = Counter()
    for line in sys.stdin:
        for finding in audit_source(ast.literal_eval(line), seen):
            print(f"FINDING {finding}")
    print(f"{sys.version.split()[0]}: {', '.join(sorted(seen))}")


if __name__ == "__main__":
    serve()
