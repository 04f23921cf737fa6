"""Invariants of contracts as properties: hypothesis looks for calls that break one.

``check_invariant`` makes sequences of calls from the contract's own types, runs each on a fresh
chain and asks the invariant after every call. A refusal is a fine answer; so is a fault of the
contract (``overflow``), which changes nothing. What it finds is shrunk to few and small
calls, which a note on the error lists. Needs hypothesis. Source: docs/contracts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tools.authoring.chain import CallFailed, ContractChain
from vm.authoring import parse_sender
from vm.types import DictType, ListType, RecordType, Scalar, TupleType, Type

DEFAULT_SENDERS = ("alice", "bob", "carol")
PAUSE_S_MAX = 100_000
"""A little over a day: what waits for the next day is reached in one step."""
_EDGES = (0, 1, -1, (1 << 255) - 1, -(1 << 255))
_TEXT = "ab-0 "
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""Without the explanation, which takes longer than the search and speaks of bytes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a sequence. ``pause_s`` passes before it."""

    contract: str
    method: str
    arguments: tuple[Any, ...]
    sender: str
    pause_s: int

    def describe(self, senders: Sequence[str]) -> str:
        """Return the call as people write it, senders by their labels."""
        labels = {bytes(parse_sender(name)): name for name in senders}
        words = [labels.get(item, repr(item)) if isinstance(item, bytes) else repr(item)
                 for item in self.arguments]  # fmt: skip
        later = f", {self.pause_s} s later" if self.pause_s else ""
        return f"{self.contract}.{self.method}({', '.join(words)}) by {self.sender}{later}"


def make_values(kind: Type, senders: Sequence[str] = DEFAULT_SENDERS) -> st.SearchStrategy[Any]:
    """Return a strategy of values of ``kind``: mostly small, with the edges; few, so they meet."""
    match kind:
        case ListType(item):
            return st.lists(make_values(item, senders), max_size=4)
        case TupleType(items):
            return st.tuples(*[make_values(item, senders) for item in items])
        case DictType(key, value):
            keys, values = make_values(key, senders), make_values(value, senders)
            return st.dictionaries(keys, values, max_size=4)
        case RecordType():
            return st.tuples(*[make_values(field, senders) for _, field in kind.fields])
        case Scalar(name):
            return _SCALARS[name](senders)


_SCALARS: dict[str, Callable[[Sequence[str]], st.SearchStrategy[Any]]] = {
    "int": lambda senders: st.integers(-2, 200) | st.sampled_from(_EDGES),
    "str": lambda senders: st.text(_TEXT, max_size=4),
    "bool": lambda senders: st.booleans(),
    "bytes": lambda senders: st.binary(max_size=4) | st.just(bytes(32)),
    "Address": lambda senders: st.sampled_from([parse_sender(name) for name in senders]),
    "None": lambda senders: st.none(),
    "any": lambda senders: st.integers(0, 9),
}


def make_steps(
    chain: ContractChain, senders: Sequence[str] = DEFAULT_SENDERS, methods: Sequence[str] = ()
) -> st.SearchStrategy[Step]:
    """Return a strategy of calls of the exported methods, or of ``methods``."""
    choices = []
    for name, deployed in chain.contracts.items():
        for function in deployed.contract.functions.values():
            wanted = function.name in methods if methods else function.role == "export"
            if wanted and function.role in ("export", "view"):
                values = [make_values(kind, senders) for _, kind in function.parameters]
                choices.append(_make_calls(name, function.name, values, senders))
    if not choices:
        raise AssertionError("no method to call")
    return st.one_of(choices)


def _make_calls(
    contract: str, method: str, values: list[st.SearchStrategy[Any]], senders: Sequence[str]
) -> st.SearchStrategy[Step]:
    pauses = st.just(0) | st.integers(0, PAUSE_S_MAX)
    who = st.sampled_from(list(senders))
    return st.builds(Step, st.just(contract), st.just(method), st.tuples(*values), who, pauses)


def take_step(chain: ContractChain, step: Step) -> CallFailed | None:
    """Run one step in a block of its own; return how it failed, None when it did not."""
    chain.advance(seconds=step.pause_s, blocks=1)
    try:
        chain.contracts[step.contract].call(step.method, *step.arguments, sender=step.sender)
    except CallFailed as failed:
        if failed.code == "internal":
            raise
        return failed
    return None


def check_invariant(
    setup: Callable[[], ContractChain],
    invariant: Callable[[ContractChain], None],
    *,
    senders: Sequence[str] = DEFAULT_SENDERS,
    methods: Sequence[str] = (),
    steps_max: int = 20,
    examples: int = 100,
) -> None:
    """Look for calls after which ``invariant`` no longer holds.

    ``setup`` returns a chain with everything deployed, each time a new one; ``invariant``
    asserts. Raises what the invariant raised, for the smallest sequence found.
    """
    steps = st.lists(make_steps(setup(), senders, methods), max_size=steps_max)

    @settings(
        max_examples=examples,
        deadline=None,
        phases=_PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps)
    def no_calls_break_it(calls: list[Step]) -> None:
        told: list[str] = []
        try:
            chain = setup()
            invariant(chain)
            for step in calls:
                told.append(step.describe(senders))
                failed = take_step(chain, step)
                if failed is not None:
                    told[-1] += f" -> {failed.status} {failed.code}"
                invariant(chain)
        except Exception as error:
            error.add_note("\n".join(["broken by these calls:", *told]))
            raise

    no_calls_break_it()
