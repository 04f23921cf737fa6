"""Installations, devices, batches of readings, activity data: what holds and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, HASH, START_SECONDS, Chain, key_of
from tests.unit.vm.meters import (
    BEGAN,
    METER,
    PLANT,
    QUARTER_S,
    RATE_MAX,
    batch_of,
    make_device,
    make_readings,
    set_up_plant,
    sign_again,
    submit,
)
from tools.gateway.batching import Header

FAR = 1 << 60
ACTIVITY = ("coal-1", PLANT, "coal", 12_500, 3, "t", BEGAN, BEGAN + DAY, HASH)


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    set_up_plant(chain)
    return chain


def refuse(chain: Chain, code: str, *headers: Header, sender: str = "metering") -> None:
    chain.refused(code, sender, "devices", "submit_batches", [header.wire for header in headers])


# --- installations and devices


def test_an_installation_has_an_owner_and_another_submitter(chain: Chain) -> None:
    found = chain.view("devices", "get_installation", PLANT)
    assert found[:4] == ["alice", "metering", "CN-31", HASH]
    chain.view_refused("no-installation", "devices", "get_installation", "other")


@pytest.mark.parametrize(
    ("code", "sender", "arguments"),
    [
        ("bad-id", "alice", ("a|b", "metering", "CN-31", HASH)),
        ("bad-id", "alice", ("", "metering", "CN-31", HASH)),
        ("bad-text", "alice", ("plant-2", "metering", "", HASH)),
        ("bad-hash", "alice", ("plant-2", "metering", "CN-31", b"short")),
        ("not-an-owner", "bank", ("plant-2", "metering", "CN-31", HASH)),
        ("installation-exists", "bob", (PLANT, "metering", "CN-31", HASH)),
        ("no-submitter", "alice", ("plant-2", "nobody", "CN-31", HASH)),
        ("submitter-is-owner", "alice", ("plant-2", "alice", "CN-31", HASH)),
    ],
)
def test_an_installation_is_refused(
    chain: Chain, code: str, sender: str, arguments: tuple[Any, ...]
) -> None:
    chain.refused(code, sender, "devices", "register_installation", *arguments)


def test_a_project_owner_has_installations_too(chain: Chain) -> None:
    chain.ok("owner", "devices", "register_installation", "farm", "metering", "CN-31", HASH)


def test_the_owner_alone_changes_the_submitter(chain: Chain) -> None:
    change = ("devices", "change_submitter")
    chain.refused("no-installation", "alice", *change, "other", "bob")
    chain.refused("not-permitted", "metering", *change, PLANT, "bob")
    chain.refused("no-submitter", "alice", *change, PLANT, "nobody")
    chain.refused("submitter-is-owner", "alice", *change, PLANT, "alice")
    header = batch_of(chain, make_readings(4)).header
    chain.ok("alice", *change, PLANT, "bob")
    refuse(chain, "not-submitter", header)
    chain.ok("bob", "devices", "submit_batches", [header.wire])


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-id", {"device": "a b"}),
        ("bad-text", {"unit": ""}),
        ("bad-text", {"unit": "u" * 17}),
        ("bad-rate", {"rate_max": 0}),
        ("bad-rate", {"rate_max": 10**30 + 1}),
        ("bad-validity", {"calibrated_from": -1}),
        ("bad-validity", {"calibration_due": BEGAN}),
        ("bad-validity", {"calibration_due": FAR}),
        ("device-exists", {"device": METER, "key": bytes(32)}),
        ("key-taken", {"key": key_of(METER).public_key}),
    ],
)
def test_a_device_is_refused(chain: Chain, code: str, changes: dict[str, Any]) -> None:
    device = replace(make_device("meter-2"), **changes)
    chain.refused(code, "metering", "devices", "register_devices", PLANT, [device.wire])


def test_a_key_seen_in_a_registration_is_not_taken_from_who_has_it(chain: Chain) -> None:
    """Bob names the keys of another's meters first; he cannot sign with them."""
    chain.ok("bob", "devices", "register_installation", "squat", "bank", "CN-31", HASH)
    register = ("devices", "register_devices")
    wanted = make_device("meter-2")
    for name in ("squat-1", "squat-2"):
        squatted = make_device(name, key=wanted.key).wire
        if name == "squat-1":
            chain.ok("bank", *register, "squat", [squatted])
            chain.refused("key-taken", "bank", *register, "squat", [make_device(
                "squat-3", key=wanted.key).wire])  # fmt: skip
            chain.ok("metering", *register, PLANT, [wanted.wire])
        else:
            chain.ok("bank", *register, "squat", [squatted])
    # Nor can he use the devices before their owner does: the first batch decides.
    submit(chain, batch_of(chain, make_readings(4, device="meter-2")))
    late = make_device("squat-4", key=wanted.key).wire
    chain.refused("key-taken", "bank", *register, "squat", [late])
    stolen = batch_of(chain, make_readings(4, device="squat-1"), key_of("meter-2"))
    refuse(chain, "key-taken", stolen.header, sender="bank")


