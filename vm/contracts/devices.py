"""Devices and what they measured: keys, calibration, batches of signed readings, activity data.

A device signs the header of each batch with its own key; raw readings stay with whoever submits
them, under the Merkle root of the header. Sequence numbers have no gaps, batches form a chain of
hashes that begins with the transaction that registered the device, so that a header of another
chain fits nowhere. A batch is stored under (device, last sequence) with running totals, as a meter
has a register: the sum of any run of batches is one subtraction.
Never does anything here change a reading or judge what it is used for: mrv does.
"""
from vm import Address, Map, call, ctx, emit, event, export, record, replace, require, sha256
from vm import verify_ed25519, view
from lib.arguments.v1 import check_id, check_length, check_limit
from lib.records.v1 import Activity, Installation, Reading

DEVICES_MAX = 200
BATCHES_MAX = 100
READINGS_MAX = 100000
SECONDS_PER_HOUR = 3600
# Of the readings of a batch: a device that guesses more than a quarter of the time is broken.
ESTIMATED_PERCENT_MAX = 25
# 10^30 of any unit: no sum of 10^15 batches comes near 2^255.
AMOUNT_MAX = 1000000000000000000000000000000
TIME_MAX = 9007199254740991
SCALE_MAX = 18
CALIBRATION_SCOPE = "calibration"


@record
class NewDevice:
    device: str
    key: Address
    unit: str
    rate_max: int
    calibrated_from: int
    calibration_due: int


@record
class Device:
    """``rate_max`` counts units an hour; ``origin`` is the transaction of the registration."""

    installation: str
    key: Address
    unit: str
    rate_max: int
    calibrated_from: int
    calibration_due: int
    origin: bytes
    stopped: bool


@record
class Header:
    """What the device signs; ``peak`` is its highest rate in units an hour, rounded up."""

    device: str
    first: int
    last: int
    time_from: int
    time_to: int
    total: int
    peak: int
    estimated_count: int
    estimated_total: int
    root: bytes
    previous: bytes
    signature: bytes


@record
class Batch:
    """Readings ``first`` to the key's last. The sums count from the device's first reading."""

    first: int
    time_from: int
    time_to: int
    peak: int
    root: bytes
    hash: bytes
    total_sum: int
    estimated_count_sum: int
    estimated_total_sum: int
    seconds_sum: int


@record
class Head:
    last: int
    time_to: int
    hash: bytes


@event
class InstallationRegistered:
    installation: str
    owner: str
    submitter: str


@event
class SubmitterChanged:
    installation: str
    submitter: str


@event
class DevicesRegistered:
    installation: str
    devices: list[str]


@event
class Calibrated:
    devices: list[str]
    laboratory: str
    calibrated_from: int
    calibration_due: int
    certificate_hash: bytes


@event
class DeviceStopped:
    device: str
    reason: str


@event
class BatchSubmitted:
    device: str
    first: int
    last: int
    time_from: int
    time_to: int
    total: int
    estimated_count: int
    root: bytes
    hash: bytes


@event
class ActivitySubmitted:
    activity: str
    subject: str
    submitter: str


installations = Map[str, Installation]()
devices = Map[str, Device]()
device_keys = Map[Address, str]()
lasts = Map[str, int](default=0)
batches = Map[tuple[str, int], Batch]()
activities = Map[str, Activity]()


# --- installations and devices ----------------------------------------------------------------


@export
def register_installation(
    installation: str, submitter: str, region: str, place_hash: bytes
) -> None:
    """By its owner, who names the organisation that submits its data: never itself."""
    check_id(installation)
    check_length(region, 1, 32)
    require(len(place_hash) == 32, "bad-hash")
    owner = get_caller()
    enterprise = call("identity", "has_role", owner, "enterprise")
    require(enterprise or call("identity", "has_role", owner, "project-owner"), "not-an-owner")
    require(installation not in installations, "installation-exists")
    require_submitter(owner, submitter)
    installations[installation] = Installation(owner, submitter, region, place_hash, ctx.time)
    emit(InstallationRegistered(installation, owner, submitter))


@export
def change_submitter(installation: str, submitter: str) -> None:
    found = get_place(installation)
    require(get_caller() == found.owner, "not-permitted")
    require_submitter(found.owner, submitter)
    installations[installation] = replace(found, submitter=submitter)
    emit(SubmitterChanged(installation, submitter))


@export
def register_devices(installation: str, added: list[NewDevice]) -> None:
    """Many at once, by the installation's submitter; a key signs for one device, for ever."""
    require_submits(installation)
    require(1 <= len(added) and len(added) <= DEVICES_MAX, "bad-list")
    for new in added:
        check_id(new.device)
        check_length(new.unit, 1, 16)
        require(0 < new.rate_max and new.rate_max <= AMOUNT_MAX, "bad-rate")
        check_calibration(new.calibrated_from, new.calibration_due)
        require(new.device not in devices, "device-exists")
        require(is_free(new.key, installation), "key-taken")
        device_keys[new.key] = new.device
        devices[new.device] = Device(
            installation, new.key, new.unit, new.rate_max, new.calibrated_from,
            new.calibration_due, ctx.tx, False
        )
    emit(DevicesRegistered(installation, [new.device for new in added]))


