"""A chain with everything that a report needs, and reports taken to any point of their life."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from primitives.codec import Value
from tests.unit.vm import project_chain
from tests.unit.vm.carbon_chain import (
    DAY,
    FOREST,
    HASH,
    Chain,
    address_of,
    make_genesis,
    make_members,
)
from tests.unit.vm.carbon_chain import START_SECONDS as START
from tests.unit.vm.meters import BEGAN, METER, batch_of, make_readings, set_up_plant, submit
from tests.unit.vm.methodology_chain import decide, draft, hash_vector, native
from vm.genesis_builder import Administration, Member
from vm.inclusion import compute_code_hash

R = "mrv"
NOTICE = 3600
PROJECT = "p1"
PLANT = "steel-plant"
SINK, EMISSION = "halving", "doubling"
PERIOD = (BEGAN, BEGAN + DAY)
BUFFER_SHARE = project_chain.SHARE

CODE = '''"""FACTOR x the energy measured, in grams: a method of tests alone."""
from vm import view
from lib.quantities.v1 import Computation, Line, Quantity

@view
def compute(inputs: list[Quantity]) -> Computation:
    energy = sum([item.value for item in inputs if item.name.startswith("energy")])
    less = sum([item.value for item in inputs if item.name.startswith("less")])
    grams = energy NUMERATOR - less
    names = [item.name for item in inputs]
    sums = Line("E", "sum(energy)", names, energy, 0, "Wh")
    return Computation(grams, [sums, Line("G", "E - less", ["E"], grams, 0, "g")], ["by-hand"])
'''
CODES = {SINK: CODE.replace("NUMERATOR", "* 10"), EMISSION: CODE.replace("NUMERATOR", "* 2")}


def make_mrv_chain(notice_seconds: int = NOTICE, all_regulators: bool = False) -> Chain:
    """``owner`` has a project and the plant; ``metering`` submits; one meter, one day of it.

    ``all_regulators``: everybody is one besides, so that only another duty keeps them out.
    """
    verifier, other = address_of("verifier-two"), address_of("unaccredited")
    more = (
        Member("verifier-two", "Two", "CN", ("verifier",), (verifier,), (FOREST,)),
        Member("unaccredited", "None", "CN", ("verifier", "registry"), (other,)),
    )
    regulator = address_of("regulator")
    administration = Administration((regulator,), 1, (regulator,), 0, notice_seconds)
    members = (*make_members(), *more)
    if all_regulators:
        members = tuple(
            replace(item, roles=tuple(dict.fromkeys((*item.roles, "regulator"))))
            for item in members
        )
    chain = Chain(make_genesis(administration=administration, members=members))
    for name in (SINK, EMISSION):
        put_methodology(chain, name, CODES[name], "sink" if name == SINK else "emission")
    chain.ok("owner", "projects", "draft", PROJECT, "CN-FJ", SINK, "forest", ["energy"],
             START - 400 * DAY, START + 200 * DAY, HASH)  # fmt: skip
    chain.ok("owner", "projects", "submit", PROJECT)
    chain.ok("registry", "projects", "open_notice", PROJECT)
    chain.time += notice_seconds
    chain.ok("verifier", "projects", "validate", PROJECT, BUFFER_SHARE, HASH)
    chain.ok("registry", "projects", "register", PROJECT)
    set_up_plant(chain, "owner")
    submit(chain, batch_of(chain, make_readings(96)))
    return chain


def put_methodology(chain: Chain, name: str, code: str, kind: str) -> None:
    contract = f"method_{name}"
    native(chain, "deploy", contract, code)
    sign = 10 if kind == "sink" else 2
    vector: list[Any] = [[quantity("energy", 3, "activity:v")], 3 * sign, []]
    chain.ok(
        "regulator", "methodology", "publish", name, 1,
        draft(
            title=name, code=contract, code_hash=compute_code_hash(code), kind=kind,
            valid_to=1 << 40,
            requirements=[["energy", ["Wh"], 1, 128], ["less", ["g"], 0, 9], ["lost", ["Wh"], 0, 1],
                          ["EF", ["t CO2/t"], 0, 9]],
            vectors=[hash_vector(vector)], parameters=[],
        ),
    )  # fmt: skip
    chain.ok("alice", "methodology", "check_vector", name, 1, 0, vector)
    assert decide(chain, name, 1).status == "ok"


def quantity(
    name: str, value: int, reference: str, unit: str = "Wh", scale: int = 0
) -> list[Value]:
    return [name, value, scale, unit, reference]


def energy(chain: Chain, first: int = 1, last: int = 96, device: str = METER) -> list[Value]:
    """The honest input of a run of readings."""
    total = chain.view("devices", "get_reading", device, first, last)[3]
    return quantity("energy", total, f"batch:{device}/{first}-{last}")


def open_report(chain: Chain, report: str = "r1", **changes: Any) -> None:
    chain.ok("owner", R, "open_report", *make_terms(report, **changes))


def make_terms(report: str = "r1", **changes: Any) -> list[Value]:
    """The arguments of ``open_report``."""
    values: dict[str, Any] = {
        "report": report, "kind": "project", "subject": PROJECT, "methodology": SINK, "version": 1,
        "period_from": PERIOD[0], "period_to": PERIOD[1], "scope": "forest",
        "submitter": "metering", "supersedes": "",
    }  # fmt: skip
    return list((values | changes).values())


def on_plant(**changes: Any) -> dict[str, Any]:
    """What differs for a report of the plant's emissions."""
    return {"kind": "installation", "subject": PLANT, "methodology": EMISSION} | changes


