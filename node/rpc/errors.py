"""The errors that a client can meet, with their JSON-RPC numbers (DESIGN.md, "Node").

Numbers are a contract with every client library and never change their meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from primitives.errors import CarbonodeError


class ErrorNumber(IntEnum):
    """JSON-RPC 2.0's own numbers, then ours."""

    PARSE = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL = -32603
    NOT_FOUND = -32001
    PRUNED = -32002
    SYNCING = -32003
    MEMPOOL_FULL = -32004
    RATE_LIMITED = -32005
    BAD_SIGNATURE = -32006
    WRONG_CHAIN = -32007
    EXPIRED = -32008
    DUPLICATE = -32009
    NOT_PERMITTED = -32010
    REVERTED = -32011


class RpcError(CarbonodeError):
    """An error answer: ``number`` for JSON-RPC, ``data`` with the offending values."""

    code = "rpc"

    def __init__(self, number: ErrorNumber, message: str, **data: Any) -> None:
        super().__init__(message, code=number.name.lower().replace("_", "-"))
        self.values_seen = dict(data)
        self.number = number
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """Return the ``error`` member of a JSON-RPC response."""
        data = {"reason": self.code, **self.data}
        return {"code": int(self.number), "message": str(self.args[0]), "data": data}


def invalid_params(message: str, **data: Any) -> RpcError:
    """Return -32602 with a message that says which argument and why."""
    return RpcError(ErrorNumber.INVALID_PARAMS, message, **data)


def not_found(message: str, **data: Any) -> RpcError:
    """Return -32001."""
    return RpcError(ErrorNumber.NOT_FOUND, message, **data)
