"""What can go wrong between a client and a node: one class for each typed refusal.

Every JSON-RPC error code that a node documents (docs/rpc.md) has its own class, so
that a caller catches what it can act on and nothing else. An error carries the
numeric code (``rpc_code``), a stable text code (``code``) and the node's ``data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from primitives.errors import CarbonodeError


class ClientError(CarbonodeError):
    """Root of everything that this library raises."""

    code = "client"


class NodeUnreachable(ClientError):
    """No endpoint answered within the retry policy; names each and its last error."""

    code = "unreachable"


class BadAnswer(ClientError):
    """A node answered with something that is not the documented shape."""

    code = "bad-answer"


class UnknownMethod(ClientError):
    """The contract has no such method, or the arguments do not fit its ABI."""

    code = "abi"


class WaitTimeout(ClientError):
    """The transaction was not final in time. It may still become final."""

    code = "wait-timeout"


class SubscriptionClosed(ClientError):
    """A subscription ended and cannot be resumed; ``cursor`` says where it stood."""

    code = "subscription-closed"


class RpcError(ClientError):
    """A node's typed refusal. ``data`` is the error's data object, {} when it has none."""

    code = "rpc"
    rpc_code = -32603

    def __init__(self, message: str, *, rpc_code: int, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.data = dict(data)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.data.items())
        return f"{self.args[0]} [{self.rpc_code}]" + (f" ({shown})" if shown else "")

    @property
    def retry_after_ms(self) -> int | None:
        """How long the node asks us to wait, if it says so."""
        value = self.data.get("retryAfterMs")
        return value if type(value) is int and value >= 0 else None


class InvalidRequest(RpcError):
    """The request or its parameters are malformed (-32700, -32600, -32601, -32602)."""

    code = "invalid-request"


class InternalError(RpcError):
    """The node failed on our request (-32603)."""

    code = "internal"


class NotFound(RpcError):
    """No such block, transaction, contract or account (-32001)."""

    code = "not-found"


class Pruned(RpcError):
    """It existed and was deleted; ``data['lowest']`` is the lowest height kept (-32002)."""

    code = "pruned"


class Syncing(RpcError):
    """The node is catching up and answers nothing that might be old (-32003)."""

    code = "syncing"


class MempoolFull(RpcError):
    """No room for the transaction now (-32004)."""

    code = "mempool-full"


class RateLimited(RpcError):
    """Too many requests from us (-32005)."""

    code = "rate-limited"


class BadSignature(RpcError):
    """The signature does not fit the transaction's bytes (-32006)."""

    code = "bad-signature"


class WrongChain(RpcError):
    """The transaction is signed for another chain (-32007)."""

    code = "wrong-chain"


class Expired(RpcError):
    """``valid_until`` has passed or lies too far ahead (-32008)."""

    code = "expired"


class Duplicate(RpcError):
    """The node knows this transaction id already (-32009)."""

    code = "duplicate"


class NotPermitted(RpcError):
    """The sender may not do this: no member, or its allowance is used up (-32010)."""

    code = "not-permitted"


class Reverted(RpcError):
    """A read-only call failed; ``data`` has the contract's code and the gas (-32011)."""

    code = "reverted"


EXPIRED_CODE = -32008

RPC_ERRORS: dict[int, type[RpcError]] = {
    -32700: InvalidRequest,
    -32600: InvalidRequest,
    -32601: InvalidRequest,
    -32602: InvalidRequest,
    -32603: InternalError,
    -32001: NotFound,
    -32002: Pruned,
    -32003: Syncing,
    -32004: MempoolFull,
    -32005: RateLimited,
    -32006: BadSignature,
    -32007: WrongChain,
    EXPIRED_CODE: Expired,
    -32009: Duplicate,
    -32010: NotPermitted,
    -32011: Reverted,
}
"""The documented codes; an undocumented one becomes a plain RpcError."""


def make_rpc_error(error: object) -> RpcError:
    """Return the typed error of a JSON-RPC error object, whatever its shape."""
    document = error if isinstance(error, dict) else {}
    number = document.get("code")
    rpc_code = number if type(number) is int else InternalError.rpc_code
    message = document.get("message")
    data = document.get("data")
    if data is None:
        data = {}
    elif not isinstance(data, dict):
        data = {"data": data}
    kind = RPC_ERRORS.get(rpc_code, RpcError)
    text = message if isinstance(message, str) and message else "error without a message"
    return kind(text, rpc_code=rpc_code, data=data)
