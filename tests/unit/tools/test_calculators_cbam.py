"""``carbonode calc cbam``: the Commission's examples, linked processes, and bad documents."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from primitives.errors import CarbonodeError
from tools.calculators.cbam import MethodRefused, compute_see
from tools.calculators.workbook import WorkbookError, parse_document, read_installation
from tools.cli.main import main

EXAMPLES = Path("/work/shared/data/cbam/examples.json")


def run_cli(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["calc", "cbam", *arguments])


def make_process(name: str, production: Any, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name, "category": "Iron or steel products", "production": production,
        "to_market": production, "to_other": {}, "dir_em": 0, "heat_imp": None, "heat_exp": None,
        "heat_ef_imp": None, "heat_ef_exp": None, "wg_imp": None, "wg_exp": None,
        "wg_ef_imp": None, "wg_ef_exp": None, "el_mwh": None, "el_ef": None, "el_src": None,
        "el_exp": 0.0, "el_exp_ef": None,
    }  # fmt: skip
    return row | fields


def compute(*processes: dict[str, Any], precursors: Any = (), **fields: Any) -> Any:
    text = json.dumps({"processes": processes, "precursors": list(precursors), **fields})
    (installation,) = parse_document(text).values()
    return compute_see(installation).rows


@pytest.mark.data
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the shared data are not here")
def test_the_commissions_examples_come_out_to_the_last_published_digit(tmp_path: Path) -> None:
    document = json.loads(EXAMPLES.read_text())
    result = run_cli(str(EXAMPLES), "--json")
    assert result.exit_code == 0, result.output
    answers = json.loads(result.stdout)
    examples = {name: item for name, item in document.items() if "expected" in item}
    assert answers == {name: item["expected"] for name, item in examples.items()}
    for name, item in examples.items():
        alone = tmp_path / "alone.json"
        alone.write_text(json.dumps(item))
        assert json.loads(run_cli(str(alone), "--json").stdout) == item["expected"]
        one = run_cli(str(EXAMPLES), "--json", "--example", name)
        assert json.loads(one.stdout) == item["expected"]


@pytest.mark.data
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the shared data are not here")
def test_no_result_is_read_from_the_document() -> None:
    """With other figures under ``expected`` the same come out; without it, by process."""
    item = json.loads(EXAMPLES.read_text())["7_Hydrogen_2_processes"]
    right = compute_see(read_installation(json.loads(json.dumps(item), parse_float=Decimal))).rows
    spoilt = item | {"expected": [row | {"see_direct": 1.0} for row in item["expected"]]}
    bare = {key: value for key, value in item.items() if key != "expected"}
    for changed in (spoilt, bare):
        (one,) = parse_document(json.dumps(changed)).values()
        assert compute_see(one).rows == right == item["expected"]


def test_steel_through_three_linked_processes_with_alloys_and_scrap() -> None:
    """Sinter to iron to steel; ferro-manganese bought, scrap without a burden, gas exported."""
    rows = compute(
        make_process("Sinter", 1500.0, to_market=100.0, to_other={"Pig iron": 1400.0}, dir_em=300.0,
                     el_mwh=60.0, el_ef=0.5),
        make_process("Pig iron", 1000.0, to_market=50.0, to_other={"Steel": 950.0}, dir_em=1600.0,
                     wg_exp=4.0, el_mwh=100.0, el_ef=0.5),
        make_process("Steel", 1100.0, dir_em=120.0, heat_imp=2.0, heat_ef_imp=62.0, el_mwh=400.0,
                     el_ef=0.5),
        precursors=[
            {"name": "FeMn", "category": "FeMn", "total": 20.0, "to_other": {"Steel": 20.0},
             "see_direct": 1.4, "el_mwh_t": 2.5, "el_ef": 0.6},
            {"name": "Scrap", "category": "Scrap", "to_other": {"Steel": 180.0}},
        ],
    )  # fmt: skip
    sinter = Fraction(300, 1500)
    gas = 4 * Fraction("56.1") * Fraction("0.667")
    iron = (1600 - gas + 1400 * sinter) / 1000
    steel = (120 + 124 + 950 * iron + 20 * Fraction("1.4")) / 1100
    indirect_iron = (50 + 1400 * Fraction(30, 1500)) / 1000
    indirect = (200 + 950 * indirect_iron + 20 * Fraction("1.5")) / 1100
    power = (400 + 950 * Fraction(100 + 1400 * Fraction(60, 1500)) / 1000 + 50) / 1100
    assert [row["see_direct"] for row in rows] == [float(sinter), float(iron), float(steel)]
    assert rows[2]["see_indirect"] == float(indirect)
    assert rows[2]["see_total"] == float(steel) + float(indirect)
    assert rows[2]["el_mwh_t"] == float(power)


def test_two_processes_that_feed_each_other_are_solved_together() -> None:
    """Ammonia to urea and carbon dioxide's way back as off-gas product: a real cycle of goods."""
    rows = compute(
        make_process("A", 100, to_market=60, to_other={"B": 40}, dir_em=500),
        make_process("B", 80, to_market=50, to_other={"A": 30}, dir_em=200),
    )
    a, b = rows[0]["see_direct"], rows[1]["see_direct"]
    # 100 a = 500 + 30 b; 80 b = 200 + 40 a
    assert a == pytest.approx(46000 / 6800, rel=1e-15)
    assert b == pytest.approx(40000 / 6800, rel=1e-15)
    assert 60 * a + 50 * b == pytest.approx(700, rel=1e-15)


