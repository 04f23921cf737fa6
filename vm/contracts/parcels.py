"""Parcels: where projects are, and that no land is credited twice for one claim and time.

The Earth is divided into 2^43 cells of one size, 57.99 m2: 2^22 columns of equal longitude, 2^21
rows of equal area. A cell's number interleaves column and row (Z-order: bit 0 is the column's),
so an aligned square of 4^n cells is one range of numbers, and a parcel is a list of ranges. Its
area is a count. Claimed ranges are kept in layers in which no two meet: whether a range is free
is one look at its neighbour, as for the serials in `units`.
What grows there is observed on plots or from above: committed when it was seen, measured later.
Never does anything here see a boundary: who recomputes the cells from the GeoJSON with the
published hash is its validator, and anyone (tools/parcels; docs/carbon.md).
"""
from vm import Map, Var, call, ctx, emit, event, export, mul_div, record, replace, require, view
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.integers.v1 import sqrt_up
from lib.records.v1 import Project

CELLS_OF_EARTH = 8796093022208
# WGS 84: the area of the ellipsoid, as 2^43 cells share it out.
EARTH_M2 = 510065621724088
LEVEL_MAX = 10
# Of a parcel that is not drawn cell by cell: its count is then within a quarter of its area.
SQUARES_MIN = 64
PARCELS_MAX = 10000
RANGES_MAX = 256
PARCEL_RANGES_MAX = 65536
LAYERS_MAX = 16
SCAN_ROWS = 40
# Measured and counted area may differ by 1 % and by what a boundary cuts: 2 squares in each row
# of a square parcel.
AREA_PERCENT = 1
OVERLAP_PERCENT = 1
LAND_CLAIMS = ["biomass", "soil", "avoided-loss"]
OBSERVED = ["plots", "remote-sensing"]
COMMIT_SECONDS = 2592000
AMOUNT_MAX = 1000000000000000000000000000000


@record
class Parcel:
    """It comes in pieces; claimed counts those that are, shared_cells what others claim too."""

    boundary_hash: bytes
    level: int
    area_m2: int
    ranges_total: int
    cells: int
    ranges: int
    pieces: int
    claimed: int
    shared_cells: int
    next_cell: int


@record
class Extent:
    """A project's parcels together: how many, how many have all their cells; pieces claimed."""

    parcels: int
    drawn: int
    cells: int
    area_m2: int
    pieces: int
    claimed: int


@record
class Claimed:
    """The cells [start, the key's end)."""

    start: int
    project: str
    parcel: int


@record
class Terms:
    """What a project claims and for which time; empty when time_from >= time_to."""

    claims: list[str]
    time_from: int
    time_to: int


@record
class Hit:
    """The range of that index meets a claimed one."""

    index: int
    start: int
    end: int
    project: str
    parcel: int


@record
class Overlap:
    project: str
    parcel: int
    cells: int


@record
class Observation:
    """A stock per area on a parcel (-1: on all). Measured when measured_at is not 0."""

    project: str
    parcel: int
    kind: str
    method: str
    observed_at: int
    data_hash: bytes
    submitter: str
    committed_at: int
    samples: int
    mean: int
    deviation: int
    scale: int
    unit: str
    result_hash: bytes
    measured_at: int


@event
class ParcelAdded:
    project: str
    parcel: int
    boundary_hash: bytes
    area_m2: int


@event
class ParcelClaimed:
    project: str
    parcel: int
    cells: int
    shared_cells: int


@event
class Overlapped:
    """Flag of rule 5: below 1 % of either area, so not refused."""

    project: str
    parcel: int
    other: str
    other_parcel: int
    cells: int


@event
class ObservationCommitted:
    observation: str
    project: str
    parcel: int
    kind: str
    observed_at: int
    data_hash: bytes


@event
class ObservationMeasured:
    observation: str
    project: str
    parcel: int
    mean: int
    deviation: int
    scale: int
    unit: str


@event
class StockFell:
    """Flag of rule 14: less than before by more than both deviations, so perhaps a reversal."""

    project: str
    parcel: int
    observation: str
    earlier: str


