"""``python -m tools.scenario``: the main job, from an empty folder to a proven certificate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from primitives.errors import CarbonodeError, ProofError
from primitives.keys import PrivateKey
from tools.certificate.build import build_certificate
from tools.cli.mrv import show_trace, show_verdict
from tools.client.client import Client
from tools.client.keyfile import KEY_SUFFIX, generate_key, write_key
from tools.gateway.store import ReadingStore
from tools.light.reader import LightReader
from tools.light.trace import Trace, trace_serial
from tools.localnet.chain import PARTY_KEYS_FOLDER
from tools.localnet.homes import write_text
from tools.localnet.network import Localnet
from tools.mrv.document import ReportTrace, dump_trace
from tools.mrv.gathering import gather
from tools.mrv.readings import CheckedReadings, check_readings
from tools.mrv.recomputing import Recomputation, recompute
from tools.scenario.checks import (
    check_equal_states,
    check_sums,
    verify_offline,
    wait_caught_up,
)
from tools.scenario.display import Display, NodeView, make_display
from tools.scenario.parties import Parties
from tools.scenario.plan import BATCH_PREFIX, PARTIES, SMALL, Plan, Size, make_plan
from tools.scenario.reporting import READINGS_FOLDER, REGULATOR
from tools.scenario.story import Shown, Story

CERTIFICATE_FILE = "certificate.json"
TRACE_FILE = "trace.json"
POLL_S = 0.5
KILLED = 2
"""Number of the validator that is killed, from 0."""
RUN_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Finished:
    """What the end of a run prints."""

    height: int
    state_root: str
    certificate: Path
    verified: dict[str, Any]
    seconds: float
    traced: Traced


@dataclass(frozen=True, slots=True)
class Traced:
    """The first kilogram of the certificate, followed back to the readings behind it."""

    serial: Trace
    report: ReportTrace
    again: Recomputation
    readings: CheckedReadings


async def run(net: Localnet, plan: Plan, display: Display) -> Finished:
    """Tell the whole story on a started network; raises what went wrong."""
    started = time.monotonic()
    keys = _make_keys(net)
    async with net.client() as client, asyncio.TaskGroup() as group:
        watcher = group.create_task(_watch(net, display))
        story = Story(Parties(client, keys, display), plan, net.directory)
        shown = await _tell(net, story)
        display.begin("Four states compared, sums checked", 0)
        height, root = await check_equal_states(net)
        await check_sums(client, plan, story.moved, story.retired_extra)
        display.note(f"state roots of all validators are equal at height {height}")
        file = net.directory / CERTIFICATE_FILE
        verified = await _certify(client, net, shown, file)
        display.note("certificate verified offline, against the genesis alone")
        traced = await _trace(client, net, verified)
        steps = len(traced.serial.steps)
        display.note(f"its first kilogram traced back to its issue: {steps} steps, each proven")
        display.note(
            f"and from there to {traced.readings.readings:,} readings; its report computed again "
            f"offline: {traced.again.grams:,} g, the same"
        )
        watcher.cancel()
    return Finished(height, root, file, verified, time.monotonic() - started, traced)


async def _tell(net: Localnet, story: Story) -> Shown:
    """Registration to retirement; a validator dies in the middle of the trade."""
    await story.register()
    await story.issue()
    await story.sell()
    rounds = range(len(story.plan.rounds))
    middle = len(rounds) // 2
    for number in rounds[:middle]:
        if number == 1:
            await net.kill(KILLED)
            name = net.nodes[KILLED].name
            story.display.note(f"{name} killed (SIGKILL); the others go on", good=False)
        await story.trade(number)
    await net.start(KILLED)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        back = group.create_task(wait_caught_up(net, KILLED))
        back.add_done_callback(lambda task: _note_return(net, story.display, task, began))
        for number in rounds[middle:]:
            await story.trade(number)
    await story.show_refusals()
    await story.trade_day()
    await story.retire()
    return await story.retire_for_customer()


def _note_return(net: Localnet, display: Display, task: asyncio.Task[int], began: float) -> None:
    if not task.cancelled() and task.exception() is None:
        seconds = time.monotonic() - began
        display.note(
            f"{net.nodes[KILLED].name} is back at the tip (height {task.result()}) "
            f"after {seconds:.1f} s"
        )


async def _certify(client: Client, net: Localnet, shown: Shown, file: Path) -> dict[str, Any]:
    document = await build_certificate(client, shown.transaction, shown.number)
    write_text(file, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return await verify_offline(file, net.genesis_path)


async def _trace(client: Client, net: Localnet, verified: dict[str, Any]) -> Traced:
    """Follow the first retired kilogram to its issue, its report and the readings behind it."""
    piece = verified["retirement"]["pieces"][0]
    reader = LightReader(client, net.genesis)
    trace = await trace_serial(reader, piece["batch"], piece["start"])
    kinds = [step.kind for step in trace.steps]
    if kinds[0] != "retire" or kinds[-1] != "issue":
        raise ProofError("the trace does not lead from retirement to issue", kinds=kinds)
    report = await gather(reader, trace.origin["source"].removeprefix(BATCH_PREFIX))
    document = json.dumps(dump_trace(report), indent=2, ensure_ascii=False)
    write_text(net.directory / TRACE_FILE, document + "\n")
    again = recompute(report)
    checked = check_readings(report, ReadingStore(net.directory / READINGS_FOLDER))
    if again.differences or checked.differences or not checked.readings:
        found = [*again.differences, *checked.differences]
        raise ProofError("the report does not come out again", differences=found)
    return Traced(trace, report, again, checked)


async def _watch(net: Localnet, display: Display) -> None:
    """Keep the display's view of the chain up to date, for ever."""
    while True:
        statuses = await net.statuses()
        display.chain.nodes = [
            NodeView(node.name, net.is_running(node.index), status.height if status else None)
            for node, status in zip(net.nodes, statuses, strict=True)
        ]
        tip = max((status for status in statuses if status), key=lambda s: s.height, default=None)
        if tip is not None:
            display.chain.height = tip.height
            display.chain.state_root = tip.state_root or ""
        display.refresh()
        await asyncio.sleep(POLL_S)


