"""Random histories of the buffer: its books against the serials that ``units`` keeps.

The model counts kilograms by project and nothing else; it shares no code with the contracts. After
every step: what the pool says it holds is what lies in ``units`` as the buffer's, buffer + owner
was the gross at each issue, used and released never fall, a project with an open reversal is
not creditable, and nothing of the pool went into an intentional one. A failing seed is in the name.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from primitives.codec import Value
from tests.unit.vm import project_chain as at
from tests.unit.vm.carbon_chain import HASH, Chain
from tests.unit.vm.project_chain import FROM, TO, P

SEEDS = range(8)
STEPS = 80
B, U = "buffer", "units"
OWNERS = {"p1": "owner", "p2": "rival"}


@dataclass
class Books:
    """Of one project."""

    gross: int = 0
    contributed: int = 0
    released: int = 0
    used: int = 0

    @property
    def held(self) -> int:
        return self.contributed - self.released - self.used


@dataclass
class Debt:
    project: str
    kind: str
    left: int
    verified: bool = False


@dataclass
class Model:
    books: dict[str, Books] = field(default_factory=lambda: {name: Books() for name in OWNERS})
    debts: dict[str, Debt] = field(default_factory=dict)
    reported: int = 0

    def has_open(self, project: str) -> bool:
        return any(debt.project == project for debt in self.debts.values())


def make_chain() -> Chain:
    chain = at.make_project_chain()
    arguments = ("checker", "Checker", "CN", ["verifier"], [at.address_of("checker")])
    chain.ok("regulator", "identity", "register", *arguments)
    chain.ok("regulator", "identity", "accredit", "checker", "forest", 0, 1 << 40)
    for project, owner in OWNERS.items():
        at.register(chain, project, owner)
    return chain


def issue(chain: Chain, rng: random.Random, model: Model, project: str) -> None:
    gross = rng.randrange(1, 500)
    share = -(-gross * at.SHARE // 10_000)
    name = f"b.{chain.nonce}"
    attested = (name, project, 2024, "forest", gross, OWNERS[project], HASH)
    chain.ok("verifier", U, "attest", *attested)
    issued = (name, name, 0, gross, gross, share)
    if model.has_open(project):
        chain.refused("reversal-open", "registry", U, "issue", *issued)
        return
    chain.ok("registry", U, "issue", *issued)
    wrong = (name, gross - share - 1, gross, gross)
    if gross > share:
        chain.refused("wrong-share", "registry", B, "contribute", *wrong)
    chain.ok("registry", B, "contribute", name, gross - share, gross, gross)
    held = [chain.view(U, "balance_of", who, name) for who in ("buffer", OWNERS[project])]
    assert held == [share, gross - share]
    books = model.books[project]
    books.gross += gross
    books.contributed += share


def report(chain: Chain, rng: random.Random, model: Model, project: str) -> None:
    model.reported += 1
    name, kind = f"r{model.reported}", rng.choice([*["unintentional"] * 3, "intentional"])
    arguments = (name, project, kind, chain.time, rng.randrange(1, 200), HASH)
    chain.ok(OWNERS[project], B, "report_reversal", *arguments)
    model.debts[name] = Debt(project, kind, 0)


def verify(chain: Chain, rng: random.Random, model: Model, name: str) -> None:
    debt, loss = model.debts[name], rng.choice([0, *[rng.randrange(1, 300)] * 5])
    arguments: tuple[Value, ...] = (name, debt.kind, loss, HASH)
    if debt.verified:
        chain.refused("already-verified", "checker", B, "verify_reversal", *arguments)
    elif loss > model.books[debt.project].gross:
        chain.refused("above-issued", "checker", B, "verify_reversal", *arguments)
    else:
        chain.ok("checker", B, "verify_reversal", *arguments)
        debt.left, debt.verified = loss, True
        if loss == 0:
            del model.debts[name]


def find_lot(chain: Chain, rng: random.Random, project: str) -> list[Value] | None:
    """A piece of what the buffer holds of a project, by the lots that units lists."""
    found: list[list[Value]] = []
    for batch in chain.view(U, "batches_of", project, "", 100):
        for start, end, owner, status, _ in chain.view(U, "lots_of", batch, 0, 100):
            if (owner, status) == ("buffer", "buffer"):
                size = min(rng.randrange(1, 40), end - start)
                found.append([batch, start, rng.choice([end, start + size])])
    return rng.choice(found) if found else None


def make_good(chain: Chain, rng: random.Random, model: Model, name: str) -> str:
    debt = model.debts[name]
    giver = rng.choice(list(OWNERS))
    piece = find_lot(chain, rng, giver)
    if piece is None:
        return "nothing"
    _, start, end = piece
    assert isinstance(start, int)
    assert isinstance(end, int)
    code = ""
    if not debt.verified:
        code = "not-verified"
    elif debt.kind == "intentional":
        code = "intentional-reversal"
    elif end - start > debt.left:
        code = "above-loss"
    elif giver != debt.project and model.books[debt.project].held > 0:
        code = "own-first"
    if code:
        chain.refused(code, "registry", B, "make_good", name, [piece])
        return code
    chain.ok("registry", B, "make_good", name, [piece])
    model.books[giver].used += end - start
    debt.left -= end - start
    if debt.left == 0:
        del model.debts[name]
    return "made-good"


def release(chain: Chain, rng: random.Random, model: Model, project: str) -> str:
    piece = find_lot(chain, rng, project)
    if piece is None:
        return "nothing"
    if model.has_open(project):
        chain.refused("reversal-open", "regulator", B, "release", *piece, HASH)
        return "reversal-open"
    # The share does not change here, so nothing is ever above what is needed.
    chain.refused("buffer-needed", "regulator", B, "release", *piece, HASH)
    return "buffer-needed"


def replace_loss(chain: Chain, model: Model, name: str) -> str:
    debt = model.debts[name]
    owner = OWNERS[debt.project]
    for batch in chain.view(U, "batches_of", debt.project, "", 100):
        for start, end, holder, status, _ in chain.view(U, "lots_of", batch, 0, 100):
            if (holder, status) == (owner, "active") and debt.verified:
                arguments = (batch, start, end, f"reversal:{name}")
                certificate = chain.ok(owner, "retirement", "cancel", *arguments)
                chain.ok(owner, B, "replace_loss", name, [certificate])
                debt.left = max(0, debt.left - (end - start))
                if debt.left == 0:
                    del model.debts[name]
                return "replaced"
    return "nothing"


def take_step(chain: Chain, rng: random.Random, model: Model) -> str:
    project = rng.choice(list(OWNERS))
    kinds = ["issue", "report", "verify", "good", "replace", "release"]
    kind = rng.choices(kinds, [3, 4, 6, 12, 1, 3])[0]
    if kind == "issue":
        issue(chain, rng, model, project)
        return "issued"
    if kind == "release":
        return release(chain, rng, model, project)
    if kind == "report":
        if len(model.debts) < 4:
            report(chain, rng, model, project)
        return "reported"
    if not model.debts:
        return "nothing"
    name = rng.choice(list(model.debts))
    if kind == "verify":
        verify(chain, rng, model, name)
        return "verified"
    return (
        make_good(chain, rng, model, name) if kind == "good" else replace_loss(chain, model, name)
    )


def check(chain: Chain, model: Model) -> None:
    total = [0, 0, 0, 0]
    for project, books in model.books.items():
        account = chain.view(B, "get_account", project)
        assert account == [books.gross, books.contributed, books.released, books.used]
        total = [one + other for one, other in zip(total, account, strict=True)]
        batches = chain.view(U, "batches_of", project, "", 100)
        assert sum(chain.view(U, "balance_of", "buffer", name) for name in batches) == books.held
        if model.has_open(project):
            chain.view_refused("reversal-open", P, "check_creditable", project, FROM, TO)
        else:
            chain.view(P, "check_creditable", project, FROM, TO)
    assert chain.view(B, "total") == total
    for number in range(1, model.reported + 1):
        found = chain.view(B, "get_reversal", f"r{number}")
        assert found[1] == "unintentional" or found[5] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pools_books_are_what_units_holds(seed: int) -> None:
    rng = random.Random(seed)
    chain, model = make_chain(), Model()
    for _ in range(STEPS):
        take_step(chain, rng, model)
        check(chain, model)


def test_the_histories_walk_every_road() -> None:
    seen: set[str] = set()
    for seed in SEEDS:
        rng = random.Random(seed)
        chain, model = make_chain(), Model()
        for _ in range(STEPS):
            seen.add(take_step(chain, rng, model))
    assert seen >= {
        "made-good", "replaced", "intentional-reversal", "above-loss", "own-first",
        "not-verified", "reversal-open", "buffer-needed",
    }  # fmt: skip
