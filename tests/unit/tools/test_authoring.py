"""The fixture ``contract``, ``carbonode contract test`` and invariants: what authors test with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from primitives.hashing import compute_contract_address
from tools.authoring.chain import START_TIME_S, CallFailed, ContractChain, NotRefused
from tools.authoring.properties import check_invariant
from tools.cli.contract import PLUGIN, contract
from vm.abi import AbiError
from vm.machine import Machine

ROOT = Path(__file__).parents[3]
_BLOCKS = (ROOT / "docs" / "contracts.md").read_text().split("```python\n")[1:]
TOKEN, TOKEN_TESTS = (block.split("```")[0] for block in _BLOCKS[:2])

CLOCK = """
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, require, view

@record
class Seen:
    by: Address
    at: int
    height: int

@event
class Ticked:
    by: Address
    count: int

last = Var[Seen]()
ids = Map[bytes, bool](default=False)

@init
def create(first: int) -> None:
    require(first >= 0, "first")
    last.set(Seen(ctx.sender, first, 0))

@export
def tick() -> Seen:
    require(not ids[ctx.tx], "same-transaction")
    ids[ctx.tx] = True
    seen = Seen(ctx.sender, ctx.time, ctx.height)
    last.set(seen)
    emit(Ticked(ctx.sender, 1))
    return seen

@export
def ask(name: str) -> Seen:
    return call(name, "tick")

@export
def overflow(n: int) -> int:
    return n * n

@view
def get_last() -> Seen:
    return last.get()

@view
def table() -> dict[str, tuple[int, bytes]]:
    return {"a": (1, b"x")}

@export
def put(seen: Seen, more: list[Seen]) -> int:
    last.set(seen)
    return len(more)
"""


ROWS = """
from vm import Map, export

rows = Map[str, int]()

@export
def put(name: str) -> None:
    rows[name] = 1

@export
def put_and_list(name: str) -> list[str]:
    rows[name] = 1
    return [key for key, value in rows.scan()]
"""


@pytest.fixture
def clock() -> ContractChain:
    chain = ContractChain()
    chain.deploy(CLOCK, 5, sender="alice")
    return chain


def test_sender_time_and_height_are_the_tests(clock: ContractChain) -> None:
    alice, bob = clock.address("alice"), clock.address("bob")
    assert clock.view("get_last") == (alice, 5, 0)
    clock.sender = "bob"
    assert clock.call("tick") == (bob, START_TIME_S, 1)
    clock.advance(seconds=60, blocks=2)
    clock.time += 1
    assert clock.call("tick", sender=alice) == (alice, START_TIME_S + 61, 3)
    assert clock.view("get_last").at == START_TIME_S + 61
    with pytest.raises(ValueError, match="forward"):
        clock.advance(seconds=-1)


def test_records_dicts_tuples_and_events_read_as_pythons(clock: ContractChain) -> None:
    assert clock.view("table") == {"a": (1, b"x")}
    seen = clock.call("tick", sender="bob")
    assert (seen.by, seen.height) == (clock.address("bob"), 1)
    (event,) = clock.events
    assert (event.contract, event.name, event.values.count) == ("main", "Ticked", 1)
    assert clock.gas > 0
    assert clock.call("put", seen, [seen, {"by": bytes(32), "at": 0, "height": 0}]) == 2
    assert clock.events == []


def test_a_view_leaves_nothing_and_a_failed_call_neither(clock: ContractChain) -> None:
    before = clock.view("get_last")
    assert clock.view("tick", sender="bob") != before
    assert clock.view("get_last") == before
    with clock.fails("fault", "overflow"):
        clock.call("overflow", 2**200)
    clock.gas_limit = 900
    with clock.fails("out-of-gas", "out-of-gas"):
        clock.call("tick")
    clock.gas_limit = 2_000_000
    assert clock.view("get_last") == before


def test_contracts_call_each_other_by_name(clock: ContractChain) -> None:
    other = clock.deploy(CLOCK, 0, name="other")
    asked = clock.call("ask", "other", sender="bob")
    assert asked.by == compute_contract_address("main")
    assert [event.contract for event in clock.events] == ["other"]
    assert other.view("get_last") == asked
    assert other.address == compute_contract_address("other")
    with clock.fails("fault", "reentrancy"):
        clock.call("ask", "main")


def test_a_deployment_that_is_refused_leaves_no_contract(clock: ContractChain) -> None:
    with clock.reverts("first"):
        clock.deploy(CLOCK, -1, name="other")
    with clock.fails("fault", "no-method"):
        clock.call("ask", "other")
    clock.deploy(CLOCK, 1, name="other")
    with pytest.raises(AssertionError, match="already deployed"):
        clock.deploy(CLOCK, 1, name="other")
    with pytest.raises(AssertionError, match="1:1 syntax"):
        clock.deploy("import os\n", name="third")
    with pytest.raises(AssertionError, match="deploy a contract first"):
        clock.fresh().call("tick")


def test_waiting_for_a_refusal_that_does_not_come_fails(clock: ContractChain) -> None:
    with pytest.raises(NotRefused, match="nothing was refused"), clock.reverts("x"):
        clock.call("tick")
    with pytest.raises(NotRefused, match="'overflow'"), clock.reverts("overflow"):
        clock.call("overflow", 2**200)
    with pytest.raises(ZeroDivisionError), clock.reverts("x"):
        1 // 0  # noqa: B018
    with pytest.raises(CallFailed, match="fault 'overflow'") as caught:
        clock.call("overflow", 2**200)
    assert (caught.value.status, caught.value.code) == ("fault", "overflow")


def test_arguments_that_do_not_fit_are_the_tests_mistake(clock: ContractChain) -> None:
    for arguments in ((), ("1",), (1, 2), (2**255,)):
        with pytest.raises(AbiError):
            clock.call("overflow", *arguments)
    with pytest.raises(AbiError):
        clock.call("nothing")


MACHINE = Machine()


def make_token(text: str) -> ContractChain:
    chain = ContractChain(machine=MACHINE)
    chain.deploy(text, 100, sender="alice")
    return chain


def check_sum(chain: ContractChain) -> None:
    held = [chain.view("balance", chain.address(name)) for name in ("alice", "bob", "carol")]
    assert sum(held) == 100


def test_an_invariant_that_holds_is_not_broken() -> None:
    check_invariant(lambda: make_token(TOKEN), check_sum, examples=50)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("balances[to] += amount", "balances[to] = amount"),
        ("balances[ctx.sender] -= amount", "pass"),
        ('    require(0 < amount, "amount")\n', "    if amount < 0:\n        supply.set(1)\n"),
    ],
)
def test_a_broken_contract_is_found_with_few_calls(right: str, wrong: str) -> None:
    """The third lets a negative amount through, which moves but keeps the sum: none may owe."""

    def check(chain: ContractChain) -> None:
        check_sum(chain)
        assert chain.view("balance", chain.address("alice")) <= 100

    assert right in TOKEN
    with pytest.raises(AssertionError) as caught:
        check_invariant(
            lambda: make_token(TOKEN.replace(right, wrong)), check,
            senders=("alice", "bob", "carol"), examples=300,
        )  # fmt: skip
    notes = "\n".join(caught.value.__notes__)
    assert re.search(r"main\.transfer\((alice|bob|carol), -?\d+\) by (alice|bob|carol)", notes), (
        notes
    )
    assert 1 <= notes.count("main.transfer(") <= 3, notes


def run_command(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.cli.main", "contract", "test", str(path), *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
    )  # fmt: skip


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The contract and the tests of docs/contracts.md, in a folder with names like ours."""
    (tmp_path / "token.py").write_text(TOKEN)
    (tmp_path / "test_token.py").write_text(TOKEN_TESTS)
    (tmp_path / "vm.py").write_text("raise SystemExit('not the vm')")
    return tmp_path