def test_devices_are_registered_by_the_submitter_and_not_in_numbers_out_of_bounds(
    chain: Chain,
) -> None:
    register = ("devices", "register_devices")
    wires = [make_device(f"m-{n}").wire for n in range(201)]
    chain.refused("not-submitter", "alice", *register, PLANT, wires[:1])
    chain.refused("no-installation", "metering", *register, "other", wires[:1])
    chain.refused("bad-list", "metering", *register, PLANT, [])
    chain.refused("bad-list", "metering", *register, PLANT, wires)
    # One call with the same device twice stores neither.
    chain.refused("device-exists", "metering", *register, PLANT, [wires[0], wires[0]])


def test_a_call_registers_as_many_devices_as_it_may_of_the_longest_names(chain: Chain) -> None:
    wires = [make_device(f"{n:064d}", unit="u" * 16).wire for n in range(200)]
    gas = 200 * 25_000
    call = Call("devices", "register_devices", (PLANT, wires))
    receipts, _ = chain.run(chain.make("metering", call, gas=gas))
    assert (receipts[0].status, receipts[0].code) == ("ok", "")
    assert chain.view("devices", "get_device", f"{199:064d}")[0] == PLANT


# --- calibration


def test_a_laboratory_renews_the_calibration_of_many(chain: Chain) -> None:
    until = START_SECONDS + 900 * DAY
    chain.ok("laboratory", "devices", "calibrate", [METER], START_SECONDS, until, HASH)
    device = chain.view("devices", "get_device", METER)
    # The old validity ran into the new one: what was measured before stays within it.
    assert device[4:6] == [BEGAN, until]


def test_a_break_in_calibration_stays_a_break(chain: Chain) -> None:
    late = START_SECONDS + 301 * DAY
    chain.ok("laboratory", "devices", "calibrate", [METER], late, late + DAY, HASH)
    assert chain.view("devices", "get_device", METER)[4:6] == [late, late + DAY]
    refuse(chain, "not-calibrated", batch_of(chain, make_readings(4)).header)


def test_an_earlier_beginning_replaces_the_calibration(chain: Chain) -> None:
    early = BEGAN - 10 * DAY
    chain.ok("laboratory", "devices", "calibrate", [METER], early, BEGAN + DAY, HASH)
    assert chain.view("devices", "get_device", METER)[4:6] == [early, BEGAN + DAY]


def test_who_may_not_calibrate(chain: Chain) -> None:
    calibrate = ("devices", "calibrate")
    terms = (START_SECONDS, START_SECONDS + DAY, HASH)
    chain.refused("not-a-laboratory", "metering", *calibrate, [METER], *terms)
    chain.refused("bad-list", "laboratory", *calibrate, [], *terms)
    chain.refused("bad-list", "laboratory", *calibrate, [METER] * 201, *terms)
    chain.refused("bad-hash", "laboratory", *calibrate, [METER], *terms[:2], b"x")
    chain.refused("no-device", "laboratory", *calibrate, ["other"], *terms)
    chain.refused("bad-validity", "laboratory", *calibrate, [METER], 5, 5, HASH)
    chain.ok("regulator", "identity", "add_role", "alice", "laboratory")
    chain.refused("not-accredited", "alice", *calibrate, [METER], *terms)
    chain.ok("regulator", "identity", "accredit", "alice", "calibration", 0, FAR)
    chain.refused("laboratory-is-party", "alice", *calibrate, [METER], *terms)
    chain.ok("regulator", "identity", "add_role", "metering", "laboratory")
    chain.ok("regulator", "identity", "accredit", "metering", "calibration", 0, FAR)
    chain.refused("laboratory-is-party", "metering", *calibrate, [METER], *terms)


def test_a_stopped_device_submits_no_more(chain: Chain) -> None:
    stop = ("devices", "stop_device")
    submit(chain, batch_of(chain, make_readings(4)))
    chain.refused("no-device", "alice", *stop, "other", "sold")
    chain.refused("bad-text", "alice", *stop, METER, "")
    chain.refused("not-permitted", "bob", *stop, METER, "sold")
    header = batch_of(chain, make_readings(4, 5, BEGAN + 4 * QUARTER_S)).header
    chain.ok("alice", *stop, METER, "its key was lost")
    chain.refused("device-stopped", "metering", *stop, METER, "again")
    refuse(chain, "device-stopped", header)
    assert chain.view("devices", "get_reading", METER, 1, 4)[2] == 4


