"""Writes the table of gas prices in docs/contracts.md from the schedule itself.

    python -m tools.authoring.gas_table docs/contracts.md

Replaces what stands between the two marks. A test compares the page with the schedule.
"""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Final

from vm.gas import VM_VERSION, Schedule, get_schedule

COLUMNS: Final = 3
_TABLE: Final = re.compile(r"(<!-- gas: [^\n]*-->\n).*?(<!-- /gas -->)", re.DOTALL)


def render_table(schedule: Schedule) -> str:
    """Return the rows of the table, each price under its name in words."""
    cells = [
        f"{field.name.replace('_', ' ')} | {getattr(schedule, field.name)}"
        for field in fields(schedule)
    ]
    rows = [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)]
    rows[-1] += [" | "] * (COLUMNS - len(rows[-1]))
    head = ["| price | gas " * COLUMNS + "|", "|---|---" * COLUMNS + "|"]
    return "\n".join([*head, *[f"| {' | '.join(row)} |" for row in rows]]) + "\n"


def replace_table(page: str) -> str:
    """Return the page with the table of the schedule in force."""
    table = render_table(get_schedule(VM_VERSION))
    replaced, count = _TABLE.subn(lambda marks: marks[1] + table + marks[2], page)
    if count != 1:
        raise ValueError("the page has no marks around a table of gas")
    return replaced


def main() -> None:
    """Rewrite the page named on the command line."""
    path = Path(sys.argv[1])
    path.write_text(replace_table(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
