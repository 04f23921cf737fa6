"""Checks of a node's home folder, each with advice. Reads files, changes nothing."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import Enum

from rich.markup import escape

from node.config import NodeConfig
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis, compute_chain_id, load_genesis
from primitives.keys import PrivateKey
from tools.client.keyfile import read_key


class Outcome(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


_COLOURS = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "red",
    Outcome.SKIPPED: "dim",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, how it ended, what was seen, what to do."""

    name: str
    outcome: Outcome
    message: str
    advice: str = ""

    def to_json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "message": self.message,
            "advice": self.advice,
        }

    def render(self) -> str:
        """Return one line in rich's markup."""
        colour = _COLOURS[self.outcome]
        advice = f"\n{'':>9}  {escape(self.advice)}" if self.advice else ""
        return (
            f"[{colour}]{self.outcome.value:>9}[/{colour}]  "
            f"{escape(self.name)}: {escape(self.message)}{advice}"
        )


def check_home(config: NodeConfig) -> list[Check]:
    """Return the checks that ``config validate`` and ``doctor`` share."""
    key, key_check = _check_key(config)
    genesis, genesis_check = _check_genesis(config)
    checks = [
        Check("configuration", Outcome.OK, f"{config.home / 'config.toml'} is valid"),
        key_check,
        genesis_check,
    ]
    if key is not None and genesis is not None:
        checks.append(_check_role(config, key, genesis))
        checks.append(_check_peers(config, key, genesis))
    return checks


def _check_key(config: NodeConfig) -> tuple[PrivateKey | None, Check]:
    path = config.key_path
    try:
        key = read_key(path)
    except CarbonodeError as error:
        advice = f"chmod 600 {path}" if path.exists() else "restore it from your back-up"
        return None, Check("node key", Outcome.FAILED, str(error), advice)
    folder_mode = stat.S_IMODE(path.parent.stat().st_mode)
    if folder_mode & 0o002:
        return key, Check(
            "node key",
            Outcome.WARNING,
            f"everyone may replace it: the folder has mode {folder_mode:o}",
            f"chmod o-w {path.parent}",
        )
    return key, Check("node key", Outcome.OK, f"0x{key.public_key.hex()}, readable by its owner")


def _check_genesis(config: NodeConfig) -> tuple[Genesis | None, Check]:
    path = config.genesis_path
    try:
        genesis = load_genesis(path.read_text("utf-8"))
    except CarbonodeError as error:
        return None, Check(
            "genesis", Outcome.FAILED, str(error), "take the file from another member again"
        )
    except (OSError, UnicodeDecodeError) as error:
        return None, Check("genesis", Outcome.FAILED, f"cannot read {path}: {error}")
    chain_id = compute_chain_id(genesis).hex()
    return genesis, Check("genesis", Outcome.OK, f"chain 0x{chain_id} ({genesis.chain_name})")


def _check_role(config: NodeConfig, key: PrivateKey, genesis: Genesis) -> Check:
    index = genesis.validators.get_index(key.public_key)
    if index is None:
        return Check(
            "role",
            Outcome.OK,
            "no validator of the genesis: an observer, unless governance said so",
        )
    name = genesis.validators.members[index].name
    if name != config.node.name:
        return Check(
            "role",
            Outcome.WARNING,
            f"the genesis calls this validator {name!r}, the configuration {config.node.name!r}",
            "use one name, or logs of two nodes will be hard to compare",
        )
    return Check("role", Outcome.OK, f"validator {name}")


def _check_peers(config: NodeConfig, key: PrivateKey, genesis: Genesis) -> Check:
    listed = {peer.public_key for peer in config.peers}
    if key.public_key in listed:
        return Check("peers", Outcome.FAILED, "the node lists itself", "remove it from [[peers]]")
    missing = [
        member.name
        for member in genesis.validators.members
        if member.public_key not in listed and member.public_key != key.public_key
    ]
    bad = [peer.name for peer in config.peers if not peer.certificate]
    if bad:
        return Check("peers", Outcome.FAILED, f"without certificate: {', '.join(bad)}")
    if missing:
        return Check(
            "peers",
            Outcome.WARNING,
            f"{len(listed)} listed, validators without an entry: {', '.join(missing)}",
            "messages reach them through others only; add [[peers]] entries",
        )
    return Check("peers", Outcome.OK, f"{len(listed)} listed, every validator among them")
