"""What a report is made of and what it refuses: subjects, inputs, computation, flags, duties."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain as chain_of
from typing import Any

import pytest

from primitives.errors import GenesisError
from primitives.genesis import GenesisCall
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import DAY, HASH, MACHINE, START_SECONDS, Chain, make_genesis
from tests.unit.vm.meters import (
    BEGAN,
    METER,
    QUARTER_S,
    batch_of,
    make_device,
    make_readings,
    submit,
)
from tests.unit.vm.mrv_chain import (
    EMISSION,
    NOTICE,
    PERIOD,
    PLANT,
    PROJECT,
    SINK,
    R,
    approve,
    begin,
    check_report,
    energy,
    fork,
    get,
    hash_fields,
    make_mrv_chain,
    make_terms,
    on_plant,
    open_report,
    publish,
    quantity,
    submit_report,
    verify,
)
from vm.engine_view import AUTHORITY
from vm.executor import execute_genesis

NEXT = {"period_from": PERIOD[1], "period_to": PERIOD[1] + DAY}


@pytest.fixture(scope="module")
def base() -> Chain:
    return make_mrv_chain()


@pytest.fixture
def chain(base: Chain) -> Chain:
    return fork(base)


@pytest.mark.parametrize(
    ("code", "contract", "method", "seconds"),
    [
        ("already-connected", R, "connect", 5),
        ("already-connected", "units", "connect_mrv", HASH),
        ("bad-notice", R, "connect", -1),
        ("bad-notice", R, "connect", 31_536_001),
    ],
)
def test_the_authority_connects_once_and_within_bounds(
    code: str, contract: str, method: str, seconds: Any
) -> None:
    genesis = make_genesis()
    again = GenesisCall(AUTHORITY, Call(contract, method, (seconds,)))
    kept = tuple(
        item
        for item in genesis.calls
        if code == "already-connected" or (item.call.contract, item.call.method) != (R, "connect")
    )
    with pytest.raises(GenesisError) as caught:
        execute_genesis(MACHINE, replace(genesis, calls=(*kept, again)))
    assert caught.value.values_seen["outcome_code"] == code


def test_the_notice_is_what_genesis_says(chain: Chain) -> None:
    assert chain.view(R, "get_notice_seconds") == NOTICE


# --- opened


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("bad-id", {"report": ""}),
        ("bad-id", {"report": "a/b"}),
        ("bad-id", {"report": "r" * 61}),
        ("bad-period", {"period_from": -1}),
        ("bad-period", {"period_to": PERIOD[0]}),
        ("bad-scope", {"scope": ""}),
        ("bad-scope", {"scope": "s" * 65}),
        ("no-version", {"version": 2}),
        ("bad-kind", {"kind": "farm"}),
        ("no-project", {"subject": "other"}),
        ("methodology-mismatch", {"methodology": EMISSION}),
        ("scope-mismatch", {"scope": "steel"}),
        ("outside-crediting-period", {"period_from": START_SECONDS - 500 * DAY}),
        ("no-submitter", {"submitter": "nobody"}),
        ("submitter-is-owner", {"submitter": "owner"}),
        ("no-installation", on_plant(subject="other")),
        ("project-needed", on_plant(methodology=SINK)),
    ],
)
def test_a_report_is_not_opened(chain: Chain, code: str, changes: dict[str, Any]) -> None:
    chain.refused(code, "owner", R, "open_report", *make_terms(**changes))


def test_the_owner_alone_opens_a_report(chain: Chain) -> None:
    for terms in (make_terms(), make_terms(**on_plant())):
        chain.refused("not-owner", "metering", R, "open_report", *terms)


def test_a_period_is_reported_once(chain: Chain) -> None:
    open_report(chain)
    chain.refused("report-exists", "owner", R, "open_report", *make_terms())
    for change in (
        {"period_from": PERIOD[0] - DAY, "period_to": PERIOD[0] + 1},
        {"period_from": PERIOD[1] - 1, "period_to": PERIOD[1] + DAY},
        {"period_from": PERIOD[0] + 1, "period_to": PERIOD[1] - 1},
        {"period_from": PERIOD[0] - 1, "period_to": PERIOD[1] + 1},
    ):
        terms = make_terms("r2", **change)
        chain.refused("period-reported", "owner", R, "open_report", *terms)
    open_report(chain, "before", period_from=PERIOD[0] - DAY, period_to=PERIOD[0])
    open_report(chain, "after", **NEXT)
    open_report(chain, "plant", **on_plant())
    assert chain.view(R, "get_report_at", PROJECT, SINK, PERIOD[0]) == "r1"
    assert chain.view(R, "get_report_at", PROJECT, SINK, PERIOD[1]) == "after"
    assert chain.view(R, "get_report_at", PROJECT, SINK, PERIOD[1] + DAY) == ""
    assert chain.view(R, "get_report_at", PROJECT, SINK, PERIOD[0] - 2 * DAY) == ""
    assert chain.view(R, "list_reports", "", 100) == ["after", "before", "plant", "r1"]


# --- submitted


def test_inputs_come_from_the_named_submitter_after_the_period(chain: Chain) -> None:
    open_report(chain)
    chain.refused("not-submitter", "owner", R, "submit", "r1", [energy(chain)])
    chain.refused("bad-inputs", "metering", R, "submit", "r1", [])
    chain.refused("bad-inputs", "metering", R, "submit", "r1", [energy(chain)] * 129)
    chain.refused("no-report", "metering", R, "submit", "r2", [energy(chain)])
    open_report(chain, "now", period_from=chain.time - DAY, period_to=chain.time + DAY)
    chain.refused("period-running", "metering", R, "submit", "now", [energy(chain)])


TOTAL = 96 * 3_170 + 96 * 97 // 2
RUN = f"batch:{METER}/1-96"


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("bad-reference", quantity("energy", TOTAL, "")),
        ("bad-reference", quantity("energy", TOTAL, "by hand")),
        ("bad-reference", quantity("energy", TOTAL, "hand:1")),
        ("bad-reference", quantity("energy", TOTAL, "parameter:energy")),
        ("bad-reference", quantity("energy", TOTAL, f"{RUN}:2")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/1/96")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/1")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/1-9-6")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/01-96")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/1-096")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/-96")),
        ("bad-reference", quantity("energy", TOTAL, f"batch:{METER}/1-{'9' * 17}")),
        ("no-device", quantity("energy", TOTAL, "batch:other/1-96")),
        ("no-batch", quantity("energy", TOTAL, f"batch:{METER}/1-95")),
        ("input-mismatch", quantity("energy", TOTAL - 1, RUN)),
        ("input-mismatch", quantity("energy", TOTAL, RUN, "kWh")),
        ("input-mismatch", quantity("energy", TOTAL, RUN, scale=3)),
        ("no-activity", quantity("energy", 5, "activity:other")),
        ("no-report", quantity("less", 5, "report:other", "g")),
    ],
)
def test_an_input_that_the_chain_does_not_hold_is_refused(
    chain: Chain, code: str, given: list[Any]
) -> None:
    open_report(chain)
    chain.refused(code, "metering", R, "submit", "r1", [given])


def test_readings_of_another_period_are_refused(chain: Chain) -> None:
    submit(chain, batch_of(chain, make_readings(96, 97, BEGAN + DAY)))
    open_report(chain)
    chain.refused("outside-period", "metering", R, "submit", "r1", [energy(chain, 97, 192)])
    open_report(chain, "r2", **NEXT)
    chain.refused("outside-period", "metering", R, "submit", "r2", [energy(chain, 1, 192)])


def test_readings_of_anothers_device_are_refused(chain: Chain) -> None:
    register = ("devices", "register_installation")
    chain.ok("bob", *register, "bobs", "metering", "CN-31", HASH)
    chain.ok("owner", *register, "farm", "metering", "CN-31", HASH)
    chain.ok("owner", *register, "mill", "bank", "CN-31", HASH)
    plan = {"bobs": "metering", "farm": "metering", "mill": "bank"}
    for place, submitter in plan.items():
        device = make_device(f"{place}-meter")
        chain.ok(submitter, "devices", "register_devices", place, [device.wire])
        batch = batch_of(chain, make_readings(96, device=device.device))
        chain.ok(submitter, "devices", "submit_batches", [batch.header.wire])
    open_report(chain)
    open_report(chain, "plant", **on_plant())
    for report, place in (("r1", "bobs"), ("r1", "mill"), ("plant", "farm")):
        given = energy(chain, device=f"{place}-meter")
        chain.refused("not-your-device", "metering", R, "submit", report, [given])
    chain.ok("metering", R, "submit", "r1", [energy(chain, device="farm-meter")])


def put_activity(chain: Chain, name: str, sender: str = "metering", **changes: Any) -> None:
    values = {
        "subject": PROJECT, "label": "energy", "value": 12_345, "scale": 0, "unit": "Wh",
        "period_from": PERIOD[0], "period_to": PERIOD[1], "evidence": HASH,
    } | changes  # fmt: skip
    chain.ok(sender, "devices", "submit_activity", name, *values.values())


@pytest.mark.parametrize(
    ("code", "sender", "changes"),
    [
        ("input-mismatch", "metering", {"value": 12_346}),
        ("input-mismatch", "metering", {"scale": 1}),
        ("input-mismatch", "metering", {"unit": "kWh"}),
        ("outside-period", "metering", {"period_from": PERIOD[0] - 1}),
        ("outside-period", "metering", {"period_to": PERIOD[1] + 1}),
        ("not-your-activity", "metering", {"subject": PLANT}),
        ("not-your-activity", "bob", {}),
    ],
)
def test_activity_data_that_is_not_the_reports_is_refused(
    chain: Chain, code: str, sender: str, changes: dict[str, Any]
) -> None:
    put_activity(chain, "good")
    put_activity(chain, "bad", sender, **changes)
    open_report(chain)
    given = quantity("energy", 12_345, "activity:bad")
    chain.refused(code, "metering", R, "submit", "r1", [given])
    chain.ok("metering", R, "submit", "r1", [quantity("energy", 12_345, "activity:good")])


def test_a_report_stands_on_an_approved_report_of_the_same_owner(chain: Chain) -> None:
    publish(chain, "plant", **on_plant())
    open_report(chain)
    less = quantity("less", 2 * TOTAL, "report:plant", "g")
    inputs = [energy(chain), less]
    chain.refused("report-not-approved", "metering", R, "submit", "r1", inputs)
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "plant")
    for wrong in (
        quantity("less", 2 * TOTAL - 1, "report:plant", "g"),
        quantity("less", 2 * TOTAL, "report:plant", "kg"),
        quantity("less", 2 * TOTAL, "report:plant", "g", 3),
    ):
        chain.refused("input-mismatch", "metering", R, "submit", "r1", [energy(chain), wrong])
    later = fork(chain)
    open_report(later, "r2", **NEXT)
    later.refused("outside-period", "metering", R, "submit", "r2", [less])
    chain.ok("metering", R, "submit", "r1", inputs)
    chain.ok("bob", R, "check", "r1")
    assert get(chain, "r1", "computed_grams") == 8 * TOTAL


def test_anothers_report_is_no_input(chain: Chain) -> None:
    chain.ok("alice", "devices", "register_installation", "mill", "bank", "CN-31", HASH)
    chain.ok("bank", "devices", "register_devices", "mill", [make_device("mill-meter").wire])
    batch = batch_of(chain, make_readings(96, device="mill-meter"))
    chain.ok("bank", "devices", "submit_batches", [batch.header.wire])
    terms = make_terms("mill", **on_plant(subject="mill", submitter="bank"))
    chain.ok("alice", R, "open_report", *terms)
    chain.ok("bank", R, "submit", "mill", [energy(chain, device="mill-meter")])
    chain.ok("bob", R, "check", "mill")
    chain.ok("verifier", R, "begin_verification", "mill")
    chain.ok("verifier", R, "verify", "mill", 2 * TOTAL, HASH)
    chain.ok("registry", R, "publish", "mill")
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "mill")
    open_report(chain)
    less = quantity("less", 2 * TOTAL, "report:mill", "g")
    chain.refused("not-owner", "metering", R, "submit", "r1", [less])


def test_nothing_counts_twice_in_a_report(chain: Chain) -> None:
    submit(chain, batch_of(chain, make_readings(4, 97, BEGAN + DAY)))
    put_activity(chain, "a1")
    terms = on_plant(period_to=PERIOD[1] + DAY)
    open_report(chain, **terms)

    def named(name: str, given: list[Any]) -> list[Any]:
        return [name, *given[1:]]

    bought = quantity("energy.3", 12_345, "activity:a1")
    twice = [
        [named("energy.1", energy(chain)), named("energy.2", energy(chain))],
        [named("energy.1", energy(chain)), named("energy.2", energy(chain, 1, 100))],
        [named("energy.1", energy(chain, 97, 100)), named("energy.2", energy(chain, 1, 100))],
    ]
    for inputs in twice:
        chain.refused("input-twice", "metering", R, "submit", "r1", inputs)
    open_report(chain, "p", period_to=PERIOD[1] + DAY)
    activities = [bought, named("energy.4", bought)]
    chain.refused("input-twice", "metering", R, "submit", "p", activities)
    runs = [named("energy.1", energy(chain)), named("energy.2", energy(chain, 97, 100)), bought]
    chain.ok("metering", R, "submit", "p", runs)
    # For two kinds of input one run may serve: what is bought and what is lost, say.
    both = [energy(chain), named("less", energy(chain))]
    chain.ok("metering", R, "submit", "r1", both)


def test_readings_carry_one_projects_credits(chain: Chain) -> None:
    chain.ok("owner", "projects", "draft", "p2", "CN-FJ", SINK, "forest", ["energy"],
             START_SECONDS - 400 * DAY, START_SECONDS + 200 * DAY, HASH)  # fmt: skip
    chain.ok("owner", "projects", "submit", "p2")
    chain.ok("registry", "projects", "open_notice", "p2")
    chain.time += NOTICE
    chain.ok("verifier", "projects", "validate", "p2", 0, HASH)
    chain.ok("registry", "projects", "register", "p2")
    publish(chain, "late", subject="p2")
    approve(chain)
    assert chain.view(R, "get_use", METER, 96) == "r1"
    assert chain.view(R, "get_use", METER, 97) == ""
    assert chain.view(R, "get_use", "other", 1) == ""
    # Both were under way at once: the second does not get there.
    chain.refused("readings-used", "regulator", R, "approve", "late")
    chain.ok("regulator", R, "reject", "late", "the same meter")
    open_report(chain, "again", subject="p2")
    chain.refused("readings-used", "metering", R, "submit", "again", [energy(chain)])


def test_one_run_under_two_names_is_claimed_and_freed_once(chain: Chain) -> None:
    both = [energy(chain), ["lost", *energy(chain)[1:]]]
    open_report(chain)
    chain.ok("metering", R, "submit", "r1", both)
    chain.ok("bob", R, "check", "r1")
    chain.ok("verifier", R, "begin_verification", "r1")
    chain.ok("verifier", R, "verify", "r1", 0, HASH)
    chain.ok("registry", R, "publish", "r1")
    chain.time += NOTICE
    chain.ok("regulator", R, "approve", "r1")
    assert chain.view(R, "get_use", METER, 1) == "r1"
    chain.ok("regulator", R, "invalidate", "r1", "wrong meter")
    assert chain.view(R, "get_use", METER, 1) == ""
    assert chain.view(R, "get_report_at", PROJECT, SINK, PERIOD[0]) == ""


def test_an_input_in_another_unit_is_found_by_the_check_and_can_be_mended(chain: Chain) -> None:
    begin(chain)
    chain.ok("verifier", R, "request_changes", "r1", "why")
    chain.ok("metering", R, "submit", "r1", [["less", *energy(chain)[1:]]])
    chain.refused("wrong-unit", "bob", R, "check", "r1")
    chain.ok("regulator", R, "reject", "r1", "wrong unit")


# --- computed


def test_what_was_computed_is_kept_and_committed(chain: Chain) -> None:
    check_report(chain)
    row = ["energy", str(TOTAL), "0", "Wh", RUN]
    assert get(chain, "r1", "inputs_hash") == hash_fields("carbonode-inputs-v1", [row])
    lines = [
        ["E", "sum(energy)", str(TOTAL), "0", "Wh", "1", "energy"],
        ["G", "E - less", str(10 * TOTAL), "0", "g", "1", "E"],
    ]
    assert get(chain, "r1", "lines_hash") == hash_fields("carbonode-lines-v1", lines)
    assert chain.view(R, "get_inputs", "r1", 0) == [energy(chain)]
    assert chain.view(R, "get_inputs", "r1", 1) == []
    assert chain.view(R, "get_lines", "r1", 0) == [
        ["E", "sum(energy)", ["energy"], TOTAL, 0, "Wh"],
        ["G", "E - less", ["E"], 10 * TOTAL, 0, "g"],
    ]
    assert chain.view(R, "get_lines", "r1", 1) == []
    assert chain.view(R, "get_flags", "r1") == ["by-hand"]


def test_two_lists_of_inputs_with_the_same_characters_have_two_hashes(chain: Chain) -> None:
    put_activity(chain, "1", value=1)
    put_activity(chain, "11", value=1)
    hashes = set()
    for report, reference in (("r1", "activity:1"), ("r2", "activity:11")):
        other = fork(chain)
        submit_report(other, report, quantity("energy", 1, reference))
        hashes.add(get(other, report, "inputs_hash"))
    assert len(hashes) == 2


def test_many_inputs_are_kept_in_pages(chain: Chain) -> None:
    inputs = []
    for number in range(45):
        put_activity(chain, f"a{number}", value=number)
        inputs.append(quantity(f"energy.{number}", number, f"activity:a{number}"))
    check_report(chain, "r1", *inputs)
    pages = [chain.view(R, "get_inputs", "r1", page) for page in range(4)]
    assert [len(page) for page in pages] == [20, 20, 5, 0] and list(chain_of(*pages)) == inputs
    # A shorter list in its place leaves nothing of the longer one.
    chain.ok("verifier", R, "begin_verification", "r1")
    chain.ok("verifier", R, "request_changes", "r1", "too many")
    chain.ok("metering", R, "submit", "r1", inputs[:1])
    assert chain.view(R, "get_lines", "r1", 0) == []
    chain.ok("bob", R, "check", "r1")
    assert chain.view(R, "get_inputs", "r1", 0) == inputs[:1]
    assert get(chain, "r1", "computed_grams") == 0


def test_the_factor_that_is_in_force_is_filled_in_and_named(chain: Chain) -> None:
    chain.ok("regulator", "factors", "open_set", "fuels", "Annex", HASH, "EU", "", 0, 1 << 40,
             "unverified", "")  # fmt: skip
    row = ["coal.ef", 2_500_000_000, 9, "t CO2/t", "CO2", "Table 1"]
    chain.ok("regulator", "factors", "add", "fuels", [row])
    chain.ok("regulator", "factors", "publish", "fuels", 1)
    factor = quantity("EF", 0, "factor:coal.ef", "t CO2/t")
    check_report(chain, "r1", energy(chain), factor)
    filled = quantity("EF", 2_500_000_000, "factor:coal.ef@1", "t CO2/t", 9)
    assert chain.view(R, "get_inputs", "r1", 0) == [energy(chain), filled]
    assert "unverified-factor:coal.ef" in chain.view(R, "get_flags", "r1")


def test_a_computation_that_is_refused_leaves_the_report_as_it_was(chain: Chain) -> None:
    open_report(chain)
    chain.ok("metering", R, "submit", "r1", [["unknown", *energy(chain)[1:]]])
    chain.refused("unknown-input", "bob", R, "check", "r1")
    assert get(chain, "r1", "status") == "submitted"


# --- flags


def flags_of(chain: Chain, report: str = "r1", *inputs: list[Any], **changes: Any) -> list[str]:
    check_report(chain, report, *inputs, **changes)
    found: list[str] = chain.view(R, "get_flags", report)
    return [flag for flag in found if flag != "by-hand"]


def test_a_gap_in_the_readings_is_flagged(chain: Chain) -> None:
    assert flags_of(chain, period_to=PERIOD[1] + QUARTER_S) == [f"uncovered-time:{METER}"]


def test_estimates_are_flagged_above_five_percent(chain: Chain) -> None:
    for first, share in ((97, 1), (197, 6)):
        began = BEGAN + first * 2 * QUARTER_S
        readings = make_readings(100, first, began)
        guessed = [
            type(r)(r.device, r.sequence, r.time_from, r.time_to, r.amount, n < share)
            for n, r in enumerate(readings)
        ]
        submit(chain, batch_of(chain, guessed))
        period = {"period_from": began, "period_to": began + 100 * QUARTER_S}
        given = energy(chain, first, first + 99)
        expected = [f"estimated-readings:{METER}"] if share > 5 else []
        assert flags_of(chain, f"r{first}", given, **period) == expected


def test_nothing_to_credit_is_flagged_and_so_are_no_emissions(chain: Chain) -> None:
    put_activity(chain, "none", value=0)
    put_activity(chain, "plant", value=0, subject=PLANT)
    assert flags_of(chain, "r1", quantity("energy", 0, "activity:none")) == ["nothing-to-credit"]
    given = quantity("energy", 0, "activity:plant")
    assert flags_of(chain, "r2", given, **on_plant()) == ["no-emissions"]


@pytest.mark.parametrize(
    ("percent", "flagged"), [(69, True), (71, False), (129, False), (131, True)]
)
def test_a_leap_from_the_period_before_is_flagged(
    chain: Chain, percent: int, flagged: bool
) -> None:
    approve(chain)
    # Twice as long: what counts is the result for each second.
    later = {"period_from": PERIOD[1], "period_to": PERIOD[1] + 2 * DAY}
    value = 2 * TOTAL * percent // 100
    put_activity(chain, "a", value=value, **later)
    given = quantity("energy", value, "activity:a")
    assert flags_of(chain, "r2", given, **later) == (["year-on-year"] if flagged else [])


def test_a_period_before_that_was_not_approved_is_no_measure(chain: Chain) -> None:
    publish(chain)
    put_activity(chain, "a", value=5, **NEXT)
    assert flags_of(chain, "r2", quantity("energy", 5, "activity:a"), **NEXT) == []


# --- the five duties


def make_roles(chain: Chain, organisation: str) -> None:
    """Everything that a role can give: what is refused is refused for the other duty."""
    held = chain.view("identity", "get_organisation", organisation)[2]
    for role in ("verifier", "registry"):
        if role not in held:
            chain.ok("regulator", "identity", "add_role", organisation, role)
    chain.ok("regulator", "identity", "accredit", organisation, "forest", 0, 1 << 40)


@pytest.mark.parametrize("holder", ["owner", "metering"])
def test_owner_and_submitter_verify_nothing(chain: Chain, holder: str) -> None:
    check_report(chain)
    make_roles(chain, holder)
    code = f"verifier-is-{'owner' if holder == 'owner' else 'submitter'}"
    chain.refused(code, holder, R, "begin_verification", "r1")


@pytest.mark.parametrize(
    ("holder", "duty"), [("owner", "owner"), ("metering", "submitter"), ("verifier", "verifier")]
)
def test_owner_submitter_and_verifier_issue_nothing(chain: Chain, holder: str, duty: str) -> None:
    verify(chain)
    make_roles(chain, holder)
    chain.refused(f"issuer-is-{duty}", holder, R, "publish", "r1")


HOLDERS = [("owner", "owner"), ("metering", "submitter"), ("verifier", "verifier"),
           ("registry", "issuer")]  # fmt: skip


@pytest.fixture(scope="module")
def all_regulators() -> Chain:
    return make_mrv_chain(all_regulators=True)


@pytest.mark.parametrize(("holder", "duty"), HOLDERS)
def test_nobody_with_another_duty_approves_or_rejects(
    all_regulators: Chain, holder: str, duty: str
) -> None:
    chain = fork(all_regulators)
    publish(chain)
    chain.time += NOTICE
    chain.refused(f"approver-is-{duty}", holder, R, "approve", "r1")
    chain.refused(f"approver-is-{duty}", holder, R, "reject", "r1", "why")


def test_an_owner_that_is_a_regulator_invalidates_nothing_of_its_own(
    all_regulators: Chain,
) -> None:
    chain = fork(all_regulators)
    approve(chain)
    chain.refused("approver-is-owner", "owner", R, "invalidate", "r1", "why")


# --- verifiers, issuers, approvers


def test_a_verifier_is_accredited_for_the_scope_at_the_time(chain: Chain) -> None:
    check_report(chain)
    chain.refused("not-a-verifier", "bob", R, "begin_verification", "r1")
    chain.refused("not-accredited", "unaccredited", R, "begin_verification", "r1")
    chain.ok("verifier", R, "begin_verification", "r1")
    chain.refused("not-verifier", "verifier-two", R, "verify", "r1", 1, HASH)
    chain.refused("not-verifier", "verifier-two", R, "request_changes", "r1", "why")
    chain.refused("not-a-regulator", "verifier-two", R, "reject", "r1", "why")
    chain.ok("regulator", "identity", "withdraw_accreditation", "verifier", "forest")
    chain.refused("not-accredited", "verifier", R, "verify", "r1", 1, HASH)
    chain.ok("verifier", R, "reject", "r1", "cannot verify any more")


def test_who_began_to_verify_verifies_again_after_changes(chain: Chain) -> None:
    begin(chain)
    chain.ok("verifier", R, "request_changes", "r1", "why")
    chain.ok("metering", R, "submit", "r1", [energy(chain)])
    chain.ok("bob", R, "check", "r1")
    chain.refused("not-verifier", "verifier-two", R, "begin_verification", "r1")
    chain.ok("verifier", R, "begin_verification", "r1")


def test_a_verifier_may_only_be_more_cautious_than_the_computation(chain: Chain) -> None:
    begin(chain)
    chain.refused("above-computed", "verifier", R, "verify", "r1", 10 * TOTAL + 1, HASH)
    chain.refused("bad-hash", "verifier", R, "verify", "r1", 1, b"short")
    chain.ok("verifier", R, "verify", "r1", 10 * TOTAL, HASH)
    begin(chain, "r2", **on_plant())
    chain.refused("below-computed", "verifier", R, "verify", "r2", 2 * TOTAL - 1, HASH)
    chain.ok("verifier", R, "verify", "r2", 2 * TOTAL, HASH)


def test_an_issuer_is_a_registry_accredited_for_the_scope(chain: Chain) -> None:
    verify(chain)
    chain.refused("not-an-issuer", "bob", R, "publish", "r1")
    chain.refused("not-accredited", "unaccredited", R, "publish", "r1")


def test_nothing_is_approved_before_the_notice_is_over(chain: Chain) -> None:
    publish(chain)
    chain.ok("bob", R, "comment", "r1", HASH)
    chain.refused("bad-hash", "bob", R, "comment", "r1", b"short")
    chain.refused("not-a-regulator", "bob", R, "approve", "r1")
    until = get(chain, "r1", "notice_until")
    chain.time = until - 2  # the next block's time is one second more
    chain.refused("notice-running", "regulator", R, "approve", "r1")
    chain.refused("notice-over", "bob", R, "comment", "r1", HASH)
    chain.ok("regulator", R, "approve", "r1")


@pytest.mark.parametrize("reason", ["", "x" * 257])
def test_a_reason_is_given(chain: Chain, reason: str) -> None:
    begin(chain)
    chain.refused("bad-text", "verifier", R, "request_changes", "r1", reason)
    chain.refused("bad-text", "verifier", R, "reject", "r1", reason)


@pytest.mark.parametrize("method", ["check", "begin_verification", "publish", "approve"])
def test_there_is_no_step_of_a_report_that_is_not_there(chain: Chain, method: str) -> None:
    chain.refused("no-report", "regulator", R, method, "r9")


def test_what_is_not_there_is_not_found(chain: Chain) -> None:
    open_report(chain)
    chain.view_refused("no-report", R, "get_report", "r9")
    chain.view_refused("no-report", R, "get_flags", "r9")
    chain.view_refused("no-report", R, "get_inputs", "r9", 0)
    chain.view_refused("bad-limit", R, "get_inputs", "r1", -1)
    chain.view_refused("bad-limit", R, "get_lines", "r1", -1)
    for limit in (0, 101):
        chain.view_refused("bad-limit", R, "list_reports", "", limit)


def test_more_than_serials_can_count_is_not_issued(chain: Chain) -> None:
    put_activity(chain, "all", value=10**21)
    begin(chain, "r1", quantity("energy", 10**21, "activity:all"))
    chain.ok("verifier", R, "verify", "r1", 10**22, HASH)
    chain.ok("registry", R, "publish", "r1")
    chain.time += NOTICE
    chain.refused("bad-range", "regulator", R, "approve", "r1")
