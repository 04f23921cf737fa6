"""event_subscribe: blocks, transactions and events as they become final, or from the past.

A subscriber reads blocks at its own pace: nobody queues items for it. One that takes
nothing for too long, or had reached the tip and falls back too far, is closed with a
reason and a cursor to go on from; consensus never hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from node.config import RpcSection
from node.notify import CommittedBlock
from node.parts import Parts
from node.rpc.blocks import BlockReader, compute_cost
from node.rpc.errors import ErrorNumber, RpcError, invalid_params, not_found
from node.rpc.ratelimit import Client
from node.rpc.render import to_hex, to_integer
from node.rpc.views import Views
from primitives.block import EVENT, RECEIPT

SendNotification = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Sends (method, params) to the client; may wait for it."""

REASON_SLOW = "slow"
REASON_LAGGING = "lagging"
SUBSCRIPTIONS = "subscriptions"
CLIENT_SUBSCRIPTIONS_SHARE = 2
"""One client has at most this part (half) of all subscriptions."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client follows."""

    topic: str
    filter: dict[str, Any]
    from_height: int | None


@dataclass(frozen=True, slots=True)
class Shared:
    """What the subscriptions of all connections share."""

    parts: Parts
    blocks: BlockReader
    views: Views
    counter: SubscriptionCounter


