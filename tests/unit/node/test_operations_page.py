"""What operators are given agrees with the program: the dashboard and the table of limits."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from node.config import MempoolSection, RpcSection
from node.metrics import Metrics
from p2p.limits import NetworkLimits

DOCS = Path(__file__).parents[3] / "docs"
DASHBOARD: dict[str, Any] = json.loads(
    (DOCS / "grafana-dashboard.json").read_text(encoding="utf-8")
)
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
SECTIONS = {"rpc": RpcSection(), "mempool": MempoolSection()}
SUFFIXES = {
    "gauge": ("",),
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
}
ADDED_BY_PROMETHEUS = {"instance", "le"}


def get_expressions() -> list[str]:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def get_exported() -> dict[str, set[str]]:
    """Return the labels of every series that a node exports, by the series' name."""
    metrics = Metrics()
    labels = {
        item._name: set(item._labelnames)
        for item in vars(metrics).values()
        if hasattr(item, "_labelnames")
    }
    return {
        metric.name + suffix: labels[metric.name]
        for metric in metrics.registry.collect()
        for suffix in SUFFIXES[metric.type]
    }


def test_every_metric_on_the_dashboard_is_exported_and_every_exported_one_is_on_it() -> None:
    exported = get_exported()
    texts = [
        *get_expressions(),
        *(item.get("definition", "") for item in DASHBOARD["templating"]["list"]),
    ]
    named = {name for text in texts for name in re.findall(r"carbonode_\w+", text)}
    assert named <= set(exported)
    plain = {re.sub(r"_(bucket|count|sum)$", "", name) for name in named}
    assert plain == {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported}


def test_the_dashboard_groups_only_by_labels_that_the_metric_has() -> None:
    exported = get_exported()
    for text in get_expressions():
        names = re.findall(r"carbonode_\w+", text)
        for group in re.findall(r"by \(([^)]*)\)", text):
            for label in group.split(", "):
                known = set.union(*(exported[name] for name in names)) | ADDED_BY_PROMETHEUS
                assert label in known, text


def test_panels_have_their_own_numbers_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def read_limits() -> dict[str, int]:
    """Return the rows of the table of limits: name and default."""
    _, _, after = OPERATIONS.partition("## Limits\n")
    table = after.partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| ([0-9 ]+)[^|]*\|", table, re.MULTILINE)
    return {name: int(value.replace(" ", "")) for name, value in rows}


def test_the_table_of_limits_has_every_limit_of_clients_and_pool_with_its_default() -> None:
    limits = read_limits()
    expected = {
        f"{table}.{item.name}": getattr(section, item.name)
        for table, section in SECTIONS.items()
        for item in fields(section)
        if item.metadata.get("high") is not None and not item.name.endswith("port")
    }
    assert {name: limits.get(name) for name in expected} == expected
    settings = {name for name in limits if name.split(".")[0] in SECTIONS}
    assert settings == set(expected)


@pytest.mark.parametrize(
    "name", sorted(name for name in read_limits() if name.split(".")[0] in ("node", "p2p"))
)
def test_a_fixed_limit_has_the_value_that_the_table_says(name: str) -> None:
    module, _, constant = name.rpartition(".")
    if module == "p2p.limits":
        value = getattr(NetworkLimits(), constant)
    else:
        value = getattr(importlib.import_module(module), constant)
    assert value == read_limits()[name]
