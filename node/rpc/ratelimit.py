"""What one client may ask for in a second: token buckets by address, bounded in number.

A stranger can exhaust no bounded resource of a node: each address has its own bucket,
and the table of buckets forgets the one that was idle longest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from node.rpc.errors import ErrorNumber, RpcError

CLIENTS_MAX = 10_000
BURST_S = 2
"""A bucket holds so many seconds of its rate."""


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

    def charge_request(self) -> None:
        """Raise RpcError -32005 when this client asks too often."""
        self._charge(self._requests, self._rates.requests, 1, "requests")

    def charge_transactions(self, count: int) -> None:
        """Raise RpcError -32005 when this client submits too much."""
        self._charge(self._transactions, self._rates.transactions, count, "transactions")

    def check_view_gas(self) -> None:
        """Raise RpcError -32005 while what earlier views used is not paid off."""
        self._charge(self._view_gas, self._rates.view_gas, 1, "gas of views")

    def pay_view_gas(self, gas: int) -> None:
        """Charge what a view has used: how much is known only afterwards."""
        self._view_gas.tokens -= gas

    def _charge(self, bucket: _Bucket, rate: int, count: int, what: str) -> None:
        now_s = self._clock()
        refilled = bucket.tokens + (now_s - bucket.filled_at_s) * rate
        bucket.tokens = min(refilled, float(BURST_S * rate))
        bucket.filled_at_s = now_s
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