# --- batches


def test_batches_add_up_like_a_register(chain: Chain) -> None:
    first = batch_of(chain, make_readings(96))
    submit(chain, first)
    estimated = [
        replace(r, is_estimated=n < 3)
        for n, r in enumerate(make_readings(12, 97, BEGAN + DAY + QUARTER_S))
    ]
    second = batch_of(chain, estimated)
    submit(chain, second)
    sums = [sum(s.reading.amount for s in batch.readings) for batch in (first, second)]
    guessed = sum(r.amount for r in estimated if r.is_estimated)
    end = BEGAN + DAY + 13 * QUARTER_S
    whole = [PLANT, "Wh", 108, sum(sums), 3, guessed, BEGAN, end, DAY + 12 * QUARTER_S]
    assert chain.view("devices", "get_reading", METER, 1, 108) == whole
    part = [PLANT, "Wh", 12, sums[1], 3, guessed, BEGAN + DAY + QUARTER_S, end, 12 * QUARTER_S]
    assert chain.view("devices", "get_reading", METER, 97, 108) == part
    assert chain.view("devices", "get_reading", METER, 1, 96)[6:8] == [BEGAN, BEGAN + DAY]
    assert chain.view("devices", "list_lasts", METER, 0, 100) == [96, 108]
    for batch in (first, second):
        wire = chain.view("devices", "get_header", METER, batch.header.last)
        assert Header(*wire) == replace(batch.header, signature=b"")
    assert chain.view("devices", "get_head", METER) == [108, end, second.header.hash]


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("get_reading", (METER, 0, 4), "no-batch"),
        ("get_reading", (METER, 2, 4), "no-batch"),
        ("get_reading", (METER, 5, 4), "no-batch"),
        ("get_reading", (METER, 1, 3), "no-batch"),
        ("get_reading", ("other", 1, 4), "no-device"),
        ("get_header", (METER, 3), "no-batch"),
        ("get_header", ("other", 4), "no-device"),
        ("get_head", ("other",), "no-device"),
        ("get_device", ("other",), "no-device"),
        ("list_lasts", (METER, 0, 0), "bad-limit"),
        ("list_lasts", (METER, 0, 101), "bad-limit"),
        ("get_activity", ("other",), "no-activity"),
    ],
)
def test_what_is_not_there_is_not_found(
    chain: Chain, method: str, arguments: tuple[Any, ...], code: str
) -> None:
    submit(chain, batch_of(chain, make_readings(4)))
    chain.view_refused(code, "devices", method, *arguments)


def test_two_batches_of_a_device_fit_one_call_in_order_only(chain: Chain) -> None:
    one = batch_of(chain, make_readings(4)).header
    other = sign_again(
        batch_of(chain, make_readings(4)).header, first=5, last=8, previous=one.hash,
        time_from=one.time_to, time_to=one.time_to + 4 * QUARTER_S,
    )  # fmt: skip
    refuse(chain, "sequence-gap", other, one)
    chain.ok("metering", "devices", "submit_batches", [one.wire, other.wire])
    assert chain.view("devices", "get_head", METER)[0] == 8


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-sequence", {"first": 0, "last": 3}),
        ("bad-sequence", {"first": 5, "last": 4}),
        ("bad-sequence", {"last": 100_001}),
        ("bad-sequence", {"first": (1 << 53) - 1, "last": 1 << 53}),
        ("bad-period", {"time_from": -1}),
        ("bad-period", {"time_to": BEGAN}),
        ("from-the-future", {"time_to": START_SECONDS + 100}),
        ("bad-amount", {"total": -1}),
        ("bad-amount", {"total": 10**30 + 1}),
        ("bad-amount", {"peak": -1}),
        ("bad-amount", {"peak": 10**30 + 1}),
        ("bad-hash", {"root": b"short"}),
        ("bad-estimate", {"estimated_count": -1}),
        ("bad-estimate", {"estimated_count": 5}),
        ("bad-estimate", {"estimated_count": 1, "estimated_total": -1}),
        ("bad-estimate", {"estimated_count": 1, "estimated_total": 1_000_000}),
        ("bad-estimate", {"estimated_count": 0, "estimated_total": 1}),
        ("too-many-estimates", {"estimated_count": 2}),
        ("sequence-gap", {"first": 2}),
        ("wrong-previous", {"previous": HASH}),
        ("not-calibrated", {"time_from": BEGAN - 1}),
        ("over-rate", {"peak": RATE_MAX + 1}),
        ("over-peak", {"total": 400_000, "peak": RATE_MAX - 1}),
        ("no-device", {"device": "other"}),
    ],
)
def test_a_header_that_the_device_itself_bent_is_refused(
    chain: Chain, code: str, changes: dict[str, Any]
) -> None:
    honest = batch_of(chain, make_readings(4)).header
    refuse(chain, code, sign_again(honest, **changes))
    chain.ok("metering", "devices", "submit_batches", [honest.wire])


