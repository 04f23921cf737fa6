"""Surveillance: flags that the chain computes itself, cases about them, freezes and appeals.

A flag says that a rule of conduct was met, by whom, and by which trades, moves of serials or
earlier flags. Any member may claim one; the claim only says where to look. What stands in
`market`, `units` and `identity` decides, computed here under consensus, and a claim that is not
so is refused. A flag keeps what it rests on, and the version of the thresholds that it was
measured by. One trade, move or flag carries at most one flag of a rule.
Organisations under one head (identity.control_of) count as one.
Never does a flag stop anybody: a regulator's freeze does, with its reason and its end, and the
frozen party may have it looked at by somebody else.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, replace, require
from vm import view
from lib.arguments.v1 import check_length, check_limit
from lib.records.v1 import Organisation, Step, Trade, Valuation

WHOLE = 10000
DAY = 86400
YEAR = 31622400
CYCLE_MAX = 6
PIECES_MAX = 16
FLAGS_MAX = 20
NOTES_MAX = 200
TRACE_MAX = 200
AMOUNT_MAX = 1000000000000
# Rules that are computed; what a regulator or a registry reports counts for no other rule.
COMPUTED = ["self-match", "cycle", "price", "carousel", "young-account", "many-flags"]
# Contracts that own what stands for its depositors: through them nothing changes hands.
POOLS = ["baskets"]
IN_FORCE = ["active", "appealed", "upheld"]
# Whose appeal was granted is not frozen again by the same regulator for so long.
REST_SECONDS = 2592000


@record
class Rules:
    """Thresholds: seconds, whole days, kilograms, counts; tolerance and deviation in 10^-4."""

    cycle_seconds: int
    cycle_tolerance: int
    price_deviation: int
    price_days: int
    price_trades: int
    carousel_seconds: int
    carousel_returns: int
    young_seconds: int
    young_kg: int
    resale_seconds: int
    many_flags: int
    many_seconds: int


@record
class Place:
    """A trade: its book and number."""

    book: str
    trade: int


@record
class Point:
    """A move: the step with this number in the life of one serial."""

    batch: str
    serial: int
    step: int


@record
class Fact:
    """What a flag rests on. `number` is a trade's of its book, a move's step or a flag's."""

    kind: str
    book: str
    number: int
    batch: str
    start: int
    end: int
    giver: str
    taker: str
    price: int
    time: int
    height: int


@record
class Flag:
    """`measured` went beyond `allowed` under version `rules` of the thresholds."""

    rule: str
    subjects: list[str]
    facts: list[Fact]
    measured: int
    allowed: int
    rules: int
    note: str
    evidence_hash: bytes
    happened_at: int
    raised_at: int
    height: int
    raised_by: str
    case: int


@record
class Case:
    title: str
    status: str
    assignee: str
    opened_by: str
    opened_at: int
    flags: int
    notes: int
    resolved_by: str
    resolved_at: int
    reason: str


@record
class Note:
    author: str
    text: str
    evidence_hash: bytes
    time: int
    height: int


@record
class Freeze:
    """Of an organisation's trading, or of serials (batch not empty) that it owned."""

    organisation: str
    batch: str
    start: int
    end: int
    case: int
    reason: str
    status: str
    ordered_by: str
    ordered_at: int
    seconds: int
    until: int
    appeal: str
    appeal_hash: bytes
    appealed_at: int
    decided_by: str
    decided_at: int
    decision: str


@event
class RulesChanged:
    version: int
    by: str


@event
class Flagged:
    flag: int
    rule: str
    subject: str
    measured: int
    allowed: int
    raised_by: str


@event
class CaseChanged:
    case: int
    status: str
    by: str
    reason: str


@event
class CaseGrew:
    case: int
    flag: int
    note: int
    by: str


@event
class FreezeChanged:
    freeze: int
    status: str
    organisation: str
    by: str
    reason: str


authority = Var[Address]()
rules_count = Var[int]()
rules_by_version = Map[int, Rules]()

flag_count = Var[int]()
flags = Map[int, Flag]()
flagged = Map[str, int](default=0)
flags_of = Map[tuple[str, int], bool]()