def _make_keys(net: Localnet) -> dict[str, PrivateKey]:
    """The parties' keys: random, kept beside the development keys for whoever plays on."""
    keys = {REGULATOR: net.keys[REGULATOR]}
    for party in PARTIES:
        keys[party.organisation] = generate_key()
        path = net.directory / PARTY_KEYS_FOLDER / (party.organisation + KEY_SUFFIX)
        write_key(path, keys[party.organisation], overwrite=True)
    return keys


async def _main(
    directory: Path, validators: int, plan: Plan, plain: bool, leave: bool, console: Console
) -> None:
    console.print(f"Starting {validators} validators in {escape(str(directory))}")
    async with Localnet(directory, validators=validators, fresh=True) as net:
        with make_display(console, plain=plain) as display:
            async with asyncio.timeout(RUN_TIMEOUT_S):
                finished = await run(net, plan, display)
        _print_end(console, net, finished)
        if not leave:
            console.print("\nServing until Ctrl-C.")
            await _wait_for_signal()
            console.print("Stopping.")


async def _wait_for_signal() -> None:
    """Return at Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _print_end(console: Console, net: Localnet, finished: Finished) -> None:
    stated = finished.verified["retirement"]
    genesis = net.genesis_path
    console.print(
        f"\n[bold green]Done[/] in {finished.seconds:.0f} s. Height {finished.height}, "
        f"state root of all validators {finished.state_root}"
    )
    console.print(
        f"Certificate no. {stated['certificate']}: {stated['quantityKg'] / 1000:,.3f} t for "
        f"{stated['beneficiaryName']}, proven offline: {finished.certificate}"
    )
    _print_trace(console, finished.traced)
    console.print("\nTry:")
    serial = stated["pieces"][0]
    traced = f"{serial['batch']} {serial['start']} --genesis {genesis}"
    for line in (
        f"carbonode audit certificate {finished.certificate} --genesis {genesis}",
        f"carbonode --home {net.directory} status",
        f"carbonode --home {net.directory} consensus status --why",
        f"carbonode --home {net.directory} audit trace {traced}",
        f"carbonode --home {net.directory} mrv trace {finished.traced.report.name} "
        f"--readings {net.directory / READINGS_FOLDER} --genesis {genesis}",
        f"carbonode mrv recompute {net.directory / TRACE_FILE} "
        f"--readings {net.directory / READINGS_FOLDER}",
        f"carbonode import acr ISSUANCES.csv RETIREMENTS.csv --localnet {net.directory}",
        f"curl {net.endpoints[0]}/health",
    ):
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
    console.print("RPC: " + " ".join(net.endpoints), soft_wrap=True, highlight=False)


def _print_trace(console: Console, traced: Traced) -> None:
    """One kilogram, from its certificate back to the meter."""
    serial, report = traced.serial, traced.report
    way = " <- ".join(f"{step.kind} {step.taker or step.giver}" for step in serial.steps)
    console.print(f"\n[bold]One kilogram[/]: serial {serial.serial} of {serial.batch}")
    console.print(
        escape(f"  {way} <- report {report.name}, verified by {report.report['verifier']}")
    )
    show_trace(console, report)
    show_verdict(console, report, traced.again, traced.readings)


@click.command()
@click.option("--exit", "leave", is_flag=True, help="End after the run instead of serving on.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("run"),
    show_default=True,
    help="Folder of the network; an earlier run in it is deleted.",
)
@click.option("--validators", type=click.IntRange(4, 16), default=4, show_default=True)
@click.option("--seed", type=int, help="Seed of the plan; random when left out.")
@click.option("--small", is_flag=True, help="The same story with a tenth of the lots.")
@click.option("--plain", is_flag=True, help="Lines instead of live tables.")
def main(
    leave: bool, directory: Path, validators: int, seed: int | None, small: bool, plain: bool
) -> None:
    """Run the life of a forest project's credits on a local network of validators."""
    console = Console(highlight=False)
    chosen = secrets.randbelow(1 << 31) if seed is None else seed
    plan = make_plan(chosen, SMALL if small else Size())
    console.print(f"Seed {chosen}: the same lots and trades again with --seed {chosen}")
    try:
        asyncio.run(_main(directory, validators, plan, plain, leave, console))
    except KeyboardInterrupt:
        sys.exit(130)
    except (CarbonodeError, TimeoutError, OSError, ExceptionGroup) as error:
        _print_failure(console, error, directory)
        sys.exit(1)


def _print_failure(console: Console, error: BaseException, directory: Path) -> None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    console.print(f"[bold red]Failed[/]: {escape(str(error) or type(error).__name__)}")
    console.print(f"The validators' logs: {escape(str(directory))}/validator-*/node.log")


if __name__ == "__main__":
    main()
