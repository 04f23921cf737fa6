"""What a vote log and a last-signed record come to, worked out from recovery.py's own rules.

A log ahead of the record is what a crash between the two leaves; a record ahead of the log, or
beside it, means that the log is lost; a record or a log of later heights means that the
database is old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from consensus.errors import ConsensusError
from consensus.messages import (
    GetProposal,
    Message,
    ViewChangeMessage,
    Vote,
    compute_signed_view_change,
    compute_signed_vote,
    encode_message,
)
from consensus.recovery import RECORD, Record, RecordKind, Recovered, encode_record, recover
from consensus.signing import (
    INITIAL_LAST_SIGNED,
    LAST_SIGNED,
    NOTHING_SIGNED,
    LastSigned,
    compute_digest,
)
from primitives.certificate import CERTIFICATE, Certificate, Phase
from tests.unit.consensus.harness import CHAIN, Bench, hash_of


class Log:
    """Records and what they hold, made once a test: nothing of the core runs at import."""

    def __init__(self) -> None:
        bench = self.bench = Bench()
        block = self.block = hash_of("block")
        self.prepare = bench.vote(3, Phase.PREPARE, 0, block)
        self.commit = bench.vote(3, Phase.COMMIT, 0, block, hash_of("state"))
        self.certificate = bench.certificate((0, 1, 2), Phase.PREPARE, 0, block)
        self.later = bench.certificate((0, 1, 2), Phase.PREPARE, 2, hash_of("later"))
        self.change = bench.view_change(3, 1, self.certificate)
        self.later_change = bench.view_change(3, 3, self.later)
        self.at_prepare = self.make_last(1, self.prepare)
        self.at_commit = self.make_last(2, self.commit)
        words = compute_signed_view_change(self.change, CHAIN, 0)
        self.at_change = LastSigned(1, 1, 0, compute_digest(words), self.change.signature)
        self.log_proposal = self.make(RecordKind.PROPOSAL, bench.pre_prepare(bench.proposal()))
        self.log_prepare = self.make(RecordKind.VOTE, self.prepare)
        self.log_commit = self.make(RecordKind.VOTE, self.commit)
        self.log_prepared = self.make_prepared(self.certificate)
        self.log_later_prepared = self.make_prepared(self.later)
        self.log_change = self.make(RecordKind.VIEW_CHANGE, ViewChangeMessage(self.change, None))
        self.log_later_change = self.make(
            RecordKind.VIEW_CHANGE, ViewChangeMessage(self.later_change, None)
        )

    def make_last(self, step: int, vote: Vote) -> LastSigned:
        digest = compute_digest(compute_signed_vote(vote, CHAIN, 0))
        return LastSigned(1, 0, step, digest, vote.signature)

    def make(self, kind: RecordKind, message: Message) -> bytes:
        return encode_record(kind, 1, encode_message(message))

    def make_prepared(self, certificate: Certificate) -> bytes:
        return encode_record(RecordKind.PREPARED, 1, CERTIFICATE.encode(certificate))

    def read(self, records: Sequence[bytes], last: LastSigned | None) -> Recovered:
        assert self.bench.tip is not None
        record = None if last is None else LAST_SIGNED.encode(last)
        return recover(CHAIN, self.bench.tip, records, record)


LOST = "the last-signed record is lost"
OLD_DATABASE = "signed at a later height than the database holds"
LOST_LOG = "the vote log lacks what was last signed"


Case = tuple[list[bytes], LastSigned | None, tuple[LastSigned, int | None, str]]


def make_cases(log: Log) -> Iterator[Case]:
    cases: list[Case] = [
        # A new key, then each step of a height with log and record in step.
        ([], NOTHING_SIGNED, (NOTHING_SIGNED, 0, "")),
        ([log.log_prepare], log.at_prepare, (log.at_prepare, 0, "")),
        ([log.log_prepare, log.log_commit], log.at_commit, (log.at_commit, 0, "")),
        ([log.log_prepare, log.log_commit, log.log_change], log.at_change, (log.at_change, 0, "")),
        # The log one step ahead: at this height, and when the record is of an earlier one.
        ([log.log_prepare, log.log_commit], log.at_prepare, (log.at_commit, 0, "")),
        ([log.log_prepare, log.log_change], log.at_prepare, (log.at_change, 0, "")),
        ([log.log_prepare], NOTHING_SIGNED, (log.at_prepare, 0, "")),
        # A record of a height that is over, whatever it says.
        ([], replace(log.at_commit, height=0), (replace(log.at_commit, height=0), 0, "")),
        (
            [],
            replace(NOTHING_SIGNED, digest=log.block),
            (replace(NOTHING_SIGNED, digest=log.block), 0, ""),
        ),
        # The record ahead of the log, or of another opinion: silent at this height only.
        ([], log.at_prepare, (log.at_prepare, 2, LOST_LOG)),
        ([log.log_prepare], log.at_commit, (log.at_commit, 2, LOST_LOG)),
        ([log.log_prepare, log.log_commit], log.at_change, (log.at_change, 2, LOST_LOG)),
        (
            [log.log_prepare],
            replace(log.at_prepare, digest=log.block),
            (replace(log.at_prepare, digest=log.block), 2, LOST_LOG),
        ),
        # The record of a later height than the database: silent up to it.
        ([], replace(log.at_commit, height=2), (replace(log.at_commit, height=2), 3, OLD_DATABASE)),
        (
            [log.log_prepare],
            replace(log.at_prepare, height=7),
            (replace(log.at_prepare, height=7), 8, OLD_DATABASE),
        ),
        # The log of later heights than the database, and the record older still.
        (
            [encode_record(RecordKind.VOTE, 5, b"?"), log.log_prepare],
            NOTHING_SIGNED,
            (log.at_prepare, 6, OLD_DATABASE),
        ),
        (
            [log.log_prepare, encode_record(RecordKind.VOTE, 2, b"?")],
            log.at_prepare,
            (log.at_prepare, 3, OLD_DATABASE),
        ),
        (
            [encode_record(RecordKind.VOTE, 5, b"?")],
            replace(log.at_prepare, height=9),
            (replace(log.at_prepare, height=9), 10, OLD_DATABASE),
        ),
        # The record lost: nobody knows, whatever the log says.
        ([], None, (NOTHING_SIGNED, None, LOST)),
        ([log.log_prepare], None, (log.at_prepare, None, LOST)),
    ]
    yield from cases


def test_from_which_height_on_we_may_vote_and_what_we_signed_last() -> None:
    log = Log()
    for records, last, expected in make_cases(log):
        found = log.read(records, last)
        assert (found.last, found.vote_from, found.reason) == expected, (records, last)


def test_an_empty_log_leaves_nothing_to_take_up() -> None:
    assert Log().read([], NOTHING_SIGNED) == Recovered(NOTHING_SIGNED, 0)
    assert Recovered(NOTHING_SIGNED, 0) == Recovered(NOTHING_SIGNED, 0, "", (), (), None, None)


def test_what_the_log_holds_of_this_height_is_taken_up_whole() -> None:
    log = Log()
    older = encode_record(RecordKind.VOTE, 0, b"of a height that is over")
    records = [
        older, log.log_proposal, log.log_prepare, log.log_prepared, log.log_commit, log.log_change
    ]  # fmt: skip
    assert log.read(records, log.at_change) == Recovered(
        log.at_change,
        0,
        "",
        (RECORD.decode(log.log_proposal).data,),
        (log.prepare, log.commit),
        log.change,
        log.certificate,
    )


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_highest_view_change_and_the_highest_prepared_block_are_taken_up(
    is_reversed: bool,
) -> None:
    log = Log()
    for pair, name, expected in (
        ([log.log_change, log.log_later_change], "view_change", log.later_change),
        ([log.log_change, log.log_later_change], "prepared", log.later),
        ([log.log_prepared, log.log_later_prepared], "prepared", log.later),
        ([log.log_prepared, log.log_later_change], "prepared", log.later),
        ([log.log_change, log.log_later_prepared], "prepared", log.later),
    ):
        found = log.read(pair[::-1] if is_reversed else pair, NOTHING_SIGNED)
        assert getattr(found, name) == expected


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 255])
def test_a_record_of_one_kind_that_holds_another_is_refused(kind: int) -> None:
    log = Log()
    right = (log.log_proposal, log.log_prepare, log.log_prepared, log.log_change)
    held_by = {number: RECORD.decode(item).data for number, item in enumerate(right, start=1)}
    others = {9: encode_message(GetProposal(1, log.block)), 10: b"", 11: b"\xc0"}
    for held, data in (held_by | others).items():
        record = RECORD.encode(Record(kind, 1, data))
        if held == kind:
            log.read([record], NOTHING_SIGNED)
            continue
        with pytest.raises(ConsensusError) as caught:
            log.read([record], NOTHING_SIGNED)
        assert caught.value.code == "vote-log-record"
        # The same record of another height is not looked into.
        for height in (0, 2):
            log.read([RECORD.encode(Record(kind, height, data))], NOTHING_SIGNED)


# -- the proposals that are kept ------------------------------------------------------------


def make_log(log: Log, names: list[str], prepared: str | None) -> tuple[list[bytes], list[bytes]]:
    """Return the proposals of these names, one a view, and their log with what is prepared."""
    made = {name: log.bench.proposal(ids=(name,)) for name in names}
    messages = [log.bench.pre_prepare(made[name], view) for view, name in enumerate(names)]
    records = [log.make(RecordKind.PROPOSAL, item) for item in messages]
    if prepared is not None:
        block = made[prepared].block_hash
        records.append(log.make_prepared(replace(log.certificate, block_hash=block)))
    return [encode_message(item) for item in messages], records


def name_proposals(count: int, **places: int) -> list[str]:
    names = [f"{number}" for number in range(count)]
    for name, place in places.items():
        names[place] = name.rstrip("_")
    return names


@pytest.mark.parametrize(
    ("names", "prepared", "kept"),
    [
        # Up to sixteen all, then the latest sixteen.
        (name_proposals(16), None, range(16)),
        (name_proposals(17), None, range(1, 17)),
        (name_proposals(40), None, range(24, 40)),
        # The prepared one among the latest, also when it was proposed before as well.
        (name_proposals(40, a=30), "a", range(24, 40)),
        (name_proposals(40, a=24), "a", range(24, 40)),
        (name_proposals(40, a=3, a_=30), "a", range(24, 40)),
        # The prepared one among the older: once, in the place of the oldest of the latest.
        (name_proposals(40, a=0), "a", [0, *range(25, 40)]),
        (name_proposals(40, a=20), "a", [20, *range(25, 40)]),
        (name_proposals(40, a=23), "a", [23, *range(25, 40)]),
        (name_proposals(40, a=5, a_=9), "a", [5, *range(25, 40)]),
        (name_proposals(17, a=0), "a", [0, *range(2, 17)]),
    ],
)
def test_the_latest_sixteen_proposals_are_kept_and_the_prepared_one(
    names: list[str], prepared: str | None, kept: list[int]
) -> None:
    log = Log()
    data, records = make_log(log, names, prepared)
    assert log.read(records, NOTHING_SIGNED).proposals == tuple(data[place] for place in kept)


def test_the_record_of_a_new_key_is_nothing_signed() -> None:
    assert LAST_SIGNED.decode(INITIAL_LAST_SIGNED) == NOTHING_SIGNED