extents = Map[str, Extent]()
parcels = Map[tuple[str, int], Parcel]()
pieces = Map[tuple[str, int, int], list[int]]()
claims = Map[tuple[int, int], Claimed]()
layers = Var[int]()
shared = Map[tuple[str, int, str, int], int](default=0)
observations = Map[str, Observation]()
observed = Map[tuple[str, str], bool]()
latest = Map[tuple[str, int, str], str]()


# --- drawn ------------------------------------------------------------------------------------


@export
def add_parcel(
    project: str, boundary_hash: bytes, level: int, area_m2: int, ranges_total: int,
    ranges: list[int]
) -> int:
    """A parcel of a draft: its boundary's hash, its area as measured, and its cells.

    `ranges` is [first cell, how many, first, how many, ...], ascending; what is missing to
    `ranges_total` follows by `extend_parcel`. All are made of squares of 4^level cells.
    """
    require(len(boundary_hash) == 32, "bad-hash")
    require(0 <= level and level <= LEVEL_MAX, "bad-level")
    require(0 < area_m2 and area_m2 <= EARTH_M2, "bad-area")
    expected = to_cells(area_m2)
    require(expected > 0, "bad-area")
    # Of few squares the cut ones could leave most of the land unclaimed, free to claim elsewhere.
    require(level == 0 or expected >= SQUARES_MIN << 2 * level, "bad-level")
    require(0 < ranges_total and ranges_total <= PARCEL_RANGES_MAX, "bad-cells")
    found = require_drawing(project)
    extent = get_extent_of(project)
    number = extent.parcels
    require(number < PARCELS_MAX, "too-many-parcels")
    emit(ParcelAdded(project, number, boundary_hash, area_m2))
    extents[project] = replace(extent, parcels=number + 1, area_m2=extent.area_m2 + area_m2)
    new = Parcel(boundary_hash, level, area_m2, ranges_total, 0, 0, 0, 0, 0, 0)
    put_piece(project, number, new, found, ranges)
    return number


@export
def extend_parcel(project: str, parcel: int, ranges: list[int]) -> None:
    found = require_drawing(project)
    put_piece(project, parcel, get_found(project, parcel), found, ranges)


def put_piece(
    project: str, number: int, parcel: Parcel, found: Project, ranges: list[int]
) -> None:
    check_ranges(parcel, ranges)
    # Early and for the owner's sake: what counts is the claim before registration.
    met = count_conflicts(project, found, ranges)
    require(met * 100 < OVERLAP_PERCENT * to_cells(parcel.area_m2), "parcel-overlap")
    pieces[project, number, parcel.pieces] = ranges
    cells = count_cells(ranges)
    after = replace(
        parcel,
        cells=parcel.cells + cells,
        ranges=parcel.ranges + len(ranges) // 2,
        pieces=parcel.pieces + 1,
        next_cell=ranges[-2] + ranges[-1],
    )
    parcels[project, number] = after
    drawn = 0
    if after.ranges == parcel.ranges_total:
        require(is_area_right(after), "area-mismatch")
        drawn = 1
    extent = get_extent_of(project)
    extents[project] = replace(
        extent, drawn=extent.drawn + drawn, cells=extent.cells + cells, pieces=extent.pieces + 1
    )


def count_conflicts(project: str, found: Project, ranges: list[int]) -> int:
    own = get_terms(found)
    known: dict[str, Terms] = {project: own}
    met = 0
    for layer in range(layers.get()):
        for hit in find_hits(layer, ranges):
            if is_conflict(own, get_known(known, hit.project)):
                met += count_met(ranges, hit)
    return met


def is_area_right(parcel: Parcel) -> bool:
    expected = to_cells(parcel.area_m2)
    slack = expected * AREA_PERCENT // 100 + 2 * sqrt_up(expected) * (1 << parcel.level)
    return abs(parcel.cells - expected) <= slack