case_count = Var[int]()
cases = Map[int, Case]()
case_flags = Map[tuple[int, int], bool]()
case_subjects = Map[tuple[int, str], bool]()
notes = Map[tuple[int, int], Note]()

freeze_count = Var[int]()
freezes = Map[int, Freeze]()
freezes_of = Map[tuple[str, int], bool]()
trading_freeze = Map[str, int](default=0)
barred_until = Map[tuple[str, str], int](default=0)


@init
def create() -> None:
    authority.set(ctx.sender)
    rules_count.set(1)
    rules_by_version[1] = Rules(
        259200, 500, 2000, 7, 3, 2592000, 2, 2592000, 100000, 172800, 5, 2592000
    )


@export
def set_rules(rules: Rules) -> int:
    """By a regulator; flags raised from now on are measured by these. Their version."""
    regulator = require_regulator()
    check_seconds(rules.cycle_seconds)
    check_seconds(rules.carousel_seconds)
    check_seconds(rules.young_seconds)
    check_seconds(rules.resale_seconds)
    check_seconds(rules.many_seconds)
    check_share(rules.cycle_tolerance)
    # Below 1 % every trade would be off.
    check_share(rules.price_deviation - 99)
    require(1 <= rules.price_days and rules.price_days <= 31, "bad-days")
    require(1 <= rules.price_trades and rules.price_trades <= 1000, "bad-count")
    require(1 <= rules.carousel_returns and rules.carousel_returns <= 10, "bad-count")
    require(2 <= rules.many_flags and rules.many_flags <= FLAGS_MAX, "bad-count")
    require(1 <= rules.young_kg and rules.young_kg <= AMOUNT_MAX, "bad-amount")
    version = rules_count.get() + 1
    rules_count.set(version)
    rules_by_version[version] = rules
    emit(RulesChanged(version, regulator))
    return version


# --- flags that are computed ------------------------------------------------------------------


@export
def scan_self_match(book: str, trade: int) -> int:
    """Buyer and seller are under one head."""
    found = get_trade(book, trade)
    require(head_of(found.buyer) == head_of(found.seller), "no-common-control")
    return raise_flag(
        "self-match", f"{book}:{trade}", [found.seller, found.buyer],
        [tell_trade(book, trade, found)], 1, 0, found.time
    )


@export
def scan_price(book: str, trade: int) -> int:
    """Further from the average of the days before than the threshold."""
    rules = get_rules()
    found = get_trade(book, trade)
    day = found.time // DAY
    # The day of the trade is left out: its own price would pull the average along.
    usual: Valuation = call("market", "valuation", book, day - rules.price_days, day - 1)
    require(usual.trades >= rules.price_trades and usual.price > 0, "no-average")
    off = abs(found.price - usual.price) * WHOLE // usual.price
    require(off > rules.price_deviation, "near-average")
    return raise_flag(
        "price", f"{book}:{trade}", [found.seller, found.buyer],
        [tell_trade(book, trade, found)], off, rules.price_deviation, found.time
    )


@export
def scan_cycle(places: list[Place]) -> int:
    """Trades, oldest first, by which what the first seller sold came back to it."""
    require(2 <= len(places) and len(places) <= CYCLE_MAX, "bad-list")
    rules = get_rules()
    trades = [get_trade(place.book, place.trade) for place in places]
    sellers: list[str] = []
    subjects: list[str] = []
    taker = head_of(trades[-1].buyer)
    before = trades[0].time
    for trade in trades:
        giver = head_of(trade.seller)
        require(giver == taker and giver not in sellers, "not-a-cycle")
        require(trade.time >= before, "not-in-order")
        before = trade.time
        taker = head_of(trade.buyer)
        sellers.append(giver)
        subjects.append(trade.seller)
    took = before - trades[0].time
    require(took <= rules.cycle_seconds, "outside-window")
    require(
        have_serials_in_common(trades) or have_like_amounts(places, trades, rules), "not-the-same"
    )
    last = places[-1]
    facts = [tell_trade(place.book, place.trade, trades[i]) for i, place in enumerate(places)]
    return raise_flag(
        "cycle", f"{last.book}:{last.trade}", subjects, facts, len(trades), 1, before
    )


