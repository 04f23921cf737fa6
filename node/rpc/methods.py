"""The table of every RPC method: name, arguments, result (DESIGN.md, "Node").

The server dispatches by it and ``rpc.discover`` prints it as OpenRPC (docs/rpc.md is for
people). A handler without a row, or a row without a handler, fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.rpc.schema import (
    Arguments,
    BlockReference,
    Boolean,
    Cursor,
    Hex,
    Integer,
    ListOf,
    Members,
    Param,
    RawTexts,
    Text,
)
from node.viewlog import HEIGHTS_KEPT_MAX
from primitives import limits

PAGE_ITEMS_MAX = 200
"""Items in one page: an answer stays below a megabyte."""
SUBMIT_ITEMS_MAX = 1_000
"""Transactions in one tx_submitBatch: about 0.1 s of signature checks."""
WAIT_ITEMS_MAX = 1_000
"""Ids in one tx_waitBatch."""
WAIT_MS_MAX = 60_000
"""Longest tx_wait: shorter than common proxies' own time-out."""
VIEW_GAS_MAX = 20_000_000
"""Gas of one state_call: about 0.2 s of a worker thread."""
STATE_KEY_BYTES_MAX = 1_024
"""Contract name, variable and 256 bytes of key parts."""

TOPICS = ("blocks", "transactions", "events")


@dataclass(frozen=True, slots=True)
class Method:
    """One row: ``result`` describes the answer for people; ``socket`` needs /ws."""

    name: str
    summary: str
    params: tuple[Param, ...]
    result: str
    socket: bool = False
    admin: bool = False


_ID = Param("id", Hex(limits.HASH_BYTES), "transaction id")
_LIMIT = Param("limit", Integer(1, PAGE_ITEMS_MAX), "items in a page", 50)
_CURSOR = Param("cursor", Cursor(), "nextCursor of the page before", None)
_NAME = Text(limits.NAME_CHARACTERS_MAX)
_CONTRACT = Param("contract", _NAME, "contract name")
_BLOCK = Param("block", BlockReference(), 'height, "latest" or block hash', None)

_FILTER = Members(
    (
        ("contract", _NAME),
        ("name", _NAME),
        ("sender", Hex(limits.ADDRESS_BYTES)),
    )
)

_TRANSACTIONS = (
    Method(
        "tx_submit",
        "Check a signed transaction, keep it and send it to every validator.",
        (Param("transaction", Hex(max=limits.TRANSACTION_BYTES_MAX), "signed bytes"),),
        '{id, status: "accepted"}',
    ),
    Method(
        "tx_submitBatch",
        "The same for many; each item is accepted or refused by itself.",
        (Param("transactions", RawTexts(SUBMIT_ITEMS_MAX), "signed bytes, 0x hex each"),),
        "{items: [{id, status: 'accepted'} | {id | null, status: 'refused', error}]}",
    ),
    Method(
        "tx_wait",
        "Answer when the transaction is final and on disk, or when the time is over.",
        (_ID, Param("timeoutMs", Integer(0, WAIT_MS_MAX), "how long to wait", 10_000)),
        "{id, final: true, height, index, blockHash, receipt} | {id, final: false, pending}",
    ),
    Method(
        "tx_waitBatch",
        "tx_wait for many ids; answers when all are final or the time is over.",
        (
            Param("ids", ListOf(Hex(limits.HASH_BYTES), WAIT_ITEMS_MAX), "transaction ids"),
            Param("timeoutMs", Integer(0, WAIT_MS_MAX), "how long to wait", 10_000),
        ),
        "{items: [as tx_wait, in the order of ids]}",
    ),
    Method(
        "tx_get",
        "A final transaction with its receipt and events, and the proof of both.",
        (_ID, Param("proof", Boolean(), "whether to add the proof", True)),
        "{id, height, index, blockHash, timeMs, sender, nonce, validUntil, gasLimit, calls, "
        "encoded, receipt, events: [{index, contract, name, fields, encoded, path?}], "
        "proof: {header, headerEncoded, transactionPath, transactionCount, execution, "
        "executionEncoded, receiptEncoded, receiptPath, eventCount, certificate, "
        "certificateEncoded}}",
    ),
    Method(
        "tx_search",
        "Final transactions of one key, of all keys that an organisation ever had, with a call to "
        "a contract, or with an event of it; latest first.",
        (
            Param("sender", Hex(limits.ADDRESS_BYTES), "account", None),
            _LIMIT,
            _CURSOR,
            Param("contract", _NAME, "contract name, instead of sender", None),
            Param("organisation", _NAME, "organisation, instead of sender", None),
            Param("event", _NAME, "beside contract: the name of an event", None),
        ),
        "{items: [{id, height, index, status, code}], nextCursor, indexHeight, lowestHeight}",
    ),
)

