"""Subscriptions over real WebSockets: resume without a gap or a repeat."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from tests.unit.tools.fake_node import FakeNode, make_closed, make_next, make_status
from tools.client.client import Client
from tools.client.errors import NodeUnreachable, SubscriptionClosed
from tools.client.transport import RetryPolicy

QUICK = RetryPolicy(rounds_max=2, wait_first_s=0.001, wait_max_s=0.01)


def collect(
    scripts: list[list[dict[str, Any]]], count: int, from_height: int | None = None
) -> tuple[list[str], list[dict[str, Any]]]:
    async def work() -> tuple[list[str], list[dict[str, Any]]]:
        async with FakeNode({"chain_status": lambda params: make_status(height=4)}) as node:
            node.socket_scripts = scripts
            async with Client(node.url, policy=QUICK) as client:
                cursors: list[str] = []
                stream = client.subscribe("events", from_height=from_height)
                async with aclosing(stream):
                    while len(cursors) < count:
                        cursors.append((await anext(stream)).cursor)
                return cursors, node.subscriptions

    return asyncio.run(work())


def test_items_come_in_order_with_their_cursors() -> None:
    cursors, asked = collect([[make_next("5-0", 5), make_next("5-1", 5), make_next("6-0", 6)]], 3)
    assert cursors == ["5-0", "5-1", "6-0"]
    assert asked == [{"topic": "events", "filter": {}, "fromHeight": 5}]


def test_after_a_broken_link_it_goes_on_where_it_stood() -> None:
    cursors, asked = collect(
        [
            [make_next("5-0", 5), make_next("6-0", 6)],
            [make_next("6-0", 6), make_next("6-1", 6), make_next("7-0", 7)],
        ],
        4,
    )
    assert cursors == ["5-0", "6-0", "6-1", "7-0"]
    assert asked[1]["fromHeight"] == 6


def test_a_slow_subscriber_that_was_closed_goes_on() -> None:
    cursors, asked = collect(
        [[make_next("5-0", 5), make_closed("slow")], [make_next("5-0", 5), make_next("5-1", 5)]], 2
    )
    assert cursors == ["5-0", "5-1"]
    assert asked[1]["fromHeight"] == 5


def test_older_items_than_asked_for_are_dropped() -> None:
    cursors, asked = collect([[make_next("2-0", 2), make_next("3-0", 3)]], 1, from_height=3)
    assert cursors == ["3-0"]
    assert asked == [{"topic": "events", "filter": {}, "fromHeight": 3}]


def test_a_break_before_the_first_item_leaves_no_gap() -> None:
    cursors, asked = collect([[], [make_next("5-0", 5)]], 1)
    assert cursors == ["5-0"]
    assert [item["fromHeight"] for item in asked] == [5, 5]


def test_an_end_for_good_is_an_error() -> None:
    with pytest.raises(SubscriptionClosed, match="pruned"):
        collect([[make_next("5-0", 5), make_closed("pruned")]], 2)


def test_no_node_for_a_subscription_is_an_error() -> None:
    async def work() -> None:
        async with Client("127.0.0.1:1", policy=QUICK) as client:
            await anext(client.subscribe("blocks"))

    with pytest.raises(NodeUnreachable):
        asyncio.run(work())
