"""The gateway: readings signed, batched, kept, proven; submitted to the real contract in memory."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from primitives.hashing import TransactionId
from primitives.keys import PrivateKey
from primitives.merkle import compute_proof, compute_root
from primitives.transaction import Call, Transaction, encode_arguments
from tests.unit.vm.carbon_chain import DAY, HASH, START_SECONDS, Chain, key_of
from tests.unit.vm.meters import (
    BEGAN,
    METER,
    PLANT,
    QUARTER_S,
    get_position,
    make_device,
    make_readings,
    set_up_plant,
    sign_again,
)
from tools.client.client import Client
from tools.client.results import FinalTransaction, Submitted
from tools.client.wire import to_hex
from tools.gateway.batching import Batch, Position, find_differences, make_batch
from tools.gateway.meterfile import make_readings as number
from tools.gateway.meterfile import read_intervals
from tools.gateway.proofs import Inclusion, parse_inclusion, prove, verify_inclusion
from tools.gateway.readings import (
    Reading,
    ReadingError,
    decode_leaf,
    is_signed_by,
    sign_reading,
)
from tools.gateway.store import ReadingStore, read_batch
from tools.gateway.submitting import Gateway, GatewayError, Refusal

KEY = key_of(METER)
START = Position(0, 0, bytes(32))


def make_signed_batch(count: int = 4, after: Position = START, first: int = 1) -> Batch:
    began = max(after.time_to, BEGAN)
    readings = make_readings(count, first, began)
    return make_batch(KEY, after, [sign_reading(KEY, reading) for reading in readings])


# --- readings


def test_a_leaf_is_the_reading_and_its_signature() -> None:
    signed = sign_reading(KEY, make_readings(1)[0])
    assert decode_leaf(signed.leaf) == signed and is_signed_by(KEY.public_key, signed)


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "meter-2"},
        {"sequence": 2},
        {"time_from": BEGAN + 1},
        {"time_to": BEGAN + QUARTER_S + 1},
        {"amount": 1},
        {"is_estimated": True},
    ],
)
def test_no_field_of_a_reading_changes_after_the_signature(changes: dict[str, Any]) -> None:
    signed = sign_reading(KEY, make_readings(1)[0])
    changed = replace(signed, reading=replace(signed.reading, **changes))
    assert not is_signed_by(KEY.public_key, changed)


@pytest.mark.parametrize(
    "changes", [{"sequence": 0}, {"time_from": -1}, {"time_to": BEGAN}, {"amount": -1}]
)
def test_what_no_meter_measures_is_not_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(ReadingError):
        sign_reading(KEY, replace(make_readings(1)[0], **changes))


def test_no_bytes_but_a_leafs_are_a_leaf() -> None:
    leaf = sign_reading(KEY, make_readings(1)[0]).leaf
    seed = 7
    choose = random.Random(seed)
    for _ in range(2_000):
        bent = bytearray(leaf)
        for _ in range(choose.randrange(1, 4)):
            place = choose.randrange(len(bent))
            bent[place : place + choose.randrange(2)] = bytes([choose.randrange(256)])
        try:
            read = decode_leaf(bytes(bent))
        except ReadingError:
            continue
        assert bytes(bent) == read.leaf, (seed, bytes(bent))
        assert bytes(bent) == leaf or not is_signed_by(KEY.public_key, read), (seed, bytes(bent))


# --- batches


@pytest.mark.parametrize(
    "spoil",
    [
        lambda readings: [],
        lambda readings: [readings[0], readings[2]],
        lambda readings: [readings[1], readings[0]],
        lambda readings: [readings[1]],
        lambda readings: [readings[0], replace(readings[1], device="meter-2")],
        lambda readings: [readings[0], replace(readings[1], time_from=BEGAN)],
        lambda readings: [replace(item, is_estimated=True) for item in readings],
    ],
)
def test_what_the_chain_would_refuse_is_not_batched(spoil: Any) -> None:
    readings = spoil(make_readings(4))
    with pytest.raises(ReadingError):
        make_batch(KEY, START, [sign_reading(KEY, reading) for reading in readings])


def test_a_reading_that_another_key_signed_is_not_batched() -> None:
    with pytest.raises(ReadingError, match="not signed"):
        make_batch(KEY, START, [sign_reading(key_of("meter-2"), make_readings(1)[0])])


def test_the_peak_is_the_highest_rate_rounded_up() -> None:
    readings = [
        Reading(METER, 1, BEGAN, BEGAN + 900, 100),
        Reading(METER, 2, BEGAN + 900, BEGAN + 907, 1),
    ]
    batch = make_batch(KEY, START, [sign_reading(KEY, reading) for reading in readings])
    assert batch.header.peak == 515  # 3600 / 7 = 514.3 an hour, above 400 an hour


def test_one_changed_reading_is_found_whoever_signs_it() -> None:
    batch = make_signed_batch(96)
    assert find_differences(batch.header, KEY.public_key, batch.readings) == []
    changed = list(batch.readings)
    changed[40] = replace(changed[40], reading=replace(changed[40].reading, amount=1))
    found = find_differences(batch.header, KEY.public_key, changed)
    assert any("reading 41: not signed" in line for line in found)
    assert any("another Merkle root" in line for line in found)
    assert any(line.startswith("total:") for line in found)
    # The device's own key signs another story later: the root on the chain tells.
    changed[40] = sign_reading(KEY, changed[40].reading)
    found = find_differences(batch.header, KEY.public_key, changed)
    assert any("another Merkle root" in line for line in found)
    assert not any("not signed" in line for line in found)


def test_readings_left_out_or_a_forged_header_are_found() -> None:
    batch = make_signed_batch(4)
    assert find_differences(batch.header, KEY.public_key, []) == ["no readings"]
    assert find_differences(batch.header, KEY.public_key, batch.readings[:-1])
    forged = replace(batch.header, signature=bytes(64))
    assert find_differences(forged, KEY.public_key, batch.readings) == [
        "the header is not signed by the device"
    ]


# --- the store


def test_a_stored_batch_comes_back_as_it_was(tmp_path: Path) -> None:
    store = ReadingStore(tmp_path)
    assert store.get_position(METER) is None
    first = make_signed_batch()
    second = make_signed_batch(4, first.position, 5)
    for batch in (first, second, first):
        store.put(batch)
    assert store.list_runs(METER) == [(1, 4), (5, 8)]
    assert store.get(METER, 8) == second and store.find(METER, 3) == first
    assert store.get_position(METER) == second.position
    assert list(store.list_after(METER, 4)) == [second]


def test_no_batch_replaces_another(tmp_path: Path) -> None:
    store = ReadingStore(tmp_path)
    store.put(make_signed_batch(4))
    for other in (
        make_signed_batch(3),
        make_signed_batch(5),
        make_signed_batch(4, replace(START, hash=HASH)),
    ):
        with pytest.raises(ReadingError, match="stored already"):
            store.put(other)
    assert store.list_runs(METER) == [(1, 4)]


@pytest.mark.parametrize("device", ["..", ".", "a/b", "", "x" * 65])
def test_a_device_is_no_path(tmp_path: Path, device: str) -> None:
    with pytest.raises(ReadingError):
        ReadingStore(tmp_path).list_runs(device)


def test_damaged_files_are_told_with_their_path(tmp_path: Path) -> None:
    store = ReadingStore(tmp_path)
    store.put(make_signed_batch())
    path = next((tmp_path / METER).iterdir())
    whole = path.read_bytes()
    for spoiled in (b"", whole[:-1], whole + b"x", b"\x92\xc0\x90", b"\x92\x91\x01\x90"):
        path.write_bytes(spoiled)
        with pytest.raises(ReadingError, match="path="):
            read_batch(path)
    with pytest.raises(ReadingError):
        store.get(METER, 5)
    with pytest.raises(ReadingError):
        store.find(METER, 5)


# --- inclusion proofs


@pytest.mark.parametrize("count", [1, 2, 5, 96])
def test_every_reading_is_proven_under_the_header(tmp_path: Path, count: int) -> None:
    store, batch = ReadingStore(tmp_path), make_signed_batch(count)
    store.put(batch)
    for signed in batch.readings:
        proof = parse_inclusion(prove(store, METER, signed.reading.sequence).to_json())
        assert verify_inclusion(batch.header, KEY.public_key, proof) == signed


def test_a_proof_shows_nothing_else(tmp_path: Path) -> None:
    store, batch = ReadingStore(tmp_path), make_signed_batch(5)
    store.put(batch)
    good, header = prove(store, METER, 2), batch.header
    other = sign_reading(KEY, replace(batch.readings[1].reading, amount=1)).leaf
    spoiled = [
        replace(good, leaf=other),
        replace(good, index=2),
        replace(good, size=6),
        replace(good, last=6),
        replace(good, device="meter-2"),
        replace(good, path=good.path[:-1]),
        replace(good, path=(*good.path, HASH)),
        replace(good, leaf=b"junk"),
    ]
    for proof in spoiled:
        with pytest.raises(ReadingError):
            verify_inclusion(header, KEY.public_key, proof)
    with pytest.raises(ReadingError, match="did not sign"):
        verify_inclusion(header, key_of("meter-2").public_key, good)


def test_a_leaf_in_the_place_of_another_is_refused() -> None:
    """A device that swaps two leaves under its own root cannot show one for the other."""
    batch = make_signed_batch(2)
    leaves = batch.leaves[::-1]
    header = sign_again(batch.header, root=compute_root(leaves))
    proof = Inclusion(METER, 2, leaves[0], 0, 2, tuple(compute_proof(leaves, 0)))
    with pytest.raises(ReadingError, match="another reading"):
        verify_inclusion(header, KEY.public_key, proof)


@pytest.mark.parametrize(
    "changes",
    [{"leaf": "junk"}, {"index": -1}, {"index": True}, {"size": "4"}, {"path": 5}, {"device": 5},
     {"path": ["0x00"]}],
)  # fmt: skip
def test_a_document_of_another_shape_is_no_proof(tmp_path: Path, changes: dict[str, Any]) -> None:
    store = ReadingStore(tmp_path)
    store.put(make_signed_batch())
    document = prove(store, METER, 2).to_json()
    assert parse_inclusion(document) == prove(store, METER, 2)
    for wrong in (document | changes, {}, [], None):
        with pytest.raises(ReadingError):
            parse_inclusion(wrong)


# --- the meter's file

FILE = "date,Usage_kWh,NSM\n1/1/2018 0:15,3.17,900\n31/01/2018 00:00,4.57,0\n"


def test_a_meters_file_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(FILE)
    intervals = list(read_intervals(path))
    # 2018-01-01 00:00 in Korea is 2017-12-31 15:00 UTC; the last row ends with its day.
    assert [(i.time_from, i.time_to, i.amount_wh) for i in intervals] == [
        (1_514_732_400, 1_514_733_300, 3_170),
        (1_517_409_900, 1_517_410_800, 4_570),
    ]
    readings = list(number(METER, iter(intervals), after=7))
    assert [reading.sequence for reading in readings] == [8, 9]


@pytest.mark.parametrize(
    "row",
    ["1/13/2018 0:15,3.17,900", "1/1/2018 0:15,-3,900", "1/1/2018 0:15,3.1705,900",
     "1/1/2018 0:15,x,900", "1/1/2018 0:15,1,90000", "1/1/2018 0:15,NaN,900", "1/1/2018"],
)  # fmt: skip
def test_a_row_that_cannot_be_is_named(tmp_path: Path, row: str) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(f"{FILE}{row}\n")
    with pytest.raises(ReadingError, match="line=4"):
        list(read_intervals(path))


def find_meter_file() -> Path:
    root = Path(__file__).resolve().parents[3]
    folder = Path(os.environ.get("CARBONODE_DATA", root.parent / "shared" / "data"))
    path = folder / "meters" / "steel_meter_15min_first4weeks.csv"
    if not path.exists():
        pytest.skip(f"no meter's file at {path} (set CARBONODE_DATA)")
    return path


# --- submitting, to the contract on a chain in memory


@dataclass
class MemoryClient:
    """What a gateway needs of a client, over a chain in memory. ``lose`` drops answers."""

    chain: Chain
    sent: int = 0
    lose: int = 0

    async def build(self, key: PrivateKey, calls: Sequence[Call], *, gas_limit: int) -> Transaction:
        for call in calls:
            assert len(encode_arguments(call.arguments)) < 128 * 1024
        return self.chain.make(key.public_key, *calls, gas=gas_limit)

    async def submit_batch(
        self, transactions: Sequence[Transaction], *, patient: bool
    ) -> list[Submitted]:
        receipts, _ = self.chain.run(*transactions)
        self.receipts = {item.transaction_id: item for item in receipts}
        self.sent += 1
        if self.sent == self.lose:
            raise TimeoutError("the answer was lost")
        return [Submitted(item.id, None) for item in transactions]

    async def wait(self, id_: TransactionId, *, timeout_s: float) -> FinalTransaction:
        receipt = self.receipts[id_]
        values = {"status": receipt.status, "code": receipt.code, "gas": receipt.gas}
        return FinalTransaction(id_, self.chain.height, 0, cast(Any, b""), values)

    async def state_call(self, contract: str, method: str, arguments: list[Any]) -> Any:
        last, time_to, hash_ = self.chain.view(contract, method, *arguments)
        value = {"last": last, "time_to": time_to, "hash": to_hex(hash_)}
        return type("Answer", (), {"value": value})


def make_gateway(folder: Path, lose: int = 0) -> tuple[Gateway, Chain]:
    chain = Chain()
    set_up_plant(chain)
    client = cast(Client, MemoryClient(chain, lose=lose))
    return Gateway(client, key_of("metering"), ReadingStore(folder)), chain


def test_a_year_of_days_goes_in_two_transactions(tmp_path: Path) -> None:
    gateway, chain = make_gateway(tmp_path)
    readings = make_readings(365 * 4, amount=10)  # as many batches as a year has days

    async def scenario() -> list[Refusal]:
        batches = await gateway.pack(KEY, readings, readings_per_batch=4)
        return await gateway.submit([batch.header for batch in batches])

    assert asyncio.run(scenario()) == []
    assert get_position(chain).last == 365 * 4
    assert gateway.counts.transactions == 2
    whole = chain.view("devices", "get_reading", METER, 1, 365 * 4)
    assert whole[3] == sum(reading.amount for reading in readings)


def test_one_bad_device_stops_no_other(tmp_path: Path) -> None:
    gateway, chain = make_gateway(tmp_path)
    names = [f"m-{n}" for n in range(5)]

    async def scenario() -> list[Refusal]:
        await gateway.register(PLANT, [make_device(name) for name in names])
        headers = []
        for name in names:
            for batch in await gateway.pack(
                key_of(name), make_readings(12, device=name), readings_per_batch=4
            ):
                bent = name == "m-2" and batch.header.first == 5
                headers.append(sign_again(batch.header, name, peak=10**6) if bent else batch.header)
        return await gateway.submit(headers)

    assert asyncio.run(scenario()) == [Refusal("m-2", 5, "over-rate")]
    assert [get_position(chain, name).last for name in names] == [12, 12, 4, 12, 12]


def test_after_a_lost_answer_the_rest_goes_on_and_nothing_goes_twice(tmp_path: Path) -> None:
    gateway, chain = make_gateway(tmp_path, lose=1)

    async def scenario() -> None:
        batches = await gateway.pack(KEY, make_readings(1_300 * 1), readings_per_batch=4)
        headers = [batch.header for batch in batches]
        with pytest.raises(ExceptionGroup) as caught:
            await gateway.submit(headers)
        assert caught.group_contains(TimeoutError)
        assert 0 < get_position(chain).last < 1_300
        # The very same headers again: those on the chain count as done.
        assert await gateway.submit(headers[:310]) == []
        assert await gateway.recover(METER) == []
        assert await gateway.recover(METER) == []

    asyncio.run(scenario())
    assert get_position(chain).last == 1_300


def test_a_refused_registration_is_an_error(tmp_path: Path) -> None:
    gateway, _ = make_gateway(tmp_path)
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(
            gateway.register(PLANT, [make_device("m-1"), make_device("m-1", key=b"k" * 32)])
        )
    assert caught.group_contains(GatewayError, match="device-exists")


@pytest.mark.data
def test_the_steel_plants_meter_is_replayed_to_the_last_watt_hour(tmp_path: Path) -> None:
    path = find_meter_file()
    gateway, chain = make_gateway(tmp_path)
    meter = make_device("steel", calibrated_from=0, rate_max=800_000)

    async def scenario() -> list[Refusal]:
        await gateway.register(PLANT, [meter])
        readings = list(number("steel", read_intervals(path)))
        batches = await gateway.pack(key_of("steel"), readings, readings_per_batch=96)
        return await gateway.submit([batch.header for batch in batches])

    assert asyncio.run(scenario()) == []
    found = chain.view("devices", "get_reading", "steel", 1, 2_688)
    # Independent of our reader: the second column summed as text in hundredths of a kWh.
    rows = [line.split(",")[1] for line in path.read_text().splitlines()[1:]]
    hundredths = sum(int(w) * 100 + int((f + "00")[:2]) for w, f in (r.split(".") for r in rows))
    assert found[3] == hundredths * 10
    assert found[7] - found[6] == found[8] == 28 * DAY < START_SECONDS
