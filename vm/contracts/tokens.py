"""Tokens: one lot, or one certificate of retirement, as a thing of its own with a history.

The token of a lot locks its serials in `units` in this contract's name; they belong to whoever has
the token, and move with it and in no other way. The token of a certificate says who has the
document: whose the retirement was, for whom and why stays as `retirement` wrote it, for good.
A token is split into two, down to a kilogram; every step of each is kept and read by a view.
Never are there two tokens of one kilogram, and never does a token end but by a split or a melt.
"""
from vm import Map, Var, call, ctx, emit, event, export, record, replace, require, revert, view
from lib.arguments.v1 import check_limit
from lib.records.v1 import Piece

LOT = "lot"
CERTIFICATE = "certificate"
LIVE = "live"


@record
class Token:
    """Serials [start, end) of batch `source`, or kilograms [start, end) of certificate `source`."""

    kind: str
    source: str
    start: int
    end: int
    owner: str
    status: str
    parent: int
    steps: int


@record
class Step:
    """What happened: `made`, `moved`, `split`, `melted`. Of a split, `part` is its first part."""

    kind: str
    giver: str
    taker: str
    part: int
    time: int
    height: int


@event
class Made:
    token: int
    kind: str
    source: str
    start: int
    end: int
    owner: str
    parent: int


@event
class Moved:
    token: int
    giver: str
    taker: str


@event
class Parted:
    token: int
    at: int
    first: int


@event
class Melted:
    token: int
    by: str


tokens = Map[int, Token]()
token_count = Var[int]()
history = Map[tuple[int, int], Step]()
live = Map[tuple[str, str, int], int]()
owned = Map[tuple[str, int], bool]()
certified = Map[int, int]()


# --- made -------------------------------------------------------------------------------------


@export
def make_of_lot(batch: str, start: int, end: int) -> int:
    """The token's number. Serials of one lot of the caller's: they move with the token only."""
    owner = lock(token_count.get() + 1, batch, start, end)
    return put_token(LOT, batch, start, end, owner, 0)


@export
def make_of_certificate(certificate: int) -> int:
    """By whom it was retired for; by who retired it when that is nobody of this chain. Once."""
    found = call("retirement", "certificate", certificate)
    require(found[1] != "cancellation", "not-a-retirement")
    owner = found[6] if found[7] == "" else found[7]
    require(call("identity", "get_mover", ctx.sender) == owner, "not-owner")
    require(certificate not in certified, "already-token")
    number = put_token(CERTIFICATE, f"{certificate}", 0, found[5], owner, 0)
    certified[certificate] = number
    return number


def put_token(kind: str, source: str, start: int, end: int, owner: str, parent: int) -> int:
    number = token_count.get() + 1
    token_count.set(number)
    tokens[number] = Token(kind, source, start, end, owner, LIVE, parent, 0)
    live[kind, source, end] = number
    owned[owner, number] = True
    note(number, tokens[number], "made", "", 0)
    emit(Made(number, kind, source, start, end, owner, parent))
    return number


# --- moved, split, melted ---------------------------------------------------------------------


@export
def transfer(token: int, to: str) -> None:
    """The lot goes with it."""
    found = get_live(token)
    parties = call("identity", "get_parties", ctx.sender, to)
    require(parties[0] == found.owner, "not-owner")
    require(to != found.owner, "same-owner")
    if found.kind == LOT:
        call("units", "assign", found.source, found.start, found.end, to)
    elif parties[1] != "":
        require(may_have(to, found), "verifier-holds")
    del owned[found.owner, token]
    owned[to, token] = True
    note(token, replace(found, owner=to), "moved", found.owner, 0)
    emit(Moved(token, found.owner, to))


@export
def split(token: int, at: int) -> list[int]:
    """Two tokens that meet at serial (or kilogram) `at`; this one ends."""
    found = get_live(token)
    require(call("identity", "get_mover", ctx.sender) == found.owner, "not-owner")
    require(found.start < at and at < found.end, "bad-split")
    first = token_count.get() + 1
    end_token(token, found, "split", first)
    if found.kind == LOT:
        call("units", "free_reserved", found.source, found.start, found.end)
        lock(first, found.source, found.start, at)
        lock(first + 1, found.source, at, found.end)
    emit(Parted(token, at, first))
    put_token(found.kind, found.source, found.start, at, found.owner, token)
    put_token(found.kind, found.source, at, found.end, found.owner, token)
    return [first, first + 1]


@export
def melt(token: int) -> None:
    """The lot is an ordinary one again: by its owner, or a regulator for an owner that cannot."""
    found = get_live(token)
    require(found.kind == LOT, "not-a-lot")
    caller = call("identity", "organisation_of", ctx.sender)
    if call("identity", "has_role", caller, "regulator") and caller != found.owner:
        require(not call("identity", "is_active", found.owner), "owner-is-active")
    else:
        require(call("identity", "get_mover", ctx.sender) == found.owner, "not-owner")
    call("units", "free_reserved", found.source, found.start, found.end)
    end_token(token, found, "melted", 0)
    emit(Melted(token, caller))


def lock(number: int, batch: str, start: int, end: int) -> str:
    return call("units", "reserve", ctx.sender, batch, start, end, f"token:{number}")


def end_token(token: int, found: Token, status: str, part: int) -> None:
    del live[found.kind, found.source, found.end]
    del owned[found.owner, token]
    note(token, replace(found, status=status), status, found.owner, part)


def note(token: int, new: Token, kind: str, giver: str, part: int) -> None:
    """Store the token after a step, and the step."""
    number = new.steps + 1
    tokens[token] = replace(new, steps=number)
    taker = new.owner if kind in ["made", "moved"] else ""
    history[token, number] = Step(kind, giver, taker, part, ctx.time, ctx.height)


def may_have(organisation: str, found: Token) -> bool:
    """A verifier has no certificate of what it verified, either."""
    pieces: list[Piece] = call("retirement", "certificate", int(found.source))[2]
    return all([call("units", "may_hold", organisation, piece.batch) for piece in pieces])


def get_live(token: int) -> Token:
    require(token in tokens, "no-token")
    found = tokens[token]
    if found.status != LIVE:
        revert(f"token-{found.status}")
    return found


# --- views ------------------------------------------------------------------------------------


@view
def get_token(token: int) -> Token:
    require(token in tokens, "no-token")
    return tokens[token]


@view
def history_of(token: int, after: int, limit: int) -> list[Step]:
    """Its steps after number `after`, oldest first. What was before it was split off: its parent's."""
    check_limit(limit)
    return [step for key, step in history.scan((token,), (token, after), limit)]


@view
def tokens_of(organisation: str, after: int, limit: int) -> list[int]:
    """Those that are live, by number."""
    check_limit(limit)
    rows = owned.scan((organisation,), (organisation, after), limit)
    return [key[1] for key, listed in rows]


@view
def token_at(kind: str, source: str, at: int) -> int:
    """The live token of a serial of a batch, or of a kilogram of a certificate; 0 without one."""
    for key, number in live.scan((kind, source), (kind, source, at), 1):
        if tokens[number].start <= at:
            return number
    return 0


@view
def count() -> int:
    return token_count.get()
