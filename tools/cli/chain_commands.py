"""``carbonode status``, ``peers``, ``consensus status``: how nodes and the chain fare."""

from __future__ import annotations

import asyncio
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from tools.cli.down import explain_down, read_down_nodes
from tools.cli.render import format_time, shorten, show_pairs, show_rows
from tools.cli.session import ExitCode, Session, pass_session
from tools.cli.situation import Answers, ask, read_situation
from tools.cli.why import Explanation, Verdict, explain
from tools.client.errors import NodeUnreachable, RpcError
from tools.client.results import Json, get_object

_COLUMNS = ("node", "height", "syncing", "time", "state root", "validator", "version", "problem")
_GOOD = (Verdict.MOVING, Verdict.IDLE)


@click.command()
@pass_session
def status(session: Session) -> None:
    """Show where each node stands (all of a local network, or those of --node).

    Exit code 3 when none answers.
    """
    endpoints = session.get_endpoints()
    found = asyncio.run(_ask_all(session, endpoints))
    rows = [
        {"node": endpoint, **(answer if isinstance(answer, dict) else {"problem": answer})}
        for endpoint, answer in zip(endpoints, found, strict=True)
    ]

    def show(console: Console) -> None:
        if len(rows) == 1 and "problem" not in rows[0]:
            shown = {**rows[0], "time": format_time(rows[0].get("timeMs"))}
            show_pairs(console, "Node", shown)
            return
        show_rows(console, _COLUMNS, [_shorten_row(row) for row in rows])

    session.emit({"nodes": rows}, show)
    if all("problem" in row for row in rows):
        raise NodeUnreachable("no node answers", endpoints=endpoints)


@click.command()
@pass_session
def peers(session: Session) -> None:
    """Show a node's links: state, direction, traffic, last error."""
    document: Any = session.run(lambda client: client.call("net_peers"))
    items = document.get("items", [])
    columns = ("name", "state", "direction", "address", "height", "roundTripMs", "lastError")
    session.emit(document, lambda console: show_rows(console, columns, items))


@click.group()
def consensus() -> None:
    """Look into consensus."""


@consensus.command("status")
@click.option("--why", is_flag=True, help="Explain in words why the chain stands still.")
@pass_session
def consensus_status(session: Session, why: bool) -> None:
    """Show height, view, phase, votes, timers; with --why the cause, in words.

    With --why the exit code is 0 when the chain moves or is idle, 1 when something is
    wrong, 3 when no node answers (then its log and disk are looked at, if they are here).
    """
    if not why:
        document: Any = session.run(lambda client: client.call("consensus_status"))
        session.emit(document, lambda console: show_pairs(console, "Consensus", document))
        return
    consensus_answer: Json = {}
    try:
        answers: Answers = session.run(ask)
        consensus_answer = answers.consensus
        explanation = explain(read_situation(answers))
    except NodeUnreachable as error:
        explanation = _explain_unreachable(session, error)

    def show(console: Console) -> None:
        _show_explanation(console, explanation)

    session.emit(
        {
            "verdict": explanation.verdict.value,
            "sentences": list(explanation.sentences),
            "consensus": consensus_answer,
        },
        show,
    )
    if explanation.verdict is Verdict.UNREACHABLE:
        click.get_current_context().exit(ExitCode.UNREACHABLE)
    if explanation.verdict not in _GOOD:
        click.get_current_context().exit(ExitCode.FAILURE)


def _explain_unreachable(session: Session, error: NodeUnreachable) -> Explanation:
    reasons = error.values_seen.get("endpoints")
    if not isinstance(reasons, dict):
        reasons = {", ".join(session.get_endpoints()): str(error)}
    # With --node the home folder may be any other node's.
    return explain_down(reasons, [] if session.nodes else read_down_nodes(session.home))


@consensus.command("views")
@click.option("--last", type=click.IntRange(1, 256), default=20, show_default=True)
@pass_session
def consensus_views(session: Session, last: int) -> None:
    """Show the last heights that needed more than one view: whom they passed over, and why.

    In the memory of the node asked, so none from before its start.
    """
    document: Any = session.run(lambda client: client.call("consensus_views", last=last))
    rows = [_show_views(item) for item in document.get("items", [])]
    session.emit(
        document, lambda console: show_rows(console, ("height", "views", "ms", "passed"), rows)
    )


def _show_views(item: Json) -> dict[str, Any]:
    passed = [
        f"{view['leader']} ({view['cause']}{': ' if view['detail'] else ''}{view['detail']})"
        for view in item.get("passed", [])
    ]
    return {
        "height": item.get("height"),
        "views": item.get("views"),
        "ms": item.get("tookMs"),
        "passed": ", ".join(passed),
    }


async def _ask_all(session: Session, endpoints: list[str]) -> list[Json | str]:
    async def ask_one(endpoint: str) -> Json | str:
        try:
            async with session.make_client(endpoint) as client:
                return get_object(await client.call("chain_status"))
        except NodeUnreachable as error:
            reasons = error.values_seen.get("endpoints")
            return next(iter(reasons.values())) if isinstance(reasons, dict) else str(error)
        except RpcError as error:
            return str(error)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_one(endpoint)) for endpoint in endpoints]
    return [task.result() for task in tasks]


def _shorten_row(row: Json) -> dict[str, Any]:
    return {
        "node": row["node"],
        "height": row.get("height"),
        "syncing": row.get("syncing"),
        "time": format_time(row.get("timeMs")),
        "state root": shorten(row.get("stateRoot"), 18),
        "validator": row.get("isValidator"),
        "version": row.get("version"),
        "problem": row.get("problem"),
    }


def _show_explanation(console: Console, explanation: Explanation) -> None:
    colour = "green" if explanation.verdict in _GOOD else "red"
    console.print(f"[{colour} bold]{explanation.verdict.value}")
    for sentence in explanation.sentences:
        console.print(escape(sentence), soft_wrap=True)
