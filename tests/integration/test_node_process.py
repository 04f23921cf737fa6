"""``python -m node``: starts, stops on a signal, and says why it cannot start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from node.config import CONFIG_FILE, LogSection, NodeConfig, render_config
from node.run import EXIT_CONFIG, EXIT_OK, EXIT_STORAGE, EXIT_SYSTEM
from primitives.genesis import dump_genesis
from tests.unit.node.support import TEST_PARAMS, make_configs, make_genesis, make_validator_key

pytestmark = pytest.mark.integration
LIMIT_S = 40.0
ROOT = Path(__file__).parents[2]


def write_home(folder: Path) -> NodeConfig:
    config = replace(make_configs(folder, 1)[0], log=LogSection(format="json"))
    config.home.mkdir(parents=True, exist_ok=True)
    (config.home / CONFIG_FILE).write_text(render_config(config), encoding="utf-8")
    config.genesis_path.write_text(dump_genesis(make_genesis()), encoding="utf-8")
    config.key_path.write_text(make_validator_key(0).seed.hex(), encoding="ascii")
    config.key_path.chmod(0o600)
    return config


def start(home: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "node", str(home), *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_started(process: subprocess.Popen[str]) -> dict[str, object]:
    """Return the fields of the line that says where the node listens."""
    assert process.stderr is not None
    for line in process.stderr:
        document = json.loads(line)
        if document["message"] == "started":
            return dict(document)
    raise AssertionError(f"the node ended with {process.wait(LIMIT_S)}")


def get_url(started: dict[str, object]) -> str:
    host, port = re.findall(r"'([0-9.]+)', ([0-9]+)", str(started["rpc"]))[0]
    return f"http://{host}:{port}"


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=LIMIT_S)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_node_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    process = start(write_home(tmp_path).home)
    url = get_url(wait_started(process))
    with urllib.request.urlopen(url + "/health", timeout=10) as response:
        assert json.loads(response.read())["status"] == "ok"
    process.send_signal(number)
    code, errors = finish(process)
    assert code == EXIT_OK, errors
    assert '"message": "stopped"' in errors
    assert "Traceback" not in errors


def test_a_killed_node_starts_again_where_it_was(tmp_path: Path) -> None:
    home = write_home(tmp_path).home
    process = start(home)
    wait_started(process)
    process.kill()
    finish(process)
    process = start(home)
    wait_started(process)
    process.terminate()
    assert finish(process)[0] == EXIT_OK


def test_what_cannot_be_used_is_named_and_has_its_exit_code(tmp_path: Path) -> None:
    config = write_home(tmp_path)
    home = config.home
    code, errors = finish(start(home, "rpc.prot=5"))
    assert (code, "rpc.prot" in errors) == (EXIT_CONFIG, True), errors
    code, errors = finish(start(tmp_path / "nowhere"))
    assert (code, "carbonode init" in errors) == (EXIT_CONFIG, True), errors
    config.key_path.chmod(0o644)
    code, errors = finish(start(home))
    assert (code, "chmod 600" in errors) == (EXIT_CONFIG, True), errors
    config.key_path.chmod(0o600)
    config.genesis_path.write_text("{}", encoding="utf-8")
    code, errors = finish(start(home))
    assert (code, "genesis" in errors) == (EXIT_CONFIG, True), errors


def test_a_genesis_that_does_not_fit_the_folder_is_refused(tmp_path: Path) -> None:
    config = write_home(tmp_path)
    process = start(config.home)
    wait_started(process)
    process.terminate()
    assert finish(process)[0] == EXIT_OK
    other = make_genesis(1, replace(TEST_PARAMS, batch_delay_ms=11))
    config.genesis_path.write_text(dump_genesis(other), encoding="utf-8")
    code, errors = finish(start(config.home))
    assert (code, "wrong-chain" in errors) == (EXIT_STORAGE, True), errors


def test_a_second_node_in_one_folder_or_on_one_port_is_refused(tmp_path: Path) -> None:
    config = write_home(tmp_path / "a")
    process = start(config.home)
    try:
        started = wait_started(process)
        code, errors = finish(start(config.home))
        assert (code, "locked" in errors) == (EXIT_STORAGE, True), errors
        port = get_url(started).rsplit(":", 1)[1]
        other = write_home(tmp_path / "b")
        code, errors = finish(start(other.home, f"rpc.port={port}"))
        assert (code, "OSError" in errors) == (EXIT_SYSTEM, True), errors
    finally:
        process.terminate()
        finish(process)