def have_serials_in_common(trades: list[Trade]) -> bool:
    first = trades[0]
    low = max([trade.start for trade in trades])
    high = min([trade.start + trade.quantity_kg for trade in trades])
    return low < high and all([trade.batch == first.batch for trade in trades])


def have_like_amounts(places: list[Place], trades: list[Trade], rules: Rules) -> bool:
    """One book or one batch, three parties: two who trade like amounts to and fro make a market."""
    if len(trades) < 3:
        return False
    one_book = all([place.book == places[0].book for place in places])
    one_batch = all([trade.batch == trades[0].batch for trade in trades])
    high = max([trade.quantity_kg for trade in trades])
    low = min([trade.quantity_kg for trade in trades])
    return (one_book or one_batch) and (high - low) * WHOLE <= rules.cycle_tolerance * high


@export
def scan_carousel(point: Point) -> int:
    """By the transfer named the serial came back to an owner that it had left, once too often."""
    rules = get_rules()
    steps = get_history(point)
    last = steps[0]
    require(last.kind == "transfer", "not-a-transfer")
    since = last.time - rules.carousel_seconds
    recent = [step for step in steps if step.kind == "transfer" and step.time >= since]
    heads: dict[str, str] = {}
    owners: list[str] = []
    returns = 0
    comes_back = False
    for step in reversed(recent):
        for party in [step.giver, step.taker]:
            if party not in heads:
                heads[party] = head_of(party)
        if len(owners) == 0:
            owners.append(heads[step.giver])
        if step.taker in POOLS:
            comes_back = False
            continue
        owner = heads[step.taker]
        comes_back = owner in owners and owner != owners[-1]
        if comes_back:
            returns += 1
        if owner != owners[-1]:
            owners.append(owner)
    require(comes_back, "not-a-return")
    require(returns >= rules.carousel_returns, "few-returns")
    # The newest steps are enough to show it; the whole life of the serial stays in `units`.
    facts = [tell_move(point.batch, step) for step in recent[:FLAGS_MAX]]
    return raise_flag(
        "carousel", name_move(point.batch, last.start, last.step), list_parties(facts), facts,
        returns, rules.carousel_returns - 1, last.time
    )


@export
def scan_young_account(organisation: str, points: list[Point]) -> int:
    """A young organisation passed on within the window, in all, a large amount that it had got.

    Each point is a transfer by which it gave something away; what it got before is found.
    """
    require(1 <= len(points) and len(points) <= PIECES_MAX, "bad-list")
    rules = get_rules()
    member: Organisation = call("identity", "get_organisation", organisation)
    facts: list[Fact] = []
    total = 0
    happened_at = 0
    for point in points:
        steps = get_history(point)
        given = steps[0]
        require(given.kind == "transfer" and given.giver == organisation, "not-its-resale")
        got = find_acquisition(steps)
        require(given.time - member.registered_at <= rules.young_seconds, "not-young")
        require(given.time - got.time <= rules.resale_seconds, "held-longer")
        start = max(given.start, got.start)
        resale = name_move(point.batch, start, given.step)
        take_once(f"resale:{resale}")
        kg = min(given.end, got.end) - start
        total += kg
        happened_at = max(happened_at, given.time)
        facts.append(replace(tell_move(point.batch, given), start=start, end=start + kg))
    require(total >= rules.young_kg, "not-large")
    return raise_flag(
        "young-account", name_next(organisation), [organisation], facts, total,
        rules.young_kg - 1, happened_at
    )


def find_acquisition(steps: list[Step]) -> Step:
    """How the giver of the newest step had got the serial; an issue or a release is no purchase."""
    require(len(steps) > 1 and steps[1].kind == "transfer", "not-acquired")
    return steps[1]


@export
def scan_many_flags(organisation: str, numbers: list[int]) -> int:
    """So many computed flags within the window name one organisation; dismissed ones do not count."""
    rules = get_rules()
    require(rules.many_flags <= len(numbers) and len(numbers) <= FLAGS_MAX, "few-flags")
    facts: list[Fact] = []
    for number in numbers:
        flag = get_found_flag(number)
        require(organisation in flag.subjects, "not-its-flag")
        require(flag.rule in COMPUTED and flag.rule != "many-flags", "not-counted")
        require(flag.case == 0 or cases[flag.case].status != "dismissed", "dismissed")
        take_once(f"many:{organisation}:{number}")
        facts.append(
            Fact(
                "flag", "", number, "", 0, 0, organisation, "", 0, flag.happened_at, flag.height
            )
        )
    times = [fact.time for fact in facts]
    require(max(times) - min(times) <= rules.many_seconds, "outside-window")
    return raise_flag(
        "many-flags", name_next(organisation), [organisation], facts, len(numbers),
        rules.many_flags - 1, max(times)
    )


