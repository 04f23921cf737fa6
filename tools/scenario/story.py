"""What happens: registration, issuance, trade with a crash in the middle, refusals, retirement.

Every call is a signed transaction on the running network, and every outcome is looked
at: an action of the plan that is refused, or a wrong that is not, ends the run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from primitives.hashing import TransactionId
from primitives.transaction import Call
from tools.importers.submission import DONE, Item, Outcome, Submission
from tools.scenario.day import CURRENCY
from tools.scenario.display import Display
from tools.scenario.failure import ScenarioFailed
from tools.scenario.hedging import Hedge
from tools.scenario.parties import Parties, expect
from tools.scenario.plan import (
    BANK,
    ENTERPRISES,
    FURNACE_SCOPE,
    ISSUER,
    PARTIES,
    PROJECT_OWNER,
    SCOPE,
    TONNE,
    VERIFIER,
    Lot,
    Move,
    Plan,
)
from tools.scenario.reporting import REGULATOR, Reporting
from tools.scenario.trading import TradingDay
from tools.scenario.watching import watch

YEAR_S = 365 * 24 * 3600
GAS_LIMIT_LARGE = 39_000_000
"""For transactions of many calls that depend on each other: no estimate of each alone holds."""
SEND_TIMEOUT_S = 60.0
CALLS_PER_TRADE = 4
WINDOW_PER_PARTY = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """A retirement to be certified: its transaction and its certificate number."""

    transaction: TransactionId
    number: int
    lot: Lot


@dataclass(slots=True)
class Story:
    """One run against one network. ``moved`` are transfers that the plan leaves open."""

    parties: Parties
    plan: Plan
    directory: Path
    moved: list[tuple[Lot, str]] = field(default_factory=list)
    retired_extra: list[Lot] = field(default_factory=list)

    @property
    def display(self) -> Display:
        """Where the story is shown."""
        return self.parties.display

    async def register(self) -> None:
        """The regulator registers the parties and accredits verifier and registry."""
        calls = [
            Call(
                "identity",
                "register",
                (
                    party.organisation,
                    party.name,
                    "CN",
                    list(party.roles),
                    [self.parties.keys[party.organisation].public_key],
                ),
            )
            for party in PARTIES
        ]
        now = await self.parties.read_time_s()
        calls += [
            Call("identity", "accredit", (who.organisation, scope, 0, now + 5 * YEAR_S))
            for who in (VERIFIER, ISSUER)
            for scope in (SCOPE, FURNACE_SCOPE)
        ]
        scope = f"cash:{CURRENCY}"
        calls.append(Call("identity", "accredit", (BANK.organisation, scope, 0, now + 5 * YEAR_S)))
        self.display.begin("The regulator registers the parties", len(calls))
        await self._do(REGULATOR, calls)
        self.display.note(f"{len(PARTIES)} organisations; verifier, registry and bank accredited")

    async def issue(self) -> None:
        """From signed readings and plots to issued units, the buffer's share included."""
        client, keys = self.parties.client, dict(self.parties.keys)
        work = Reporting(client, keys, self.plan, self.display, self.directory, self._send_all)
        self.display.begin("Factors and projects", 0)
        await work.prepare()
        self.display.begin("A meter and plots are read", 0)
        await work.measure()
        self.display.begin("Computed, verified, approved: issued", 0)
        await work.report()
        self.display.note(
            f"{self.plan.issued_kg // TONNE:,} t issued, of which "
            f"{self.plan.buffered_kg // TONNE:,} t to the buffer pool"
        )

    async def sell(self) -> None:
        """The project owner sells its credits to the enterprises."""
        self.display.begin("The forest farm sells its credits", len(self.plan.sales))
        calls = [_make_transfer(move) for move in self.plan.sales]
        await self._do(PROJECT_OWNER.organisation, calls)
        await self._send_all(self.plan.metered.giver, [_make_transfer(self.plan.metered)])
        self.display.note(f"{len(calls)} lots sold to {len(ENTERPRISES)} enterprises")

    async def trade(self, number: int) -> None:
        """One round: every lot changes hands, all enterprises at once, some lots split."""
        moves = self.plan.rounds[number]
        total = len(self.plan.rounds)
        self.display.begin(f"Trade, round {number + 1} of {total}", len(moves))
        by_giver: dict[str, list[Call]] = defaultdict(list)
        for move in moves:
            by_giver[move.giver].append(_make_transfer(move))
        async with asyncio.TaskGroup() as group:
            for giver, calls in by_giver.items():
                group.create_task(self._do(giver, calls, calls_max=CALLS_PER_TRADE))

    async def show_refusals(self) -> None:
        """What must not happen does not: double spending, moving a pledged lot."""
        self.display.begin("What the chain refuses", 0)
        await self._double_spend(self.plan.kept[0])
        await self._pledge(self.plan.kept[1])

    async def trade_day(self) -> None:
        """Orders of many for units against money; then a supervisor looks, and a future is sold."""
        for fill in await TradingDay(self.parties, self.plan.day).run():
            sold = fill.offer
            lot = Lot(sold.batch, sold.start, sold.end, fill.seller)
            self.moved.append((lot, fill.buyer))
            if fill.purpose:
                self.retired_extra.append(replace(lot, owner=fill.buyer))
        await watch(self.parties, self.plan.day)
        await Hedge(self.parties).run()

    async def retire(self) -> None:
        """Enterprises retire credits for their own emissions."""
        self.display.begin("Enterprises retire for their emissions", len(self.plan.retired))
        by_owner: dict[str, list[Call]] = defaultdict(list)
        for lot in self.plan.retired:
            by_owner[lot.owner].append(
                Call(
                    "retirement",
                    "retire",
                    (lot.batch, lot.start, lot.end, lot.owner, "emissions of 2025"),
                )
            )
        async with asyncio.TaskGroup() as group:
            for owner, calls in by_owner.items():
                group.create_task(self._do(owner, calls))
        self.display.note(f"{self.plan.retired_kg // TONNE:,} t retired, for good")

    async def retire_for_customer(self) -> Shown:
        """One retirement for a named customer; the same again, and a sale of it, are refused."""
        sold = self.plan.metered
        lot = Lot(sold.batch, sold.start, sold.end, sold.taker)
        self.display.begin("A retirement for a customer, and its certificate", 0)
        call = Call(
            "retirement",
            "retire_for",
            (lot.batch, lot.start, lot.end, "Li Wei", "CN-ID-DEMO-1", "flight PEK-CDG, 2025"),
        )
        final = await self.parties.do(lot.owner, call)
        number = final.receipt["values"][0]
        self.retired_extra.append(lot)
        self.display.note(f"certificate no. {number}: {lot.kilograms / TONNE:,.1f} t for Li Wei")
        await self.parties.be_refused(lot.owner, call, "lot-retired")
        self.display.note("the same credits retired a second time: refused (lot-retired)")
        other = next(p.organisation for p in ENTERPRISES if p.organisation != lot.owner)
        sale = Move(lot.batch, lot.start, lot.end, lot.owner, other)
        await self.parties.be_refused(lot.owner, _make_transfer(sale), "lot-retired")
        self.display.note("retired credits sold on: refused (lot-retired)")
        return Shown(final.id, int(number), lot)

    async def _double_spend(self, lot: Lot) -> None:
        """The owner signs two sales of one lot at the same moment: one holds, one is refused."""
        takers = [p.organisation for p in ENTERPRISES if p.organisation != lot.owner][:2]
        finals = await asyncio.gather(
            *(
                self.parties.send(
                    lot.owner,
                    _make_transfer(Move(lot.batch, lot.start, lot.end, lot.owner, taker)),
                )
                for taker in takers
            )
        )
        winners = [place for place, final in enumerate(finals) if final.is_ok]
        if len(winners) != 1:
            raise ScenarioFailed("a lot was sold twice or not at all", sold=len(winners))
        expect(finals[1 - winners[0]], "reverted", "not-owner")
        self.moved.append((lot, takers[winners[0]]))
        self.display.note(
            f"{lot.owner} sells one lot to {takers[0]} and {takers[1]} at once: "
            f"{takers[winners[0]]} has it, the other sale is refused (not-owner)"
        )

    async def _pledge(self, lot: Lot) -> None:
        """A lot pledged to the bank cannot be sold until the bank lets it go."""
        terms = (lot.batch, lot.start, lot.end, "pledge", BANK.organisation, "loan 2026-17")
        await self.parties.do(lot.owner, Call("units", "lock", terms))
        other = next(p.organisation for p in ENTERPRISES if p.organisation != lot.owner)
        sale = Move(lot.batch, lot.start, lot.end, lot.owner, other)
        await self.parties.be_refused(lot.owner, _make_transfer(sale), "lot-locked")
        self.display.note(f"{lot.owner} sells a lot pledged to the bank: refused (lot-locked)")
        free = Call("units", "unlock", (lot.batch, lot.start, lot.end))
        await self.parties.do(BANK.organisation, free)
        self.display.note("the bank is repaid and unlocks the lot")

    async def _do(self, organisation: str, calls: Sequence[Call], *, calls_max: int = 100) -> None:
        """Make every call, many in a transaction; all must succeed."""
        seen: set[bytes] = set()

        def count(outcome: Outcome) -> None:
            if outcome.status != DONE:
                raise ScenarioFailed(
                    "an action of the plan was refused",
                    action=outcome.item.name,
                    by=organisation,
                    code=outcome.code,
                )
            self.display.advance()
            self.display.chain.count(outcome.transaction not in seen, 1)
            seen.add(outcome.transaction)

        submission = Submission(
            self.parties.client,
            self.parties.keys[organisation],
            count,
            window=WINDOW_PER_PARTY,
            calls_max=calls_max,
        )
        await submission.run([Item(f"{call.contract}.{call.method}", call) for call in calls])

    async def _send_all(self, organisation: str, calls: Sequence[Call]) -> None:
        """Make calls that depend on each other, all in one transaction that must succeed."""
        client, key = self.parties.client, self.parties.keys[organisation]
        final = await client.send(key, calls, gas_limit=GAS_LIMIT_LARGE, timeout_s=SEND_TIMEOUT_S)
        if not final.is_ok:
            number = final.receipt.get("failedCall")
            call = calls[number] if isinstance(number, int) and number < len(calls) else calls[0]
            raise ScenarioFailed(
                "an action of the plan was refused",
                action=f"{call.contract}.{call.method}",
                by=organisation,
                ended=f"{final.status} {final.code}".strip(),
            )
        self.display.chain.count(1, len(calls))


def _make_transfer(move: Move) -> Call:
    return Call("units", "transfer", (move.batch, move.start, move.end, move.taker))
