"""Projects: what is credited, where it stands in its life, and who judged it.

Life: draft, submitted, public-notice, validated, registered <-> suspended, and then for good
completed, withdrawn, deregistered or transitioned. Owner, validator and registrar are three
organisations. The land of a project is in the contract `parcels`.
Never does anything here issue a unit, and nothing brings an ended project back.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, replace, require, view
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.records.v1 import Project

# What a project may claim of its land; claims on reversible stocks need parcels and a buffer.
CLAIMS = ["biomass", "soil", "avoided-loss", "methane", "energy"]
REVERSIBLE = ["biomass", "soil", "avoided-loss"]
SHARE_WHOLE = 10000
YEARS_100 = 3155760000
NOTICE_MAX = 31536000


@event
class Drafted:
    project: str
    owner: str
    methodology: str
    region: str
    origin: str


@event
class StatusChanged:
    project: str
    status: str
    organisation: str
    reason: str


@event
class Commented:
    project: str
    organisation: str
    comment_hash: bytes


authority = Var[Address]()
connected = Var[bool]()
notice_seconds = Var[int]()

projects = Map[str, Project]()
imported = Map[tuple[str, str], str]()
owned = Map[tuple[str, str], bool]()


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(seconds: int) -> None:
    """How long a project stands in public notice before it may be validated."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    require(0 <= seconds and seconds <= NOTICE_MAX, "bad-notice")
    connected.set(True)
    notice_seconds.set(seconds)


# --- the beginning ----------------------------------------------------------------------------


@export
def draft(
    project: str, region: str, methodology: str, scope: str, claims: list[str],
    crediting_from: int, crediting_to: int, document_hash: bytes
) -> None:
    """A project of the caller's organisation; `document_hash` is its design document's."""
    check_description(project, region, methodology, claims, document_hash)
    check_period(crediting_from, crediting_to)
    require(1 <= len(scope) and len(scope) <= 64 and not scope.startswith("import:"), "bad-scope")
    owner = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", owner, "project-owner"), "not-a-project-owner")
    put_new(
        project,
        Project(
            owner, "draft", crediting_from, crediting_to, region, methodology, 0, scope, claims,
            "", "", "", "", document_hash, b"", ctx.time, ctx.time, 0, 0, 0
        ),
    )


@export
def record_imported(
    project: str, registry: str, source: str, owner: str, region: str, methodology: str,
    claims: list[str], crediting_from: int, crediting_to: int, document_hash: bytes,
    evidence_hash: bytes
) -> None:
    """A project that another registry credits under the id `source`: its land is taken here too.

    Nothing is ever issued for it here; its units come by import.
    """
    check_id(registry)
    check_description(project, region, methodology, claims, document_hash)
    check_period(crediting_from, crediting_to)
    check_length(source, 1, 128)
    require(len(evidence_hash) == 32, "bad-hash")
    scope = f"import:{registry}"
    registrar = require_registry(scope)
    require(call("identity", "is_active", owner), "no-owner")
    require(owner != registrar, "registrar-is-owner")
    require((registry, source) not in imported, "already-imported")
    imported[registry, source] = project
    put_new(
        project,
        Project(
            owner, "registered", crediting_from, crediting_to, region, methodology, 0, scope,
            claims, registry, source, "", registrar, document_hash, evidence_hash, ctx.time,
            ctx.time, 0, ctx.time, 0
        ),
    )


def put_new(project: str, new: Project) -> None:
    require(project not in projects, "project-exists")
    projects[project] = new
    owned[new.owner, project] = True
    emit(Drafted(project, new.owner, new.methodology, new.region, new.origin))


@export
def submit(project: str) -> None:
    found = get_found(project)
    owner = require_owner(found)
    check_status(found, ["draft"])
    call("parcels", "check_drawn", project, found.claims)
    change(project, found, "submitted", owner, "")


@export
def open_notice(project: str) -> None:
    """Public from here on, for comments; not before its end is the project validated."""
    found = get_found(project)
    registrar = require_registrar(found)
    check_status(found, ["submitted"])
    noticed = replace(
        found, registrar=registrar, notice_until=ctx.time + notice_seconds.get()
    )
    change(project, noticed, "public-notice", registrar, "")


