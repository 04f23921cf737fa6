"""Chaos against a local network of real processes.

    python -m tools.chaos --seconds 600 --seed 7 --validators 4

Prints each fault with what it cost and, at the end, a table; writes everything to a JSON
file. Exit code 0: every promise was kept. 1: one was broken (something lost, repeated or
different, a chain or node that did not come back), or the bar for the death of a leader
was missed. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from primitives.errors import CarbonodeError
from tools.chaos.report import is_bar_met, make_document, print_result
from tools.chaos.run import Options, Result, get_load_average, run_chaos, say_on_stderr
from tools.chaos.schedule import FaultKind
from tools.provenance import describe_commit, describe_machine

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("run") / "chaos"
WIDTH_PIPED = 160
"""Columns when nobody looks: a file or a pipe has no edge to fold at."""


def main() -> int:
    """Run chaos as asked; return the exit code."""
    asked = _parse_arguments()
    options = Options(
        seconds=asked.seconds,
        seed=asked.seed if asked.seed is not None else secrets.randbelow(1 << 32),
        validators=asked.validators,
        rate=asked.rate,
        kinds=tuple(FaultKind[name] for name in asked.faults) or tuple(FaultKind),
        use_limit=asked.disk == "limit",
    )
    started = datetime.now(UTC)
    say_on_stderr(f"seed {options.seed}")
    busy = get_load_average()
    with tempfile.TemporaryDirectory(prefix="carbonode-chaos-") as temporary:
        try:
            result = asyncio.run(
                run_chaos(options, (asked.directory or Path(temporary)) / "net", say_on_stderr)
            )
        except* CarbonodeError as group:
            result = _explain(group, options)
    provenance = {
        "startedAt": started.isoformat(timespec="seconds"),
        "commit": describe_commit(ROOT),
        "machine": {
            **describe_machine(),
            "loadAverageBefore": round(busy, 2),
            "loadAverageAfter": round(get_load_average(), 2),
        },
    }
    path = asked.json or RESULTS / f"chaos-{started:%Y%m%d-%H%M%S}-{options.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(make_document(result, provenance), indent=2) + "\n", "utf-8")
    width = None if sys.stdout.isatty() else WIDTH_PIPED
    print_result(Console(highlight=False, width=width), result)
    print(f"wrote {path}")
    return 1 if result.breaches or is_bar_met(result) is False else 0


def _explain(group: BaseExceptionGroup[CarbonodeError], options: Options) -> Result:
    """Return a result that says what ended the run."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    result = Result(options)
    result.breaches.append(f"the run ended: {error}")
    return result


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of faults")
    parser.add_argument("--seed", type=int, help="of the schedule; printed when left out")
    parser.add_argument("--validators", type=int, choices=range(4, 17), default=4, metavar="N")
    parser.add_argument("--rate", type=float, default=40.0, help="transactions a second")
    parser.add_argument(
        "--faults", nargs="*", default=[], choices=[kind.name for kind in FaultKind], metavar="KIND"
    )
    parser.add_argument("--disk", choices=("auto", "limit"), default="auto", help="full disk by")
    parser.add_argument("--directory", type=Path, help="of the network; kept")
    parser.add_argument("--json", type=Path, help=f"result file (default: in {RESULTS})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
