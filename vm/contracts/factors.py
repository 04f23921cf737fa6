"""Emission factors and other published figures, each with the page that it stands on.

A factor set is one table of one publication: source, validity, jurisdiction, GWP set and status
hold for all of it. A set is opened, filled, published; after that no figure in it changes. The
same factor may stand in several sets, one version each; two of them hold for the same time only
when the later set supersedes the earlier. Figures that somebody copied are `unverified` until a
regulator has compared them with the publication, and whatever uses one says so.
Never does anything here compute with a figure: methodology does.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, replace, require, view
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.records.v1 import Factor

ENTRIES_MAX = 100
VERSIONS_MAX = 64
SCALE_MIN = 9
SCALE_MAX = 18
VALUE_MAX = 1000000000000000000000000000000000000
TIME_MAX = 9007199254740991
OPEN = "open"
PUBLISHED = "published"
WITHDRAWN = "withdrawn"


@record
class FactorSet:
    source: str
    source_hash: bytes
    jurisdiction: str
    gwp_set: str
    valid_from: int
    valid_to: int
    status: str
    stage: str
    supersedes: str
    publisher: str
    count: int
    published_at: int


@record
class Entry:
    factor: str
    value: int
    scale: int
    unit: str
    gas: str
    page: str


@record
class Figure:
    table: str
    value: int
    scale: int
    unit: str
    gas: str
    page: str


@event
class SetOpened:
    table: str
    publisher: str
    status: str


@event
class SetPublished:
    table: str
    publisher: str
    count: int


@event
class SetVerified:
    table: str
    regulator: str
    evidence_hash: bytes


@event
class SetWithdrawn:
    table: str
    regulator: str
    reason: str


authority = Var[Address]()

sets = Map[str, FactorSet]()
figures = Map[tuple[str, int], Figure]()
versions = Map[str, int](default=0)
members = Map[tuple[str, str], int](default=0)


@init
def create() -> None:
    authority.set(ctx.sender)


# --- a set's life -----------------------------------------------------------------------------


@export
def open_set(
    table: str, source: str, source_hash: bytes, jurisdiction: str, gwp_set: str, valid_from: int,
    valid_to: int, status: str, supersedes: str
) -> None:
    """Begin a set; ``source_hash`` is that of the file or document, ``supersedes`` '' or a set."""
    publisher = require_publisher()
    check_id(table)
    check_length(source, 1, 256)
    require(len(source_hash) == 32, "bad-hash")
    check_length(jurisdiction, 1, 32)
    check_length(gwp_set, 0, 32)
    require(0 <= valid_from and valid_from < valid_to and valid_to <= TIME_MAX, "bad-validity")
    require(status == "verified" or status == "unverified", "bad-status")
    require(table not in sets, "set-exists")
    if supersedes != "":
        require(supersedes in sets, "no-set")
        require(sets[supersedes].stage == PUBLISHED, "not-published")
    sets[table] = FactorSet(
        source, source_hash, jurisdiction, gwp_set, valid_from, valid_to, status, OPEN, supersedes,
        publisher, 0, 0
    )
    emit(SetOpened(table, publisher, status))


@export
def add(table: str, entries: list[Entry]) -> None:
    """Put figures into an open set of one's own."""
    publisher = require_publisher()
    found = get_found(table)
    require(found.publisher == publisher, "not-permitted")
    require(found.stage == OPEN, "already-published")
    require(1 <= len(entries) and len(entries) <= ENTRIES_MAX, "bad-entries")
    for entry in entries:
        put_entry(table, found, entry)
    sets[table] = replace(found, count=found.count + len(entries))


def put_entry(table: str, into: FactorSet, entry: Entry) -> None:
    factor = entry.factor
    check_id(factor)
    require(SCALE_MIN <= entry.scale and entry.scale <= SCALE_MAX, "bad-scale")
    require(abs(entry.value) <= VALUE_MAX, "bad-value")
    check_length(entry.unit, 1, 64)
    check_length(entry.gas, 0, 32)
    check_length(entry.page, 1, 128)
    require((table, factor) not in members, "factor-exists")
    version = versions[factor] + 1
    require(version <= VERSIONS_MAX, "too-many-versions")
    check_overlap(factor, version, into)
    versions[factor] = version
    members[table, factor] = version
    figures[factor, version] = Figure(
        table, entry.value, entry.scale, entry.unit, entry.gas, entry.page
    )