@export
def comment(project: str, comment_hash: bytes) -> None:
    """What any member has to say during the notice; the text is published elsewhere."""
    found = get_found(project)
    require(len(comment_hash) == 32, "bad-hash")
    organisation = call("identity", "organisation_of", ctx.sender)
    check_status(found, ["public-notice"])
    require(ctx.time < found.notice_until, "notice-over")
    emit(Commented(project, organisation, comment_hash))


@export
def validate(project: str, buffer_share: int, evidence_hash: bytes) -> None:
    """The validator's judgement, with the share of the net that covers the risk of reversal."""
    found = get_found(project)
    require(0 <= buffer_share and buffer_share <= SHARE_WHOLE, "bad-share")
    require(buffer_share > 0 or not is_reversible(found.claims), "bad-share")
    require(len(evidence_hash) == 32, "bad-hash")
    validator = require_role("verifier", "not-a-verifier")
    require_accredited(validator, found.scope)
    require(validator != found.owner, "validator-is-owner")
    require(validator != found.registrar, "registrar-is-validator")
    check_status(found, ["public-notice"])
    require(ctx.time >= found.notice_until, "notice-running")
    judged = replace(
        found, validator=validator, buffer_share=buffer_share, evidence_hash=evidence_hash
    )
    change(project, judged, "validated", validator, "")


@export
def register(project: str) -> None:
    found = get_found(project)
    registrar = require_registrar(found)
    check_status(found, ["validated"])
    require(call("identity", "is_active", found.owner), "no-owner")
    call("parcels", "check_claimed", project)
    entered = replace(found, registrar=registrar, registered_at=ctx.time)
    change(project, entered, "registered", registrar, "")


# --- registered, and the ends -----------------------------------------------------------------


@export
def suspend(project: str, reason: str) -> None:
    """Nothing is credited meanwhile."""
    check_length(reason, 1, 256)
    found = get_found(project)
    organisation = require_supervisor(found)
    check_status(found, ["registered"])
    change(project, found, "suspended", organisation, reason)


@export
def reinstate(project: str) -> None:
    found = get_found(project)
    organisation = require_supervisor(found)
    check_status(found, ["suspended"])
    change(project, found, "registered", organisation, "")


@export
def complete(project: str) -> None:
    """After the crediting period and its last issue."""
    found = get_found(project)
    registrar = require_registrar(found)
    check_status(found, ["registered"])
    require(ctx.time >= found.crediting_to, "crediting-running")
    end(project, found, "completed", registrar, "")


@export
def withdraw(project: str, reason: str) -> None:
    """By its owner. A suspended project is not withdrawn: who suspended it decides first."""
    check_length(reason, 1, 256)
    found = get_found(project)
    owner = require_owner(found)
    check_status(found, ["draft", "submitted", "public-notice", "validated", "registered"])
    end(project, found, "withdrawn", owner, reason)


@export
def deregister(project: str, reason: str) -> None:
    check_length(reason, 1, 256)
    found = get_found(project)
    organisation = require_supervisor(found)
    check_status(found, ["registered", "suspended"])
    end(project, found, "deregistered", organisation, reason)


@export
def transition(project: str, target: str) -> None:
    """On to another programme or registry, named by `target`."""
    check_length(target, 1, 128)
    found = get_found(project)
    registrar = require_registrar(found)
    check_status(found, ["registered"])
    end(project, found, "transitioned", registrar, target)


def end(project: str, found: Project, status: str, organisation: str, reason: str) -> None:
    """A project that owes for a reversal leaves only by being put out."""
    require(status == "deregistered" or is_clear(project), "reversal-open")
    change(project, replace(found, ended_at=ctx.time), status, organisation, reason)


def change(project: str, found: Project, status: str, organisation: str, reason: str) -> None:
    projects[project] = replace(found, status=status, status_since=ctx.time)
    emit(StatusChanged(project, status, organisation, reason))


