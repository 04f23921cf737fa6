"""``python -m tests.mutation consensus``: which changes of the code does no test notice?

Verdicts go to ``run/mutation/TARGET.jsonl``; a second run takes up where the first ended:
killed mutants stay killed (``--fresh`` judges them again), survivors are tried again.
``--file votes`` looks at one module, ``--survivors`` only at what lived through the last run,
``--quick`` judges by the first group of tests alone, ``--tests-max 40`` by that many for each
mutant: what they kill is dead, and what they leave is only not dead yet.

Exit code 1 when a mutant survived that ``survivors-TARGET.toml`` does not explain, and when
that file explains one that is no more or that a test kills.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from tests.mutation.judge import Judge
from tests.mutation.mutants import Mutant, find_mutants
from tests.mutation.results import Results, find_stale, read_reasons, summarise
from tests.mutation.targets import ROOT, TARGETS, Target


def choose_files(target: Target, names: Sequence[str]) -> Target:
    """Return the target with the modules of these names only; all of them for none."""
    files = tuple(path for path in target.files if not names or PurePath(path).stem in names)
    if len(files) < len(set(names)):
        raise SystemExit(f"no such module in {target.name}: {', '.join(names)}")
    return replace(target, files=files)


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
    parser.add_argument("--file", action="append", default=[], help="a module; repeatable")
    parser.add_argument("--survivors", action="store_true", help="only what survived last time")
    parser.add_argument("--quick", action="store_true", help="by the first group of tests only")
    parser.add_argument("--tests-max", type=int, help="run at most this many tests for a mutant")
    parser.add_argument("--sample", type=int, help="judge this many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="judge again what was killed before")
    parser.add_argument("--again-explained", action="store_true", help="and what is explained")
    parser.add_argument("--list", action="store_true", help="only list the ids")
    options = parser.parse_args(arguments)
    target = choose_files(TARGETS[options.target], options.file)
    mutants = choose(target, options.only, options.sample, options.seed)
    if options.list:
        print("\n".join(mutant.id for mutant in mutants))
        return 0
    results, reasons = Results(target.name), read_reasons(target.survivors)
    if options.fresh:
        results.file.unlink(missing_ok=True)
    judged = results.read()
    if options.survivors:
        survived = {name for name, verdict in judged.items() if verdict.status == "survived"}
        mutants = [mutant for mutant in mutants if mutant.id in survived]
    due = [
        mutant
        for mutant in mutants
        if mutant.id not in judged or judged[mutant.id].status != "killed"
        if mutant.id not in judged or mutant.id not in reasons or options.again_explained
    ]
    started = time.monotonic()
    if due:
        judge = replace(target, tests=target.tests[:1]) if options.quick else target
        Judge(judge, options.jobs, results, options.tests_max).judge(due)
    table, unexplained = summarise(mutants, results.read(), reasons)
    print(table)
    took = time.monotonic() - started
    print(f"{len(due)} judged in {took:.0f} s ({took / max(len(due), 1):.2f} s each)")
    for item in unexplained:
        print(f"survived: {item}")
    stale = find_stale(target, results.read(), reasons)
    for item in stale:
        print(f"reason for nothing: {item}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
