"""What the engine needs to know, and how the members change it.

Accounts (which key belongs to which organisation), gas allowances, deployers, chain parameters,
the registry of nodes (validators, candidates, observers), evidence against validators, and
administrators. Parameters, versions and validators decided here take effect at the end of the epoch,
when the engine reads them (vm/engine_view.py). Changes are proposals that administrators vote on;
what touches another contract is done in this contract's name. Contracts get new code here, after a
delay that everybody can see, and are frozen here: by one administrator for some days, or by vote.
Never does this contract hold units or judge organisations: identity and units do.
"""
from vm import Address, Map, Var, call, ctx, emit, event, export, init, record, replace, require, view

PROPOSAL_SECONDS = 1209600
ADMINISTRATORS_MAX = 32
OBSERVERS_MAX = 200
CANDIDATES_MAX = 200
CERTIFICATE_BYTES_MAX = 4096
VERSION_MAX = 1000
DELAY_SECONDS_MAX = 2592000
ALLOWANCE_MAX = 4611686018427387904
FREEZE_SECONDS_MAX = 259200
FREEZE_REST_SECONDS = 1209600
FREEZE_ENDLESS = 9007199254740991


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
class Versions:
    protocol_version: int
    vm_version: int


@record
class NodeEntry:
    name: str
    key: Address
    role: str
    certificate: bytes


@record
class Evidence:
    validator: Address
    name: str
    epoch: int
    height: int
    kind: str
    digest: bytes
    recorded: int
    proposal: int


@record
class Upgrade:
    version: int
    code_hash: bytes
    delay_seconds: int
    active_from: int
    proposal: int


@record
class Freeze:
    reason: str
    account: Address
    since: int
    until: int
    proposal: int


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


@event
class UpgradeScheduled:
    contract: str
    version: int
    code_hash: bytes
    active_from: int


@event
class UpgradeWithdrawn:
    contract: str
    version: int


@event
class Upgraded:
    contract: str
    version: int
    code_hash: bytes


@event
class Frozen:
    contract: str
    reason: str
    account: Address
    until: int
    proposal: int


@event
class Unfrozen:
    contract: str
    proposal: int


authority = Var[Address]()
identity = Var[Address]()
bootstrapped = Var[bool]()

accounts = Map[Address, str](default="")
allowances = Map[str, int](default=-1)
deployers = Map[Address, bool](default=False)
observers = Map[Address, str]()
observer_count = Var[int]()
candidates = Map[Address, str]()
candidate_count = Var[int]()
certificates = Map[Address, bytes](default=b"")
struck_off = Map[Address, bool](default=False)
registry_version = Var[int]()
params = Var[Params]()
validators = Var[list[ValidatorEntry]]()
validators_before = Var[list[ValidatorEntry]]()
validators_changed = Var[int]()
evidence_count = Var[int]()
evidence_rows = Map[int, Evidence]()
evidence_of = Map[tuple[Address, int], int](default=0)
administrators = Var[list[Address]]()
threshold = Var[int]()
key_delay_seconds = Var[int]()

proposal_count = Var[int]()
proposals = Map[int, Proposal]()
proposed_params = Map[int, Params]()
proposed_validators = Map[int, list[ValidatorEntry]]()
proposed_versions = Map[int, Versions]()
proposed_certificates = Map[int, bytes]()
proposed_keys = Map[int, Address]()
proposed_upgrades = Map[int, Upgrade]()
proposed_reasons = Map[int, str]()
proposed_subjects = Map[int, str]()

upgrades = Map[str, Upgrade]()
freezes = Map[str, Freeze]()
last_emergency = Map[str, int](default=0)


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


@export
def bootstrap_validators(first: list[ValidatorEntry]) -> None:
    """Genesis only: the set that the engine starts with."""
    require(ctx.sender == authority.get(), "not-authority")
    require(len(validators.get()) == 0, "already-bootstrapped")
    check_validators(first)
    validators.set(first)


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
    check_validators(wanted)
    number = open_proposal("validators", "", len(wanted), ctx.sender, False)
    proposed_validators[number] = wanted
    return number


@export
def propose_validator(key: Address, present: bool) -> int:
    """Make a candidate a validator, or a validator a candidate again."""
    require_administrator()
    return open_proposal("validator", "", 0, key, present)


@export
def propose_validator_key(old: Address, new: Address) -> int:
    """Replace a validator's key by a candidate's; the name and the place in the order stay."""
    require_administrator()
    number = open_proposal("validator-key", "", 0, old, False)
    proposed_keys[number] = new
    return number


@export
def propose_candidate(name: str, key: Address, certificate: bytes, allowed: bool) -> int:
    """Admit a node that may become a validator, or strike it off: nobody links with it any more."""
    require_administrator()
    check_id(name)
    check_certificate(certificate, not allowed)
    number = open_proposal("candidate", name, 0, key, allowed)
    proposed_certificates[number] = certificate
    return number


