"""Units: batches of kilogram serials, and the lots that say who holds which.

A lot is a half-open interval of serials [start, end) of one batch. Lots are stored under
(batch, end), so that the lot that holds a serial is the first one whose end lies above it: one
scan of one row; when a range ends where its lot ends it is one read. Lots of a batch never meet
and add up to what was issued; retired and cancelled lots stay in the map for good, which is what
keeps their serials from ever being issued or moved again.
Never does a method here set a retired or cancelled serial back.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, require, revert, view
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.records.v1 import Step

BUFFER = "buffer"
REPORT_PREFIX = "mrv."
REASONS = "order pledge margin export"
# Holders of locks that are contracts, and why they lock: no organisation has these names (identity
# keeps them back), and only they unlock.
HOUSES = {
    "market": "order", "auctions": "order", "quotes": "order", "finance": "pledge",
    "baskets": "basket", "tokens": "token", "delivery": "margin", "surveillance": "court",
}
SURVEILLANCE = "surveillance"
TRACE_MAX = 200
OWNED_BY = ["issue", "transfer", "release"]
PAGE_MAX = 100
# 10^15 t: far above anything real, and so far below 2^255 that no sum of them can overflow.
SERIAL_MAX = 1000000000000000000


@record
class Batch:
    project: str
    vintage: int
    issuer: str
    verifier: str
    issued_to: str
    evidence_hash: bytes
    origin: str
    source: str
    created_at: int


@record
class Totals:
    verified_kg: int
    issued_kg: int
    buffered_kg: int
    released_kg: int
    retired_kg: int
    cancelled_kg: int


@record
class Report:
    verifier: str
    owner: str
    project: str
    vintage: int
    scope: str
    net_kg: int
    issued_kg: int
    evidence_hash: bytes


@record
class Held:
    """A stored lot: [start, the key's end). Its last move is moves[batch, moved_at, step]."""

    start: int
    owner: str
    status: str
    step: int
    moved_at: int


@record
class Lot:
    start: int
    end: int
    owner: str
    status: str
    step: int


@record
class Lock:
    reason: str
    holder: str
    reference: str
    since: int


@record
class Move:
    """One step in the life of [the key's start, end); what came before starts at before_at."""

    kind: str
    end: int
    giver: str
    taker: str
    time: int
    height: int
    before_at: int


@record
class Join:
    """Two histories that a merge brought together at serial ``at``."""

    at: int
    left_step: int
    right_at: int
    right_step: int


@record
class Holding:
    batch: str
    kg: int


@event
class Attested:
    report: str
    verifier: str
    owner: str
    project: str
    vintage: int
    net_kg: int


@event
class Issued:
    batch: str
    start: int
    end: int
    buffer_quantity: int
    owner: str
    issuer: str
    project: str
    vintage: int


@event
class Transferred:
    batch: str
    start: int
    end: int
    giver: str
    taker: str


@event
class Split:
    batch: str
    at: int
    owner: str


@event
class Merged:
    batch: str
    start: int
    end: int
    owner: str


@event
class Locked:
    batch: str
    start: int
    end: int
    owner: str
    reason: str
    holder: str


@event
class Unlocked:
    batch: str
    start: int
    end: int
    owner: str


@event
class BufferReleased:
    batch: str
    start: int
    end: int
    taker: str
    evidence_hash: bytes


@event
class BufferCancelled:
    batch: str
    start: int
    end: int


authority = Var[Address]()
retirement = Var[Address]()
connected = Var[bool]()
buffer = Var[Address]()
buffer_connected = Var[bool]()
mrv = Var[Address]()
mrv_connected = Var[bool]()
houses = Map[Address, str](default="")
houses_connected = Var[bool]()
surveillance = Var[Address]()
surveillance_connected = Var[bool]()

reports = Map[str, Report]()
batches = Map[str, Batch]()
batch_totals = Map[str, Totals]()
project_batches = Map[tuple[str, str], bool]()
verified = Map[tuple[str, str], bool]()
lots = Map[tuple[str, int], Held]()
locks = Map[tuple[str, int], Lock]()
moves = Map[tuple[str, int, int], Move]()
joins = Map[tuple[str, int, int], Join]()
balances = Map[tuple[str, str], int](default=0)
imported = Map[tuple[str, str], bool]()
chain_totals = Var[Totals]()


@init
def create() -> None:
    authority.set(ctx.sender)
    chain_totals.set(Totals(0, 0, 0, 0, 0, 0))


@export
def connect(retirement_contract: Address) -> None:
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    retirement.set(retirement_contract)


@export
def connect_buffer(buffer_contract: Address) -> None:
    require(ctx.sender == authority.get(), "not-authority")
    require(not buffer_connected.get(), "already-connected")
    buffer_connected.set(True)
    buffer.set(buffer_contract)


@export
def connect_mrv(mrv_contract: Address) -> None:
    require(ctx.sender == authority.get(), "not-authority")
    require(not mrv_connected.get(), "already-connected")
    mrv_connected.set(True)
    mrv.set(mrv_contract)


@export
def connect_houses(names: list[str], contracts: list[Address]) -> None:
    """The contracts that trade, and their names out of HOUSES."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not houses_connected.get(), "already-connected")
    known = all([name in HOUSES for name in names])
    require(known and len(names) == len(contracts), "bad-houses")
    houses_connected.set(True)
    for index, contract in enumerate(contracts):
        houses[contract] = names[index]


@export
def connect_surveillance(surveillance_contract: Address) -> None:
    require(ctx.sender == authority.get(), "not-authority")
    require(not surveillance_connected.get(), "already-connected")
    surveillance_connected.set(True)
    surveillance.set(surveillance_contract)


# --- verified and issued ----------------------------------------------------------------------


@export
def attest(
    report: str, project: str, vintage: int, scope: str, net_kg: int, owner: str,
    evidence_hash: bytes
) -> None:
    """The verified net of one report: no more than that is ever issued against it."""
    check_new_id(report)
    check_id(project)
    check_vintage(vintage)
    require(0 < net_kg and net_kg <= SERIAL_MAX, "bad-amount")
    require(len(evidence_hash) == 32, "bad-hash")
    verifier = require_role("verifier", "not-a-verifier")
    require_accredited(verifier, scope)
    require(report not in reports, "report-exists")
    require_owner(owner)
    require(call("identity", "has_role", owner, "project-owner"), "not-a-project-owner")
    require(owner != verifier, "verifier-is-owner")
    require(not holds_of_project(verifier, project), "verifier-holds")
    verified[verifier, project] = True
    chain_totals.set(add(chain_totals.get(), Totals(0, 0, 0, 0, 0, 0), net_kg))
    reports[report] = Report(verifier, owner, project, vintage, scope, net_kg, 0, evidence_hash)
    emit(Attested(report, verifier, owner, project, vintage, net_kg))


def holds_of_project(organisation: str, project: str) -> bool:
    after = ""
    while True:
        rows = project_batches.scan((project,), (project, after), PAGE_MAX)
        page = [key[1] for key, listed in rows]
        for batch in page:
            if balances[organisation, batch] > 0:
                return True
        if len(page) < PAGE_MAX:
            return False
        after = page[-1]


@export
def issue(
    batch: str, report: str, start: int, end: int, quantity: int, buffer_quantity: int
) -> None:
    check_new_id(batch)
    check_issue(start, end, quantity, buffer_quantity)
    require(report in reports, "no-report")
    found = reports[report]
    issuer = require_role("registry", "not-an-issuer")
    require_accredited(issuer, found.scope)
    require(issuer != found.owner, "issuer-is-owner")
    require(issuer != found.verifier, "issuer-is-verifier")
    require_owner(found.owner)
    # By hand no debt is dodged either that stops the reports of the project.
    require(call("buffer", "count_open", found.project) == 0, "reversal-open")
    require(call("mrv", "get_due", found.project) == 0, "make-good-due")
    issued_kg = found.issued_kg + quantity
    require(issued_kg <= found.net_kg, "above-verified")
    reports[report] = Report(
        found.verifier, found.owner, found.project, found.vintage, found.scope, found.net_kg,
        issued_kg, found.evidence_hash
    )
    description = Batch(
        found.project, found.vintage, issuer, found.verifier, found.owner, found.evidence_hash,
        "", report, ctx.time
    )
    put_batch(batch, description)
    put_serials(batch, description, start, end, buffer_quantity)
    # The chain's verified total grew when the verifier attested.
    add_totals(batch, Totals(quantity, quantity, buffer_quantity, 0, 0, 0), 0)


@export
def bar_verifier(verifier: str, project: str) -> None:
    """For mrv and buffer alone: who verifies of a project holds nothing of it, from here on for good."""
    require(ctx.sender == mrv.get() or ctx.sender == buffer.get(), "not-mrv")
    require(not holds_of_project(verifier, project), "verifier-holds")
    verified[verifier, project] = True


@export
def issue_report(
    report: str, project: str, vintage: int, scope: str, net_kg: int, buffer_quantity: int,
    owner: str, verifier: str, issuer: str, evidence_hash: bytes
) -> str:
    """For the contract mrv alone: the whole net of an approved report, as the batch returned."""
    require(ctx.sender == mrv.get(), "not-mrv")
    check_issue(0, net_kg, net_kg, buffer_quantity)
    require_owner(owner)
    batch = f"{REPORT_PREFIX}{report}"
    reports[batch] = Report(
        verifier, owner, project, vintage, scope, net_kg, net_kg, evidence_hash
    )
    emit(Attested(batch, verifier, owner, project, vintage, net_kg))
    description = Batch(
        project, vintage, issuer, verifier, owner, evidence_hash, "", batch, ctx.time
    )
    put_batch(batch, description)
    put_serials(batch, description, 0, net_kg, buffer_quantity)
    add_totals(batch, Totals(net_kg, net_kg, buffer_quantity, 0, 0, 0), net_kg)
    return batch


@export
def issue_imported(
    registry: str, batch: str, project: str, vintage: int, owner: str, start: int, end: int,
    quantity: int, buffer_quantity: int, evidence_hash: bytes, source: str, import_key: str
) -> None:
    """Units that another registry issued; its public record is the evidence."""
    check_id(registry)
    check_new_id(batch)
    check_id(project)
    check_vintage(vintage)
    check_issue(start, end, quantity, buffer_quantity)
    require(len(evidence_hash) == 32, "bad-hash")
    check_length(source, 1, 128)
    check_length(import_key, 1, 64)
    issuer = require_role("registry", "not-an-issuer")
    require_accredited(issuer, f"import:{registry}")
    require(issuer != owner, "issuer-is-owner")
    require_not_verifier(require_owner(owner), owner, project)
    require((registry, import_key) not in imported, "already-imported")
    # Else its batches pass for units of a project that is credited here.
    require(call("projects", "may_import", project, registry), "project-mismatch")
    imported[registry, import_key] = True
    description = Batch(
        project, vintage, issuer, "", owner, evidence_hash, registry, source, ctx.time
    )
    put_batch(batch, description)
    put_serials(batch, description, start, end, buffer_quantity)
    add_totals(batch, Totals(quantity, quantity, buffer_quantity, 0, 0, 0), quantity)


def put_batch(batch: str, new: Batch) -> None:
    """Open the batch, or prove that the further serials belong to the same one."""
    if batch not in batches:
        batches[batch] = new
        batch_totals[batch] = Totals(0, 0, 0, 0, 0, 0)
        project_batches[new.project, batch] = True
        return
    old = batches[batch]
    same = old.project == new.project and old.vintage == new.vintage
    same = same and old.issuer == new.issuer and old.verifier == new.verifier
    require(same and old.issued_to == new.issued_to and old.origin == new.origin, "batch-mismatch")


def put_serials(batch: str, to: Batch, start: int, end: int, buffer_quantity: int) -> None:
    for key, next_lot in lots.scan((batch,), (batch, start), 1):
        require(next_lot.start >= end, "serials-overlap")
    cut = end - buffer_quantity
    moves[batch, start, 1] = Move("issue", end, "", to.issued_to, ctx.time, ctx.height, start)
    if cut > start:
        lots[batch, cut] = Held(start, to.issued_to, "active", 1, start)
        balances[to.issued_to, batch] += cut - start
    if end > cut:
        lots[batch, end] = Held(cut, BUFFER, "buffer", 1, start)
        balances[BUFFER, batch] += buffer_quantity
    emit(
        Issued(
            batch, start, end, buffer_quantity, to.issued_to, to.issuer, to.project, to.vintage
        )
    )


def add_totals(batch: str, more: Totals, verified_kg: int) -> None:
    """Add to the batch and to the chain; the chain's verified total grows by ``verified_kg``."""
    batch_totals[batch] = add(batch_totals[batch], more, more.verified_kg)
    chain_totals.set(add(chain_totals.get(), more, verified_kg))


def add(one: Totals, other: Totals, verified_kg: int) -> Totals:
    return Totals(
        one.verified_kg + verified_kg,
        one.issued_kg + other.issued_kg,
        one.buffered_kg + other.buffered_kg,
        one.released_kg + other.released_kg,
        one.retired_kg + other.retired_kg,
        one.cancelled_kg + other.cancelled_kg,
    )


# --- moved ------------------------------------------------------------------------------------


@export
def transfer(batch: str, start: int, end: int, to: str) -> None:
    check_bounds(start, end)
    parties = call("identity", "get_parties", ctx.sender, to)
    giver = parties[0]
    require(giver != to, "same-owner")
    # find_lot, with one read where the range ends with its lot: transfers are the daily load.
    lot_end = end
    lot = lots.get((batch, end))
    if lot is None:
        lot_end = find_end(batch, start)
        lot = lots[batch, lot_end]
    require(lot.start <= start and end <= lot_end, "no-lot")
    require_owned(lot, giver)
    if parties[1] != "":
        require_not_verifier(parties[1], to, batches[batch].project)
    carve(batch, lot, lot_end, start, end, to, "active", "transfer")
    move_balance(batch, giver, to, end - start)
    emit(Transferred(batch, start, end, giver, to))


@export
def split(batch: str, at: int) -> None:
    owner = call("identity", "get_mover", ctx.sender)
    lot_end = find_end(batch, at)
    lot = lots[batch, lot_end]
    require_owned(lot, owner)
    require(lot.start < at, "bad-split")
    lots[batch, at] = lot
    lots[batch, lot_end] = Held(at, lot.owner, lot.status, lot.step, lot.moved_at)
    emit(Split(batch, at, owner))


@export
def merge(batch: str, at: int) -> None:
    owner = call("identity", "get_mover", ctx.sender)
    require((batch, at) in lots, "not-adjacent")
    left = lots[batch, at]
    # It holds ``at`` and cannot begin before the left one ends: it is the right neighbour.
    end = find_end(batch, at)
    right = lots[batch, end]
    require_owned(left, owner)
    require_owned(right, owner)
    step = max(left.step, right.step) + 1
    moves[batch, left.start, step] = Move(
        "merge", end, owner, owner, ctx.time, ctx.height, left.moved_at
    )
    joins[batch, left.start, step] = Join(at, left.step, right.moved_at, right.step)
    del lots[batch, at]
    lots[batch, end] = Held(left.start, owner, "active", step, left.start)
    emit(Merged(batch, left.start, end, owner))


@export
def lock(
    batch: str, start: int, end: int, reason: str, holder: str, reference: str
) -> None:
    check_bounds(start, end)
    check_length(reference, 0, 128)
    court = reason == "court"
    require(court or reason in REASONS.split(" "), "bad-reason")
    if court:
        caller = require_role("regulator", "not-a-regulator")
    else:
        caller = call("identity", "get_mover", ctx.sender)
    require(call("identity", "is_active", holder), "no-holder")
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require_owned(lot, lot.owner if court else caller)
    require(holder != lot.owner or reason not in ["pledge", "margin", "court"], "holder-is-owner")
    carve(batch, lot, lot_end, start, end, lot.owner, "locked", "lock")
    locks[batch, end] = Lock(reason, holder, reference, ctx.time)
    emit(Locked(batch, start, end, lot.owner, reason, holder))


@export
def unlock(batch: str, start: int, end: int) -> None:
    check_bounds(start, end)
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require(lot.status == "locked", "not-locked")
    require(lot.start == start and lot_end == end, "lot-mismatch")
    held = locks[batch, end]
    require(held.holder not in HOUSES, "not-holder")
    caller = call("identity", "organisation_of", ctx.sender)
    # A holder that may no longer act must not keep units locked for ever.
    if held.reason == "court" or not call("identity", "is_active", held.holder):
        require(call("identity", "has_role", caller, "regulator"), "not-holder")
    else:
        require(caller == held.holder, "not-holder")
    unlock_lot(batch, lot, end)


@export
def freeze(batch: str, start: int, end: int, reference: str) -> str:
    """For the contract surveillance alone: a court's lock that it alone opens. The owner."""
    require(ctx.sender == surveillance.get(), "not-surveillance")
    check_bounds(start, end)
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require_owned(lot, lot.owner)
    carve(batch, lot, lot_end, start, end, lot.owner, "locked", "lock")
    locks[batch, end] = Lock("court", SURVEILLANCE, reference, ctx.time)
    emit(Locked(batch, start, end, lot.owner, "court", SURVEILLANCE))
    return lot.owner


@export
def unfreeze(batch: str, start: int, end: int) -> None:
    """For the contract surveillance alone, which froze all of this lot."""
    require(ctx.sender == surveillance.get(), "not-surveillance")
    unlock_lot(batch, lots[batch, end], end)


def unlock_lot(batch: str, lot: Held, end: int) -> None:
    del locks[batch, end]
    carve(batch, lot, end, lot.start, end, lot.owner, "active", "unlock")
    emit(Unlocked(batch, lot.start, end, lot.owner))


# --- traded -----------------------------------------------------------------------------------


@export
def reserve(account: Address, batch: str, start: int, end: int, reference: str) -> str:
    """For a contract that trades: lock the account's serials for what it does. Their owner."""
    house = require_house()
    check_bounds(start, end)
    owner = call("identity", "get_mover", account)
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require_owned(lot, owner)
    carve(batch, lot, lot_end, start, end, owner, "locked", "lock")
    locks[batch, end] = Lock(HOUSES[house], house, reference, ctx.time)
    emit(Locked(batch, start, end, owner, HOUSES[house], house))
    return owner


@export
def free_reserved(batch: str, start: int, end: int) -> None:
    """For the contract that reserved all of the lot: it is its owner's to move again."""
    unlock_lot(batch, get_reserved(batch, start, end), end)


@export
def deliver(batch: str, start: int, end: int, quantity: int, to: str) -> None:
    """For the contract that reserved the lot: its first serials to the buyer, the rest stays."""
    lot = get_reserved(batch, start, end)
    cut = start + quantity
    require(start < cut and cut <= end, "bad-amount")
    require(to != lot.owner, "same-owner")
    require_not_verifier(require_owner(to), to, batches[batch].project)
    if cut == end:
        del locks[batch, end]
    carve(batch, lot, end, start, cut, to, "active", "transfer")
    move_balance(batch, lot.owner, to, quantity)
    emit(Transferred(batch, start, cut, lot.owner, to))


@export
def assign(batch: str, start: int, end: int, to: str) -> None:
    """For the contract that reserved the lot: all of it to another owner, and it stays locked.

    To the contract's own name as well: what a pool holds belongs to no organisation.
    """
    lot = get_reserved(batch, start, end)
    require(to != lot.owner, "same-owner")
    if to != houses[ctx.sender]:
        require_not_verifier(require_owner(to), to, batches[batch].project)
    carve(batch, lot, end, start, end, to, "active", "transfer")
    move_balance(batch, lot.owner, to, end - start)
    emit(Transferred(batch, start, end, lot.owner, to))
    # Who follows lots by their events knows that what was transferred is free: it is locked again.
    carve(batch, lots[batch, end], end, start, end, to, "locked", "lock")
    held = locks[batch, end]
    emit(Locked(batch, start, end, to, held.reason, held.holder))


def require_house() -> str:
    house = houses[ctx.sender]
    require(house != "", "not-a-trader")
    return house


def get_reserved(batch: str, start: int, end: int) -> Held:
    house = require_house()
    lot = lots.get((batch, end))
    require(lot is not None and lot.start == start and lot.status == "locked", "not-reserved")
    require(locks[batch, end].holder == house, "not-reserved")
    return lot


# --- the buffer, and the end ------------------------------------------------------------------


@export
def release_buffer(batch: str, start: int, end: int, to: str, evidence_hash: bytes) -> None:
    """Out of the buffer to an owner: a regulator's decision, or the origin registry's own.

    What a project contributed to the pool leaves it by the rules of the contract buffer.
    """
    check_bounds(start, end)
    require(len(evidence_hash) == 32, "bad-hash")
    found = get_found(batch)
    if ctx.sender != buffer.get():
        caller = call("identity", "organisation_of", ctx.sender)
        if found.origin == "" or caller != found.issuer:
            require(call("identity", "has_role", caller, "regulator"), "not-permitted")
        require(not call("buffer", "is_pooled", batch, start, end), "in-pool")
    require(to != found.issuer, "issuer-is-owner")
    require_not_verifier(require_owner(to), to, found.project)
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require(lot.status == "buffer", "not-buffer")
    carve(batch, lot, lot_end, start, end, to, "active", "release")
    move_balance(batch, BUFFER, to, end - start)
    add_totals(batch, Totals(0, 0, 0, end - start, 0, 0), 0)
    emit(BufferReleased(batch, start, end, to, evidence_hash))


@export
def cancel_buffer(batch: str, start: int, end: int) -> None:
    """For the contract buffer alone, which checked the range: for what was lost."""
    require(ctx.sender == buffer.get(), "not-the-pool")
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require(lot.status == "buffer", "not-buffer")
    take_balance(batch, BUFFER, end - start)
    carve(batch, lot, lot_end, start, end, BUFFER, "cancelled", "cancel")
    add_totals(batch, Totals(0, 0, 0, 0, 0, end - start), 0)
    emit(BufferCancelled(batch, start, end))


@export
def close(account: Address, batch: str, start: int, end: int, retired: bool) -> list[str]:
    """For the contract retirement alone: the serials end here. [owner, project, vintage, origin]."""
    require(ctx.sender == retirement.get(), "not-retirement")
    check_bounds(start, end)
    return close_lot(call("identity", "get_mover", account), batch, start, end, retired)


@export
def close_bought(owner: str, batch: str, start: int, end: int) -> list[str]:
    """For the contract retirement alone: what a trade delivered to retire it, without a key."""
    require(ctx.sender == retirement.get(), "not-retirement")
    return close_lot(owner, batch, start, end, True)


def close_lot(owner: str, batch: str, start: int, end: int, retired: bool) -> list[str]:
    lot_end = find_lot(batch, start, end)
    lot = lots[batch, lot_end]
    require_owned(lot, owner)
    quantity = end - start
    take_balance(batch, owner, quantity)
    if retired:
        carve(batch, lot, lot_end, start, end, owner, "retired", "retire")
        add_totals(batch, Totals(0, 0, 0, 0, quantity, 0), 0)
    else:
        carve(batch, lot, lot_end, start, end, owner, "cancelled", "cancel")
        add_totals(batch, Totals(0, 0, 0, 0, 0, quantity), 0)
    found = batches[batch]
    vintage = found.vintage
    return [owner, found.project, f"{vintage}", found.origin]


def carve(
    batch: str, lot: Held, lot_end: int, start: int, end: int, owner: str, status: str, kind: str
) -> None:
    """Give [start, end) of ``lot`` a new owner or status; what is left and right stays as it was."""
    if lot.start < start:
        lots[batch, start] = lot
    if end < lot_end:
        lots[batch, lot_end] = Held(end, lot.owner, lot.status, lot.step, lot.moved_at)
    step = lot.step + 1
    lots[batch, end] = Held(start, owner, status, step, start)
    # A serial's steps only grow, so no other move has this start and step.
    moves[batch, start, step] = Move(
        kind, end, lot.owner, owner, ctx.time, ctx.height, lot.moved_at
    )


def move_balance(batch: str, giver: str, taker: str, quantity: int) -> None:
    take_balance(batch, giver, quantity)
    balances[taker, batch] += quantity


def take_balance(batch: str, giver: str, quantity: int) -> None:
    left = balances[giver, batch] - quantity
    if left > 0:
        balances[giver, batch] = left
    else:
        del balances[giver, batch]


# --- finding and checking ---------------------------------------------------------------------


def find_lot(batch: str, start: int, end: int) -> int:
    """The end of the one lot that holds all of [start, end)."""
    lot = lots.get((batch, end))
    if lot is not None:
        require(lot.start <= start, "no-lot")
        return end
    lot_end = find_end(batch, start)
    require(end <= lot_end, "no-lot")
    return lot_end


def find_end(batch: str, serial: int) -> int:
    """The end of the lot that holds ``serial``: the first end above it."""
    for key, lot in lots.scan((batch,), (batch, serial), 1):
        require(lot.start <= serial, "no-lot")
        return key[1]
    revert("no-lot")
    return 0


def require_owned(lot: Held, owner: str) -> None:
    if lot.status != "active":
        revert(f"lot-{lot.status}")
    require(lot.owner == owner, "not-owner")


def require_role(role: str, code: str) -> str:
    caller = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, role), code)
    return caller