@export
def report(subjects: list[str], note: str, evidence_hash: bytes) -> int:
    """What no rule computes: said by a regulator, or by a registry of a ledger it brings in."""
    check_length(note, 1, 512)
    check_hash(evidence_hash)
    require(1 <= len(subjects) and len(subjects) <= CYCLE_MAX, "bad-list")
    caller = call("identity", "organisation_of", ctx.sender)
    if not call("identity", "has_role", caller, "regulator"):
        require(call("identity", "has_role", caller, "registry"), "not-permitted")
    for subject in subjects:
        call("identity", "get_organisation", subject)
    number = raise_flag("reported", name_next(caller), subjects, [], 0, 0, ctx.time)
    flags[number] = replace(flags[number], note=note, evidence_hash=evidence_hash)
    return number


def raise_flag(
    rule: str, key: str, parties: list[str], facts: list[Fact], measured: int, allowed: int,
    happened_at: int
) -> int:
    take_once(f"{rule}:{key}")
    subjects: list[str] = []
    for party in parties:
        if party not in subjects:
            subjects.append(party)
    number = flag_count.get() + 1
    flag_count.set(number)
    caller = call("identity", "organisation_of", ctx.sender)
    flags[number] = Flag(
        rule, subjects, facts, measured, allowed, rules_count.get(), "", b"", happened_at,
        ctx.time, ctx.height, caller, 0
    )
    for subject in subjects:
        flags_of[subject, number] = True
    emit(Flagged(number, rule, subjects[0], measured, allowed, caller))
    return number


def name_move(batch: str, start: int, step: int) -> str:
    return f"{batch}:{start}:{step}"


def name_next(organisation: str) -> str:
    """For a flag whose parts were taken one by one: its own name needs no more than be new."""
    number = flag_count.get() + 1
    return f"{organisation}:{number}"


def take_once(key: str) -> None:
    require(flagged[key] == 0, "already-flagged")
    flagged[key] = ctx.height


def head_of(organisation: str) -> str:
    head: str = call("identity", "control_of", organisation)
    return head


def get_trade(book: str, number: int) -> Trade:
    found: list[Trade] = call("market", "trades_of", book, number - 1, 1)
    require(number >= 1 and len(found) == 1, "no-trade")
    return found[0]


def get_history(point: Point) -> list[Step]:
    """The step named and those before it that gave the serial an owner, newest first."""
    steps: list[Step] = call("units", "trace_owners", point.batch, point.serial, TRACE_MAX)
    known = [step for step in steps if step.step <= point.step]
    require(len(known) > 0 and known[0].step == point.step, "no-step")
    return known


def tell_trade(book: str, number: int, trade: Trade) -> Fact:
    return Fact(
        "trade", book, number, trade.batch, trade.start, trade.start + trade.quantity_kg,
        trade.seller, trade.buyer, trade.price, trade.time, trade.height
    )


def tell_move(batch: str, step: Step) -> Fact:
    return Fact(
        "move", "", step.step, batch, step.start, step.end, step.giver, step.taker, 0, step.time,
        step.height
    )


def list_parties(facts: list[Fact]) -> list[str]:
    parties: list[str] = []
    for fact in facts:
        for party in [fact.giver, fact.taker]:
            if party not in parties:
                parties.append(party)
    return parties


# --- cases ------------------------------------------------------------------------------------


@export
def open_case(title: str, numbers: list[int]) -> int:
    check_length(title, 1, 128)
    require(1 <= len(numbers) and len(numbers) <= FLAGS_MAX, "bad-list")
    regulator = require_regulator()
    case = case_count.get() + 1
    case_count.set(case)
    cases[case] = Case(title, "open", "", regulator, ctx.time, 0, 0, "", 0, "")
    for number in numbers:
        put_in_case(case, number, regulator)
    emit(CaseChanged(case, "open", regulator, ""))
    return case


