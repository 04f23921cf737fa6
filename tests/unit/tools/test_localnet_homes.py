"""What a local network writes: one chain, a home a node, and nothing of anyone else's."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from node.config import load_config
from primitives.genesis import compute_chain_id
from primitives.params import ChainParams
from tools.client.keyfile import generate_key, write_key
from tools.localnet.chain import build_chain
from tools.localnet.homes import HomeError, NodePlan, write_home
from tools.localnet.network import Localnet, LocalnetError
from vm.genesis_builder import derive_development_key


def prepare(directory: Path, **options: object) -> Localnet:
    net = Localnet(directory, **options)  # type: ignore[arg-type]  # options of many types
    net.prepare()
    return net


def test_every_node_knows_every_other_and_listens_on_loopback(tmp_path: Path) -> None:
    net = prepare(tmp_path / "net", validators=3)
    assert [node.name for node in net.nodes] == ["validator-1", "validator-2", "validator-3"]
    ports = set()
    for node in net.nodes:
        config = load_config(node.home, {})
        assert len(config.peers) == 2
        assert config.p2p.host == config.rpc.host == "127.0.0.1"
        assert {peer.port for peer in config.peers} == {
            int(other.p2p.partition(":")[2]) for other in net.nodes if other is not node
        }
        ports |= {config.p2p.port, config.rpc.port, config.rpc.admin_port}
    assert len(ports) == 9


def test_started_again_it_is_the_same_chain(tmp_path: Path) -> None:
    first = prepare(tmp_path / "net", validators=2)
    second = prepare(tmp_path / "net", validators=2)
    assert compute_chain_id(first.genesis) == compute_chain_id(second.genesis)
    assert [node.public_key for node in first.nodes] == [node.public_key for node in second.nodes]
    assert {name: key.seed for name, key in first.keys.items()} == {
        name: key.seed for name, key in second.keys.items()
    }


def test_fresh_makes_another_chain_and_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    first = prepare(tmp_path / "net", validators=3)
    (first.nodes[0].home / "data").mkdir()
    second = prepare(tmp_path / "net", validators=2, fresh=True)
    assert compute_chain_id(first.genesis) != compute_chain_id(second.genesis)
    assert not (tmp_path / "net/validator-3").exists()
    assert not (second.nodes[0].home / "data").exists()


def test_fresh_never_deletes_what_is_not_a_local_network(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("x")
    with pytest.raises(LocalnetError, match="not a local network"):
        prepare(tmp_path, fresh=True)
    assert precious.exists()


def test_another_number_of_validators_is_refused(tmp_path: Path) -> None:
    prepare(tmp_path / "net", validators=2)
    with pytest.raises(HomeError, match="--fresh"):
        prepare(tmp_path / "net", validators=4)


def test_a_foreign_node_key_is_refused(tmp_path: Path) -> None:
    net = prepare(tmp_path / "net", validators=2)
    write_key(net.nodes[1].home / "node.key", generate_key(), overwrite=True)
    with pytest.raises(HomeError, match="not the genesis's"):
        prepare(tmp_path / "net", validators=2)


def test_a_home_of_another_node_or_chain_is_never_taken_over(tmp_path: Path) -> None:
    chain = build_chain(1)
    plan = NodePlan("n", tmp_path / "h", chain.validator_keys[0], "h", "h", 1, 2, 3)
    write_home(plan, chain.genesis, [])
    with pytest.raises(HomeError, match="another chain"):
        write_home(plan, build_chain(1).genesis, [], overwrite=True)
    with pytest.raises(HomeError, match="another node's key"):
        write_home(replace(plan, key=generate_key()), chain.genesis, [], overwrite=True)
    with pytest.raises(HomeError, match="already"):
        write_home(plan, chain.genesis, [])


def test_the_parties_keys_are_the_development_ones(tmp_path: Path) -> None:
    net = prepare(tmp_path / "net", validators=1, enterprises=2)
    assert net.keys["regulator"].seed == derive_development_key("regulator").seed
    assert {"enterprise-1", "enterprise-2"} <= set(net.keys)
    assert (tmp_path / "net/keys/regulator.key").exists()


def test_parameters_of_the_chain_can_be_chosen(tmp_path: Path) -> None:
    net = prepare(tmp_path / "net", validators=1, params=ChainParams(epoch_blocks=7))
    assert net.genesis.params.epoch_blocks == 7


def test_the_summary_with_secrets_is_for_its_owner_only(tmp_path: Path) -> None:
    net = prepare(tmp_path / "net", validators=1)
    net._write_summary()
    assert stat.S_IMODE(net.summary_path.stat().st_mode) == 0o600
    summary = json.loads(net.summary_path.read_text())
    assert summary["nodes"][0]["pid"] is None
    assert summary["keys"]["bank"] == "0x" + net.keys["bank"].seed.hex()


def test_ports_may_be_consecutive(tmp_path: Path) -> None:
    net = prepare(tmp_path / "net", validators=2, base_port=23_410)
    assert net.nodes[0].p2p == "127.0.0.1:23410"
    assert net.nodes[1].admin == "http://127.0.0.1:23415"


def test_settings_of_our_own_node_do_not_reach_the_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARBONODE_RPC_PORT", "1")
    net = prepare(tmp_path / "net", validators=1, environment={"CARBONODE_LOG_LEVEL": "debug"})
    environment = net._children[0]._environment
    assert environment is not None
    assert "CARBONODE_RPC_PORT" not in environment
    assert environment["CARBONODE_LOG_LEVEL"] == "debug"
