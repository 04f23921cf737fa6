"""Methodologies: which code computes a result, on which inputs, and since when.

The code is a contract of its own with one view ``compute``; a version here names it with its hash
and says for what time it holds, which inputs it takes in which units, and which test vectors it
has to pass. A regulator publishes a version, anybody can run its vectors, administrators vote it
into force. A computation fills in factors from the contract factors and never mixes GWP sets.
Never does anything here keep a result: mrv does.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, replace, require
from vm import sha256, view
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.quantities.v1 import Computation, Line, Quantity, Resolved, put_length
from lib.records.v1 import Factor

INPUTS_MAX = 256
REQUIREMENTS_MAX = 64
UNITS_MAX = 8
VECTORS_MAX = 64
SCALE_MAX = 18
TIME_MAX = 9007199254740991
FACTOR = "factor:"
PARAMETER = "parameter:"
DRAFT = "draft"
ACTIVE = "active"
SUPERSEDED = "superseded"
WITHDRAWN = "withdrawn"


@record
class Requirement:
    """Inputs named ``name`` or ``name.something``: between ``least`` and ``most`` of them."""

    name: str
    units: list[str]
    least: int
    most: int


@record
class Draft:
    title: str
    source: str
    code: str
    code_hash: bytes
    kind: str
    gwp_set: str
    ratio_num: int
    ratio_den: int
    rounding: str
    valid_from: int
    valid_to: int
    requirements: list[Requirement]
    parameters: list[Quantity]
    vectors: list[bytes]
    supersedes: int


@record
class Version:
    code: str
    code_hash: bytes
    kind: str
    gwp_set: str
    ratio_num: int
    ratio_den: int
    rounding: str
    valid_from: int
    valid_to: int
    requirements: list[Requirement]
    vectors_hash: bytes
    status: str
    title: str
    source: str
    parameters: list[Quantity]
    vectors: list[bytes]
    supersedes: int
    publisher: str


@record
class Expected:
    symbol: str
    value: int
    scale: int
    unit: str


@record
class Vector:
    """What a published example gives: its inputs, and what has to come out."""

    inputs: list[Quantity]
    grams: int
    lines: list[Expected]


@event
class MethodologyPublished:
    methodology: str
    version: int
    code: str
    code_hash: bytes
    publisher: str


@event
class VectorPassed:
    methodology: str
    version: int
    index: int


@event
class MethodologyActivated:
    methodology: str
    version: int


@event
class MethodologyWithdrawn:
    methodology: str
    version: int


authority = Var[Address]()

counts = Map[str, int](default=0)
stored = Map[tuple[str, int], Version]()
passed = Map[tuple[str, int, int], bool](default=False)


@init
def create() -> None:
    authority.set(ctx.sender)


# --- a version's life -------------------------------------------------------------------------


@export
def publish(methodology: str, version: int, draft: Draft) -> None:
    """A draft for everybody to read and to run the vectors of; nothing in it changes any more."""
    publisher = require_publisher()
    check_id(methodology)
    require(version == counts[methodology] + 1, "bad-version")
    check_id(draft.code)
    check_length(draft.title, 1, 128)
    check_length(draft.source, 1, 256)
    check_length(draft.gwp_set, 0, 32)
    check_hash(draft.code_hash)
    require(draft.kind == "emission" or draft.kind == "sink", "bad-kind")
    require(1 <= draft.ratio_num and 1 <= draft.ratio_den, "bad-ratio")
    require(draft.rounding in ["half-even", "down", "up"], "bad-rounding")
    order = 0 <= draft.valid_from and draft.valid_from < draft.valid_to
    require(order and draft.valid_to <= TIME_MAX, "bad-validity")
    check_requirements(draft.requirements)
    check_parameters(draft.parameters, [item.name for item in draft.requirements])
    require(0 <= draft.supersedes and draft.supersedes < version, "no-version")
    require(1 <= len(draft.vectors) and len(draft.vectors) <= VECTORS_MAX, "bad-vectors")
    joined = b""
    for vector in draft.vectors:
        check_hash(vector)
        joined += vector
    counts[methodology] = version
    stored[methodology, version] = Version(
        draft.code, draft.code_hash, draft.kind, draft.gwp_set, draft.ratio_num, draft.ratio_den,
        draft.rounding, draft.valid_from, draft.valid_to, draft.requirements, sha256(joined), DRAFT,
        draft.title, draft.source, draft.parameters, draft.vectors, draft.supersedes, publisher
    )
    emit(MethodologyPublished(methodology, version, draft.code, draft.code_hash, publisher))


@export
def check_vector(methodology: str, version: int, index: int, vector: Vector) -> None:
    """Run one of the committed vectors on the deployed code. Anybody may: it passes or it does not."""
    found = get_found(methodology, version)
    require(found.status == DRAFT, "not-a-draft")
    require(0 <= index and index < len(found.vectors), "no-vector")
    require(sha256(dump_vector(vector).encode()) == found.vectors[index], "vector-mismatch")
    require_code(found)
    check_inputs(found, vector.inputs)
    made = run_code(found.code, vector.inputs + found.parameters)
    require(made.grams == vector.grams, "vectors-fail")
    for wanted in vector.lines:
        require(wanted in [shorten(line) for line in made.lines], "vectors-fail")
    passed[methodology, version, index] = True
    emit(VectorPassed(methodology, version, index))


def shorten(line: Line) -> Expected:
    return Expected(line.symbol, line.value, line.scale, line.unit)


@export
def decide(methodology: str, version: int, wanted: bool) -> None:
    """What administrators voted: the version comes into force, or goes out of it for good."""
    require(ctx.sender == authority.get(), "not-authority")
    found = get_found(methodology, version)
    if wanted:
        activate(methodology, version, found)
    else:
        require(found.status != WITHDRAWN, "already-withdrawn")
        stored[methodology, version] = replace(found, status=WITHDRAWN)
        emit(MethodologyWithdrawn(methodology, version))


def activate(methodology: str, version: int, found: Version) -> None:
    require(found.status == DRAFT, "not-a-draft")
    require_code(found)
    for index in range(len(found.vectors)):
        require(passed[methodology, version, index], "vectors-unchecked")
    if found.supersedes > 0:
        old = get_found(methodology, found.supersedes)
        require(old.status == ACTIVE, "not-active")
        end = max(old.valid_from, min(old.valid_to, found.valid_from))
        old = replace(old, valid_to=end)
        stored[methodology, found.supersedes] = replace(old, status=SUPERSEDED)
    stored[methodology, version] = replace(found, status=ACTIVE)
    emit(MethodologyActivated(methodology, version))


# --- computing --------------------------------------------------------------------------------


@view
def compute(
    methodology: str, version: int, period_from: int, period_to: int, inputs: list[Quantity]
) -> Computation:
    found = get_valid(methodology, version, period_from, period_to)
    require_code(found)
    filled = fill_in(found, period_from, period_to, inputs)
    made = run_code(found.code, filled.inputs)
    return replace(made, flags=made.flags + filled.flags)


@view
def resolve(
    methodology: str, version: int, period_from: int, period_to: int, inputs: list[Quantity]
) -> Resolved:
    """What ``compute`` hands to the code: enough to run it again anywhere, for ever."""
    found = get_valid(methodology, version, period_from, period_to)
    return fill_in(found, period_from, period_to, inputs)


def run_code(code: str, inputs: list[Quantity]) -> Computation:
    made: Computation = call(code, "compute", inputs)
    return made


def fill_in(
    found: Version, period_from: int, period_to: int, inputs: list[Quantity]
) -> Resolved:
    require(len(inputs) <= INPUTS_MAX, "too-many-inputs")
    filled: list[Quantity] = []
    flags: list[str] = []
    gwp_set = found.gwp_set
    for given in inputs:
        require(not given.reference.startswith(PARAMETER), "parameter-given")
        if given.reference.startswith(FACTOR):
            factor = find_factor(given, period_from, period_to)
            if factor.gwp_set != "":
                require(gwp_set == "" or gwp_set == factor.gwp_set, "two-gwp-sets")
                gwp_set = factor.gwp_set
            flag = f"unverified-factor:{factor.factor}"
            if factor.status != "verified" and flag not in flags:
                flags.append(flag)
            filled.append(fill_one(given, factor))
        else:
            filled.append(given)
    check_inputs(found, filled)
    return Resolved(filled + found.parameters, flags)


def find_factor(given: Quantity, period_from: int, period_to: int) -> Factor:
    """``factor:ID`` is what holds for the period; ``factor:ID@VERSION`` insists on that being it."""
    require(given.value == 0, "factor-given")
    parts = given.reference[len(FACTOR):].split("@")
    factor: Factor = call("factors", "get_factor", parts[0], period_from, period_to)
    version = factor.version
    wanted = parts[1] if len(parts) > 1 else f"{version}"
    require(len(parts) <= 2 and wanted == f"{version}", "factor-not-in-force")
    return factor


def fill_one(given: Quantity, factor: Factor) -> Quantity:
    require(given.unit == "" or given.unit == factor.unit, "wrong-unit")
    reference = f"factor:{factor.factor}@{factor.version}"
    return Quantity(given.name, factor.value, factor.scale, factor.unit, reference)


def check_inputs(found: Version, inputs: list[Quantity]) -> None:
    """Every input is asked for, in a unit that is allowed, and none is missing or there twice."""
    wanted: dict[str, Requirement] = {}
    for requirement in found.requirements:
        wanted[requirement.name] = requirement
    seen: dict[str, int] = {}
    names: dict[str, bool] = {}
    for given in inputs:
        base = given.name.split(".")[0]
        require(base in wanted, "unknown-input")
        require(given.unit in wanted[base].units, "wrong-unit")
        require(0 <= given.scale and given.scale <= SCALE_MAX, "bad-scale")
        require(given.name not in names, "input-twice")
        names[given.name] = True
        seen[base] = seen.get(base, 0) + 1
    for requirement in found.requirements:
        number = seen.get(requirement.name, 0)
        require(number >= requirement.least, "missing-input")
        require(number <= requirement.most, "too-many-inputs")


def get_valid(methodology: str, version: int, period_from: int, period_to: int) -> Version:
    require(0 <= period_from and period_from < period_to, "bad-period")
    found = get_found(methodology, version)
    require(found.status == ACTIVE or found.status == SUPERSEDED, "not-active")
    inside = found.valid_from <= period_from and period_to <= found.valid_to
    require(inside, "outside-validity")
    return found


# --- the text that a vector's hash is taken of ------------------------------------------------


def dump_vector(vector: Vector) -> str:
    """Every field with its length in front, so that no two vectors have one text."""
    parts: list[str] = []
    for given in vector.inputs:
        for text in [given.name, f"{given.value}", f"{given.scale}", given.unit, given.reference]:
            parts.append(text)
    for line in vector.lines:
        for text in [line.symbol, f"{line.value}", f"{line.scale}", line.unit]:
            parts.append(text)
    inputs = len(vector.inputs)
    lines = len(vector.lines)
    text = f"vector 1 {vector.grams} {inputs} {lines}"
    return text + "".join([put_length(part) for part in parts])


# --- checks -----------------------------------------------------------------------------------


def require_publisher() -> str:
    """A regulator, or the authority: at genesis, later by a vote."""
    if ctx.sender == authority.get():
        return ""
    caller = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, "regulator"), "not-permitted")
    return caller


def require_code(found: Version) -> None:
    """The contract exists and still has the very code that was published and tried."""
    deployed = call("system", "get_code", found.code)
    require(deployed != b"", "code-not-deployed")
    require(deployed == found.code_hash, "code-changed")


def check_requirements(requirements: list[Requirement]) -> None:
    require(1 <= len(requirements) and len(requirements) <= REQUIREMENTS_MAX, "bad-inputs")
    names: list[str] = []
    for item in requirements:
        check_name(item.name)
        require("." not in item.name and item.name not in names, "bad-inputs")
        names.append(item.name)
        require(1 <= len(item.units) and len(item.units) <= UNITS_MAX, "bad-inputs")
        for unit in item.units:
            check_length(unit, 1, 64)
        bounds = 0 <= item.least and item.least <= item.most
        require(bounds and 1 <= item.most and item.most <= INPUTS_MAX, "bad-inputs")


def check_parameters(parameters: list[Quantity], names: list[str]) -> None:
    """Figures that the methodology fixes; the code finds them after the inputs. ``names``: taken."""
    require(len(parameters) <= REQUIREMENTS_MAX, "bad-parameters")
    for item in parameters:
        check_name(item.name)
        require(item.name not in names, "bad-parameters")
        names.append(item.name)
        require(item.reference == PARAMETER + item.name, "bad-parameters")
        require(0 <= item.scale and item.scale <= SCALE_MAX, "bad-parameters")
        check_length(item.unit, 1, 64)


def check_name(name: str) -> None:
    require(1 <= len(name) and len(name) <= 64, "bad-text")


def check_hash(digest: bytes) -> None:
    require(len(digest) == 32, "bad-hash")


def get_found(methodology: str, version: int) -> Version:
    require((methodology, version) in stored, "no-version")
    return stored[methodology, version]


# --- views ------------------------------------------------------------------------------------


@view
def get_version(methodology: str, version: int) -> Version:
    return get_found(methodology, version)


@view
def count_versions(methodology: str) -> int:
    return counts[methodology]


@view
def list_unchecked(methodology: str, version: int) -> list[int]:
    """The vectors that nobody has run yet: with one left, the version cannot come into force."""
    total = len(get_found(methodology, version).vectors)
    return [index for index in range(total) if not passed[methodology, version, index]]


@view
def list_methodologies(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [name for name, count in counts.scan(None, after, limit)]
