"""Each check of the whole-node simulator fires on what it is there for."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from consensus.messages import Vote, encode_message
from consensus.signing import LastSigned
from node.execution import apply_genesis
from p2p.frames import Frame, FrameKind
from primitives.certificate import CERTIFICATE, Certificate
from primitives.genesis import compute_chain_id
from primitives.hashing import ZERO_HASH, Hash
from storage import schema
from storage.chain import ChainStore
from storage.chaintip import STORED_TIP, StoredTip
from storage.memory import MemoryStore
from tools.simulator.whole.chain import make_genesis, make_machine
from tools.simulator.whole.clients import Acknowledged
from tools.simulator.whole.ending import TASKS_MAX, check_bounds, check_disks
from tools.simulator.whole.machine import HOME
from tools.simulator.whole.store import StoreImage
from tools.simulator.whole.watch import LogWatch, Watch

GENESIS = make_genesis(4)
HASHES = [Hash(bytes([number]) * 32) for number in range(4)]


class Findings:
    """What was found."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def fail(self, what: str, **details: object) -> None:
        self.texts.append(what)


def make_watch(findings: Findings, signed: LastSigned | None = None) -> Watch:
    return Watch(GENESIS, findings.fail, lambda machine: signed, None)


def make_rows(height: int, block_hash: Hash) -> dict[bytes, bytes]:
    tip = StoredTip(height, block_hash, HASHES[1], HASHES[2], 1, 4, 0)
    return {schema.META_TIP: STORED_TIP.encode(tip)}


def test_two_results_at_one_height_are_found() -> None:
    findings = Findings()
    watch = make_watch(findings)
    watch.see_write(0, make_rows(0, HASHES[0]))
    watch.see_write(1, make_rows(0, HASHES[0]))
    assert findings.texts == []
    watch.see_write(2, make_rows(0, HASHES[3]))
    assert findings.texts == ["two results are final at one height"]


def test_a_block_without_a_quorum_s_certificate_is_found() -> None:
    findings = Findings()
    forged = Certificate(1, 0, HASHES[0], HASHES[1], (0, 1, 2), (bytes(64),) * 3)
    rows = make_rows(1, HASHES[0])
    rows[schema.make_height_key(b"c", 1)] = CERTIFICATE.encode(forged)
    make_watch(findings).see_write(0, rows)
    assert findings.texts == ["a block is final without a proof"]


def make_vote(block_hash: Hash, signer: int = 0) -> Frame:
    vote = Vote(1, 5, 0, block_hash, ZERO_HASH, signer, bytes(64))
    return Frame(FrameKind.CONSENSUS, encode_message(vote))


def test_two_words_at_one_place_and_words_before_the_disk_are_found() -> None:
    findings = Findings()
    signed = LastSigned(5, 0, 1, HASHES[0], bytes(64))
    watch = make_watch(findings, signed)
    watch.see_frame(0, make_vote(HASHES[0]))
    watch.see_frame(1, make_vote(HASHES[3]))  # another's vote, handed on
    assert findings.texts == []
    watch.see_frame(0, make_vote(HASHES[3]))
    assert findings.texts == ["two digests at one place"]
    late = Findings()
    make_watch(late, replace(signed, step=0)).see_frame(0, make_vote(HASHES[0]))
    make_watch(late, None).see_frame(0, make_vote(HASHES[0]))
    assert late.texts == ["said before it was on disk"] * 2


@pytest.mark.parametrize(
    ("level", "text", "finding"),
    [
        (logging.WARNING, "peer v2 banned for 60 s: bad-signature: block", ["an honest peer"]),
        (logging.WARNING, "peer v1 banned for 60 s: bad-signature: block", []),
        (logging.WARNING, "peer v2 banned for 2 s: timeout: silent", []),
        (logging.ERROR, "blocks cannot be read", ["a node met an error"]),
        (logging.ERROR, "the last-signed record is lost: it watches", []),
    ],
)
def test_bans_of_honest_peers_and_errors_are_read_in_the_logs(
    level: int, text: str, finding: list[str]
) -> None:
    findings = Findings()
    record = logging.LogRecord("carbonode.p2p", level, __file__, 1, text, None, None)
    LogWatch(findings.fail, lambda line: None, liar=1).emit(record)
    assert [found.startswith(tuple(finding)) for found in findings.texts] == [True] * len(finding)


def make_machine_on(chain_height: int = 0) -> SimpleNamespace:
    """Return a machine with a chain of height 0 on its disk."""
    image = StoreImage()
    store = MemoryStore()
    with ChainStore.open(store, compute_chain_id(GENESIS)) as chain:
        apply_genesis(chain, make_machine(GENESIS.params.vm_version), GENESIS)
        image.rows = dict(store.scan(b"", None, 1_000_000))
    return SimpleNamespace(index=0, images={HOME / "v0" / "data" / "chain": image})


def test_a_lost_transaction_and_a_missing_chain_are_found() -> None:
    findings = Findings()
    machine = make_machine_on()
    check_disks([machine], GENESIS, [], None, findings.fail)  # type: ignore[list-item]  # enough of one
    assert findings.texts == []
    told = [Acknowledged(HASHES[0], 1, 0)]
    check_disks([machine], GENESIS, told, None, findings.fail)  # type: ignore[list-item]  # enough of one
    assert findings.texts == ["what was final is lost"]
    machine.images = {Path("/elsewhere"): StoreImage()}
    check_disks([machine], GENESIS, [], None, findings.fail)  # type: ignore[list-item]  # enough of one
    assert findings.texts[-1] == "no chain on disk"


def test_a_queue_that_grows_is_found() -> None:
    findings = Findings()
    config = SimpleNamespace(
        mempool=SimpleNamespace(transactions_max=10), rpc=SimpleNamespace(waiters_max=10)
    )
    lanes = SimpleNamespace(name="v1", lane_bytes=(0, 0, 1 << 40))
    parts = SimpleNamespace(
        config=config,
        mempool=range(11),
        notifier=SimpleNamespace(waiting=11),
        links=SimpleNamespace(requests=SimpleNamespace(waiting=1 << 20)),
        network=SimpleNamespace(describe=lambda: [lanes]),
    )
    life = SimpleNamespace(tasks=range(TASKS_MAX + 1), jobs=1 << 20, name="v0.1")
    machine = SimpleNamespace(life=life, node=SimpleNamespace(parts=parts))
    check_bounds(machine, findings.fail)  # type: ignore[arg-type]  # enough of one
    assert findings.texts == ["a queue without bound"] * 6