def submit_report(chain: Chain, report: str = "r1", *inputs: list[Value], **changes: Any) -> None:
    open_report(chain, report, **changes)
    chain.ok("metering", R, "submit", report, list(inputs) or [energy(chain)])


def check_report(chain: Chain, report: str = "r1", *inputs: list[Value], **changes: Any) -> None:
    submit_report(chain, report, *inputs, **changes)
    chain.ok("bob", R, "check", report)


def begin(chain: Chain, report: str = "r1", *inputs: list[Value], **changes: Any) -> None:
    check_report(chain, report, *inputs, **changes)
    chain.ok("verifier", R, "begin_verification", report)


def verify(chain: Chain, report: str = "r1", grams: int | None = None, **changes: Any) -> None:
    begin(chain, report, **changes)
    computed = get(chain, report, "computed_grams")
    chain.ok("verifier", R, "verify", report, computed if grams is None else grams, HASH)


def publish(chain: Chain, report: str = "r1", grams: int | None = None, **changes: Any) -> None:
    verify(chain, report, grams, **changes)
    chain.ok("registry", R, "publish", report)


def approve(chain: Chain, report: str = "r1", grams: int | None = None, **changes: Any) -> None:
    publish(chain, report, grams, **changes)
    chain.time = max(chain.time, get(chain, report, "notice_until"))
    chain.ok("regulator", R, "approve", report)


FIELDS = (
    "kind", "subject", "methodology", "version", "period_from", "period_to", "scope", "effect",
    "supersedes", "status", "owner", "submitter", "verifier", "issuer", "approver",
    "computed_grams", "verified_grams", "input_count", "line_count", "inputs_hash", "lines_hash",
    "statement_hash", "notice_until", "issued_kg", "buffer_kg", "due_kg", "made_good_kg",
    "superseded_by", "status_since",
)  # fmt: skip


def get(chain: Chain, report: str, field: str) -> Any:
    return chain.view(R, "get_report", report)[FIELDS.index(field)]


def fork(chain: Chain) -> Chain:
    """A copy that goes its own way from here."""
    other = Chain.__new__(Chain)
    other.__dict__.update(chain.__dict__)
    other.state = type(chain.state)()
    other.state.apply(dict(chain.state.values))
    return other


def hash_fields(label: str, rows: list[list[str]]) -> bytes:
    """The hash over inputs or lines as the contracts' page describes it."""
    text = label + "".join(f" {len(field)}:{field}" for row in rows for field in row)
    return hashlib.sha256(text.encode()).digest()
