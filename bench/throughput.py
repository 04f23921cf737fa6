"""How many transactions a second, how soon final, at what cost: real processes, signed load.

    python -m bench.throughput --validators 4 --seconds 60 --calls 1 --json

Starts a fresh local network, gives every load organisation lots of its own, raises the
rate until the network no longer keeps up, then runs at the rate found and at 80 % of
it. Signing happens before each step in worker processes; the load generator's own CPU
is reported beside the validators'. Latency is from the moment a batch is handed to the
HTTP client until a validator announces the block with the transaction, on one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from bench.load import Generator, Group, LotRange, Organisation, Step, Terms, sign_ahead
from bench.machine import (
    UsageMeter,
    calibrate,
    measure_folder,
)
from bench.profiling import ProfiledNode
from bench.report import summarise_latencies, write_results
from primitives.errors import CarbonodeError
from primitives.params import ChainParams
from primitives.transaction import Call
from tools.client.client import Client
from tools.importers.submission import DONE, Item, Outcome, Submission
from tools.localnet.network import Localnet
from tools.provenance import describe_commit, describe_machine
from tools.scenario.checks import check_equal_states

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
ORGANISATIONS = 16
LOTS_PER_BATCH = 500
LOT_KG = 1_000
WINDOW_BLOCKS = 100_000
"""Everything is signed before it is sent: a long run must not outlive its signatures."""
GAS_MARGIN_PERCENT = 130
RAMP_FIRST = 200
RAMP_GROWTH = 1.35
RAMP_STEPS_MAX = 14
MISSES_MAX = 2
KEEPS_UP = 0.92
"""A step keeps up when so much of what is offered becomes final in time."""
LATENCY_MAX_S = 3.0
DRAIN_S = 60.0
WARMUP_S = 3.0
SUSTAINED_SHARE = 0.95
CALM_SECONDS_MAX = 20.0
CALM_SHARE = 0.8
"""The design's latency bars are at 80 % of the peak."""


class BenchError(CarbonodeError):
    """The network did not do what a benchmark needs."""

    code = "bench"


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for. ``rate`` skips the ramp."""

    validators: int
    seconds: float
    calls: int
    lots: int
    step_seconds: float
    rate: float | None
    profile: bool


class Bench:
    """One run against one network."""

    def __init__(self, net: Localnet, options: Options, executor: Executor) -> None:
        self._net = net
        self._options = options
        self._executor = executor
        self._organisations = [
            Organisation(f"enterprise-{number}", net.keys[f"enterprise-{number}"])
            for number in range(1, ORGANISATIONS + 1)
        ]
        self.groups: list[Group] = []

    async def prepare(self, client: Client) -> Terms:
        """Issue every lot, and return what all transactions share."""
        calls = self._options.calls
        items: list[Item] = []
        for number in range(self._options.lots // calls):
            owner = self._organisations[number % ORGANISATIONS].name
            lots = tuple(
                _make_lot(owner, number // ORGANISATIONS * calls + offset)
                for offset in range(calls)
            )
            self.groups.append(Group(number, lots))
            items += [_make_issue(lot, owner) for lot in lots]
        self._say(f"issuing {len(items)} lots to {ORGANISATIONS} organisations")
        issued = 0

        def count(outcome: Outcome) -> None:
            nonlocal issued
            if outcome.status != DONE:
                raise BenchError("a lot was not issued", refusal=outcome.code)
            issued += 1
            if issued % 5_000 == 0:
                self._say(f"  {issued} lots")

        await Submission(client, self._net.keys["registry"], count).run(items)
        gas = await self._measure_gas(client)
        status = await client.status()
        return Terms(status.chain_id, status.height + WINDOW_BLOCKS - 1, gas)

    async def _measure_gas(self, client: Client) -> int:
        """Return the gas limit of one transaction of the load."""
        lot = self.groups[0].lots[0]
        taker = self._organisations[1].name
        call = Call("units", "transfer", (lot.batch, lot.start, lot.end, taker))
        answer = await client.state_call(
            call.contract,
            call.method,
            list(call.arguments),
            sender=self._organisations[0].key.public_key,
        )
        return answer.gas * self._options.calls * GAS_MARGIN_PERCENT // 100 + 5_000

    async def ramp(self, generator: Generator, terms: Terms) -> list[Step]:
        """Raise the rate until the network does not keep up."""
        steps: list[Step] = []
        misses = 0
        rate = RAMP_FIRST / self._options.calls**0.7
        for _ in range(RAMP_STEPS_MAX):
            step = await self.run_step(generator, terms, rate, self._options.step_seconds)
            steps.append(step)
            # One miss may be a moment of the machine's; two in a row are the network's end.
            misses = 0 if keeps_up(step) else misses + 1
            if misses == MISSES_MAX:
                break
            rate *= RAMP_GROWTH
        return steps

    async def run_step(
        self, generator: Generator, terms: Terms, rate: float, seconds: float
    ) -> Step:
        """Run at ``rate``, then wait until nothing is under way."""
        await self.sign(terms, rate, seconds)
        return await self.run_signed(generator, rate, seconds)

    async def run_signed(self, generator: Generator, rate: float, seconds: float) -> Step:
        """The same with what ``sign`` prepared for such a step."""
        step = await generator.run(rate, seconds, WARMUP_S)
        await self._settle(generator, step)
        return step

    async def sign(self, terms: Terms, rate: float, seconds: float) -> None:
        """Sign ahead what a step needs."""
        total = int(rate * (seconds + WARMUP_S) * 1.05)
        await sign_ahead(self.groups, total, self._organisations, terms, self._executor)

    async def _settle(self, generator: Generator, step: Step) -> None:
        drained = await generator.drain(DRAIN_S)
        latency = summarise_latencies(step.latencies)
        self._say(
            f"  offered {step.offered:7.0f}/s  final {step.achieved:7.0f}/s  "
            f"p50 {latency['p50Ms']:6.0f} ms  p95 {latency['p95Ms']:6.0f} ms  "
            f"refused {step.refused}  failed {step.failed}"
            + ("" if drained else f"  NOT DRAINED ({generator.flying} under way)")
        )

    async def sustain(
        self, generator: Generator, terms: Terms, rate: float, seconds: float
    ) -> dict[str, Any]:
        """Run at ``rate`` and measure every process."""
        await self.sign(terms, rate, seconds)
        pids = {"loadGenerator": os.getpid()}
        for node in self._net.nodes:
            pid = self._net.pid(node.index)
            if pid is not None and self._net.is_running(node.index):
                pids[node.name] = pid
        meter = UsageMeter(pids)
        meter.start()
        sampler = asyncio.create_task(meter.sample_forever())
        step = await generator.run(rate, seconds, WARMUP_S)
        usage = meter.stop()
        sampler.cancel()
        await self._settle(generator, step)
        return {
            **self.describe(step),
            "processes": {name: used.to_json() for name, used in usage.items()},
        }

    def describe(self, step: Step) -> dict[str, Any]:
        """Return a step's figures."""
        return {
            "offeredPerSecond": round(step.offered, 1),
            "transactionsPerSecond": round(step.achieved, 1),
            "callsPerSecond": round(step.achieved * self._options.calls, 1),
            "seconds": step.seconds,
            "blocksPerSecond": round(step.blocks / step.seconds, 2),
            "sent": step.sent,
            "refused": step.refused,
            "lastRefusal": step.last_refusal,
            "failed": step.failed,
            "lostPosts": step.lost_posts,
            "starvedTicks": step.starved_ticks,
            "latency": summarise_latencies(step.latencies),
        }

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


