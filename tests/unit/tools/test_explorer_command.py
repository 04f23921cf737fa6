"""The commands of the index: what they print, their exit codes, and what a node does not load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner
from sqlalchemy import Engine

from tests.unit.tools.audited_chain import AuditedChain
from tests.unit.tools.fake_node import serve
from tests.unit.tools.index_node import make_index_node
from tools.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


def test_the_command_line_of_a_node_loads_no_database(tmp_path: Path) -> None:
    code = (
        "import sys, tools.cli.main, node.run; "
        "sys.exit(bool({'sqlalchemy', 'psycopg'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode == 0


def carbonode(*arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(main, ["--output", "json", *arguments])
    text = result.stdout or result.stderr
    return result.exit_code, json.loads(text) if text.startswith("{") else {"text": text}


def test_an_index_is_built_shown_compared_and_reconciled(
    index_chain: AuditedChain, index: Engine, tmp_path: Path
) -> None:
    genesis, db, again = (str(index_chain.genesis_path), str(tmp_path / "a"), str(tmp_path / "b"))
    with serve(make_index_node(index_chain).methods) as node:
        code, built = carbonode(
            "index", "rebuild", "--db", db, "--genesis", genesis, "--node", node.url
        )
        assert (code, built["builtTo"]) == (0, index_chain.height)
        # The genesis is now the index's own.
        code, built = carbonode("index", "rebuild", "--db", db, "--into", again, "--node", node.url)
        assert (code, built["index"]) == (0, again)
        assert carbonode("index", "compare", db, again)[0] == 0
        code, found = carbonode("index", "reconcile", "--db", db, "--node", node.url)
        assert (code, found["equal"], found["batches"]) == (0, True, 3)
    code, status = carbonode("index", "status", "--db", db)
    assert code == 0 and status["indexHeight"] == index_chain.height
    assert status["chainId"] == "0x" + index_chain.chain_id.hex() and status["unreadEvents"] == 0
    assert (
        carbonode("index", "rebuild", "--db", db, "--derived")[1]["derivedTo"]
        == status["indexHeight"]
    )
    assert index.url.database is not None
    assert carbonode("index", "compare", db, index.url.database)[0] == 0
    with serve({}) as node:
        assert carbonode("index", "reconcile", "--db", db, "--node", node.url)[0] != 0


def test_an_index_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    code, error = carbonode("index", "status", "--db", str(tmp_path / "none"))
    assert code == 1 and error["error"] == {
        "code": "index-missing", "message": "there is no index in this database"
    }  # fmt: skip
    assert carbonode("index", "rebuild", "--into", "x")[0] == 2
