"""A report traced to its readings and computed again: no change goes unseen."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from primitives.codec import pack, unpack
from primitives.errors import ProofError
from tests.unit.vm.carbon_chain import DAY, HASH, Chain, key_of
from tests.unit.vm.meters import BEGAN, METER, batch_of, make_readings, submit
from tests.unit.vm.mrv_chain import (
    SINK,
    approve,
    energy,
    fork,
    make_mrv_chain,
    open_report,
    quantity,
    submit_report,
)
from tools.cli.main import main
from tools.cli.mrv import format_scaled
from tools.gateway.proofs import prove, verify_inclusion
from tools.gateway.readings import sign_reading
from tools.gateway.store import ReadingStore
from tools.light.reader import LightReader
from tools.mrv.document import ReportTrace, TraceError, dump_trace, parse_trace
from tools.mrv.gathering import gather, gather_header
from tools.mrv.readings import check_readings
from tools.mrv.recomputing import recompute

TOTAL = 2 * 96 * 3_170 + 192 * 193 // 2


@dataclass
class Reader:
    """Rows of a chain in memory as if proven."""

    chain: Chain

    async def get_state(self, key: bytes) -> Any:
        block = SimpleNamespace(height=self.chain.height)
        return SimpleNamespace(key=key, value=self.chain.state.values.get(key), block=block)


def trace_of(chain: Chain, report: str = "r1") -> ReportTrace:
    return asyncio.run(gather(cast(LightReader, Reader(chain)), report))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Chain, Path]:
    """An issued report on two days of a meter, a factor, an activity and another report."""
    chain = make_mrv_chain()
    folder = tmp_path_factory.mktemp("readings")
    store = ReadingStore(folder)
    # The first day is on the chain already; its batch is the honest one, made again.
    empty = fork(chain)
    for key in [
        k for k in empty.state.values if k.startswith((b"devices\0lasts", b"devices\0bat"))
    ]:
        empty.state.apply({key: None})
    store.put(batch_of(empty, make_readings(96)))
    second = batch_of(chain, make_readings(96, 97, BEGAN + DAY))
    store.put(second)
    submit(chain, second)
    put_factor(chain)
    period = {"period_from": BEGAN, "period_to": BEGAN + 2 * DAY}
    chain.ok("metering", "devices", "submit_activity", "bill", "p1", "energy", 1_000, 0, "Wh",
             *period.values(), HASH)  # fmt: skip
    approve(chain, "other", kind="installation", subject="steel-plant", methodology="doubling")
    grams = chain.view("mrv", "get_report", "other")[16]
    inputs = [
        ["energy.meter", *energy(chain, 1, 192)[1:]],
        quantity("energy.bill", 1_000, "activity:bill"),
        quantity("EF", 0, "factor:coal.ef", "t CO2/t"),
        quantity("less", grams, "report:other", "g"),
    ]
    submit_report(chain, "r1", *inputs, **period)
    chain.ok("bob", "mrv", "check", "r1")
    chain.ok("verifier", "mrv", "begin_verification", "r1")
    chain.ok("verifier", "mrv", "verify", "r1", chain.view("mrv", "get_report", "r1")[15], HASH)
    chain.ok("registry", "mrv", "publish", "r1")
    chain.time += 3600
    chain.ok("regulator", "mrv", "approve", "r1")
    return chain, folder


def put_factor(chain: Chain) -> None:
    chain.ok("regulator", "factors", "open_set", "fuels", "Annex VI", HASH, "EU", "", 0, 1 << 40,
             "unverified", "")  # fmt: skip
    row = ["coal.ef", 2_500_000_000, 9, "t CO2/t", "CO2", "Table 1"]
    chain.ok("regulator", "factors", "add", "fuels", [row])
    chain.ok("regulator", "factors", "publish", "fuels", 1)


@pytest.fixture
def chain(base: tuple[Chain, Path]) -> Chain:
    return fork(base[0])


@pytest.fixture
def found(chain: Chain) -> ReportTrace:
    return trace_of(chain)


def test_an_issued_report_comes_out_to_the_same_gram(found: ReportTrace) -> None:
    again = recompute(found)
    # 10 g for each Wh, less what the plant's own report on the first day says: 2 g for each Wh.
    other = 2 * (96 * 3_170 + 96 * 97 // 2)
    assert again.grams == found.report["computed_grams"] == 10 * (TOTAL + 1_000) - other
    assert again.differences == ()
    assert found.report["status"] == "issued"
    assert found.report["issued_kg"] == again.grams // 1000


def test_each_input_has_its_source(found: ReportTrace) -> None:
    sources = {item.name: found.sources[item.reference] for item in found.inputs}
    meter = sources["energy.meter"]
    assert [meter[name] for name in ("device", "first", "last", "total")] == [METER, 1, 192, TOTAL]
    assert meter["installation"] == "steel-plant" and meter["key"] == key_of(METER).public_key
    assert sources["energy.bill"]["submitter"] == "metering"
    factor = sources["EF"]
    assert [factor[name] for name in ("source", "page", "status", "version")] == [
        "Annex VI", "Table 1", "unverified", 1,
    ]  # fmt: skip
    assert sources["less"]["status"] == "approved" and sources["less"]["kind"] == "report"
    assert "unverified-factor:coal.ef" in found.flags


def test_a_trace_survives_its_file(found: ReportTrace) -> None:
    document = json.loads(json.dumps(dump_trace(found)))
    again = parse_trace(document)
    assert dump_trace(again) == dump_trace(found)
    assert recompute(again).differences == () and recompute(again).grams == recompute(found).grams


def test_every_number_of_a_saved_trace_that_is_changed_is_found(found: ReportTrace) -> None:
    """One digit anywhere in inputs, lines, results or the code, and it does not come out."""
    document = json.loads(json.dumps(dump_trace(found)))
    report = ("computed_grams", "verified_grams", "issued_kg", "inputs_hash", "lines_hash")
    places: list[tuple[Any, ...]] = [("report", name) for name in report]
    places += [("inputs", n, part) for n in range(len(found.inputs)) for part in range(5)]
    places += [("lines", n, part) for n in range(len(found.lines)) for part in (0, 1, 3, 4, 5)]
    places += [("sources", "activity:bill", "value"), ("sources", "factor:coal.ef@1", "value")]
    places += [("code", "source"), ("code", "codeHash")]
    for place in places:
        spoiled = copy.deepcopy(document)
        *way, last = place
        holder = spoiled
        for step in way:
            holder = holder[step]
        holder[last] = change(holder[last])
        try:
            differences = recompute(parse_trace(spoiled)).differences
        except TraceError:
            continue
        assert differences, place


def change(value: Any) -> Any:
    """The same kind of value, a little different."""
    if isinstance(value, str) and value.startswith("0x"):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    if isinstance(value, str):
        return "x" + value[1:]
    return value + 1


def test_a_flag_that_is_left_out_is_found(found: ReportTrace) -> None:
    fewer = replace(found, flags=tuple(flag for flag in found.flags if flag != "by-hand"))
    assert recompute(fewer).differences == ("flag by-hand: not on the chain",)


def test_lines_that_are_left_out_are_found(found: ReportTrace) -> None:
    differences = recompute(replace(found, lines=found.lines[:1])).differences
    assert "2 lines" not in differences[0] and any("1 lines on" in item for item in differences)


def test_code_that_computes_otherwise_is_no_code_of_this_report(found: ReportTrace) -> None:
    source = found.code.source.replace("* 10", "* 11")
    with pytest.raises(TraceError, match="code hash"):
        recompute(replace(found, code=replace(found.code, source=source)))


def test_inputs_that_the_code_refuses_are_told(found: ReportTrace) -> None:
    much = replace(found.inputs[0], value=1 << 254)
    with pytest.raises(TraceError, match="refuses"):
        recompute(replace(found, inputs=(much,)))


@pytest.mark.parametrize("spoil", ["format", "report", "inputs", "code", "height", "more"])
def test_a_document_of_another_form_is_no_trace(found: ReportTrace, spoil: str) -> None:
    document = dump_trace(found)
    if spoil == "more":
        document["more"] = 1
    else:
        document[spoil] = "junk"
    for wrong in (document, None, [], {}):
        with pytest.raises(TraceError):
            parse_trace(wrong)


def test_spoiled_documents_end_as_a_refusal_or_a_difference(found: ReportTrace) -> None:
    """Whatever stands in a file: never another error, never a wrong figure passed for right."""
    whole = json.loads(json.dumps(dump_trace(found)))
    seed = 20261124
    choose = random.Random(seed)
    junk: list[Any] = [None, True, -1, 1 << 300, "", "0x", "x", [], {}, [[]], 1.5, "9" * 5000]
    for _ in range(300):
        spoiled = copy.deepcopy(whole)
        holder: Any = spoiled
        while isinstance(holder, dict | list) and holder:
            key = choose.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], dict | list) or not holder[key] or choose.random() < 0.2:
                holder[key] = choose.choice(junk)
                break
            holder = holder[key]
        try:
            again = recompute(parse_trace(spoiled))
        except TraceError:
            continue
        right = again.grams == found.report["computed_grams"]
        assert again.differences or right, (seed, spoiled)


# --- gathering


def test_what_is_not_there_or_not_computed_has_no_trace(chain: Chain) -> None:
    with pytest.raises(ProofError, match="no such row"):
        trace_of(chain, "other-report")
    open_report(chain, "r9", period_from=BEGAN + 5 * DAY, period_to=BEGAN + 6 * DAY)
    with pytest.raises(TraceError, match="not been computed"):
        trace_of(chain, "r9")


def test_a_row_of_another_form_is_refused(chain: Chain) -> None:
    """A chain whose contracts keep other rows is told, not misread."""
    for prefix in (
        b"mrv\0reports\0r1",
        b"mrv\0inputs_of\0r1",
        b"devices\0batches\0" + METER.encode(),
    ):
        other = fork(chain)
        for key in list(other.state.values):
            if key.startswith(prefix):
                other.state.apply({key: b"\xa1x"})
        with pytest.raises(ProofError):
            trace_of(other)


# --- raw readings


def test_raw_readings_stand_under_the_hashes_on_the_chain(
    found: ReportTrace, base: tuple[Chain, Path]
) -> None:
    checked = check_readings(found, ReadingStore(base[1]))
    assert (checked.readings, checked.batches, checked.total) == (192, 2, TOTAL)
    assert checked.differences == ()
    # And so they do from the file.
    document = parse_trace(json.loads(json.dumps(dump_trace(found))))
    assert check_readings(document, ReadingStore(base[1])) == checked


@pytest.mark.parametrize("sequence", [1, 50, 96, 97, 192])
def test_one_changed_reading_is_found_and_named(
    found: ReportTrace, base: tuple[Chain, Path], tmp_path: Path, sequence: int
) -> None:
    """Also when the device's own key signs the change, and the header over it, again."""
    honest, store = ReadingStore(base[1]), ReadingStore(tmp_path)
    for _, last in honest.list_runs(METER):
        batch = honest.get(METER, last)
        place = sequence - batch.header.first
        if 0 <= place < len(batch.readings):
            readings = list(batch.readings)
            reading = replace(readings[place].reading, amount=readings[place].reading.amount + 1)
            readings[place] = sign_reading(key_of(METER), reading)
            batch = replace(batch, readings=tuple(readings))
        store.put(batch)
    checked = check_readings(found, store)
    span = "1-96" if sequence <= 96 else "97-192"
    assert any(f"{METER} {span}: the readings have another" in d for d in checked.differences)
    assert any(f"the readings give {TOTAL + 1}" in d for d in checked.differences)