async def measure(options: Options, directory: Path) -> dict[str, Any]:
    """Return the whole result of one run in a fresh network in ``directory``."""
    started = datetime.now(UTC)
    params = ChainParams(transaction_window_blocks=WINDOW_BLOCKS)
    others = os.getloadavg()[0]
    before = calibrate()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as executor:
        async with Localnet(
            directory,
            validators=options.validators,
            fresh=True,
            params=params,
            enterprises=ORGANISATIONS,
        ) as net:
            bench = Bench(net, options, executor)
            async with net.client() as client:
                terms = await _while_running(net, bench.prepare(client))
            figures = await _measure_network(net, bench, options, terms)
            height, root = await check_equal_states(net)
            sizes = {node.name: measure_folder(node.home / "data") for node in net.nodes}
    return {
        "benchmark": "throughput",
        "startedAt": started.isoformat(timespec="seconds"),
        "commit": describe_commit(ROOT),
        "machine": {**describe_machine(), "loadAverageBefore": round(others, 2)},
        "setup": {
            "validators": options.validators,
            "callsPerTransaction": options.calls,
            "lots": options.lots,
            "organisations": ORGANISATIONS,
            "gasLimit": terms.gas_limit,
            "call": "units.transfer",
        },
        "calibration": {
            "what": "Ed25519 verifications a second, one thread, machine otherwise idle",
            "verificationsPerSecondBefore": before,
            "verificationsPerSecondAfter": calibrate(),
        },
        **figures,
        "databaseBytes": sizes,
        "height": height,
        "stateRootOfAll": root,
    }


async def _measure_network(
    net: Localnet, bench: Bench, options: Options, terms: Terms
) -> dict[str, Any]:
    # The last node is asked for blocks, so that a profiled first one is loaded like any other.
    async with Generator(net.endpoints[::-1], bench.groups) as generator:
        steps = [] if options.rate else await _while_running(net, bench.ramp(generator, terms))
        peak = options.rate or find_peak(steps)
        rate = peak if options.rate else peak * SUSTAINED_SHARE
        sustained = await bench.sustain(generator, terms, rate, options.seconds)
        calm_s = min(options.seconds, CALM_SECONDS_MAX)
        calm = await bench.sustain(generator, terms, peak * CALM_SHARE, calm_s)
        profile = None
        if options.profile:
            async with ProfiledNode(net, 0) as profiled:
                await bench.run_step(generator, terms, peak * CALM_SHARE, calm_s)
            profile = profiled.result
    return {
        "ramp": [bench.describe(step) for step in steps],
        "peakPerSecond": round(peak, 1),
        "sustained": sustained,
        "at80Percent": calm,
        "profile": profile,
    }