@export
def publish_certificate(key: Address, certificate: bytes) -> None:
    """Tell all nodes a registered node's TLS certificate. No vote: each node checks that it is the key's."""
    require_administrator()
    check_certificate(certificate, False)
    require(get_role(key) != "", "no-node")
    certificates[key] = certificate
    note_registry()


@export
def propose_versions(protocol_version: int, vm_version: int) -> int:
    """From the next epoch on: nodes whose program is too old stop before it."""
    require_administrator()
    now = params.get()
    check_range(protocol_version, now.protocol_version, VERSION_MAX, "bad-version")
    check_range(vm_version, now.vm_version, VERSION_MAX, "bad-version")
    number = open_proposal("versions", "", 0, ctx.sender, False)
    proposed_versions[number] = Versions(protocol_version, vm_version)
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
def propose_upgrade(contract: str, version: int, code_hash: bytes, delay_seconds: int) -> int:
    """Give a contract published code as its next version; version 1 is a new contract."""
    require_administrator()
    check_id(contract)
    check_delay(delay_seconds)
    require(delay_seconds >= key_delay_seconds.get(), "bad-delay")
    call("system", "check_upgrade", contract, version, code_hash)
    number = open_proposal("upgrade", contract, version, ctx.sender, False)
    proposed_upgrades[number] = Upgrade(version, code_hash, delay_seconds, 0, number)
    return number


@export
def propose_no_upgrade(contract: str) -> int:
    """Withdraw an upgrade that was decided and is not active yet."""
    require_administrator()
    require(contract in upgrades, "no-upgrade")
    return open_proposal("no-upgrade", contract, upgrades[contract].version, ctx.sender, False)


@export
def activate(contract: str) -> None:
    """The last step of an upgrade, once its delay is over: new code and migrate, or nothing."""
    require_administrator()
    require(contract in upgrades, "no-upgrade")
    wanted = upgrades[contract]
    require(ctx.time >= wanted.active_from, "not-due")
    require(ctx.time < wanted.active_from + PROPOSAL_SECONDS, "upgrade-expired")
    del upgrades[contract]
    call("system", "activate", contract, wanted.version, wanted.code_hash)
    emit(Upgraded(contract, wanted.version, wanted.code_hash))


@export
def freeze(contract: str, reason: str, seconds: int) -> None:
    """An emergency: one administrator stops a contract for a while. Views still answer."""
    require_administrator()
    check_freeze(contract, reason)
    check_range(seconds, 1, FREEZE_SECONDS_MAX, "bad-duration")
    require(not is_frozen(contract), "already-frozen")
    # Else one administrator could stop a contract for good, a few days at a time.
    require(ctx.time >= last_emergency[contract] + FREEZE_REST_SECONDS, "frozen-before")
    last_emergency[contract] = ctx.time
    set_freeze(contract, reason, ctx.time + seconds, 0)


@export
def propose_freeze(contract: str, reason: str) -> int:
    """Until another vote; also confirms what one administrator did in an emergency."""
    require_administrator()
    check_freeze(contract, reason)
    number = open_proposal("freeze", contract, 0, ctx.sender, True)
    proposed_reasons[number] = reason
    return number


@export
def propose_unfreeze(contract: str) -> int:
    require_administrator()
    require(is_frozen(contract), "not-frozen")
    return open_proposal("unfreeze", contract, 0, ctx.sender, False)


@export
def propose_decision(contract: str, subject: str, number: int, wanted: bool) -> int:
    """What a contract leaves to a vote: execution is its ``decide(subject, number, wanted)``."""
    require_administrator()
    check_id(contract)
    check_id(subject)
    opened = open_proposal("decision", contract, number, ctx.sender, wanted)
    proposed_subjects[opened] = subject
    return opened


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
        apply_params(proposed_params[number])
    elif decided.kind == "versions":
        apply_versions(proposed_versions[number])
    elif decided.kind == "validators":
        decide_validators(proposed_validators[number])
    elif decided.kind == "validator":
        apply_validator(decided.key, decided.flag)
    elif decided.kind == "validator-key":
        apply_validator_key(decided.key, proposed_keys[number])
    elif decided.kind == "candidate":
        apply_candidate(decided.text, decided.key, decided.flag, proposed_certificates[number])
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
    elif decided.kind == "upgrade":
        schedule_upgrade(decided.text, proposed_upgrades[number])
    elif decided.kind == "no-upgrade":
        withdraw_upgrade(decided.text, decided.amount)
    elif decided.kind == "freeze":
        set_freeze(decided.text, proposed_reasons[number], FREEZE_ENDLESS, number)
    elif decided.kind == "unfreeze":
        unfreeze(decided.text, number)
    elif decided.kind == "decision":
        call(decided.text, "decide", proposed_subjects[number], decided.amount, decided.flag)
    else:
        call("identity", "add_role", decided.text, "regulator")


