"""Blocks, bodies and transactions between simulated nodes: what sync and gossip carry.

A transaction is its id here, and a body the ids of a block: who never saw a transaction
cannot answer for it. As node/bodies.py does, a body with a transaction that is final
already is refused; nothing that comes from a peer is believed unchecked.
"""

from __future__ import annotations

from consensus.effects import Behind, FetchBody, Proposal
from consensus.rules import HeightRules, check_content, check_successor
from primitives.block import compute_header_hash
from primitives.certificate import Certificate, verify_certificate
from primitives.errors import CodecError, ProofError
from primitives.hashing import Hash, TransactionId
from tools.simulator.execution import compute_execution
from tools.simulator.host import Host

SYNC_BLOCKS_MAX = 16
RETRY_MS = 300


class Exchange(Host):
    """Adds: asking and answering for blocks, bodies and transactions."""

    def _forget(self) -> None:
        super()._forget()
        self._wanted: dict[Hash, Proposal] = {}

    def take(self, source: int, kind: str, payload: object) -> None:
        """Take what the network brings, except consensus messages."""
        if kind == "transaction":
            self.take_transaction(payload)
        elif kind == "get-blocks":
            assert isinstance(payload, int)
            blocks = tuple(self.disk.blocks[payload : payload + SYNC_BLOCKS_MAX])
            if blocks:
                self.send(source, "blocks", blocks)
        elif kind == "blocks":
            self._take_blocks(payload)
        elif kind == "get-body":
            self._answer_body(source, payload)
        elif kind == "body":
            self._take_body(payload)

    # -- bodies -------------------------------------------------------------------------------

    def _fetch(self, effect: FetchBody) -> None:
        proposal = effect.proposal
        ids, block_hash = proposal.transaction_ids, proposal.block_hash
        if block_hash in self._proposals:
            return
        if self._has_body(block_hash, ids):
            self.later(1, lambda: self.have_body(proposal))
            return
        self._wanted[block_hash] = proposal
        holders = [self.world.get_node_index(address) for address in effect.holders]
        everyone = self.world.get_links(self.index)
        holders = [node for node in holders if node in everyone]
        choice = holders if holders and self.world.random_int(0, 1) else list(everyone)
        if not choice:
            return
        target = choice[self.world.random_int(0, len(choice) - 1)]
        self.send(target, "get-body", (block_hash, ids))
        if self.tip.height < proposal.header.height:
            self.later(RETRY_MS, lambda: self._fetch(effect))

    def _has_body(self, block_hash: Hash, ids: tuple[TransactionId, ...]) -> bool:
        if self.disk.bodies.get(block_hash) == ids:
            return True
        return all(item in self.pool or item in self.committed for item in ids)

    def have_body(self, proposal: Proposal) -> None:
        """All transactions of a block are here: it may be voted for if none is final already."""
        self._wanted.pop(proposal.block_hash, None)
        again = self._find_repeated(proposal)
        if again is None:
            self.feed(lambda: self.replica.body_ready(proposal.block_hash, self.clock))
            return
        self._count("driver", "body refused: a transaction is final already")
        reason = f"{again.hex()} is final already"
        self.feed(lambda: self.replica.body_refused(proposal.block_hash, reason, self.clock))

    def _find_repeated(self, proposal: Proposal) -> TransactionId | None:
        """Return a transaction of the block that is final already, None when there is none."""
        return next((item for item in proposal.transaction_ids if item in self.committed), None)

    def _answer_body(self, source: int, payload: object) -> None:
        assert isinstance(payload, tuple)
        block_hash, ids = payload
        if self._has_body(block_hash, ids):
            self.send(source, "body", (block_hash, ids))

    def _take_body(self, payload: object) -> None:
        assert isinstance(payload, tuple)
        proposal = self._wanted.get(payload[0])
        if proposal is None:
            return
        if proposal.transaction_ids == payload[1]:
            self.have_body(proposal)
        else:
            self._count("driver", "body of other transactions")

    # -- transactions -------------------------------------------------------------------------

    def take_transaction(self, payload: object) -> None:
        """A transaction from a client or by gossip."""
        assert isinstance(payload, bytes)
        if payload in self._handed_on or payload in self.committed:
            return
        self._handed_on[payload] = None
        if self.world.is_gossiping():
            for target in self.world.get_links(self.index):
                self.send(target, "transaction", payload)
        self.pool[TransactionId(payload)] = None
        if len(self.pool) == 1:
            self.say_waiting()

    # -- sync -------------------------------------------------------------------------------

    def _behind(self, effect: Behind) -> None:
        links = self.world.get_links(self.index)
        if effect.peer is not None:
            target = self.world.get_node_index(effect.peer)
        elif links:
            target = links[self.world.random_int(0, len(links) - 1)]
        else:
            return
        self.send(target, "get-blocks", self.tip.height)

    def _take_blocks(self, payload: object) -> None:
        assert isinstance(payload, tuple)
        before = self.tip.height
        for proposal, certificate, _ in payload:
            if proposal.header.height == self.tip.height + 1:
                if self.disk.is_full(self.world.now):
                    break
                if not self._is_final(proposal, certificate):
                    break
                self._write(proposal, certificate, certificate.exec_hash)
        if self.tip.height > before:
            self.world.checker.see_told(self.index, self.tip.height)
            self.feed(lambda: self.replica.caught_up(self.tip, self.clock))

    def _is_final(self, proposal: Proposal, certificate: Certificate) -> bool:
        """Whether sync may write the block: header, content, certificate, own execution."""
        rules = HeightRules.of(self.world.chain_id, self.tip)
        block_hash = compute_header_hash(proposal.header)
        try:
            check_successor(rules, proposal.header, proposal.parent_certificate)
            check_content(proposal)
            verify_certificate(
                certificate, self.world.chain_id, rules.epoch, rules.validators,
                check=self.world.check,
            )  # fmt: skip
        except (CodecError, ProofError) as error:
            self._count("driver", f"block refused: {error.code}")
            return False
        executed = compute_execution(block_hash, self.tip.exec_hash)
        found = (certificate.height, certificate.block_hash, certificate.exec_hash)
        if found != (rules.height, block_hash, executed) or proposal.block_hash != block_hash:
            self._count("driver", "block refused: another block's certificate")
            return False
        return True
