"""The quick judges of a mutant of vm/: one small program a test, so that the first one kills.

Every body of the corpus with its golden verdict, gas and value, the adversarial programs with
their verdicts, the refused texts, and random programs against the second evaluator. All of
it runs elsewhere too, where one test has many programs. Not collected with the other tests
(its name does not begin with ``test_``).
"""

import json
from random import Random
from types import ModuleType

import pytest

from tests.adversarial import bombs, programs, state, texts
from tests.adversarial.confine import run
from tests.adversarial.test_adversarial import describe
from tests.fuzz.cases import compare
from tests.fuzz.generator.programs import make_case
from tests.fuzz.test_guards_alone import (  # noqa: F401 - collected here as well
    test_the_guards_alone_stop_an_attribute_walk,
    test_the_rewriter_knows_only_what_the_checks_accept,
    unchecked,
)
from tests.unit.vm import test_vm_rulebook_functions as function_rules
from tests.unit.vm import test_vm_rulebook_grammar as grammar_rules
from tests.unit.vm import test_vm_rulebook_module as module_rules
from tests.unit.vm import test_vm_rulebook_text as text_rules
from tests.unit.vm.test_vm_abi import (  # noqa: F401
    test_the_manifest_names_functions_records_events_and_storage,
)
from tests.unit.vm.test_vm_gas import VECTORS, run_body
from tests.unit.vm.test_vm_gas_by_line import test_a_block_costs_what_the_table_says  # noqa: F401
from tests.unit.vm.test_vm_guard_prices import (  # noqa: F401
    test_a_dict_that_loses_most_of_its_entries_gives_their_room_back,
    test_a_guard_does_charges_and_allocates_what_the_second_evaluator_says,
    test_a_power_that_cannot_fit_is_never_computed,
    test_a_scan_steps_over_no_more_deleted_rows_than_there_is_gas_for,
)
from tests.unit.vm.test_vm_guard_refusals import (  # noqa: F401
    test_a_guard_refuses_what_it_must_and_nothing_beside_it,
    test_nothing_is_written_below_a_view,
)
from tests.unit.vm.test_vm_integers import (  # noqa: F401
    test_a_comprehension_s_name_hides_a_constant_that_is_an_integer,
    test_a_quick_guard_is_the_guard_of_its_name_for_two_integers,
    test_a_word_that_something_else_is_called_by_counts_for_nothing,
    test_the_parts_of_an_expression_are_not_walked_for_each_of_its_operators,
    test_the_rewriter_uses_them_where_both_operands_are_integers,
    test_what_can_only_be_an_integer_is_one,
    test_what_may_be_something_else_is_none,
)
from tests.unit.vm.test_vm_rejected import (  # noqa: F401
    test_a_module_level_construct_outside_the_language_is_refused,
    test_a_statement_or_expression_outside_the_language_is_refused,
    test_text_that_a_parser_could_disagree_on_is_refused_before_it_is_parsed,
)
from tests.unit.vm.vm_corpus import VALUES
from vm.machine import Machine
from vm.specialise import LINK_OPTIONS, LinkOptions

RANDOM = 60
RULEBOOKS = {
    "text": text_rules,
    "grammar": grammar_rules,
    "module": module_rules,
    "functions": function_rules,
}
EXPECTED = dict(VALUES)
FAMILIES = programs.FAMILIES | texts.FAMILIES | bombs.FAMILIES | state.FAMILIES
ROWS = [
    pytest.param(verdict, text, id=f"{family}-{index}")
    for family, rows in FAMILIES.items()
    if not family.endswith("-bomb") or family == "number-bomb"  # they take their whole second
    for index, (verdict, text) in enumerate(rows)
]


@pytest.mark.parametrize("name", RULEBOOKS)
def test_a_rulebook(name: str) -> None:
    rulebook: ModuleType = RULEBOOKS[name]
    for text, said in rulebook.RULES:
        assert rulebook.read(text) == said


@pytest.mark.parametrize("row", json.loads(VECTORS.read_text()), ids=lambda row: row["body"][:40])
def test_a_body_of_the_corpus(row: dict[str, object]) -> None:
    result = run_body(row["body"])
    assert {name: result[name] for name in ("status", "code", "gas")} == {
        name: row[name] for name in ("status", "code", "gas")
    }
    if row["body"] in EXPECTED:
        assert result["value"] == EXPECTED[row["body"]]


@pytest.mark.parametrize(("verdict", "text"), ROWS)
def test_an_adversarial_program(verdict: str, text: str) -> None:
    assert describe(*run(text), verdict) == verdict


@pytest.mark.parametrize("seed", range(RANDOM))
def test_a_random_program_on_both_evaluators(seed: int) -> None:
    case = make_case(Random(f"battery {seed}").getrandbits(48))
    # Every other one with the general codecs and storage guards in place of generated ones.
    options = LinkOptions(parts_max=0) if seed % 2 else LINK_OPTIONS
    assert compare(case, Machine(options=options)) is None
