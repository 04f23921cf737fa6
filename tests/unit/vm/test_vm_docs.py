"""The page on the language and the code say the same."""

import re
from dataclasses import fields, make_dataclass
from pathlib import Path

import pytest

from tools.authoring.gas_table import render_table, replace_table
from vm.authoring import Bench
from vm.gas import Schedule
from vm.language import BUILTINS, METHODS, SDK_NAMES
from vm.outcome import FAULT_CODES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "contracts.md").read_text()


def test_the_gas_table_is_the_schedule():
    table = PAGE.split("<!-- gas:")[1].split("<!-- /gas -->")[0]
    cells = [cell.strip() for cell in re.findall(r"[^|\n]+", table)]
    pairs = {name: cells[index + 1] for index, name in enumerate(cells[:-1])}
    schedule = Schedule()
    for field in fields(schedule):
        assert pairs[field.name.replace("_", " ")] == str(getattr(schedule, field.name))


def test_the_gas_table_is_what_the_generator_writes():
    assert replace_table(PAGE) == PAGE
    row = "| node | 1 | block | 9 | arithmetic | 20 |"
    assert replace_table(PAGE.replace(row, "| node | 2 | gone | 9 |")) == PAGE


@pytest.mark.parametrize("prices", range(1, 8))
def test_a_schedule_of_any_length_makes_a_whole_table(prices):
    schedule = make_dataclass("Schedule", [(f"price_{n}", int, n) for n in range(prices)])()
    lines = render_table(schedule).splitlines()
    assert {line.count("|") for line in lines} == {7}
    assert len(lines) == 2 + -(-prices // 3)
    assert f"price {prices - 1} | {prices - 1}" in lines[-1]


def test_the_page_names_every_word_and_every_fault():
    for word in [*BUILTINS, *METHODS, *SDK_NAMES, *FAULT_CODES]:
        assert re.search(rf"\b{word}\b", PAGE), word


def test_the_contract_on_the_page_runs():
    source = PAGE.split("```python\n")[1].split("```")[0]
    bench = Bench(source)
    assert bench.problems == []
    assert bench.deploy([1000]).status == "ok"
    to = "0x" + "11" * 32
    assert bench.call(f"transfer('{to}', 7)").events[0].name == "Moved"
    assert bench.call(f"balance('{to}')").values == (7,)
    assert bench.call(f"transfer('{to}', 994)").code == "balance"


def test_the_stub_has_every_word_of_the_sdk():
    stub = (ROOT / "vm" / "stubs" / "vm.pyi").read_text()
    for name in SDK_NAMES:
        assert re.search(rf"(def|class) {name}\b|^{name}:", stub, re.MULTILINE), name
