"""What is mutated, and by which tests each is judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "run" / "mutation"


@dataclass(frozen=True)
class Target:
    """``tests`` are what pytest collects; ``files`` the modules to mutate, under the root."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """The folders whose lines are watched."""
        return tuple(sorted({path.rsplit("/", 1)[0] for path in self.files}))

    @property
    def survivors(self) -> Path:
        """The file with the reasons."""
        return ROOT / "tests" / "mutation" / f"survivors-{self.name}.toml"


def _list(package: str, *names: str) -> tuple[str, ...]:
    if names:
        return tuple(f"{package}/{name}.py" for name in names)
    found = sorted((ROOT / package).glob("*.py"))
    return tuple(str(path.relative_to(ROOT)) for path in found if path.name != "__init__.py")


TARGETS = {
    target.name: target
    for target in (
        Target(
            "consensus",
            _list("consensus"),
            ("tests/unit/consensus", "tests/mutation/battery_simulator.py"),
        ),
        Target(
            "vm",
            _list(
                "vm",
                "lexer",
                "grammar",
                "scopes",
                "resolve",
                "rewrite",
                "integers",
                "declarations",
                "guards_builtins",
                "guards_integers",
                "guards_methods",
                "guards_operators",
                "guards_values",
                "storage_guards",
            ),
            ("tests/mutation/battery_vm.py", "tests/unit/vm"),
        ),
    )
}