def schedule_upgrade(contract: str, wanted: Upgrade) -> None:
    """The delay counts from the vote's end; it may have been raised since the proposal."""
    active_from = ctx.time + max(wanted.delay_seconds, key_delay_seconds.get())
    upgrades[contract] = replace(wanted, active_from=active_from)
    emit(UpgradeScheduled(contract, wanted.version, wanted.code_hash, active_from))


def withdraw_upgrade(contract: str, version: int) -> None:
    require(contract in upgrades and upgrades[contract].version == version, "no-upgrade")
    del upgrades[contract]
    emit(UpgradeWithdrawn(contract, version))


def set_freeze(contract: str, reason: str, until: int, proposal: int) -> None:
    call("system", "freeze", contract, until)
    freezes[contract] = Freeze(reason, ctx.sender, ctx.time, until, proposal)
    emit(Frozen(contract, reason, ctx.sender, until, proposal))


def unfreeze(contract: str, proposal: int) -> None:
    require(is_frozen(contract), "not-frozen")
    call("system", "freeze", contract, 0)
    del freezes[contract]
    emit(Unfrozen(contract, proposal))


def is_frozen(contract: str) -> bool:
    return contract in freezes and freezes[contract].until > ctx.time


def check_freeze(contract: str, reason: str) -> None:
    check_id(contract)
    check_range(len(reason), 1, 256, "bad-text")
    require(contract != "governance", "never-frozen")


def apply_params(wanted: Params) -> None:
    """Versions are decided apart: a vote on other parameters must not undo theirs."""
    now = params.get()
    versions = replace(wanted, protocol_version=now.protocol_version)
    params.set(replace(versions, vm_version=now.vm_version))


def apply_versions(wanted: Versions) -> None:
    now = params.get()
    check_range(wanted.protocol_version, now.protocol_version, VERSION_MAX, "bad-version")
    check_range(wanted.vm_version, now.vm_version, VERSION_MAX, "bad-version")
    versions = replace(now, protocol_version=wanted.protocol_version)
    params.set(replace(versions, vm_version=wanted.vm_version))


def apply_validator(key: Address, present: bool) -> None:
    members = validators.get()
    if present:
        require(key in candidates, "not-candidate")
        members.append(ValidatorEntry(candidates[key], key))
    else:
        members = [member for member in members if member.key != key]
        require(len(members) < len(validators.get()), "no-validator")
    decide_validators(members)


def apply_validator_key(old: Address, new: Address) -> None:
    require(new in candidates, "not-candidate")
    members = [
        ValidatorEntry(member.name, new if member.key == old else member.key)
        for member in validators.get()
    ]
    require(new in [member.key for member in members], "no-validator")
    decide_validators(members)


