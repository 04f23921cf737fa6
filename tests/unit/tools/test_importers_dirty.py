"""Dirty ledgers: what the rules refuse is refused and counted, the clean part is imported."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.tools.dirty_ledger import FAULTS, DirtyLedger, make_dirty_ledger
from tests.unit.tools.served_chain import serve_chain
from tests.unit.vm.carbon_chain import Chain, key_of
from tools.cli.main import main
from tools.client.client import Client
from tools.importers.formats import ACR
from tools.importers.importing import Importer, Parties, Progress
from tools.importers.reading import read_ledger
from tools.importers.report import make_forecast, make_report
from tools.importers.rules import FORM, RULE_BY_CODE

TODAY = date(2026, 1, 1)
SEEDS = (1, 2, 3)


def make(seed: int, folder: Path, faults: int = 60, good: int = 20) -> DirtyLedger:
    ledger = make_dirty_ledger(seed, faults, good)
    ledger.write(folder, crlf=seed % 2 == 0, mark=seed % 3 == 0)
    return ledger


def rules_of(made: DirtyLedger) -> dict[str, int]:
    counted: dict[str, int] = {}
    for code, count in made.refused.items():
        rule = RULE_BY_CODE.get(code, FORM)
        counted[rule] = counted.get(rule, 0) + count
    return counted


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dry_run_counts_every_fault_of_every_kind(seed: int, tmp_path: Path) -> None:
    made = make(seed, tmp_path)
    paths = str(tmp_path / "issuances.csv"), str(tmp_path / "retirements.csv")
    result = CliRunner().invoke(main, ["import", "acr", *paths, "--dry-run", "--output", "json"])
    assert result.exit_code == 1, result.output
    report = json.loads(result.stdout)
    assert report["badRowsByCode"] == dict(made.refused)
    assert report["refusedByRule"] == rules_of(made)
    assert report["badRows"] == len(report["problems"]) == 60
    assert report["flaggedRows"] == len(report["flags"]) == made.flagged["outside-crediting"]
    assert report["issuances"]["tonnes"] == made.issued_tonnes
    assert report["wouldRetire"]["tonnes"] == made.retired_tonnes
    assert {item["file"] for item in report["problems"]} == {"issuances.csv", "retirements.csv"}


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_the_clean_part_is_imported_and_a_second_run_adds_nothing(
    seed: int, tmp_path: Path
) -> None:
    made = make(seed, tmp_path, faults=24, good=4)
    ledger = read_ledger(ACR, tmp_path / "issuances.csv", tmp_path / "retirements.csv", TODAY)
    chain = Chain()
    parties = Parties(key_of("registry"), key_of("alice"))

    async def run(url: str) -> dict[str, Any]:
        async with Client(url) as client:
            importer = Importer(client, parties, ledger, Progress(lambda *_: None))
            return make_report(await importer.run(), {})

    for _ in range(2):
        with serve_chain(chain, tmp_path) as served:
            report = asyncio.run(run(served.node.url))
        assert report["badRowsByCode"] == dict(made.refused)
        assert report["refusedByRule"] == rules_of(made)
        assert report["flaggedByRule"] == {"3 period": made.flagged["outside-crediting"]}
        assert report["onChain"]["issuedTonnes"] == made.issued_tonnes
        assert report["onChain"]["retiredTonnes"] == made.retired_tonnes
    assert chain.view("units", "total")[1] == made.issued_tonnes * 1000
    assert report["thisRun"]["issuances"] == report["thisRun"]["retirements"] == 0


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_alone_is_one_refusal_and_hides_no_good_row(
    fault: object, tmp_path: Path
) -> None:
    made = DirtyLedger(make_dirty_ledger(7, len(FAULTS), 0).random)
    for _ in range(2):
        made.retire(made.issue(), 1, 1000)
        code = fault(made)  # type: ignore[operator]
    made.write(tmp_path)
    ledger = read_ledger(ACR, tmp_path / "issuances.csv", tmp_path / "retirements.csv", TODAY)
    report = make_forecast(ledger)
    assert report["badRowsByCode"] == {code: 2}
    assert report["wouldRetire"]["tonnes"] == 2000 + made.retired_tonnes


def test_a_period_that_supersedes_another_and_one_that_only_touches_it_are_good(
    tmp_path: Path,
) -> None:
    made = DirtyLedger(make_dirty_ledger(7, len(FAULTS), 0).random)
    first = made.issue()
    for start, end, supersedes, issued_on in (
        ("2015-12-31", "2016-03-31", "", "2016-06-01"),
        ("2015-01-01", "2015-12-31", "ACR1001.2015.20160501.1000", "2016-07-01"),
    ):
        made.issuances.append(
            first
            | {
                "Serial Numbers": "", "Reporting Period Start": start, "Supersedes": supersedes,
                "Reporting Period End": end, "Date Issued": issued_on,
            }
        )  # fmt: skip
    made.write(tmp_path)
    ledger = read_ledger(ACR, tmp_path / "issuances.csv", tmp_path / "retirements.csv", TODAY)
    assert (len(ledger.issuances), ledger.problems, ledger.flags) == (3, (), ())


def test_other_names_of_the_columns_are_read_and_missing_ones_asked_for(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(
        "Issuance Date;Project;Vintage Year;Quantity Issued\n2016-05-01;ACR7;2015;100\n"
    )
    (tmp_path / "r.csv").write_text(
        "Project\tVintage Year\tSerial Number\tQuantity\tRetirement Date\tBeneficiary\n"
        "ACR7\t2015\tACR-US-7-2015-1-1 to 40\t40\t2017-01-01\tCity\n"
    )
    ledger = read_ledger(ACR, tmp_path / "i.csv", tmp_path / "r.csv", TODAY)
    assert ledger.problems == ()
    assert [item.key for item in ledger.issuances] == ["ACR7.2015.20160501.100"]
    assert [(item.account_holder, item.quantity_t) for item in ledger.retirements] == [("City", 40)]
    (tmp_path / "i.csv").write_text("Project,Vintage\nACR7,2015\n")
    paths = str(tmp_path / "i.csv"), str(tmp_path / "r.csv")
    result = CliRunner().invoke(main, ["import", "acr", *paths, "--dry-run"])
    assert result.exit_code == 1
    assert "columns are missing" in result.stderr


@pytest.mark.parametrize("seed", [11])
def test_a_ledger_of_many_rows_takes_seconds(seed: int, tmp_path: Path) -> None:
    """10,000 rows here; 100,000 are in docs/surveillance.md. CPU, not the clock on the wall."""
    made = make(seed, tmp_path, faults=1500, good=2600)
    rows = len(made.issuances) + len(made.retirements)
    assert rows > 10_000
    started = time.process_time()
    ledger = read_ledger(ACR, tmp_path / "issuances.csv", tmp_path / "retirements.csv", TODAY)
    report = make_forecast(ledger)
    assert report["badRowsByCode"] == dict(made.refused)
    assert time.process_time() - started < 30