def test_a_replay_and_time_going_back_are_refused(chain: Chain) -> None:
    batch = batch_of(chain, make_readings(4))
    submit(chain, batch)
    refuse(chain, "replay", batch.header)
    after = batch_of(chain, make_readings(4, 5, BEGAN + 4 * QUARTER_S)).header
    refuse(chain, "replay", sign_again(after, first=4))
    refuse(chain, "time-backwards", sign_again(after, time_from=BEGAN))
    refuse(chain, "sequence-gap", sign_again(after, first=6))


def test_calibration_ends_for_readings_that_end_later(chain: Chain) -> None:
    soon = make_device("meter-2", calibration_due=BEGAN + DAY)
    chain.ok("metering", "devices", "register_devices", PLANT, [soon.wire])
    submit(chain, batch_of(chain, make_readings(96, device="meter-2")))
    late = batch_of(chain, make_readings(1, 97, BEGAN + DAY, "meter-2")).header
    refuse(chain, "not-calibrated", late)


CHANGED = {
    "last": 5, "time_from": BEGAN + 1, "time_to": BEGAN + 3_601, "total": 1, "peak": 20_000,
    "estimated_count": 1, "estimated_total": 1, "root": HASH,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGED)
def test_no_field_of_a_header_changes_after_the_signature(chain: Chain, name: str) -> None:
    header = batch_of(chain, make_readings(4)).header
    if name == "estimated_total":
        header = sign_again(header, estimated_count=1)
    refuse(chain, "bad-signature", replace(header, **{name: CHANGED[name]}))


def test_nobody_else_signs_for_a_device(chain: Chain) -> None:
    header = batch_of(chain, make_readings(4)).header
    other = replace(header, signature=key_of("meter-2").sign(header.message))
    refuse(chain, "bad-signature", other)
    refuse(chain, "bad-signature", replace(header, signature=b""))


def test_a_header_of_another_chain_fits_nowhere(chain: Chain) -> None:
    """Same device, same key, same readings: only the transaction of the registration differs."""
    other = Chain()
    other.nonce = 7
    set_up_plant(other)
    refuse(chain, "wrong-previous", batch_of(other, make_readings(4)).header)


def test_batches_come_from_the_submitter_in_bounded_numbers(chain: Chain) -> None:
    header = batch_of(chain, make_readings(4)).header
    refuse(chain, "not-submitter", header, sender="alice")
    refuse(chain, "bad-list")
    refuse(chain, "bad-list", *[header] * 101)


# --- activity data


def test_activity_data_is_kept_under_its_submitters_name(chain: Chain) -> None:
    chain.ok("metering", "devices", "submit_activity", *ACTIVITY)
    found = chain.view("devices", "get_activity", "coal-1")
    assert found == [*ACTIVITY[1:], "metering", chain.time]
    chain.refused("activity-exists", "bob", "devices", "submit_activity", *ACTIVITY)


@pytest.mark.parametrize(
    ("code", "place", "value"),
    [
        ("bad-id", 0, "a b"),
        ("bad-id", 1, ""),
        ("bad-text", 2, ""),
        ("negative-activity", 3, -1),
        ("bad-amount", 3, 10**30 + 1),
        ("bad-scale", 4, -1),
        ("bad-scale", 4, 19),
        ("bad-text", 5, ""),
        ("bad-period", 6, -1),
        ("bad-period", 7, BEGAN),
        ("from-the-future", 7, START_SECONDS + DAY),
        ("bad-hash", 8, b"short"),
    ],
)
def test_activity_data_is_refused(chain: Chain, code: str, place: int, value: Any) -> None:
    arguments = list(ACTIVITY)
    arguments[place] = value
    chain.refused(code, "metering", "devices", "submit_activity", *arguments)


def test_a_contract_without_an_organisation_submits_no_activity(chain: Chain) -> None:
    """The engine turns strangers away; a contract's address gets through, and is nobody."""
    relay = (
        "from vm import call, export\n\n@export\ndef go(evidence: bytes) -> None:\n"
        '    call("devices", "submit_activity", "x", "p", "n", 1, 0, "t", 1, 2, evidence)\n'
    )
    assert chain.send("regulator", "system", "deploy", "relay", relay).status == "ok"
    chain.refused("not-permitted", "bob", "relay", "go", HASH)
