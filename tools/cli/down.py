"""Why no node answers, as far as its home folder on this machine tells.

A node that has ended says why in its last words: a line ``carbonode: CODE: reason`` on
standard error, ``the node stops`` in its log. Reads files, changes nothing.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node.config import CONFIG_FILE, ConfigError, load_config
from tools.cli.facts import Explanation, Verdict
from tools.localnet.network import LOG_FILE, SUMMARY_FILE

TAIL_BYTES = 64 * 1024
FREE_BYTES_MIN = 256 * 1024 * 1024
WORDS_MAX = 300
_SAID = re.compile(r"carbonode: ([a-z][a-zA-Z0-9-]*): (.*)")
_STOPS = re.compile(r"the node stops.*?reason[=\": ]+([a-zA-Z][a-zA-Z0-9-]*)(.*)")
_STARTED = re.compile(r": started |\"message\": \"started\"|node: stopped|\"message\": \"stopped\"")
_ADVICE: Mapping[str, str] = {
    "disk-full": "Free space on its disk and start it again: nothing was half written.",
    "halted": "It computed something else than a quorum: keep its folder and log, report it, "
    "and do not just restart it.",
    "divergence": "It computed something else than a quorum: keep its folder and log, report it, "
    "and do not just restart it.",
    "version-too-old": "Install a program that knows the version named and start it again.",
    "database-corrupted": "See 'Errors that name themselves' in docs/operations.md.",
    "signer-record-damaged": "See 'The home folder' in docs/operations.md.",
    "database-locked": "Another process has its folder open.",
    "storage": "Look at its disk: dmesg, SMART, mount options.",
    "listen": "Its port is taken, or its address is not this machine's.",
    "config": "Correct what the line names: carbonode config validate.",
}


@dataclass(frozen=True, slots=True)
class DownNode:
    """A home folder and what it tells: ``code`` and ``words`` are the node's last ones."""

    name: str
    home: str
    code: str = ""
    words: str = ""
    free_bytes: int | None = None


def explain_down(reasons: Mapping[str, str], nodes: Sequence[DownNode]) -> Explanation:
    """Return why nobody answers. ``reasons`` are the errors by endpoint. Pure."""
    sentences = [
        f"Not reachable: no node answers at {endpoint} ({reason})."
        for endpoint, reason in reasons.items()
    ]
    for node in nodes:
        if node.code:
            sentences.append(f"{node.name} stopped: {node.code}: {node.words}".rstrip(": ") + ".")
            advice = _ADVICE.get(node.code)
            if advice:
                sentences.append(advice)
        else:
            sentences.append(
                f"{node.name} left no last words in its log: if its process is gone it was killed "
                "from outside (kill -9, out of memory: dmesg), else it hangs or is not this "
                "machine's."
            )
        if node.free_bytes is not None and node.free_bytes < FREE_BYTES_MIN:
            sentences.append(
                f"Its disk is almost full: {node.free_bytes // (1 << 20)} MB are free at "
                f"{node.home}."
            )
    if not nodes:
        sentences.append(
            "Look on its machine: does the process run, what is the end of its log, has its disk "
            "room, and is its rpc.port the one asked? 'carbonode --home HOME doctor' checks them."
        )
    return Explanation(Verdict.UNREACHABLE, tuple(sentences))


def read_down_nodes(home: Path) -> list[DownNode]:
    """Return what the node in ``home`` tells, or each node of a local network there."""
    summary = home / SUMMARY_FILE
    if summary.exists():
        try:
            listed = json.loads(summary.read_text("utf-8")).get("nodes", [])
            return [_read_node(Path(str(item["home"]))) for item in listed]
        except (ValueError, KeyError, TypeError, AttributeError):
            return []
    return [_read_node(home)] if (home / CONFIG_FILE).exists() else []


def _read_node(home: Path) -> DownNode:
    code, words = find_last_words(_read_tail(_find_log(home)))
    try:
        free: int | None = shutil.disk_usage(home / "data").free
    except OSError:
        free = None
    return DownNode(home.name, str(home), code, words, free)


def _find_log(home: Path) -> Path:
    try:
        config = load_config(home, {})
    except ConfigError:
        return home / LOG_FILE
    return home / (config.log.file or LOG_FILE)


def _read_tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def find_last_words(log: str) -> tuple[str, str]:
    """Return code and reason with which the last run ended by itself; empty when it did not."""
    for line in reversed(log.splitlines()):
        said = _SAID.search(line) or _STOPS.search(line)
        if said is not None:
            words = said.group(2).strip(' ,"')
            return said.group(1), words[:WORDS_MAX]
        if _STARTED.search(line):
            return "", ""
    return "", ""
