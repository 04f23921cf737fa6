"""Retirement and cancellation: once, for somebody, for good, with a certificate.

A certificate says which serials ended, whose they were, for whom and why. A retirement that
another registry made before its units came here keeps that registry's own serial range in tonnes;
ranges of one registry and prefix never meet, compared as intervals and not as text.
Never does a method here take a certificate back.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, require, view
from lib.records.v1 import Piece

PIECES_MAX = 16
KG_PER_TONNE = 1000


@record
class Certificate:
    id: int
    kind: str
    pieces: list[Piece]
    projects: list[str]
    vintages: list[int]
    quantity_kg: int
    owner: str
    beneficiary: str
    beneficiary_name: str
    beneficiary_identity: str
    purpose: str
    time: int
    height: int
    transaction: bytes
    origin_registry: str
    origin_prefix: str
    origin_start: int
    origin_end: int
    origin_date: str
    source: str


@record
class Origin:
    """Where an imported retirement comes from; all empty for one made here."""

    registry: str
    prefix: str
    start: int
    end: int
    date: str
    source: str


@record
class Beneficiary:
    organisation: str
    name: str
    identity: str
    purpose: str


@record
class Claim:
    """An origin range [start, the key's end) that a certificate used up."""

    start: int
    certificate: int


@event
class Retired:
    certificate: int
    kind: str
    pieces: list[Piece]
    quantity_kg: int
    owner: str
    beneficiary: str
    beneficiary_name: str


@event
class Cancelled:
    certificate: int
    pieces: list[Piece]
    quantity_kg: int
    owner: str
    reason: str


authority = Var[Address]()
connected = Var[bool]()
traders = Map[Address, bool](default=False)

certificates = Map[int, Certificate]()
certificate_count = Var[int]()
retired_kg = Var[int]()
cancelled_kg = Var[int]()
retired_by_beneficiary = Map[str, int](default=0)
claims = Map[tuple[str, str, int], Claim]()
imported = Map[tuple[str, str], bool]()


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(contracts: list[Address]) -> None:
    """The contracts that trade: they may retire what they just delivered to its buyer."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    for contract in contracts:
        traders[contract] = True


@export
def retire(batch: str, start: int, end: int, beneficiary: str, purpose: str) -> int:
    """For an organisation of this chain."""
    check_length(purpose, 1, 256)
    require(call("identity", "is_active", beneficiary), "no-beneficiary")
    whom = Beneficiary(beneficiary, "", "", purpose)
    return retire_pieces("retirement", "", [Piece(batch, start, end)], whom, no_origin())


@export
def retire_bought(owner: str, batch: str, start: int, end: int, purpose: str) -> int:
    """For a contract that trades, which checked the purpose: bought to be retired, by its owner."""
    require(traders[ctx.sender], "not-a-trader")
    whom = Beneficiary(owner, "", "", purpose)
    return retire_pieces("retirement", owner, [Piece(batch, start, end)], whom, no_origin())


@export
def retire_for(
    batch: str, start: int, end: int, beneficiary_name: str, beneficiary_identity: str,
    purpose: str
) -> int:
    """For somebody outside, named with the text that identifies them (a register number, an LEI)."""
    check_length(purpose, 1, 256)
    named = is_text(beneficiary_name, 1, 128) and is_text(beneficiary_identity, 1, 128)
    require(named, "no-beneficiary")
    whom = Beneficiary("", beneficiary_name, beneficiary_identity, purpose)
    return retire_pieces("retirement", "", [Piece(batch, start, end)], whom, no_origin())


@export
def retire_imported(
    registry: str, prefix: str, origin_start: int, origin_end: int, pieces: list[Piece],
    beneficiary_name: str, purpose: str, origin_date: str, source: str, import_key: str
) -> int:
    """A retirement as another registry published it; origin serials are tonnes, half-open."""
    check_length(registry, 1, 64)
    check_length(prefix, 1, 64)
    check_length(beneficiary_name, 0, 128)
    check_length(purpose, 0, 256)
    check_length(origin_date, 0, 10)
    check_length(source, 1, 128)
    check_length(import_key, 1, 64)
    require(0 <= origin_start and origin_start < origin_end, "bad-range")
    require(len(pieces) >= 1 and len(pieces) <= PIECES_MAX, "bad-pieces")
    caller = call("identity", "organisation_of", ctx.sender)
    scope = f"import:{registry}"
    allowed = call("identity", "is_accredited", caller, scope, ctx.time)
    require(allowed, "not-accredited")
    quantity = sum([piece.end - piece.start for piece in pieces])
    require(quantity == KG_PER_TONNE * (origin_end - origin_start), "quantity-mismatch")
    require((registry, import_key) not in imported, "already-imported")
    imported[registry, import_key] = True
    claim_origin(registry, prefix, origin_start, origin_end)
    origin = Origin(registry, prefix, origin_start, origin_end, origin_date, source)
    whom = Beneficiary("", beneficiary_name, "", purpose)
    return retire_pieces("imported", "", pieces, whom, origin)


@export
def cancel(batch: str, start: int, end: int, reason: str) -> int:
    """Out of circulation for nobody's benefit."""
    check_length(reason, 1, 256)
    pieces = [Piece(batch, start, end)]
    whom = Beneficiary("", "", "", reason)
    number = certify("cancellation", "", pieces, whom, no_origin())
    made = certificates[number]
    cancelled_kg.set(cancelled_kg.get() + made.quantity_kg)
    emit(Cancelled(number, pieces, made.quantity_kg, made.owner, reason))
    return number


def retire_pieces(
    kind: str, buyer: str, pieces: list[Piece], whom: Beneficiary, origin: Origin
) -> int:
    number = certify(kind, buyer, pieces, whom, origin)
    made = certificates[number]
    retired_kg.set(retired_kg.get() + made.quantity_kg)
    if whom.organisation != "":
        retired_by_beneficiary[whom.organisation] += made.quantity_kg
    emit(
        Retired(
            number, kind, pieces, made.quantity_kg, made.owner, whom.organisation, whom.name
        )
    )
    return number


def certify(
    kind: str, buyer: str, pieces: list[Piece], whom: Beneficiary, origin: Origin
) -> int:
    """End the serials in units and write the certificate. The caller's, or a buyer's."""
    retired = kind != "cancellation"
    owner = ""
    quantity = 0
    projects: list[str] = []
    vintages: list[int] = []
    for piece in pieces:
        closed = close(buyer, piece, retired)
        owner = closed[0]
        projects.append(closed[1])
        vintages.append(int(closed[2]))
        require(origin.registry == "" or closed[3] == origin.registry, "origin-mismatch")
        quantity += piece.end - piece.start
    number = certificate_count.get() + 1
    certificate_count.set(number)
    certificates[number] = Certificate(
        number, kind, pieces, projects, vintages, quantity, owner, whom.organisation, whom.name,
        whom.identity, whom.purpose, ctx.time, ctx.height, ctx.tx, origin.registry, origin.prefix,
        origin.start, origin.end, origin.date, origin.source
    )
    return number


def close(buyer: str, piece: Piece, retired: bool) -> list[str]:
    if buyer != "":
        return call("units", "close_bought", buyer, piece.batch, piece.start, piece.end)
    return call("units", "close", ctx.sender, piece.batch, piece.start, piece.end, retired)


def claim_origin(registry: str, prefix: str, start: int, end: int) -> None:
    for key, claim in claims.scan((registry, prefix), (registry, prefix, start), 1):
        require(claim.start >= end, "origin-overlap")
    claims[registry, prefix, end] = Claim(start, certificate_count.get() + 1)


def no_origin() -> Origin:
    return Origin("", "", 0, 0, "", "")


def check_length(text: str, low: int, high: int) -> None:
    require(is_text(text, low, high), "bad-text")


def is_text(text: str, low: int, high: int) -> bool:
    return len(text) >= low and len(text) <= high


# --- views ------------------------------------------------------------------------------------


@view
def certificate(id: int) -> Certificate:
    require(id in certificates, "no-certificate")
    return certificates[id]


@view
def count() -> int:
    return certificate_count.get()


@view
def total() -> list[int]:
    """[retired kg, cancelled kg]"""
    return [retired_kg.get(), cancelled_kg.get()]


@view
def retired_for(organisation: str) -> int:
    return retired_by_beneficiary[organisation]


@view
def is_imported(registry: str, keys: list[str]) -> list[bool]:
    require(len(keys) <= 200, "bad-limit")
    return [(registry, key) in imported for key in keys]


@view
def origin_at(registry: str, prefix: str, serial: int) -> int:
    """The certificate that used up the origin registry's tonne ``serial``; 0 when it is free."""
    for key, claim in claims.scan((registry, prefix), (registry, prefix, serial), 1):
        if claim.start <= serial:
            return claim.certificate
    return 0
