"""Configuration: what loads, what is refused, and with which words."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from node.config import (
    CONFIG_FILE,
    ConfigError,
    NodeConfig,
    NodeSection,
    RpcSection,
    check_config,
    load_config,
    render_config,
)
from tests.unit.node.support import make_configs


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    return folder


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, ""), {}) == NodeConfig(home=tmp_path)


def test_what_is_rendered_loads_as_the_same(tmp_path: Path) -> None:
    config = make_configs(tmp_path, 4)[2]
    config = replace(config, node=NodeSection(name='a "quoted" näme'), rpc=RpcSection(port=99))
    home = write(tmp_path / "validator-2", render_config(config))
    assert load_config(home, {}) == config
    assert check_config(config) == config
    assert len(tomllib.loads(render_config(config))["peers"]) == 3


def test_environment_beats_the_file_and_flags_beat_both(tmp_path: Path) -> None:
    home = write(tmp_path, "[rpc]\nport = 1\n[log]\nlevel = 'debug'\n")
    environment = {
        "CARBONODE_RPC_PORT": "2",
        "CARBONODE_LOG_LEVEL": "error",
        "CARBONODE_DATA": "not a setting of ours",
    }
    config = load_config(home, environment, {"rpc.port": "3"})
    assert (config.rpc.port, config.log.level) == (3, "error")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[rpc]\nhost = 'x'\nprot = 5\n", ["unknown key", "prot", "line=3"]),
        ("[rpc]\n[rcp]\nport = 5\n", ["unknown table", "rcp", "line=2"]),
        ("rpc = 5\n", ["expected a table", "line=1"]),
        ("[rpc]\nport = 'x'\n", ["expected int", "line=2"]),
        ("[rpc]\nport = true\n", ["expected int"]),
        ("[rpc]\nport = 65536\n", ["expected 0 to 65535", "line=2"]),
        ("[log]\nlevel = 'loud'\n", ["expected one of", "loud"]),
        ("[node]\nname = ''\n", ["node.name"]),
        ("[[peers]]\nname = 'x'\n", ["lacks a key", "public_key"]),
        ("[[peers]]\nname = 'x'\nwhat = 1\n", ["unknown key", "what", "line=3"]),
        ("[mempool]\ntransactions_max = 5\n", ["above mempool.transactions_max"]),
        ("port = = 5", ["not TOML"]),
    ],
)
def test_a_mistake_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), {})
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "flags"),
    [
        ({"CARBONODE_RPC_PROT": "5"}, {}),
        ({"CARBONODE_RPC_PORT": "five"}, {}),
        ({"CARBONODE_NODE_SIGNER_RECORD_LOST": "maybe"}, {}),
        ({}, {"rpc.prot": "5"}),
        ({}, {"rcp.port": "5"}),
        ({}, {"rpc.port": "70000"}),
    ],
)
def test_bad_settings_from_elsewhere_are_refused(
    tmp_path: Path, environment: dict[str, str], flags: dict[str, str]
) -> None:
    with pytest.raises(ConfigError):
        load_config(write(tmp_path, ""), environment, flags)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="carbonode init"):
        load_config(tmp_path, {})


def test_two_peers_with_one_key_and_a_bad_key_are_refused(tmp_path: Path) -> None:
    config = make_configs(tmp_path, 3)[0]
    twice = replace(config, peers=(config.peers[0], replace(config.peers[0], name="other")))
    with pytest.raises(ConfigError, match="share a key"):
        load_config(write(tmp_path, render_config(twice)), {})
    text = render_config(config).replace(config.peers[0].public_key.hex(), "00ff")
    with pytest.raises(ConfigError, match="public_key"):
        load_config(write(tmp_path, text), {})