_CHAIN = (
    Method(
        "chain_status",
        "Where this node stands.",
        (),
        "{chainId, chainName, height, blockHash, execHash, stateRoot, timeMs, indexHeight, "
        "lowestHeight, syncing, version, nodeKey, isValidator, epoch, params}",
    ),
    Method(
        "chain_getBlock",
        "A block with the ids of its transactions and its receipts' statuses.",
        (
            _BLOCK,
            Param("full", Boolean(), "whether to add transactions, receipts and events", False),
        ),
        "{height, blockHash, header, transactionIds, execution, certificate, "
        "transactions?, receipts?, events?}",
    ),
    Method("chain_getHeader", "A block's header.", (_BLOCK,), "{height, blockHash, header}"),
    Method(
        "chain_getContents",
        "A block's header, result, transactions, receipts and events as they were certified, in "
        "canonical bytes: whoever checks them needs no word of the node (docs/light.md). For those "
        "who keep copies; evidence and the parent's certificate are not among them.",
        (_BLOCK,),
        "{height, headerEncoded, executionEncoded, certificateEncoded, transactions: [hex], "
        "receipts: [hex], events: [hex]}",
    ),
    Method(
        "chain_getCommit",
        "What makes a block final: header, execution result and certificate.",
        (_BLOCK,),
        "{height, blockHash, execHash, header, headerEncoded, execution, executionEncoded, "
        "certificate, certificateEncoded}",
    ),
)

_STATE = (
    Method(
        "state_call",
        "Run a contract's view on the last committed state; nothing is written.",
        (
            _CONTRACT,
            Param("method", _NAME, "a function marked @view or @export"),
            Param("arguments", Arguments(), "a list by position or an object by name", ()),
            Param("sender", Hex(limits.ADDRESS_BYTES), "ctx.sender", bytes(32)),
            Param("gasLimit", Integer(1, VIEW_GAS_MAX), "gas", VIEW_GAS_MAX),
        ),
        "{value, gas, events, height}; a failure is -32011 {status, code, gas}",
    ),
    Method(
        "state_get",
        "The value of one state key, with the proof that it is so or that there is none.",
        (
            Param("key", Hex(max=STATE_KEY_BYTES_MAX), "state key"),
            Param("proof", Boolean(), "whether to add the proof", True),
        ),
        "{key, value | null, height, stateRoot, proof}",
    ),
    Method("contract_abi", "A contract's ABI.", (_CONTRACT,), "{contract, abi, jsonSchema}"),
    Method(
        "contract_list",
        "The contracts of the chain.",
        (_LIMIT, _CURSOR),
        "{items: [{name, codeHash, admin, version, vmVersion, address, frozen: null | {reason, "
        "account, since, until (null: until a vote), proposal (0: one administrator)}, "
        "upgrade: null | {version, codeHash, activeFrom, proposal}}], nextCursor}; times are "
        "seconds of block time",
    ),
)

_NETWORK = (
    Method(
        "consensus_status",
        "What consensus is doing, and why it waits.",
        (),
        "{height, view, phase, role, isValidator, leader, quorum, proposal, bodyReady, executed, "
        "preparedView, timers, votes: [{phase, view, blockHash, execHash, validators}], "
        "viewChanges, peers, accused, halted, why, watching, refusal, dueMsAgo, departures: "
        "[{view, to, cause, detail}], syncTarget, syncFrom: key | null, nowMs}",
    ),
    Method(
        "consensus_views",
        "The last heights that needed more than one view, latest first; in memory only.",
        (Param("last", Integer(1, HEIGHTS_KEPT_MAX), "how many", 20),),
        "{items: [{height, views, tookMs | null, committedMs, passed: "
        "[{view, leader, cause: timeout | refused | followed | new-view | unseen, detail}]}]}",
    ),
    Method(
        "validator_list",
        "The validators now in force, candidates, observers, and what follows at the epoch's "
        "end; or the members of an earlier set by its hash (believe them for the hash). Below "
        "leadsAgainAt a validator is passed over as leader, for it let views pass; lacking names "
        "what this program lacks for the next epoch: it stops then.",
        (Param("validatorsHash", Hex(limits.HASH_BYTES), "an earlier set", None),),
        "{height, epoch, quorum, faultyMax, validatorsHash, validators: [{index, name, publicKey, "
        "connected, missedTurns, leadsAgainAt}], candidates: [{name, publicKey}], observers, "
        "next: {afterHeight, validators, changed, lacking}}",
    ),
    Method(
        "evidence_list",
        "Proofs that a validator signed two different things at one place, oldest first; the "
        "proofs themselves stand in the blocks. proposal is the one to remove it (0: none).",
        (_LIMIT, _CURSOR),
        "{items: [{validator, name, epoch, height, kind, digest, recordedAt, proposal}], "
        "nextCursor}",
    ),
    Method("net_peers", "The links of this node.", (), "{nodeKey, items: [peer]}"),
    Method(
        "sync_status",
        "Whether this node takes a snapshot or fetches blocks, how far it is, what it serves.",
        (),
        "{phase: 'idle' | 'looking' | 'epochs' | 'manifest' | 'parts' | 'restarting' | 'blocks', "
        "height, target, lowestHeight, snapshot: {height, partsDone, partsWanted, bytesDone, "
        "bytesWanted, peers, lastError}, snapshots: [height]}",
    ),
    Method(
        "mempool_status",
        "What waits to be proposed.",
        (),
        "{transactions, bytes, transactionsMax, bytesMax, rejected: {reason: count}}",
    ),
)

