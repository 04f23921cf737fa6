"""The supervisor's evening: the chain itself computes that a trade stayed inside one group."""

from __future__ import annotations

from dataclasses import dataclass

from primitives.transaction import Call
from tools.client.client import Client
from tools.scenario.day import Day
from tools.scenario.display import Display
from tools.scenario.failure import compare
from tools.scenario.reporting import REGULATOR
from tools.scenario.trading import BOOK, Expect, Send


@dataclass(slots=True)
class Watch:
    """``send`` makes one call of a party and returns how it ended."""

    client: Client
    display: Display
    send: Send
    expect: Expect

    async def run(self, day: Day) -> None:
        """The buyer of the first trade turns out to belong to its seller."""
        self.display.begin("The supervisor looks at the trades", 0)
        first = day.fills[0]
        pair = {first.buyer, first.seller}
        control = Call("identity", "set_control", (first.buyer, first.seller))
        self.expect(await self.send(REGULATOR, control), "ok", "")
        other = next(n for n, fill in enumerate(day.fills, 1) if {fill.buyer, fill.seller} != pair)
        self.expect(await self.send(REGULATOR, _scan(other)), "reverted", "no-common-control")
        self.display.note(f"trade {other} said to be inside a group: refused (no-common-control)")
        flagged = await self.send(REGULATOR, _scan(1))
        self.expect(flagged, "ok", "")
        number = int(flagged.receipt["values"][0])
        found = (await self.client.state_call("surveillance", "get_flag", [number])).value
        compare("a flag differs from its trade", "self-match", found["rule"])
        fact = found["facts"][0]
        compare("a flag names others", pair, {fact["giver"], fact["taker"]})
        compare("a flag's evidence differs", first.price, fact["price"])
        self.display.note(
            f"{first.buyer} belongs to {first.seller}: trade 1 between them is flag {number} "
            "(self-match), with its evidence"
        )


def _scan(trade: int) -> Call:
    return Call("surveillance", "scan_self_match", (BOOK, trade))