def decide_validators(wanted: list[ValidatorEntry]) -> None:
    """Gather changes for the end of this epoch: at most f of them, so that the sets overlap."""
    check_validators(wanted)
    epoch = (ctx.height - 1) // params.get().epoch_blocks
    if validators_changed.get() != epoch + 1:
        validators_before.set(validators.get())
        validators_changed.set(epoch + 1)
    before = validators_before.get()
    allowed = max(1, (len(before) - 1) // 3)
    require(count_changes(before, wanted) <= allowed, "too-many-changes")
    keys = [entry.key for entry in wanted]
    for member in validators.get():
        if member.key not in keys and member.key not in candidates:
            add_candidate(member.name, member.key)
    validators.set(wanted)
    note_registry()


def count_changes(before: list[ValidatorEntry], wanted: list[ValidatorEntry]) -> int:
    """Keys that come or go; a key that replaces another under the same name counts once."""
    old = [entry.key for entry in before]
    new = [entry.key for entry in wanted]
    added = [entry.name for entry in wanted if entry.key not in old]
    removed = [entry.name for entry in before if entry.key not in new]
    return len(added) + len([name for name in removed if name not in added])


def apply_candidate(name: str, key: Address, allowed: bool, certificate: bytes) -> None:
    if allowed:
        require(get_role(key) in ["", "observer"], "already-registered")
        if key in observers:
            apply_observer("", key, False)
        add_candidate(name, key)
        certificates[key] = certificate
        if key in struck_off:
            del struck_off[key]
    else:
        require(get_role(key) == "candidate", "not-candidate")
        del candidates[key]
        candidate_count.set(candidate_count.get() - 1)
        strike_off(key)
    note_registry()


def add_candidate(name: str, key: Address) -> None:
    candidates[key] = name
    candidate_count.set(candidate_count.get() + 1)
    require(candidate_count.get() <= CANDIDATES_MAX, "too-many-candidates")


def strike_off(key: Address) -> None:
    struck_off[key] = True
    if key in certificates:
        del certificates[key]


def note_registry() -> None:
    """Nodes look at this one number after each block, and at the rest when it moved."""
    registry_version.set(registry_version.get() + 1)


def get_role(key: Address) -> str:
    if key in [entry.key for entry in validators.get()]:
        return "validator"
    if key in candidates:
        return "candidate"
    return "observer" if key in observers else ""


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
        if key in struck_off:
            del struck_off[key]
    elif known:
        observer_count.set(observer_count.get() - 1)
        del observers[key]
        if get_role(key) == "":
            strike_off(key)
    note_registry()


def open_proposal(kind: str, text: str, amount: int, key: Address, flag: bool) -> int:
    number = store_new(kind, text, amount, key, flag, [ctx.sender])
    emit(Proposed(number, kind, ctx.sender))
    return number


def store_new(
    kind: str, text: str, amount: int, key: Address, flag: bool, votes: list[Address]
) -> int:
    number = proposal_count.get() + 1
    proposal_count.set(number)
    expires = ctx.time + PROPOSAL_SECONDS
    proposals[number] = Proposal(
        kind, ctx.sender, ctx.time, expires, "open", text, amount, key, flag, votes
    )
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


# --- evidence, handed over by the engine ------------------------------------------------------


@export
def record_evidence(
    validator: Address, epoch: int, height: int, kind: str, digest: bytes
) -> None:
    """Keep one proof of misconduct for each validator and epoch, and ask for a vote on its removal.

    The engine calls this at the end of a block that holds the evidence, which all validators verified.
    No events: there is no transaction that they could belong to.
    """
    require(ctx.sender == authority.get(), "not-authority")
    if evidence_of[validator, epoch] == 0:
        name = ""
        for member in validators.get():
            if member.key == validator:
                name = member.name
        proposal = 0
        if name != "" and len(validators.get()) > 1:
            proposal = proposal_count.get() + 1
            store_new("validator", kind, height, validator, False, [])
        number = evidence_count.get() + 1
        evidence_count.set(number)
        evidence_of[validator, epoch] = number
        evidence_rows[number] = Evidence(
            validator, name, epoch, height, kind, digest, ctx.time, proposal
        )


# --- checks -----------------------------------------------------------------------------------


def require_administrator() -> None:
    require(ctx.sender in administrators.get(), "not-administrator")


def check_validators(wanted: list[ValidatorEntry]) -> None:
    check_range(len(wanted), 1, 100, "bad-validators")
    names: list[str] = []
    keys: list[Address] = []
    for entry in wanted:
        check_range(len(entry.name), 1, 64, "bad-validators")
        require(entry.name not in names and entry.key not in keys, "bad-validators")
        names.append(entry.name)
        keys.append(entry.key)


def check_certificate(certificate: bytes, may_lack: bool) -> None:
    least = 0 if may_lack else 1
    check_range(len(certificate), least, CERTIFICATE_BYTES_MAX, "bad-certificate")


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
    check_range(wanted.protocol_version, 1, VERSION_MAX, code)
    check_range(wanted.vm_version, 1, VERSION_MAX, code)
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
def get_candidates() -> list[NodeEntry]:
    rows = candidates.scan(None, None, CANDIDATES_MAX)
    keys = [entry.key for entry in validators.get()]
    return [
        NodeEntry(name, key, "candidate", certificates[key]) for key, name in rows if key not in keys
    ]


@view
def get_node(key: Address) -> NodeEntry:
    """The role is '' for a node that is not registered."""
    role = get_role(key)
    name = ""
    if role == "validator":
        for member in validators.get():
            if member.key == key:
                name = member.name
    elif role == "candidate":
        name = candidates[key]
    elif role == "observer":
        name = observers[key]
    return NodeEntry(name, key, role, certificates[key])


@view
def get_upgrade(contract: str) -> Upgrade:
    """What was decided and is not active yet."""
    require(contract in upgrades, "no-upgrade")
    return upgrades[contract]


@view
def get_freeze(contract: str) -> Freeze:
    require(is_frozen(contract), "not-frozen")
    return freezes[contract]


@view
def list_evidence(after: int, limit: int) -> list[Evidence]:
    check_range(limit, 1, 100, "bad-limit")
    last = min(evidence_count.get(), after + limit)
    return [evidence_rows[number] for number in range(after + 1, last + 1)]


@view
def count_evidence() -> int:
    return evidence_count.get()


@view
def get_proposal(proposal: int) -> Proposal:
    require(proposal in proposals, "no-proposal")
    return proposals[proposal]


@view
def get_subject(proposal: int) -> str:
    """What a proposed decision is about; '' for other proposals."""
    return proposed_subjects.get(proposal, "")


@view
def count_proposals() -> int:
    return proposal_count.get()
