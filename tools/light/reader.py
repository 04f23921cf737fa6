"""Asks a node and returns only what its answers prove. The one file here with I/O.

Keeps the newest epoch that it has proven. A block that names the trusted set is verified
with it at once; only another set makes it fetch the epochs' ends between.
"""

from __future__ import annotations

from primitives.epochs import compute_epoch_last
from primitives.errors import CarbonodeError
from primitives.genesis import Genesis
from primitives.hashing import Hash, TransactionId
from primitives.params import compute_epoch
from primitives.transaction import decode_transaction
from primitives.validators import ValidatorSet
from tools.client.client import BlockReference, Client
from tools.client.errors import BadAnswer, NotFound
from tools.client.results import Page, get_integer, get_list, get_member, get_object
from tools.client.wire import from_hex, to_hex
from tools.light.answers import reading, refuse
from tools.light.blocks import ProvenBlock, peek_header, verify_commit_answer
from tools.light.epochs import (
    CONTRACT,
    TrustedSet,
    advance,
    find_wanted,
    iterate_proposed,
    make_set,
)
from tools.light.state import ProvenState, get_state_height, verify_state_answer
from tools.light.transactions import ProvenTransaction, is_last, verify_transaction

EPOCHS_MAX = 10_000
"""Epoch ends fetched in one go: beyond, start from a later trusted epoch."""
PAGE_ITEMS = 200
PAGES_MAX = 10
"""Pages of governance's transactions looked through for a set's members."""


class LightReader:
    """One chain seen through nodes that nobody needs to trust."""

    def __init__(self, client: Client, genesis: Genesis, trusted: TrustedSet | None = None) -> None:
        """``trusted`` is where to start; by default the genesis's set in epoch 0."""
        self._client = client
        self._genesis = genesis
        self.trusted = trusted or TrustedSet(0, genesis.validators)

    async def get_block(self, block: int | None = None) -> ProvenBlock:
        """Return the certified block of a height; None is the latest that the node shows."""
        reference: BlockReference = "latest" if block is None else block
        answer = await self._client.call("chain_getCommit", block=reference)
        validators = await self.get_validators(answer)
        return verify_commit_answer(answer, self._genesis, validators, height=block)

    async def get_transaction(self, transaction_id: TransactionId) -> ProvenTransaction:
        """Return a final transaction with its receipt and events, all proven."""
        answer = await self._get_answer(to_hex(transaction_id))
        validators = await self.get_validators(answer)
        last = answer if is_last(answer) else await self._get_last(answer)
        return verify_transaction(
            answer, last, self._genesis, validators, transaction_id=transaction_id
        )

    async def get_state(self, key: bytes) -> ProvenState:
        """Return a state key's value, or its absence, at the height the node answers for."""
        answer = await self._client.call("state_get", key=to_hex(key), proof=True)
        block = await self.get_block(get_state_height(answer))
        return verify_state_answer(answer, key, self._genesis, block)

    async def find_lot_end(self, batch: str, serial: int) -> int:
        """Return where the node says that the lot of a serial ends: nothing is proven by it."""
        answer = await self._client.state_call("units", "get_lot_at", [batch, serial])
        with reading("the lot"):
            return get_integer(get_object(answer.value), "end")

    async def get_validators(self, answer: object) -> ValidatorSet:
        """Return the set to verify ``answer`` with, following the chain where it must.

        For those who verify answers themselves: any that holds ``headerEncoded`` will do.
        """
        header = peek_header(answer)
        if header.validators_hash == self.trusted.validators.hash:
            return self.trusted.validators
        epoch = compute_epoch(header.height, self._genesis.params.epoch_blocks)
        if epoch < self.trusted.epoch:
            raise refuse("epoch", "the block is of an epoch before the trusted one", epoch=epoch)
        if epoch - self.trusted.epoch > EPOCHS_MAX:
            raise refuse("epoch", "too many epochs ahead: give a later trusted one", epoch=epoch)
        while self.trusted.epoch < epoch:
            self.trusted = await self._follow(self.trusted)
        return self.trusted.validators

    async def _get_answer(self, id_text: str) -> object:
        answer: object = await self._client.call("tx_get", id=id_text, proof=True)
        return answer

    async def _get_last(self, answer: object) -> object:
        block = await self._client.call("chain_getBlock", block=peek_header(answer).height)
        with reading("the block"):
            ids = get_list(get_object(block), "transactionIds")
            if not ids:
                raise BadAnswer("a block with a transaction in it has ids")
            last = to_hex(from_hex(ids[-1], 32))
        return await self._get_answer(last)

    async def _follow(self, trusted: TrustedSet) -> TrustedSet:
        """Return the next epoch, proven by the last block of this one."""
        height = compute_epoch_last(trusted.epoch, self._genesis.params.epoch_blocks)
        answer = await self._client.call("chain_getCommit", block=height)
        end = verify_commit_answer(answer, self._genesis, trusted.validators, height=height)
        wanted = find_wanted(trusted, end)
        found = None if wanted is None else await self._find_set(wanted)
        return advance(trusted, end, self._genesis, () if found is None else (found,))

    async def _find_set(self, wanted: Hash) -> ValidatorSet | None:
        """Return the set of a hash: from a node that had it in force, or among the proposals."""
        try:
            answer = await self._client.call("validator_list", validatorsHash=to_hex(wanted))
        except NotFound:
            return await self._find_among_proposals(wanted)
        with reading("the validators"):
            listed = get_list(get_object(answer), "validators")
            now = make_set(
                (get_member(item, "name"), from_hex(get_member(item, "publicKey")))
                for item in map(get_object, listed)
            )
        if now is not None and now.hash == wanted:
            return now
        return await self._find_among_proposals(wanted)

    async def _find_among_proposals(self, wanted: Hash) -> ValidatorSet | None:
        cursor: str | None = None
        # Counted, not followed to its end: a node could invent pages for ever.
        for _ in range(PAGES_MAX):
            answer = await self._client.call(
                "tx_search", contract=CONTRACT, limit=PAGE_ITEMS, cursor=cursor
            )
            with reading("the search"):
                page = Page.parse(answer)
                ids = [to_hex(from_hex(get_member(item, "id"), 32)) for item in page.items]
            for id_text in ids[:PAGE_ITEMS]:
                found = await self._find_proposed(id_text, wanted)
                if found is not None:
                    return found
            cursor = page.next_cursor
            if cursor is None:
                break
        return None

    async def _find_proposed(self, id_text: str, wanted: Hash) -> ValidatorSet | None:
        answer = await self._client.call("tx_get", id=id_text, proof=False)
        try:
            encoded = from_hex(get_member(get_object(answer), "encoded"))
            calls = decode_transaction(encoded).body.calls
        except CarbonodeError:
            return None  # not a proof of anything, only a place to look
        return next((found for found in iterate_proposed(calls) if found.hash == wanted), None)
