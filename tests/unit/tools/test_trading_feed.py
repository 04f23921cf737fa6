"""The feed over a real WebSocket to a scripted node: snapshots again where events do not fit."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from tests.unit.tools.fake_node import FakeNode, make_closed, make_next, make_status
from tools.client.client import Client
from tools.client.errors import SubscriptionClosed
from tools.client.transport import RetryPolicy
from tools.trading.book import OutOfStep
from tools.trading.feed import RESYNCS_MAX, Update, follow

QUICK = RetryPolicy(rounds_max=2, wait_first_s=0.001, wait_max_s=0.01)


def make_event(height: int, index: int, name: str, **fields: Any) -> dict[str, Any]:
    message = make_next(f"{height}-{index}", height)
    message["params"]["item"] |= {"contract": "market", "name": name, "fields": fields}
    return message


def make_trade(height: int, maker: int, trade: int = 1) -> dict[str, Any]:
    fields = {"book": "b", "trade": trade, "price": 600_000, "quantity_kg": 4, "amount": 2400}
    return make_event(height, 0, "Traded", **fields, maker=maker, taker=9)


def collect(
    scripts: list[list[dict[str, Any]]], count: int, streams: tuple[str, ...] = ("book", "trades")
) -> tuple[list[Update], list[dict[str, Any]]]:
    """The first ``count`` updates; each snapshot has one sale of 10 kg, order 1, at height 5."""

    def state_call(params: dict[str, Any]) -> Any:
        value: Any = {"last_price": 0, "trades": 0, "volume_kg": 0, "halted": False}
        if params["method"] == "list_resting":
            sale = {"order": 1, "price": 600_000, "left_kg": 10}
            value = [sale] if params["arguments"][1] == "sell" else []
        return {"value": value, "gas": 1, "events": [], "height": 5}

    async def work() -> tuple[list[Update], list[dict[str, Any]]]:
        methods = {"chain_status": lambda params: make_status(height=5), "state_call": state_call}
        async with FakeNode(methods) as node:
            node.socket_scripts = scripts
            async with Client(node.url, policy=QUICK) as client:
                updates: list[Update] = []
                feed = follow(client, "b", streams)
                async with aclosing(feed):
                    while len(updates) < count:
                        updates.append(await anext(feed))
                return updates, node.subscriptions

    return asyncio.run(work())


def test_a_snapshot_comes_first_and_then_each_change_as_decimals() -> None:
    updates, asked = collect([[make_trade(6, maker=1)]], 3)
    assert [update.to_json() for update in updates[:2]] == [
        {
            "sequence": 1, "height": 5, "kind": "snapshot", "book": "b", "bids": [],
            "asks": [{"price": "60.0000", "kilograms": 10}],
        },
        {
            "sequence": 2, "height": 6, "kind": "level", "side": "sell", "price": "60.0000",
            "kilograms": 6,
        },
    ]  # fmt: skip
    assert (updates[2].kind, updates[2].data["amount"]) == ("trade", "0.2400")
    assert asked == [{"topic": "events", "filter": {"contract": "market"}, "fromHeight": 6}]


def test_only_the_streams_that_were_asked_for() -> None:
    updates, _ = collect([[make_trade(6, maker=1)]], 2, ("ticker",))
    assert set(updates[0].data) == {"book", "ticker"}
    assert (updates[1].kind, updates[1].data["lastPrice"]) == ("ticker", "60.0000")


@pytest.mark.parametrize("missing", [make_trade(6, maker=7), make_trade(6, maker=1, trade=2)])
def test_what_does_not_fit_makes_a_new_snapshot(missing: dict[str, Any]) -> None:
    updates, asked = collect([[missing], [make_trade(6, maker=1)]], 3, ("trades",))
    assert [update.kind for update in updates] == ["snapshot", "snapshot", "trade"]
    assert [update.sequence for update in updates] == [1, 2, 3] and len(asked) == 2


def test_what_was_pruned_makes_a_new_snapshot() -> None:
    updates, _ = collect([[make_closed("pruned")], [make_trade(6, maker=1)]], 3)
    assert [update.kind for update in updates] == ["snapshot", "snapshot", "level"]


def test_a_broken_link_makes_no_new_snapshot() -> None:
    scripts = [[make_trade(6, maker=1)], [make_trade(6, maker=1), make_trade(7, maker=1, trade=2)]]
    updates, _ = collect(scripts, 4, ("trades", "ticker"))
    kinds = [update.kind for update in updates]
    assert kinds == ["snapshot", "trade", "ticker", "trade"]


@pytest.mark.parametrize(
    ("script", "error"),
    [([make_trade(6, maker=7)], OutOfStep), ([make_closed("pruned")], SubscriptionClosed)],
)
def test_snapshots_that_never_help_end_the_feed(
    script: list[dict[str, Any]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        collect([script] * (RESYNCS_MAX + 2), RESYNCS_MAX + 2)
