"""A module of the library as a contract that exports all of it, for the tests that call it."""

from __future__ import annotations

import ast
from typing import Any

from vm.authoring import Bench, TextCall
from vm.inclusion import load_module

WORDS = {
    "lib.arguments.v1": "check_id check_length check_limit",
    "lib.classes.v1": "check_class is_fitting",
    "lib.fixed.v1": "mul_round div_round round_to rescale share_out",
    "lib.integers.v1": "bit_length sqrt_down sqrt_up gcd clamp",
    "lib.intervals.v1": "make_interval size_of holds covers is_overlapping get_overlap split_at "
    "subtract join merge subtract_all count_serials",
    "lib.dates.v1": "is_leap days_in_month days_in_year make_date to_days from_days date_of "
    "seconds_of add_days add_months add_years day_of_year weekday_of days_between format_date",
    "lib.tables.v1": "check_table find_band get_step interpolate interpolate_clamped",
    "lib.access.v1": "has_role require_role require_any_role add_role remove_role list_roles",
    "lib.margin.v1": "compute_equity compute_required count_carried compute_rank is_outside "
    "clamp_to_band compute_part count_minted renew",
    "lib.series.v1": "check_terms round_to_tick add_trade compute_average",
    "lib.pausing.v1": "is_paused require_running pause_for pause_always resume",
}
"""What contracts are told of; of a calculator, which is not named here, that is everything."""
BENCHES: dict[str, Bench] = {}


def list_words(module: str) -> list[str]:
    """The functions of a module that a contract may import."""
    return WORDS[module].split() if module in WORDS else list(load_module(module).words)


def make_wrapper(module: str) -> Bench:
    """A contract that exports every function of a module under ``call_NAME``."""
    by_name: dict[str, Any] = {getattr(n, "name", ""): n for n in load_module(module).tree.body}
    names = list_words(module)
    records = [name for name, node in by_name.items() if isinstance(node, ast.ClassDef)]
    imported = ",\n    ".join([*names, *records])
    source = f"from vm import view\nfrom {module} import ({imported})\n"
    for name in names:
        arguments = by_name[name].args.args
        signature = ",\n    ".join(
            f"{item.arg}: {ast.unparse(item.annotation)}" for item in arguments
        )
        passed = ", ".join(item.arg for item in arguments)
        source += (
            f"\n\n@view\ndef call_{name}({signature}) -> {ast.unparse(by_name[name].returns)}:\n"
            f"    return {name}({passed})\n"
        )
    bench = Bench(source)
    assert bench.problems == [], bench.problems
    assert bench.deploy(gas_limit=10**7).status == "ok"
    return bench


def get_bench(module: str) -> Bench:
    return BENCHES.get(module) or BENCHES.setdefault(module, make_wrapper(module))


def run(module: str, name: str, *arguments: Any) -> Any:
    """Return the wire result, or ``(status, code)`` of the refusal."""
    outcome = get_bench(module).run([TextCall(f"call_{name}", list(arguments))])
    return outcome.values[0] if outcome.status == "ok" else (outcome.status, outcome.code)


def reverted(code: str) -> tuple[str, str]:
    return ("reverted", code)