def require_accredited(organisation: str, scope: str) -> None:
    require(call("identity", "is_accredited", organisation, scope, ctx.time), "not-accredited")


def require_owner(organisation: str) -> str:
    rank = call("identity", "get_taker", organisation)
    require(rank != "none", "no-receiver")
    return rank


def require_not_verifier(rank: str, organisation: str, project: str) -> None:
    require(rank == "" or (organisation, project) not in verified, "verifier-holds")


def check_bounds(start: int, end: int) -> None:
    require(0 <= start and start < end, "bad-range")


def check_issue(start: int, end: int, quantity: int, buffer_quantity: int) -> None:
    check_bounds(start, end)
    require(end <= SERIAL_MAX, "bad-range")
    require(quantity == end - start, "quantity-mismatch")
    require(0 <= buffer_quantity and buffer_quantity <= quantity, "bad-amount")


def check_vintage(vintage: int) -> None:
    require(1900 <= vintage and vintage <= 2200, "bad-vintage")


def check_new_id(text: str) -> None:
    """Nobody takes the name of a batch that a report is going to have."""
    check_id(text)
    require(not text.startswith(REPORT_PREFIX), "reserved-id")


def get_found(batch: str) -> Batch:
    require(batch in batches, "no-batch")
    return batches[batch]


