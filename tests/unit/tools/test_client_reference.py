"""docs/rpc.md says what the node's table says."""

from __future__ import annotations

from pathlib import Path

from node.rpc.errors import ErrorNumber
from node.rpc.methods import METHODS
from tools.client.errors import RPC_ERRORS
from tools.client.reference import update

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rpc.md"


def test_the_page_is_what_the_table_says() -> None:
    page = PAGE.read_text("utf-8")
    assert page == update(page), "run: python -m tools.client.reference docs/rpc.md"


def test_every_method_has_its_heading() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in METHODS if f"\n### {name}" not in page] == []


def test_the_client_knows_every_error_number_of_the_node() -> None:
    assert {int(number) for number in ErrorNumber} == set(RPC_ERRORS)


def test_the_page_explains_every_error_number() -> None:
    page = PAGE.read_text("utf-8")
    assert [number for number in RPC_ERRORS if str(number) not in page] == []
