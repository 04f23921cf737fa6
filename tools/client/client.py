"""A typed asyncio client of one chain, over any number of its nodes.

    async with Client(["http://127.0.0.1:8645", "http://127.0.0.1:8646"]) as client:
        transaction = await client.build(key, [Call("units", "transfer", (...))])
        await client.submit(transaction)
        final = await client.wait(transaction.id)

Requests go to one node while it answers and to the next when it does not. Methods,
arguments and answers are those of docs/rpc.md. It keeps no state but the chain id
and a height a few seconds old; it trusts its nodes except in ``get_verified``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from types import TracebackType
from typing import Any

from primitives.codec import Value
from primitives.hashing import Address, Hash, TransactionId
from primitives.keys import PrivateKey
from primitives.transaction import Call, Transaction
from tools.client.errors import (
    EXPIRED_CODE,
    BadAnswer,
    Duplicate,
    Expired,
    MempoolFull,
    RateLimited,
    Reverted,
    RpcError,
    WaitTimeout,
)
from tools.client.results import (
    CallResult,
    ChainStatus,
    FinalTransaction,
    Json,
    Notification,
    Page,
    Submitted,
    ValidatorInfo,
    get_list,
    get_object,
)
from tools.client.subscriptions import subscribe
from tools.client.transactions import Expiry, add_gas_margin, build_transaction
from tools.client.transport import RetryPolicy, Transport
from tools.client.wire import (
    BATCH_CALLS_MAX,
    Request,
    decode_answer,
    decode_answers,
    dump_value,
    encode_requests,
    from_hex,
    to_hex,
)

EXPIRY_AGE_S = 2.0
"""A known height is good for this long: a builder need not ask before each transaction."""
WAIT_STEP_MS = 20_000
"""One tx_wait; longer waits are several, so that a dead node is noticed."""
WAIT_PAUSE_S = 0.05
WAIT_GRACE_S = 10.0
"""How much longer than the node's own time-out we wait for its answer."""
SUBMIT_ITEMS_MAX = 1_000
WAIT_ITEMS_MAX = 1_000
VIEW_GAS_MAX = 20_000_000
"""These three are the node's (docs/rpc.md)."""

BlockReference = int | str | bytes
"""A height, ``"latest"``, or a block hash."""


