"""Gathering a retirement certificate from a node.

Proves nothing and trusts the node for nothing: who holds the genesis verifies the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from primitives.block import EVENT, EXECUTION_RESULT, HEADER, RECEIPT, Event, Header
from primitives.hashing import Hash, TransactionId
from primitives.merkle import compute_proof
from primitives.transaction import decode_transaction
from tools.certificate.document import (
    CertificateDocument,
    Leaf,
    ValidatorChange,
    dump_bytes,
    dump_document,
)
from tools.certificate.verify import CONTRACT, EVENT_NAME, PURPOSE_ARGUMENT, make_statement
from tools.client.abi import parse_arguments
from tools.client.client import Client
from tools.client.errors import BadAnswer, NotFound, RpcError
from tools.client.results import Json, get_integer, get_list, get_member, get_object
from tools.client.wire import Request, from_hex

NOT_FOUND = -32001
ENDS_PER_ROUND = 200
"""Epochs' ends asked for at once."""


async def build_certificate(
    client: Client, transaction_id: TransactionId, number: int | None = None
) -> dict[str, Any]:
    """Return the certificate file's JSON of a retirement in a final transaction.

    ``number`` is the retirement's certificate number; None takes the transaction's first
    retirement. Raises NotFound when the transaction retires nothing of that kind.
    """
    found = await client.get(transaction_id)
    proof = get_object(get_member(found, "proof"))
    header_bytes = _get_bytes(proof, "headerEncoded")
    header = HEADER.decode(header_bytes)
    block = await client.get_block(header.height, full=True)
    events = await _encode_events(client, [get_object(e) for e in get_list(block, "events")])
    encoded = _get_bytes(found, "encoded")
    receipt_bytes = _get_bytes(proof, "receiptEncoded")
    receipt = RECEIPT.decode(receipt_bytes)
    places = range(receipt.event_first, receipt.event_first + receipt.event_count)
    place, event = _find_event(events, places, number)
    call = _find_call(encoded, receipt.values, event)
    purpose = None if call is None else _get_purpose(encoded, call)
    return dump_document(
        CertificateDocument(
            chain_id=header.chain_id,
            retirement=make_statement(event, header, purpose),
            transaction_id=transaction_id,
            transaction=Leaf(
                encoded,
                get_integer(found, "index"),
                get_integer(proof, "transactionCount"),
                _get_path(proof, "transactionPath"),
            ),
            receipt=receipt_bytes,
            receipt_path=_get_path(proof, "receiptPath"),
            call=call,
            event=Leaf(events[place], place, len(events), compute_proof(events, place)),
            header=header_bytes,
            execution=_get_bytes(proof, "executionEncoded"),
            commit=_get_bytes(proof, "certificateEncoded"),
            changes=await find_changes(client, header),
        )
    )


async def find_changes(client: Client, header: Header) -> tuple[ValidatorChange, ...]:
    """Return the epochs' ends after which another set followed, up to the header's epoch."""
    if header.epoch == 0:
        return ()
    blocks = (await client.status()).epoch_blocks
    ends = [epoch * blocks for epoch in range(1, header.epoch + 1)]
    changes: list[ValidatorChange] = []
    for start in range(0, len(ends), ENDS_PER_ROUND):
        part = ends[start : start + ENDS_PER_ROUND]
        answers = await client.call_many(
            [Request("chain_getCommit", {"block": height}) for height in part]
        )
        for answer in answers:
            if isinstance(answer, RpcError):
                raise answer
            end = get_object(answer)
            encoded = _get_bytes(end, "headerEncoded")
            execution = EXECUTION_RESULT.decode(_get_bytes(end, "executionEncoded"))
            if execution.next_validators_hash != HEADER.decode(encoded).validators_hash:
                changes.append(await _make_change(client, end, execution.next_validators_hash))
    return tuple(changes)


async def _make_change(client: Client, end: Json, wanted: Hash) -> ValidatorChange:
    listed = get_object(await client.call("validator_list", validatorsHash=dump_bytes(wanted)))
    members = [get_object(item) for item in get_list(listed, "validators")]
    return ValidatorChange(
        _get_bytes(end, "headerEncoded"),
        _get_bytes(end, "executionEncoded"),
        _get_bytes(end, "certificateEncoded"),
        tuple((str(get_member(item, "name")), _get_bytes(item, "publicKey")) for item in members),
    )


async def _encode_events(client: Client, shown: Sequence[Json]) -> list[bytes]:
    """Return the canonical bytes of a block's events from their JSON, by the contracts' ABIs."""
    abis: dict[str, Json] = {}
    for item in shown:
        contract = str(get_member(item, "contract"))
        if contract not in abis:
            abis[contract] = _as_functions(await client.get_abi(contract))
    return [_encode_event(item, abis[str(item["contract"])]) for item in shown]


def _encode_event(shown: Json, functions: Json) -> bytes:
    name = str(get_member(shown, "name"))
    values = parse_arguments(functions, name, get_object(get_member(shown, "fields")))
    index = get_integer(shown, "transactionIndex")
    return EVENT.encode(Event(index, str(shown["contract"]), name, values))


def _as_functions(abi: Json) -> Json:
    """Return an ABI in which events stand as functions: their fields convert alike."""
    return {
        "functions": [
            {"name": get_member(event, "name"), "parameters": get_list(event, "fields")}
            for event in get_list(abi, "events")
        ],
        "records": abi.get("records", []),
    }


def _find_event(
    events: Sequence[bytes], places: Sequence[int], number: int | None
) -> tuple[int, Event]:
    """Return the place and the event of a retirement among a transaction's events."""
    for place in places:
        if place >= len(events):
            raise BadAnswer("a receipt names events that the block has not", place=place)
        event = EVENT.decode(events[place])
        if (event.contract, event.name) == (CONTRACT, EVENT_NAME) and number in (
            None,
            event.values[0],
        ):
            return place, event
    raise NotFound(
        "the transaction made no such retirement", rpc_code=NOT_FOUND, data={"certificate": number}
    )


def _find_call(encoded: bytes, values: Sequence[Any], event: Event) -> int | None:
    """Return the number of the call that made this retirement, None when another contract did."""
    calls = decode_transaction(encoded).body.calls
    for index, (call, value) in enumerate(zip(calls, values, strict=False)):
        if (
            call.contract == CONTRACT
            and call.method in PURPOSE_ARGUMENT
            and value == event.values[0]
        ):
            return index
    return None


def _get_purpose(encoded: bytes, call: int) -> str:
    made = decode_transaction(encoded).body.calls[call]
    return str(made.arguments[PURPOSE_ARGUMENT[made.method]])


def _get_bytes(document: Mapping[str, Any], name: str) -> bytes:
    return from_hex(get_member(document, name))


def _get_path(document: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    return tuple(from_hex(item, 32) for item in get_list(document, name))