# --- views ------------------------------------------------------------------------------------


@view
def get_batch(batch: str) -> Batch:
    return get_found(batch)


@view
def get_totals(batch: str) -> Totals:
    require(batch in batches, "no-batch")
    return batch_totals[batch]


@view
def total() -> Totals:
    return chain_totals.get()


@view
def get_report(report: str) -> Report:
    require(report in reports, "no-report")
    return reports[report]


@view
def get_lot_at(batch: str, serial: int) -> Lot:
    end = find_end(batch, serial)
    lot = lots[batch, end]
    return Lot(lot.start, end, lot.owner, lot.status, lot.step)


@view
def lots_of(batch: str, after: int, limit: int) -> list[Lot]:
    check_limit(limit)
    rows = lots.scan((batch,), (batch, after), limit)
    return [Lot(lot.start, key[1], lot.owner, lot.status, lot.step) for key, lot in rows]


@view
def balance_of(organisation: str, batch: str) -> int:
    return balances[organisation, batch]


@view
def holdings_of(organisation: str, after: str, limit: int) -> list[Holding]:
    check_limit(limit)
    rows = balances.scan((organisation,), (organisation, after), limit)
    return [Holding(key[1], kg) for key, kg in rows]


@view
def batches_of(project: str, after: str, limit: int) -> list[str]:
    check_limit(limit)
    rows = project_batches.scan((project,), (project, after), limit)
    return [key[1] for key, listed in rows]


