"""What the engine needs to know, and how the members change it.

Accounts (which key belongs to which organisation), gas allowances, deployers, chain parameters,
validators, observers and administrators. Parameters and validators decided here take effect at the
end of the epoch, when the engine reads them (vm/engine_view.py). Changes are proposals that
administrators vote on; what touches another contract is done in this contract's name.
Never does this contract hold units or judge organisations: identity and units do.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, require, view

PROPOSAL_SECONDS = 1209600
ADMINISTRATORS_MAX = 32
OBSERVERS_MAX = 200
DELAY_SECONDS_MAX = 2592000
ALLOWANCE_MAX = 4611686018427387904


@record
class Params:
    protocol_version: int
    vm_version: int
    epoch_blocks: int
    block_transactions_max: int
    block_bytes_max: int
    block_gas_max: int
    transaction_gas_max: int
    transaction_window_blocks: int
    timeout_base_ms: int
    timeout_max_ms: int
    empty_block_interval_ms: int
    batch_delay_ms: int
    clock_drift_ms: int
    gas_allowance: int
    state_levels: int


@record
class ValidatorEntry:
    name: str
    key: Address


@record
class Proposal:
    kind: str
    proposer: Address
    created: int
    expires: int
    status: str
    text: str
    amount: int
    key: Address
    flag: bool
    votes: list[Address]


@event
class AccountSet:
    account: Address
    organisation: str


@event
class AccountRemoved:
    account: Address
    organisation: str


@event
class Proposed:
    proposal: int
    kind: str
    proposer: Address


@event
class Voted:
    proposal: int
    voter: Address


@event
class Executed:
    proposal: int
    kind: str


authority = Var[Address]()
identity = Var[Address]()
bootstrapped = Var[bool]()

accounts = Map[Address, str](default="")
allowances = Map[str, int](default=-1)
deployers = Map[Address, bool](default=False)
observers = Map[Address, str]()
observer_count = Var[int]()
params = Var[Params]()
validators = Var[list[ValidatorEntry]]()
administrators = Var[list[Address]]()
threshold = Var[int]()
key_delay_seconds = Var[int]()

proposal_count = Var[int]()
proposals = Map[int, Proposal]()
proposed_params = Map[int, Params]()
proposed_validators = Map[int, list[ValidatorEntry]]()


@init
def create() -> None:
    authority.set(ctx.sender)


@export
def bootstrap(
    first: Params,
    first_administrators: list[Address],
    first_threshold: int,
    first_deployers: list[Address],
    identity_contract: Address,
    delay_seconds: int,
) -> None:
    """Genesis only: the authority is an address that no key signs for."""
    require(ctx.sender == authority.get(), "not-authority")
    require(not bootstrapped.get(), "already-bootstrapped")
    check_params(first)
    check_administrators(first_administrators, first_threshold)
    check_distinct(first_deployers, "bad-deployers")
    check_delay(delay_seconds)
    bootstrapped.set(True)
    params.set(first)
    administrators.set(first_administrators)
    threshold.set(first_threshold)
    identity.set(identity_contract)
    key_delay_seconds.set(delay_seconds)
    for account in first_deployers:
        deployers[account] = True


# --- accounts, kept right by identity ---------------------------------------------------------


@export
def set_account(account: Address, organisation: str) -> None:
    require(ctx.sender == identity.get(), "not-identity")
    accounts[account] = organisation
    emit(AccountSet(account, organisation))


@export
def remove_account(account: Address) -> None:
    require(ctx.sender == identity.get(), "not-identity")
    organisation = accounts[account]
    if organisation != "":
        del accounts[account]
        emit(AccountRemoved(account, organisation))


# --- proposals --------------------------------------------------------------------------------


@export
def propose_params(wanted: Params) -> int:
    require_administrator()
    check_params(wanted)
    now = params.get()
    # An epoch's length is in every height's meaning; the versions and the depth of the state tree
    # come with new software, not with a vote alone.
    same = wanted.epoch_blocks == now.epoch_blocks and wanted.state_levels == now.state_levels
    require(same and wanted.protocol_version == now.protocol_version, "param-fixed")
    require(wanted.vm_version == now.vm_version, "param-fixed")
    number = open_proposal("params", "", 0, ctx.sender, False)
    proposed_params[number] = wanted
    return number


@export
def propose_validators(wanted: list[ValidatorEntry]) -> int:
    require_administrator()
    check_range(len(wanted), 1, 100, "bad-validators")
    names: list[str] = []
    keys: list[Address] = []
    for entry in wanted:
        check_range(len(entry.name), 1, 64, "bad-validators")
        require(entry.name not in names and entry.key not in keys, "bad-validators")
        names.append(entry.name)
        keys.append(entry.key)
    number = open_proposal("validators", "", len(wanted), ctx.sender, False)
    proposed_validators[number] = wanted
    return number


@export
def propose_allowance(organisation: str, gas: int) -> int:
    require_administrator()
    check_id(organisation)
    check_range(gas, -1, ALLOWANCE_MAX, "bad-allowance")
    return open_proposal("allowance", organisation, gas, ctx.sender, False)


@export
def propose_deployer(account: Address, allowed: bool) -> int:
    require_administrator()
    return open_proposal("deployer", "", 0, account, allowed)


@export
def propose_administrator(account: Address, present: bool) -> int:
    require_administrator()
    return open_proposal("administrator", "", 0, account, present)


@export
def propose_threshold(wanted: int) -> int:
    require_administrator()
    check_range(wanted, 1, len(administrators.get()), "bad-threshold")
    return open_proposal("threshold", "", wanted, ctx.sender, False)


@export
def propose_observer(name: str, key: Address, allowed: bool) -> int:
    require_administrator()
    check_id(name)
    return open_proposal("observer", name, 0, key, allowed)


@export
def propose_key_delay(seconds: int) -> int:
    require_administrator()
    check_delay(seconds)
    return open_proposal("key-delay", "", seconds, ctx.sender, False)


@export
def propose_regulator(organisation: str) -> int:
    require_administrator()
    check_id(organisation)
    return open_proposal("regulator", organisation, 0, ctx.sender, False)


@export
def vote(proposal: int) -> None:
    require_administrator()
    current = get_open(proposal)
    require(ctx.sender not in current.votes, "already-voted")
    votes = current.votes
    votes.append(ctx.sender)
    store_proposal(proposal, current, "open", votes)
    emit(Voted(proposal, ctx.sender))


@export
def execute(proposal: int) -> None:
    require_administrator()
    current = get_open(proposal)
    members = administrators.get()
    votes = [voter for voter in current.votes if voter in members]
    require(len(votes) >= threshold.get(), "not-enough-votes")
    store_proposal(proposal, current, "executed", current.votes)
    apply_proposal(proposal, current)
    emit(Executed(proposal, current.kind))


def apply_proposal(number: int, decided: Proposal) -> None:
    if decided.kind == "params":
        params.set(proposed_params[number])
    elif decided.kind == "validators":
        validators.set(proposed_validators[number])
    elif decided.kind == "allowance":
        apply_allowance(decided.text, decided.amount)
    elif decided.kind == "deployer":
        apply_deployer(decided.key, decided.flag)
    elif decided.kind == "administrator":
        apply_administrator(decided.key, decided.flag)
    elif decided.kind == "threshold":
        check_administrators(administrators.get(), decided.amount)
        threshold.set(decided.amount)
    elif decided.kind == "observer":
        apply_observer(decided.text, decided.key, decided.flag)
    elif decided.kind == "key-delay":
        key_delay_seconds.set(decided.amount)
    else:
        call("identity", "add_role", decided.text, "regulator")


def apply_allowance(organisation: str, gas: int) -> None:
    if gas >= 0:
        allowances[organisation] = gas
    elif organisation in allowances:
        del allowances[organisation]


def apply_deployer(account: Address, allowed: bool) -> None:
    if allowed:
        deployers[account] = True
    elif account in deployers:
        del deployers[account]


def apply_administrator(account: Address, present: bool) -> None:
    members = [member for member in administrators.get() if member != account]
    if present:
        members.append(account)
    check_administrators(members, threshold.get())
    administrators.set(members)


def apply_observer(name: str, key: Address, allowed: bool) -> None:
    known = key in observers
    if allowed:
        if not known:
            observer_count.set(observer_count.get() + 1)
        require(observer_count.get() <= OBSERVERS_MAX, "too-many-observers")
        observers[key] = name
    elif known:
        observer_count.set(observer_count.get() - 1)
        del observers[key]


def open_proposal(kind: str, text: str, amount: int, key: Address, flag: bool) -> int:
    number = proposal_count.get() + 1
    proposal_count.set(number)
    expires = ctx.time + PROPOSAL_SECONDS
    votes = [ctx.sender]
    proposals[number] = Proposal(
        kind, ctx.sender, ctx.time, expires, "open", text, amount, key, flag, votes
    )
    emit(Proposed(number, kind, ctx.sender))
    return number


def store_proposal(number: int, old: Proposal, status: str, votes: list[Address]) -> None:
    proposals[number] = Proposal(
        old.kind, old.proposer, old.created, old.expires, status, old.text, old.amount, old.key,
        old.flag, votes
    )


def get_open(number: int) -> Proposal:
    require(number in proposals, "no-proposal")
    current = proposals[number]
    require(current.status == "open", "proposal-closed")
    require(ctx.time < current.expires, "proposal-expired")
    return current


# --- checks -----------------------------------------------------------------------------------


def require_administrator() -> None:
    require(ctx.sender in administrators.get(), "not-administrator")


def check_administrators(members: list[Address], votes: int) -> None:
    check_range(len(members), 1, ADMINISTRATORS_MAX, "bad-administrators")
    check_distinct(members, "bad-administrators")
    check_range(votes, 1, ADMINISTRATORS_MAX, "bad-threshold")
    require(votes <= len(members), "bad-administrators")


def check_distinct(members: list[Address], code: str) -> None:
    seen: list[Address] = []
    for member in members:
        require(member not in seen, code)
        seen.append(member)


def check_delay(seconds: int) -> None:
    check_range(seconds, 0, DELAY_SECONDS_MAX, "bad-delay")


def check_range(value: int, low: int, high: int, code: str) -> None:
    require(low <= value <= high, code)


def check_id(text: str) -> None:
    check_range(len(text), 1, 64, "bad-id")
    require(len(text.encode()) == len(text), "bad-id")
    require(text.replace("-", "a").replace("_", "a").replace(".", "a").isalnum(), "bad-id")


def check_params(wanted: Params) -> None:
    """The ranges of primitives.params, so that the engine never meets a value it must refuse."""
    code = "param-range"
    check_range(wanted.protocol_version, 1, 1, code)
    check_range(wanted.vm_version, 1, 1, code)
    check_range(wanted.epoch_blocks, 1, 10000000, code)
    check_range(wanted.block_transactions_max, 1, 20000, code)
    check_range(wanted.block_bytes_max, 131072, 16777216, code)
    check_range(wanted.block_gas_max, 1000000, 10000000000, code)
    check_range(wanted.transaction_gas_max, 100000, wanted.block_gas_max, code)
    check_range(wanted.transaction_window_blocks, 1, 1000000, code)
    check_range(wanted.timeout_base_ms, 50, 60000, code)
    check_range(wanted.timeout_max_ms, wanted.timeout_base_ms, 600000, code)
    check_range(wanted.empty_block_interval_ms, 0, 3600000, code)
    check_range(wanted.batch_delay_ms, 0, 10000, code)
    check_range(wanted.clock_drift_ms, 0, 3600000, code)
    check_range(wanted.gas_allowance, 0, ALLOWANCE_MAX, code)
    check_range(wanted.state_levels, 1, 6, code)


# --- views ------------------------------------------------------------------------------------


@view
def organisation_of(account: Address) -> str:
    return accounts[account]


@view
def allowance_of(organisation: str) -> int:
    own = allowances[organisation]
    return own if own >= 0 else params.get().gas_allowance


@view
def get_params() -> Params:
    return params.get()


@view
def get_validators() -> list[ValidatorEntry]:
    return validators.get()


@view
def is_deployer(account: Address) -> bool:
    return deployers[account]


@view
def is_administrator(account: Address) -> bool:
    return account in administrators.get()


@view
def get_administrators() -> list[Address]:
    return administrators.get()


@view
def get_threshold() -> int:
    return threshold.get()


@view
def get_key_delay() -> int:
    return key_delay_seconds.get()


@view
def get_observers() -> list[ValidatorEntry]:
    rows = observers.scan(None, None, OBSERVERS_MAX)
    return [ValidatorEntry(name, key) for key, name in rows]


@view
def get_proposal(proposal: int) -> Proposal:
    require(proposal in proposals, "no-proposal")
    return proposals[proposal]


@view
def count_proposals() -> int:
    return proposal_count.get()
