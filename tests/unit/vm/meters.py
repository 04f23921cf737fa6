"""A meter for tests of the contracts: registered, with honest batches to bend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from primitives.keys import PrivateKey
from tests.unit.vm.carbon_chain import DAY, HASH, START_SECONDS, Chain, key_of
from tools.gateway.batching import Batch, Header, Position, make_batch
from tools.gateway.readings import Reading, sign_reading
from tools.gateway.submitting import NewDevice

PLANT = "steel-plant"
METER = "meter-1"
BEGAN = START_SECONDS - 100 * DAY
QUARTER_S = 900
RATE_MAX = 400_000
"""Wh an hour."""


def make_device(name: str = METER, **changes: Any) -> NewDevice:
    device = NewDevice(
        name, key_of(name).public_key, "Wh", RATE_MAX, BEGAN, START_SECONDS + 300 * DAY
    )
    return replace(device, **changes)


def make_readings(
    count: int, first: int = 1, began: int = BEGAN, device: str = METER, amount: int = 3_170
) -> list[Reading]:
    return [
        Reading(
            device,
            first + n,
            began + n * QUARTER_S,
            began + (n + 1) * QUARTER_S,
            amount + first + n,
        )
        for n in range(count)
    ]


def set_up_plant(chain: Chain, owner: str = "alice") -> None:
    """An installation whose data ``metering`` submits, with one meter."""
    chain.ok(owner, "devices", "register_installation", PLANT, "metering", "CN-31", HASH)
    chain.ok("metering", "devices", "register_devices", PLANT, [make_device().wire])


def get_position(chain: Chain, device: str = METER) -> Position:
    return Position(*chain.view("devices", "get_head", device))


def batch_of(chain: Chain, readings: list[Reading], key: PrivateKey | None = None) -> Batch:
    """The readings as the honest next batch of their device."""
    device = readings[0].device
    signer = key or key_of(device)
    signed = [sign_reading(signer, reading) for reading in readings]
    return make_batch(signer, get_position(chain, device), signed)


def sign_again(header: Header, signer: str = METER, **changes: Any) -> Header:
    """A header that its device signed although it is not honest."""
    bent = replace(header, **changes)
    return replace(bent, signature=key_of(signer).sign(bent.message))


def submit(chain: Chain, *batches: Batch) -> None:
    chain.ok("metering", "devices", "submit_batches", [batch.header.wire for batch in batches])
