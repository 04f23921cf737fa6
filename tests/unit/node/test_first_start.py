"""Who may vote at once: a key made here, not one that may have voted elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from node.config import NodeSection
from node.parts import open_parts
from tests.unit.node.support import make_configs, make_genesis, make_validator_key


@pytest.mark.parametrize(
    ("used_before", "role"), [(False, "validator"), (True, "watching")], ids=["new", "restored"]
)
def test_a_validator_without_a_record_votes_only_with_a_key_that_never_voted(
    tmp_path: Path, used_before: bool, role: str
) -> None:
    config = replace(make_configs(tmp_path, 4)[0], node=NodeSection(key_used_before=used_before))

    async def start_once() -> str:
        parts = open_parts(config, make_genesis(4), make_validator_key(0))
        try:
            return parts.driver.describe().role
        finally:
            parts.close()

    assert asyncio.run(start_once()) == role
    assert asyncio.run(start_once()) == role
