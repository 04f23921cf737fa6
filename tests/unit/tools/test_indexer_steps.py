"""Steps of projects and reports: each is a row, and the subject is what its last step says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from primitives.block import EVENT, Event
from primitives.transaction import Call
from tests.unit.tools.audited_chain import AuditedChain
from tools.indexer.book import Place
from tools.indexer.core import UNREAD
from tools.indexer.database import open_engine, prepare
from tools.indexer.tables import mrv, projects
from tools.indexer.writing import Writer

STORY: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("projects", "Drafted", ("p", "owner", "m", "CN", "")),
    ("projects", "StatusChanged", ("p", "validated", "checker", "sound")),
    ("projects", "Commented", ("p", "public", b"\x01" * 2)),
    ("mrv", "Opened", ("r", "project", "p", "m", 1, 0, 9, "owner", "owner", "")),
    ("mrv", "StatusChanged", ("r", "under-verification", "checker", "")),
    ("mrv", "StatusChanged", ("r", "verified", "checker", "")),
    ("mrv", "Commented", ("r", "public", b"\x02")),
    ("mrv", "StatusChanged", ("r", "invalidated", "regulator", "wrong")),
    ("mrv", "MadeGood", ("r", 7, 400, 100)),
)
CALLS = (Call("projects", "validate", ("p", 1_500)), Call("mrv", "verify", ("r", 10**40)))


@pytest.fixture
def engine(index_chain: AuditedChain, tmp_path: Path) -> Engine:
    made = open_engine(str(tmp_path / "steps.db"))
    with made.connect() as connection:
        prepare(connection, index_chain.genesis)
    return made


def test_steps_are_rows_and_the_last_one_is_where_the_subject_stands(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        writer = Writer(connection)
        for number, item in enumerate(STORY):
            event, at = Event(0, *item), Place(number + 1, 100 + number, calls=CALLS)
            writer.apply_events(at, [event], [EVENT.encode(event)], None)
        writer.rows.flush()
        assert connection.execute(select(UNREAD)).all() == []
        project = connection.execute(select(projects.PROJECTS)).one()
        report = connection.execute(select(mrv.REPORTS)).one()
        steps = {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in (projects.STEPS.table, mrv.STEPS.table)
        }
    assert steps == {
        "project_steps": [
            (1, 0, "p", "draft", "owner", "", 100),
            (2, 0, "p", "validated", "checker", "sound", 101),
            (3, 0, "p", "comment", "public", "0x0101", 102),
        ],
        "report_steps": [
            (4, 0, "r", "draft", "owner", "", 103),
            (5, 0, "r", "under-verification", "checker", "", 104),
            (6, 0, "r", "verified", "checker", "", 105),
            (7, 0, "r", "comment", "public", "0x02", 106),
            (8, 0, "r", "invalidated", "regulator", "wrong", 107),
            (9, 0, "r", "made-good", "", "certificate 7: 400 kg", 108),
        ],
    }
    assert (project.status, project.status_since, project.height) == ("validated", 101, 2)
    assert project.buffer_share == 1_500
    assert (report.status, report.status_since, report.height) == ("invalidated", 107, 8)
    assert (report.verifier, report.verified_grams, report.due_kg) == ("checker", 10**40, 100)