@pytest.mark.parametrize(
    "given",
    [
        {"to_other": {"Steel": 20}},
        {"used_in": {"steel ": 20, "non-CBAM goods": 5}},
        {"consumed": [{"process": "Steel", "amount": 20}]},
        {"somewhere": {"Steel": 20}},
        {"uses": {"1": 20}},
        {"uses": {"P1": "20.0"}},
        {"uses": {"Process 1": 20}},
        {"uses": [20]},
        {"uses": [{"name": 1, "amount": 20}]},
        {"Steel": 20},
        {"purchased": 20},
        {"amount": 20, "process": "Steel"},
    ],
)  # fmt: skip
def test_a_precursor_may_name_its_processes_in_other_ways(given: dict[str, Any]) -> None:
    precursor = {"name": "FeCr", "see_direct": 2, "see_indirect": 1, **given}
    rows = compute(make_process("Steel", 100, dir_em=10), precursors=[precursor])
    assert rows[0]["see_direct"] == 0.5
    assert rows[0]["see_indirect"] == 0.2


@pytest.mark.parametrize(
    "burden",
    [
        {"see_direct": 2, "see_indirect": 1}, {"see_dir": 2, "see_indir": 1},
        {"emb_dir_t": 2, "dir_src": "measured", "emb_indir_t": 1},
        {"see_total": 3, "see_indirect": 1}, {"see": 2, "el_mwh_t": 2, "el_ef": 0.5},
        {"see": 2, "spec_mwh": 2, "el_ef": 0.5, "el_src": "D.4"},
    ],
)  # fmt: skip
def test_a_precursor_may_name_its_burden_in_other_ways(burden: dict[str, Any]) -> None:
    precursor = {"name": "FeCr", "to_other": {"S": 10}, **burden}
    row = compute(make_process("S", 10), precursors=[precursor])[0]
    assert (row["see_direct"], row["see_indirect"]) == (2, 1)


def test_a_precursor_that_was_bought_and_not_used_carries_nothing() -> None:
    unused = {"name": "FeCr", "total": 10, "to_other": {}, "see_direct": 2}
    rows = compute(make_process("S", 10, dir_em=5), make_process("T", 10), precursors=[unused])
    assert [row["see_direct"] for row in rows] == [0.5, 0]


def test_one_row_for_each_product_and_a_cn_code_where_there_is_but_one() -> None:
    process = make_process("H", 10, dir_em=90, category="Hydrogen")
    assert [row["cn"] for row in compute(process)] == ["28041000"]
    products = [{"process": "H", "cn": "2804 10 00"}, {"process": "h", "cn": 28041000}]
    assert [row["cn"] for row in compute(process, products=products)] == ["28041000"] * 2
    assert compute(make_process("S", 10))[0]["cn"] is None


def test_empty_rows_of_the_template_are_no_processes_and_no_precursors() -> None:
    empty = {"name": None, "category": None, "production": None, "to_other": {}}
    rows = compute(make_process("S", 10, dir_em=5), empty, precursors=[{"name": "", "total": 0}])
    assert [row["see_direct"] for row in rows] == [0.5]


def test_exports_above_the_emissions_give_nothing_and_a_flag(tmp_path: Path) -> None:
    process = make_process("S", 10, dir_em=5, heat_exp=1, heat_ef_exp=60)
    path = tmp_path / "floor.json"
    path.write_text(json.dumps({"processes": [process], "precursors": []}))
    result = run_cli(str(path), "--json", "--inputs")
    document = json.loads(result.stdout)
    assert document["flags"] == ["floor:S"]
    assert document["rows"][0]["see_direct"] == 0.0
    assert "flag: floor:S" in run_cli(str(path)).stdout