def keeps_up(step: Step) -> bool:
    """Whether what was offered became final, and in time."""
    p95_s = summarise_latencies(step.latencies)["p95Ms"] / 1000
    return step.achieved >= KEEPS_UP * step.offered and p95_s <= LATENCY_MAX_S


def find_peak(steps: Sequence[Step]) -> float:
    """Return the most that became final in a step that kept up; of all when none did.

    A step beyond saturation can show more for a moment, while its backlog drains.
    """
    kept = [step.achieved for step in steps if keeps_up(step)]
    return max(kept or [step.achieved for step in steps])


async def _while_running(net: Localnet, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; raise ChildError as soon as a validator has ended."""

    async def watch() -> None:
        while True:
            net.check_running()
            await asyncio.sleep(1.0)

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        result = await work
        watcher.cancel()
    return result


def _make_lot(owner: str, number: int) -> LotRange:
    """A batch has one receiver, so each organisation has batches of its own."""
    place = number % LOTS_PER_BATCH
    batch = f"BENCH.{owner}.{number // LOTS_PER_BATCH}"
    return LotRange(batch, place * LOT_KG, (place + 1) * LOT_KG)


def _make_issue(lot: LotRange, owner: str) -> Item:
    key = f"{lot.batch}.{lot.start}"
    arguments = ("ACR", lot.batch, "BENCH", 2020, owner, lot.start, lot.end, LOT_KG, 0)
    return Item(
        key,
        Call("units", "issue_imported", (*arguments, bytes(32), "bench.throughput", key)),
    )


def main() -> int:
    """Measure throughput and latency of a local network; write JSON and pictures."""
    asked = _parse_arguments()
    options = Options(
        validators=asked.validators,
        seconds=asked.seconds,
        calls=asked.calls,
        lots=_choose_lots(asked.lots, asked.calls),
        step_seconds=asked.step_seconds,
        rate=asked.rate,
        profile=asked.profile,
    )
    started = time.strftime("%Y%m%d-%H%M%S")
    with tempfile.TemporaryDirectory(prefix="carbonode-bench-") as temporary:
        try:
            document = asyncio.run(measure(options, (asked.directory or Path(temporary)) / "net"))
        except (CarbonodeError, ExceptionGroup) as error:
            print(f"error: {_find_cause(error)}", file=sys.stderr)
            return 1
    name = f"throughput-{options.validators}v-{options.calls}c-{started}"
    for path in write_results(asked.results, name, document):
        print(f"wrote {path}", file=sys.stderr)
    print(json.dumps(document, indent=2) if asked.json else summarise(document))
    return 0


def _find_cause(error: Exception) -> Exception:
    """Return the first error inside groups; one that is not ours is a bug and is raised."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, CarbonodeError):
        raise error
    return error


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=main.__doc__)
    parser.add_argument("--validators", type=int, choices=range(1, 17), default=4, metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the sustained run")
    parser.add_argument("--calls", type=int, choices=range(1, 101), default=1, metavar="N")
    parser.add_argument("--lots", type=int, help="to move; more for higher rates")
    parser.add_argument("--step-seconds", type=float, default=6.0, help="of one rate of the ramp")
    parser.add_argument("--rate", type=float, help="transactions a second; no ramp")
    parser.add_argument("--profile", action="store_true", help="sample one validator under load")
    parser.add_argument("--directory", type=Path, help="of the network; kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print the whole result")
    return parser.parse_args()


def _choose_lots(asked: int | None, calls: int) -> int:
    """Return a multiple of ``calls``; by default enough for seconds of latency at the peak."""
    lots = asked or (8_000 if calls == 1 else min(20_000, 300 * calls))
    return max(lots - lots % calls, calls * ORGANISATIONS)


def summarise(document: dict[str, Any]) -> str:
    """Return the main figures in a few lines."""
    lines = [f"peak of the ramp: {document['peakPerSecond']:,.0f} transactions/s"]
    for name in ("sustained", "at80Percent"):
        figures = document[name]
        latency = figures["latency"]
        lines.append(
            f"{name}: {figures['transactionsPerSecond']:,.0f} transactions/s, "
            f"{figures['callsPerSecond']:,.0f} calls/s, finality p50 {latency['p50Ms']:,.0f} ms, "
            f"p95 {latency['p95Ms']:,.0f} ms, p99 {latency['p99Ms']:,.0f} ms"
        )
        lines += [
            f"  {process}: {used['cpuPercent']:.0f} % of a core, {used['memoryMbMax']:.0f} MB"
            for process, used in figures["processes"].items()
        ]
    before = document["calibration"]["verificationsPerSecondBefore"]
    lines.append(
        f"calibration: {before:,} Ed25519 verifications/s on one core; load average before "
        f"{document['machine']['loadAverageBefore']} (other work on the machine lowers everything)"
    )
    lines.append(f"one state root at height {document['height']}: {document['stateRootOfAll']}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
