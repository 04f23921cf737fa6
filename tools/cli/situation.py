"""Reads a node's answers into a ``Situation`` (see why.py). Decides nothing.

A member that a node leaves out is taken as unknown, so that an older node is still
explained as far as it goes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.cli.facts import LeftView, Situation, ValidatorState
from tools.client.client import Client
from tools.client.results import Json, get_object

TIME_AHEAD = "header-time-ahead"
"""The code with which a block is refused whose time is too far ahead (consensus/rules.py)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one node says of itself, raw."""

    chain: Json
    consensus: Json
    validators: Json
    peers: Json
    mempool: Json


async def ask(client: Client) -> Answers:
    """Return the five answers of one node."""
    return Answers(
        chain=get_object(await client.call("chain_status")),
        consensus=get_object(await client.call("consensus_status")),
        validators=get_object(await client.call("validator_list")),
        peers=get_object(await client.call("net_peers")),
        mempool=get_object(await client.call("mempool_status")),
    )


def get_now_ms() -> int:
    """Return this machine's Unix time."""
    return time.time_ns() // 1_000_000


def read_situation(answers: Answers, now_ms: int | None = None) -> Situation:
    """Return what the answers of one node say; ``now_ms`` is this machine's time."""
    consensus, chain = answers.consensus, answers.chain
    params = chain.get("params")
    params = params if isinstance(params, dict) else {}
    now_ms = get_now_ms() if now_ms is None else now_ms
    age_ms = max(0, now_ms - _integer(chain.get("timeMs"), now_ms))
    groups = _get_groups(consensus)
    clock_ms = _optional(consensus.get("nowMs"))
    coming = answers.validators.get("next")
    coming = coming if isinstance(coming, dict) else {}
    halted = consensus.get("halted")
    return Situation(
        height=_integer(consensus.get("height"), _integer(chain.get("height"), 0) + 1),
        view=_integer(consensus.get("view"), 0),
        phase=str(consensus.get("phase", "unknown")),
        leader=_leader_name(consensus),
        quorum=_integer(answers.validators.get("quorum"), 1),
        validators=_read_validators(answers, groups),
        is_validator=bool(consensus.get("isValidator", False)),
        waiting_transactions=_integer(answers.mempool.get("transactions"), 0),
        syncing=bool(chain.get("syncing", False)),
        halted=str(consensus.get("why") or halted) if halted else None,
        block_age_ms=age_ms,
        timeout_base_ms=_parameter(params, "timeout_base_ms", 1_000),
        empty_block_interval_ms=_parameter(params, "empty_block_interval_ms", 15_000),
        result_groups=_get_result_groups(groups),
        node_says=str(consensus.get("why") or ""),
        role=str(consensus.get("role", "validator")),
        membership=_find_membership(answers),
        watching=str(consensus.get("watching") or ""),
        has_proposal=consensus.get("proposal") is not None,
        has_body=bool(consensus.get("bodyReady", False)),
        refusal=str(consensus.get("refusal") or ""),
        left=_read_left(consensus),
        due_ms_ago=_optional(consensus.get("dueMsAgo")),
        refusals_of_time=_find_refusals_of_time(consensus),
        clock_offset_ms=None if clock_ms is None else clock_ms - now_ms,
        clock_drift_ms=_parameter(params, "clock_drift_ms", 10_000),
        sync_target=_integer(consensus.get("syncTarget"), 0),
        sync_from=_find_name(answers, consensus.get("syncFrom")),
        lacking_version=str(coming.get("lacking") or ""),
        stops_after=_integer(coming.get("afterHeight"), 0),
    )


def _find_membership(answers: Answers) -> str:
    """Return what governance says that the node is."""
    own_key = answers.peers.get("nodeKey")
    for member, rows in (
        ("validator", "validators"),
        ("candidate", "candidates"),
        ("observer", "observers"),
    ):
        if any(item.get("publicKey") == own_key for item in _list(answers.validators, rows)):
            return member
    return "unknown"


