"""What is final and in force: the tip, its rules, and the state after it.

Everyone who asks "is this account a member, is this id committed, what are the
parameters" asks here, on the last committed height, and never waits for consensus.
Lives on the event loop; the view that it holds is replaced at each commit.
"""

from __future__ import annotations

from consensus.effects import CommittedTip
from node.journal import Journal
from primitives.epochs import EPOCH_END
from primitives.errors import CarbonodeError
from primitives.hashing import Address, TransactionId
from primitives.params import ChainParams
from primitives.validators import ValidatorSet
from storage.chain import ChainStore
from storage.stateview import StateView
from vm import engine_view

MEMBERS_CACHED_MAX = 100_000
"""Senders whose membership is remembered until the next commit."""


class StateError(CarbonodeError):
    """A committed state that lacks what every state has: damage, or another program's."""

    code = "state"


class CommittedState:
    """See the module. ``close`` it before the store."""

    def __init__(self, chain: ChainStore, tip: CommittedTip, view: StateView) -> None:
        self._chain = chain
        self._tip = tip
        self._view = view
        self._members: dict[Address, bool] = {}

    @classmethod
    def open(cls, chain: ChainStore, journal: Journal) -> CommittedState:
        """Return the state of the stored tip."""
        view = chain.view()
        stored = chain.tip
        params, validators = engine_view.get_params(view), engine_view.get_validators(view)
        if stored is None or params is None or validators is None:
            view.close()
            raise StateError("the state has no parameters or no validators")
        tip = CommittedTip(
            height=stored.height,
            block_hash=stored.block_hash,
            exec_hash=stored.exec_hash,
            time_ms=stored.time_ms,
            certificate=stored.certificate,
            validators=_find_tip_set(chain, journal, stored.height, validators),
            next_validators=validators,
            next_params=params,
            next_leaders=engine_view.get_leaders(view),
        )
        return cls(chain, tip, view)

    @property
    def tip(self) -> CommittedTip:
        """The last committed height, as consensus wants it."""
        return self._tip

    @property
    def view(self) -> StateView:
        """The state after the tip; never kept across a commit, which closes it."""
        return self._view

    @property
    def height(self) -> int:
        """The last committed height."""
        return self._tip.height

    @property
    def params(self) -> ChainParams:
        """The parameters of the next height."""
        return self._tip.next_params

    @property
    def validators(self) -> ValidatorSet:
        """The validators of the next height."""
        return self._tip.next_validators

    def is_member(self, sender: Address) -> bool:
        """Whether governance knows the sender as an organisation's account."""
        known = self._members.get(sender)
        if known is None:
            known = engine_view.get_account(self._view, sender) is not None
            if len(self._members) < MEMBERS_CACHED_MAX:
                self._members[sender] = known
        return known

    def is_committed(self, transaction_id: TransactionId) -> bool:
        """Whether a block holds this id."""
        return self._chain.find_transaction(transaction_id) is not None

    def advance(self, tip: CommittedTip) -> None:
        """The store committed ``tip``: read from there now."""
        old, self._view = self._view, self._chain.view()
        old.close()
        self._members.clear()
        self._tip = tip

    def close(self) -> None:
        """Release the view."""
        self._view.close()


def _find_tip_set(
    chain: ChainStore, journal: Journal, height: int, current: ValidatorSet
) -> ValidatorSet:
    """Return the set that certified the tip; the state itself names only the next one."""
    header = chain.get_header(height) if height else None
    if header is None or header.validators_hash == current.hash:
        return current
    kept = journal.load_set(header.validators_hash)
    if kept is None and header.epoch > 0:
        # A copy of the database alone, restored on another machine, knows it too.
        before = chain.get_epoch_end(header.epoch - 1)
        found = None if before is None else EPOCH_END.decode(before).validators
        kept = found if found is not None and found.hash == header.validators_hash else None
    if kept is None:
        raise StateError("the tip's validator set is lost", hash=header.validators_hash.hex())
    return kept
