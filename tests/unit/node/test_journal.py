"""Promises on disk: what is replayed, what a lost record means, what is kept of bodies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from consensus.effects import Persist
from consensus.messages import Vote, encode_message
from consensus.recovery import RecordKind, encode_record
from consensus.signing import INITIAL_LAST_SIGNED, LAST_SIGNED, LastSigned
from node.journal import SIGNER_FILE, VOTE_LOG_FOLDER, Journal
from node.parts import open_parts
from primitives.hashing import ZERO_HASH, Hash
from storage.errors import StorageError
from storage.signer import SignerRecordFile
from storage.votelog import VoteLog
from tests.unit.node.support import make_configs, make_genesis, make_validator_key

BLOCK = Hash(b"b" * 32)


def open_journal(folder: Path, *, is_first_start: bool = False) -> Journal:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    return Journal.open(data, folder / "signer", is_first_start=is_first_start)


def sign(height: int, step: int) -> bytes:
    return LAST_SIGNED.encode(LastSigned(height, 0, step, Hash(bytes([step]) * 32), bytes(64)))


def test_what_was_persisted_is_replayed_in_order_with_the_body(tmp_path: Path) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path, is_first_start=True)
        assert journal.replay(1).last_signed == INITIAL_LAST_SIGNED
        first = Persist((b"one", b"two"), sign(5, 1), BLOCK)
        await journal.persist(first, 5, [b"tx-a", b"tx-b"])
        await journal.persist(Persist((b"three",), sign(5, 2), BLOCK), 5, [b"tx-a", b"tx-b"])
        journal.close()

    asyncio.run(work())
    journal = open_journal(tmp_path)
    replayed = journal.replay(5)
    assert replayed.records == (b"one", b"two", b"three")
    assert replayed.last_signed == sign(5, 2)
    # The second Persist named the same block: its bytes are on disk once.
    assert [body.transactions for body in replayed.bodies] == [(b"tx-a", b"tx-b")]
    assert journal.replay(6).records == ()
    journal.close()


def test_a_missing_record_is_made_only_at_the_first_start(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, is_first_start=True)
    journal.close()
    (tmp_path / "signer" / SIGNER_FILE).unlink()
    journal = open_journal(tmp_path)
    assert journal.replay(1).last_signed is None
    journal.close()


def test_a_lost_record_is_made_again_with_the_first_vote_that_is_safe(tmp_path: Path) -> None:
    # Without it every later start would watch, and two signatures had one guard, not two.
    async def work() -> None:
        journal = open_journal(tmp_path)
        assert journal.replay(1).last_signed is None
        await journal.persist(Persist((b"r",), None), 8, None)
        assert not (tmp_path / "signer" / SIGNER_FILE).exists()
        await journal.persist(Persist((b"r",), sign(9, 1)), 9, None)
        with pytest.raises(StorageError):
            await journal.persist(Persist((b"r",), sign(8, 2)), 9, None)
        journal.close()

    asyncio.run(work())
    journal = open_journal(tmp_path)
    assert journal.replay(1).last_signed == sign(9, 1)
    journal.close()


def test_a_vote_in_the_log_alone_is_on_record_before_it_is_repeated(tmp_path: Path) -> None:
    # Found by the simulator of whole nodes (profile restarts, seed 4): a crash between log and
    # record, then the vote is repeated; with the log lost after that we could vote otherwise.
    config, genesis, key = make_configs(tmp_path, 1)[0], make_genesis(1), make_validator_key(0)
    open_parts(config, genesis, key).close()
    vote = encode_message(Vote(1, 1, 0, BLOCK, ZERO_HASH, 0, bytes(64)))
    with VoteLog.open(config.data_path / VOTE_LOG_FOLDER) as log:
        log.append([b"\x01" + encode_record(RecordKind.VOTE, 1, vote)], 1)
    open_parts(config, genesis, key).close()
    with SignerRecordFile.open(config.signer_path / SIGNER_FILE) as file:
        assert file.record.place == (1, 0, 1)


def test_the_signer_never_goes_back(tmp_path: Path) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path, is_first_start=True)
        await journal.persist(Persist((b"r",), sign(5, 2)), 5, None)
        with pytest.raises(StorageError):
            await journal.persist(Persist((b"r",), sign(5, 1)), 5, None)
        journal.close()

    asyncio.run(work())


def test_sets_and_reports_are_kept(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, is_first_start=True)
    validators = make_genesis(4).validators
    assert journal.load_set(validators.hash) is None
    journal.save_set(validators)
    assert journal.load_set(validators.hash) == validators
    path = journal.write_report("halt-5.txt", "why")
    assert path.read_text() == "why"
    journal.close()
