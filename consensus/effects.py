"""What goes into the consensus core and what comes out of it: plain values.

The core never does anything; it says what must happen, in order. The driver
performs the effects of one call strictly one after the other, and feeds the core
nothing in between that depends on an effect not yet performed (see README.md in
this folder). Pattern: etcd-io/raft ``Ready``, python-hyper/h2 events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from primitives.block import Header
from primitives.certificate import Certificate
from primitives.hashing import Address, Hash, TransactionId
from primitives.leaders import Leaders
from primitives.params import ChainParams
from primitives.validators import ValidatorSet


class Signer(Protocol):
    """Signs as one validator. ``primitives.keys.PrivateKey`` is one."""

    @property
    def public_key(self) -> Address:
        """The key that verifies what ``sign`` returns."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over ``message``."""
        ...


class TimerName(Enum):
    """The core's timers. ``SetTimer`` replaces the running one of the same name."""

    VIEW = "view"
    """The view makes no progress."""
    STATUS = "status"
    """Time to say where we stand."""


class Grade(Enum):
    """How bad a refused message is; the peer table decides what follows from it."""

    FORGED = "forged"
    """A signature or certificate that does not verify."""
    MALFORMED = "malformed"
    """Bytes that do not decode, a field out of bounds, a rule of the protocol broken."""
    USELESS = "useless"
    """Stale, early, needless or over a bound, and not verified: honest nodes send such things
    too. Never ban for it, and never hand it on: a neighbour might verify it and blame us."""


@dataclass(frozen=True, slots=True)
class CommittedTip:
    """The last final block, and the rules for the height after it.

    ``certificate`` is None at height 0 only. ``validators`` is the set that certified
    this tip; ``next_validators``, ``next_params`` and ``next_leaders`` are in force at
    ``height + 1``.
    """

    height: int
    block_hash: Hash
    exec_hash: Hash
    time_ms: int
    certificate: Certificate | None
    validators: ValidatorSet
    next_validators: ValidatorSet
    next_params: ChainParams
    next_leaders: Leaders


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the driver puts into a block: the core makes the header.

    ``time_ms`` is the driver's clock; the core raises it above the parent's time.
    """

    time_ms: int
    transaction_ids: tuple[TransactionId, ...]
    evidence: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A block without its transactions' bytes. ``block_hash`` is the hash of ``header``."""

    block_hash: Hash
    header: Header
    transaction_ids: tuple[TransactionId, ...]
    evidence: tuple[bytes, ...]
    parent_certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class Persist:
    """Make durable, in one sync, before anything after it in the list.

    ``records`` go to the vote log; then ``last_signed`` replaces the last-signed
    record (log first: see recovery.py). When ``body`` names a block, the bytes of its
    transactions must be as durable as the records: a PREPARE says "I can produce this
    block", and it must stay true after a power cut, or a prepared block could be lost
    everywhere and block the chain for ever.
    """

    records: tuple[bytes, ...]
    last_signed: bytes | None
    body: Hash | None = None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every validator. ``relay`` False: to direct links only, never gossiped on."""

    data: bytes
    relay: bool = True


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one peer over its direct link; drop it when there is none."""

    peer: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class RequestBlock:
    """We lead: call ``offer`` for this height and view.

    Not before ``not_before_ms``; from then on as soon as transactions wait, and with
    an empty candidate at ``empty_at_ms`` when none do. A later RequestBlock or a new
    tip cancels it.
    """

    height: int
    view: int
    not_before_ms: int
    empty_at_ms: int


@dataclass(frozen=True, slots=True)
class FetchBody:
    """Get the bytes of the proposal's transactions and check them statelessly.

    From the mempool, from the vote log (after a restart), else from ``holders``
    (validators who said they have it; may be empty: then ask anyone). Ends in
    ``body_ready`` or ``body_refused``; keep trying until the tip passes this height.
    """

    proposal: Proposal
    holders: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute this block on the committed state, off the event loop; then ``executed``."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Commit:
    """The block is final: write block, certificate and state in one atomic batch.

    Then call ``caught_up`` with the new tip. Idempotent for the same block: sync may
    have written it first.
    """

    proposal: Proposal
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call ``expire(name)`` at ``at_ms``; replaces the timer of that name."""

    name: TimerName
    at_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer of that name."""

    name: TimerName


@dataclass(frozen=True, slots=True)
class Reject:
    """The message is not accepted: do not hand it on. ``peer`` is the link it came over.

    A message that gets no Reject was verified, or is the very one that was.
    """

    peer: Address | None
    reason: str
    grade: Grade


@dataclass(frozen=True, slots=True)
class Accuse:
    """Proof that a validator signed two different things at one place.

    ``evidence`` verifies for anyone (consensus/evidence.py); keep it and offer it in a
    block.
    """

    validator: Address
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop: this node computed something else than a quorum. Write the report; serve nothing."""

    reason: str
    report: str


@dataclass(frozen=True, slots=True)
class Behind:
    """``height`` is final elsewhere and we cannot finish it from what we hold: sync blocks.

    ``verified`` is False only when the certificate lies in an epoch whose validators
    we do not know yet; it is a hint then, and sync verifies block by block anyway.
    """

    height: int
    certificate: Certificate
    peer: Address | None
    verified: bool


Effect = (
    Persist
    | Broadcast
    | Send
    | RequestBlock
    | FetchBody
    | Execute
    | Commit
    | SetTimer
    | CancelTimer
    | Reject
    | Accuse
    | Halt
    | Behind
)