@view
def get_lock(batch: str, end: int) -> Lock:
    require((batch, end) in locks, "not-locked")
    return locks[batch, end]


@view
def may_hold(organisation: str, batch: str) -> bool:
    """Whether it may receive units of the batch: not what it verified."""
    return (organisation, get_found(batch).project) not in verified


@view
def trace(batch: str, serial: int, limit: int) -> list[Step]:
    """The life of one serial, newest step first."""
    return walk_back(batch, serial, limit, False)


@view
def trace_owners(batch: str, serial: int, limit: int) -> list[Step]:
    """Of the life of one serial the steps that gave it an owner, newest first.

    However many locks, splits and merges lie between: they cost gas here and hide nothing.
    """
    return walk_back(batch, serial, limit, True)


def walk_back(batch: str, serial: int, limit: int, owners_only: bool) -> list[Step]:
    require(1 <= limit and limit <= TRACE_MAX, "bad-limit")
    lot = lots[batch, find_end(batch, serial)]
    at = lot.moved_at
    number = lot.step
    steps: list[Step] = []
    while number > 0 and len(steps) < limit:
        move = moves[batch, at, number]
        if not owners_only or move.kind in OWNED_BY:
            steps.append(
                Step(
                    number, move.kind, at, move.end, move.giver, move.taker, move.time, move.height
                )
            )
        if move.kind == "merge":
            join = joins[batch, at, number]
            if serial < join.at:
                at = move.before_at
                number = join.left_step
            else:
                at = join.right_at
                number = join.right_step
        else:
            at = move.before_at
            number -= 1
    return steps


@view
def is_imported(registry: str, keys: list[str]) -> list[bool]:
    require(len(keys) <= 200, "bad-limit")
    return [(registry, key) in imported for key in keys]
