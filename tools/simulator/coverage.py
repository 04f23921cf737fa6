"""What occurred in the runs, and what never did: one that never ran is a gap to close.

What can occur is read from the code itself (kinds, effects, behaviours, and the reasons
and error codes in the source of the consensus package), so a new path is expected at once.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import consensus
from consensus.effects import Effect, Grade, Reject
from consensus.messages import Kind
from tools.simulator.plan import Plan
from tools.simulator.profiles import PROFILES

FAULTS = (
    "torn append", "vote log cut", "vote log damaged", "lost log", "lost data", "lost all",
    "full disk", "crash", "lost record", "clock jump", "partition", "one-way partition",
    "cut link", "slow link", "loss", "repetition", "clock skew", "ring", "clock drift",
    "death at an instruction", "late start", "membership", "dead validator",
)  # fmt: skip
HALVES = ("Persist: log written, record not", "Broadcast: some have it", "Commit: written")
"""Places inside an effect where a machine can die; before each effect it can anyway."""
DRIVER = (
    "body refused: a transaction is final already", "body of other transactions",
    "block refused: another block's certificate", "block refused: certificate-signature",
)  # fmt: skip
LIES = (
    "withheld blocks", "withheld body", "withheld transaction", "false body", "false blocks",
    "final transaction proposed again",
)  # fmt: skip
RECOVERIES = (
    "the last-signed record is lost", "signed at a later height than the database holds",
    "the vote log lacks what was last signed",
)  # fmt: skip
EXPLAINED = {
    "effect: Halt": "needs more than f that compute something else; a unit test has it",
}
"""What cannot occur here, and why; consensus/README.md says the same."""
CODED_MODULES = ("rules", "verification", "viewchange", "evidence")
_KIND_OFFSET = 1
"""``[kind, body]`` begins with one byte for the list; the kind follows."""
_KINDS = {int(kind): kind.name for kind in Kind}


class Coverage:
    """Counts by area and name."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._reasons = frozenset(find_reasons())

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """Occurrences by area and name."""
        return dict(self._counts)

    def count(self, area: str, name: str) -> None:
        """Count one occurrence."""
        self._counts[area, name] += 1

    def see_effect(self, effect: Effect) -> None:
        """A node performs an effect."""
        self.count("effect", type(effect).__name__)
        if isinstance(effect, Reject):
            self.count("grade", effect.grade.value)
            head, colon, code = effect.reason.partition(": ")
            if not colon or effect.reason in self._reasons:
                self.count("reject", effect.reason)
            else:
                self.count("reject", head + colon)
                if " " not in code:
                    self.count("code", code)

    def merge(self, other: Coverage) -> None:
        """Add what another process counted."""
        self._counts.update(other._counts)

    def see_delivery(self, kind: str, payload: object) -> None:
        """A node that is up gets something from the network."""
        if kind in ("consensus", "gossip") and isinstance(payload, bytes):
            kind_byte = payload[_KIND_OFFSET] if len(payload) > _KIND_OFFSET else 0
            self.count("message", _KINDS.get(kind_byte, "undecodable"))

    def see_plan(self, plan: Plan, profile: str) -> None:
        """A run begins."""
        self.count("profile", profile)
        self.count("validators at first", str(len(plan.get_members(0))))
        named = {
            "crash": len(plan.crashes),
            "lost record": plan.lost_record is not None,
            "clock jump": len(plan.clock_jumps),
            "partition": sum(not item[3] for item in plan.partitions),
            "one-way partition": sum(item[3] for item in plan.partitions),
            "cut link": sum(item[4] < 0 for item in plan.bad_links),
            "slow link": sum(item[4] >= 0 for item in plan.bad_links),
            "loss": plan.loss > 0,
            "repetition": plan.repeat > 0,
            "clock skew": any(plan.skew_ms),
            "ring": plan.ring,
            "clock drift": any(plan.drift_ppm),
            "death at an instruction": len(plan.deaths),
            "late start": len(plan.starts),
            "membership": len(plan.schedule) > 1,
            "dead validator": len(plan.dead),
        }
        for name, times in named.items():
            self._counts["fault", name] += int(times)
        for names in plan.liars.values():
            for name in names:
                self.count("liar in plan", name)

    def find_missing(self, behaviours: Iterable[str]) -> list[str]:
        """Return what can occur and did not, in words."""
        effects = [item.__name__ for item in get_args(Effect)]
        expected: dict[str, Iterable[str]] = {
            "message": (kind.name for kind in Kind),
            "effect": effects,
            "crash at": [*effects, *HALVES],
            "grade": (grade.value for grade in Grade),
            "reject": find_reasons(),
            "code": find_codes(),
            "liar in plan": behaviours,
            "fault": FAULTS,
            "profile": PROFILES,
            "driver": DRIVER,
            "lie": LIES,
            "recovery": RECOVERIES,
        }
        return [
            f"{area}: {name}"
            for area, names in expected.items()
            for name in names
            if not self._counts[area, name]
        ]

    def format_lines(self, behaviours: Iterable[str]) -> list[str]:
        """Return the report."""
        lines = [
            f"{times:10d}  {area}: {name}"
            for (area, name), times in sorted(self._counts.items())
            if times
        ]
        missing = self.find_missing(behaviours)
        gaps = [item for item in missing if item not in EXPLAINED]
        explained = [f"  {item}: {EXPLAINED[item]}" for item in missing if item in EXPLAINED]
        return [
            *lines,
            *(["never occurs, for a reason:", *explained] if explained else []),
            f"never occurred ({len(gaps)}):",
            *(f"  {item}" for item in gaps),
        ]


def find_reasons() -> list[str]:
    """Return the reasons in the calls of ``_reject``; a computed end is left out."""
    found: dict[str, None] = {}
    for path in sorted(Path(consensus.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr != "_reject" or len(node.args) < 2:
                continue
            reason = node.args[1]
            if isinstance(reason, ast.JoinedStr):
                reason = reason.values[0]
            if isinstance(reason, ast.Constant):
                found[str(reason.value)] = None
    return list(found)


def find_codes() -> list[str]:
    """Return the codes of the proofs' errors that a peer's message can cause."""
    folder = Path(consensus.__path__[0])
    paths = [folder / f"{name}.py" for name in CODED_MODULES]
    found: dict[str, None] = {}
    for path in [*paths, folder.parent / "primitives" / "certificate.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.keyword) or node.arg != "code":
                continue
            if isinstance(node.value, ast.Constant):
                found[str(node.value.value)] = None
    return list(found)
