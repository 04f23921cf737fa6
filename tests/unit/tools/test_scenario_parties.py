"""What a scene promises of a transaction is checked: a wrong end stops the run, and says which."""

from __future__ import annotations

import pytest

from primitives.hashing import ZERO_HASH, TransactionId
from tools.client.results import FinalTransaction
from tools.scenario.failure import ScenarioFailed, compare
from tools.scenario.parties import expect


def end(status: str, code: str = "") -> FinalTransaction:
    receipt = {"status": status, "code": code}
    return FinalTransaction(TransactionId(ZERO_HASH), 7, 0, ZERO_HASH, receipt)


def test_a_transaction_must_end_as_it_is_said_to() -> None:
    expect(end("ok"), "ok", "")
    expect(end("reverted", "lot-locked"), "reverted", "lot-locked")


@pytest.mark.parametrize(
    ("final", "status", "code", "got"),
    [
        (end("ok"), "reverted", "lot-locked", "ok"),
        (end("reverted", "not-owner"), "reverted", "lot-locked", "reverted not-owner"),
        (end("out-of-gas"), "ok", "", "out-of-gas"),
    ],
)
def test_another_end_stops_the_run_and_is_named(
    final: FinalTransaction, status: str, code: str, got: str
) -> None:
    with pytest.raises(ScenarioFailed) as failure:
        expect(final, status, code)
    assert failure.value.values_seen["got"] == got
    assert failure.value.values_seen["expected"] == f"{status} {code}".strip()


def test_a_figure_that_differs_from_the_plans_stops_the_run() -> None:
    compare("money is still held", 0, 0)
    with pytest.raises(ScenarioFailed, match="money is still held"):
        compare("money is still held", 0, 5)
