"""Reads what happened from a node, finds candidates, and claims those that carry no flag yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.client.client import Client
from tools.client.errors import Reverted, RpcError
from tools.client.wire import parse_integer
from tools.surveillance.candidates import (
    Claim,
    Placed,
    Step,
    find_carousels,
    find_cycles,
    find_many_flags,
    find_prices,
    find_self_matches,
    find_young_accounts,
)
from tools.trading.desk import PAGE, TradeRefused, read_pages, read_record
from tools.trading.market import Market, Trade
from tools.trading.surveillance import Rules, Surveillance

HISTORY_STEPS = 200


@dataclass(slots=True)
class Scan:
    """What a scan saw and did; ``refused`` are claims that the contract computes otherwise."""

    trades: int = 0
    lots: int = 0
    candidates: int = 0
    raised: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Keeper:
    """One scan over one client. Without ``desk.key`` it looks and sends nothing."""

    client: Client
    desk: Surveillance
    batches: Sequence[str] = ()
    _heads: dict[str, str] = field(default_factory=dict)
    _registered: dict[str, int] = field(default_factory=dict)

    async def run(self) -> Scan:
        """Return what was found and raised; flags about many flags come last."""
        rules = await self.desk.get_rules()
        trades = await self._read_trades()
        batches = sorted({*self.batches, *(item.trade.batch for item in trades)})
        histories = await self._read_histories(batches)
        await self._read_parties(trades, histories)
        scan = Scan(len(trades), len(histories))
        await self._claim(
            scan,
            [
                *find_self_matches(trades, self._head_of),
                *find_prices(trades, rules),
                *find_cycles(trades, rules, self._head_of),
                *find_carousels(histories, rules, self._head_of),
                *find_young_accounts(histories, rules, self._registered_at),
            ],
        )
        await self._claim(scan, await self._find_many(rules))
        return scan

    async def _claim(self, scan: Scan, claims: Iterable[Claim]) -> None:
        wanted = list({claim.keys: claim for claim in claims}.values())
        taken = await self.desk.find_flagged([key for claim in wanted for key in claim.keys])
        for claim in wanted:
            if taken.intersection(claim.keys):
                continue
            scan.candidates += 1
            found = {"claim": claim.method, "keys": list(claim.keys)}
            if self.desk.key is None:
                continue
            try:
                flag = await self.desk.claim(claim.method, *claim.arguments)
            except (TradeRefused, Reverted) as error:
                scan.refused.append(found | {"reason": str(error)})
            else:
                scan.raised.append(found | {"flag": flag})

    async def _read_trades(self) -> list[Placed]:
        market = Market(self.client)
        trades: list[Placed] = []
        for book in await market.list_books():
            number = 0
            page: list[Trade] = await market.read_trades(book, 0)
            while page:
                for trade in page:
                    number += 1
                    trades.append(Placed(book, number, trade))
                page = await market.read_trades(book, number) if len(page) == PAGE else []
        return trades

    async def _read_histories(self, batches: Sequence[str]) -> dict[tuple[str, int], list[Step]]:
        """The owners of the first serial of every lot of these batches, newest first."""
        histories: dict[tuple[str, int], list[Step]] = {}
        for batch in batches:

            async def read(last: Any, batch: str = batch) -> list[Any]:
                after = parse_integer(last["end"]) if last else 0
                return list(await self._view("units", "lots_of", batch, after, PAGE))

            for lot in await read_pages(read):
                start = parse_integer(lot["start"])
                try:
                    steps = await self._view("units", "trace_owners", batch, start, HISTORY_STEPS)
                except RpcError:
                    continue  # the lot was split or merged since the page was read
                histories[batch, start] = [read_record(Step, step) for step in steps]
        return histories

    async def _read_parties(
        self, trades: Sequence[Placed], histories: dict[tuple[str, int], list[Step]]
    ) -> None:
        parties = {name for item in trades for name in (item.trade.buyer, item.trade.seller)}
        givers = {step.giver for steps in histories.values() for step in steps if step.giver}
        parties |= givers | {step.taker for steps in histories.values() for step in steps}
        for name in sorted(parties):
            self._heads[name] = str(await self._view("identity", "control_of", name))
        for name in sorted(givers):
            try:
                found = await self._view("identity", "get_organisation", name)
            except Reverted:
                continue  # a contract that owns for others, or the buffer
            self._registered[name] = parse_integer(found["registered_at"])

    async def _find_many(self, rules: Rules) -> list[Claim]:
        flags: dict[str, list[tuple[int, int]]] = {}
        for number in await self.desk.list_flags():
            flag = await self.desk.get_flag(number)
            case = parse_integer(flag["case"])
            if flag["rule"] in ("many-flags", "reported"):
                continue
            if case and (await self.desk.view("get_case", case))["status"] == "dismissed":
                continue
            for subject in flag["subjects"]:
                entry = (number, parse_integer(flag["happened_at"]))
                flags.setdefault(str(subject), []).append(entry)
        keys = [f"many:{name}:{number}" for name, found in flags.items() for number, _ in found]
        counted = await self.desk.find_flagged(keys)
        for name, found in flags.items():
            flags[name] = [flag for flag in found if f"many:{name}:{flag[0]}" not in counted]
        return list(find_many_flags(flags, rules))

    def _head_of(self, organisation: str) -> str:
        return self._heads.get(organisation, organisation)

    def _registered_at(self, organisation: str) -> int:
        return self._registered.get(organisation, -(1 << 62))

    async def _view(self, contract: str, method: str, *arguments: Any) -> Any:
        return (await self.client.state_call(contract, method, list(arguments))).value
