"""Packing calls into transactions against a chain that refuses, runs out of gas and is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from primitives.hashing import Hash, TransactionId
from primitives.keys import PrivateKey
from primitives.transaction import Call, Transaction
from tools.client.errors import MempoolFull, NotPermitted
from tools.client.results import ChainStatus, FinalTransaction
from tools.client.transactions import Expiry
from tools.importers.submission import (
    DONE,
    REFUSED,
    THERE,
    Item,
    Outcome,
    Submission,
    SubmissionError,
)

KEY = PrivateKey.from_seed(b"\x21" * 32)
GAS_MAX = 20_000_000


@dataclass
class FakeChain:
    """A chain of one node in memory: all or none, gas by call, codes by call's name."""

    gas_by_name: Callable[[str], int] = lambda name: 20_000
    code_by_name: dict[str, str] = field(default_factory=dict)
    busy: int = 0
    error: Exception | None = None
    account_status: str = ""
    done: list[str] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    flying: int = 0
    flying_max: int = 0

    async def status(self) -> ChainStatus:
        return ChainStatus(Hash(bytes(32)), 1, "0x00", False, 1000, GAS_MAX, 1000, {})

    async def get_expiry(self) -> Expiry:
        return Expiry(Hash(bytes(32)), 1, 500)

    async def submit(self, transaction: Transaction) -> TransactionId:
        if self.error is not None:
            raise self.error
        if self.busy:
            self.busy -= 1
            raise MempoolFull("full", rpc_code=-32004, data={"retryAfterMs": 1})
        self.transactions.append(transaction)
        self.flying += 1
        self.flying_max = max(self.flying_max, self.flying)
        return transaction.id

    async def wait(self, id_: TransactionId, *, timeout_s: float) -> FinalTransaction:
        await asyncio.sleep(0)
        transaction = next(item for item in self.transactions if item.id == id_)
        self.flying -= 1
        return FinalTransaction(id_, 7, 0, Hash(bytes(32)), self._execute(transaction))

    def _execute(self, transaction: Transaction) -> dict[str, Any]:
        if self.account_status:
            return {"status": "rejected", "code": self.account_status, "gas": 0}
        gas = 0
        names: list[str] = []
        for position, call in enumerate(transaction.body.calls):
            name = str(call.arguments[0])
            gas += self.gas_by_name(name)
            if gas > transaction.body.gas_limit:
                return {"status": "out-of-gas", "code": "", "gas": gas, "failedCall": position}
            if name in self.code_by_name or name in self.done:
                code = self.code_by_name.get(name, "already-imported")
                return {"status": "reverted", "code": code, "gas": gas, "failedCall": position}
            names.append(name)
        self.done += names
        return {"status": "ok", "code": "", "gas": gas, "failedCall": None}


def make_items(count: int) -> list[Item]:
    return [Item(f"i{n}", Call("c", "m", (f"i{n}",))) for n in range(count)]


def submit(chain: FakeChain, items: Sequence[Item], **options: Any) -> dict[str, Outcome]:
    heard: list[Outcome] = []
    submission = Submission(chain, KEY, heard.append, **options)  # type: ignore[arg-type]  # a fake
    outcomes = asyncio.run(submission.run(items))
    assert heard == sorted(outcomes, key=heard.index)
    assert len({outcome.item.name for outcome in outcomes}) == len(outcomes) == len(items)
    return {outcome.item.name: outcome for outcome in outcomes}


def test_nothing_to_do_asks_nothing() -> None:
    assert submit(FakeChain(), []) == {}


def test_calls_go_a_hundred_at_a_time_and_each_is_done_once() -> None:
    chain = FakeChain()
    outcomes = submit(chain, make_items(350))
    assert {outcome.status for outcome in outcomes.values()} == {DONE}
    assert sorted(chain.done) == sorted(outcomes)
    sizes = [len(transaction.body.calls) for transaction in chain.transactions]
    assert max(sizes) == 100
    assert len(sizes) <= 5


def test_no_more_transactions_are_under_way_than_the_window() -> None:
    chain = FakeChain()
    submit(chain, make_items(200), window=3, calls_max=5)
    assert chain.flying_max == 3


def test_the_first_goes_alone_and_teaches_what_a_call_costs() -> None:
    chain = FakeChain(gas_by_name=lambda name: 1_000)
    submit(chain, make_items(300), calls_max=50)
    first, *others = (transaction.body.gas_limit for transaction in chain.transactions)
    assert first > 10 * max(others)


def test_a_call_that_fails_is_refused_and_the_others_go_again_without_it() -> None:
    chain = FakeChain(code_by_name={"i3": "origin-overlap", "i77": "no-lot"})
    outcomes = submit(chain, make_items(120))
    assert (outcomes["i3"].status, outcomes["i3"].code) == (REFUSED, "origin-overlap")
    assert (outcomes["i77"].status, outcomes["i77"].code) == (REFUSED, "no-lot")
    assert sorted(chain.done) == sorted({f"i{n}" for n in range(120)} - {"i3", "i77"})


def test_what_is_there_already_is_no_refusal() -> None:
    chain = FakeChain(done=["i1"])
    outcomes = submit(chain, make_items(5))
    assert outcomes["i1"].status == THERE
    assert chain.done.count("i1") == 1


def test_out_of_gas_halves_the_group_until_it_fits() -> None:
    chain = FakeChain(gas_by_name=lambda name: 2_000_000 if name == "i9" else 300_000)
    outcomes = submit(chain, make_items(60))
    assert {outcome.status for outcome in outcomes.values()} == {DONE}
    assert sorted(chain.done) == sorted(outcomes)


def test_a_call_that_no_transaction_can_hold_is_refused_alone() -> None:
    chain = FakeChain(gas_by_name=lambda name: GAS_MAX + 1 if name == "i4" else 10_000)
    outcomes = submit(chain, make_items(8))
    assert (outcomes["i4"].status, outcomes["i4"].code) == (REFUSED, "out-of-gas")
    assert len(chain.done) == 7


def test_a_busy_node_is_asked_again() -> None:
    chain = FakeChain(busy=3)
    assert submit(chain, make_items(1))["i0"].status == DONE


def test_large_arguments_fill_a_transaction_by_bytes() -> None:
    chain = FakeChain()
    items = [Item(f"i{n}", Call("c", "m", (f"i{n}", b"x" * 5_000))) for n in range(40)]
    submit(chain, items)
    assert max(len(transaction.encoded) for transaction in chain.transactions) <= 128 * 1024
    assert len(chain.transactions) >= 3


@pytest.mark.parametrize(
    "chain",
    [
        FakeChain(account_status="not-a-member"),
        FakeChain(error=NotPermitted("no", rpc_code=-32010, data={})),
        FakeChain(busy=1_000),
    ],
    ids=["rejected", "refused at the door", "for ever busy"],
)
def test_an_account_that_may_not_send_ends_the_run(chain: FakeChain) -> None:
    with pytest.raises(SubmissionError):
        submit(chain, make_items(3))
