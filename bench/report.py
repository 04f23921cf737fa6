"""Figures from samples, and the files that keep them: JSON for programs, a picture for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

PERCENTILES = (50, 90, 95, 99)


def compute_percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of ascending samples, by linear interpolation; 0 of nothing."""
    if not ordered:
        return 0.0
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def summarise_latencies(seconds: Sequence[float]) -> dict[str, float]:
    """Return count, mean, percentiles and maximum in milliseconds."""
    ordered = sorted(seconds)
    mean = sum(ordered) / len(ordered) if ordered else 0.0
    return {
        "samples": len(ordered),
        "meanMs": round(mean * 1000, 1),
        **{f"p{p}Ms": round(compute_percentile(ordered, p) * 1000, 1) for p in PERCENTILES},
        "maxMs": round(ordered[-1] * 1000, 1) if ordered else 0.0,
    }


def write_results(folder: Path, name: str, document: Mapping[str, Any]) -> list[Path]:
    """Write JSON, PNG and SVG; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    pictures = [folder / f"{name}.png", folder / f"{name}.svg"]
    _draw(document, pictures)
    return [path, *pictures]


def _draw(document: Mapping[str, Any], paths: Sequence[Path]) -> None:
    """Lines follow the ramp from rate to rate; stars are the sustained runs."""
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for percent, colour in (("p50Ms", "tab:green"), ("p95Ms", "tab:orange"), ("p99Ms", "tab:red")):
        ramp, single = document["ramp"], [document["at80Percent"], document["sustained"]]
        axes.plot(*_get_points(ramp, percent), marker="o", color=colour, label=percent[:-2])
        axes.plot(*_get_points(single, percent), marker="*", color=colour, ls="none", ms=12)
    setup, machine = document["setup"], document["machine"]
    axes.set_xlabel("final transactions a second")
    axes.set_ylabel("submission to finality, ms")
    axes.set_yscale("log")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    axes.set_title(
        f"{setup['validators']} validators, {setup['callsPerTransaction']} call(s) a transaction, "
        f"{machine['cores']} cores\n{document['commit']['id'][:12]}, "
        f"{document['calibration']['verificationsPerSecondBefore']:,} verifications/s on one core",
        fontsize=10,
    )
    figure.tight_layout()
    for path in paths:
        figure.savefig(path)
    pyplot.close(figure)


def _get_points(
    steps: Sequence[Mapping[str, Any]], percent: str
) -> tuple[list[float], list[float]]:
    """Return rates and latencies."""
    return (
        [step["transactionsPerSecond"] for step in steps],
        [step["latency"][percent] for step in steps],
    )


def draw_gas(document: Mapping[str, Any], path: Path) -> None:
    """Draw every operation of bench/gas.py by its price's worth, the bar and the median."""
    rows = document["rows"]
    median, bar = document["medianNsPerGas"], document["bar"]
    figure, axes = pyplot.subplots(figsize=(9, 6))
    places = range(len(rows))
    axes.vlines(
        places,
        [max(row["nsPerGasLow"], 0.01) for row in rows],
        [row["nsPerGasHigh"] for row in rows],
        color="tab:blue",
        alpha=0.35,
    )
    axes.plot(places, [max(row["nsPerGas"], 0.01) for row in rows], ".", color="tab:blue", ms=3)
    axes.axhline(median, color="tab:green", label=f"median {median:.2f} ns a unit")
    axes.axhline(bar * median, color="tab:red", label=f"{bar:g} medians: the bar")
    axes.set_yscale("log")
    axes.set_xlabel("operations, dearest for their price first")
    axes.set_ylabel("CPU nanoseconds for a unit of gas, least to most of all rounds")
    axes.set_title(
        f"{len(rows)} operations, {len(document['over'])} over the bar; "
        f"{document['commit']['id'][:12]}, CPython {document['machine']['python']}",
        fontsize=10,
    )
    axes.legend()
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_state_tree(document: Mapping[str, Any], path: Path) -> None:
    """Draw bench/statetree.py: cost per updated key by size, and what the state weighs."""
    rows = document["results"]
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(14, 4.5))
    for levels in sorted({row["levels"] for row in rows}):
        own = [row for row in rows if row["levels"] == levels]
        keys = [row["keys"] for row in own]
        label = f"{levels} levels"
        ratios = [row["computePerVerification"] for row in own]
        left.errorbar(
            keys,
            ratios,
            yerr=[
                [row["computePerVerification"] - row["computePerVerificationLow"] for row in own],
                [row["computePerVerificationHigh"] - row["computePerVerification"] for row in own],
            ],
            marker="o",
            capsize=3,
            label=label,
        )
        middle.plot(keys, [row["proofBytes"] / 1024 for row in own], marker="o", label=label)
        right.plot(keys, [row["databaseMiB"] for row in own], marker="o", label=f"disk, {label}")
        memory = [row["memoryMiB"] for row in own]
        right.plot(keys, memory, marker="s", ls="--", label=f"memory, {label}")
    for keys_text, bar in document["bars"].items():
        left.hlines(bar, int(keys_text) / 1.6, int(keys_text) * 1.6, color="tab:red")
    left.set_ylabel("cost of one updated key / one Ed25519 verification")
    left.set_ylim(bottom=0)
    middle.set_ylabel("proof, KiB (median)")
    middle.set_ylim(bottom=0)
    right.set_ylabel("MiB")
    right.set_yscale("log")
    for axes in (left, middle, right):
        axes.set_xscale("log")
        axes.set_xlabel("keys in the state")
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(
        f"State tree, updates spread evenly; red: the bars; {document['commit']['id'][:12]}",
        fontsize=10,
    )
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def draw_pruned(document: Mapping[str, Any], path: Path) -> None:
    """Draw bench/pruned.py: the database and what it keeps, and their ratio, by height."""
    samples = document["samples"]
    heights = [item["height"] for item in samples]
    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(8, 7), sharex=True)
    whole = [item["chainMiB"] + item["indexMiB"] for item in samples]
    upper.plot(heights, whole, marker=".", label="database on disk (chain and indexes)")
    content = [item["contentMiB"] for item in samples]
    upper.plot(heights, content, marker=".", label="a fresh, compacted copy of its rows")
    upper.set_ylabel("MiB")
    lower.plot(heights, [item["ratio"] for item in samples], marker=".", color="tab:green")
    lower.axhline(document["bar"], color="tab:red", label="the bar")
    lower.set_ylabel("ratio")
    lower.set_xlabel("height")
    for axes in (upper, lower):
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    setup = document["setup"]
    figure.suptitle(
        f"Pruned node: {setup['keep']} blocks of {setup['transactions']} transactions kept, "
        f"{document['commit']['id'][:12]}",
        fontsize=10,
    )
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