S, SCRAP = make_process("S", 10, dir_em=1), {"name": "scrap", "to_other": {"S": 1}}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "an object is needed"),
        ("{}", "no processes"),
        ('{"processes": [], "x": NaN}', "not a number"),
        ("[" * 100_000, "not JSON"),
        ('{"processes": ' + "1" * 5000 + "}", "not JSON"),
        ({"processes": []}, "1 to 20 processes"),
        ({"processes": [make_process("\ud800", 10)]}, "cannot be printed"),
        ({"processes": [make_process("S", 10, to_other=5)]}, "a map of processes"),
        ({"processes": [make_process("S", "1e99999999999999999999")]}, "production is no number"),
        ({"processes": [S] * 21}, "1 to 20 processes"),
        ({"processes": [S, S]}, "one name"),
        ({"processes": {"S": 1}}, "processes is a list"),
        ({"processes": [make_process("", 5)]}, "name is missing"),
        ({"processes": [make_process("S", 0)]}, "makes something"),
        ({"processes": [make_process("S", None, to_market=None)]}, "makes something"),
        ({"processes": [make_process("S", True)]}, "production is no number"),
        ({"processes": [make_process("S", "ten")]}, "production is no number"),
        ({"processes": [make_process("S", 1e16)]}, "production is out of range"),
        ({"processes": [make_process("S", 10, dir_em=None)]}, "dir_em is missing"),
        ({"processes": [make_process("S", 10, to_other={"T": 1})]}, "no such process"),
        ({"processes": [make_process("S", 10, to_other={"S": 1, "s": 1})]}, "named twice"),
        ({"processes": [make_process("S", 10, to_other=[5])]}, "rows of process"),
        ({"processes": [make_process("S", 10, heat_imp=1)]}, "heat_ef_imp is missing"),
        ({"processes": [make_process("S", 10, el_mwh=1)]}, "el_ef is missing"),
        ({"processes": [make_process("S", 10, wg_imp=-1)]}, "not below 0"),
        ({"processes": [S], "precursors": [{"name": "x", "see_direct": 1}]}, "which process"),
        ({"processes": [S], "precursors": [{"name": "x", "to_other": {"S": 1}}]}, "see_direct"),
        ({"processes": [S], "precursors": [SCRAP | {"el_mwh_t": 1}]}, "emission factor"),
        ({"processes": [S], "precursors": [SCRAP | {"total": 0.5}]}, "than was bought"),
        ({"processes": [S], "precursors": [SCRAP | {"a_dir": 1, "b_dir": 1}]}, "may be meant"),
        ({"processes": [S], "products": [{"process": "T"}]}, "no such process"),
        ({"processes": [S], "products": [{"cn": 1}]}, "process is missing"),
        ({"one": {"processes": [make_process("S", 0)]}}, "example='one'"),
    ],
)  # fmt: skip
def test_a_document_that_is_not_understood_says_where(document: Any, reason: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(WorkbookError, match=reason):
        parse_document(text)


@pytest.mark.parametrize(
    ("processes", "code"),
    [
        ([make_process("A", 10, to_market=5, to_other={"B": 6}), S], "over-consumed"),
        ([make_process("A", 10, to_market=0, to_other={"B": 10}),
          make_process("B", 10, to_market=0, to_other={"A": 10})], "cycle-without-solution"),
        ([make_process("A", 10, to_market=-1)], "negative-activity"),
    ],
)  # fmt: skip
def test_what_the_method_refuses_has_the_methods_code(processes: Any, code: str) -> None:
    names = [row | {"name": "B"} if row is S else row for row in processes]
    with pytest.raises(MethodRefused) as raised:
        compute(*names)
    assert raised.value.code == code


def test_the_command_ends_with_one_line_and_a_code(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"processes": 5}')
    result = run_cli(str(path), "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "processes is a list of objects" in result.stderr
    path.write_bytes(b"\xff")
    assert run_cli(str(path)).exit_code == 1
    path.write_text(json.dumps({"processes": [S]}))
    missing = run_cli(str(path), "--example", "none")
    assert missing.exit_code == 1
    assert "no such example" in missing.stderr


def test_twenty_linked_processes_are_solved_within_the_gas_of_a_block() -> None:
    rows = [
        make_process(f"P{n}", 1000, to_market=50, dir_em=10 * n,
                     to_other={f"P{m}": 50 for m in range(1, 21) if m != n})
        for n in range(1, 21)
    ]  # fmt: skip
    found = compute(*rows)
    assert sum(row["see_direct"] * 50 for row in found) == pytest.approx(2100, rel=1e-12)


WRONG = [None, 0, -1, 1e-300, 1e300, "1e-99999999", "x", "", True, [], {}, {"A": 1}, [1], "NaN",
         [{"process": "A", "amount": 1}], 10**30, 0.1 + 0.2, "\ud800"]  # fmt: skip


def list_places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(node, dict | list):
        return []
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return [place for key, value in items for place in
            [(*path, key), *list_places(value, (*path, key))]]  # fmt: skip


def test_no_change_of_a_document_ends_in_anything_but_rows_or_a_code() -> None:
    whole = {
        "processes": [
            make_process("A", 10, to_market=5, to_other={"B": 5}, dir_em=3, el_mwh=1, el_ef=0.5),
            make_process("B", 8, dir_em=3, wg_exp=0.01, heat_imp=1, heat_ef_imp=2),
        ],
        "precursors": [{"name": "p", "to_other": {"B": 2}, "see_direct": 1, "el_mwh_t": 1,
                        "el_ef": 0.2}],
        "expected": [{"process": "A", "cn": "1"}],
    }  # fmt: skip
    for seed in range(400):
        rng, document = random.Random(seed), json.loads(json.dumps(whole))
        for _ in range(rng.randint(1, 3)):
            *path, last = rng.choice(list_places(document))
            node = document
            for key in path:
                node = node[key]
            node[last] = rng.choice(WRONG)
        try:
            (one,) = parse_document(json.dumps(document)).values()
            json.dumps(compute_see(one).rows, ensure_ascii=False).encode()
        except CarbonodeError as error:
            assert error.code != "internal", f"seed {seed}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {document}") from error