def is_free(key: Address, installation: str) -> bool:
    """Named by another installation, a key is theirs only when it has signed for them: else
    whoever sees a registration coming could take its key away.
    """
    if key not in device_keys:
        return True
    device = device_keys[key]
    return lasts[device] == 0 and devices[device].installation != installation


@export
def calibrate(
    recalibrated: list[str], calibrated_from: int, calibration_due: int, certificate_hash: bytes
) -> None:
    """By an accredited laboratory. Without a break the old validity goes on into the new one."""
    laboratory = get_caller()
    allowed = call("identity", "has_role", laboratory, "laboratory")
    require(allowed, "not-a-laboratory")
    accredited = call("identity", "is_accredited", laboratory, CALIBRATION_SCOPE, ctx.time)
    require(accredited, "not-accredited")
    require(1 <= len(recalibrated) and len(recalibrated) <= DEVICES_MAX, "bad-list")
    require(len(certificate_hash) == 32, "bad-hash")
    check_calibration(calibrated_from, calibration_due)
    for device in recalibrated:
        found = get_known(device)
        place = get_place(found.installation)
        require(laboratory != place.owner and laboratory != place.submitter, "laboratory-is-party")
        start = calibrated_from
        if found.calibrated_from <= start and start <= found.calibration_due:
            start = found.calibrated_from
        devices[device] = replace(
            found, calibrated_from=start, calibration_due=calibration_due
        )
    emit(
        Calibrated(recalibrated, laboratory, calibrated_from, calibration_due, certificate_hash)
    )


@export
def stop_device(device: str, reason: str) -> None:
    """For good: taken down, or its key lost. What it has measured stays."""
    found = get_known(device)
    check_length(reason, 1, 256)
    place = get_place(found.installation)
    caller = get_caller()
    require(caller == place.owner or caller == place.submitter, "not-permitted")
    require(not found.stopped, "device-stopped")
    devices[device] = replace(found, stopped=True)
    emit(DeviceStopped(device, reason))


# --- readings ---------------------------------------------------------------------------------


@export
def submit_batches(headers: list[Header]) -> None:
    """Batches of the installations of one submitter, each device's in order."""
    require(1 <= len(headers) and len(headers) <= BATCHES_MAX, "bad-list")
    caller = get_caller()
    allowed: dict[str, bool] = {}
    for header in headers:
        device = get_known(header.device)
        if device.installation not in allowed:
            require(caller == get_place(device.installation).submitter, "not-submitter")
            allowed[device.installation] = True
        put_batch(header, device)


def put_batch(header: Header, device: Device) -> None:
    require(not device.stopped, "device-stopped")
    check_numbers(header)
    last = lasts[header.device]
    before = get_before(header.device, last, device)
    require(header.first > last, "replay")
    require(header.first == last + 1, "sequence-gap")
    require(header.time_from >= before.time_to, "time-backwards")
    require(header.previous == before.hash, "wrong-previous")
    calibrated = device.calibrated_from <= header.time_from
    require(calibrated and header.time_to <= device.calibration_due, "not-calibrated")
    require(header.peak <= device.rate_max, "over-rate")
    seconds = header.time_to - header.time_from
    require(header.total * SECONDS_PER_HOUR <= header.peak * seconds, "over-peak")
    message = make_message(header)
    require(verify_ed25519(device.key, message, header.signature), "bad-signature")
    if last == 0:
        claim_key(header.device, device.key)
    hashed = sha256(message)
    lasts[header.device] = header.last
    batches[header.device, header.last] = Batch(
        header.first, header.time_from, header.time_to, header.peak, header.root, hashed,
        before.total_sum + header.total,
        before.estimated_count_sum + header.estimated_count,
        before.estimated_total_sum + header.estimated_total,
        before.seconds_sum + seconds
    )
    emit(
        BatchSubmitted(
            header.device, header.first, header.last, header.time_from, header.time_to,
            header.total, header.estimated_count, header.root, hashed
        )
    )


def claim_key(device: str, key: Address) -> None:
    """The first device that a key signs for keeps it."""
    named = device_keys[key]
    require(named == device or lasts[named] == 0, "key-taken")
    device_keys[key] = device


def check_numbers(header: Header) -> None:
    """What is wrong with a header whatever the device has done before."""
    require(1 <= header.first and header.first <= header.last, "bad-sequence")
    count = header.last - header.first + 1
    require(count <= READINGS_MAX and header.last <= TIME_MAX, "bad-sequence")
    require(0 <= header.time_from and header.time_from < header.time_to, "bad-period")
    require(header.time_to <= ctx.time, "from-the-future")
    require(0 <= header.total and header.total <= AMOUNT_MAX, "bad-amount")
    require(0 <= header.peak and header.peak <= AMOUNT_MAX, "bad-amount")
    require(len(header.root) == 32, "bad-hash")
    estimated = header.estimated_count
    require(0 <= estimated and estimated <= count, "bad-estimate")
    require(0 <= header.estimated_total, "bad-estimate")
    require(header.estimated_total <= header.total, "bad-estimate")
    require(estimated > 0 or header.estimated_total == 0, "bad-estimate")
    require(estimated * 100 <= count * ESTIMATED_PERCENT_MAX, "too-many-estimates")


