"""Configuration of one node: file, environment, flags; read once, checked once, frozen.

Later sources win: ``config.toml``, then ``CARBONODE_<TABLE>_<KEY>``, then flags
(``{"rpc.port": "8080"}``). An unknown table or key is refused by name and line,
because a misspelt limit that is silently ignored is worse than no limit. Nothing here
opens anything but the one file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from primitives import limits
from primitives.errors import CarbonodeError
from primitives.hashing import Address

CONFIG_FILE = "config.toml"
ENVIRONMENT_PREFIX = "CARBONODE_"
CONFIG_BYTES_MAX = 1024 * 1024
"""A hundred peers with certificates are 100 KB."""
PEERS_MAX = 2 * limits.VALIDATORS_MAX
"""Validators and observers that one node lists."""
CERTIFICATE_BYTES_MAX = 4 * 1024
"""Ours have about 450 bytes."""
MEBIBYTE = 1024 * 1024


class ConfigError(CarbonodeError):
    """A configuration that cannot be used; says which key, where and why."""

    code = "config"


def _integer(default: int, low: int, high: int) -> Any:
    return field(default=default, metadata={"low": low, "high": high})


def _option(default: str, *options: str) -> Any:
    return field(default=default, metadata={"options": options})


@dataclass(frozen=True, slots=True)
class NodeSection:
    """[node]: who we are and where our files lie, relative to the home folder."""

    name: str = "node"
    genesis: str = "genesis.json"
    key: str = "node.key"
    signer: str = "signer"
    data: str = "data"
    signer_record_lost: bool = False
    """The operator's word that the last-signed record is lost for good: start without
    it. Dangerous when the old one still runs somewhere; it is logged."""
    key_used_before: bool = False
    """The key may have voted elsewhere: a home without a last-signed record has lost it,
    and does not count as a first start."""


@dataclass(frozen=True, slots=True)
class P2pSection:
    """[p2p]: where other nodes reach us."""

    host: str = "127.0.0.1"
    port: int = _integer(26600, 0, 65_535)


@dataclass(frozen=True, slots=True)
class RpcSection:
    """[rpc]: where clients reach us and how much each may ask for."""

    host: str = "127.0.0.1"
    port: int = _integer(26700, 0, 65_535)
    admin_port: int = _integer(0, 0, 65_535)
    """Port of admin_* on 127.0.0.1; 0 lets the system choose one."""
    body_bytes_max: int = _integer(8 * MEBIBYTE, 1024, 64 * MEBIBYTE)
    batch_requests_max: int = _integer(100, 1, 1_000)
    connections_max: int = _integer(1_000, 1, 100_000)
    client_requests_per_second: int = _integer(2_000, 1, 1_000_000)
    client_transactions_per_second: int = _integer(20_000, 1, 10_000_000)
    client_view_gas_per_second: int = _integer(50_000_000, 1_000, 100_000_000_000)
    """About half a second of one thread: views must not starve consensus of the CPU."""
    subscriptions_max: int = _integer(1_000, 1, 100_000)
    connection_subscriptions_max: int = _integer(16, 1, 1_000)
    subscriber_lag_blocks_max: int = _integer(200, 1, 1_000_000)
    """A subscriber that had reached the tip and falls back so far is closed."""
    subscriber_send_timeout_ms: int = _integer(10_000, 10, 600_000)
    """A subscriber that takes nothing for so long is closed."""
    waiters_max: int = _integer(100_000, 4, 1_000_000)
    """Ids waited for, 300 bytes each; one client may have a quarter of them."""


@dataclass(frozen=True, slots=True)
class MempoolSection:
    """[mempool]: what may wait. Overload is answered with -32004, never with silence."""

    transactions_max: int = _integer(50_000, 1, 10_000_000)
    bytes_max: int = _integer(64 * MEBIBYTE, 128 * 1024, 4096 * MEBIBYTE)
    sender_transactions_max: int = _integer(20_000, 1, 10_000_000)
    recent_ids_max: int = _integer(200_000, 1_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class WorkersSection:
    """[workers]: threads beside the event loop."""

    signature_threads: int = _integer(2, 1, 64)
    view_threads: int = _integer(2, 1, 64)


@dataclass(frozen=True, slots=True)
class SnapshotsSection:
    """[snapshots]: the state after an epoch's end, for nodes that join; and joining so."""

    make: bool = True
    every_epochs: int = _integer(1, 1, 1_000_000)
    pause_s: int = _integer(600, 0, 86_400 * 365)
    """Between the end of one and the start of the next: each reads the whole state."""
    keep: int = _integer(2, 1, 1_000)
    serve: bool = True
    join: bool = True
    """Whether this node, far behind, takes a snapshot from its peers."""
    join_blocks_min: int = _integer(500, 1, 1_000_000_000)
    """So many blocks a snapshot must save, or they are fetched and executed instead."""
    trust_height: int = _integer(0, 0, 1 << 53)
    """The last height of an epoch that the operator knows to be final, with its block hash:
    validators are followed from there. 0: from the genesis."""
    trust_hash: str = ""


