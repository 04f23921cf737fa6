"""``python -m node``: starts, stops on a signal, and says why it cannot start."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.config import CONFIG_FILE, LogSection, NodeConfig, render_config
from node.journal import SIGNER_FILE
from node.run import DESCRIPTORS, EXIT_CONFIG, EXIT_OK, EXIT_STORAGE, EXIT_SYSTEM
from primitives.genesis import dump_genesis
from primitives.transaction import Call
from storage.signer import SLOT_STRIDE_BYTES
from tests.unit.node.support import (
    TEST_PARAMS,
    Signer,
    make_configs,
    make_genesis,
    make_validator_key,
)

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
        assert (code, "listen: rpc.host and rpc.port" in errors) == (EXIT_SYSTEM, True), errors
        assert "Traceback" not in errors
    finally:
        process.terminate()
        finish(process)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("p2p.host=203.0.113.5", "listen: cannot listen"),
        ("rpc.host=203.0.113.5", "listen: rpc.host and rpc.port: cannot listen"),
        ("rpc.host=no such host", "listen: rpc.host and rpc.port: cannot listen"),
    ],
)
def test_an_address_that_is_not_ours_is_named_without_a_traceback(
    tmp_path: Path, flag: str, words: str
) -> None:
    code, errors = finish(start(write_home(tmp_path).home, flag))
    assert (code, words in errors, "Traceback" in errors) == (EXIT_SYSTEM, True, False), errors


def test_a_taken_p2p_port_is_named_without_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = finish(start(write_home(tmp_path).home, f"p2p.port={port}"))
    assert (code, "listen: cannot listen" in errors) == (EXIT_SYSTEM, True), errors
    assert "Traceback" not in errors


def test_signals_at_any_moment_of_the_start_leave_a_folder_that_starts(tmp_path: Path) -> None:
    """Python's own start ends by the signal itself; ours ends cleanly."""
    home = write_home(tmp_path).home
    codes = []
    for delay_s in (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2):
        process = start(home)
        time.sleep(delay_s)
        process.terminate()
        code, errors = finish(process)
        assert code in (EXIT_OK, -signal.SIGTERM), (delay_s, errors)
        assert "Traceback" not in errors, (delay_s, errors)
        codes.append(code)
    process = start(home)
    wait_started(process)
    process.terminate()
    assert finish(process)[0] == EXIT_OK, codes


def test_a_damaged_chain_is_named_and_refused_at_start(tmp_path: Path) -> None:
    config = write_home(tmp_path)
    process = start(config.home)
    wait_started(process)
    process.terminate()
    finish(process)
    log = next(iter(sorted((config.data_path / "chain").glob("*.log"))))
    content = bytearray(log.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50] = bytes(byte ^ 0xFF for byte in content[middle : middle + 50])
    log.write_bytes(content)
    code, errors = finish(start(config.home))
    assert (code, "database-corrupted" in errors) == (EXIT_STORAGE, True), errors
    assert str(config.data_path / "chain") in errors
    assert "Traceback" not in errors


def test_a_damaged_index_is_named_and_built_again_from_the_blocks(tmp_path: Path) -> None:
    config = write_home(tmp_path)
    process = start(config.home)
    url = get_url(wait_started(process))
    signer = Signer(make_genesis())
    finals = []
    for _ in range(5):
        item = signer.make()
        call(url, "tx_submit", "0x" + item.encoded.hex())
        assert call(url, "tx_wait", "0x" + item.id.hex(), 10_000)["final"]
        finals.append("0x" + item.id.hex())
    process.terminate()
    assert finish(process)[0] == EXIT_OK
    log = max((config.data_path / "index").glob("*.log"), key=lambda path: path.stat().st_size)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    process = start(config.home)
    try:
        url = get_url(wait_started(process))
        sender = "0x" + signer.key.public_key.hex()
        found: list[str] = []
        deadline = time.monotonic() + 20
        while len(found) < len(finals) and time.monotonic() < deadline:
            items = call(url, "tx_search", sender).get("items", [])
            found = [item["id"] for item in items]
        assert found == finals[::-1]
        with urllib.request.urlopen(url + "/metrics", timeout=10) as response:
            assert "carbonode_index_rebuilds_total 1.0" in response.read().decode()
    finally:
        process.terminate()
    code, errors = finish(process)
    assert code == EXIT_OK, errors


