"""The search over all global states: three honest replicas and the messages in the world.

A message that was ever said may be delivered at any later time, to anyone, or never; so the
messages in the world are simply all that honest replicas said, and whatever the liar can form
from them. A global state is then three locals, and nothing else.

The liar signs any vote of its own; a certificate exists for it as soon as q - 1 honest
validators signed the same; in the views it leads it proposes either of two blocks of its own,
or any block that was ever proposed, under any new-view proof that can be formed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from consensus.replica import Replica
from primitives.validators import ValidatorSet
from tests.model.locals import Local, Locals, ModelViolation
from tests.model.words import VALIDATORS, Book, Label, Prepared

State = tuple[int, int, int]


@dataclass
class Found:
    """What a search found. ``trace``: the steps to the first violation, by replica."""

    states: int
    depth: int
    steps: int
    core_steps: int
    locals: int
    violation: str = ""
    trace: tuple[str, ...] = ()
    visited: dict[State, State | None] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class World:
    """The messages that exist."""

    prepares: Counter[tuple[int, int]]
    """(view, block) -> how many honest replicas said PREPARE."""
    commits: Counter[tuple[int, int]]
    moves: dict[int, dict[int, Prepared]]
    """view -> honest sender -> what its VIEW-CHANGE reports."""
    proposals: frozenset[tuple[int, int, Prepared]]
    """PRE-PREPAREs of honest leaders."""


class Search:
    """Breadth first, so that the first violation has a shortest trace."""

    def __init__(
        self,
        liar: int,
        views: int,
        replica_type: type[Replica] = Replica,
        validators: type[ValidatorSet] = ValidatorSet,
        *,
        rules: bool = True,
    ) -> None:
        self.liar, self.views, self._check_rules = liar, views, rules
        self.book = Book(validators)
        self.quorum = self.book.validators.quorum
        self.honest = tuple(number for number in range(VALIDATORS) if number != liar)
        self.leaders = [self.book.get_leader(view) for view in range(views)]
        self.lies = {
            view: tuple(self.book.make_block(liar, f"{name} {view}") for name in "xy")
            for view in range(views)
            if self.leaders[view] == liar
        }
        self.locals = Locals(self.book, replica_type, rules)
        self._worlds: dict[frozenset[Label], object] = {}

    def run(self, states_max: int = 50_000_000) -> Found:
        """Visit every state that can be reached."""
        start = tuple(self.locals.start(index) for index in self.honest)
        visited: dict[State, State | None] = {start: None}  # type: ignore[dict-item]
        level, depth, steps = [start], 0, 0
        while level:
            following: list[State] = []
            for state in level:
                try:
                    for _, _, successor in self.find_steps(state):  # type: ignore[arg-type]
                        steps += 1
                        if successor not in visited:
                            visited[successor] = state  # type: ignore[assignment]
                            following.append(successor)
                            wrong = self.find_wrong(successor)
                            if wrong:
                                trace = self._trace(visited, successor)
                                return self._found(visited, depth + 1, steps, wrong, trace)
                except ModelViolation as error:
                    trace = self._trace(visited, state)  # type: ignore[arg-type]
                    return self._found(visited, depth + 1, steps, str(error), trace)
                if len(visited) > states_max:
                    raise MemoryError(f"more than {states_max} states at depth {depth}")
            level, depth = following, depth + bool(following)  # type: ignore[assignment]
        return self._found(visited, depth, steps)

    # -- what can happen next ------------------------------------------------------------------

    def find_steps(self, state: State) -> Iterator[tuple[int, Label, State]]:
        """Yield (which replica, what happens to it, the state after it)."""
        locals_ = [self.locals.all[number] for number in state]
        world = self.see(locals_)
        proposals = self._find_proposals(world)
        for place, local in enumerate(locals_):
            for name in self._find_names(local, world, proposals):
                after = self.locals.step(local.number, name)
                if after != local.number:
                    yield place, name, (*state[:place], after, *state[place + 1 :])  # type: ignore[misc]

    def see(self, locals_: list[Local]) -> World:
        """Return the messages that honest replicas have said."""
        prepares: Counter[tuple[int, int]] = Counter()
        commits: Counter[tuple[int, int]] = Counter()
        moves: dict[int, dict[int, Prepared]] = {}
        proposals: set[tuple[int, int, Prepared]] = set()
        for local in locals_:
            for item in local.sent:
                if item[0] == "P":
                    prepares[item[1], item[2]] += 1  # type: ignore[index]
                elif item[0] == "C":
                    commits[item[1], item[2]] += 1  # type: ignore[index]
                elif item[0] == "V":
                    moves.setdefault(item[1], {})[local.index] = item[2]  # type: ignore
                else:
                    proposals.add(item[1:])  # type: ignore[arg-type]
        return World(prepares, commits, moves, frozenset(proposals))

    def find_certificates(self, world: World) -> list[tuple[int, int]]:
        """Return (view, block) of every prepared certificate that can be formed."""
        return [place for place, count in world.prepares.items() if count + 1 >= self.quorum]

    def find_choices(self, world: World, view: int) -> set[Prepared]:
        """Return what a new-view proof for ``view`` can report as prepared."""
        honest = world.moves.get(view, {})
        lies: list[Prepared] = [None]
        lies += [place for place in self.find_certificates(world) if place[0] < view]
        choices: set[Prepared] = set()
        for signers in combinations(range(VALIDATORS), self.quorum):
            if not all(signer == self.liar or signer in honest for signer in signers):
                continue
            for lie in lies if self.liar in signers else [None]:
                best: Prepared = None
                for signer in signers:
                    told = lie if signer == self.liar else honest[signer]
                    if told is not None and (best is None or told[0] > best[0]):
                        best = told
                choices.add(best)
        return choices

    def _find_proposals(self, world: World) -> list[tuple[int, int, Prepared]]:
        """Return the PRE-PREPAREs that exist, the liar's among them."""
        found = set(world.proposals)
        for view, own in self.lies.items():
            if view == 0:
                found |= {(0, block, None) for block in own}
                continue
            choices = self.find_choices(world, view)
            blocks = {*own, *(place[1] for place in world.prepares)}
            found |= {(view, block, choice) for choice in choices for block in blocks}
        return sorted(found, key=repr)

    def _find_names(
        self, local: Local, world: World, proposals: list[tuple[int, int, Prepared]]
    ) -> Iterator[Label]:
        view, index = local.view, local.index
        if view == 0 and self.leaders[0] == index and local.accepted is None:
            yield ("offer",)
        if view + 1 < self.views:
            yield ("timeout",)
        for item in proposals:
            if item[0] >= view and self.leaders[item[0]] != index:
                yield ("accept", *item)
        if local.accepted is not None and ("P", *local.accepted) in local.sent:
            others = world.prepares[local.accepted] - 1 + 1  # without its own, with the liar's
            if others >= self.quorum - 1:
                yield ("prepares", *local.accepted)
        yield from self._find_moves(local, world)

    def _find_moves(self, local: Local, world: World) -> Iterator[Label]:
        """VIEW-CHANGEs of others: to lead under, or to follow."""
        count = max(self.quorum - 1, self.book.validators.weak_quorum)
        for view in range(max(local.view, 1), self.views):
            leads = self.leaders[view] == local.index
            if not leads and view == local.view:
                continue
            if leads and any(item[:2] == ("N", view) for item in local.sent):
                continue
            honest = {n: p for n, p in world.moves.get(view, {}).items() if n != local.index}
            claims: list[list[tuple[int, Prepared]]] = [[item] for item in honest.items()]
            lies: list[Prepared] = [None]
            lies += [place for place in self.find_certificates(world) if place[0] < view]
            claims.append([(self.liar, lie) for lie in lies])
            for group in combinations(range(len(claims)), count):
                for chosen in _product([claims[number] for number in group]):
                    yield ("moves", view, tuple(sorted(chosen, key=lambda claim: claim[0])))
                if not leads:
                    return  # what they report is nothing to one that does not lead

    # -- what must never be ----------------------------------------------------------------------

    def find_wrong(self, state: State) -> str:
        """Return which invariant a state breaks, empty when none."""
        locals_ = [self.locals.all[number] for number in state]
        world = self.see(locals_)
        final = {block for (_, block), count in world.commits.items() if count + 1 >= self.quorum}
        if len(final) > 1:
            return f"agreement: blocks {sorted(final)} can both be final"
        return self._find_broken_rule(world) if self._check_rules else ""

    def _find_broken_rule(self, world: World) -> str:
        for view, block in world.commits:
            if world.prepares[view, block] + 1 < self.quorum:
                return f"R3: COMMIT for {block} in view {view} without a prepared certificate"
        for view, block in world.prepares:
            if view == 0:
                continue
            choices = self.find_choices(world, view)
            own = self.book.blocks[block].header.proposer
            fresh = own == self.book.keys[self.leaders[view]].public_key
            if not any(
                (choice is None and fresh) or (choice is not None and choice[1] == block)
                for choice in choices
            ):
                return f"R2, R5: PREPARE for {block} in view {view}; proofs report {choices}"
        for view, block, choice in world.proposals:
            if choice is not None and choice[1] != block:
                return f"R4: view {view} proposes {block} where {choice} is prepared"
        return ""

    # -- telling -----------------------------------------------------------------------------------

    def _trace(self, visited: dict[State, State | None], state: State) -> tuple[str, ...]:
        lines: list[str] = []
        while (before := visited[state]) is not None:
            for place, name, after in self.find_steps(before):
                if after == state:
                    new = self.locals.all[after[place]].sent - self.locals.all[before[place]].sent
                    said = ", ".join(_show(item) for item in sorted(new, key=repr))
                    lines.append(f"v{self.honest[place]}: {_show(name)}; says {said or 'nothing'}")
                    break
            state = before
        return tuple(reversed(lines))

    def _found(
        self, visited: dict[State, State | None], depth: int, steps: int,
        violation: str = "", trace: tuple[str, ...] = (),
    ) -> Found:  # fmt: skip
        return Found(
            len(visited), depth, steps, self.locals.calls, len(self.locals.all),
            violation, trace, visited,
        )  # fmt: skip


def _product(
    groups: list[list[tuple[int, Prepared]]],
) -> Iterator[tuple[tuple[int, Prepared], ...]]:
    if not groups:
        yield ()
        return
    for first in groups[0]:
        for rest in _product(groups[1:]):
            yield (first, *rest)


def _show(label: Label) -> str:
    words = {"N": "PRE-PREPARE", "P": "PREPARE", "C": "COMMIT", "V": "VIEW-CHANGE"}
    return " ".join([words.get(str(label[0]), str(label[0])), *map(str, label[1:])])