@dataclass(frozen=True, slots=True)
class RetentionSection:
    """[retention]: which blocks are kept. 0 and 0 keep all of them (an archive)."""

    blocks: int = _integer(0, 0, 1 << 53)
    """The last so many. Never fewer than the window of transactions needs."""
    hours: int = _integer(0, 0, 24 * 365 * 100)
    """And those younger than this."""
    period_s: int = _integer(60, 1, 86_400)
    """Between two looks at what may go."""


@dataclass(frozen=True, slots=True)
class LogSection:
    """[log]: structured lines on standard error, or in a file under the home folder."""

    level: str = _option("info", "debug", "info", "warning", "error")
    format: str = _option("text", "text", "json")
    file: str = ""


@dataclass(frozen=True, slots=True)
class PeerSection:
    """[[peers]]: one node that we link with; its certificate is pinned."""

    name: str
    public_key: Address
    host: str
    port: int
    certificate: str
    """DER as ``0x`` hex (``p2p.tls.make_certificate``)."""

    @property
    def certificate_bytes(self) -> bytes:
        """The certificate as p2p wants it."""
        return bytes.fromhex(self.certificate.removeprefix("0x"))


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything that a node is started with."""

    home: Path
    node: NodeSection = NodeSection()
    p2p: P2pSection = P2pSection()
    rpc: RpcSection = RpcSection()
    mempool: MempoolSection = MempoolSection()
    workers: WorkersSection = WorkersSection()
    log: LogSection = LogSection()
    snapshots: SnapshotsSection = SnapshotsSection()
    retention: RetentionSection = RetentionSection()
    peers: tuple[PeerSection, ...] = ()

    @property
    def genesis_path(self) -> Path:
        return self.home / self.node.genesis

    @property
    def key_path(self) -> Path:
        return self.home / self.node.key

    @property
    def signer_path(self) -> Path:
        return self.home / self.node.signer

    @property
    def snapshots_path(self) -> Path:
        return self.data_path / "snapshots"

    @property
    def data_path(self) -> Path:
        return self.home / self.node.data


_SECTIONS: dict[str, type] = {
    "node": NodeSection,
    "p2p": P2pSection,
    "rpc": RpcSection,
    "mempool": MempoolSection,
    "workers": WorkersSection,
    "log": LogSection,
    "snapshots": SnapshotsSection,
    "retention": RetentionSection,
}
_PEER_KEYS = ("name", "public_key", "host", "port", "certificate")
_S = TypeVar("_S")


def load_config(
    home: Path, environment: Mapping[str, str], flags: Mapping[str, str] | None = None
) -> NodeConfig:
    """Return the checked configuration of the node in ``home``.

    ``environment`` is read for names with ENVIRONMENT_PREFIX only; ``flags`` maps
    ``table.key`` to text. Raises ConfigError.
    """
    text = _read(home / CONFIG_FILE)
    tables = _parse_toml(text)
    _refuse_unknown(tables, text)
    changes = _environment_changes(environment) | _flag_changes(flags or {})
    sections: dict[str, Any] = {}
    for name, section in _SECTIONS.items():
        given = dict(tables.get(name, {}))
        for (table, key), (value, source) in changes.items():
            if table == name:
                given[key] = _from_text(section, key, value, source)
        sections[name] = _build_section(section, name, given, text)
    peers = _build_peers(tables.get("peers", []))
    config = NodeConfig(home=home, peers=peers, **sections)
    _check_whole(config)
    return config


def check_config(config: NodeConfig) -> NodeConfig:
    """Return ``config`` if a file with the same content would be accepted.

    For programs that build a configuration (``carbonode init``, localnet).
    """
    for name, section in _SECTIONS.items():
        value = getattr(config, name)
        given = {item.name: getattr(value, item.name) for item in fields(section)}
        _build_section(section, name, given, "")
    _check_whole(config)
    return config


def render_config(config: NodeConfig) -> str:
    """Return the TOML text that loads as ``config`` (``config show``, ``init``)."""
    lines: list[str] = []
    for name, section in _SECTIONS.items():
        lines.append(f"[{name}]")
        value = getattr(config, name)
        for item in fields(section):
            lines.append(f"{item.name} = {json.dumps(getattr(value, item.name))}")
        lines.append("")
    for peer in config.peers:
        lines += [
            "[[peers]]",
            f"name = {json.dumps(peer.name)}",
            f'public_key = "0x{peer.public_key.hex()}"',
            f"host = {json.dumps(peer.host)}",
            f"port = {peer.port}",
            f"certificate = {json.dumps(peer.certificate)}",
            "",
        ]
    return "\n".join(lines)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise ConfigError("configuration too large", path=str(path))
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            "no configuration: run 'carbonode init' first", path=str(path), code="config-missing"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read: {error}", path=str(path)) from None


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None


def _refuse_unknown(tables: dict[str, Any], text: str) -> None:
    for name, content in tables.items():
        if name == "peers":
            _refuse_unknown_peer_keys(content, text)
            continue
        section = _SECTIONS.get(name)
        if section is None:
            raise ConfigError(
                "unknown table", table=name, line=_find_line(text, name, None), known=[*_SECTIONS]
            )
        if not isinstance(content, dict):
            raise ConfigError("expected a table", table=name, line=_find_line(text, name, None))
        known = [item.name for item in fields(section)]
        for key in content:
            if key not in known:
                line = _find_line(text, name, key)
                raise ConfigError("unknown key", table=name, key=key, line=line, known=known)


def _refuse_unknown_peer_keys(content: object, text: str) -> None:
    if not isinstance(content, list) or len(content) > PEERS_MAX:
        raise ConfigError("peers are written [[peers]]", limit=PEERS_MAX)
    for peer in content:
        if not isinstance(peer, dict):
            raise ConfigError("peers are written [[peers]]")
        for key in peer:
            if key not in _PEER_KEYS:
                line = _find_line(text, "peers", key)
                raise ConfigError(
                    "unknown key", table="peers", key=key, line=line, known=[*_PEER_KEYS]
                )


def _find_line(text: str, table: str, key: str | None) -> int | None:
    """Return the line of ``key`` in ``table``; tomllib keeps no positions."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[{1,2}\s*([^\]\s]+)\s*\]{1,2}", line)
        if header:
            current = header.group(1).strip("\"'")
            if key is None and current.split(".")[0] == table:
                return number
        elif current == table or key is None:
            name = line.partition("=")[0].strip().strip("\"'")
            if name == (key or table) and "=" in line:
                return number
    return None


