"""Random orders on a running chain: one book, four validators as real processes, everything on.

``python -m bench.orders --orders 100000 --seed 7`` lets enterprises send random orders to one book,
many calls in a transaction, a bounded number of transactions under way. Half of the enterprises
buy and half sell, since an order that met its own organisation's would be refused and its
transaction with it; fill-or-kill is left out for the same reason. The clock runs from the first
transaction handed in to the last one final. Afterwards views say whether money and units are
conserved, and whether the book is in order. Prints JSON; exit 1 when a check fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import calibrate
from primitives.block import STATUS_OK, STATUS_OUT_OF_GAS
from primitives.keys import PrivateKey
from primitives.params import ChainParams
from primitives.transaction import Call, Transaction
from tools.client.client import Client
from tools.client.results import FinalTransaction
from tools.client.transactions import Expiry, build_transaction
from tools.localnet.network import Localnet
from tools.provenance import describe_commit, describe_machine
from tools.scenario.checks import check_equal_states

TRADERS = 16
BOOK, BATCH, CURRENCY = "orders", "BENCH.orders", "CNY"
MIDDLE, SPREAD, TICK = 600_000, 60, 1_000
"""Prices are MIDDLE and at most SPREAD ticks to either side, in 10^-4 CNY a tonne."""
KG_MAX = 2_000
MAKER_RATE, TAKER_RATE, BAND = 10, 20, 10_000
MONEY = 10**15
EXPIRES_S = 30 * 24 * 3600
GAS_PER_ORDER = 280_000
"""A transaction that needs more goes again with the highest limit."""
WINDOW_BLOCKS = 100_000
BATCH_TRANSACTIONS = 40
BATCHES_UNDER_WAY = 3
PAGE = 100
FINAL_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Trader:
    """An enterprise that only buys or only sells."""

    name: str
    key: PrivateKey
    side: str


@dataclass(slots=True)
class Counts:
    """What became of the transactions."""

    transactions: int = 0
    orders: int = 0
    again: int = 0
    gas: int = 0
    failed: dict[str, int] = field(default_factory=dict)


def draw_calls(
    rng: random.Random, trader: Trader, count: int, serial: int, until: int
) -> tuple[list[Call], int]:
    """Return ``count`` random orders, a seller's from ``serial`` on, and the serial after them."""
    calls = []
    for _ in range(count):
        kilograms = rng.randrange(1, KG_MAX + 1)
        # Both sides bid over the whole range, so that about half of the orders trade at once.
        price = MIDDLE + TICK * rng.randrange(-SPREAD, SPREAD + 1)
        force = "gtt" if rng.random() < 0.8 else "ioc"
        rules = (force, until if force == "gtt" else 0, TAKER_RATE)
        if trader.side == "buy":
            purpose = "emissions" if rng.random() < 0.05 else ""
            calls.append(Call("market", "buy", (BOOK, price, kilograms, *rules, purpose)))
        else:
            lot = (BATCH, serial, serial + kilograms)
            calls.append(Call("market", "sell", (BOOK, price, *lot, *rules)))
            serial += kilograms
    return calls, serial


