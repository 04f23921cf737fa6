"""What other spellings of a column mean, and the columns that a ledger may have beyond its own.

Registries, trackers and spreadsheets name the same thing in many ways. A name is looked up after
``normalise_column``; a table's own columns come first, so an alias never hides a column.
Source of the names: the exports of ACR and CAR, of Verra and Gold Standard as their sites
give them, and the Climate Action Data Trust's tables (unit, issuance, project).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SERIAL = "serial numbers"
PERIOD_FROM = "reporting period start"
PERIOD_TO = "reporting period end"
CREDITING_FROM = "crediting period start"
CREDITING_TO = "crediting period end"
SUPERSEDES = "supersedes"

OPTIONAL = (SERIAL, PERIOD_FROM, PERIOD_TO, CREDITING_FROM, CREDITING_TO, SUPERSEDES)
"""Columns of an issuance that the rules read where a ledger has them."""

ALIASES: Mapping[str, Sequence[str]] = {
    "project id": ("project", "projectid", "project number", "warehouse project id",
                   "origin project id"),
    "vintage": ("vintage year", "vintageyear", "unit vintage", "credit vintage"),
    "date issued": ("issuance date", "issue date", "issued on", "date of issuance", "issued",
                    "issuancedate"),
    "issuance year": ("year issued", "year of issuance"),
    "total credits issued": ("total credits", "quantity issued", "credits issued", "quantity",
                             "total offset credits issued", "total vintage quantity",
                             "unit count", "quantity of offset credits"),
    "total offset credits issued": ("total credits issued", "quantity issued", "credits issued",
                                    "quantity", "unit count", "quantity of offset credits"),
    "credits issued to buffer pool": ("buffer", "buffer credits", "buffer pool"),
    "offset credits currently in reserve buffer pool": ("buffer", "buffer credits",
                                                        "buffer pool"),
    "offset credit serial numbers": ("serial numbers", "serial number", "serialnumber",
                                     "credit serial numbers", "serials", "serial range",
                                     "unit serial block", "serial number block"),
    "quantity of offset credits": ("quantity", "quantity retired", "credits", "unit count",
                                   "quantity of credits", "amount", "tonnes"),
    "status effective": ("retirement date", "date retired", "retired on", "status date",
                         "date of retirement", "retirement/cancellation date"),
    "account holder": ("retired by", "owner", "unit owner", "beneficiary",
                       "retirement beneficiary"),
    "retirement reason": ("reason", "purpose", "status reason"),
    "retirement reason details": ("reason details", "details", "retirement details", "note"),
    "retirement year": ("year retired", "year of retirement"),
    SERIAL: ("serial number", "offset credit serial numbers", "credit serial numbers",
             "serials", "serial range", "unit serial block"),
    PERIOD_FROM: ("monitoring period start", "monitoring period start date", "period start",
                  "period from", "reporting period start date", "vintage start", "start date",
                  "vintage start date", "period start date"),
    PERIOD_TO: ("monitoring period end", "monitoring period end date", "period end", "period to",
                "reporting period end date", "vintage end", "end date", "vintage end date",
                "period end date"),
    CREDITING_FROM: ("crediting period start date", "crediting start", "crediting from",
                     "current crediting period start date"),
    CREDITING_TO: ("crediting period end date", "crediting end", "crediting to",
                   "current crediting period end date"),
    SUPERSEDES: ("superseded issuance", "supersedes issuance", "replaces"),
}  # fmt: skip


def find_columns(columns: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """Return which of a table's normalised columns stands for each wanted one that is there."""
    found = {name: name for name in wanted if name in columns}
    taken = set(found.values())
    for name in wanted:
        for alias in () if name in found else ALIASES.get(name, ()):
            if alias in columns and alias not in taken:
                found[name] = alias
                taken.add(alias)
                break
    return found
