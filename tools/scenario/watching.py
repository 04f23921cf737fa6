"""The supervisor's evening: the chain itself computes that a trade stayed inside one group."""

from __future__ import annotations

from primitives.transaction import Call
from tools.scenario.day import Day
from tools.scenario.failure import compare
from tools.scenario.parties import Parties
from tools.scenario.reporting import REGULATOR
from tools.scenario.trading import BOOK


async def watch(parties: Parties, day: Day) -> None:
    """The buyer of the first trade turns out to belong to its seller."""
    display = parties.display
    display.begin("The supervisor looks at the trades", 0)
    first = day.fills[0]
    pair = {first.buyer, first.seller}
    await parties.do(REGULATOR, Call("identity", "set_control", (first.buyer, first.seller)))
    other = next(n for n, fill in enumerate(day.fills, 1) if {fill.buyer, fill.seller} != pair)
    await parties.be_refused(REGULATOR, _scan(other), "no-common-control")
    display.note(f"trade {other} said to be inside a group: refused (no-common-control)")
    flagged = await parties.do(REGULATOR, _scan(1))
    number = int(flagged.receipt["values"][0])
    found = await parties.view("surveillance", "get_flag", number)
    compare("a flag differs from its trade", "self-match", found["rule"])
    fact = found["facts"][0]
    compare("a flag names others", pair, {fact["giver"], fact["taker"]})
    compare("a flag's evidence differs", first.price, fact["price"])
    display.note(
        f"{first.buyer} belongs to {first.seller}: trade 1 between them is flag {number} "
        "(self-match), with its evidence"
    )


def _scan(trade: int) -> Call:
    return Call("surveillance", "scan_self_match", (BOOK, trade))