@export
def add_flag(case: int, flag: int) -> None:
    regulator = require_regulator()
    found = get_pending(case)
    require_impartial(case, regulator)
    require(found.flags < FLAGS_MAX, "too-many-flags")
    put_in_case(case, flag, regulator)


def put_in_case(case: int, number: int, regulator: str) -> None:
    flag = get_found_flag(number)
    require(flag.case == 0, "in-a-case")
    flags[number] = replace(flag, case=case)
    case_flags[case, number] = True
    for subject in flag.subjects:
        case_subjects[case, subject] = True
        # Whoever opens a case against itself could also close it.
        require(subject != regulator, "is-subject")
    found = cases[case]
    cases[case] = replace(found, flags=found.flags + 1)
    emit(CaseGrew(case, number, 0, regulator))


@export
def assign(case: int, assignee: str) -> None:
    """To a regulator that the case is not about; again to hand it on."""
    regulator = require_regulator()
    found = get_pending(case)
    require_impartial(case, regulator)
    require(call("identity", "has_role", assignee, "regulator"), "assignee-no-regulator")
    require_impartial(case, assignee)
    require(found.assignee != assignee, "has-case")
    cases[case] = replace(found, status="assigned", assignee=assignee)
    emit(CaseChanged(case, "assigned", regulator, assignee))


@export
def add_note(case: int, text: str, evidence_hash: bytes) -> int:
    """Evidence, by a regulator or by those whom the case is about, in words and a hash."""
    check_length(text, 1, 1024)
    check_hash(evidence_hash)
    found = get_pending(case)
    author = call("identity", "organisation_of", ctx.sender)
    is_subject = (case, author) in case_subjects
    if not is_subject:
        require(call("identity", "has_role", author, "regulator"), "not-permitted")
    # What is left for regulators cannot be used up by others.
    room = NOTES_MAX // 2 if is_subject else NOTES_MAX
    require(found.notes < room, "too-many-notes")
    number = found.notes + 1
    notes[case, number] = Note(author, text, evidence_hash, ctx.time, ctx.height)
    cases[case] = replace(found, notes=number)
    emit(CaseGrew(case, 0, number, author))
    return number


@export
def resolve(case: int, confirmed: bool, reason: str) -> None:
    check_length(reason, 1, 1024)
    regulator = require_regulator()
    found = get_pending(case)
    require(found.status == "assigned", "not-assigned")
    require(found.assignee == regulator, "not-assignee")
    status = "confirmed" if confirmed else "dismissed"
    cases[case] = replace(
        found, status=status, resolved_by=regulator, resolved_at=ctx.time, reason=reason
    )
    emit(CaseChanged(case, status, regulator, reason))


@export
def reopen(case: int, reason: str) -> None:
    """By any regulator that the case is not about; it is to be assigned anew."""
    check_length(reason, 1, 1024)
    regulator = require_regulator()
    found = get_found_case(case)
    require(found.status in ["confirmed", "dismissed"], "not-resolved")
    require_impartial(case, regulator)
    cases[case] = replace(found, status="open", assignee="")
    emit(CaseChanged(case, "open", regulator, reason))


# --- freezes ----------------------------------------------------------------------------------


@export
def freeze_trading(organisation: str, case: int, seconds: int, reason: str) -> int:
    """The organisation moves no unit and no money until the end. Of a regulator: by vote only."""
    regulator = check_order(case, seconds, reason)
    require(call("identity", "is_active", organisation), "not-active")
    require(head_of(organisation) != head_of(regulator), "is-subject")
    require(barred_until[organisation, regulator] <= ctx.time, "appeal-granted")
    by_vote = call("identity", "has_role", organisation, "regulator")
    number = put_freeze(
        organisation, "", 0, 0, case, seconds, reason, "proposed" if by_vote else "active"
    )
    if not by_vote:
        stop_trading(number)
    return number


@export
def freeze_serials(
    batch: str, start: int, end: int, case: int, seconds: int, reason: str
) -> int:
    """The serials [start, end) of one active lot move no more until the end, whoever owns them."""
    regulator = check_order(case, seconds, reason)
    number = freeze_count.get() + 1
    owner = call("units", "freeze", batch, start, end, f"freeze:{number}")
    require(barred_until[owner, regulator] <= ctx.time, "appeal-granted")
    return put_freeze(owner, batch, start, end, case, seconds, reason, "active")