def check_overlap(factor: str, below: int, new: FactorSet) -> None:
    """No time has two versions, unless the set of the older one is superseded."""
    cuts: dict[str, int] = {}
    if new.supersedes != "":
        cuts[new.supersedes] = new.valid_from
    version = below - 1
    while version > 0:
        older = figures[factor, version].table
        other = sets[older]
        if other.stage != WITHDRAWN:
            end = min(other.valid_to, cuts.get(older, other.valid_to))
            apart = end <= new.valid_from or new.valid_to <= other.valid_from
            # A set that begins before the one it supersedes leaves nothing of it.
            require(apart or end <= other.valid_from, "factor-overlap")
        note_cut(cuts, other)
        version -= 1


def note_cut(cuts: dict[str, int], later: FactorSet) -> None:
    """From its first second on, a published set takes the place of the one that it supersedes.

    Its own withdrawal does not bring the old one back: somebody found that one wrong, too.
    """
    if later.supersedes != "" and later.published_at > 0:
        before = cuts.get(later.supersedes, later.valid_from)
        cuts[later.supersedes] = min(before, later.valid_from)


@export
def publish(table: str, count: int) -> None:
    """Put the set in force, whole: ``count`` is how many figures the publisher meant it to have."""
    publisher = require_publisher()
    found = get_found(table)
    require(found.publisher == publisher, "not-permitted")
    require(found.stage == OPEN, "already-published")
    require(count > 0 and found.count == count, "incomplete-set")
    sets[table] = replace(replace(found, stage=PUBLISHED), published_at=ctx.time)
    emit(SetPublished(table, publisher, count))


@export
def verify(table: str, evidence_hash: bytes) -> None:
    """Somebody compared every figure with the publication; the hash is of what they wrote down."""
    regulator = require_publisher()
    found = get_found(table)
    require(len(evidence_hash) == 32, "bad-hash")
    require(found.stage == PUBLISHED, "not-published")
    require(found.status == "unverified", "already-verified")
    sets[table] = replace(found, status="verified")
    emit(SetVerified(table, regulator, evidence_hash))


@export
def withdraw(table: str, reason: str) -> None:
    """For good. Computations made with it stay as they are; no later one can use it."""
    regulator = require_publisher()
    found = get_found(table)
    check_length(reason, 1, 256)
    require(found.stage != WITHDRAWN, "already-withdrawn")
    sets[table] = replace(found, stage=WITHDRAWN)
    emit(SetWithdrawn(table, regulator, reason))


# --- checks -----------------------------------------------------------------------------------


def require_publisher() -> str:
    """A regulator, or the authority: at genesis, later by a vote."""
    if ctx.sender == authority.get():
        return ""
    caller = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, "regulator"), "not-permitted")
    return caller


def get_found(table: str) -> FactorSet:
    require(table in sets, "no-set")
    return sets[table]


# --- views ------------------------------------------------------------------------------------


def make_factor(factor: str, version: int, end: int) -> Factor:
    figure = figures[factor, version]
    found = sets[figure.table]
    status = found.status if found.stage == PUBLISHED else found.stage
    return Factor(
        factor, version, figure.value, figure.scale, figure.unit, figure.gas, found.gwp_set,
        found.source, figure.page, found.jurisdiction, found.valid_from,
        min(found.valid_to, end), status
    )


@view
def get_factor(factor: str, time_from: int, time_to: int) -> Factor:
    """The one version that holds for all of [time_from, time_to)."""
    require(0 <= time_from and time_from < time_to, "bad-period")
    version = versions[factor]
    require(version > 0, "no-factor")
    cuts: dict[str, int] = {}
    while version > 0:
        table = figures[factor, version].table
        found = sets[table]
        if found.stage == PUBLISHED:
            end = min(found.valid_to, cuts.get(table, found.valid_to))
            if found.valid_from <= time_from and time_to <= end:
                return make_factor(factor, version, end)
        note_cut(cuts, found)
        version -= 1
    require(False, "factor-not-in-force")
    return make_factor(factor, version, 0)


@view
def get_version(factor: str, version: int) -> Factor:
    """As it was published, whether or not it still holds; status `open`, `withdrawn` too."""
    require((factor, version) in figures, "no-factor")
    return make_factor(factor, version, TIME_MAX)


@view
def count_versions(factor: str) -> int:
    return versions[factor]


@view
def get_set(table: str) -> FactorSet:
    return get_found(table)


@view
def list_sets(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [table for table, found in sets.scan(None, after, limit)]


@view
def list_factors(table: str, after: str, limit: int) -> list[Factor]:
    """The figures of one set, by id; the cursor is the last id."""
    check_limit(limit)
    rows = members.scan((table,), (table, after), limit)
    return [make_factor(key[1], version, TIME_MAX) for key, version in rows]
