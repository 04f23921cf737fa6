"""How a row of the tables of guards is judged: by the hand that wrote it, and by the reference."""

from functools import cache
from typing import Any

from tests.fuzz.cases import Case, compare, observe
from vm.machine import Machine
from vm.specialise import LinkOptions

GAS = 12_000_000


@cache
def get_machines() -> tuple[Machine, Machine]:
    """With straight-line codecs and guards, and with the general ones.

    Made by the first test: one made on import would run the checker over the library, and
    whoever judges mutants would have to import everything anew for each (tests/mutation).
    """
    return Machine(), Machine(options=LinkOptions(parts_max=0))


def check_row(header: str, body: str, expected: Any) -> None:
    """``f(7, "é")``, whose head ends ``header``, has ``expected`` as its value or its fault's code,
    and the gas and memory of the second evaluator."""
    source = header + "".join(f"    {line}\n" for line in body.split("\n"))
    case = Case((("main", source, []),), ((0, GAS, [("main", "f", [7, "\u00e9"])]),))
    for machine in get_machines():
        deployed, (status, code, _, _, values, *_), _ = observe(case, machine)
        assert deployed[0] == "ok", deployed
        if isinstance(expected, str) and status == "fault":
            assert code == expected, code
        else:
            assert (status, code, values) == ("ok", "", (expected,)), (status, code, values)
        difference = compare(case, machine)
        assert difference is None, difference
