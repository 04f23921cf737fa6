"""No node answers: the end of its log and its disk say why, as far as they are here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools.cli.down import DownNode, explain_down, find_last_words
from tools.cli.main import main
from tools.localnet.network import Localnet

FULL = "2026-11-24T09:00:00Z CRITICAL a run: the node stops reason=disk-full error=no space left"
STARTED = "2026-11-24T08:00:00Z INFO a node: started chain=localnet height=3"


@pytest.mark.parametrize(
    ("log", "code", "words"),
    [
        (f"{STARTED}\n{FULL}\n", "disk-full", "error=no space left"),
        (
            '{"message": "the node stops", "reason": "halted", "error": "divergence"}',
            "halted",
            'error": "divergence"}',
        ),
        ("carbonode: listen: rpc.port: taken\n", "listen", "rpc.port: taken"),
        (f"{FULL}\n{STARTED}\nwork\n", "", ""),
        (f"{FULL}\n2026-11-24T09:01:00Z INFO a node: stopped\ncarbonode: x: y", "x", "y"),
        ("", "", ""),
    ],
)
def test_the_last_words_of_the_last_run_are_found(log: str, code: str, words: str) -> None:
    assert find_last_words(log) == (code, words)


def test_a_full_disk_and_a_program_too_old_come_with_advice() -> None:
    nodes = [
        DownNode("a", "/a", "disk-full", "no space left", 1 << 20),
        DownNode("b", "/b", "version-too-old", "from height 9 on the chain needs 2"),
    ]
    text = " ".join(explain_down({"http://x": "Connection refused"}, nodes).sentences)
    assert "no node answers at http://x (Connection refused)" in text
    assert "a stopped: disk-full: no space left." in text
    assert "Free space on its disk" in text
    assert "1 MB are free at /a" in text
    assert "Install a program that knows the version named" in text


def test_without_last_words_it_was_killed_and_without_a_home_one_must_look() -> None:
    assert "killed" in " ".join(explain_down({}, [DownNode("a", "/a")]).sentences)
    assert "what is the end of its log" in " ".join(explain_down({"u": "r"}, []).sentences)


def test_the_command_answers_with_exit_code_3_and_the_reason_in_the_log(tmp_path: Path) -> None:
    net = Localnet(tmp_path / "net", validators=1)
    net.prepare()
    home = net.nodes[0].home
    (home / "node.log").write_text(f"{STARTED}\n{FULL}\n", "utf-8")
    arguments = ["--home", str(home), "--output", "json", "consensus", "status", "--why"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3, result.output
    said = json.loads(result.stdout)
    assert said["verdict"] == "unreachable"
    assert "validator-1 stopped: disk-full" in " ".join(said["sentences"])