@pytest.mark.parametrize("name", ["token.py", "test_token.py", "."])
def test_the_example_of_the_page_runs(page: Path, name: str) -> None:
    finished = run_command(page / name, "--", "-q", "-p", "no:cacheprovider")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "3 passed" in finished.stdout


def test_tests_that_fail_exit_1_and_name_the_calls(page: Path) -> None:
    token = page / "token.py"
    token.write_text(TOKEN.replace("balances[to] += amount", "balances[to] = amount"))
    finished = run_command(token, "--", "-p", "no:cacheprovider")
    assert finished.returncode == 1
    assert "main.transfer(" in finished.stdout and "1 failed, 2 passed" in finished.stdout


def test_a_contract_that_the_check_refuses_is_not_tested(page: Path) -> None:
    token = page / "token.py"
    token.write_text("import os\n")
    finished = run_command(token)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith(f"{token}:1:1 syntax ")


def test_a_folder_without_tests_exits_1_and_wrong_options_2(tmp_path: Path) -> None:
    assert run_command(tmp_path).returncode == 1
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")
    assert run_command(tmp_path, "--", "--no-such-option").returncode == 2


def test_what_has_no_tests_is_wrong_usage(tmp_path: Path) -> None:
    token = tmp_path / "token.py"
    token.write_text(TOKEN)
    for path, reason in (
        (token, "has no tests"),
        (tmp_path / "missing.py", "cannot read"),
        (tmp_path / "test_missing.py", "no such file"),
    ):
        result = CliRunner().invoke(contract, ["test", str(path)])
        assert result.exit_code == 2 and reason in result.output


def test_tests_may_lie_in_a_folder_beside_the_contract(page: Path) -> None:
    (page / "tests").mkdir()
    text = TOKEN_TESTS.replace('"token.py"', '"../token.py"')
    (page / "test_token.py").rename(page / "tests" / "test_token.py").write_text(text)
    assert "3 passed" in run_command(page / "token.py").stdout


def test_pytest_finds_the_plugin_where_the_distribution_is_installed(page: Path) -> None:
    """With and without ``contract test``, which names it as well: it is loaded once."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ((name, module),) = settings["project"]["entry-points"]["pytest11"].items()
    assert (name, module) == (PLUGIN, PLUGIN)
    installed = page / "site" / "carbonode-9.9.9.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: carbonode\nVersion: 9.9.9\n")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    environment = os.environ | {"PYTHONPATH": f"{page / 'site'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    for options in ([], ["-p", PLUGIN]):
        finished = subprocess.run(
            [*command, *options, "test_token.py"], cwd=page, env=environment, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert "3 passed" in finished.stdout


def test_a_file_is_read_as_the_check_reads_it(page: Path) -> None:
    (page / "token.py").write_bytes(TOKEN.replace("\n", "\r\n").encode())
    with pytest.raises(AssertionError, match=r"1:\d+ character"):
        ContractChain(page).deploy("token.py", 1)


def test_a_view_sees_what_was_written_also_in_order() -> None:
    chain = ContractChain()
    chain.deploy(ROWS)
    for name in ("b", "a", "c"):
        chain.call("put", name)
    assert chain.view("put_and_list", "aa") == ["a", "aa", "b", "c"]
    assert chain.view("put_and_list", "b") == ["a", "b", "c"]
