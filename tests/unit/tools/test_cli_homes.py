"""The command line where no node runs: homes, keys, configuration, doctor, exit codes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from node.config import load_config
from primitives.genesis import compute_chain_id, load_genesis
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tests.unit.tools.fake_node import make_status
from tools.cli.main import main
from tools.client.keyfile import read_key
from tools.client.results import ChainStatus
from tools.client.transactions import Expiry, build_transaction
from tools.client.wire import to_hex

KEY = PrivateKey.from_seed(bytes(range(32)))
NOBODY = ["--node", "http://127.0.0.1:1"]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CARBONODE_"):
            monkeypatch.delenv(name)


def carbonode(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def carbonode_json(home: Path, *arguments: str) -> Any:
    result = CliRunner().invoke(main, ["--home", str(home), "--output", "json", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def make_testnet(folder: Path, *arguments: str) -> Any:
    return carbonode_json(folder, "testnet", "--dir", str(folder / "net"), *arguments)


def test_a_testnet_has_one_genesis_and_homes_that_validate(tmp_path: Path) -> None:
    document = make_testnet(tmp_path, "--validators", "3")
    homes = [Path(node["home"]) for node in document["nodes"]]
    genesis = load_genesis((homes[0] / "genesis.json").read_text())
    assert document["chainId"] == "0x" + compute_chain_id(genesis).hex()
    assert len({(home / "genesis.json").read_bytes() for home in homes}) == 1
    for home in homes:
        assert carbonode_json(home, "config", "validate")["valid"] is True
        assert len(load_config(home, {}).peers) == 2
        key = read_key(home / "node.key")
        assert genesis.validators.get_index(key.public_key) is not None


def test_two_testnets_are_two_chains_with_secrets_of_their_own(tmp_path: Path) -> None:
    first = make_testnet(tmp_path / "a")
    second = make_testnet(tmp_path / "b")
    assert first["chainId"] != second["chainId"]
    keys = [(tmp_path / x / "net/keys/regulator.key").read_text() for x in "ab"]
    assert keys[0] != keys[1]


def test_a_testnet_on_machines_listens_on_all_addresses(tmp_path: Path) -> None:
    make_testnet(tmp_path, "--validators", "2", "--host", "10.0.0.1", "--host", "10.0.0.2")
    config = load_config(tmp_path / "net" / "validator-1", {})
    assert (config.p2p.host, config.p2p.port) == ("0.0.0.0", 26600)
    assert [(peer.host, peer.port) for peer in config.peers] == [("10.0.0.2", 26600)]
    assert config.rpc.host == "127.0.0.1"


def test_one_host_for_two_nodes_is_refused(tmp_path: Path) -> None:
    result = carbonode(
        tmp_path, "testnet", "--dir", str(tmp_path / "n"), "--validators", "2", "--host", "10.0.0.1"
    )
    assert result.exit_code == 1
    assert "one --host for each node" in result.stderr


def test_two_nodes_on_one_host_are_refused(tmp_path: Path) -> None:
    hosts = ("--host", "10.0.0.1", "--host", "10.0.0.1")
    result = carbonode(
        tmp_path, "testnet", "--dir", str(tmp_path / "n"), "--validators", "2", *hosts
    )
    assert result.exit_code == 1
    assert "their own ports" in result.stderr


def test_expand_of_two_chains_in_one_folder_is_refused(tmp_path: Path) -> None:
    make_testnet(tmp_path / "a", "--validators", "1")
    make_testnet(tmp_path / "b", "--validators", "2")
    (tmp_path / "b/net/validator-2").rename(tmp_path / "a/net/validator-2")
    result = carbonode(tmp_path, "testnet", "--dir", str(tmp_path / "a/net"), "--expand")
    assert result.exit_code == 1
    assert "different chains" in result.stderr


def test_a_testnet_never_writes_over_another(tmp_path: Path) -> None:
    make_testnet(tmp_path)
    before = (tmp_path / "net/validator-1/node.key").read_text()
    result = carbonode(tmp_path, "testnet", "--dir", str(tmp_path / "net"))
    assert result.exit_code == 1
    assert "not empty" in result.stderr
    assert (tmp_path / "net/validator-1/node.key").read_text() == before


def test_expand_adds_a_node_that_knows_and_is_known_by_all(tmp_path: Path) -> None:
    old = make_testnet(tmp_path, "--validators", "2")
    new = make_testnet(tmp_path, "--validators", "1", "--expand")
    assert new["chainId"] == old["chainId"]
    added = new["nodes"][0]
    config = load_config(Path(added["home"]), {})
    assert sorted(peer.name for peer in config.peers) == ["validator-1", "validator-2"]
    for node in old["nodes"]:
        peers = load_config(Path(node["home"]), {}).peers
        assert added["publicKey"] in {"0x" + peer.public_key.hex() for peer in peers}
    ports = [node["p2p"] for node in old["nodes"]]
    assert added["p2p"] not in ports
    assert carbonode_json(Path(added["home"]), "config", "validate")["valid"] is True


def test_expand_of_nothing_is_refused(tmp_path: Path) -> None:
    result = carbonode(tmp_path, "testnet", "--dir", str(tmp_path / "n"), "--expand")
    assert result.exit_code == 1
    assert "no chain" in result.stderr


def test_init_makes_a_chain_of_one_that_validates(tmp_path: Path) -> None:
    document = carbonode_json(tmp_path / "h", "init")
    assert document["validator"] is True
    assert carbonode_json(tmp_path / "h", "config", "validate")["valid"] is True


def test_init_with_a_genesis_joins_as_an_observer(tmp_path: Path) -> None:
    make_testnet(tmp_path)
    other = tmp_path / "net/validator-1"
    document = carbonode_json(
        tmp_path / "h", "init", "--genesis", str(other / "genesis.json"), "--peers", str(other)
    )
    assert document["validator"] is False
    assert document["name"] == "observer"
    assert len(load_config(tmp_path / "h", {}).peers) == 4


def test_a_key_from_elsewhere_counts_as_used_unless_the_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    make_testnet(tmp_path)
    old = tmp_path / "net/validator-1"
    bring = ("init", "--genesis", str(old / "genesis.json"), "--key", str(old / "node.key"))
    carbonode_json(tmp_path / "again", *bring)
    assert load_config(tmp_path / "again", {}).node.key_used_before is True
    carbonode_json(tmp_path / "fresh", *bring, "--unused-key")
    assert load_config(tmp_path / "fresh", {}).node.key_used_before is False
    assert load_config(old, {}).node.key_used_before is False


def test_init_never_writes_over_a_node(tmp_path: Path) -> None:
    carbonode_json(tmp_path / "h", "init")
    result = carbonode(tmp_path / "h", "init")
    assert result.exit_code == 1
    assert "already" in result.stderr
    assert result.stderr.count("\n") == 1


def test_config_show_prints_what_loads_as_the_same(tmp_path: Path) -> None:
    carbonode_json(tmp_path / "h", "init")
    shown = carbonode(tmp_path / "h", "config", "show").stdout
    (tmp_path / "again").mkdir()
    (tmp_path / "again/config.toml").write_text(shown)
    again = load_config(tmp_path / "again", {})
    assert again.rpc == load_config(tmp_path / "h", {}).rpc


def test_config_show_applies_settings_last(tmp_path: Path) -> None:
    carbonode_json(tmp_path / "h", "init")
    document = carbonode_json(tmp_path / "h", "config", "show", "--set", "rpc.port=1234")
    assert document["rpc"]["port"] == 1234


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rpc]\nprot = 1\n", "prot"),
        ("[rpc]\nport = 70000\n", "65535"),
        ("[rpc]\nport = 'x'\n", "expected int"),
        ("not toml", "not TOML"),
    ],
)
def test_a_bad_configuration_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    carbonode_json(tmp_path / "h", "init")
    (tmp_path / "h/config.toml").write_text(text)
    result = carbonode(tmp_path / "h", "config", "validate")
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_a_changed_genesis_fails_validation(tmp_path: Path) -> None:
    carbonode_json(tmp_path / "h", "init")
    path = tmp_path / "h/genesis.json"
    path.write_text(path.read_text().replace('"localnet"', '"othernet"'))
    result = carbonode(tmp_path / "h", "config", "validate")
    assert result.exit_code == 1
    assert "not the hash" in result.output


def test_a_key_that_others_may_read_fails_validation_with_advice(tmp_path: Path) -> None:
    carbonode_json(tmp_path / "h", "init")
    (tmp_path / "h/node.key").chmod(0o644)
    result = carbonode(tmp_path / "h", "config", "validate")
    assert result.exit_code == 1
    assert "chmod 600" in result.output


def test_doctor_is_content_with_a_fresh_home(tmp_path: Path) -> None:
    carbonode_json(tmp_path / "h", "init", "--p2p-port", "21991", "--rpc-port", "21992")
    document = carbonode_json(tmp_path / "h", "doctor")
    assert document["healthy"] is True
    names = {check["name"] for check in document["checks"]}
    assert {"Python", "libraries", "node key", "genesis", "disk", "database", "clock"} <= names


def test_doctor_without_a_home_says_what_to_do(tmp_path: Path) -> None:
    result = carbonode(tmp_path / "gone", "doctor")
    assert result.exit_code == 1
    assert "carbonode init" in result.output


def test_doctor_names_a_database_of_another_chain(tmp_path: Path) -> None:
    make_testnet(tmp_path / "a")
    make_testnet(tmp_path / "b")
    home = tmp_path / "a/net/validator-1"
    assert carbonode_json(home, "doctor")["healthy"] is True
    (home / "data/chain").mkdir(parents=True)
    (home / "data/chain/CURRENT").write_text("nonsense\n")
    result = carbonode(home, "doctor")
    assert result.exit_code == 1
    assert "failed  database" in result.output


def test_keys_are_made_shown_listed_and_exported(tmp_path: Path) -> None:
    made = carbonode_json(tmp_path, "keys", "generate", "ann")
    assert carbonode_json(tmp_path, "keys", "show", "ann") == made
    assert carbonode_json(tmp_path, "keys", "list")["keys"][0]["publicKey"] == made["publicKey"]
    assert carbonode_json(tmp_path, "keys", "export", "ann")["publicKey"] == made["publicKey"]
    secret = carbonode_json(tmp_path, "keys", "export", "ann", "--secret", "--yes")["secret"]
    assert "0x" + PrivateKey.from_hex(secret).public_key.hex() == made["publicKey"]


def test_a_secret_is_never_printed_unasked(tmp_path: Path) -> None:
    carbonode_json(tmp_path, "keys", "generate", "ann")
    seed = (tmp_path / "keys/ann.key").read_text().strip()
    for arguments in (("show", "ann"), ("list",), ("export", "ann"), ("export", "ann", "--secret")):
        assert seed not in carbonode(tmp_path, "keys", *arguments).output
    assert carbonode(tmp_path, "keys", "export", "ann", "--secret").exit_code == 2


def test_a_key_is_not_replaced_unless_forced(tmp_path: Path) -> None:
    first = carbonode_json(tmp_path, "keys", "generate", "ann")
    assert carbonode(tmp_path, "keys", "generate", "ann").exit_code == 1
    second = carbonode_json(tmp_path, "keys", "generate", "ann", "--force")
    assert first["publicKey"] != second["publicKey"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("peers",),
        ("consensus", "status"),
        ("query", "block"),
        ("query", "state", "0x00"),
        ("query", "call", "units", "total"),
        ("query", "contract"),
        ("query", "abi", "units"),
        ("query", "validators"),
        ("query", "mempool"),
        ("tx", "get", "00" * 32),
        ("tx", "wait", "00" * 32, "--timeout", "1"),
        ("tx", "search", "--sender", "00" * 32),
    ],
)
def test_an_unreachable_node_is_exit_code_3_and_one_line(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = carbonode(tmp_path, *NOBODY, *arguments)
    assert result.exit_code == 3, result.output
    assert "Connection refused" in result.output
    assert result.stderr.count("\n") == 1


def test_why_explains_a_node_that_does_not_answer_with_exit_code_3(tmp_path: Path) -> None:
    result = carbonode(tmp_path, *NOBODY, "consensus", "status", "--why")
    assert result.exit_code == 3, result.output
    assert "Connection refused" in result.stdout


def test_errors_are_json_on_standard_error_when_asked(tmp_path: Path) -> None:
    result = carbonode(tmp_path, *NOBODY, "--output", "json", "query", "mempool")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert json.loads(result.stderr)["error"]["code"] == "unreachable"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tx", "call", "units", "x", "[", "--key", "ann"), "not JSON"),
        (("tx", "call", "units", "x", "5", "--key", "ann"), "list or object"),
        (("tx", "get", "xyz"), "not hex"),
        (("tx", "get", "00"), "32 bytes"),
        (("tx", "submit"), "--file"),
        (("tx", "search"), "--sender or --key"),
        (("query", "state", "0xzz"), "not hex"),
        (("testnet", "--validators", "0"), "--validators"),
        (("config", "show", "--set", "rpc.port"), "TABLE.KEY=VALUE"),
        (("init", "--key", sys.executable), "--genesis"),
        (("keys", "generate", ".hidden"), "not a key's name"),
        (("bench", "nothing-of-that-name"), "no benchmark"),
        (("no-such-command",), "No such command"),
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = carbonode(tmp_path, *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_a_tampered_transaction_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    status = ChainStatus.parse(make_status())
    signed = build_transaction(
        KEY, [Call("units", "touch", ())], expiry=Expiry(status.chain_id, 1, 1), gas_limit=1
    )
    text = to_hex(signed.encoded)
    last = "0" if text[-1] != "0" else "1"
    result = carbonode(tmp_path, *NOBODY, "tx", "submit", text[:-1] + last)
    assert result.exit_code == 1
    assert "bad transaction signature" in result.stderr
    assert carbonode(tmp_path, *NOBODY, "tx", "submit", text).exit_code == 3


def test_version_names_the_libraries(tmp_path: Path) -> None:
    document = carbonode_json(tmp_path, "version")
    assert document["libraries"]["PyNaCl"]


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    if command == "bench":
        pytest.skip("bench hands --help on to the benchmark")
    result = carbonode(tmp_path, command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
