"""Random histories of the carbon contracts against a model that knows every single serial.

The model is a dict from serial to holder and the set of lot boundaries; it shares no
code with the contracts. After every block: lots of a batch add up to what was issued and
no two meet, issued <= verified net, buffer + owner = gross, what is retired or cancelled
never decreases, balances are the model's, and each transaction succeeded exactly when the
model says so. A failing seed is in the name of the test.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from primitives.block import STATUS_OK, Receipt
from primitives.codec import Value
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import HASH, Chain

SEEDS = range(12)
BLOCKS = 60
TRANSACTIONS_PER_BLOCK = 6
BATCHES = ("b1", "b2")
SERIALS = 200
"""Serials are drawn from 0 to this: small, so that ranges meet all the time."""
HOLDERS = ("owner", "alice", "bob", "bank", "verifier")
ENDED = ("retired", "cancelled")


@dataclass
class Batch:
    """Every serial's (owner, status), and where lots begin or end."""

    serials: dict[int, tuple[str, str]] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    locks: dict[int, str] = field(default_factory=dict)
    gross: int = 0
    buffered: int = 0

    def is_in_one_lot(self, start: int, end: int) -> bool:
        if not 0 <= start < end or any(n not in self.serials for n in range(start, end)):
            return False
        return not any(start < cut < end for cut in self.cuts)

    def holds(self, start: int, end: int, owner: str, status: str) -> bool:
        inside = self.is_in_one_lot(start, end)
        return inside and self.serials[start] == (owner, status)

    def put(self, start: int, end: int, owner: str, status: str) -> None:
        self.serials |= dict.fromkeys(range(start, end), (owner, status))
        self.cuts |= {start, end}

    def lots(self) -> list[list[Any]]:
        """Rebuild the lots from the serials and the cuts."""
        found: list[list[Any]] = []
        for serial in sorted(self.serials):
            owner, status = self.serials[serial]
            if found and found[-1][1] == serial and serial not in self.cuts:
                found[-1][1] = serial + 1
            else:
                found.append([serial, serial + 1, owner, status])
        return found