def _environment_changes(
    environment: Mapping[str, str],
) -> dict[tuple[str, str], tuple[str, str]]:
    changes: dict[tuple[str, str], tuple[str, str]] = {}
    for name, value in sorted(environment.items()):
        table, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("_")
        if name.startswith(ENVIRONMENT_PREFIX) and table in _SECTIONS:
            _require_key(table, key, name)
            changes[table, key] = (value, name)
    return changes


def _flag_changes(flags: Mapping[str, str]) -> dict[tuple[str, str], tuple[str, str]]:
    changes: dict[tuple[str, str], tuple[str, str]] = {}
    for name, value in flags.items():
        table, _, key = name.partition(".")
        _require_key(table, key, name)
        changes[table, key] = (str(value), name)
    return changes


def _require_key(table: str, key: str, source: str) -> None:
    section = _SECTIONS.get(table)
    if section is None or key not in {item.name for item in fields(section)}:
        raise ConfigError("unknown setting", source=source, table=table, key=key)


def _from_text(section: type, key: str, value: str, source: str) -> Any:
    default = next(item.default for item in fields(section) if item.name == key)
    if isinstance(default, bool):
        if value.lower() not in ("true", "false", "1", "0"):
            raise ConfigError("expected true or false", source=source, value=value)
        return value.lower() in ("true", "1")
    if isinstance(default, int):
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise ConfigError("expected an integer", source=source, value=value)
        return int(value)
    return value