def check_order(case: int, seconds: int, reason: str) -> str:
    check_length(reason, 1, 1024)
    check_seconds(seconds)
    regulator = require_regulator()
    if case != 0:
        get_found_case(case)
        require_impartial(case, regulator)
    return regulator


def put_freeze(
    organisation: str, batch: str, start: int, end: int, case: int, seconds: int, reason: str,
    status: str
) -> int:
    number = freeze_count.get() + 1
    freeze_count.set(number)
    regulator = call("identity", "organisation_of", ctx.sender)
    freezes[number] = Freeze(
        organisation, batch, start, end, case, reason, status, regulator, ctx.time, seconds,
        ctx.time + seconds, "", b"", 0, "", 0, ""
    )
    freezes_of[organisation, number] = True
    emit(FreezeChanged(number, status, organisation, regulator, reason))
    return number


def stop_trading(number: int) -> None:
    found = freezes[number]
    old = trading_freeze[found.organisation]
    if old > 0:
        require(freezes[old].until <= ctx.time, "already-frozen")
        end_freeze(old, freezes[old], "expired", "", "")
    trading_freeze[found.organisation] = number
    call("identity", "stop_trading", found.organisation, found.until)


@export
def appeal(freeze: int, reason: str, evidence_hash: bytes) -> None:
    """By the organisation that is frozen, once."""
    check_length(reason, 1, 1024)
    check_hash(evidence_hash)
    found = get_found_freeze(freeze)
    caller = call("identity", "organisation_of", ctx.sender)
    require(caller == found.organisation, "not-frozen-party")
    require(found.status in IN_FORCE and ctx.time < found.until, "not-in-force")
    require(found.status == "active", "already-appealed")
    freezes[freeze] = replace(
        found, status="appealed", appeal=reason, appeal_hash=evidence_hash, appealed_at=ctx.time
    )
    emit(FreezeChanged(freeze, "appealed", caller, caller, reason))


@export
def decide_appeal(freeze: int, granted: bool, reason: str) -> None:
    """By a regulator that neither ordered the freeze nor is of the group of either party."""
    check_length(reason, 1, 1024)
    regulator = require_regulator()
    head = head_of(regulator)
    found = get_found_freeze(freeze)
    require(head != head_of(found.ordered_by), "own-decision")
    require(head != head_of(found.organisation), "is-subject")
    close_appeal(freeze, found, granted, regulator, reason)


@export
def decide(subject: str, number: int, wanted: bool) -> None:
    """What administrators voted: `appeal` grants or refuses one, `freeze` stops a regulator."""
    require(ctx.sender == authority.get(), "not-authority")
    require(subject in ["appeal", "freeze"], "bad-subject")
    found = get_found_freeze(number)
    if subject == "appeal":
        close_appeal(number, found, wanted, "", "by vote")
        return
    require(found.status == "proposed", "not-proposed")
    status = "active" if wanted else "refused"
    # The time that it was asked for begins with the decision.
    freezes[number] = replace(
        found, status=status, until=ctx.time + found.seconds, decided_at=ctx.time,
        decision="by vote"
    )
    if wanted:
        stop_trading(number)
    emit(FreezeChanged(number, status, found.organisation, "", "by vote"))


def close_appeal(
    number: int, found: Freeze, granted: bool, regulator: str, reason: str
) -> None:
    require(found.status == "appealed", "no-appeal")
    require(ctx.time < found.until, "not-in-force")
    decided = replace(found, decided_by=regulator, decided_at=ctx.time, decision=reason)
    if granted:
        barred_until[found.organisation, found.ordered_by] = ctx.time + REST_SECONDS
        end_freeze(number, decided, "lifted", regulator, reason)
    else:
        freezes[number] = replace(decided, status="upheld")
        emit(FreezeChanged(number, "upheld", found.organisation, regulator, reason))