def check_ranges(parcel: Parcel, ranges: list[int]) -> None:
    """Ascending, apart, whole squares of the parcel's level, on Earth."""
    require(2 <= len(ranges) and len(ranges) <= 2 * RANGES_MAX, "bad-cells")
    require(len(ranges) % 2 == 0, "bad-cells")
    require(parcel.ranges + len(ranges) // 2 <= parcel.ranges_total, "bad-cells")
    mask = (1 << 2 * parcel.level) - 1
    low = parcel.next_cell
    start = 0
    for index, number in enumerate(ranges):
        require(number & mask == 0, "bad-cells")
        if index % 2 == 0:
            require(number >= low, "bad-cells")
            start = number
        else:
            require(number > 0, "bad-cells")
            low = start + number
    require(low <= CELLS_OF_EARTH, "bad-cells")


# --- claimed ----------------------------------------------------------------------------------


@export
def claim(project: str, parcel: int) -> None:
    """The next piece of a validated project's parcel: nobody else may claim the same from here on.

    By any member: the rules leave no choice. What another registry credits is claimed at once.
    """
    found = get_project(project)
    wanted = "validated" if found.origin == "" else "registered"
    require(found.status == wanted, f"project-{found.status}")
    claim_piece(project, parcel, found)


def claim_piece(project: str, number: int, found: Project) -> None:
    parcel = get_found(project, number)
    require(parcel.claimed < parcel.pieces, "already-claimed")
    ranges = pieces[project, number, parcel.claimed]
    own = get_terms(found)
    known: dict[str, Terms] = {project: own}
    # Bit n of taken[i]: layer n has something where range i lies.
    taken = [0 for index in range(len(ranges) // 2)]
    met: dict[str, Overlap] = {}
    for layer in range(layers.get()):
        for hit in find_hits(layer, ranges):
            terms = get_known(known, hit.project)
            if terms.time_from >= terms.time_to:
                # Of a project that was never credited and never will be: the place is free.
                drop(layer, hit.end)
                continue
            taken[hit.index] = taken[hit.index] | 1 << layer
            if is_conflict(own, terms):
                add_met(met, hit, count_met(ranges, hit))
    put_claims(project, number, ranges, taken)
    parcels[project, number] = replace(parcel, claimed=parcel.claimed + 1)
    extent = get_extent_of(project)
    extents[project] = replace(extent, claimed=extent.claimed + 1)
    total = 0
    for overlap in met.values():
        total += overlap.cells
        share(project, number, overlap.cells)
        share(overlap.project, overlap.parcel, overlap.cells)
        shared[project, number, overlap.project, overlap.parcel] += overlap.cells
        emit(Overlapped(project, number, overlap.project, overlap.parcel, overlap.cells))
    emit(ParcelClaimed(project, number, count_cells(ranges), total))


def add_met(met: dict[str, Overlap], hit: Hit, cells: int) -> None:
    key = f"{hit.project} {hit.parcel}"
    if key in met:
        cells += met[key].cells
    met[key] = Overlap(hit.project, hit.parcel, cells)


def share(project: str, number: int, cells: int) -> None:
    """Rule 5 of Detection, for either side and all its neighbours together."""
    parcel = parcels[project, number]
    shared_cells = parcel.shared_cells + cells
    require(shared_cells * 100 < OVERLAP_PERCENT * parcel.cells, "parcel-overlap")
    parcels[project, number] = replace(parcel, shared_cells=shared_cells)


def put_claims(project: str, number: int, ranges: list[int], taken: list[int]) -> None:
    count = layers.get()
    for index, bits in enumerate(taken):
        layer = 0
        while bits >> layer & 1 == 1:
            layer += 1
        require(layer < LAYERS_MAX, "too-many-claims")
        count = max(count, layer + 1)
        start = ranges[2 * index]
        claims[layer, start + ranges[2 * index + 1]] = Claimed(start, project, number)
    layers.set(count)


def drop(layer: int, end: int) -> None:
    # A row may lie under several ranges of the piece.
    if (layer, end) in claims:
        del claims[layer, end]


def find_hits(layer: int, ranges: list[int]) -> list[Hit]:
    """The claimed ranges of a layer that meet the ascending `ranges`: both walked once."""
    hits: list[Hit] = []
    rows = claims.scan((layer,), (layer, ranges[0]), SCAN_ROWS)
    at = 0
    last = ranges[0]
    for index in range(len(ranges) // 2):
        start = ranges[2 * index]
        end = start + ranges[2 * index + 1]
        while True:
            if at == len(rows):
                if at < SCAN_ROWS:
                    break
                rows = claims.scan((layer,), (layer, max(start, last)), SCAN_ROWS)
                at = 0
                continue
            key, row = rows[at]
            last = key[1]
            if last > start:
                if row.start >= end:
                    break
                hits.append(Hit(index, row.start, last, row.project, row.parcel))
                if last > end:
                    break
            at += 1
    return hits


# --- observed ---------------------------------------------------------------------------------


@export
def commit_observation(
    observation: str, project: str, parcel: int, kind: str, method: str, observed_at: int,
    data_hash: bytes
) -> None:
    """What was seen and when, before anybody knows the result: `data_hash` is that of the image or
    of the list of plots. By anyone but the project's owner.
    """
    check_id(observation)
    require(kind in OBSERVED, "bad-kind")
    check_length(method, 1, 64)
    require(len(data_hash) == 32, "bad-hash")
    require(0 <= observed_at and observed_at <= ctx.time, "bad-time")
    require(ctx.time - observed_at <= COMMIT_SECONDS, "late-commitment")
    owner = get_project(project).owner
    require(parcel == -1 or (project, parcel) in parcels, "no-parcel")
    submitter = call("identity", "organisation_of", ctx.sender)
    require(submitter != owner, "submitter-is-owner")
    require(observation not in observations, "observation-exists")
    observations[observation] = Observation(
        project, parcel, kind, method, observed_at, data_hash, submitter, ctx.time, 0, 0, 0, 0,
        "", b"", 0
    )
    observed[project, observation] = True
    emit(ObservationCommitted(observation, project, parcel, kind, observed_at, data_hash))


@export
def measure(
    observation: str, samples: int, mean: int, deviation: int, scale: int, unit: str,
    result_hash: bytes
) -> None:
    """The result, once: mean and standard deviation, divided by 10^scale, of so many samples."""
    require(1 <= samples and samples <= 1000000, "bad-samples")
    require(0 <= mean and mean <= AMOUNT_MAX, "bad-amount")
    require(0 <= deviation and deviation <= AMOUNT_MAX, "bad-amount")
    require(0 <= scale and scale <= 18, "bad-scale")
    check_length(unit, 1, 16)
    require(len(result_hash) == 32, "bad-hash")
    found = get_observed(observation)
    submitter = call("identity", "organisation_of", ctx.sender)
    require(submitter == found.submitter, "not-submitter")
    require(found.measured_at == 0, "already-measured")
    after = replace(
        found, samples=samples, mean=mean, deviation=deviation, scale=scale, unit=unit,
        result_hash=result_hash, measured_at=ctx.time
    )
    observations[observation] = after
    emit(
        ObservationMeasured(observation, found.project, found.parcel, mean, deviation, scale, unit)
    )
    key = (found.project, found.parcel, unit)
    if key in latest:
        earlier = latest[key]
        before = observations[earlier]
        if before.observed_at > found.observed_at:
            return
        if has_fallen(before, after):
            emit(StockFell(found.project, found.parcel, observation, earlier))
    latest[key] = observation


def has_fallen(before: Observation, after: Observation) -> bool:
    low = (before.mean - before.deviation) * 10 ** after.scale
    high = (after.mean + after.deviation) * 10 ** before.scale
    return high < low


def get_observed(observation: str) -> Observation:
    require(observation in observations, "no-observation")
    return observations[observation]


# --- counted and compared ---------------------------------------------------------------------


def count_cells(ranges: list[int]) -> int:
    return sum([ranges[at] for at in range(1, len(ranges), 2)])


def count_met(ranges: list[int], hit: Hit) -> int:
    start = ranges[2 * hit.index]
    return min(start + ranges[2 * hit.index + 1], hit.end) - max(start, hit.start)


def to_cells(area_m2: int) -> int:
    return mul_div(area_m2, CELLS_OF_EARTH, EARTH_M2)


def get_terms(found: Project) -> Terms:
    """What ended keeps what it was credited for; what ended before registration keeps nothing."""
    time_to = found.crediting_to
    if found.ended_at > 0:
        time_to = min(time_to, found.ended_at) if found.registered_at > 0 else 0
    return Terms(found.claims, found.crediting_from, time_to)


def get_known(known: dict[str, Terms], project: str) -> Terms:
    if project not in known:
        known[project] = get_terms(get_project(project))
    return known[project]


def is_conflict(one: Terms, other: Terms) -> bool:
    if one.time_from >= other.time_to or other.time_from >= one.time_to:
        return False
    return any([claimed in other.claims for claimed in one.claims])


# --- finding and checking ---------------------------------------------------------------------


def require_drawing(project: str) -> Project:
    """By the owner while it is a draft; what another registry credits, by who recorded it."""
    found = get_project(project)
    caller = call("identity", "organisation_of", ctx.sender)
    if found.origin == "":
        require(caller == found.owner, "not-the-owner")
        require(found.status == "draft", f"project-{found.status}")
    else:
        require(caller == found.registrar, "not-the-registrar")
        require(found.status == "registered", f"project-{found.status}")
    return found


def get_project(project: str) -> Project:
    return call("projects", "get_project", project)


def get_found(project: str, parcel: int) -> Parcel:
    require((project, parcel) in parcels, "no-parcel")
    return parcels[project, parcel]


def get_extent_of(project: str) -> Extent:
    return extents.get(project, Extent(0, 0, 0, 0, 0, 0))


# --- views ------------------------------------------------------------------------------------


@view
def check_drawn(project: str, claimed: list[str]) -> None:
    """For the contract projects: may this be submitted?"""
    extent = get_extent_of(project)
    on_land = any([word in LAND_CLAIMS for word in claimed])
    require(extent.parcels > 0 or not on_land, "no-parcels")
    require(extent.drawn == extent.parcels, "incomplete-parcel")


@view
def check_claimed(project: str) -> None:
    """For the contract projects: may this be registered?"""
    extent = get_extent_of(project)
    require(extent.claimed == extent.pieces, "not-claimed")


@view
def get_extent(project: str) -> Extent:
    return get_extent_of(project)


@view
def get_parcel(project: str, parcel: int) -> Parcel:
    return get_found(project, parcel)


@view
def get_piece(project: str, parcel: int, piece: int) -> list[int]:
    require((project, parcel, piece) in pieces, "no-piece")
    return pieces[project, parcel, piece]


@view
def list_parcels(project: str, after: int, limit: int) -> list[Parcel]:
    check_limit(limit)
    return [found for key, found in parcels.scan((project,), (project, after), limit)]


@view
def list_overlaps(project: str, parcel: int) -> list[Overlap]:
    """Those flagged when this parcel was claimed, at most 200."""
    rows = shared.scan((project, parcel), None, 200)
    return [Overlap(key[2], key[3], cells) for key, cells in rows]


@view
def claims_at(cell: int) -> list[Overlap]:
    """Every claim on a cell, with the cells of its range; ended projects' too."""
    found: list[Overlap] = []
    for layer in range(layers.get()):
        for hit in find_hits(layer, [cell, 1]):
            found.append(Overlap(hit.project, hit.parcel, hit.end - hit.start))
    return found


@view
def get_observation(observation: str) -> Observation:
    return get_observed(observation)


@view
def observations_of(project: str, after: str, limit: int) -> list[str]:
    check_limit(limit)
    rows = observed.scan((project,), (project, after), limit)
    return [key[1] for key, listed in rows]


@view
def get_latest(project: str, parcel: int, unit: str) -> str:
    """The measured observation that was seen last, '' when there is none."""
    return latest.get((project, parcel, unit), "")