_EVENTS = (
    Method(
        "event_search",
        "Final events of a contract, oldest first.",
        (_CONTRACT, Param("name", _NAME, "event name", None), _LIMIT, _CURSOR),
        "{items: [{height, index, transactionId | null, transactionIndex, contract, name, "
        "fields}], nextCursor, indexHeight, lowestHeight}",
    ),
    Method(
        "event_subscribe",
        "Follow blocks, transactions or events; with fromHeight, from the past on.",
        (
            Param("topic", Text(32, TOPICS), "what to follow"),
            Param("filter", _FILTER, "contract and name (events), sender (transactions)", {}),
            Param("fromHeight", Integer(1), "first height to send", None),
        ),
        "{subscription}; then notifications event_next {subscription, cursor, item} and, when "
        "the node ends it, event_closed {subscription, reason, cursor}",
        socket=True,
    ),
    Method(
        "event_unsubscribe",
        "End a subscription.",
        (Param("subscription", Text(64), "its id"),),
        "{ended}",
        socket=True,
    ),
)

_UNITS = (
    Method(
        "unit_lots",
        "The lots of an owner (an organisation, or buffer) by batch and serial, retired and "
        "cancelled ones too; serials are kilograms, end is exclusive.",
        (
            Param("owner", _NAME, "organisation"),
            Param("batch", _NAME, "only of this batch", None),
            _LIMIT,
            _CURSOR,
        ),
        "{items: [{batch, start, end, kg, status}], nextCursor, indexHeight, lowestHeight}",
    ),
    Method(
        "unit_history",
        "What happened to one serial, newest step first, with the transactions that did it (null "
        "where their blocks are not kept).",
        (
            Param("batch", _NAME, "batch"),
            Param("serial", Integer(), "a kilogram's number"),
            _LIMIT,
            _CURSOR,
        ),
        "{lot: {batch, start, end, owner, status}, height, items: [{step, kind, start, end, giver, "
        "taker, timeS, height, transactionId | null, eventIndex | null}], nextCursor, indexHeight, "
        "lowestHeight}",
    ),
)

_META = (Method("rpc.discover", "This table as an OpenRPC document.", (), "OpenRPC 1.3.2"),)

_ADMIN = (
    Method("admin_stop", "Stop the node cleanly.", (), "{stopping: true}", admin=True),
    Method(
        "admin_createSnapshot",
        "Begin a snapshot of the state after the last block; sync_status shows it when done.",
        (),
        "{started, height}",
        admin=True,
    ),
    Method(
        "admin_backup",
        "Copy the chain's database as it is now to a new folder; answers when that is done.",
        (Param("folder", Text(1_024), "absolute path on the node's machine"),),
        "{folder, rows, bytes}",
        admin=True,
    ),
    Method(
        "admin_rebuildIndexes",
        "Build the indexes again from the blocks, beside those that answer until it is done.",
        (),
        "{started, indexHeight}",
        admin=True,
    ),
    Method(
        "admin_status",
        "What a supervisor asks.",
        (),
        "{pid, height, tasks, indexesRebuilding}",
        admin=True,
    ),
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (*_TRANSACTIONS, *_CHAIN, *_STATE, *_NETWORK, *_EVENTS, *_UNITS, *_META, *_ADMIN)
}
