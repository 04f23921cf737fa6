"""A registry's ledger with faults of every kind, and how many of each: seeded, nothing by hand.

Each fault has a project of its own, so that none hides another. The counts are those of the
construction, not of a reader.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ISSUED = (
    "Date Issued", "Project ID", "Vintage", "Issuance Year", "Total Credits Issued",
    "Credits Issued to Project", "Credits Issued to Buffer Pool", "Serial Numbers",
    "Reporting Period Start", "Reporting Period End", "Crediting Period Start",
    "Crediting Period End", "Supersedes",
)  # fmt: skip
RETIRED = (
    "Project ID", "Vintage", "Offset Credit Serial Numbers", "Quantity of Offset Credits",
    "Status Effective", "Account Holder", "Retirement Reason", "Retirement Reason Details",
    "Date Issued", "Retirement Year",
)  # fmt: skip
VINTAGE = 2015
Row = dict[str, str]


@dataclass
class DirtyLedger:
    """Rows in order, and what a reader must find: codes of refusals and of flags."""

    random: random.Random
    issuances: list[Row] = field(default_factory=list)
    retirements: list[Row] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    issued_tonnes: int = 0
    retired_tonnes: int = 0
    raw: list[bytes] = field(default_factory=list)
    _project: int = 1000

    def issue(self, tonnes: int = 1000, **changes: str) -> Row:
        """A good issuance of a new project (unless changed); in the ledger."""
        self._project += 1
        row = make_issuance(self._project, tonnes) | changes
        self.issuances.append(row)
        return row

    def retire(self, issued: Row, start: int, tonnes: int, **changes: str) -> Row:
        project = issued["Project ID"].removeprefix("ACR")
        serial = f"ACR-US-{project}-{VINTAGE}-7-{start} to {start + tonnes - 1}"
        row = dict(
            zip(
                RETIRED,
                (
                    f"ACR{project}", str(VINTAGE), serial, str(tonnes), "2017-03-01",
                    f"Holder {project} \u68ee\u6797", "Environmental Benefit", "",
                    issued["Date Issued"], "2017",
                ),
                strict=True,
            )
        ) | changes  # fmt: skip
        self.retirements.append(row)
        return row

    def write(self, folder: Path, *, crlf: bool = True, mark: bool = True) -> tuple[Path, Path]:
        paths = folder / "issuances.csv", folder / "retirements.csv"
        for path, columns, rows in (
            (paths[0], ISSUED, self.issuances),
            (paths[1], RETIRED, self.retirements),
        ):
            encoding = "utf-8-sig" if mark else "utf-8"
            with path.open("w", encoding=encoding, newline="") as file:
                writer = csv.DictWriter(file, columns, lineterminator="\r\n" if crlf else "\n")
                writer.writeheader()
                writer.writerows(rows)
        with paths[1].open("ab") as file:
            file.writelines(self.raw)
        return paths


def make_issuance(project: int, tonnes: int) -> Row:
    values = (
        "2016-05-01", f"ACR{project}", str(VINTAGE), "2016", str(tonnes), str(tonnes), "0",
        f"ACR-US-{project}-{VINTAGE}-7-1 to {tonnes}", "2015-01-01", "2015-12-31",
        "2010-01-01", "2020-12-31", "",
    )  # fmt: skip
    return dict(zip(ISSUED, values, strict=True))


def serial(row: Row, first: int, last: int) -> str:
    return f"ACR-US-{row['Project ID'].removeprefix('ACR')}-{VINTAGE}-7-{first} to {last}"


# Each makes one fault and says which code it has: what a reader must count.


def overlap_at_issue(ledger: DirtyLedger) -> str:
    row = ledger.issue()
    again = row | {
        "Serial Numbers": serial(row, 1000, 1999), "Date Issued": "2016-06-01",
        "Reporting Period Start": "", "Reporting Period End": "",
    }  # fmt: skip
    ledger.issuances.append(again)
    return "overlap"


def range_unlike_quantity(ledger: DirtyLedger) -> str:
    row = ledger.issue()
    row["Serial Numbers"] = serial(row, 1, 999)
    ledger.issued_tonnes -= 1000
    return "quantity"


def parts_unlike_total(ledger: DirtyLedger) -> str:
    ledger.issue(**{"Credits Issued to Buffer Pool": "1"})
    ledger.issued_tonnes -= 1000
    return "sum"


def period_backwards(ledger: DirtyLedger) -> str:
    ledger.issue(**{"Reporting Period End": "2014-12-31"})
    ledger.issued_tonnes -= 1000
    return "period"


def vintage_to_come(ledger: DirtyLedger) -> str:
    ledger.issue(Vintage="2031")
    ledger.issued_tonnes -= 1000
    return "period"


def period_twice(ledger: DirtyLedger) -> str:
    row = ledger.issue()
    ledger.issuances.append(
        row
        | {
            "Serial Numbers": serial(row, 5000, 5999),
            "Date Issued": "2016-07-01",
            "Reporting Period Start": "2015-12-30",
            "Reporting Period End": "2016-03-31",
        }
    )
    return "period-overlap"


def same_row_again(ledger: DirtyLedger) -> str:
    ledger.issuances.append(dict(ledger.issue()))
    return "duplicate"


def no_number(ledger: DirtyLedger) -> str:
    text = ledger.random.choice(
        ["", "-5", "1e3", "NaN", "9" * 400, "\u0663", "0", "1000.5", "=1+1"]
    )
    ledger.issue(**{"Total Credits Issued": text})
    ledger.issued_tonnes -= 1000
    return "number"


def no_day(ledger: DirtyLedger) -> str:
    text = ledger.random.choice(["", "2016-02-30", "soon", "2999-01-01", "0000-00-00", "1" * 99])
    ledger.issue(**{"Date Issued": text})
    ledger.issued_tonnes -= 1000
    return "date"


def foreign_project(ledger: DirtyLedger) -> str:
    ledger.issue(**{"Project ID": ledger.random.choice(["", "VCS12", "ACR12/..", "ACR\u0661"])})
    ledger.issued_tonnes -= 1000
    return "project"


def retired_twice(ledger: DirtyLedger) -> str:
    row = ledger.issue()
    ledger.retire(row, 1, 100)
    ledger.retire(row, 100, 50)
    ledger.retired_tonnes += 100
    return "overlap"


def retired_range_unlike_quantity(ledger: DirtyLedger) -> str:
    ledger.retire(ledger.issue(), 1, 100, **{"Quantity of Offset Credits": "101"})
    return "quantity"


def more_retired_than_issued(ledger: DirtyLedger) -> str:
    ledger.retire(ledger.issue(), 1, 1001)
    return "not-issued"


def retired_before_issued(ledger: DirtyLedger) -> str:
    changes = {"Status Effective": "2016-04-30", "Retirement Year": "2016"}
    ledger.retire(ledger.issue(), 1, 10, **changes)
    return "period"


def serials_backwards(ledger: DirtyLedger) -> str:
    row = ledger.issue()
    text = ledger.random.choice([serial(row, 9, 1), "", "ACR-1", serial(row, 1, 10**30)])
    ledger.retire(row, 1, 10, **{"Offset Credit Serial Numbers": text})
    return "serial"


def retired_of_nobody(ledger: DirtyLedger) -> str:
    row = ledger.issue()
    ledger.issuances.remove(row)
    ledger.issued_tonnes -= 1000
    ledger.retire(row, 1, 10)
    return "project"


def text_too_long(ledger: DirtyLedger) -> str:
    text = ledger.random.choice(["x" * 129, "a\x07b"])
    ledger.retire(ledger.issue(), 1, 10, **{"Account Holder": text})
    return "text"


def not_text(ledger: DirtyLedger) -> str:
    ledger.raw.append(b"ACR1,2015,\xff\xfe,10,2017-03-01,x,,,2016-05-01,2017\r\n")
    return "encoding"


def open_quote(ledger: DirtyLedger) -> str:
    ledger.raw.append(b'"x"y,1\r\n')
    return "unreadable"


def short_row(ledger: DirtyLedger) -> str:
    ledger.raw.append(b"ACR1,2015\r\n")
    return "fields"


FAULTS: tuple[Callable[[DirtyLedger], str], ...] = (
    overlap_at_issue, range_unlike_quantity, parts_unlike_total, period_backwards,
    vintage_to_come, period_twice, same_row_again, no_number, no_day, foreign_project,
    retired_twice, retired_range_unlike_quantity, more_retired_than_issued,
    retired_before_issued, serials_backwards, retired_of_nobody, text_too_long, not_text,
    open_quote, short_row,
)  # fmt: skip


def outside_crediting(ledger: DirtyLedger) -> str:
    ledger.issue(**{"Crediting Period End": "2015-12-30"})
    return "outside-crediting"


def make_dirty_ledger(seed: int, faults: int, good: int) -> DirtyLedger:
    """``faults`` of random kinds (each kind at least once) and as many flags, among good rows."""
    print(f"dirty ledger: seed {seed}")
    ledger = DirtyLedger(random.Random(seed))
    for _ in range(good):
        row = ledger.issue()
        ledger.retire(row, 1, 600)
        ledger.retire(row, 601, 400)
        ledger.retired_tonnes += 1000
    kinds = [*FAULTS, *(ledger.random.choice(FAULTS) for _ in range(faults - len(FAULTS)))]
    ledger.random.shuffle(kinds)
    for kind in kinds:
        ledger.refused[kind(ledger)] += 1
        if ledger.random.random() < 0.2:
            ledger.flagged[outside_crediting(ledger)] += 1
    # Every project issued its thousand tonnes once, but for the faults that took theirs back.
    ledger.issued_tonnes += 1000 * (ledger._project - 1000)
    return ledger
