"""The report of an import: what the files hold, what is on the chain, what is not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tools.importers.importing import ImportResult, count_done
from tools.importers.matching import KILOGRAMS
from tools.importers.reading import Ledger, make_plan, make_stock
from tools.importers.rules import count_rules
from tools.importers.table import Problem, Table


def summarise_ledger(ledger: Ledger) -> dict[str, Any]:
    """Return what the two files hold, in tonnes; no chain involved."""
    return {
        "registry": ledger.form.registry,
        "files": [
            _summarise_table(ledger.issuance_table),
            _summarise_table(ledger.retirement_table),
        ],
        "issuances": {
            "rows": len(ledger.issuances),
            "tonnes": sum(item.quantity_t for item in ledger.issuances),
            "bufferTonnes": sum(item.buffer_t for item in ledger.issuances),
            "projects": len({item.project for item in ledger.issuances}),
        },
        "retirements": {
            "rows": len(ledger.retirements),
            "tonnes": sum(item.quantity_t for item in ledger.retirements),
            "accountHolders": len({item.account_holder for item in ledger.retirements}),
        },
        "badRows": len(ledger.problems),
        "flaggedRows": len({(flag.file, flag.line) for flag in ledger.flags}),
        "flaggedByRule": count_rules(ledger.flags),
        "flags": [flag.to_json() for flag in ledger.flags],
    }


def make_forecast(ledger: Ledger) -> dict[str, Any]:
    """Return the report of a dry run: what an import onto an empty chain would refuse."""
    stocks = [make_stock(item) for item in ledger.issuances]
    plan = make_plan(ledger.retirement_table.name, stocks, ledger.retirements)
    problems = [*ledger.problems, *plan.problems]
    return {
        **summarise_ledger(ledger),
        "wouldRetire": {
            "rows": len(plan.matched),
            "tonnes": sum(item.retirement.quantity_t for item in plan.matched),
        },
        **_list_problems(problems),
    }


def make_report(result: ImportResult, chain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole report; ``problems`` lists every row that is not on the chain."""
    matched = result.matched
    return {
        **summarise_ledger(result.ledger),
        "holder": result.holder,
        "thisRun": {
            "issuances": count_done(result.issued),
            "issuancesBefore": result.issued_before,
            "retirements": count_done(result.retired),
            "retirementsBefore": result.retired_before,
            "bufferReleases": count_done(result.released),
            "transactions": result.transactions,
            "gas": result.gas,
        },
        "matching": {
            "sameDay": sum(item.same_day for item in matched),
            "byVintage": sum(not item.same_day for item in matched),
            "severalPieces": sum(len(item.pieces) > 1 for item in matched),
            "releasedTonnes": sum(item.released_kg for item in matched) // KILOGRAMS,
        },
        "onChain": {
            "batches": result.on_chain["batches"],
            "retirements": result.on_chain["retirements"],
            "issuedTonnes": result.on_chain["issued"] // KILOGRAMS,
            "bufferedTonnes": result.on_chain["buffered"] // KILOGRAMS,
            "releasedTonnes": result.on_chain["released"] // KILOGRAMS,
            "retiredTonnes": result.on_chain["retired"] // KILOGRAMS,
            "cancelledTonnes": result.on_chain["cancelled"] // KILOGRAMS,
        },
        "chain": dict(chain),
        **_list_problems(result.problems),
    }


def _list_problems(problems: Sequence[Problem]) -> dict[str, Any]:
    """Every row that is refused with its reason, counted by code and by rule."""
    return {
        "badRows": len(problems),
        "badRowsByCode": count_codes(problems),
        "refusedByRule": count_rules(problems),
        "problems": [problem.to_json() for problem in problems],
    }


def count_codes(problems: Sequence[Problem]) -> dict[str, int]:
    """Return how many rows each reason keeps off the chain."""
    return dict(sorted(Counter(problem.code for problem in problems).items()))


def _summarise_table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "sha256": table.sha256.hex(),
        "rows": len(table.rows) + len(table.problems),
    }