class Bench:
    """One run against one network."""

    def __init__(self, net: Localnet, client: Client, orders: int, calls: int, seed: int) -> None:
        self._net, self._client = net, client
        self._orders, self._calls, self._seed = orders, calls, seed
        self.counts = Counts()
        self._traders = [
            Trader(f"enterprise-{n}", net.keys[f"enterprise-{n}"], "buy" if n % 2 else "sell")
            for n in range(1, TRADERS + 1)
        ]
        self._share = 2 * KG_MAX * (orders // TRADERS + calls)
        """Serials of each seller; what is not offered stays its own."""

    async def prepare(self) -> None:
        """Money for all, one lot for each seller, one book."""
        sellers = [trader for trader in self._traders if trader.side == "sell"]
        for trader in self._traders:
            await self._do("bank", Call("cash", "issue", (CURRENCY, trader.name, MONEY, "")))
        kg = len(sellers) * self._share
        # A batch has one receiver: the first seller hands the others their part.
        imported = ("ACR", BATCH, "BENCH", 2020, sellers[0].name, 0, kg, kg, 0)
        issue = Call("units", "issue_imported", (*imported, bytes(32), "bench.orders", "orders"))
        await self._do("registry", issue)
        for number, seller in enumerate(sellers[1:], 1):
            lot = (BATCH, number * self._share, (number + 1) * self._share)
            await self._do(sellers[0].name, Call("units", "transfer", (*lot, seller.name)))
        terms = [CURRENCY, TICK, 1, MAKER_RATE, TAKER_RATE, BAND]
        await self._do("exchange", Call("market", "open_book", (BOOK, BATCH, terms)))

    async def _do(self, organisation: str, call: Call) -> None:
        final = await self._client.send(self._net.keys[organisation], [call])
        if not final.is_ok:
            raise SystemExit(f"{call.contract}.{call.method}: {final.code}")

    async def sign(self) -> list[tuple[Trader, Transaction]]:
        """Return all transactions, signed, in the order in which they are handed in."""
        rng = random.Random(self._seed)
        status = await self._client.status()
        until = int(status.document["timeMs"]) // 1000 + EXPIRES_S
        expiry = Expiry(status.chain_id, status.height, WINDOW_BLOCKS - 1)
        serials = {
            trader.name: number // 2 * self._share for number, trader in enumerate(self._traders)
        }
        signed: list[tuple[Trader, Transaction]] = []
        left = self._orders
        while left > 0:
            trader = self._traders[len(signed) % TRADERS]
            count = min(left, self._calls)
            calls, serials[trader.name] = draw_calls(
                rng, trader, count, serials[trader.name], until
            )
            gas = min(GAS_PER_ORDER * count, status.transaction_gas_max)
            signed.append(
                (trader, build_transaction(trader.key, calls, expiry=expiry, gas_limit=gas))
            )
            left -= count
        return signed

    async def run(self, signed: list[tuple[Trader, Transaction]]) -> float:
        """Hand all of it in; the seconds until the last one was final."""
        room = asyncio.Semaphore(BATCHES_UNDER_WAY)
        started = time.perf_counter()

        async def settle(part: list[tuple[Trader, Transaction]]) -> None:
            try:
                await self._settle(part)
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for start in range(0, len(signed), BATCH_TRANSACTIONS):
                await room.acquire()
                group.create_task(settle(signed[start : start + BATCH_TRANSACTIONS]))
                if start % (BATCH_TRANSACTIONS * 10) == 0:
                    say(f"  {self.counts.orders} orders, {time.perf_counter() - started:.0f} s")
        return time.perf_counter() - started

    async def _settle(self, part: list[tuple[Trader, Transaction]]) -> None:
        finals = await self._hand_in([transaction for _, transaction in part])
        again = []
        for (trader, transaction), final in zip(part, finals, strict=True):
            self.counts.gas += final.gas
            if final.status == STATUS_OUT_OF_GAS:
                again.append(await self._sign_again(trader, transaction))
            else:
                self._count(transaction, final)
        self.counts.again += len(again)
        for transaction, final in zip(again, await self._hand_in(again), strict=True):
            self.counts.gas += final.gas
            self._count(transaction, final)

    async def _hand_in(self, transactions: list[Transaction]) -> list[FinalTransaction]:
        if not transactions:
            return []
        for item in await self._client.submit_batch(transactions, patient=True):
            if item.error is not None:
                raise SystemExit(f"a transaction was refused: {item.error}")
        ids = [transaction.id for transaction in transactions]
        return await self._client.wait_many(ids, timeout_s=FINAL_TIMEOUT_S)

    async def _sign_again(self, trader: Trader, transaction: Transaction) -> Transaction:
        status = await self._client.status()
        expiry = Expiry(status.chain_id, status.height, WINDOW_BLOCKS - 1)
        return build_transaction(
            trader.key, transaction.body.calls, expiry=expiry, gas_limit=status.transaction_gas_max
        )

    def _count(self, transaction: Transaction, final: FinalTransaction) -> None:
        self.counts.transactions += 1
        if final.status == STATUS_OK:
            self.counts.orders += len(transaction.body.calls)
        else:
            code = f"{final.status} {final.code}"
            self.counts.failed[code] = self.counts.failed.get(code, 0) + 1

    # -- what must hold afterwards

    async def check(self) -> dict[str, Any]:
        """Return the figures of the book, and the names of checks that failed."""
        names = [trader.name for trader in self._traders]
        accounts = [
            await self._view("cash", "account_of", n, CURRENCY) for n in [*names, "exchange"]
        ]
        total = await self._view("cash", "total", CURRENCY)
        balances = [await self._view("units", "balance_of", name, BATCH) for name in names]
        batch = await self._view("units", "get_totals", BATCH)
        ticker = await self._view("market", "get_ticker", BOOK)
        days = await self._view("market", "days_of", BOOK, 0, PAGE)
        bids, asks = [await self._read_side(side) for side in ("buy", "sell")]
        held = sum(int(account["held"]) for account in accounts)
        owned = sum(int(account["free"]) for account in accounts) + held
        best = (
            max((b["price"] for b in bids), default=0),
            min((a["price"] for a in asks), default=0),
        )
        checks = {
            "money is what banks issued": owned == int(total["issued"]) - int(total["redeemed"]),
            "no account is below zero": all(int(a["free"]) >= 0 for a in accounts),
            "money held is what open purchases hold": held == await self._sum_holds(names),
            "units are those issued": sum(map(int, balances)) + int(batch["retired_kg"])
            == int(batch["issued_kg"]),
            "units locked are those offered": await self._sum_locked()
            == sum(a["left_kg"] for a in asks),
            "days add up to the ticker": sum(int(day["trades"]) for day in days)
            == int(ticker["trades"])
            and sum(int(day["volume_kg"]) for day in days) == int(ticker["volume_kg"]),
            "purchases rest by price and number": is_ordered(bids, -1),
            "sales rest by price and number": is_ordered(asks, 1),
            "the book is not crossed": not (bids and asks) or best[0] < best[1],
        }  # fmt: skip
        return {
            "trades": int(ticker["trades"]), "volumeKg": int(ticker["volume_kg"]),
            "retiredKg": int(batch["retired_kg"]), "restingPurchases": len(bids),
            "restingSales": len(asks), "bestBid": best[0], "bestAsk": best[1], "checks": checks,
        }  # fmt: skip

    async def _read_side(self, side: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            last = rows[-1] if rows else {"price": 0, "order": 0}
            after = (last["price"], last["order"])
            page = await self._view("market", "list_resting", BOOK, side, *after, PAGE)
            rows += page
            if len(page) < PAGE:
                return rows

    async def _sum_holds(self, names: Iterable[str]) -> int:
        total = 0
        for name in names:
            after = ""
            while True:
                page = await self._view("cash", "holds_of", name, CURRENCY, after, PAGE)
                total += sum(int(hold["amount"]) for hold in page)
                if len(page) < PAGE:
                    break
                after = page[-1]["reference"]
        return total

    async def _sum_locked(self) -> int:
        total, after = 0, 0
        while True:
            page: list[dict[str, Any]] = await self._view("units", "lots_of", BATCH, after, PAGE)
            total += sum(
                int(lot["end"]) - int(lot["start"]) for lot in page if lot["status"] == "locked"
            )
            if len(page) < PAGE:
                return total
            after = page[-1]["end"]

    async def _view(self, contract: str, method: str, *arguments: Any) -> Any:
        return (await self._client.state_call(contract, method, list(arguments))).value


def is_ordered(rows: list[dict[str, Any]], sign: int) -> bool:
    """Whether resting orders stand by price (times ``sign``) and then by number."""
    keys = [(sign * row["price"], row["order"]) for row in rows]
    return keys == sorted(keys)


def say(text: str) -> None:
    """Tell the operator how far it is."""
    print(text, file=sys.stderr, flush=True)


async def measure(folder: Path, orders: int, calls: int, seed: int) -> dict[str, Any]:
    """Return the figures of one run on a fresh network in ``folder``."""
    others, calibration = os.getloadavg()[0], calibrate()
    commit = describe_commit(Path(__file__).parent)
    params = ChainParams(transaction_window_blocks=WINDOW_BLOCKS)
    network = Localnet(folder, validators=4, fresh=True, params=params, enterprises=TRADERS)
    async with network as net, net.client() as client:
        bench = Bench(net, client, orders, calls, seed)
        await bench.prepare()
        signed = await bench.sign()
        say(f"{len(signed)} transactions of {calls} orders are signed")
        first = (await client.status()).height
        seconds = await bench.run(signed)
        last = (await client.status()).height
        book = await bench.check()
        height, root = await check_equal_states(net)
    after = calibrate()
    counts = bench.counts
    rate = counts.orders / seconds
    return {
        "benchmark": "orders",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "machine": {**describe_machine(), "loadAverageBefore": round(others, 2)},
        "setup": {
            "validators": 4, "orders": orders, "callsPerTransaction": calls, "seed": seed,
            "traders": TRADERS,
        },
        "calibration": {
            "what": "Ed25519 verifications a second, one thread, before and after",
            "verificationsPerSecond": [calibration, after],
        },
        "seconds": round(seconds, 1),
        "orders": counts.orders,
        "ordersPerSecond": round(rate, 1),
        "ordersPerVerification": round(rate / ((calibration + after) / 2), 4),
        "transactions": counts.transactions,
        "sentAgainWithMoreGas": counts.again,
        "failed": counts.failed,
        "gas": counts.gas,
        "gasPerOrder": counts.gas // max(counts.orders, 1),
        "blocks": last - first,
        **book,
        "height": height,
        "stateRootOfAll": root,
    }  # fmt: skip


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=20, help="orders in a transaction")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--directory", type=Path, help="default: a temporary folder")
    parser.add_argument("--save", action="store_true", help="keep the result under bench/results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carbonode-orders-") as scratch:
        folder = asked.directory or Path(scratch) / "net"
        document = asyncio.run(measure(folder, asked.orders, asked.calls, asked.seed))
    print(json.dumps(document, indent=2))
    if asked.save:
        name = f"orders-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        path = Path(__file__).parent / "results" / name
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    failed = [name for name, held in document["checks"].items() if not held]
    if failed or document["orders"] != asked.orders:
        say(f"error: {failed or document['failed']}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