# --- who may ----------------------------------------------------------------------------------


def require_owner(found: Project) -> str:
    """The owner; of an imported project, whoever may bring its units here."""
    if found.origin != "":
        return require_registrar(found)
    caller = call("identity", "organisation_of", ctx.sender)
    require(caller == found.owner, "not-the-owner")
    return caller


def require_registrar(found: Project) -> str:
    registrar = require_registry(found.scope)
    require(registrar != found.owner, "registrar-is-owner")
    require(registrar != found.validator, "registrar-is-validator")
    return registrar


def require_registry(scope: str) -> str:
    registrar = require_role("registry", "not-a-registry")
    require_accredited(registrar, scope)
    return registrar


def require_supervisor(found: Project) -> str:
    """A regulator, or a registrar of the project."""
    caller = call("identity", "organisation_of", ctx.sender)
    if call("identity", "has_role", caller, "regulator"):
        require(caller != found.owner, "registrar-is-owner")
        return caller
    return require_registrar(found)


def require_role(role: str, code: str) -> str:
    caller = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, role), code)
    return caller


def require_accredited(organisation: str, scope: str) -> None:
    require(call("identity", "is_accredited", organisation, scope, ctx.time), "not-accredited")


# --- checks -----------------------------------------------------------------------------------


def is_clear(project: str) -> bool:
    return call("buffer", "count_open", project) == 0


def get_found(project: str) -> Project:
    require(project in projects, "no-project")
    return projects[project]


def check_status(found: Project, allowed: list[str]) -> None:
    require(found.status in allowed, f"project-{found.status}")


def check_description(
    project: str, region: str, methodology: str, claims: list[str], document_hash: bytes
) -> None:
    check_id(project)
    check_id(methodology)
    check_region(region)
    check_claims(claims)
    require(len(document_hash) == 32, "bad-hash")


def check_period(time_from: int, time_to: int) -> None:
    require(0 <= time_from and time_from < time_to, "bad-period")
    require(time_to - time_from <= YEARS_100, "bad-period")


def check_region(region: str) -> None:
    """ISO 3166-1 or 3166-2: `CN`, `CN-FJ`."""
    require(2 <= len(region) and len(region) <= 6, "bad-region")
    require(len(region.encode()) == len(region) and region.upper() == region, "bad-region")
    parts = region.split("-")
    require(len(parts) <= 2 and len(parts[0]) == 2, "bad-region")
    require(all([part.isalnum() for part in parts]), "bad-region")


def check_claims(claims: list[str]) -> None:
    require(1 <= len(claims) and len(claims) <= len(CLAIMS), "bad-claims")
    seen: dict[str, bool] = {}
    for claim in claims:
        require(claim in CLAIMS and claim not in seen, "bad-claims")
        seen[claim] = True


def is_reversible(claims: list[str]) -> bool:
    return any([claim in REVERSIBLE for claim in claims])


# --- views ------------------------------------------------------------------------------------


@view
def get_project(project: str) -> Project:
    return get_found(project)


@view
def check_creditable(project: str, period_from: int, period_to: int) -> None:
    """Whether what a project did in [period_from, period_to) may be credited now."""
    found = get_found(project)
    require(period_from < period_to, "bad-period")
    require(found.origin == "", "project-imported")
    require(found.status == "registered", "project-not-registered")
    inside = found.crediting_from <= period_from and period_to <= found.crediting_to
    require(inside, "outside-crediting-period")
    require(is_clear(project), "reversal-open")


@view
def may_import(project: str, registry: str) -> bool:
    """Whether units of that registry may bear the project's id: not those of one of this chain."""
    return project not in projects or projects[project].origin == registry


@view
def get_notice_seconds() -> int:
    return notice_seconds.get()


@view
def list_projects(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [key for key, found in projects.scan(None, after, limit)]


@view
def projects_of(owner: str, after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [key[1] for key, listed in owned.scan((owner,), (owner, after), limit)]


@view
def get_imported(registry: str, source: str) -> str:
    """The id here of another registry's project, '' when it was not recorded."""
    return imported.get((registry, source), "")
