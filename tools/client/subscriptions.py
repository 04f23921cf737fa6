"""Subscriptions over WebSocket that survive a node: resume without a gap or a repeat.

A node numbers what it sends with a cursor. When the link breaks, or the node closes
a slow subscriber, we subscribe again (at the next endpoint if need be) from the
height of the last item, and drop what was delivered before: every node's items of a
height are the same, because a height is final.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from primitives.errors import CarbonodeError
from tools.client.errors import BadAnswer, RateLimited, SubscriptionClosed, Syncing, make_rpc_error
from tools.client.results import Notification, get_integer, get_member, get_object
from tools.client.transport import Socket, Transport

REASONS_FINAL = frozenset({"unsubscribed", "pruned"})
"""A subscription that ended so cannot go on from where it stood."""


REFUSALS_MAX = 20
"""How often a node that limits us or is syncing is asked again."""


class _Interrupted(CarbonodeError):
    """The link or the subscription ended; the caller subscribes again."""


class Progress:
    """What has been delivered: the last height, and the cursors seen at that height."""

    def __init__(self, from_height: int) -> None:
        self.next_height = from_height
        self.cursor: str | None = None
        self._seen: set[str] = set()

    def accept(self, notification: Notification) -> bool:
        """Whether the item is new; remembers it. Holds one height's cursors at most."""
        height = get_integer(notification.item, "height")
        if height < self.next_height:
            return False
        if height != self.next_height:
            self._seen.clear()
            self.next_height = height
        if notification.cursor in self._seen:
            return False
        self._seen.add(notification.cursor)
        self.cursor = notification.cursor
        return True


async def subscribe(
    transport: Transport,
    topic: str,
    *,
    filter_: Mapping[str, Any] | None = None,
    from_height: int,
) -> AsyncGenerator[Notification, None]:
    """Yield the items of ``topic`` ("blocks", "transactions", "events") for ever.

    Raises SubscriptionClosed when the node ends it for good, NodeUnreachable when no
    node accepts a connection, or the typed RpcError of event_subscribe.
    """
    progress = Progress(from_height)
    failures = 0
    while True:
        socket = await transport.open_websocket()
        try:
            await _start(socket, topic, filter_ or {}, progress.next_height)
            while True:
                notification = _read(await _receive(socket), progress)
                if notification is not None and progress.accept(notification):
                    failures = 0
                    yield notification
        except _Interrupted:
            transport.fail_over()
        except (RateLimited, Syncing):
            if failures >= REFUSALS_MAX:
                raise
            transport.fail_over()
        finally:
            await socket.close()
        # The first time at once; a node that keeps ending it is asked more and more seldom.
        failures += 1
        if failures > 1:
            await transport.back_off(failures - 1)


async def _start(socket: Socket, topic: str, filter_: Mapping[str, Any], from_height: int) -> None:
    params = {"topic": topic, "filter": dict(filter_), "fromHeight": from_height}
    request = {"jsonrpc": "2.0", "id": 0, "method": "event_subscribe", "params": params}
    await _send(socket, json.dumps(request))
    answer = await _receive(socket)
    if answer.get("id") != 0:
        raise BadAnswer("the first answer is not the subscription's", got=sorted(answer))
    if "error" in answer:
        raise make_rpc_error(answer["error"])


def _read(message: Mapping[str, Any], progress: Progress) -> Notification | None:
    """Return the notification of a message, None for what is not ours."""
    method = message.get("method")
    if method not in ("event_next", "event_closed"):
        return None
    params = get_object(get_member(message, "params"))
    if method == "event_next":
        return Notification(
            str(get_member(params, "cursor")), get_object(get_member(params, "item"))
        )
    reason = str(params.get("reason", "no reason given"))
    if reason in REASONS_FINAL:
        raise SubscriptionClosed(f"the node ended it: {reason}", cursor=progress.cursor)
    raise _Interrupted(reason)


async def _send(socket: Socket, text: str) -> None:
    if not await socket.send(text):
        raise _Interrupted("the link broke")


async def _receive(socket: Socket) -> Mapping[str, Any]:
    text = await socket.receive()
    if text is None:
        raise _Interrupted("the link ended")
    try:
        return get_object(json.loads(text))
    except ValueError:
        raise BadAnswer("not JSON", body=text[:80]) from None
