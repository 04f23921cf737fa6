"""``python -m tests.mutation consensus``: which changes of the code does no test notice?

Verdicts go to ``run/mutation/TARGET.jsonl``; a second run takes up where the first ended:
killed mutants stay killed (``--fresh`` judges them again), survivors are tried again.
Exit code 1 when a mutant survived that ``survivors-TARGET.toml`` does not explain.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence

from tests.mutation.judge import Judge
from tests.mutation.mutants import Mutant, find_mutants
from tests.mutation.results import Results, read_reasons, summarise
from tests.mutation.targets import ROOT, TARGETS, Target


def choose(target: Target, only: Sequence[str], sample: int | None, seed: int) -> list[Mutant]:
    """Return the mutants whose ids hold one of ``only``, or a sample of them."""
    mutants = [mutant for path in target.files for mutant in find_mutants(ROOT, path)]
    if only:
        mutants = [mutant for mutant in mutants if any(text in mutant.id for text in only)]
    if sample is not None and sample < len(mutants):
        keep = set(random.Random(seed).sample(range(len(mutants)), sample))
        mutants = [mutant for number, mutant in enumerate(mutants) if number in keep]
    return mutants


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--only", action="append", default=[], help="part of an id; repeatable")
    parser.add_argument("--sample", type=int, help="judge this many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="judge again what was killed before")
    parser.add_argument("--again-explained", action="store_true", help="and what is explained")
    parser.add_argument("--list", action="store_true", help="only list the ids")
    options = parser.parse_args(arguments)
    target = TARGETS[options.target]
    mutants = choose(target, options.only, options.sample, options.seed)
    if options.list:
        print("\n".join(mutant.id for mutant in mutants))
        return 0
    results, reasons = Results(target.name), read_reasons(target.survivors)
    if options.fresh:
        results.file.unlink(missing_ok=True)
    judged = results.read()
    due = [
        mutant
        for mutant in mutants
        if mutant.id not in judged or judged[mutant.id].status != "killed"
        if mutant.id not in judged or mutant.id not in reasons or options.again_explained
    ]
    started = time.monotonic()
    if due:
        Judge(target, options.jobs, results).judge(due)
    table, unexplained = summarise(mutants, results.read(), reasons)
    print(table)
    took = time.monotonic() - started
    print(f"{len(due)} judged in {took:.0f} s ({took / max(len(due), 1):.2f} s each)")
    for item in unexplained:
        print(f"survived: {item}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main())
