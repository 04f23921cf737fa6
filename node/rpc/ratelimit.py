"""What one client may ask for in a second: token buckets by address, bounded in number.

A stranger can exhaust no bounded resource of a node: each address has its own bucket,
and the table of buckets forgets the one that was idle longest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from node.rpc.errors import ErrorNumber, RpcError

CLIENTS_MAX = 10_000
BURST_S = 2
"""A bucket holds so many seconds of its rate."""
HELD_RETRY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Rates:
    """What one client may use in a second, on average."""

    requests: int
    transactions: int
    view_gas: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_s: float


class Client:
    """One client's buckets: requests and transactions."""

    def __init__(self, rates: Rates, clock: Callable[[], float]) -> None:
        now_s = clock()
        self._clock = clock
        self._rates = rates
        self._requests = _Bucket(float(BURST_S * rates.requests), now_s)
        self._transactions = _Bucket(float(BURST_S * rates.transactions), now_s)
        self._view_gas = _Bucket(float(BURST_S * rates.view_gas), now_s)
        self._following = _Bucket(float(BURST_S * rates.requests), now_s)
        self._held: dict[str, int] = {}

    def charge_request(self, count: int = 1) -> None:
        """Raise RpcError -32005 when this client asks too often; ``count`` for a dear one."""
        if count:
            self._charge(self._requests, self._rates.requests, count, "requests")

    def pay_following(self, count: int) -> float:
        """Charge what a subscription looked through; return the seconds until it is paid off.

        As much a second as requests, but of its own: whoever follows may still ask.
        """
        self._refill(self._following, self._rates.requests)
        self._following.tokens -= count
        return max(0.0, -self._following.tokens / self._rates.requests)

    @contextmanager
    def hold(self, what: str, count: int, limit: int) -> Iterator[None]:
        """Hold ``count`` of a bounded resource meanwhile; RpcError -32005 above ``limit``."""
        self.take(what, count, limit)
        try:
            yield
        finally:
            self.give_back(what, count)

    def take(self, what: str, count: int, limit: int) -> None:
        """Take ``count`` of a bounded resource; RpcError -32005 above ``limit``."""
        held = self._held.get(what, 0)
        if held + count > limit:
            raise RpcError(
                ErrorNumber.RATE_LIMITED,
                f"at most {limit} {what} for one client",
                retryAfterMs=HELD_RETRY_MS,
            )
        self._held[what] = held + count

    def get_held(self, what: str) -> int:
        """Return how much of it this client holds."""
        return self._held.get(what, 0)

    def give_back(self, what: str, count: int) -> None:
        """Return what was taken."""
        self._held[what] -= count

    def charge_transactions(self, count: int) -> None:
        """Raise RpcError -32005 when this client submits too much."""
        self._charge(self._transactions, self._rates.transactions, count, "transactions")

    def check_view_gas(self) -> None:
        """Raise RpcError -32005 while what earlier views used is not paid off."""
        self._charge(self._view_gas, self._rates.view_gas, 1, "gas of views")

    def pay_view_gas(self, gas: int) -> None:
        """Charge what a view has used: how much is known only afterwards."""
        self._view_gas.tokens -= gas

    def _refill(self, bucket: _Bucket, rate: int) -> None:
        now_s = self._clock()
        refilled = bucket.tokens + (now_s - bucket.filled_at_s) * rate
        bucket.tokens = min(refilled, float(BURST_S * rate))
        bucket.filled_at_s = now_s

    def _charge(self, bucket: _Bucket, rate: int, count: int, what: str) -> None:
        self._refill(bucket, rate)
        # A batch above the burst itself passes when the bucket is full, or it never could.
        needed = min(count, BURST_S * rate)
        if bucket.tokens < needed:
            wait_ms = int(1_000 * (needed - bucket.tokens) / rate) + 1
            raise RpcError(
                ErrorNumber.RATE_LIMITED,
                f"more than {rate} {what} a second",
                retryAfterMs=wait_ms,
            )
        bucket.tokens -= count


class ClientTable:
    """The clients seen lately, by address."""

    def __init__(self, rates: Rates, clock: Callable[[], float]) -> None:
        self._rates = rates
        self._clock = clock
        self._clients: OrderedDict[str, Client] = OrderedDict()

    def get(self, address: str) -> Client:
        """Return the client at ``address``."""
        client = self._clients.get(address)
        if client is None:
            client = Client(self._rates, self._clock)
            self._clients[address] = client
            if len(self._clients) > CLIENTS_MAX:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(address)
        return client
