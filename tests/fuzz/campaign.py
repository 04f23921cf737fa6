"""Many programs from one seed: both evaluators here, and other interpreters beside.

``python -m tests.fuzz.campaign --count 200000 --seed 1`` (make nightly-vmfuzz). Counts the
contracts that were checked, not the cases. A failure is shrunk and printed with the line that
tests/fuzz/found_cases.py wants, and the command ends with 1.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

from tests.fuzz.bytecode import audit_source
from tests.fuzz.cases import Case, compare, digest, observe
from tests.fuzz.generator.programs import make_case
from tests.fuzz.shrink import shrink
from tests.fuzz.splicer import get_bases, splice
from tests.fuzz.workers import Worker, find_variants
from vm.machine import Machine

BATCH = 50
FAILURES_MAX = 5
AUDITED = 10
"""One program in so many has its bytecode looked at as well."""
SPLICED = 0.5
"""Part of the cases whose sources were cut and sewn."""


def make_cases(seed: int) -> Iterator[tuple[str, Case]]:
    """Endless (label, case), a function of the seed alone."""
    bases = get_bases()
    number = 0
    while True:
        rng = Random(f"{seed}/{number}")
        case, label = make_case(rng.getrandbits(48)), "generated"
        if rng.random() < SPLICED:
            label, base = "spliced", rng.choice(bases) if rng.random() < 0.3 else case
            case = splice(rng, base, rng.choice((case, rng.choice(bases))))
        yield f"{label} {seed}/{number}", case
        number += 1


class Campaign:
    """Runs batches and remembers what failed and what the programs came to."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self.machine = Machine()
        self.outcomes: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.programs = 0
        self.failures: list[tuple[str, str, Case]] = []

    def run_batch(self, batch: list[tuple[str, Case]], far: bool = True) -> None:
        """Run cases on both evaluators here, and if ``far`` on the other interpreters."""
        workers = self.workers if far else []
        for worker in workers:
            worker.ask(case for _, case in batch)
        here = []
        for label, case in batch:
            mine, why = self.look_at(case)
            here.append(mine)
            self.programs += len(case.contracts)
            if why is not None:
                self._fail(label, why, case)
        for worker in workers:
            answers = zip(batch, here, worker.answer(len(batch)), strict=True)
            for (label, case), mine, theirs in answers:
                if mine != theirs:
                    self._fail(label, f"{worker.name}: {theirs}", case)

    def _fail(self, label: str, why: str, case: Case) -> None:
        print(f"failed: {label}: {why}", flush=True)  # at once: a long run may be stopped
        self.failures.append((label, why, case))

    def _audit(self, case: Case) -> list[str]:
        """What the bytecode of a case has that none may have."""
        sources = [source for _, source, _ in case.contracts]
        return [finding for text in sources for finding in audit_source(text, self.operations)]

    def look_at(self, case: Case) -> tuple[str, str | None]:
        """The digest of what this interpreter makes of a case, and what is wrong with it."""
        try:
            seen = observe(case, self.machine)
            self.outcomes.update(row[0] for row in seen[:-1])
            findings = self._audit(case) if self.programs % AUDITED == 0 else []
            return digest(seen), "; ".join(findings) or compare(case, self.machine, seen)
        except Exception as error:
            # Of the VM, the reference or the audit, whatever it is: no program may cause one, so
            # it is what is looked for, and the seed must be printed and the case shrunk.
            why = f"{type(error).__name__}: {error}".replace("\n", " ")
            return why, why

    def fails(self, case: Case) -> bool:
        """Whether a case fails in any way: here, or on another interpreter."""
        mine, why = self.look_at(case)
        if why is not None:
            return True
        for worker in self.workers:
            worker.ask([case])
            if worker.answer(1) != [mine]:
                return True
        return False


def describe(label: str, why: str, case: Case) -> str:
    """A failure as people read it, with the line that makes a named test of it."""
    texts = "\n".join(f"--- {name} {arguments}\n{text}" for name, text, arguments in case.contracts)
    return (
        f"FAILED {label}: {why}\n{texts}\n--- {case.transactions}\n"
        f"For tests/fuzz/found_cases.py:\n    {case.to_line()!a},"
    )


def run(count: int, seed: int, names: list[str], far_every: int = 1) -> Campaign:
    """Check ``count`` programs, one batch in ``far_every`` on the other interpreters too."""
    with ExitStack() as stack:
        campaign = Campaign([stack.enter_context(Worker(name)) for name in names])
        cases = make_cases(seed)
        batches = shown = 0
        while campaign.programs < count and len(campaign.failures) < FAILURES_MAX:
            batch = [next(cases) for _ in range(BATCH)]
            campaign.run_batch(batch, far=batches % far_every == 0)
            batches += 1
            if campaign.programs // 2_000 > shown:
                shown = campaign.programs // 2_000
                print(f"{campaign.programs} programs, {dict(campaign.outcomes)}", flush=True)
        for label, why, case in campaign.failures:
            small = shrink(case, campaign.fails)
            print(describe(label, campaign.look_at(small)[1] or why, small), flush=True)
    return campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    here, absent = find_variants()
    for name in absent:
        print(f"left out, no interpreter (make vm-interpreters): {name}")
    began = time.perf_counter()
    campaign = run(options.count, options.seed, here)
    elapsed = time.perf_counter() - began
    print(
        f"{campaign.programs} programs, seed {options.seed}, on this Python, {', '.join(here)}:"
        f" {len(campaign.failures)} failures, {elapsed:.0f} s, {dict(campaign.outcomes)}"
    )
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
