"""A project from a GeoJSON to its registration by the commands, on a real network."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from primitives.params import ChainParams
from tests.integration.test_localnet_control import in_thread
from tools.localnet.network import Localnet

pytestmark = pytest.mark.integration
PARAMS = ChainParams(timeout_base_ms=500, empty_block_interval_ms=1_000)


def draw(path: Path, x: float, y: float, radius: float, corners: int) -> str:
    points = [
        [x + radius * math.cos(2 * math.pi * n / corners),
         y + radius * math.sin(2 * math.pi * n / corners)]
        for n in range(corners)
    ]  # fmt: skip
    geometry = {"type": "Polygon", "coordinates": [[*points, points[0]]]}
    path.write_text(json.dumps(geometry))
    return str(path)


def test_the_life_of_a_project_by_commands(tmp_path: Path) -> None:
    document = tmp_path / "design.pdf"
    document.write_bytes(b"design")
    large = draw(tmp_path / "large.geojson", 117.1, 25.9, 0.02, 40)
    small = draw(tmp_path / "small.geojson", 117.2, 25.9, 0.002, 7)
    near = draw(tmp_path / "near.geojson", 117.13, 25.9, 0.02, 40)

    async def work() -> None:
        async with Localnet(tmp_path / "net", params=PARAMS) as net:

            async def run(*arguments: str, exit_code: int = 0) -> Any:
                result = await in_thread(
                    "--home", str(net.directory), "--output", "json", "project", *arguments
                )
                assert result.exit_code == exit_code, (arguments, result.output)
                return json.loads(result.stdout) if exit_code == 0 else result.stderr

            async def draft(name: str) -> None:
                await run(
                    *("draft", name, "--region", "CN-FJ", "--methodology", "forest-stock"),
                    *("--scope", "forest", "--claim", "biomass", "--from", "2021-01-01"),
                    *("--to", "2031-01-01", "--document", str(document)),
                    *("--key", "project-owner"),
                )

            await draft("hills")
            added = await run("parcel", "add", "hills", large, "--key", "project-owner")
            assert added["parcel"] == 0
            # A circle of 0.02 degrees as the ellipsoid has it: about 2.0 km by 2.2 km.
            assert 13_500_000 < added["area_m2"] < 14_000_000
            await run("parcel", "add", "hills", small, "--key", "project-owner")
            checked = await run("parcel", "check", large)
            assert checked["boundary_hash"] == added["boundary_hash"]
            assert (await run("parcel", "verify", "hills", "0", large))["same"] is True
            answer = await run("parcel", "verify", "hills", "0", near, exit_code=1)
            assert "parcel-differs" in answer
            await run("submit", "hills", "--key", "project-owner")
            await run("notice", "hills", "--key", "registry")
            evidence = ("--share", "1500", "--evidence", str(document))
            await run("validate", "hills", *evidence, "--key", "verifier")
            answer = await run("register", "hills", "--key", "registry", exit_code=4)
            assert "not-claimed" in answer
            claimed = await run("claim", "hills", "--key", "project-owner")
            assert claimed["claimed"] == added["pieces"] + 1
            assert (await run("claim", "hills", "--key", "project-owner"))["claimed"] == 0
            await run("register", "hills", "--key", "registry")

            await draft("rival")
            answer = await run(
                "parcel", "add", "rival", near, "--key", "project-owner", exit_code=4
            )
            assert "parcel-overlap" in answer
            shown = await run("show", "hills")
            assert (shown["status"], shown["parcels"], shown["buffer_share"]) == (
                "registered", 2, 1500,
            )  # fmt: skip
            listed = (await run("list", "--owner", "project-owner"))["projects"]
            assert [item["project"] for item in listed] == ["hills", "rival"]
            assert (await run("list"))["projects"] == listed

    asyncio.run(work())