class Client:
    """One chain's methods. Use as ``async with``."""

    def __init__(
        self,
        endpoints: str | Sequence[str],
        *,
        policy: RetryPolicy | None = None,
        chain_id: Hash | None = None,
    ) -> None:
        """``chain_id``, if given, must be the node's: checked at the first transaction."""
        listed = [endpoints] if isinstance(endpoints, str) else list(endpoints)
        self.transport = Transport(listed, policy)
        self._chain_id = chain_id
        self._expiry: tuple[float, ChainStatus] | None = None

    async def __aenter__(self) -> Client:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.transport.__aexit__(kind, error, trace)

    async def call(self, method: str, /, *, timeout_s: float | None = None, **params: Any) -> Any:
        """Return a method's result as JSON. Parameters that are None are left out.

        Raises a typed RpcError, NodeUnreachable or BadAnswer.
        """
        return (await self._call(method, params, timeout_s))[0]

    async def call_many(self, requests: Sequence[Request]) -> list[Any | RpcError]:
        """Return the outcomes of many methods, in order, sent in batches."""
        outcomes: list[Any | RpcError] = []
        for start in range(0, len(requests), BATCH_CALLS_MAX):
            part = requests[start : start + BATCH_CALLS_MAX]
            body = encode_requests(part, batch=True)
            answers, _ = await self.transport.post(body, partial(decode_answers, count=len(part)))
            outcomes.extend(answers)
        return outcomes

    # -- transactions

    async def build(
        self,
        key: PrivateKey,
        calls: Sequence[Call],
        *,
        gas_limit: int | None = None,
        window_blocks: int | None = None,
    ) -> Transaction:
        """Return a signed transaction; without ``gas_limit`` it is estimated.

        Raises Reverted when the estimate shows that the first call would fail now.
        """
        expiry = await self.get_expiry(window_blocks)
        if gas_limit is None:
            gas_limit = await self.estimate_gas(key.public_key, calls)
        return build_transaction(key, calls, expiry=expiry, gas_limit=gas_limit)

    async def get_expiry(self, window_blocks: int | None = None) -> Expiry:
        """Return chain id and height for a new transaction; asks the node now and then.

        The default window is half of what the chain allows: a node that is a little
        behind still accepts it.
        """
        now = asyncio.get_running_loop().time()
        if self._expiry is None or now - self._expiry[0] > EXPIRY_AGE_S:
            self._expiry = (now, await self.status())
        status = self._expiry[1]
        if self._chain_id is not None and status.chain_id != self._chain_id:
            raise BadAnswer(
                "the node is of another chain",
                expected=self._chain_id.hex(),
                got=status.chain_id.hex(),
            )
        self._chain_id = status.chain_id
        window = window_blocks or max(1, status.transaction_window_blocks // 2)
        return Expiry(status.chain_id, status.height, window)

    async def estimate_gas(self, sender: Address, calls: Sequence[Call]) -> int:
        """Return a gas limit for ``calls``, with a margin, by running each one alone.

        A later call may need what an earlier one writes and fail alone: then the chain's
        highest limit is taken. The first call's failure is raised as Reverted.
        """
        status = self._expiry[1] if self._expiry else await self.status()
        requests = [
            Request(
                "state_call",
                {
                    "contract": call.contract,
                    "method": call.method,
                    "arguments": dump_value(list(call.arguments)),
                    "sender": to_hex(sender),
                },
            )
            for call in calls
        ]
        outcomes = await self.call_many(requests)
        if isinstance(outcomes[0], RpcError):
            raise outcomes[0]
        gas = 0
        for outcome in outcomes:
            if isinstance(outcome, Reverted):
                return status.transaction_gas_max
            if isinstance(outcome, RpcError):
                raise outcome
            gas += CallResult.parse(outcome).gas
        return add_gas_margin(gas, status.transaction_gas_max)

    async def submit(self, transaction: Transaction) -> TransactionId:
        """Hand a transaction to the chain; raises the typed refusal.

        When a first attempt's answer was lost, 'duplicate' means that it had arrived.
        """
        params = {"transaction": to_hex(transaction.encoded)}
        body = encode_requests([Request("tx_submit", params)], batch=False)
        outcome, repeated = await self.transport.post(body, _decode_submission)
        if isinstance(outcome, RpcError) and not repeated:
            raise outcome
        return transaction.id

    async def submit_batch(
        self, transactions: Sequence[Transaction], *, patient: bool = False
    ) -> list[Submitted]:
        """Hand over many; each is accepted or refused by itself, in order.

        ``patient`` hands those over again that found no room, after the time that the
        node asks for, as often as the retry policy allows.
        """
        outcomes = await self._submit_parts(transactions)
        for attempt in range(1, self.transport.policy.refusals_max + 1):
            waiting = [
                index
                for index, item in enumerate(outcomes)
                if isinstance(item.error, MempoolFull | RateLimited)
            ]
            if not patient or not waiting:
                break
            error = outcomes[waiting[-1]].error
            await self.transport.back_off(attempt, error.retry_after_ms if error else None)
            again = await self._submit_parts([transactions[index] for index in waiting])
            for index, item in zip(waiting, again, strict=True):
                outcomes[index] = item
        return outcomes

    async def _submit_parts(self, transactions: Sequence[Transaction]) -> list[Submitted]:
        outcomes: list[Submitted] = []
        for start in range(0, len(transactions), SUBMIT_ITEMS_MAX):
            part = transactions[start : start + SUBMIT_ITEMS_MAX]
            encoded = [to_hex(item.encoded) for item in part]
            answer, repeated = await self._call("tx_submitBatch", {"transactions": encoded}, None)
            items = get_list(get_object(answer), "items")
            if len(items) != len(part):
                raise BadAnswer("items do not fit the batch", expected=len(part), got=len(items))
            for transaction, item in zip(part, items, strict=True):
                submitted = Submitted.parse(item, transaction.id)
                if repeated and isinstance(submitted.error, Duplicate):
                    submitted = Submitted(transaction.id, None)
                outcomes.append(submitted)
        return outcomes

    async def wait(self, id_: TransactionId, *, timeout_s: float = 60.0) -> FinalTransaction:
        """Return the transaction once it is final, else raise WaitTimeout."""
        return (await self.wait_many([id_], timeout_s=timeout_s))[0]

    async def wait_many(
        self, ids: Sequence[TransactionId], *, timeout_s: float = 60.0
    ) -> list[FinalTransaction]:
        """Return the transactions, in order, once all are final.

        Raises WaitTimeout, or Expired when one of them can no longer become final.
        """
        final: dict[TransactionId, FinalTransaction] = {}
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout_s
        while missing := [id_ for id_ in ids if id_ not in final]:
            left_ms = int((deadline - clock.time()) * 1000)
            if left_ms <= 0:
                raise WaitTimeout("not final in time", missing=len(missing), first=missing[0].hex())
            step_ms = min(left_ms, WAIT_STEP_MS)
            answer = await self.call(
                "tx_waitBatch",
                timeout_s=step_ms / 1000 + WAIT_GRACE_S,
                ids=[to_hex(id_) for id_ in missing[:WAIT_ITEMS_MAX]],
                timeoutMs=step_ms,
            )
            before = len(final)
            for item in get_list(get_object(answer), "items"):
                found = _read_waited(get_object(item))
                if found is not None:
                    final[found.id] = found
            if len(final) == before:
                # A node that answers at once without news must not be asked in a circle.
                await asyncio.sleep(WAIT_PAUSE_S)
        return [final[id_] for id_ in ids]

    async def send(
        self,
        key: PrivateKey,
        calls: Sequence[Call],
        *,
        gas_limit: int | None = None,
        timeout_s: float = 60.0,
    ) -> FinalTransaction:
        """Build, submit and wait. The receipt may say that the calls failed: see ``is_ok``."""
        transaction = await self.build(key, calls, gas_limit=gas_limit)
        await self.submit(transaction)
        return await self.wait(transaction.id, timeout_s=timeout_s)

    async def get(self, id_: TransactionId, *, proof: bool = True) -> Json:
        """Return a final transaction with receipt, events and, if asked, their proof."""
        return get_object(await self.call("tx_get", id=to_hex(id_), proof=proof))

    async def search(
        self,
        sender: Address | None = None,
        *,
        organisation: str | None = None,
        contract: str | None = None,
        event: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Return one page of final transactions, latest first: of a sender, of all keys of an
        organisation, or those that call a contract (or made an ``event`` of it)."""
        return Page.parse(
            await self.call(
                "tx_search",
                sender=None if sender is None else to_hex(sender),
                organisation=organisation,
                contract=contract,
                event=event,
                limit=limit,
                cursor=cursor,
            )
        )

    async def find_lots(
        self, owner: str, *, batch: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Json:
        """Return one page of an owner's lots, by batch and serial."""
        return get_object(
            await self.call("unit_lots", owner=owner, batch=batch, limit=limit, cursor=cursor)
        )

    async def get_history(
        self, batch: str, serial: int, *, limit: int = 50, cursor: str | None = None
    ) -> Json:
        """Return the lot that holds a serial and one page of its steps, newest first."""
        return get_object(
            await self.call("unit_history", batch=batch, serial=serial, limit=limit, cursor=cursor)
        )

    # -- reading

    async def status(self) -> ChainStatus:
        """Return where the answering node stands."""
        return ChainStatus.parse(await self.call("chain_status"))

    async def get_block(self, block: BlockReference = "latest", *, full: bool = False) -> Json:
        """Return a block; ``full`` adds transactions, receipts and events."""
        return get_object(await self.call("chain_getBlock", block=_dump_block(block), full=full))

    async def get_commit(self, block: BlockReference = "latest") -> Json:
        """Return header, execution result and certificate of a block."""
        return get_object(await self.call("chain_getCommit", block=_dump_block(block)))

    async def state_call(
        self,
        contract: str,
        method: str,
        arguments: Sequence[Any] | Mapping[str, Any] = (),
        *,
        sender: Address | None = None,
        gas_limit: int | None = None,
    ) -> CallResult:
        """Run a view on the last committed state. ``arguments`` are JSON, or contract values.

        Raises Reverted with the contract's code.
        """
        given: Any = arguments if isinstance(arguments, dict) else dump_value(list(arguments))
        answer = await self.call(
            "state_call",
            contract=contract,
            method=method,
            arguments=given,
            sender=None if sender is None else to_hex(sender),
            gasLimit=gas_limit,
        )
        return CallResult.parse(answer)

    async def state_get(self, key: bytes, *, proof: bool = True) -> Json:
        """Return a state key's value (or null), the height, the root and the proof."""
        return get_object(await self.call("state_get", key=to_hex(key), proof=proof))

    async def get_abi(self, contract: str) -> Json:
        """Return a contract's ABI as JSON."""
        return get_object(get_object(await self.call("contract_abi", contract=contract))["abi"])

    async def get_contracts(self) -> AsyncIterator[Json]:
        """Yield every contract of the chain."""
        async for item in self.pages("contract_list"):
            yield item

    async def search_events(
        self,
        contract: str,
        *,
        name: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Return one page of a contract's final events, oldest first."""
        return Page.parse(
            await self.call(
                "event_search", contract=contract, name=name, limit=limit, cursor=cursor
            )
        )

    async def get_validators(self) -> list[ValidatorInfo]:
        """Return the validators now in force."""
        answer = get_object(await self.call("validator_list"))
        return [ValidatorInfo.parse(item) for item in get_list(answer, "validators")]

    async def pages(self, method: str, /, **params: Any) -> AsyncIterator[Json]:
        """Yield the items of every page of a list method."""
        cursor: str | None = None
        while True:
            page = Page.parse(await self.call(method, cursor=cursor, **params))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def subscribe(
        self,
        topic: str,
        *,
        filter_: Mapping[str, Any] | None = None,
        from_height: int | None = None,
    ) -> AsyncGenerator[Notification, None]:
        """Yield blocks, transactions or events for ever, over broken links too.

        Without ``from_height`` from the next block on.
        """
        if from_height is None:
            from_height = (await self.status()).height + 1
        stream = subscribe(self.transport, topic, filter_=filter_, from_height=from_height)
        async with aclosing(stream):
            async for notification in stream:
                yield notification

    async def _call(
        self, method: str, params: Mapping[str, Any], timeout_s: float | None
    ) -> tuple[Any, bool]:
        given = {name: value for name, value in params.items() if value is not None}
        body = encode_requests([Request(method, given)], batch=False)
        return await self.transport.post(body, decode_answer, timeout_s=timeout_s)


def _decode_submission(body: bytes) -> Any | RpcError:
    """As decode_answer, but 'duplicate' is an outcome: only the caller knows what it means."""
    try:
        return decode_answer(body)
    except Duplicate as known:
        return known


def _read_waited(item: Json) -> FinalTransaction | None:
    """Return a final transaction, None for one that is not; raise Expired for one too late."""
    if item.get("final") is True:
        return FinalTransaction.parse(item)
    if item.get("expired") is True:
        raise Expired(
            "the transaction expired without a block",
            rpc_code=EXPIRED_CODE,
            data={"id": item.get("id")},
        )
    return None


def _dump_block(block: BlockReference) -> int | str:
    return to_hex(block) if isinstance(block, bytes) else block


def parse_address(text: str) -> Address:
    """Return the address of ``0x`` hex text, else raise BadAnswer."""
    return Address(from_hex(text, 32))


def make_call(contract: str, method: str, *arguments: Value) -> Call:
    """Return a call with positional arguments."""
    return Call(contract, method, arguments)