@export
def lift(freeze: int, reason: str) -> None:
    """By a regulator that is not frozen by it itself."""
    check_length(reason, 1, 1024)
    regulator = require_regulator()
    found = get_found_freeze(freeze)
    require(found.status in IN_FORCE, "not-in-force")
    require(head_of(regulator) != head_of(found.organisation), "is-subject")
    end_freeze(freeze, found, "lifted", regulator, reason)


@export
def expire(freeze: int) -> None:
    """Trading is free by itself at the end; serials are when somebody, anybody, says so here."""
    found = get_found_freeze(freeze)
    require(found.status in IN_FORCE, "not-in-force")
    require(found.until <= ctx.time, "not-due")
    end_freeze(freeze, found, "expired", "", "")


def end_freeze(number: int, found: Freeze, status: str, by: str, reason: str) -> None:
    freezes[number] = replace(found, status=status)
    if found.batch == "":
        del trading_freeze[found.organisation]
        call("identity", "resume_trading", found.organisation)
    else:
        call("units", "unfreeze", found.batch, found.start, found.end)
    emit(FreezeChanged(number, status, found.organisation, by, reason))


# --- checks -----------------------------------------------------------------------------------


def require_regulator() -> str:
    caller: str = call("identity", "organisation_of", ctx.sender)
    require(call("identity", "has_role", caller, "regulator"), "not-a-regulator")
    return caller


def require_impartial(case: int, regulator: str) -> None:
    require((case, regulator) not in case_subjects, "is-subject")


def get_pending(case: int) -> Case:
    found = get_found_case(case)
    require(found.status in ["open", "assigned"], "case-resolved")
    return found


def get_found_case(case: int) -> Case:
    require(case in cases, "no-case")
    return cases[case]


def get_found_flag(number: int) -> Flag:
    require(number in flags, "no-flag")
    return flags[number]


def get_found_freeze(number: int) -> Freeze:
    require(number in freezes, "no-freeze")
    return freezes[number]


def check_hash(evidence_hash: bytes) -> None:
    require(len(evidence_hash) in [0, 32], "bad-hash")


def check_seconds(seconds: int) -> None:
    require(1 <= seconds and seconds <= YEAR, "bad-seconds")


def check_share(share: int) -> None:
    require(1 <= share and share <= WHOLE, "bad-share")


# --- views ------------------------------------------------------------------------------------


@view
def get_rules() -> Rules:
    return rules_by_version[rules_count.get()]


@view
def rules_of(version: int) -> Rules:
    require(version in rules_by_version, "no-version")
    return rules_by_version[version]


@view
def get_flag(flag: int) -> Flag:
    return get_found_flag(flag)


@view
def list_flags(after: int, limit: int) -> list[int]:
    check_limit(limit)
    return [number for number, flag in flags.scan(None, after, limit)]


@view
def flags_about(organisation: str, after: int, limit: int) -> list[int]:
    check_limit(limit)
    rows = flags_of.scan((organisation,), (organisation, after), limit)
    return [key[1] for key, listed in rows]


@view
def flags_in(case: int) -> list[int]:
    get_found_case(case)
    return [key[1] for key, listed in case_flags.scan((case,), None, FLAGS_MAX)]


@view
def is_flagged(keys: list[str]) -> list[bool]:
    """Whether `rule:key` was taken already, for whoever looks for what is new."""
    require(len(keys) <= 200, "bad-limit")
    return [flagged[key] > 0 for key in keys]


@view
def get_case(case: int) -> Case:
    return get_found_case(case)


@view
def list_cases(after: int, limit: int) -> list[Case]:
    check_limit(limit)
    return [case for number, case in cases.scan(None, after, limit)]


@view
def notes_of(case: int, after: int, limit: int) -> list[Note]:
    check_limit(limit)
    get_found_case(case)
    return [note for key, note in notes.scan((case,), (case, after), limit)]


@view
def get_freeze(freeze: int) -> Freeze:
    return get_found_freeze(freeze)


@view
def list_freezes(after: int, limit: int) -> list[Freeze]:
    check_limit(limit)
    return [freeze for number, freeze in freezes.scan(None, after, limit)]


@view
def freezes_about(organisation: str, after: int, limit: int) -> list[int]:
    check_limit(limit)
    rows = freezes_of.scan((organisation,), (organisation, after), limit)
    return [key[1] for key, listed in rows]