def make_message(header: Header) -> bytes:
    """The text that the device signs; ids hold no `|`."""
    root = header.root.hex()
    previous = header.previous.hex()
    times = f"{header.first}|{header.last}|{header.time_from}|{header.time_to}"
    sums = f"{header.total}|{header.peak}|{header.estimated_count}|{header.estimated_total}"
    text = f"carbonode-batch-v1|{header.device}|{times}|{sums}|{root}|{previous}"
    return text.encode()


def get_before(device: str, last: int, found: Device) -> Batch:
    """The batch that ends at ``last``; for 0 one of nothing, with the device's origin as hash."""
    if last == 0:
        return Batch(0, 0, 0, 0, found.origin, found.origin, 0, 0, 0, 0)
    return batches[device, last]


# --- activity data ----------------------------------------------------------------------------


@export
def submit_activity(
    activity: str, subject: str, name: str, value: int, scale: int, unit: str, period_from: int,
    period_to: int, evidence_hash: bytes
) -> None:
    """By anybody, in their own name: a report takes its submitter's only."""
    check_id(activity)
    check_id(subject)
    check_length(name, 1, 64)
    require(0 <= value, "negative-activity")
    require(value <= AMOUNT_MAX, "bad-amount")
    require(0 <= scale and scale <= SCALE_MAX, "bad-scale")
    check_length(unit, 1, 16)
    require(0 <= period_from and period_from < period_to, "bad-period")
    require(period_to <= ctx.time, "from-the-future")
    require(len(evidence_hash) == 32, "bad-hash")
    submitter = get_caller()
    require(submitter != "", "not-permitted")
    require(activity not in activities, "activity-exists")
    activities[activity] = Activity(
        subject, name, value, scale, unit, period_from, period_to, evidence_hash, submitter,
        ctx.time
    )
    emit(ActivitySubmitted(activity, subject, submitter))


# --- checks -----------------------------------------------------------------------------------


def get_caller() -> str:
    return call("identity", "organisation_of", ctx.sender)


def require_submitter(owner: str, submitter: str) -> None:
    require(call("identity", "is_active", submitter), "no-submitter")
    require(submitter != owner, "submitter-is-owner")


def require_submits(installation: str) -> None:
    require(get_caller() == get_place(installation).submitter, "not-submitter")


def get_place(installation: str) -> Installation:
    require(installation in installations, "no-installation")
    return installations[installation]


def get_known(device: str) -> Device:
    require(device in devices, "no-device")
    return devices[device]


def check_calibration(calibrated_from: int, calibration_due: int) -> None:
    require(0 <= calibrated_from and calibrated_from < calibration_due, "bad-validity")
    require(calibration_due <= TIME_MAX, "bad-validity")


# --- views ------------------------------------------------------------------------------------


@view
def get_installation(installation: str) -> Installation:
    return get_place(installation)


@view
def get_device(device: str) -> Device:
    return get_known(device)


@view
def get_head(device: str) -> Head:
    """Where the next batch goes on: its first sequence is last + 1, its previous this hash."""
    found = get_known(device)
    last = lasts[device]
    before = get_before(device, last, found)
    return Head(last, before.time_to, before.hash)


@view
def get_header(device: str, last: int) -> Header:
    """The header of the batch that ends at ``last`` as it was signed, without the signature."""
    found = get_known(device)
    require((device, last) in batches, "no-batch")
    batch = batches[device, last]
    before = get_before(device, batch.first - 1, found)
    return Header(
        device, batch.first, last, batch.time_from, batch.time_to,
        batch.total_sum - before.total_sum, batch.peak,
        batch.estimated_count_sum - before.estimated_count_sum,
        batch.estimated_total_sum - before.estimated_total_sum, batch.root, before.hash, b""
    )


@view
def list_lasts(device: str, after: int, limit: int) -> list[int]:
    """The last sequences of the device's batches above ``after``, ascending."""
    check_limit(limit)
    return [key[1] for key, batch in batches.scan((device,), (device, after), limit)]


@view
def get_reading(device: str, first: int, last: int) -> Reading:
    """The sum of readings ``first`` to ``last``, which begin and end with a batch."""
    found = get_known(device)
    require(1 <= first and first <= last and (device, last) in batches, "no-batch")
    require(first == 1 or (device, first - 1) in batches, "no-batch")
    end = batches[device, last]
    before = get_before(device, first - 1, found)
    begin = end
    if end.first != first:
        for key, batch in batches.scan((device,), (device, first - 1), 1):
            begin = batch
    return Reading(
        found.installation, found.unit, last - first + 1, end.total_sum - before.total_sum,
        end.estimated_count_sum - before.estimated_count_sum,
        end.estimated_total_sum - before.estimated_total_sum,
        begin.time_from, end.time_to, end.seconds_sum - before.seconds_sum
    )


@view
def get_activity(activity: str) -> Activity:
    require(activity in activities, "no-activity")
    return activities[activity]
