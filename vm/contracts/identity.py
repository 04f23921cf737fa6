"""Who is who: organisations, their keys, roles, accreditations and grants of access.

An organisation owns, signs and is held to account; a key only speaks for it. The engine turns
away keys that governance.accounts does not know, so suspension takes the keys out of there.
After a change of keys, no key of that organisation moves units until the delay has passed:
whoever stole one key cannot swap the keys and empty the account in one night.
Where `surveillance` stopped an organisation's trading, its keys still speak (it may appeal) but
neither give nor take until the end, which comes by itself.
Never does anything here judge a project or move a unit.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, require, revert, view
from lib.arguments.v1 import check_id, check_length
from lib.records.v1 import Organisation

KEYS_MAX = 16
FROZEN = 9223372036854775807
UNKNOWN = 0
ACTIVE = 1
ACTIVE_VERIFIER = 2
SUSPENDED = 3
REVOKED = 4
# Names of what is no organisation: the account of the buffer, and contracts that lock units.
RESERVED = "buffer market auctions quotes finance baskets tokens futures clearing delivery surveillance"
# ACTIVE and ACTIVE_VERIFIER, while or after their trading was stopped.
STOPPED = 5
STOPPED_VERIFIER = 6
ROLES = "regulator enterprise project-owner verifier laboratory bank exchange registry public"


@record
class Account:
    organisation: str
    movable_from: int


@record
class Profile:
    name: str
    country: str
    roles: list[str]
    registered_at: int
    has_verified: bool
    keys: list[Address]


@record
class Accreditation:
    organisation: str
    scope: str
    valid_from: int
    valid_until: int
    given_by: str


@record
class Stop:
    """Trading stands still until then; movable_from is what the keys go back to."""

    until: int
    movable_from: int


@event
class Registered:
    organisation: str
    name: str
    roles: list[str]


@event
class KeyAdded:
    organisation: str
    key: Address


@event
class KeyRemoved:
    organisation: str
    key: Address


@event
class RoleAdded:
    organisation: str
    role: str


@event
class RoleRemoved:
    organisation: str
    role: str


@event
class StatusChanged:
    organisation: str
    status: str
    reason: str


@event
class Accredited:
    organisation: str
    scope: str
    valid_from: int
    valid_until: int


@event
class AccreditationWithdrawn:
    organisation: str
    scope: str


@event
class Granted:
    owner: str
    reader: str
    subject: str
    valid_until: int


@event
class GrantRevoked:
    owner: str
    reader: str
    subject: str


@event
class ControlChanged:
    organisation: str
    head: str


@event
class TradingStopped:
    organisation: str
    until: int


@event
class TradingResumed:
    organisation: str


authority = Var[Address]()
surveillance = Var[Address]()
connected = Var[bool]()

accounts = Map[Address, Account]()
standing = Map[str, int](default=0)
profiles = Map[str, Profile]()
accreditations = Map[tuple[str, str], Accreditation]()
grants = Map[tuple[str, str, str], int](default=0)
heads = Map[str, str](default="")
group_sizes = Map[str, int](default=0)
stops = Map[str, Stop]()


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def connect(surveillance_contract: Address) -> None:
    require(ctx.sender == authority.get(), "not-authority")
    require(not connected.get(), "already-connected")
    connected.set(True)
    surveillance.set(surveillance_contract)


# --- organisations ----------------------------------------------------------------------------


@export
def register(
    organisation: str, name: str, country: str, roles: list[str], keys: list[Address]
) -> None:
    require_supervisor()
    check_id(organisation)
    require(organisation not in RESERVED.split(" "), "reserved-id")
    check_length(name, 1, 128)
    require(len(country) == 2 and len(country.encode()) == 2, "bad-country")
    require(country.isalnum() and country.upper() == country, "bad-country")
    check_roles(roles)
    require("regulator" not in roles or ctx.sender == authority.get(), "role-not-yours")
    require(standing[organisation] == UNKNOWN, "organisation-exists")
    require(len(keys) <= KEYS_MAX, "bad-keys")
    verifies = "verifier" in roles
    standing[organisation] = ACTIVE_VERIFIER if verifies else ACTIVE
    profiles[organisation] = Profile(name, country, roles, ctx.time, verifies, keys)
    emit(Registered(organisation, name, roles))
    for key in keys:
        put_key(organisation, key, 0)


@export
def add_role(organisation: str, role: str) -> None:
    require_supervisor()
    profile = get_profile(organisation)
    require(is_standing(organisation), "not-active")
    check_roles([role])
    require(role != "regulator" or ctx.sender == authority.get(), "role-not-yours")
    require(role not in profile.roles, "has-role")
    roles = profile.roles
    roles.append(role)
    store_roles(organisation, profile, roles, profile.has_verified or role == "verifier")
    emit(RoleAdded(organisation, role))


@export
def remove_role(organisation: str, role: str) -> None:
    require_supervisor()
    profile = get_profile(organisation)
    require(role != "regulator" or ctx.sender == authority.get(), "role-not-yours")
    require(role in profile.roles, "no-role")
    require(len(profile.roles) > 1, "last-role")
    roles = [kept for kept in profile.roles if kept != role]
    store_roles(organisation, profile, roles, profile.has_verified)
    emit(RoleRemoved(organisation, role))


def store_roles(organisation: str, old: Profile, roles: list[str], has_verified: bool) -> None:
    profiles[organisation] = Profile(
        old.name, old.country, roles, old.registered_at, has_verified, old.keys
    )
    if is_standing(organisation):
        # Once a verifier, always asked: what it verified it may never hold.
        standing[organisation] = get_rank(organisation, has_verified)


def get_rank(organisation: str, has_verified: bool) -> int:
    """The standing of one that is neither suspended nor revoked."""
    rank = ACTIVE_VERIFIER if has_verified else ACTIVE
    return rank + STOPPED - ACTIVE if organisation in stops else rank


@export
def suspend(organisation: str, reason: str) -> None:
    check_length(reason, 1, 256)
    require_power_over(organisation)
    require(is_standing(organisation), "not-active")
    standing[organisation] = SUSPENDED
    freeze_keys(organisation)
    emit(StatusChanged(organisation, "suspended", reason))


@export
def reinstate(organisation: str) -> None:
    require_power_over(organisation)
    require(standing[organisation] == SUSPENDED, "not-suspended")
    profile = profiles[organisation]
    standing[organisation] = get_rank(organisation, profile.has_verified)
    # As after a change of keys: a suspension must not cut a running delay short.
    delay_keys(organisation, profile.keys)
    for key in profile.keys:
        call("governance", "set_account", key, organisation)
    emit(StatusChanged(organisation, "active", ""))


@export
def revoke(organisation: str, reason: str) -> None:
    check_length(reason, 1, 256)
    require_power_over(organisation)
    require(standing[organisation] != REVOKED, "already-revoked")
    if is_standing(organisation):
        freeze_keys(organisation)
    standing[organisation] = REVOKED
    emit(StatusChanged(organisation, "revoked", reason))


def freeze_keys(organisation: str) -> None:
    for key in profiles[organisation].keys:
        accounts[key] = Account(organisation, FROZEN)
        call("governance", "remove_account", key)


# --- keys -------------------------------------------------------------------------------------


@export
def add_key(organisation: str, key: Address) -> None:
    keys = get_profile(organisation).keys
    require_manager(organisation)
    require(len(keys) < KEYS_MAX, "too-many-keys")
    put_key(organisation, key, 0)
    keys.append(key)
    store_keys(organisation, keys)


@export
def rotate_key(old: Address, new: Address) -> None:
    organisation = get_account(old).organisation
    require_manager(organisation)
    put_key(organisation, new, 0)
    drop_key(organisation, old)
    keys = [key for key in profiles[organisation].keys if key != old]
    keys.append(new)
    store_keys(organisation, keys)


@export
def remove_key(key: Address) -> None:
    organisation = get_account(key).organisation
    require_manager(organisation)
    keys = [kept for kept in profiles[organisation].keys if kept != key]
    require(len(keys) > 0, "last-key")
    drop_key(organisation, key)
    store_keys(organisation, keys)


def put_key(organisation: str, key: Address, movable_from: int) -> None:
    # A key speaks for one organisation, for ever: accounts keeps removed keys out as well.
    require(key not in accounts, "key-taken")
    accounts[key] = Account(organisation, movable_from)
    call("governance", "set_account", key, organisation)
    emit(KeyAdded(organisation, key))


def drop_key(organisation: str, key: Address) -> None:
    accounts[key] = Account("", FROZEN)
    call("governance", "remove_account", key)
    emit(KeyRemoved(organisation, key))


def store_keys(organisation: str, keys: list[Address]) -> None:
    """Keep the list and start the delay for every key of the organisation."""
    old = profiles[organisation]
    profiles[organisation] = Profile(
        old.name, old.country, old.roles, old.registered_at, old.has_verified, keys
    )
    delay_keys(organisation, keys)


def delay_keys(organisation: str, keys: list[Address]) -> None:
    movable_from = ctx.time + call("governance", "get_key_delay")
    if organisation in stops:
        stop = stops[organisation]
        stops[organisation] = Stop(stop.until, movable_from)
        movable_from = max(movable_from, stop.until)
    for key in keys:
        accounts[key] = Account(organisation, movable_from)


# --- groups, and trading that stands still ----------------------------------------------------


@export
def set_control(organisation: str, head: str) -> None:
    """Who controls it in the end; '' = nobody else. Heads have no heads, so nothing goes round."""
    require_supervisor()
    get_profile(organisation)
    old = heads[organisation]
    require(head != old, "same-head")
    if head != "":
        get_profile(head)
        require(head != organisation and heads[head] == "", "not-a-head")
        require(group_sizes[organisation] == 0, "is-a-head")
        group_sizes[head] += 1
    if old != "":
        group_sizes[old] -= 1
    heads[organisation] = head
    emit(ControlChanged(organisation, head))


@export
def stop_trading(organisation: str, until: int) -> None:
    """For the contract surveillance, which looks after the reason, the end and the appeal."""
    require(ctx.sender == surveillance.get(), "not-surveillance")
    require(is_standing(organisation) and organisation not in stops, "not-active")
    profile = profiles[organisation]
    movable_from = max([accounts[key].movable_from for key in profile.keys] + [0])
    stops[organisation] = Stop(until, movable_from)
    standing[organisation] = get_rank(organisation, profile.has_verified)
    for key in profile.keys:
        accounts[key] = Account(organisation, max(until, movable_from))
    emit(TradingStopped(organisation, until))


@export
def resume_trading(organisation: str) -> None:
    require(ctx.sender == surveillance.get(), "not-surveillance")
    require(organisation in stops, "not-stopped")
    movable_from = stops[organisation].movable_from
    del stops[organisation]
    if is_standing(organisation):
        profile = profiles[organisation]
        standing[organisation] = get_rank(organisation, profile.has_verified)
        for key in profile.keys:
            accounts[key] = Account(organisation, movable_from)
    emit(TradingResumed(organisation))


# --- accreditations and grants ----------------------------------------------------------------


@export
def accredit(organisation: str, scope: str, valid_from: int, valid_until: int) -> None:
    require_supervisor()
    check_scope(scope)
    require(0 <= valid_from < valid_until, "bad-validity")
    roles = get_profile(organisation).roles
    require(is_standing(organisation), "not-active")
    duty = "verifier" in roles or "registry" in roles or "laboratory" in roles
    bank = "bank" in roles and scope.startswith("cash:")
    require(duty or bank or scope.startswith("import:"), "no-such-duty")
    given_by = name_of(ctx.sender)
    accreditations[organisation, scope] = Accreditation(
        organisation, scope, valid_from, valid_until, given_by
    )
    emit(Accredited(organisation, scope, valid_from, valid_until))


@export
def withdraw_accreditation(organisation: str, scope: str) -> None:
    require_supervisor()
    require((organisation, scope) in accreditations, "no-accreditation")
    del accreditations[organisation, scope]
    emit(AccreditationWithdrawn(organisation, scope))


@export
def grant(reader: str, subject: str, valid_until: int) -> None:
    owner = name_of(ctx.sender)
    require(owner != "" and is_standing(reader), "no-organisation")
    check_length(subject, 1, 128)
    require(valid_until > ctx.time, "bad-validity")
    grants[owner, reader, subject] = valid_until
    emit(Granted(owner, reader, subject, valid_until))


@export
def revoke_grant(reader: str, subject: str) -> None:
    owner = name_of(ctx.sender)
    require((owner, reader, subject) in grants, "no-grant")
    del grants[owner, reader, subject]
    emit(GrantRevoked(owner, reader, subject))


# --- who may ----------------------------------------------------------------------------------


def name_of(key: Address) -> str:
    return accounts[key].organisation if key in accounts else ""


def is_regulator(key: Address) -> bool:
    organisation = name_of(key)
    if organisation == "" or not is_standing(organisation):
        return False
    return "regulator" in profiles[organisation].roles


def require_supervisor() -> None:
    require(ctx.sender == authority.get() or is_regulator(ctx.sender), "not-permitted")


def require_power_over(organisation: str) -> None:
    """The authority, or a regulator over anyone who is not a regulator."""
    require_supervisor()
    roles = get_profile(organisation).roles
    require("regulator" not in roles or ctx.sender == authority.get(), "not-permitted")


def require_manager(organisation: str) -> None:
    """A key of the organisation itself, or who has power over it."""
    if name_of(ctx.sender) != organisation:
        require_power_over(organisation)
    require(is_standing(organisation), "not-active")


def is_standing(organisation: str) -> bool:
    return standing[organisation] in [ACTIVE, ACTIVE_VERIFIER, STOPPED, STOPPED_VERIFIER]


def get_profile(organisation: str) -> Profile:
    require(organisation in profiles, "no-organisation")
    return profiles[organisation]


def get_account(key: Address) -> Account:
    require(name_of(key) != "", "no-key")
    return accounts[key]


# --- checks -----------------------------------------------------------------------------------


def check_roles(roles: list[str]) -> None:
    require(len(roles) > 0 and len(roles) <= 9, "bad-roles")
    known = ROLES.split(" ")
    seen: dict[str, bool] = {}
    for role in roles:
        require(role in known and role not in seen, "bad-roles")
        seen[role] = True


def check_scope(scope: str) -> None:
    require(len(scope) >= 1 and len(scope) <= 64, "bad-scope")


# --- views ------------------------------------------------------------------------------------


@view
def get_mover(account: Address) -> str:
    """The organisation for which ``account`` may dispose of units now."""
    mover = accounts.get(account)
    require(mover is not None, "not-a-member")
    if mover.movable_from > ctx.time:
        require(mover.movable_from != FROZEN, "not-a-member")
        require(not is_stopped(mover.organisation), "trading-frozen")
        revert("key-delay")
    return mover.organisation


def is_stopped(organisation: str) -> bool:
    return organisation in stops and stops[organisation].until > ctx.time


def get_taking_rank(taker: str) -> int:
    """ACTIVE, ACTIVE_VERIFIER or, for whoever may receive nothing now, another standing."""
    rank = standing[taker]
    if rank >= STOPPED and not is_stopped(taker):
        return rank + ACTIVE - STOPPED
    return rank


@view
def get_parties(giver: Address, taker: str) -> list[str]:
    """[organisation of the giver, 'verifier' when the taker ever verified, else '']."""
    organisation = get_mover(giver)
    rank = get_taking_rank(taker)
    require(rank == ACTIVE or rank == ACTIVE_VERIFIER, "no-receiver")
    return [organisation, "verifier" if rank == ACTIVE_VERIFIER else ""]


@view
def get_taker(taker: str) -> str:
    """'none' when ``taker`` may receive nothing, 'verifier' when it ever verified, else ''."""
    rank = get_taking_rank(taker)
    if rank != ACTIVE and rank != ACTIVE_VERIFIER:
        return "none"
    return "verifier" if rank == ACTIVE_VERIFIER else ""


@view
def get_organisation(organisation: str) -> Organisation:
    found = get_profile(organisation)
    names = ["", "active", "active", "suspended", "revoked", "active", "active"]
    status = names[standing[organisation]]
    return Organisation(
        found.name, found.country, found.roles, status, found.registered_at, found.keys
    )


@view
def organisation_of(key: Address) -> str:
    return name_of(key)


@view
def has_role(organisation: str, role: str) -> bool:
    return is_standing(organisation) and role in profiles[organisation].roles


@view
def is_active(organisation: str) -> bool:
    return is_standing(organisation)


@view
def is_accredited(organisation: str, scope: str, time: int) -> bool:
    if (organisation, scope) not in accreditations or not is_standing(organisation):
        return False
    found = accreditations[organisation, scope]
    return found.valid_from <= time and time < found.valid_until


@view
def get_accreditation(organisation: str, scope: str) -> Accreditation:
    require((organisation, scope) in accreditations, "no-accreditation")
    return accreditations[organisation, scope]


@view
def has_grant(owner: str, reader: str, subject: str, time: int) -> bool:
    return grants[owner, reader, subject] > time


@view
def control_of(organisation: str) -> str:
    """The head of its group; itself where no other controls it."""
    head = heads[organisation]
    return organisation if head == "" else head


@view
def trading_stopped_until(organisation: str) -> int:
    """0 when its trading stands still no more."""
    return stops[organisation].until if is_stopped(organisation) else 0


@view
def list_organisations(after: str, limit: int) -> list[str]:
    return [name for name, rank in standing.scan(None, after, limit)]