def _find_name(answers: Answers, key: Any) -> str:
    """Return how a node is called, its key when nobody says, empty for None."""
    items = [*_list(answers.validators, "validators"), *_list(answers.peers, "items")]
    names = [str(item.get("name")) for item in items if item.get("publicKey") == key]
    return names[0] if names else str(key or "")


def _read_left(consensus: Json) -> tuple[LeftView, ...]:
    return tuple(
        LeftView(
            _integer(item.get("view"), 0), str(item.get("cause")), str(item.get("detail") or "")
        )
        for item in _list(consensus, "departures")
    )


def _find_refusals_of_time(consensus: Json) -> tuple[str, ...]:
    """Return whose blocks of this height were refused for their time, in order, once each."""
    refused: dict[str, None] = {}
    for item in _list(consensus, "departures"):
        if str(item.get("detail", "")).startswith(TIME_AHEAD):
            refused[f"the leader of view {item.get('view')}"] = None
    if str(consensus.get("refusal") or "").startswith(TIME_AHEAD):
        refused[_leader_name(consensus)] = None
    return tuple(refused)


def _read_validators(answers: Answers, groups: list[Json]) -> tuple[ValidatorState, ...]:
    links = {item.get("publicKey"): item for item in _list(answers.peers, "items")}
    claims = {item.get("peer"): item for item in _list(answers.consensus, "peers")}
    own_key = answers.peers.get("nodeKey")
    view_changes = answers.consensus.get("viewChanges")
    view_changes = view_changes if isinstance(view_changes, dict) else {}
    view = answers.consensus.get("view")
    states = []
    for member in _list(answers.validators, "validators"):
        name, key = str(member.get("name")), member.get("publicKey")
        link = links.get(key, {})
        claim = claims.get(name) or claims.get(key) or {}
        error = link.get("lastError") or claim.get("lastError")
        states.append(
            ValidatorState(
                name=name,
                connected=None if key == own_key else bool(member.get("connected")),
                height=_optional(claim.get("height", link.get("height"))),
                view=_optional(claim.get("view")),
                prepared=_voted(groups, "PREPARE", view, name),
                committed=_voted(groups, "COMMIT", view, name),
                last_error=str(error) if error else None,
                silent_ms=_get_silence_ms(claim, link),
                claims=_optional(view_changes.get(name)),
            )
        )
    return tuple(states)


def _get_silence_ms(claim: Json, link: Json) -> int | None:
    """Return for how long a validator said nothing: since its STATUS, else on its link."""
    heard_ms, idle_s = _optional(claim.get("heardMsAgo")), link.get("idleS")
    if heard_ms is None and isinstance(idle_s, int | float):
        return int(idle_s * 1_000)
    return heard_ms


def _get_groups(consensus: Json) -> list[Json]:
    """Return the groups of votes: {phase, view, blockHash, execHash, validators}."""
    return _list(consensus, "votes") or _list(consensus, "groups")


def _get_result_groups(groups: list[Json]) -> tuple[tuple[str, ...], ...]:
    """Return who stands for which result of one block, when there is more than one."""
    by_block: dict[str, dict[str, list[str]]] = {}
    for group in groups:
        if group.get("phase") == "COMMIT":
            results = by_block.setdefault(str(group.get("blockHash")), {})
            names = results.setdefault(str(group.get("execHash")), [])
            names.extend(str(name) for name in _list(group, "validators"))
    for results in by_block.values():
        if len(results) > 1:
            return tuple(tuple(names) for names in results.values())
    return ()


def _voted(groups: list[Json], phase: str, view: Any, name: str) -> bool:
    return any(
        group.get("phase") == phase
        and group.get("view") == view
        and name in _list(group, "validators")
        for group in groups
    )


def _leader_name(consensus: Json) -> str:
    leader = consensus.get("leader")
    if isinstance(leader, dict):
        return str(leader.get("name", "unknown"))
    return str(leader) if leader is not None else "unknown"


def _parameter(params: Mapping[str, Any], name: str, default: int) -> int:
    first, *rest = name.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    return _integer(params.get(name, params.get(camel)), default)


def _list(document: Json, name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []


def _integer(value: Any, default: int) -> int:
    found = _optional(value)
    return default if found is None else found


def _optional(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if type(value) is int else None
