"""Published tables onto a running chain, by the command that people use."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from primitives.params import ChainParams
from tests.integration.test_localnet_control import in_thread
from tools.client.client import make_call
from tools.client.keyfile import read_key
from tools.factors.known import read_sets
from tools.localnet.network import Localnet

pytestmark = pytest.mark.integration
PARAMS = ChainParams(timeout_base_ms=500, empty_block_interval_ms=1_000)
ROOT = Path(__file__).resolve().parents[2]
OWN = ("--set", "own", "--source", "a report", "--jurisdiction", "CN")
FUELS = """fuel,ef_tCO2_per_TJ,ncv_TJ_per_Gg,source
Crude oil,73.3,42.3,IPCC
Industrial wastes,143,n.a.,IPCC
"""


def find_data() -> Path:
    folder = Path(os.environ.get("CARBONODE_DATA", ROOT.parent / "shared" / "data")) / "factors"
    if not (folder / "gwp_all_reports.csv").exists():
        pytest.skip(f"the published tables are not in {folder} (set CARBONODE_DATA)")
    return folder


def on_network(tmp_path: Path, work: Any, validators: int = 1) -> None:
    """Run ``work(run, net)``; ``run`` is `carbonode factors ...` on a network of its own."""

    async def scenario() -> None:
        network = Localnet(tmp_path / "net", params=PARAMS, validators=validators)
        async with network as net:

            async def run(*arguments: str, exit_code: int = 0) -> Any:
                home = str(net.directory)
                result = await in_thread("--home", home, "--output", "json", "factors", *arguments)
                assert result.exit_code == exit_code, (arguments, result.output, result.stderr)
                return json.loads(result.stdout) if result.stdout else result.stderr

            await work(run, net)

    asyncio.run(scenario())


def test_a_table_is_loaded_once_read_back_and_never_changed(tmp_path: Path) -> None:
    table = tmp_path / "fuels_ipcc2006_eu2025_2547.csv"
    table.write_text(FUELS)
    own = tmp_path / "mine.csv"
    own.write_text("factor,value,unit,gas,page\nsteel.ef,1.25,tCO2/t,CO2,p. 3\n")

    async def work(run: Any, net: Localnet) -> None:
        first = await run("load", str(table))
        assert [row["result"] for row in first["results"]] == ["loaded"]
        assert (first["sets"][0]["figures"], first["sets"][0]["absent"]) == (3, 1)
        again = await run("load", str(table))
        assert [row["result"] for row in again["results"]] == ["already-there"]
        assert again["transactions"] == 0
        found = await run("get", "fuel.crude-oil.ef", "--from", "2026-01-01", "--to", "2027-01-01")
        assert (found["value"], found["unit"], found["status"]) == ("73.3", "tCO2/TJ", "verified")
        assert found["page"] == "IPCC: Crude oil"
        await run("get", "fuel.crude-oil.ef", "--from", "2025-12-31", exit_code=4)
        table.write_text(FUELS.replace("73.3", "73.4"))
        changed = await run("load", str(table), exit_code=1)
        assert [row["result"] for row in changed["results"]] == ["differs"]
        assert changed["results"][0]["reason"] == "1 figures differ, first fuel.crude-oil.ef"
        assert (await run("get", "fuel.crude-oil.ef", "--version", "1"))["value"] == "73.3"
        await run("load", str(own), exit_code=1)
        mine = (*OWN, "--status", "unverified", "--valid-from", "2020-01-01")
        await run("load", str(own), *mine)
        sets = (await run("list"))["items"]
        assert [(row["set"], row["count"], row["status"]) for row in sets] == [
            ("eu-2025-2547.fuels", 3, "verified"), ("own", 1, "unverified"),
        ]  # fmt: skip
        rows = (await run("list", "own"))["items"]
        assert [(row["factor"], row["value"]) for row in rows] == [("steel.ef", "1.25")]

    on_network(tmp_path, work)


def test_a_load_that_was_cut_off_is_finished_by_the_next_one(tmp_path: Path) -> None:
    table = tmp_path / "fuels_ipcc2006_eu2025_2547.csv"
    table.write_text(FUELS)
    (wanted,) = read_sets(table)

    async def work(run: Any, net: Localnet) -> None:
        refused = await run(
            "load", str(table), "--key", str(net.directory / "keys/bank.key"), exit_code=1
        )
        assert [(row["result"], row["reason"]) for row in refused["results"]] == [
            ("refused", "not-permitted")
        ]
        entries = [figure.to_entry() for figure in wanted.figures[1:2]]
        key = read_key(net.directory / "keys/regulator.key")
        async with net.client() as client:
            opening = make_call("factors", "open_set", *wanted.to_arguments())
            await client.send(key, [opening, make_call("factors", "add", wanted.table, entries)])
        assert [row["stage"] for row in (await run("list"))["items"]] == ["open"]
        finished = await run("load", str(table))
        assert [(row["result"], row["onChain"]) for row in finished["results"]] == [("loaded", 3)]

    on_network(tmp_path, work)


@pytest.mark.data
def test_every_published_table_arrives_whole(tmp_path: Path) -> None:
    folder = find_data()

    async def work(run: Any, net: Localnet) -> None:
        document = await run("load", "--all", str(folder))
        assert {row["result"] for row in document["results"]} == {"loaded"}
        assert sum(row["onChain"] for row in document["results"]) == 2_965
        assert document["problems"] == []
        again = await run("load", "--all", str(folder))
        assert {row["result"] for row in again["results"]} == {"already-there"}
        assert again["transactions"] == 0
        # Read off the tables by hand.
        for factor, day, value, status in (
            ("fuel.natural-gas.ncv", "2026-06-01", "48", "verified"),
            ("carbonate.CaCO3", "2026-06-01", "0.44", "verified"),
            ("cbam.72011011.B", "2026-06-01", "1.21", "verified"),
            ("gwp.AR6GWP100.CH4", "2026-06-01", "27.9", "unverified"),
            ("grid.CN-BJ", "2021-06-01", "0.5688", "unverified"),
            ("grid.CN-BJ", "2022-06-01", "0.558", "unverified"),
            ("grid.CN-BJ", "2023-06-01", "555.4", "unverified"),
            ("SOCref2019.HIGH_ACTIVITY_CLAY_SOILS.WARM_TEMPERATE_MOIST", "2020-01-01", "64",
             "unverified"),
            ("bcef.temperate.hardwoods.bcefi.gs_200_inf", "2020-01-01", "0.48", "unverified"),
        ):  # fmt: skip
            found = await run("get", factor, "--from", day)
            assert (found["value"], found["status"]) == (value, status), factor

    on_network(tmp_path, work, validators=4)
