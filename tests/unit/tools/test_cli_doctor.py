"""The doctor's judgements, one by one, and the checks of a home folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from node.config import load_config
from primitives.keys import PrivateKey
from tools.cli.doctor import check_disk, check_ports, check_python, compare_clock, compare_offsets
from tools.cli.home_checks import Outcome, check_home
from tools.client.keyfile import read_key
from tools.localnet.homes import make_peer
from tools.localnet.network import Localnet

GIB = 1 << 30


def make_home(tmp_path: Path) -> Localnet:
    net = Localnet(tmp_path / "net", validators=3)
    net.prepare()
    return net


def find(name: str, net: Localnet, **changes: object) -> tuple[Outcome, str]:
    config = replace(load_config(net.nodes[0].home, {}), **changes)  # type: ignore[arg-type]  # fields by name
    check = next(check for check in check_home(config) if check.name == name)
    return check.outcome, check.message


@pytest.mark.parametrize(
    ("free", "outcome"),
    [(GIB - 1, Outcome.FAILED), (GIB, Outcome.WARNING), (10 * GIB, Outcome.OK)],
)
def test_disk_space_is_judged_in_steps(tmp_path: Path, free: int, outcome: Outcome) -> None:
    config = load_config(make_home(tmp_path).nodes[0].home, {})
    assert check_disk(config, free).outcome is outcome


@pytest.mark.parametrize(
    ("ahead_ms", "outcome"),
    [(-60_000, Outcome.OK), (2_000, Outcome.OK), (2_001, Outcome.WARNING), (8_001, Outcome.FAILED)],
)
def test_a_block_from_the_future_means_that_our_clock_is_late(
    ahead_ms: int, outcome: Outcome
) -> None:
    assert compare_clock(1_000_000, 1_000_000 + ahead_ms).outcome is outcome


@pytest.mark.parametrize(
    ("offsets", "outcome"),
    [
        ({"a": 100}, Outcome.OK),
        ({"a": 100, "b": 90_000, "c": -200}, Outcome.OK),
        ({"a": -3_000}, Outcome.WARNING),
        ({"a": 9_000, "b": 9_100, "c": 0}, Outcome.FAILED),
    ],
)
def test_one_wrong_clock_among_others_does_not_decide(
    offsets: dict[str, int], outcome: Outcome
) -> None:
    assert compare_offsets(offsets).outcome is outcome


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ((3, 10, 9), Outcome.FAILED),
        ((3, 11, 0), Outcome.OK),
        ((3, 12, 4), Outcome.OK),
        ((3, 13, 0), Outcome.WARNING),
    ],
)
def test_pythons_that_were_not_tried_are_named(version: tuple[int, ...], outcome: Outcome) -> None:
    assert check_python(version).outcome is outcome


def test_ports_of_a_running_node_are_its_own(tmp_path: Path) -> None:
    config = load_config(make_home(tmp_path).nodes[0].home, {})
    assert all(check.outcome is Outcome.OK for check in check_ports(config, running=True))
    unset = replace(config, rpc=replace(config.rpc, port=0))
    assert check_ports(unset, running=False)[1].outcome is Outcome.WARNING


def test_a_home_as_written_is_sound(tmp_path: Path) -> None:
    net = make_home(tmp_path)
    config = load_config(net.nodes[0].home, {})
    assert [item.outcome for item in check_home(config)] == [Outcome.OK] * 5


def test_a_node_that_lists_itself_fails(tmp_path: Path) -> None:
    net = make_home(tmp_path)
    key = open_key(net)
    outcome, message = find("peers", net, peers=(make_peer("me", key, "127.0.0.1", 1),))
    assert outcome is Outcome.FAILED
    assert "lists itself" in message


def test_a_validator_without_an_entry_is_named(tmp_path: Path) -> None:
    net = make_home(tmp_path)
    peers = load_config(net.nodes[0].home, {}).peers[:1]
    outcome, message = find("peers", net, peers=peers)
    assert outcome is Outcome.WARNING
    assert "validator-3" in message


def test_a_folder_that_anyone_may_write_is_a_warning(tmp_path: Path) -> None:
    net = make_home(tmp_path)
    net.nodes[0].home.chmod(0o777)
    assert find("node key", net)[0] is Outcome.WARNING


def test_two_names_for_one_validator_are_a_warning(tmp_path: Path) -> None:
    net = make_home(tmp_path)
    config = load_config(net.nodes[0].home, {})
    assert find("role", net, node=replace(config.node, name="other"))[0] is Outcome.WARNING


def open_key(net: Localnet) -> PrivateKey:
    return read_key(net.nodes[0].home / "node.key")
