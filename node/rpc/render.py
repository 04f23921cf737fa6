"""Our values as JSON: the one place that knows how things look to clients.

Bytes are ``0x`` hex, integers above 2^53 decimal strings (a browser's number holds 53
bits). Pure. Source: DESIGN.md, "Node".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from primitives.block import ExecutionResult, Header
from primitives.certificate import Certificate
from primitives.codec import Value
from primitives.params import ChainParams
from primitives.transaction import Call

SAFE_INTEGER_MAX = 1 << 53


def to_hex(data: bytes) -> str:
    """Return ``0x`` and lower-case hex digits."""
    return "0x" + data.hex()


def to_integer(value: int) -> int | str:
    """Return a number while every JSON reader keeps it exact, else decimal text."""
    return value if -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX else str(value)


def to_json_value(value: Value) -> Any:
    """Return a contract value without its ABI: bytes as hex, big integers as text."""
    if type(value) is int:
        return to_integer(value)
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, list):
        return [to_json_value(item) for item in value]
    return value


def to_json_call(call: Call) -> dict[str, Any]:
    """Return a call with its arguments by position."""
    return {
        "contract": call.contract,
        "method": call.method,
        "arguments": [to_json_value(argument) for argument in call.arguments],
    }


def to_json_header(header: Header) -> dict[str, Any]:
    """Return every field of a header."""
    return {
        "version": header.version,
        "chainId": to_hex(header.chain_id),
        "height": to_integer(header.height),
        "timeMs": to_integer(header.time_ms),
        "parentHash": to_hex(header.parent_hash),
        "prevExecHash": to_hex(header.prev_exec_hash),
        "prevCertHash": to_hex(header.prev_cert_hash),
        "proposer": to_hex(header.proposer),
        "txsRoot": to_hex(header.txs_root),
        "txCount": header.tx_count,
        "evidenceRoot": to_hex(header.evidence_root),
        "epoch": to_integer(header.epoch),
        "validatorsHash": to_hex(header.validators_hash),
        "paramsHash": to_hex(header.params_hash),
    }


def to_json_result(result: ExecutionResult) -> dict[str, Any]:
    """Return every field of an execution result."""
    return {
        "height": to_integer(result.height),
        "stateRoot": to_hex(result.state_root),
        "receiptsRoot": to_hex(result.receipts_root),
        "eventsRoot": to_hex(result.events_root),
        "gas": to_integer(result.gas),
        "nextValidatorsHash": to_hex(result.next_validators_hash),
        "nextParamsHash": to_hex(result.next_params_hash),
    }


def to_json_certificate(certificate: Certificate) -> dict[str, Any]:
    """Return every field of a certificate."""
    return {
        "height": to_integer(certificate.height),
        "view": certificate.view,
        "blockHash": to_hex(certificate.block_hash),
        "execHash": to_hex(certificate.exec_hash),
        "signers": list(certificate.signers),
        "signatures": [to_hex(signature) for signature in certificate.signatures],
    }


def to_json_params(params: ChainParams) -> dict[str, Any]:
    """Return the parameters by their own names, as in the genesis."""
    return {name: to_integer(value) for name, value in asdict(params).items()}


def to_json_path(path: Sequence[bytes]) -> list[str]:
    """Return an audit path."""
    return [to_hex(item) for item in path]