def test_a_header_made_anew_over_a_changed_reading_is_found(
    found: ReportTrace, base: tuple[Chain, Path], tmp_path: Path
) -> None:
    from_day_one = make_readings(96)
    from_day_one[9] = replace(from_day_one[9], amount=1)
    chain = fork(base[0])
    for key in [
        k for k in chain.state.values if k.startswith((b"devices\0lasts", b"devices\0bat"))
    ]:
        chain.state.apply({key: None})
    store = ReadingStore(tmp_path)
    store.put(batch_of(chain, from_day_one))
    store.put(ReadingStore(base[1]).get(METER, 192))
    assert f"{METER} 1-96: not the header on the chain" in check_readings(found, store).differences


def test_lost_readings_are_told(
    found: ReportTrace, base: tuple[Chain, Path], tmp_path: Path
) -> None:
    store = ReadingStore(tmp_path)
    assert any("no such batch" in item for item in check_readings(found, store).differences)
    store.put(ReadingStore(base[1]).get(METER, 192))
    assert any("no such batch" in item for item in check_readings(found, store).differences)


@pytest.mark.parametrize("sequence", [1, 96, 97, 192])
def test_one_reading_is_proven_under_a_header_read_from_the_chain(
    base: tuple[Chain, Path], sequence: int
) -> None:
    store = ReadingStore(base[1])
    proof = prove(store, METER, sequence)
    reader = cast(LightReader, Reader(base[0]))
    header, key, _ = asyncio.run(gather_header(reader, METER, proof.last))
    assert header == replace(store.get(METER, proof.last).header, signature=b"")
    assert verify_inclusion(header, key, proof).reading.sequence == sequence


