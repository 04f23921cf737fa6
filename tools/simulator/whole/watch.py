"""What must hold, looked at from outside: the wire, the disks, the logs, the clients.

Never asks a node what it believes. The first breach is kept and ends the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from consensus.messages import PrePrepare, ViewChangeMessage, Vote, decode_message
from consensus.signing import LastSigned
from p2p.frames import Frame, FrameKind
from primitives.block import compute_header_hash
from primitives.certificate import CERTIFICATE, Phase, compute_vote_bytes
from primitives.errors import CodecError, ProofError
from primitives.genesis import Genesis, compute_chain_id
from primitives.hashing import ZERO_HASH, Hash
from primitives.keys import verify
from primitives.params import compute_epoch
from storage import schema
from storage.chaintip import STORED_TIP
from tools.simulator.whole.chain import PARAMS, check_certificate
from tools.simulator.whole.life import LIFE

Fail = Callable[..., None]
ReadSigned = Callable[[int], LastSigned | None]
"""Returns the last-signed record that a crash of that machine would leave now."""

_CONSENSUS_KINDS = (FrameKind.CONSENSUS, FrameKind.GOSSIP_CONSENSUS)
_EXPECTED_ERRORS = ("the last-signed record is lost", "the operator says the last-signed record")


class Watch:
    """See the module. ``liar`` is the one machine that may be blamed."""

    def __init__(
        self, genesis: Genesis, fail: Fail, read_signed: ReadSigned, liar: int | None
    ) -> None:
        self._genesis, self._chain_id = genesis, compute_chain_id(genesis)
        self._fail, self._read_signed, self._liar = fail, read_signed, liar
        self.final: dict[int, tuple[Hash, Hash, Hash]] = {}
        self._said: dict[tuple[int, int, int, int], tuple[Hash, Hash]] = {}
        self._seen: dict[tuple[int, bytes], None] = {}
        self._certificates: dict[bytes, None] = {}

    # -- the disks

    def see_write(self, machine: int, rows: Mapping[bytes, bytes]) -> int | None:
        """A machine writes a batch to its chain; returns the height it makes final."""
        tip_row = rows.get(schema.META_TIP)
        if tip_row is None:
            return None
        tip = STORED_TIP.decode(tip_row)
        decided = (tip.block_hash, tip.exec_hash, tip.state_root)
        if self.final.setdefault(tip.height, decided) != decided:
            self._fail("two results are final at one height", machine=machine, height=tip.height)
        if tip.height:
            self._check_certificate(machine, tip.height, rows)
        return tip.height

    def _check_certificate(self, machine: int, height: int, rows: Mapping[bytes, bytes]) -> None:
        encoded = rows.get(schema.make_height_key(b"c", height), b"")
        if encoded in self._certificates:
            return
        try:
            certificate = CERTIFICATE.decode(encoded)
            check_certificate(certificate, self._chain_id, self._genesis.validators)
        except (CodecError, ProofError) as error:
            self._fail("a block is final without a proof", machine=machine, reason=error)
            return
        block_hash, exec_hash, _ = self.final[height]
        if (certificate.block_hash, certificate.exec_hash) != (block_hash, exec_hash):
            self._fail("final is not what was certified", machine=machine, height=height)
        self._certificates[encoded] = None

    # -- the wire

    def see_frame(self, source: int, frame: Frame) -> None:
        """A frame leaves a machine."""
        if frame.kind not in _CONSENSUS_KINDS or (source, frame.payload) in self._seen:
            return
        self._seen[source, frame.payload] = None
        try:
            message = decode_message(frame.payload)
        except CodecError as error:
            self._fail("a node sends garbage", machine=source, reason=error)
            return
        if isinstance(message, Vote) and message.signer == source:
            content = (message.block_hash, message.exec_hash)
            self._hear(source, (message.height, message.view, message.phase), content)
        elif isinstance(message, PrePrepare):
            # Its leader's PREPARE is inside; others hand it on.
            content = (compute_header_hash(message.header), ZERO_HASH)
            if self._is_leader(source, message, content[0]):
                self._hear(source, (message.height, message.view, int(Phase.PREPARE)), content)
        elif isinstance(message, ViewChangeMessage) and message.view_change.signer == source:
            item = message.view_change
            prepared = ZERO_HASH if item.prepared is None else item.prepared.block_hash
            self._hear(source, (item.height, item.view, 0), (prepared, ZERO_HASH))

    def _is_leader(self, machine: int, message: PrePrepare, block_hash: Hash) -> bool:
        key = self._genesis.validators.members[machine].public_key
        epoch = compute_epoch(message.height, PARAMS.epoch_blocks)
        signed = compute_vote_bytes(
            Phase.PREPARE, self._chain_id, epoch, message.height, message.view, block_hash
        )
        return verify(key, signed, message.signature)

    def _hear(self, machine: int, place: tuple[int, int, int], content: tuple[Hash, Hash]) -> None:
        before = self._said.setdefault((machine, *place), content)
        if before != content:
            self._fail("two digests at one place", machine=machine, place=place)
        record = self._read_signed(machine)
        if record is None or (record.height, record.view, record.step) < place:
            self._fail("said before it was on disk", machine=machine, place=place)


class LogWatch(logging.Handler):
    """Reads what nodes tell their operators: errors, and honest peers that are banned."""

    def __init__(self, fail: Fail, note: Callable[[str], None], liar: int | None) -> None:
        super().__init__(logging.WARNING)
        self._fail, self._note, self._liar = fail, note, liar

    def emit(self, record: logging.LogRecord) -> None:
        """Judge one line. Lines of a life that has crashed were never written."""
        life = LIFE.get()
        text = record.getMessage()
        if life is not None and life.is_dead:
            return
        self._note(f"{life.name if life else 'world'} log {text}")
        if record.exc_info is not None and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        if " banned for " in text and ("bad-signature" in text or "protocol" in text):
            if f"peer v{self._liar} " not in text:
                self._fail("an honest peer was banned", by=life.name if life else "", reason=text)
        elif record.levelno >= logging.ERROR and not text.startswith(_EXPECTED_ERRORS):
            self._fail("a node met an error", node=life.name if life else "", text=text)
