"""Computes a traced report again, offline: the methodology's own code on the committed inputs.

The same VM that validators run, on an empty state and without a node. What has to come out are
the chain's grams, line by line; the inputs and lines must be those that the report's row commits
to. Pure: nothing but the trace is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from primitives.transaction import Call
from tools.mrv.document import ReportTrace, TraceError, hash_inputs, hash_lines, read_line
from vm.authoring import CONTRACT_NAME, Bench, parse_sender
from vm.inclusion import compute_code_hash
from vm.outcome import STATUS_OK

GAS_LIMIT = 1_000_000_000
"""A chain allows less: a computation that fitted there fits here."""
GRAMS_PER_KG = 1000


@dataclass(frozen=True, slots=True)
class Recomputation:
    """What came out, and what does not fit the trace: nothing, when the trace is true."""

    grams: int
    gas: int
    differences: tuple[str, ...]


def recompute(trace: ReportTrace) -> Recomputation:
    """Run the code of a trace on its inputs. Raises TraceError where it does not run at all."""
    if compute_code_hash(trace.code.source) != trace.code.code_hash:
        raise TraceError("the source is not that of the methodology's code hash")
    bench = Bench(trace.code.source)
    deployed = bench.deploy(gas_limit=GAS_LIMIT)
    if deployed.status != STATUS_OK:
        raise TraceError("the code does not deploy", status=deployed.status)
    inputs = [item.wire for item in trace.inputs]
    outcome = bench.machine.run_calls(
        bench.overlay, bench.context, bytes(32), parse_sender("reader"),
        [Call(CONTRACT_NAME, "compute", (inputs,))], GAS_LIMIT,
    )  # fmt: skip
    if outcome.status != STATUS_OK:
        raise TraceError("the code refuses these inputs", refusal=outcome.code or outcome.status)
    made = outcome.values[0]
    if not isinstance(made, list) or len(made) != 3 or type(made[0]) is not int:
        raise TraceError("the code gives no computation")
    grams, lines, flags = made
    if not isinstance(lines, list) or not isinstance(flags, list):
        raise TraceError("the code gives no computation")
    found = [*_check_commitments(trace), *_check_result(trace, grams)]
    found += _check_lines(trace, lines)
    found += [f"flag {flag}: not on the chain" for flag in flags if flag not in trace.flags]
    return Recomputation(grams, outcome.gas, tuple(found))


def _check_commitments(trace: ReportTrace) -> list[str]:
    found = []
    if hash_inputs(trace.inputs) != trace.report["inputs_hash"]:
        found.append("the inputs are not those that the report commits to")
    if hash_lines(trace.lines) != trace.report["lines_hash"]:
        found.append("the lines are not those that the report commits to")
    return found + _check_sources(trace)


def _check_sources(trace: ReportTrace) -> list[str]:
    """Runs, factors and activities carry the very number of the input that names them."""
    found = []
    for item in trace.inputs:
        source = trace.sources.get(item.reference, {})
        number = {"batch": "total", "factor": "value", "activity": "value"}.get(
            str(source.get("kind")), ""
        )
        if number and str(source.get(number)) != str(item.value):
            found.append(f"input {item.name}: {item.value}, but {item.reference} says "
                         f"{source.get(number)}")  # fmt: skip
    return found


def _check_result(trace: ReportTrace, grams: int) -> list[str]:
    report, found = trace.report, []
    if grams != report["computed_grams"]:
        found.append(f"computed {report['computed_grams']} g on the chain, {grams} g here")
    if report["status"] != "issued":
        return found
    if report["issued_kg"] != report["verified_grams"] // GRAMS_PER_KG:
        found.append("what was issued is not the verified net in whole kilograms")
    if report["verified_grams"] > report["computed_grams"]:
        found.append("more was verified than computed")
    return found


def _check_lines(trace: ReportTrace, made: list[object]) -> list[str]:
    lines = [read_line(row) for row in made]
    if len(lines) != len(trace.lines):
        return [f"{len(trace.lines)} lines on the chain, {len(lines)} here"]
    return [
        f"line {kept.symbol}: {kept.value} on the chain, {line.value} here"
        for kept, line in zip(trace.lines, lines, strict=True)
        if kept != line
    ]
