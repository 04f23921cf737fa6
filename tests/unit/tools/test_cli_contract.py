"""``carbonode contract``: exit codes, one reason a line, one JSON object."""

import json

import pytest
from click.testing import CliRunner

from tools.cli.contract import contract

SOURCE = """
from vm import Map, ctx, export, event, emit, init, require, Address

@event
class Moved:
    to: Address
    n: int

counts = Map[Address, int](default=0)

@init
def setup(n: int) -> None:
    counts[ctx.sender] = n

@export
def move(to: Address, n: int) -> int:
    require(counts[ctx.sender] >= n, "too-few")
    counts[ctx.sender] -= n
    counts[to] += n
    emit(Moved(to, n))
    return counts[ctx.sender]
"""
TO = "0x" + "22" * 32


@pytest.fixture
def invoke(tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(SOURCE)
    bad.write_text("import os\nx = 1.5\n")

    def run(*arguments):
        words = [{"GOOD": str(good), "BAD": str(bad)}.get(word, word) for word in arguments]
        return CliRunner().invoke(contract, words)

    return run


def test_check_accepts_with_exit_0_and_prints_nothing(invoke):
    result = invoke("check", "GOOD")
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(invoke("check", "GOOD", "--json").output) == []


def test_check_refuses_with_one_reason_a_line(invoke, tmp_path):
    result = invoke("check", "BAD")
    assert result.exit_code == 1
    assert result.output.startswith(f"{tmp_path}/bad.py:2:5 number ")
    listed = json.loads(invoke("check", "BAD", "--output", "json").output)
    assert [item["code"] for item in listed] == ["number"]
    assert set(listed[0]) == {"line", "column", "code", "message", "hint"}


def test_run_prints_exactly_the_outcome(invoke):
    result = invoke("run", "GOOD", "--init", "100", "--call", f"move('{TO}', 30)", "--json")
    outcome = json.loads(result.output)
    assert result.exit_code == 0
    assert list(outcome) == ["status", "code", "gas", "value", "events"]
    assert (outcome["status"], outcome["code"], outcome["value"]) == ("ok", "", 70)
    assert outcome["events"] == [
        {"contract": "main", "name": "Moved", "fields": {"to": TO, "n": 30}}
    ]


def test_repeated_calls_share_the_state_and_fail_together(invoke):
    call = ("--call", f"move('{TO}', 60)")
    outcome = json.loads(invoke("run", "GOOD", "--init", "100", *call, *call, "--json").output)
    assert (outcome["status"], outcome["code"], outcome["events"]) == ("reverted", "too-few", [])


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("--call", "move(1, 2)", "--init", "1"), "fault", "arguments"),
        (("--call", "nothing()", "--init", "1"), "fault", "no-method"),
        (("--call", f"move('{TO}', 1)"), "fault", "arguments"),
        (("--call", f"move('{TO}', 1)", "--init", "'a'"), "fault", "arguments"),
        (("--call", f"move('{TO}', 1)", "--init", "5", "--gas", "100"), "out-of-gas", "out-of-gas"),
        (("--call", f"move('{TO}', 1)", "--init", "5", "--gas", "0"), "out-of-gas", "out-of-gas"),
    ],
)
def test_run_that_is_not_ok_exits_1_with_its_outcome(invoke, words, status, code):
    result = invoke("run", "GOOD", *words, "--json")
    outcome = json.loads(result.output)
    assert (result.exit_code, outcome["status"], outcome["code"]) == (1, status, code)


def test_a_refused_program_is_rejected_with_the_code_of_its_first_problem(invoke):
    result = invoke("run", "BAD", "--call", "f()", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "status": "rejected", "code": "number", "gas": 0, "value": None, "events": []
    }  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("run", "GOOD", "--call", "move"),
        ("run", "GOOD", "--call", "move("),
        ("run", "GOOD", "--call", "move(open('x'))"),
        ("run", "GOOD", "--call", "move(1 + 1)"),
        ("run", "GOOD", "--call", "move(1.5)"),
        ("run", "GOOD", "--call", "(" * 5000),
        ("run", "GOOD", "--call", "move(" + "[" * 90 + "]" * 90 + ")"),
        ("run", "GOOD", "--call", "move(" + "9" * 5000 + ")"),
        ("run", "GOOD", "--sender", "0x12", "--call", "move(1, 2)"),
        ("run", "GOOD", "--gas", "-1", "--call", "move(1, 2)"),
        ("run", "GOOD", "--gas", "many", "--call", "move(1, 2)"),
        ("run", "missing.py", "--call", "move(1, 2)"),
        ("check", "missing.py"),
        ("check",),
        ("nothing",),
    ],
)
def test_wrong_usage_exits_2_without_a_traceback(invoke, words):
    result = invoke(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_label_and_an_address_are_senders(invoke):
    for sender in ("alice", TO, "\u5f20"):
        words = ("--init", "5", "--sender", sender, "--call", f"move('{TO}', 5)", "--json")
        assert json.loads(invoke("run", "GOOD", *words).output)["status"] == "ok"


def test_abi_and_gas_are_printed_or_refused(invoke):
    assert json.loads(invoke("abi", "GOOD").output)["functions"][1]["name"] == "move"
    assert "$defs" in json.loads(invoke("abi", "GOOD", "--schema").output)
    assert json.loads(invoke("gas", "GOOD", "--json").output)[0]["gas"] > 0
    assert "def move" in invoke("gas", "GOOD").output
    assert invoke("abi", "BAD").exit_code == invoke("gas", "BAD").exit_code == 1


def test_bytes_that_are_no_text_are_refused_not_crashed_on(invoke, tmp_path):
    path = tmp_path / "binary.py"
    for data in (b"\xff\xfe\x00", b"\xc3\xa9", b"\x00" * 100, b"x" * 100_000, b""):
        path.write_bytes(data)
        assert invoke("check", str(path)).exit_code == (0 if data == b"" else 1)


def test_the_gas_limit_also_stops_an_init_that_never_ends(tmp_path):
    path = tmp_path / "spin.py"
    path.write_text("from vm import init\n@init\ndef f() -> None:\n    while True:\n        pass\n")
    result = CliRunner().invoke(contract, ["run", str(path), "--gas", "100000", "--json"])
    assert json.loads(result.output)["status"] == "out-of-gas"