def _build_section(section: type[_S], name: str, given: dict[str, Any], text: str) -> _S:
    for item in fields(section):  # type: ignore[arg-type]  # every section is a dataclass
        if item.name not in given:
            continue
        value = given[item.name]
        where = {
            "table": name,
            "key": item.name,
            "value": value,
            "line": _find_line(text, name, item.name),
        }
        if type(value) is not type(item.default):
            raise ConfigError(f"expected {type(item.default).__name__}", **where)
        low, high = item.metadata.get("low"), item.metadata.get("high")
        if low is not None and high is not None and not low <= value <= high:
            raise ConfigError(f"expected {low} to {high}", **where)
        options = item.metadata.get("options")
        if options and value not in options:
            raise ConfigError(f"expected one of {', '.join(options)}", **where)
    return section(**given)


def _build_peers(content: list[dict[str, Any]]) -> tuple[PeerSection, ...]:
    peers: list[PeerSection] = []
    for number, item in enumerate(content, 1):
        missing = [key for key in _PEER_KEYS if key not in item]
        if missing:
            raise ConfigError("a peer lacks a key", peer=number, missing=missing)
        for key in _PEER_KEYS:
            expected = int if key == "port" else str
            if type(item[key]) is not expected:
                raise ConfigError(f"expected {expected.__name__}", peer=number, key=key)
        peers.append(
            PeerSection(
                name=item["name"],
                public_key=_parse_key(item["public_key"], number),
                host=item["host"],
                port=item["port"],
                certificate=_check_certificate(item["certificate"], number),
            )
        )
    return tuple(peers)


def _parse_key(text: str, number: int) -> Address:
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != limits.ADDRESS_BYTES:
        raise ConfigError("public_key is 0x and 64 hex digits", peer=number, value=text[:80])
    return Address(key)


def _check_certificate(text: str, number: int) -> str:
    try:
        size = len(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        size = 0
    if not 0 < size <= CERTIFICATE_BYTES_MAX:
        raise ConfigError("certificate is 0x and the hex of its DER", peer=number, bytes=size)
    return text


def _check_whole(config: NodeConfig) -> None:
    keys = [peer.public_key for peer in config.peers]
    names = [peer.name for peer in config.peers]
    if len(set(keys)) != len(keys) or len(set(names)) != len(names):
        raise ConfigError("two peers share a key or a name")
    for peer in config.peers:
        if not 0 <= peer.port <= 65_535:
            raise ConfigError("port out of range", peer=peer.name, port=peer.port)
    if not config.node.name or len(config.node.name) > limits.NAME_CHARACTERS_MAX:
        raise ConfigError("node.name has 1 to 64 characters", value=config.node.name)
    trusted = config.snapshots
    if bool(trusted.trust_height) != bool(trusted.trust_hash) or not re.fullmatch(
        r"(0x[0-9a-f]{64})?", trusted.trust_hash
    ):
        raise ConfigError(
            "snapshots.trust_height and trust_hash (0x and 64 hex digits) belong together",
            height=trusted.trust_height,
            hash=trusted.trust_hash[:80],
        )
    if config.mempool.sender_transactions_max > config.mempool.transactions_max:
        raise ConfigError(
            "mempool.sender_transactions_max is above mempool.transactions_max",
            sender=config.mempool.sender_transactions_max,
            all=config.mempool.transactions_max,
        )
