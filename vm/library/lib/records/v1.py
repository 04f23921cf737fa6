"""Records that one contract answers with and another reads: one shape on both sides.

The contract named before each makes it; vm/contracts/README.md says what its fields mean.
Amounts are in the unit named, times in seconds UTC.
"""
from vm import Address, record


# projects
@record
class Project:
    """The first seven fields are what other contracts ask for; times are seconds UTC."""

    owner: str
    status: str
    crediting_from: int
    crediting_to: int
    region: str
    methodology: str
    buffer_share: int
    scope: str
    claims: list[str]
    origin: str
    source: str
    validator: str
    registrar: str
    document_hash: bytes
    evidence_hash: bytes
    created_at: int
    status_since: int
    notice_until: int
    registered_at: int
    ended_at: int


# devices
@record
class Installation:
    """A place that is measured, its owner, and who submits its data; `place_hash` says where it stands."""

    owner: str
    submitter: str
    region: str
    place_hash: bytes
    registered_at: int


# devices
@record
class Reading:
    """A run of whole batches. ``seconds`` is the time that they cover."""

    installation: str
    unit: str
    count: int
    total: int
    estimated_count: int
    estimated_total: int
    time_from: int
    time_to: int
    seconds: int


# devices
@record
class Activity:
    """A figure that no device measures: an invoice, a plot, a laboratory's result."""

    subject: str
    name: str
    value: int
    scale: int
    unit: str
    period_from: int
    period_to: int
    evidence_hash: bytes
    submitter: str
    submitted_at: int


# factors
@record
class Factor:
    """value / 10**scale of its unit, in force from `valid_from` until `valid_to` (seconds UTC)."""

    factor: str
    version: int
    value: int
    scale: int
    unit: str
    gas: str
    gwp_set: str
    source: str
    page: str
    jurisdiction: str
    valid_from: int
    valid_to: int
    status: str


# retirement
@record
class Piece:
    """Serials of one batch, half-open."""

    batch: str
    start: int
    end: int


# market
@record
class Payment:
    """The giver pays amount to the taker and fee to the settlement's collector.

    Out of the giver's hold of that reference; out of what is free when it is empty. `closes`
    frees what is left in the hold afterwards.
    """

    giver: str
    hold: str
    taker: str
    amount: int
    fee: int
    closes: bool


# market
@record
class Valuation:
    """What a book traded in some days, and its last price then or before; 0 without a trade.

    Prices are in 10^-4 of the currency per tonne; `price` is the average by volume.
    """

    price: int
    volume_kg: int
    amount: int
    trades: int
    last_price: int


# clearing
@record
class Trading:
    """What an order of a series must know: its terms, and the settlement price of the last mark."""

    operator: str
    underlying: str
    settlement: int
    tick: int
    band: int
    maker_fee: int
    taker_fee: int
    expiry: int


# futures
@record
class Best:
    """The order that trades next; order 0: there is none."""

    order: int
    owner: str
    price: int
    contracts: int
    fee: int


# market
@record
class Trade:
    """A fill: serials from `start` on, for `amount`; maker and taker are numbers of orders."""

    price: int
    quantity_kg: int
    amount: int
    maker_fee: int
    taker_fee: int
    buyer: str
    seller: str
    maker: int
    taker: int
    batch: str
    start: int
    time: int
    height: int


# units
@record
class Step:
    """A step in the life of the serials [start, end)."""

    step: int
    kind: str
    start: int
    end: int
    giver: str
    taker: str
    time: int
    height: int


# identity
@record
class Organisation:
    name: str
    country: str
    roles: list[str]
    status: str
    registered_at: int
    keys: list[Address]