def test_a_batchs_row_that_does_not_give_its_hash_is_refused(chain: Chain) -> None:
    key = next(k for k in chain.state.values if k.startswith(b"devices\0batches\0"))
    row = unpack(chain.state.values[key])
    row[6] += 1
    chain.state.apply({key: pack(row)})
    with pytest.raises(ProofError, match="does not give its hash"):
        asyncio.run(gather_header(cast(LightReader, Reader(chain)), METER, 96))


# --- the command


def test_the_command_computes_a_saved_trace_again(
    found: ReportTrace, base: tuple[Chain, Path], tmp_path: Path
) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(dump_trace(found)))
    arguments = ["mrv", "recompute", str(file), "--readings", str(base[1])]
    done = CliRunner().invoke(main, ["--output", "json", *arguments])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["recomputed"] is True and shown["grams"] == found.report["computed_grams"]
    assert shown["readings"] == 192
    plain = " ".join(CliRunner().invoke(main, arguments).stdout.split())
    assert "RECOMPUTED offline" in plain and "READINGS 192 in 2 batches" in plain
    spoiled = dump_trace(found)
    spoiled["inputs"][0][1] += 1
    file.write_text(json.dumps(spoiled))
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1 and "DIFFERENT" in refused.stdout
    assert "does not come out again" in refused.stderr
    file.write_text("{")
    assert CliRunner().invoke(main, arguments).exit_code == 1


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [(2_500_000_000, 9, "2.5"), (1_234_567, 0, "1,234,567"), (-5, 3, "-0.005"), (0, 12, "0"),
     (10**40 + 1, 12, "10,000,000,000,000,000,000,000,000,000.000000000001")],
)  # fmt: skip
def test_numbers_are_shown_exactly(value: int, scale: int, text: str) -> None:
    assert format_scaled(value, scale) == text


def test_the_names_of_the_chains_methods_are_those_of_the_trace(found: ReportTrace) -> None:
    assert found.report["methodology"] == SINK and found.code.contract == f"method_{SINK}"
