"""A serial's life followed through proven rows is what the contract's own view says."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from primitives.codec import pack, unpack
from primitives.errors import ProofError
from tests.unit.vm.carbon_chain import Chain
from tools.light.keys import make_state_key
from tools.light.reader import LightReader
from tools.light.trace import TRIES_MAX, Trace, trace_serial

SEED = 20261124


@dataclass
class Reader:
    """Rows of a chain in memory as if proven; ``moved`` changes lots while they are read."""

    chain: Chain
    end: int | None = None
    moves: int = 0

    async def find_lot_end(self, batch: str, serial: int) -> int:
        if self.moves:
            self.moves -= 1
            self.chain.ok("owner", "units", "split", batch, serial + 1 + self.moves)
        lot = self.chain.view("units", "get_lot_at", batch, serial)
        return int(lot[1] if self.end is None else self.end)

    async def get_state(self, key: bytes) -> Any:
        block = SimpleNamespace(height=self.chain.height)
        return SimpleNamespace(key=key, value=self.chain.state.values.get(key), block=block)


def trace(reader: Reader, batch: str, serial: int) -> Trace:
    return asyncio.run(trace_serial(cast(LightReader, reader), batch, serial))


def shake(chain: Chain, rng: random.Random, turns: int) -> None:
    """Split, merge, transfer and retire at random; what the contract refuses changes nothing."""
    parties = ("owner", "alice", "bob")
    for _ in range(turns):
        start = rng.randrange(0, 100)
        end = rng.randint(start + 1, 100)
        sender = rng.choice(parties)
        method, arguments = rng.choice(
            (
                ("split", ("b1", start)),
                ("merge", ("b1", start)),
                ("transfer", ("b1", start, end, rng.choice(parties))),
            )
        )
        chain.send(sender, "units", method, *arguments)
    for start in rng.sample(range(100), 3):
        chain.send("owner", "retirement", "retire", "b1", start, start + 1, "owner", "test")


@pytest.mark.parametrize("number", range(4))
def test_the_trace_of_every_serial_is_the_contracts_own(number: int) -> None:
    rng = random.Random(f"{SEED}/{number}")
    chain = Chain()
    chain.issue("b1", 100)
    shake(chain, rng, 60)
    for serial in rng.sample(range(100), 25):
        found = trace(Reader(chain), "b1", serial)
        expected = chain.view("units", "trace", "b1", serial, 100)
        assert [
            [s.step, s.kind, s.start, s.end, s.giver, s.taker, s.time_s, s.height]
            for s in found.steps
        ] == expected, (number, serial)
        assert found.steps[-1].kind == "issue"
        lot = chain.view("units", "get_lot_at", "b1", serial)
        assert list(found.lot.values())[:5] == lot
        assert found.origin["project"] == "project"


def test_a_lot_that_does_not_hold_the_serial_is_refused() -> None:
    chain = Chain()
    chain.issue("b1", 100)
    chain.ok("owner", "units", "split", "b1", 40)
    with pytest.raises(ProofError) as caught:
        trace(Reader(chain, end=40), "b1", 50)
    assert caught.value.code == "light-trace"
    with pytest.raises(ProofError, match="no such row of lots"):
        trace(Reader(chain, end=41), "b1", 20)


def test_a_row_that_is_missing_or_of_another_form_is_refused() -> None:
    chain = Chain()
    chain.issue("b1", 100)
    chain.ok("owner", "units", "transfer", "b1", 0, 100, "alice")
    key = make_state_key("units", "moves", ["text:b1", "int:0", "int:1"])
    kept = chain.state.values[key]
    chain.state.values[key] = pack(unpack(kept)[:-1])
    with pytest.raises(ProofError, match="another form"):
        trace(Reader(chain), "b1", 5)
    del chain.state.values[key]
    with pytest.raises(ProofError, match="no such row of moves"):
        trace(Reader(chain), "b1", 5)


def test_a_serial_that_moves_while_it_is_read_is_read_again_but_not_for_ever() -> None:
    chain = Chain()
    chain.issue("b1", 100)
    assert trace(Reader(chain, moves=2), "b1", 5).lot["end"] == 6
    chain = Chain()
    chain.issue("b1", 1000)
    with pytest.raises(ProofError, match="moves while it is read"):
        trace(replace(Reader(chain), moves=2 * TRIES_MAX + 2), "b1", 5)