class Model:
    """The rules once more, in the plainest way."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {}
        self.reports: dict[str, int] = {}
        self.attested = 0

    def apply(self, sender: str, call: Call) -> bool:
        """Apply the call when the rules allow it; return whether they do."""
        apply = getattr(self, f"apply_{call.method}")
        return bool(apply(sender, *call.arguments))

    def get(self, batch: str) -> Batch:
        return self.batches.get(batch, Batch())

    def apply_attest(
        self, sender: str, report: str, project: str, vintage: int, scope: str, net_kg: int,
        owner: str, evidence_hash: bytes,
    ) -> bool:  # fmt: skip
        holding = any(owner == "verifier" for b in self.batches.values()
                      for owner, status in b.serials.values() if status not in ENDED)  # fmt: skip
        if sender != "verifier" or report in self.reports or net_kg <= 0 or holding:
            return False
        self.reports[report] = net_kg
        self.attested += net_kg
        return True

    def apply_issue(
        self, sender: str, batch: str, report: str, start: int, end: int, quantity: int,
        buffer_quantity: int,
    ) -> bool:  # fmt: skip
        known = self.get(batch)
        allowed = (
            sender == "registry"
            and 0 <= start < end
            and quantity == end - start
            and 0 <= buffer_quantity <= quantity
            and self.reports.get(report, 0) >= quantity
            and not any(n in known.serials for n in range(start, end))
        )
        if allowed:
            target = self.batches.setdefault(batch, Batch())
            self.reports[report] -= quantity
            cut = end - buffer_quantity
            if cut > start:
                target.put(start, cut, "owner", "active")
            if end > cut:
                target.put(cut, end, "buffer", "buffer")
            target.gross += quantity
            target.buffered += buffer_quantity
        return allowed

    def apply_transfer(self, sender: str, batch: str, start: int, end: int, to: str) -> bool:
        target = self.get(batch)
        if to in (sender, "verifier") or not target.holds(start, end, sender, "active"):
            return False
        target.put(start, end, to, "active")
        return True

    def apply_split(self, sender: str, batch: str, at: int) -> bool:
        target = self.get(batch)
        if at in target.cuts or target.serials.get(at) != (sender, "active"):
            return False
        target.cuts.add(at)
        return True

    def apply_merge(self, sender: str, batch: str, at: int) -> bool:
        target = self.get(batch)
        both = {target.serials.get(at - 1), target.serials.get(at)}
        if at not in target.cuts or both != {(sender, "active")}:
            return False
        target.cuts.remove(at)
        return True

    def apply_lock(
        self, sender: str, batch: str, start: int, end: int, reason: str, holder: str,
        reference: str,
    ) -> bool:  # fmt: skip
        target = self.get(batch)
        if holder == sender or not target.holds(start, end, sender, "active"):
            return False
        target.put(start, end, sender, "locked")
        target.locks[end] = holder
        return True

    def apply_unlock(self, sender: str, batch: str, start: int, end: int) -> bool:
        target = self.get(batch)
        owner, status = target.serials.get(start, ("", ""))
        whole = target.is_in_one_lot(start, end) and {start, end} <= target.cuts
        if not whole or status != "locked" or target.locks[end] != sender:
            return False
        target.put(start, end, owner, "active")
        return True

    def apply_retire(
        self, sender: str, batch: str, start: int, end: int, beneficiary: str, purpose: str
    ) -> bool:
        return self.end(sender, batch, start, end, "retired")

    def apply_cancel(self, sender: str, batch: str, start: int, end: int, reason: str) -> bool:
        return self.end(sender, batch, start, end, "cancelled")

    def end(self, sender: str, batch: str, start: int, end: int, status: str) -> bool:
        target = self.get(batch)
        if not target.holds(start, end, sender, "active"):
            return False
        target.put(start, end, sender, status)
        return True

    def apply_release_buffer(
        self, sender: str, batch: str, start: int, end: int, to: str, evidence_hash: bytes
    ) -> bool:
        target = self.get(batch)
        allowed = sender == "regulator" and to not in ("verifier", "registry")
        if not allowed or not target.holds(start, end, "buffer", "buffer"):
            return False
        target.put(start, end, to, "active")
        return True


def draw_range(rng: random.Random, known: Batch) -> tuple[int, int]:
    """Half of the time a lot or a part of one, else anything: both roads must be walked."""
    lots = known.lots()
    active = [lot for lot in lots if lot[3] == "active"] or lots
    if lots and rng.random() < 0.8:
        lot = rng.choice(active if rng.random() < 0.8 else lots)
        low, high = lot[0], lot[1]
        if rng.random() < 0.6:
            low = rng.randrange(low, high)
            high = rng.randrange(low, high) + 1
        return low, high
    start = rng.randrange(-1, SERIALS)
    return start, start + rng.randrange(0, 12)


def draw_call(rng: random.Random, model: Model, number: int) -> tuple[str, Call]:
    batch = rng.choice(BATCHES)
    known = model.get(batch)
    start, end = draw_range(rng, known)
    first = rng.randrange(-1, SERIALS)
    last = first + rng.randrange(0, 25)
    at = rng.choice(sorted(known.cuts) or [start])
    holder = rng.choice(HOLDERS)
    owner = known.serials.get(start, (holder, ""))[0]
    sender = owner if owner in HOLDERS and rng.random() < 0.8 else holder
    other = rng.choice(HOLDERS)
    locks = [(lot[0], lot[1]) for lot in known.lots() if lot[3] == "locked"]
    buffers = [(lot[0], lot[1]) for lot in known.lots() if lot[3] == "buffer"]
    buffered = rng.choice(buffers or [(start, end)])
    locked = rng.choice(locks or [(start, end)])
    keeper = known.locks.get(locked[1], holder) if rng.random() < 0.8 else holder
    joiner = known.serials.get(at, ("", ""))[0]
    joiner = joiner if joiner in HOLDERS else holder
    report = f"r{rng.randrange(6)}"
    calls: list[tuple[str, Call]] = [
        (
            "verifier",
            make("attest", report, "p", 2024, "forest", rng.randrange(100), "owner", HASH),
        ),
        ("registry", make("issue", batch, report, first, last, last - first, rng.randrange(4))),
        ("registry", make("issue", batch, report, first, last, last - first + number % 2, 0)),
        (sender, make("transfer", batch, start, end, other)),
        (sender, make("transfer", batch, start, end, other)),
        (sender, make("transfer", batch, start, end, other)),
        (sender, make("split", batch, (start + end) // 2)),
        (joiner, make("merge", batch, at)),
        (sender, make("lock", batch, start, end, "pledge", other, "")),
        (keeper, make("unlock", batch, *locked)),
        ("regulator", make("release_buffer", batch, *buffered, other, HASH)),
        (sender, Call("retirement", "retire", (batch, start, end, "bob", "x"))),
        (sender, Call("retirement", "cancel", (batch, start, end, "x"))),
    ]
    # Endings are rarer than moves, or nothing would be left to move.
    weights = [4, 6, 1, 8, 8, 8, 4, 6, 4, 8, 2, 1, 1]
    return rng.choices(calls, weights)[0]


def make(method: str, *arguments: Value) -> Call:
    return Call("units", method, arguments)


def check_invariants(chain: Chain, model: Model, before: dict[str, list[int]]) -> None:
    issued_all = 0
    for name, known in model.batches.items():
        lots = chain.view("units", "lots_of", name, 0, 100)
        assert [lot[:4] for lot in lots] == known.lots()
        for left, right in pairwise(lots):
            assert left[0] < left[1] <= right[0]
        verified, issued, buffered, released, retired, cancelled = chain.view(
            "units", "get_totals", name
        )
        statuses = [status for _, status in known.serials.values()]
        assert sum(lot[1] - lot[0] for lot in lots) == issued == known.gross
        assert issued <= verified
        assert buffered == known.buffered and buffered - released == statuses.count("buffer")
        assert retired == statuses.count("retired") and cancelled == statuses.count("cancelled")
        old = before.get(name, [0, 0])
        assert retired >= old[0] and cancelled >= old[1]
        before[name] = [retired, cancelled]
        for holder in (*HOLDERS, "buffer"):
            held = [
                n for n, (owner, s) in known.serials.items() if owner == holder and s not in ENDED
            ]
            assert chain.view("units", "balance_of", holder, name) == len(held)
        issued_all += issued
    totals = chain.view("units", "total")
    assert totals[0] == model.attested and totals[1] == issued_all <= totals[0]
    assert chain.view("retirement", "total") == totals[4:]


def check_trace(chain: Chain, model: Model, rng: random.Random) -> None:
    """The trace begins with the issue and ends with the holder; each giver was the last taker."""
    for name, known in model.batches.items():
        serial = rng.choice(sorted(known.serials))
        steps = list(reversed(chain.view("units", "trace", name, serial, 200)))
        assert steps[0][1] == "issue" and all(step[2] <= serial < step[3] for step in steps)
        assert [step[0] for step in steps] == sorted({step[0] for step in steps})
        for left, right in pairwise(steps):
            expected = "buffer" if right[1] == "release" else left[5]
            assert right[4] == expected
        owner, status = known.serials[serial]
        assert steps[-1][5] == owner or (status == "buffer" and len(steps) == 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_histories_keep_every_invariant(seed: int) -> None:
    rng = random.Random(seed)
    chain, model = Chain(), Model()
    before: dict[str, list[int]] = {}
    outcomes: list[bool] = []
    first = (
        ("verifier", make("attest", "first", "p", 2024, "forest", 80, "owner", HASH)),
        ("registry", make("issue", "b1", "first", 100, 180, 80, 5)),
    )
    for sender, call in first:
        assert model.apply(sender, call)
        chain.ok(sender, call.contract, call.method, *call.arguments)
    for block in range(BLOCKS):
        transactions, expected = [], []
        for number in range(TRANSACTIONS_PER_BLOCK):
            sender, call = draw_call(rng, model, block + number)
            transactions.append(chain.make(sender, call))
            expected.append((model.apply(sender, call), sender, call))
        receipts, _ = chain.run(*transactions)
        for receipt, (allowed, sender, call) in zip(receipts, expected, strict=True):
            assert_outcome(receipt, allowed, sender, call)
        outcomes += [allowed for allowed, _, _ in expected]
        check_invariants(chain, model, before)
        check_trace(chain, model, rng)
    # A history in which hardly anything happens would prove nothing.
    assert outcomes.count(True) > len(outcomes) // 8
    assert outcomes.count(False) > len(outcomes) // 8


def assert_outcome(receipt: Receipt, allowed: bool, sender: str, call: Call) -> None:
    assert (receipt.status == STATUS_OK) == allowed, (receipt, sender, call)
    assert allowed or receipt.status == "reverted", (receipt, sender, call)


@pytest.mark.parametrize("seed", range(4))
def test_origin_ranges_of_imported_retirements_never_meet(seed: int) -> None:
    rng = random.Random(seed)
    chain = Chain()
    chain.ok(
        "registry", "units", "issue_imported", "ACR", "a", "p", 2005, "alice", 0, 10**6, 10**6, 0,
        HASH, "line 1", "i1",
    )  # fmt: skip
    used: set[tuple[str, int]] = set()
    position = 0
    for number in range(80):
        prefix = rng.choice(("x", "xy"))
        start = rng.randrange(60)
        tonnes = rng.randrange(1, 6)
        wanted = {(prefix, tonne) for tonne in range(start, start + tonnes)}
        end = position + 1000 * tonnes
        receipt = chain.send(
            "alice", "retirement", "retire_imported", "ACR", prefix, start, start + tonnes,
            [["a", position, end]], "somebody", "x", "2020-01-01", f"line {number}", f"k{number}",
        )  # fmt: skip
        assert (receipt.status == STATUS_OK) == (not wanted & used), (seed, number)
        if receipt.status == STATUS_OK:
            used |= wanted
            position = end
        else:
            assert receipt.code == "origin-overlap"
    for prefix in ("x", "xy"):
        for tonne in range(66):
            found = chain.view("retirement", "origin_at", "ACR", prefix, tonne)
            assert (found > 0) == ((prefix, tonne) in used)
    assert chain.view("retirement", "total") == [1000 * len(used), 0]