class Subscriptions:
    """The subscriptions of one WebSocket connection."""

    def __init__(self, shared: Shared, client: Client, send: SendNotification) -> None:
        self._parts = shared.parts
        self._blocks = shared.blocks
        self._views = shared.views
        self._counter = shared.counter
        self._client = client
        self._send = send
        self._limits: RpcSection = shared.parts.config.rpc
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def subscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        """Begin a subscription; its first notification follows this answer."""
        if len(self._tasks) >= self._limits.connection_subscriptions_max:
            raise RpcError(
                ErrorNumber.RATE_LIMITED,
                f"at most {self._limits.connection_subscriptions_max} on one connection",
            )
        wish = _make_wish(params)
        share = max(self._limits.subscriptions_max // CLIENT_SUBSCRIPTIONS_SHARE, 1)
        self._client.take(SUBSCRIPTIONS, 1, share)
        try:
            subscription = self._counter.open(self._limits.subscriptions_max)
        except RpcError:
            self._client.give_back(SUBSCRIPTIONS, 1)
            raise
        self._parts.metrics.subscribers.set(self._counter.count)
        task = asyncio.create_task(self._run(subscription, wish))
        self._tasks[subscription] = task
        task.add_done_callback(lambda _: self._end(subscription))
        return {"subscription": subscription}

    async def unsubscribe(self, params: dict[str, Any]) -> dict[str, Any]:
        """End a subscription of this connection."""
        task = self._tasks.get(params["subscription"])
        if task is None:
            raise not_found("no such subscription", subscription=params["subscription"])
        task.cancel()
        return {"ended": True}

    async def close(self) -> None:
        """End all of them: the connection is gone."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, subscription: str) -> None:
        if self._tasks.pop(subscription, None) is not None:
            self._counter.close()
            self._client.give_back(SUBSCRIPTIONS, 1)
            self._parts.metrics.subscribers.set(self._counter.count)

    async def _run(self, subscription: str, wish: Wish) -> None:
        tip = self._blocks.tip_height
        height = tip + 1 if wish.from_height is None else wish.from_height
        cursor, is_live = f"{height}-0", False
        try:
            while True:
                while height > self._blocks.tip_height:
                    is_live = True
                    await self._parts.notifier.wait_tip()
                lag = self._blocks.tip_height - height
                if is_live and lag > self._limits.subscriber_lag_blocks_max:
                    await self._say_closed(subscription, REASON_LAGGING, cursor)
                    return
                block = await self._blocks.load(height)
                await self._pay(block)
                async for index, item in self._select(block, wish):
                    cursor = f"{height}-{index}"
                    params = {"subscription": subscription, "cursor": cursor, "item": item}
                    async with asyncio.timeout(self._limits.subscriber_send_timeout_ms / 1_000):
                        await self._send("event_next", params)
                height += 1
        except TimeoutError:
            await self._say_closed(subscription, REASON_SLOW, cursor)
        except ConnectionError:
            return  # the client is gone; its connection ends the rest
        except RpcError as error:
            await self._say_closed(subscription, error.code, cursor)

    async def _say_closed(self, subscription: str, reason: str, cursor: str) -> None:
        params = {"subscription": subscription, "reason": reason, "cursor": cursor}
        try:
            async with asyncio.timeout(self._limits.subscriber_send_timeout_ms / 1_000):
                await self._send("event_closed", params)
        except (ConnectionError, TimeoutError):
            return  # it lies in the socket's buffer, for a client that reads again

    async def _pay(self, block: CommittedBlock) -> None:
        """Wait until the client can afford to have this block looked through.

        A thousand subscriptions from height 1 would else read the whole chain a thousand
        times at full speed; so they share what the client has, and nothing is refused.
        """
        wait_s = self._client.pay_following(1 + compute_cost(block))
        if wait_s:
            await asyncio.sleep(wait_s)

    async def _select(
        self, block: CommittedBlock, wish: Wish
    ) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """Yield (number in the block, item) of what the wish matches."""
        if wish.topic == "blocks":
            yield 0, self._show_block(block)
        elif wish.topic == "transactions":
            for index in range(len(block.transactions)):
                if _matches_transaction(block, index, wish.filter):
                    yield index, _show_transaction(block, index)
        else:
            found = [
                index
                for index, encoded in enumerate(block.events)
                if _matches_event(encoded, wish.filter)
            ]
            shown = await self._views.show_events([block.events[index] for index in found])
            for index, item in zip(found, shown, strict=True):
                transaction = block.transactions[item["transactionIndex"]]
                place = {"height": block.height, "index": index}
                yield index, {**place, "transactionId": to_hex(transaction.id), **item}

    def _show_block(self, block: CommittedBlock) -> dict[str, Any]:
        header = block.block.header
        return {
            "height": block.height,
            "blockHash": to_hex(block.block_hash),
            "execHash": to_hex(block.certificate.exec_hash),
            "timeMs": to_integer(header.time_ms),
            "proposer": to_hex(header.proposer),
            "view": block.certificate.view,
            "transactions": len(block.transactions),
            "events": len(block.events),
        }


class SubscriptionCounter:
    """Counts and names the subscriptions of the whole node."""

    def __init__(self) -> None:
        self._last = 0
        self.count = 0

    def open(self, subscriptions_max: int) -> str:
        """Return a fresh id; raise RpcError -32005 when there are too many."""
        if self.count >= subscriptions_max:
            raise RpcError(ErrorNumber.RATE_LIMITED, "too many subscriptions", retryAfterMs=10_000)
        self.count += 1
        self._last += 1
        return f"s{self._last}"

    def close(self) -> None:
        """One has ended."""
        self.count -= 1


_FILTERS = {
    "blocks": frozenset[str](),
    "transactions": frozenset({"sender", "contract"}),
    "events": frozenset({"contract", "name"}),
}


def _make_wish(params: dict[str, Any]) -> Wish:
    topic, wanted = params["topic"], params["filter"]
    unknown = sorted(set(wanted) - _FILTERS[topic])
    if unknown:
        raise invalid_params(f"filter: {topic} cannot be filtered by {unknown[0]}")
    return Wish(topic, wanted, params["fromHeight"])


def _matches_transaction(block: CommittedBlock, index: int, wanted: dict[str, Any]) -> bool:
    body = block.transactions[index].body
    sender, contract = wanted.get("sender"), wanted.get("contract")
    if sender is not None and body.sender != sender:
        return False
    return contract is None or any(call.contract == contract for call in body.calls)


def _matches_event(encoded: bytes, wanted: dict[str, Any]) -> bool:
    if not wanted:
        return True
    event = EVENT.decode(encoded)
    contract, name = wanted.get("contract"), wanted.get("name")
    if contract is not None and event.contract != contract:
        return False
    return name is None or event.name == name


def _show_transaction(block: CommittedBlock, index: int) -> dict[str, Any]:
    transaction = block.transactions[index]
    receipt = RECEIPT.decode(block.receipts[index])
    return {
        "height": block.height,
        "index": index,
        "id": to_hex(transaction.id),
        "sender": to_hex(transaction.body.sender),
        "status": receipt.status,
        "code": receipt.code,
        "gas": receipt.gas,
        "calls": [
            {"contract": call.contract, "method": call.method} for call in transaction.body.calls
        ],
    }
