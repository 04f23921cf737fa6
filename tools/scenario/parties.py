"""The parties of a run on its network: one call of one of them, its promised end, a view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.client.client import Client
from tools.client.results import FinalTransaction
from tools.scenario.display import Display
from tools.scenario.failure import ScenarioFailed

GAS_LIMIT = 2_000_000
"""For single calls, some of them meant to be refused: an estimate would refuse those first."""


@dataclass(frozen=True, slots=True)
class Parties:
    """``keys`` are by organisation; every transaction is counted on ``display``."""

    client: Client
    keys: Mapping[str, PrivateKey]
    display: Display

    async def send(self, organisation: str, call: Call) -> FinalTransaction:
        """Make one call of a party; return how it ended, whatever that is."""
        final = await self.client.send(self.keys[organisation], [call], gas_limit=GAS_LIMIT)
        self.display.chain.count(1, 1)
        return final

    async def do(self, organisation: str, call: Call) -> FinalTransaction:
        """Make one call that must succeed."""
        final = await self.send(organisation, call)
        expect(final, "ok", "")
        return final

    async def be_refused(self, organisation: str, call: Call, code: str) -> None:
        """Make one call that the chain must refuse with ``code``."""
        expect(await self.send(organisation, call), "reverted", code)

    async def view(self, contract: str, method: str, *arguments: Any) -> Any:
        """Return what a view says at the tip."""
        return (await self.client.state_call(contract, method, list(arguments))).value

    async def read_time_s(self) -> int:
        """Return the last block's time, in seconds UTC."""
        return int((await self.client.status()).document["timeMs"]) // 1000


def expect(final: FinalTransaction, status: str, code: str) -> None:
    """Raise ScenarioFailed unless a transaction ended so."""
    if (final.status, final.code) != (status, code):
        raise ScenarioFailed(
            "a transaction ended otherwise than it must",
            expected=f"{status} {code}".strip(),
            got=f"{final.status} {final.code}".strip(),
            transaction=final.id.hex(),
        )