@pytest.mark.parametrize("size", [None, 100], ids=["both slots", "cut"])
def test_a_damaged_signer_record_is_refused_at_start_and_left_as_it_is(
    tmp_path: Path, size: int | None
) -> None:
    config = write_home(tmp_path)
    process = start(config.home)
    url = get_url(wait_started(process))
    item = Signer(make_genesis()).make()
    call(url, "tx_submit", "0x" + item.encoded.hex())
    assert call(url, "tx_wait", "0x" + item.id.hex(), 10_000)["final"]
    process.terminate()
    assert finish(process)[0] == EXIT_OK
    path = config.signer_path / SIGNER_FILE
    content = bytearray(path.read_bytes())
    for offset in (20, SLOT_STRIDE_BYTES + 20):
        content[offset] ^= 0x01
    damaged = bytes(content[:size])
    path.write_bytes(damaged)
    for _ in range(2):
        code, errors = finish(start(config.home))
        assert (code, "signer-record-damaged" in errors) == (EXIT_STORAGE, True), errors
        assert str(path) in errors
        assert "Traceback" not in errors
        assert path.read_bytes() == damaged


def test_a_torn_vote_log_is_cut_and_the_node_goes_on(tmp_path: Path) -> None:
    config = write_home(tmp_path)
    process = start(config.home)
    wait_started(process)
    process.kill()
    finish(process)
    segment = sorted((config.data_path / "votelog").glob("votes-*.log"))[-1]
    with segment.open("ab") as file:
        file.write(b"\x00\x00\x01\x00half a record")
    process = start(config.home)
    wait_started(process)
    process.terminate()
    code, errors = finish(process)
    assert code == EXIT_OK, errors


def test_a_full_disk_stops_the_node_by_name_and_it_starts_again_with_room(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the same writes fail."""
    config = write_home(tmp_path)
    process = start(config.home)
    url = get_url(wait_started(process))
    written = [path.stat().st_size for path in config.home.rglob("*") if path.is_file()]
    largest = max(written) + 400_000
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
    signer = Signer(make_genesis())
    calls = [Call("notes", "put", (f"key-{number}", "x" * 30_000)) for number in range(3)]
    finals = []
    for _ in range(20):
        item = signer.make(calls, gas_limit=2_000_000)
        try:
            if not call(url, "tx_submit", "0x" + item.encoded.hex()).get("id"):
                break
            if call(url, "tx_wait", "0x" + item.id.hex(), 5_000).get("final"):
                finals.append(item.id.hex())
        except OSError:
            break
    code, errors = finish(process)
    assert code == EXIT_STORAGE, errors
    assert "Traceback" not in errors
    assert finals, errors
    process = start(config.home)
    url = get_url(wait_started(process))
    try:
        for item_id in finals:
            assert call(url, "tx_get", "0x" + item_id, False)["height"] > 0
        assert call(url, "tx_wait", "0x" + finals[0], 0)["final"]
    finally:
        process.terminate()
        assert finish(process)[0] == EXIT_OK


def test_a_full_disk_that_holds_the_log_too_still_ends_in_its_own_exit_code(
    tmp_path: Path,
) -> None:
    config = write_home(tmp_path)
    log = tmp_path / "stderr.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "node", str(config.home)], cwd=ROOT, stderr=output
        )
    deadline = time.monotonic() + LIMIT_S
    while '"started"' not in log.read_text("utf-8") and time.monotonic() < deadline:
        assert process.poll() is None, log.read_text("utf-8")
    started = next(line for line in log.read_text("utf-8").splitlines() if '"started"' in line)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    item = Signer(make_genesis()).make()
    with contextlib.suppress(OSError):
        call(get_url(json.loads(started)), "tx_submit", "0x" + item.encoded.hex())
    assert process.wait(LIMIT_S) == EXIT_STORAGE


def test_the_node_raises_its_limit_of_open_files(tmp_path: Path) -> None:
    process = start(write_home(tmp_path).home)
    try:
        wait_started(process)
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        assert soft == min(hard, max(soft, DESCRIPTORS))
    finally:
        process.terminate()
        finish(process)


def call(url: str, method: str, *params: object) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.loads(response.read())
    return dict(answer.get("result") or answer["error"])
