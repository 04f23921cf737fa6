"""What importing a library module does to a contract: names, code, price, hash, refusals."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

import vm.inclusion
from primitives.errors import CarbonodeError
from primitives.hashing import Tag, compute_hash
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import Chain
from vm import engine_view
from vm.authoring import Bench, TextCall, get_abi, get_gas_by_line
from vm.compiler import check_source, compile_source
from vm.gas import get_schedule
from vm.inclusion import DIGESTS, compute_code_hash, find_imports, load_module, parse_module
from vm.machine import Machine
from vm.pricing import get_deploy_price
from vm.stored import dump_program, load_program

ROOT = Path(__file__).parents[3]
SCHEDULE = get_schedule(1)
SOURCE = '''"""Fees that fall due by the month."""
from vm import Map, ctx, export, record, view
from lib.dates.v1 import Date, add_months, date_of
from lib.fixed.v1 import mul_round

FEE = 3
due = Map[str, Date]()


@record
class Interval:
    months: int


@export
def open(name: str) -> Date:
    due[name] = add_months(date_of(ctx.time), Interval(1).months)
    return due[name]


@view
def fee(kg: int) -> int:
    return mul_round(kg, FEE, 2, "half-even")


def is_leap(name: str) -> bool:
    return name == "leap"


@view
def named(name: str) -> bool:
    return is_leap(name)
'''


def test_a_contract_uses_what_it_imports() -> None:
    bench = Bench(SOURCE, time_s=1_706_659_200)  # 2024-01-31
    assert bench.problems == []
    assert bench.deploy().status == "ok"
    assert bench.call("open('a')").values == ([2024, 2, 29],)
    assert bench.call("fee(3)").values == (4,)  # 4.5
    assert bench.call("fee(5)").values == (8,)  # 7.5
    # The module has an is_leap of its own, which this one does not replace, nor the reverse.
    assert bench.call("named('leap')").values == (True,)


def test_the_contract_on_the_page_rests_and_counts() -> None:
    page = (ROOT / "docs" / "contracts.md").read_text().split("## Library\n")[1]
    source = page.split("```python\n")[1].split("```")[0]
    bench = Bench(source, time_s=1_706_659_200)
    assert bench.deploy(sender="boss").status == "ok"
    assert bench.call("fee_due(1500)").values == ([2024, 3, 31],)  # 1.5 months: to the even 2
    assert bench.call("rest(60)").code == "not-permitted"
    assert bench.call("rest(60)", sender="boss").status == "ok"
    assert bench.call("fee_due(1)").code == "paused"
    for module in DIGESTS:
        assert f"| `{module}` |" in page
        for name in load_module(module).words:
            assert name in page or name == "mul_div_half_even", name


def test_only_what_is_reached_is_compiled() -> None:
    program = compile_source(SOURCE, SCHEDULE)
    kept = {name for name, item in program.contract.functions.items() if item.module}
    assert kept == {
        "add_months", "date_of", "mul_round", "lib.dates.v1.days_in_month", "lib.dates.v1.is_leap",
        "lib.dates.v1.from_days", "lib.dates.v1.make_date", "lib.fixed.v1.mul_div_half_even",
    }  # fmt: skip
    codes = {item.co_name for item in program.code.co_consts if isinstance(item, CodeType)}
    assert codes == set(program.contract.functions)
    unused = "from lib.fixed.v1 import mul_round\n"
    assert compile_source(unused, SCHEDULE).contract.functions == {}


def test_imported_functions_cannot_be_called_from_outside_and_cost_gas() -> None:
    bench = Bench(SOURCE)
    assert bench.deploy().status == "ok"
    assert bench.call("mul_round(1, 1, 1, 'up')").code == "no-method"
    assert [item["name"] for item in get_abi(SOURCE).to_json()["functions"]] == [
        "open", "fee", "named"
    ]  # fmt: skip
    used = bench.call("fee(3)").gas
    assert bench.run([_call("fee", 3)], gas_limit=used).status == "ok"
    assert bench.run([_call("fee", 3)], gas_limit=used - 1).status == "out-of-gas"
    written = SOURCE.count("\n")
    assert all(line <= written for line, _ in get_gas_by_line(SOURCE))


def _call(method: str, *arguments: int) -> TextCall:
    return TextCall(method, list(arguments))


def test_a_stored_program_has_its_records_again() -> None:
    program = compile_source(SOURCE, SCHEDULE)
    again = load_program(dump_program(program))
    assert again is not None
    assert list(again.contract.records) == list(program.contract.records)
    assert again.code == program.code


def test_the_price_grows_by_the_functions_that_are_named_and_those_they_call() -> None:
    plain = "from vm import view\n@view\ndef f(a: int) -> int:\n    return a\n"
    words = load_module("lib.fixed.v1").words
    one = "from lib.fixed.v1 import mul_round\n" + plain
    assert find_imports(one) == {"lib.fixed.v1": words["mul_round"] + words["mul_div_half_even"]}
    assert find_imports(one.replace("lib.", "lib .  ")) == find_imports(one)
    own = get_deploy_price(one.replace("lib.fixed.v1", "lab.fixed.v1"), SCHEDULE)
    extra = SCHEDULE.deploy_word * sum(find_imports(one).values())
    assert get_deploy_price(one, SCHEDULE) == own + extra > own
    assert find_imports(plain) == {}


def test_a_module_that_is_imported_costs_its_records_too() -> None:
    """Each contract makes all of them anew, whichever it names."""
    rows = [["class", "Date", ":", "\n"], *[[name, ":", "int", "\n"] for name in ("year", "month")]]
    words = [word for row in [*rows, ["day", ":", "int"]] for word in row]
    assert find_imports("from lib.dates.v1 import Date\n") == {"lib.dates.v1": len(words)}


def test_the_hash_of_code_holds_the_text_and_the_modules() -> None:
    names = ("lib.dates.v1", "lib.fixed.v1")
    parts = [b"\0" + name.encode() + b"\0" + bytes.fromhex(DIGESTS[name]) for name in names]
    wanted = compute_hash(Tag.CONTRACT_CODE, SOURCE.encode() + b"".join(parts))
    assert compute_code_hash(SOURCE) == wanted
    plain = "from vm import view\n"
    assert compute_code_hash(plain) == compute_hash(Tag.CONTRACT_CODE, plain.encode())
    chain = Chain()
    deploy = chain.make("regulator", Call("system", "deploy", ("fees", SOURCE)), gas=20_000_000)
    receipts, _ = chain.run(deploy)
    assert (receipts[0].status, receipts[0].code) == ("ok", "")
    entry = engine_view.get_contract(chain.state, "fees")
    assert entry is not None and entry.code_hash == wanted
    assert engine_view.get_source(chain.state, wanted) == SOURCE
    assert chain.view("fees", "fee", 3) == 4


def test_a_module_that_changed_is_refused_and_would_be_other_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (ROOT / "vm" / "library" / "lib" / "fixed" / "v1.py").read_text()
    changed = text.replace("return low + 1", "return low + 2")
    assert changed != text
    with pytest.raises(CarbonodeError, match="was changed"):
        parse_module("lib.fixed.v1", changed)
    before = compute_code_hash(SOURCE)
    _pin(monkeypatch, "lib.fixed.v1", changed)
    assert compute_code_hash(SOURCE) != before


def test_a_machine_does_not_start_with_a_changed_module(monkeypatch: pytest.MonkeyPatch) -> None:
    _pin(monkeypatch, "lib.tables.v1", "other text")
    load_module.cache_clear()
    try:
        with pytest.raises(CarbonodeError) as caught:
            Machine()
        assert caught.value.values_seen["module"] == "lib.tables.v1"
    finally:
        load_module.cache_clear()


def _pin(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    pinned = {**DIGESTS, name: hashlib.sha256(text.encode()).hexdigest()}
    monkeypatch.setattr(vm.inclusion, "DIGESTS", pinned)


@pytest.mark.parametrize(
    "text",
    [
        "from vm import Var\ntotal = Var[int]()\n",
        "from vm import ctx\ndef f() -> int:\n    return ctx.time\n",
        "from vm import emit\n",
        "from vm import call\ndef f() -> None:\n    call('a', 'b')\n",
        "from vm import view\n@view\ndef f() -> int:\n    return 1\n",
        "from lib.fixed.v1 import mul_round\n",
        "import os\n",
        "def f() -> int:\n    return f()\n",
        "x = 1.5\n",
    ],
)
def test_a_module_is_pure_and_passes_the_checks(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    _pin(monkeypatch, "lib.new.v1", text)
    with pytest.raises(CarbonodeError) as caught:
        parse_module("lib.new.v1", text)
    assert caught.value.code == "library"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("from lib.fixed import mul_round\n", "import"),
        ("from lib.fixed.v2 import mul_round\n", "import"),
        ("from lib.fixed.v1 import nothing\n", "import"),
        ("from lib import fixed\n", "import"),
        ("from .lib.fixed.v1 import mul_round\n", "import"),
        ("from lib.fixed.v1 import *\n", "import"),
        ("from lib.fixed.v1 import mul_round as m\n", "syntax"),
        ("from lib.fixed.v1 import mul_round\nfrom lib.fixed.v1 import round_to\n", "import"),
        ("from lib.fixed.v1 import mul_round, mul_round\n", "duplicate"),
        ("from lib.fixed.v1 import mul_round\ndef mul_round() -> None:\n    pass\n", "duplicate"),
        ("def mul_round() -> None:\n    pass\nfrom lib.fixed.v1 import mul_round\n", "duplicate"),
        ("from lib.dates.v1 import Date\nDate = 1\n", "duplicate"),
        ("from lib.fixed.v1 import mul_round\ndef f() -> int:\n    return mul_round(1)\n", "arity"),
        ("from lib.fixed.v1 import round_to\ndef f() -> int:\n    return mul_round\n",
         "undefined-name"),
        ("from lib.fixed.v1 import mul_round\ndef f() -> int:\n    return mul_round\n",
         "not-a-value"),
        ("from lib.dates.v1 import add_days\ndef f(d: Date) -> None:\n    pass\n", "annotation"),
    ],
)  # fmt: skip
def test_what_an_import_may_not_do(source: str, code: str) -> None:
    assert [problem.code for problem in check_source(source)][:1] == [code]


def test_calls_into_a_module_count_in_the_chain_of_calls() -> None:
    def make(own: int) -> str:
        source = "from lib.dates.v1 import Date, add_days\n"
        source += "def f0(d: Date) -> Date:\n    return add_days(d, 1)\n"
        for n in range(1, own):
            source += f"def f{n}(d: Date) -> Date:\n    return f{n - 1}(d)\n"
        return source

    # add_days, from_days, make_date, days_in_month, is_leap: five of the sixteen.
    assert check_source(make(11)) == []
    assert [problem.code for problem in check_source(make(12))] == ["call-chain"]


def test_mypy_understands_contracts_with_modules_and_the_modules(tmp_path: Path) -> None:
    path = tmp_path / "fees.py"
    path.write_text(SOURCE)
    modules = sorted((ROOT / "vm" / "library").rglob("*.py"))
    assert len(modules) == len(DIGESTS)
    environment = {**os.environ, "MYPYPATH": f"{ROOT}/vm/stubs:{ROOT}/vm/library"}
    for arguments in ([str(path)], ["-p", "lib"]):
        ran = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--no-warn-return-any", "--config-file=",
             f"--cache-dir={tmp_path / 'cache'}", "--namespace-packages",
             "--explicit-package-bases", *arguments],
            capture_output=True, text=True, env=environment, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
