"""Reports: from what was measured to what is verified, and from there to issued units by itself.

Life: draft, submitted, auto-checked, under-verification, changes-requested -> submitted, verified,
public-notice, approved, issued; rejected or invalidated for good. Owner, submitter of the data,
verifier, issuer and approver are five organisations. Inputs are committed by a hash, computed by
the contract methodology, and kept with every line of the computation, so that anybody can compute
again what was issued. Units of a report that turns out wrong are made good, never un-issued.
Never does anybody here state a result: the verifier may only be more cautious than the computation.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, mul_div_up, record, replace
from vm import require, revert, view
from lib.arguments.v1 import check_id, check_limit
from lib.dates.v1 import date_of
from lib.quantities.v1 import Computation, Line, Quantity, Resolved, hash_inputs, hash_lines
from lib.records.v1 import Activity, Installation, Reading

# Its batch is `mrv.REPORT`.
ID_MAX = 60
INPUTS_MAX = 128
PAGE_ITEMS = 20
PAGE_MAX = 100
GRAMS_PER_KG = 1000
SHARE_WHOLE = 10000
NOTICE_MAX = 31536000
# Flags: estimated readings, a leap from the period before.
ESTIMATED_PERCENT_MAX = 5
CHANGE_PERCENT_MAX = 30
# Without a bound the comparison with the next report could overflow.
GRAMS_MAX = 1000000000000000000000000000000
PROJECT = "project"
INSTALLATION = "installation"
DRAFT = "draft"
SUBMITTED = "submitted"
AUTO_CHECKED = "auto-checked"
UNDER_VERIFICATION = "under-verification"
CHANGES_REQUESTED = "changes-requested"
VERIFIED = "verified"
PUBLIC_NOTICE = "public-notice"
APPROVED = "approved"
ISSUED = "issued"
REJECTED = "rejected"
INVALIDATED = "invalidated"
OPEN = "draft submitted auto-checked under-verification changes-requested verified public-notice"


@record
class Report:
    """``issued_kg`` counts what a report that this one restates had issued, too."""

    kind: str
    subject: str
    methodology: str
    version: int
    period_from: int
    period_to: int
    scope: str
    effect: str
    supersedes: str
    status: str
    owner: str
    submitter: str
    verifier: str
    issuer: str
    approver: str
    computed_grams: int
    verified_grams: int
    input_count: int
    line_count: int
    inputs_hash: bytes
    lines_hash: bytes
    statement_hash: bytes
    notice_until: int
    issued_kg: int
    buffer_kg: int
    due_kg: int
    made_good_kg: int
    superseded_by: str
    status_since: int


@record
class Claim:
    """A time or a run of readings [start, the key's end) that belongs to one report."""

    start: int
    report: str


@event
class Opened:
    report: str
    kind: str
    subject: str
    methodology: str
    version: int
    period_from: int
    period_to: int
    owner: str
    submitter: str
    supersedes: str


@event
class Computed:
    report: str
    grams: int
    inputs_hash: bytes
    lines_hash: bytes
    flag_count: int


@event
class StatusChanged:
    report: str
    status: str
    organisation: str
    reason: str


@event
class Commented:
    report: str
    organisation: str
    comment_hash: bytes


@event
class MadeGood:
    report: str
    certificate: int
    quantity_kg: int
    due_kg: int


authority = Var[Address]()
connected = Var[bool]()
notice_seconds = Var[int]()

reports = Map[str, Report]()
inputs_of = Map[tuple[str, int], list[Quantity]]()
lines_of = Map[tuple[str, int], list[Line]]()
flags_of = Map[str, list[str]](default=[])
periods = Map[tuple[str, str, int], Claim]()
readings = Map[tuple[str, int], Claim]()
activity_uses = Map[str, str](default="")
restatements = Map[str, str](default="")
used_certificates = Map[int, str](default="")
dues = Map[str, int](default=0)


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(seconds: int) -> None:
    """How long a report stands in public notice."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    require(0 <= seconds and seconds <= NOTICE_MAX, "bad-notice")
    connected.set(True)
    notice_seconds.set(seconds)


# --- opened and submitted ---------------------------------------------------------------------


@export
def open_report(
    report: str, kind: str, subject: str, methodology: str, version: int, period_from: int,
    period_to: int, scope: str, submitter: str, supersedes: str
) -> None:
    """By the owner of the project or installation, who names the submitter of the data."""
    check_id(report)
    require(len(report) <= ID_MAX, "bad-id")
    require(report not in reports, "report-exists")
    require(0 <= period_from and period_from < period_to, "bad-period")
    require(1 <= len(scope) and len(scope) <= 64, "bad-scope")
    owner = get_caller()
    effect: str = call("methodology", "get_version", methodology, version)[2]
    require_subject(kind, subject, owner, methodology, scope, effect)
    require_creditable(kind, subject, period_from, period_to)
    require(call("identity", "is_active", submitter), "no-submitter")
    require(submitter != owner, "submitter-is-owner")
    new = Report(
        kind, subject, methodology, version, period_from, period_to, scope, effect, supersedes,
        DRAFT, owner, submitter, "", "", "", 0, 0, 0, 0, b"", b"", b"", 0, 0, 0, 0, 0, "", ctx.time
    )
    if supersedes == "":
        claim_period(report, new)
    else:
        check_restated(report, new)
    reports[report] = new
    emit(
        Opened(
            report, kind, subject, methodology, version, period_from, period_to, owner, submitter,
            supersedes
        )
    )


def require_subject(
    kind: str, subject: str, owner: str, methodology: str, scope: str, effect: str
) -> None:
    if kind == PROJECT:
        project = call("projects", "get_project", subject)
        require(project[0] == owner, "not-owner")
        require(project[5] == methodology, "methodology-mismatch")
        require(project[7] == scope, "scope-mismatch")
    else:
        require(kind == INSTALLATION, "bad-kind")
        require(call("devices", "get_installation", subject).owner == owner, "not-owner")
        require(effect != "sink", "project-needed")


def require_creditable(kind: str, subject: str, period_from: int, period_to: int) -> None:
    if kind == PROJECT:
        call("projects", "check_creditable", subject, period_from, period_to)


def claim_period(report: str, new: Report) -> None:
    start = (new.subject, new.methodology, new.period_from)
    for key, claim in periods.scan((new.subject, new.methodology), start, 1):
        require(claim.start >= new.period_to, "period-reported")
    periods[new.subject, new.methodology, new.period_to] = Claim(new.period_from, report)


def check_restated(report: str, new: Report) -> None:
    """The very period of an approved or issued report of the same subject, once at a time."""
    old = get_found(new.supersedes)
    require(old.status == APPROVED or old.status == ISSUED, "not-restatable")
    same = old.kind == new.kind and old.subject == new.subject
    same = same and old.methodology == new.methodology
    same = same and old.period_from == new.period_from and old.period_to == new.period_to
    require(same, "restatement-mismatch")
    require(restatements[new.supersedes] == "", "already-restated")
    restatements[new.supersedes] = report


@export
def submit(report: str, inputs: list[Quantity]) -> None:
    """All inputs at once; those of readings and activities must be what the chain holds."""
    found = get_found(report)
    require_status(found, [DRAFT, CHANGES_REQUESTED])
    require(get_caller() == found.submitter, "not-submitter")
    require(1 <= len(inputs) and len(inputs) <= INPUTS_MAX, "bad-inputs")
    require(found.period_to <= ctx.time, "period-running")
    for given in inputs:
        check_input(found, given)
    check_once(inputs)
    put_inputs(report, inputs)
    changed = replace(
        found, input_count=len(inputs), inputs_hash=hash_inputs(inputs), line_count=0
    )
    put_status(report, changed, SUBMITTED, found.submitter, "")


def check_input(found: Report, given: Quantity) -> None:
    parts = given.reference.split(":")
    require(len(parts) == 2, "bad-reference")
    source = parts[0]
    if source == "batch":
        require_unused(found, check_reading(found, given))
    elif source == "activity":
        check_activity(found, given, parts[1])
    elif source == "report":
        check_other(found, given, parts[1])
    else:
        # What a factor is, methodology fills in; that it is one, too.
        require(source == "factor", "bad-reference")


def check_once(inputs: list[Quantity]) -> None:
    """No reading and no activity counts twice for one kind of input (`coal`, `coal.2`)."""
    seen: dict[str, bool] = {}
    runs: list[tuple[str, int, int]] = []
    for item in inputs:
        base = item.name.split(".")[0]
        if item.reference.startswith("batch:"):
            run = parse_run(item.reference)
            device = run[0]
            key = f"{base}:{device}"
            for other, first, last in runs:
                require(other != key or run[2] < first or last < run[1], "input-twice")
            runs.append((key, run[1], run[2]))
        elif not item.reference.startswith("factor:"):
            key = f"{base}:{item.reference}"
            require(key not in seen, "input-twice")
            seen[key] = True


def check_reading(found: Report, given: Quantity) -> tuple[str, int, int]:
    run = parse_run(given.reference)
    reading: Reading = call("devices", "get_reading", run[0], run[1], run[2])
    exact = given.value == reading.total and given.scale == 0 and given.unit == reading.unit
    require(exact, "input-mismatch")
    inside = found.period_from <= reading.time_from and reading.time_to <= found.period_to
    require(inside, "outside-period")
    place: Installation = call("devices", "get_installation", reading.installation)
    require(found.kind == PROJECT or reading.installation == found.subject, "not-your-device")
    require(place.owner == found.owner, "not-your-device")
    require(place.submitter == found.submitter, "not-your-device")
    return run


def parse_run(reference: str) -> tuple[str, int, int]:
    """The device, first and last of `batch:DEVICE/FIRST-LAST`."""
    parts = reference[6:].split("/")
    require(len(parts) == 2, "bad-reference")
    ends = parts[1].split("-")
    require(len(ends) == 2 and is_number(ends[0]) and is_number(ends[1]), "bad-reference")
    return parts[0], int(ends[0]), int(ends[1])


def is_number(text: str) -> bool:
    """As the chain writes it: two texts for one run would hide that it is used twice."""
    return 1 <= len(text) and len(text) <= 16 and text.isdigit() and not text.startswith("0")


def require_unused(found: Report, run: tuple[str, int, int]) -> None:
    """Readings carry one approved project report: the one restated does not count."""
    if found.kind == PROJECT:
        for key, claim in readings.scan((run[0],), (run[0], run[1]), 1):
            own = claim.report == found.supersedes
            require(own or claim.start > run[2], "readings-used")


def check_activity(found: Report, given: Quantity, activity: str) -> None:
    held: Activity = call("devices", "get_activity", activity)
    exact = given.value == held.value and given.scale == held.scale and given.unit == held.unit
    require(exact, "input-mismatch")
    inside = found.period_from <= held.period_from and held.period_to <= found.period_to
    require(inside, "outside-period")
    require(held.subject == found.subject, "not-your-activity")
    require(held.submitter == found.submitter, "not-your-activity")


def check_other(found: Report, given: Quantity, other: str) -> None:
    held = get_found(other)
    require(held.status == APPROVED or held.status == ISSUED, "report-not-approved")
    exact = given.value == held.verified_grams and given.scale == 0 and given.unit == "g"
    require(exact, "input-mismatch")
    inside = found.period_from <= held.period_from and held.period_to <= found.period_to
    require(inside, "outside-period")
    require(held.owner == found.owner, "not-owner")
    if found.kind == PROJECT:
        # What got units earns none again.
        require(held.kind == INSTALLATION, "bad-reference")
        for item in get_all_inputs(other, held):
            require(not item.reference.startswith("report:"), "bad-reference")


# --- computed ---------------------------------------------------------------------------------


@export
def check(report: str) -> None:
    """Compute and flag. Anybody may ask for it: nothing here depends on who does."""
    found = get_found(report)
    require_status(found, [SUBMITTED])
    given = get_all_inputs(report, found)
    period = (found.period_from, found.period_to)
    resolved: Resolved = call(
        "methodology", "resolve", found.methodology, found.version, period[0], period[1], given
    )
    made: Computation = call(
        "methodology", "compute", found.methodology, found.version, period[0], period[1], given
    )
    flags = made.flags
    flags.extend(find_flags(found, given, made.grams))
    put_inputs(report, resolved.inputs)
    put_lines(report, made.lines)
    flags_of[report] = flags
    inputs_hash = hash_inputs(resolved.inputs)
    lines_hash = hash_lines(made.lines)
    changed = replace(found, computed_grams=made.grams, input_count=len(resolved.inputs))
    changed = replace(
        changed, inputs_hash=inputs_hash, lines_hash=lines_hash, line_count=len(made.lines)
    )
    put_status(report, changed, AUTO_CHECKED, get_caller(), "")
    emit(Computed(report, made.grams, inputs_hash, lines_hash, len(flags)))


def find_flags(found: Report, given: list[Quantity], grams: int) -> list[str]:
    flags: list[str] = []
    length = found.period_to - found.period_from
    for item in given:
        if item.reference.startswith("batch:"):
            device, first, last = parse_run(item.reference)
            reading: Reading = call("devices", "get_reading", device, first, last)
            if reading.seconds < length:
                flags.append(f"uncovered-time:{device}")
            if reading.estimated_count * 100 > reading.count * ESTIMATED_PERCENT_MAX:
                flags.append(f"estimated-readings:{device}")
        elif item.reference.startswith("report:"):
            held = reports[item.reference[7:]]
            # Cautious as emissions, generous as a baseline.
            if held.verified_grams != held.computed_grams:
                flags.append(f"raised-figure:{item.name}")
    if grams <= 0:
        flags.append("nothing-to-credit" if found.effect == "sink" else "no-emissions")
    before = find_before(found, length)
    if before != "":
        old = reports[before]
        # Both per second, multiplied out.
        now = grams * (old.period_to - old.period_from)
        then = old.verified_grams * length
        stands = old.status == APPROVED or old.status == ISSUED
        if stands and abs(now - then) * 100 > abs(then) * CHANGE_PERCENT_MAX:
            flags.append("year-on-year")
    return flags


def find_before(found: Report, length: int) -> str:
    """The last report before this one: a gap of up to its own length hides no leap."""
    before = ""
    key = (found.subject, found.methodology)
    after = (found.subject, found.methodology, found.period_from - length - 1)
    for place, claim in periods.scan(key, after, PAGE_MAX):
        if place[2] <= found.period_from:
            before = claim.report
    return before


# --- verified ---------------------------------------------------------------------------------


@export
def begin_verification(report: str) -> None:
    """By a verifier accredited for the report's scope; it takes the duty for good."""
    found = get_found(report)
    require_status(found, [AUTO_CHECKED])
    verifier = require_role("verifier", "not-a-verifier")
    require_accredited(verifier, found.scope)
    require(found.verifier == "" or found.verifier == verifier, "not-verifier")
    require_apart(found, verifier, "verifier")
    if found.kind == PROJECT:
        call("units", "bar_verifier", verifier, found.subject)
    put_status(report, replace(found, verifier=verifier), UNDER_VERIFICATION, verifier, "")


@export
def request_changes(report: str, reason: str) -> None:
    check_reason(reason)
    found = get_found(report)
    require_status(found, [UNDER_VERIFICATION])
    verifier = require_verifier(found)
    put_status(report, found, CHANGES_REQUESTED, verifier, reason)


@export
def verify(report: str, verified_grams: int, statement_hash: bytes) -> None:
    """The verified figure is the computed one, or a more cautious one."""
    found = get_found(report)
    require(len(statement_hash) == 32, "bad-hash")
    require_status(found, [UNDER_VERIFICATION])
    verifier = require_verifier(found)
    require_accredited(verifier, found.scope)
    require(abs(verified_grams) <= GRAMS_MAX, "bad-amount")
    if found.effect == "sink":
        require(verified_grams <= found.computed_grams, "above-computed")
    else:
        require(verified_grams >= found.computed_grams, "below-computed")
    changed = replace(found, verified_grams=verified_grams, statement_hash=statement_hash)
    put_status(report, changed, VERIFIED, verifier, "")


@export
def publish(report: str) -> None:
    """By a registry accredited for the scope, which takes the duty of the issuer."""
    found = get_found(report)
    require_status(found, [VERIFIED])
    issuer = require_role("registry", "not-an-issuer")
    require_accredited(issuer, found.scope)
    require_apart(found, issuer, "issuer")
    changed = replace(found, issuer=issuer, notice_until=ctx.time + notice_seconds.get())
    put_status(report, changed, PUBLIC_NOTICE, issuer, "")


@export
def comment(report: str, comment_hash: bytes) -> None:
    """What any member has to say during the notice; the text is published elsewhere."""
    found = get_found(report)
    require(len(comment_hash) == 32, "bad-hash")
    require_status(found, [PUBLIC_NOTICE])
    require(ctx.time < found.notice_until, "notice-over")
    emit(Commented(report, get_caller(), comment_hash))


@export
def approve(report: str) -> None:
    """By a regulator, after the notice; a project's credits are issued in the same moment."""
    found = get_found(report)
    require_status(found, [PUBLIC_NOTICE])
    approver = require_role("regulator", "not-a-regulator")
    require_apart(found, approver, "approver")
    require(ctx.time >= found.notice_until, "notice-running")
    require_standing(found)
    carried = replace_restated(report, found, approver)
    claim_inputs(report, found)
    put_status(report, replace(found, approver=approver), APPROVED, approver, "")
    if found.effect == "sink":
        issue(report, carried)


def require_standing(found: Report) -> None:
    require_creditable(found.kind, found.subject, found.period_from, found.period_to)
    status: str = call("methodology", "get_version", found.methodology, found.version)[11]
    require(status == "active" or status == "superseded", "not-active")
    require(call("identity", "has_role", found.verifier, "verifier"), "not-a-verifier")
    require(call("identity", "has_role", found.issuer, "registry"), "not-an-issuer")


def replace_restated(report: str, found: Report, approver: str) -> int:
    """The restated report ends here; returns the kilograms that it had issued."""
    if found.supersedes == "":
        return 0
    old = reports[found.supersedes]
    # Since this one was opened somebody may have invalidated it.
    require(old.status == APPROVED or old.status == ISSUED, "not-restatable")
    release_inputs(found.supersedes, old)
    periods[found.subject, found.methodology, found.period_to] = Claim(found.period_from, report)
    net_kg = max(0, found.verified_grams // GRAMS_PER_KG)
    due_kg = max(0, old.issued_kg - net_kg)
    dues[old.subject] += due_kg
    old = replace(old, superseded_by=report, due_kg=due_kg)
    put_status(found.supersedes, old, INVALIDATED, approver, f"restated by {report}")
    return old.issued_kg


def issue(report: str, carried: int) -> None:
    """The verified net in whole kilograms, rounded down; the buffer's share of it rounded up."""
    found = reports[report]
    net_kg = max(0, found.verified_grams // GRAMS_PER_KG)
    new_kg = max(0, net_kg - carried)
    buffer_kg = 0
    if new_kg > 0:
        # What a project owes comes first: else a wrong report would pay with the next one.
        require(dues[found.subject] == 0, "make-good-due")
        share: int = call("projects", "get_project", found.subject)[6]
        buffer_kg = mul_div_up(new_kg, share, SHARE_WHOLE)
        vintage = date_of(found.period_to - 1).year
        batch = call(
            "units", "issue_report", report, found.subject, vintage, found.scope, new_kg,
            buffer_kg, found.owner, found.verifier, found.issuer, found.statement_hash
        )
        if buffer_kg > 0:
            call("buffer", "contribute", batch, new_kg - buffer_kg, new_kg, new_kg)
    if net_kg > 0:
        changed = replace(found, issued_kg=net_kg, buffer_kg=buffer_kg)
        put_status(report, changed, ISSUED, found.issuer, "")


# --- the other ends ---------------------------------------------------------------------------


@export
def reject(report: str, reason: str) -> None:
    """By its verifier while it verifies, by a regulator that holds no other duty at any time."""
    check_reason(reason)
    found = get_found(report)
    require_status(found, OPEN.split(" "))
    caller = get_caller()
    if found.status != UNDER_VERIFICATION or caller != found.verifier:
        require(call("identity", "has_role", caller, "regulator"), "not-a-regulator")
        require_apart(found, caller, "approver")
    if found.supersedes == "":
        del periods[found.subject, found.methodology, found.period_to]
    else:
        del restatements[found.supersedes]
    put_status(report, found, REJECTED, caller, reason)


@export
def invalidate(report: str, reason: str) -> None:
    """An approved report was wrong. Its units stay where they are; the owner makes them good."""
    check_reason(reason)
    found = get_found(report)
    require_status(found, [APPROVED, ISSUED])
    regulator = require_role("regulator", "not-a-regulator")
    require(regulator != found.owner, "approver-is-owner")
    changed = replace(found, due_kg=found.issued_kg)
    dues[found.subject] += found.issued_kg
    put_status(report, changed, INVALIDATED, regulator, reason)
    if changed.due_kg == 0:
        free(report, changed)


@export
def make_good(report: str, certificate: int) -> None:
    """Count a cancellation by the owner with the purpose `make-good:REPORT`."""
    found = get_found(report)
    require_status(found, [INVALIDATED])
    require(found.made_good_kg < found.due_kg, "nothing-due")
    require(used_certificates[certificate] == "", "certificate-used")
    # Certificate: id, kind, pieces, projects, vintages, quantity, owner, ..., purpose at 10.
    held = call("retirement", "certificate", certificate)
    fits = held[1] == "cancellation" and held[6] == found.owner
    require(fits and held[10] == f"make-good:{report}", "certificate-mismatch")
    used_certificates[certificate] = report
    quantity: int = held[5]
    dues[found.subject] -= min(quantity, found.due_kg - found.made_good_kg)
    changed = replace(found, made_good_kg=found.made_good_kg + quantity)
    reports[report] = changed
    emit(MadeGood(report, certificate, quantity, found.due_kg))
    if changed.made_good_kg >= changed.due_kg and changed.superseded_by == "":
        free(report, changed)


def free(report: str, found: Report) -> None:
    """Period and readings may be reported again: nothing that stood on them is left."""
    del periods[found.subject, found.methodology, found.period_to]
    release_inputs(report, found)


def claim_inputs(report: str, found: Report) -> None:
    """What a project's report stands on is used up, below other reports too."""
    inputs = get_all_inputs(report, found)
    for item in inputs:
        if item.reference.startswith("report:"):
            check_other(found, item, item.reference[7:])
    if found.kind == PROJECT:
        # All checked before the first is claimed: two kinds of input may stand on one run.
        runs, lent = find_sources(inputs)
        for run in runs:
            require_unused(found, run)
        for run in runs:
            claim_run(report, run)
        for activity in lent:
            require(activity_uses[activity] == "", "readings-used")
            activity_uses[activity] = report


def claim_run(report: str, run: tuple[str, int, int]) -> None:
    """Joined with the report's own: of two that nest the inner would hide the outer."""
    device, start, last = run
    end = last + 1
    while True:
        rows = readings.scan((device,), (device, start), 1)
        if len(rows) == 0 or rows[0][1].start >= end:
            break
        key, own = rows[0]
        start = min(start, own.start)
        end = max(end, key[1])
        del readings[device, key[1]]
    readings[device, end] = Claim(start, report)


def find_sources(inputs: list[Quantity]) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Runs, those below the reports taken too, and the activities below them."""
    below: list[Quantity] = []
    for item in inputs:
        if item.reference.startswith("report:"):
            other = item.reference[7:]
            below.extend(get_all_inputs(other, get_found(other)))
    lent: dict[str, bool] = {}
    for item in below:
        if item.reference.startswith("activity:"):
            lent[item.reference[9:]] = True
    both = inputs + below
    runs = [parse_run(item.reference) for item in both if item.reference.startswith("batch:")]
    return runs, list(lent.keys())


def release_inputs(report: str, found: Report) -> None:
    if found.kind == PROJECT:
        runs, lent = find_sources(get_all_inputs(report, found))
        for run in runs:
            for key, claim in readings.scan((run[0],), (run[0], run[1]), 1):
                if claim.report == report:
                    del readings[run[0], key[1]]
        for activity in lent:
            if activity_uses[activity] == report:
                del activity_uses[activity]


# --- kept -------------------------------------------------------------------------------------


def put_status(report: str, found: Report, status: str, organisation: str, reason: str) -> None:
    reports[report] = replace(found, status=status, status_since=ctx.time)
    emit(StatusChanged(report, status, organisation, reason))


def put_inputs(report: str, inputs: list[Quantity]) -> None:
    for page in range((len(inputs) + PAGE_ITEMS - 1) // PAGE_ITEMS):
        inputs_of[report, page] = inputs[page * PAGE_ITEMS : (page + 1) * PAGE_ITEMS]


def put_lines(report: str, lines: list[Line]) -> None:
    for page in range((len(lines) + PAGE_ITEMS - 1) // PAGE_ITEMS):
        lines_of[report, page] = lines[page * PAGE_ITEMS : (page + 1) * PAGE_ITEMS]


def get_all_inputs(report: str, found: Report) -> list[Quantity]:
    inputs: list[Quantity] = []
    for page in range((found.input_count + PAGE_ITEMS - 1) // PAGE_ITEMS):
        inputs.extend(inputs_of[report, page])
    return inputs[: found.input_count]


# --- who may ----------------------------------------------------------------------------------


def get_caller() -> str:
    return call("identity", "organisation_of", ctx.sender)


def require_role(role: str, code: str) -> str:
    caller = get_caller()
    require(call("identity", "has_role", caller, role), code)
    return caller


def require_accredited(organisation: str, scope: str) -> None:
    require(call("identity", "is_accredited", organisation, scope, ctx.time), "not-accredited")


def require_verifier(found: Report) -> str:
    caller = get_caller()
    require(caller == found.verifier and caller != "", "not-verifier")
    return caller


def require_apart(found: Report, organisation: str, duty: str) -> None:
    """Refuses `verifier-is-owner` and so on: no organisation holds two of the five duties."""
    names = ["owner", "submitter", "verifier", "issuer"]
    holders = [found.owner, found.submitter, found.verifier, found.issuer]
    for name, holder in zip(names, holders):
        if name != duty and holder == organisation:
            revert(f"{duty}-is-{name}")


def require_status(found: Report, allowed: list[str]) -> None:
    if found.status not in allowed:
        revert(f"report-{found.status}")


def get_found(report: str) -> Report:
    require(report in reports, "no-report")
    return reports[report]


def check_reason(text: str) -> None:
    require(1 <= len(text) and len(text) <= 256, "bad-text")


# --- views ------------------------------------------------------------------------------------


@view
def get_report(report: str) -> Report:
    return get_found(report)


@view
def get_inputs(report: str, page: int) -> list[Quantity]:
    """Twenty a page, from 0; after the computation with every factor and parameter filled in."""
    require(0 <= page, "bad-limit")
    return get_all_inputs(report, get_found(report))[page * PAGE_ITEMS : (page + 1) * PAGE_ITEMS]


@view
def get_lines(report: str, page: int) -> list[Line]:
    count = get_found(report).line_count
    require(0 <= page, "bad-limit")
    if page * PAGE_ITEMS >= count:
        return []
    return lines_of[report, page][: count - page * PAGE_ITEMS]


@view
def get_flags(report: str) -> list[str]:
    require(report in reports, "no-report")
    return flags_of[report]


@view
def get_report_at(subject: str, methodology: str, time: int) -> str:
    """The report of the period that holds ``time``, '' when there is none."""
    for key, claim in periods.scan((subject, methodology), (subject, methodology, time), 1):
        if claim.start <= time:
            return claim.report
    return ""


@view
def get_use(device: str, sequence: int) -> str:
    """The approved project report that stands on a reading, '' when there is none."""
    for key, claim in readings.scan((device,), (device, sequence), 1):
        if claim.start <= sequence:
            return claim.report
    return ""


@view
def get_due(subject: str) -> int:
    """Kilograms that a project still has to make good: until then nothing more is issued to it."""
    return dues[subject]


@view
def get_notice_seconds() -> int:
    return notice_seconds.get()


@view
def list_reports(after: str, limit: int) -> list[str]:
    check_limit(limit)
    return [name for name, found in reports.scan(None, after, limit)]
