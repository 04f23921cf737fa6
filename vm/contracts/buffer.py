"""The buffer: a pool of units that stands behind what forests and wetlands may lose again.

Serials stay in the contract `units`, as lots of the account `buffer`; here is whose contribution
they are and what became of them. A reversal stops a project's crediting until it is made good:
an unintentional one out of the pool, its own contributions first; an intentional one only by its
owner, with units of its own that it cancels.
Never does a unit leave the pool for an intentional reversal.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, mul_div_up, record
from vm import replace, require, revert, view
from lib.arguments.v1 import check_id, check_limit
from lib.records.v1 import Piece, Project

SHARE_WHOLE = 10000
PIECES_MAX = 16
KG_MAX = 1000000000000000000
KINDS = ["unintentional", "intentional"]
KEEPING = ["registered", "completed"]


@record
class Contribution:
    """The serials [start, the key's end) of a batch, out of an issue of gross_kg."""

    start: int
    project: str
    gross_kg: int


@record
class Account:
    """gross_kg was issued, its buffer's part included; held = contributed - released - used."""

    gross_kg: int
    contributed_kg: int
    released_kg: int
    used_kg: int


@record
class Reversal:
    """used_kg came out of the pool, replaced_kg from the owner."""

    project: str
    kind: str
    status: str
    happened_at: int
    loss_kg: int
    used_kg: int
    replaced_kg: int
    reporter: str
    verifier: str
    evidence_hash: bytes
    statement_hash: bytes
    reported_at: int
    settled_at: int


@event
class Contributed:
    project: str
    batch: str
    start: int
    end: int
    gross_kg: int


@event
class ReversalReported:
    reversal: str
    project: str
    kind: str
    loss_kg: int
    reporter: str


@event
class ReversalVerified:
    reversal: str
    project: str
    kind: str
    loss_kg: int
    verifier: str


@event
class MadeGood:
    reversal: str
    project: str
    used_kg: int
    replaced_kg: int
    left_kg: int


@event
class Released:
    project: str
    batch: str
    start: int
    end: int
    owner: str


authority = Var[Address]()
mrv = Var[Address]()
connected = Var[bool]()

contributions = Map[tuple[str, int], Contribution]()
batch_gross = Map[str, int](default=0)
accounts = Map[str, Account]()
pool = Var[Account]()
reversals = Map[str, Reversal]()
project_reversals = Map[tuple[str, str], bool]()
open_count = Map[str, int](default=0)
spent = Map[int, bool](default=False)


@init
def create() -> None:
    authority.set(ctx.sender)
    pool.set(Account(0, 0, 0, 0))


@export
def connect(mrv_contract: Address) -> None:
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    mrv.set(mrv_contract)


# --- in ---------------------------------------------------------------------------------------


@export
def contribute(batch: str, start: int, end: int, gross_kg: int) -> None:
    """The buffer's serials of an issue of `gross_kg`: from mrv, or from the batch's issuer."""
    require(0 <= start and start < end, "bad-range")
    require(0 < gross_kg and gross_kg <= KG_MAX, "bad-amount")
    # Batch: project, vintage, issuer, verifier, issued to, evidence, origin ...
    found = call("units", "get_batch", batch)
    if ctx.sender != mrv.get():
        caller = call("identity", "organisation_of", ctx.sender)
        require(caller == found[2], "not-the-issuer")
    require(found[6] == "", "project-imported")
    project: str = found[0]
    share = get_project(project).buffer_share
    require(end - start == mul_div_up(gross_kg, share, SHARE_WHOLE), "wrong-share")
    # Totals: verified, issued ...
    whole = batch_gross[batch] + gross_kg
    require(whole <= call("units", "get_totals", batch)[1], "above-issued")
    # Lot: start, end, owner, status, step.
    lot = call("units", "get_lot_at", batch, start)
    require(lot[3] == "buffer" and end <= lot[1], "not-buffer")
    for key, known in contributions.scan((batch,), (batch, start), 1):
        require(known.start >= end, "already-contributed")
    batch_gross[batch] = whole
    contributions[batch, end] = Contribution(start, project, gross_kg)
    add(project, Account(gross_kg, end - start, 0, 0))
    emit(Contributed(project, batch, start, end, gross_kg))


def add(project: str, more: Account) -> None:
    accounts[project] = plus(get_account_of(project), more)
    pool.set(plus(pool.get(), more))


def plus(one: Account, more: Account) -> Account:
    return Account(
        one.gross_kg + more.gross_kg,
        one.contributed_kg + more.contributed_kg,
        one.released_kg + more.released_kg,
        one.used_kg + more.used_kg,
    )


# --- reversals --------------------------------------------------------------------------------


@export
def report_reversal(
    reversal: str, project: str, kind: str, happened_at: int, loss_kg: int, evidence_hash: bytes
) -> None:
    """By the owner, a regulator or a verifier. From here on nothing of the project is credited."""
    check_id(reversal)
    require(kind in KINDS, "bad-kind")
    require(0 < loss_kg and loss_kg <= KG_MAX, "bad-amount")
    require(len(evidence_hash) == 32, "bad-hash")
    require(0 <= happened_at and happened_at <= ctx.time, "bad-time")
    found = get_registered(project)
    reporter = call("identity", "organisation_of", ctx.sender)
    if reporter != found.owner and not call("identity", "has_role", reporter, "regulator"):
        require_verifier(reporter, found)
    require(reversal not in reversals, "reversal-exists")
    reversals[reversal] = Reversal(
        project, kind, "reported", happened_at, loss_kg, 0, 0, reporter, "", evidence_hash, b"",
        ctx.time, 0
    )
    project_reversals[project, reversal] = True
    open_count[project] += 1
    emit(ReversalReported(reversal, project, kind, loss_kg, reporter))


@export
def verify_reversal(reversal: str, kind: str, loss_kg: int, statement_hash: bytes) -> None:
    """What was lost, and whether anybody meant it. A loss of 0 dismisses the report."""
    require(kind in KINDS, "bad-kind")
    require(0 <= loss_kg, "bad-amount")
    require(len(statement_hash) == 32, "bad-hash")
    found = get_found(reversal)
    verifier = call("identity", "organisation_of", ctx.sender)
    require_verifier(verifier, get_registered(found.project))
    require(verifier != found.reporter, "verifier-is-reporter")
    require(found.status == "reported", "already-verified")
    # Whose units lose their worth with a loss must not be the one to dismiss it.
    call("units", "bar_verifier", verifier, found.project)
    require(loss_kg <= get_account_of(found.project).gross_kg, "above-issued")
    judged = replace(
        found, kind=kind, loss_kg=loss_kg, verifier=verifier, statement_hash=statement_hash
    )
    emit(ReversalVerified(reversal, found.project, kind, loss_kg, verifier))
    if loss_kg > 0:
        reversals[reversal] = replace(judged, status="verified")
    else:
        settle(reversal, judged, "dismissed")


@export
def make_good(reversal: str, pieces: list[Piece]) -> None:
    """Cancel units of the pool for what a verifier found lost; the project's own go first."""
    require(1 <= len(pieces) and len(pieces) <= PIECES_MAX, "bad-pieces")
    found = get_found(reversal)
    project = get_registered(found.project)
    registrar = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", registrar, "registry"), "not-a-registry")
    require_accredited(registrar, project.scope)
    require(registrar != project.owner, "registrar-is-owner")
    require(registrar != found.verifier, "issuer-is-verifier")
    require_verified(found)
    require(found.kind == "unintentional", "intentional-reversal")
    used = 0
    foreign = False
    for piece in pieces:
        contribution = get_contribution(piece.batch, piece.start, piece.end)
        call("units", "cancel_buffer", piece.batch, piece.start, piece.end)
        used += piece.end - piece.start
        add(contribution.project, Account(0, 0, 0, piece.end - piece.start))
        foreign = foreign or contribution.project != found.project
    require(used <= left_of(found), "above-loss")
    require(not foreign or held_of(get_account_of(found.project)) == 0, "own-first")
    put_made_good(reversal, replace(found, used_kg=found.used_kg + used), used, 0)


@export
def replace_loss(reversal: str, certificates: list[int]) -> None:
    """The owner's own cancellations, made for the purpose `reversal:ID`: for either kind."""
    require(1 <= len(certificates) and len(certificates) <= PIECES_MAX, "bad-pieces")
    found = get_found(reversal)
    owner = call("identity", "organisation_of", ctx.sender)
    require(owner == get_registered(found.project).owner, "not-the-owner")
    require_verified(found)
    replaced = 0
    for number in certificates:
        require(not spent[number], "already-used")
        # Certificate: id, kind, pieces, projects, vintages, quantity, owner ... purpose at 10.
        cancelled = call("retirement", "certificate", number)
        require(cancelled[1] == "cancellation", "not-cancelled")
        require(cancelled[6] == owner, "not-owner")
        require(cancelled[10] == f"reversal:{reversal}", "wrong-purpose")
        spent[number] = True
        replaced += cancelled[5]
    # What is cancelled beyond the loss is cancelled all the same.
    replaced = min(replaced, left_of(found))
    put_made_good(reversal, replace(found, replaced_kg=found.replaced_kg + replaced), 0, replaced)


def put_made_good(reversal: str, found: Reversal, used: int, replaced: int) -> None:
    left = left_of(found)
    emit(MadeGood(reversal, found.project, used, replaced, left))
    if left == 0:
        settle(reversal, found, "made-good")
    else:
        reversals[reversal] = found


def settle(reversal: str, found: Reversal, status: str) -> None:
    reversals[reversal] = replace(found, status=status, settled_at=ctx.time)
    open_count[found.project] -= 1


def left_of(found: Reversal) -> int:
    return found.loss_kg - found.used_kg - found.replaced_kg


def require_verified(found: Reversal) -> None:
    require(found.status != "reported", "not-verified")
    require(found.status == "verified", "reversal-settled")


# --- out --------------------------------------------------------------------------------------


@export
def release(batch: str, start: int, end: int, evidence_hash: bytes) -> None:
    """Back to the project's owner, by a regulator: all when the project is completed, before that
    what its contributions exceed its present share by.
    """
    require(len(evidence_hash) == 32, "bad-hash")
    caller = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, "regulator"), "not-permitted")
    contribution = get_contribution(batch, start, end)
    found = get_project(contribution.project)
    require(found.status in KEEPING, f"project-{found.status}")
    require(open_count[contribution.project] == 0, "reversal-open")
    require(caller != found.owner, "regulator-is-owner")
    call("units", "release_buffer", batch, start, end, found.owner, evidence_hash)
    add(contribution.project, Account(0, 0, end - start, 0))
    if found.status != "completed":
        account = accounts[contribution.project]
        needed = mul_div_up(account.gross_kg, found.buffer_share, SHARE_WHOLE)
        require(held_of(account) >= needed, "buffer-needed")
    emit(Released(contribution.project, batch, start, end, found.owner))


# --- finding and checking ---------------------------------------------------------------------


def get_project(project: str) -> Project:
    return call("projects", "get_project", project)


def get_registered(project: str) -> Project:
    """A project that was credited here, whatever became of it since."""
    found = get_project(project)
    require(found.origin == "", "project-imported")
    require(found.registered_at > 0, "project-not-registered")
    return found


def get_contribution(batch: str, start: int, end: int) -> Contribution:
    require(0 <= start and start < end, "bad-range")
    for key, found in contributions.scan((batch,), (batch, start), 1):
        require(found.start <= start and end <= key[1], "not-in-pool")
        return found
    revert("not-in-pool")
    return Contribution(0, "", 0)


def get_account_of(project: str) -> Account:
    return accounts.get(project, Account(0, 0, 0, 0))


def held_of(account: Account) -> int:
    return account.contributed_kg - account.released_kg - account.used_kg


def get_found(reversal: str) -> Reversal:
    require(reversal in reversals, "no-reversal")
    return reversals[reversal]


def require_verifier(organisation: str, project: Project) -> None:
    require(call("identity", "has_role", organisation, "verifier"), "not-a-verifier")
    require_accredited(organisation, project.scope)
    require(organisation != project.owner, "verifier-is-owner")


def require_accredited(organisation: str, scope: str) -> None:
    require(call("identity", "is_accredited", organisation, scope, ctx.time), "not-accredited")


# --- views ------------------------------------------------------------------------------------


@view
def get_account(project: str) -> Account:
    return get_account_of(project)


@view
def total() -> Account:
    """All projects' together."""
    return pool.get()


@view
def contributions_of(batch: str, after: int, limit: int) -> list[Contribution]:
    check_limit(limit)
    return [found for key, found in contributions.scan((batch,), (batch, after), limit)]


@view
def is_pooled(batch: str, start: int, end: int) -> bool:
    """Whether any serial of [start, end) was contributed: the pool's rules hold for it."""
    for key, found in contributions.scan((batch,), (batch, start), 1):
        return found.start < end
    return False


@view
def get_reversal(reversal: str) -> Reversal:
    return get_found(reversal)


@view
def count_open(project: str) -> int:
    """Reversals reported and not settled: while there is one, nothing is credited."""
    return open_count[project]


@view
def reversals_of(project: str, after: str, limit: int) -> list[str]:
    check_limit(limit)
    rows = project_reversals.scan((project,), (project, after), limit)
    return [key[1] for key, listed in rows]
