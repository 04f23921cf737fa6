"""Imports onto a running chain, by the command that people use, with real processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.client.client import Client
from tools.localnet.network import Localnet

ROOT = Path(__file__).resolve().parents[2]
IMPORT_TIMEOUT_S = 300.0
ISSUANCES = (
    "Date Issued,Project ID,Vintage,Issuance Year,Total Credits Issued,Credits Issued to Project,"
    "Credits Issued to Buffer Pool\n"
)
RETIREMENTS = (
    "Project ID,Vintage,Offset Credit Serial Numbers,Quantity of Offset Credits,Status Effective,"
    "Account Holder,Retirement Reason,Retirement Reason Details,Date Issued,Retirement Year\n"
)


def find_data() -> Path:
    folder = Path(os.environ.get("CARBONODE_DATA", ROOT.parent / "shared" / "data")) / "registry"
    if not (folder / "ACR_issuances.csv").exists():
        pytest.skip(f"the registries' exports are not in {folder} (set CARBONODE_DATA)")
    return folder


async def run_command(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tools.cli.main",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(IMPORT_TIMEOUT_S):
        output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def run_import(
    net: Localnet, registry: str, issuances: Path, retirements: Path
) -> tuple[int, dict[str, Any]]:
    code, output, errors = await run_command(
        *("--output", "json", "import", registry, str(issuances), str(retirements)),
        *("--localnet", str(net.directory)),
    )
    assert output, errors
    return code, json.loads(output)


async def kill_import_on_the_way(
    net: Localnet, registry: str, issuances: Path, retirements: Path
) -> None:
    """Start an import and kill it (SIGKILL) as soon as a few of its blocks are final."""
    async with net.client() as client:
        start = (await client.status()).height
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.cli.main", "import", registry),
            *(str(issuances), str(retirements), "--localnet", str(net.directory)),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(IMPORT_TIMEOUT_S):
            async for block in client.subscribe("blocks"):
                if int(block.item["height"]) >= start + 3:
                    break
        process.kill()
        await process.wait()


async def get_roots(net: Localnet) -> set[str | None]:
    await net.wait_ready()
    return {status.state_root if status else None for status in await net.statuses()}


async def find_origin(client: Client, prefix: str, serial: int) -> int:
    answer = await client.state_call("retirement", "origin_at", ["ACR", prefix, serial])
    return int(answer.value)


@pytest.mark.integration
@pytest.mark.data
def test_the_public_exports_arrive_whole_once_and_can_be_audited_offline(tmp_path: Path) -> None:
    folder = find_data()
    files = {
        name: (folder / f"{name.upper()}_issuances.csv", folder / f"{name.upper()}_retirements.csv")
        for name in ("acr", "car")
    }

    async def scenario() -> Path:
        async with Localnet(tmp_path / "net", validators=4) as net:
            code, acr = await run_import(net, "acr", *files["acr"])
            assert (code, acr["badRows"]) == (0, 0)
            assert acr["onChain"] == {
                "batches": 1_053,
                "retirements": 2_637,
                "issuedTonnes": 199_823_611,
                "bufferedTonnes": 20_576_473,
                "releasedTonnes": 39_021,
                "retiredTonnes": 13_912_689,
                "cancelledTonnes": 0,
            }
            await kill_import_on_the_way(net, "car", *files["car"])
            code, car = await run_import(net, "car", *files["car"])
            assert car["thisRun"]["issuancesBefore"] > 0
            assert (code, car["badRows"]) == (0, 0)
            assert car["onChain"]["issuedTonnes"] == 168_806_186
            assert car["onChain"]["retirements"] == 5_351
            assert car["onChain"]["retiredTonnes"] == 49_547_885
            for name in files:
                code, again = await run_import(net, name, *files[name])
                assert (code, again["thisRun"]["transactions"]) == (0, 0)
            assert len(await get_roots(net)) == 1
            async with net.client() as client:
                certificate = await find_origin(client, "ACR-US-102-2003-274", 120_158_095)
                kept = await client.state_call("retirement", "certificate", [certificate])
                assert kept.value["beneficiary_name"] == "Sustain:Green"
                assert (kept.value["origin_start"], kept.value["origin_end"]) == (
                    120_158_095,
                    120_158_157,
                )
            return net.nodes[0].home

    home = asyncio.run(scenario())
    code, output, errors = asyncio.run(
        run_command("--output", "json", "--home", str(home), "audit", "verify")
    )
    assert code == 0, output + errors


def row_of(project: int, first: int, last: int, *, quantity: int | None = None) -> str:
    tonnes = last - first + 1 if quantity is None else quantity
    return (
        f"ACR{project},2003,ACR-US-{project}-2003-5-{first} to {last},{tonnes},12/29/15,"
        f'"Holder, ""Q""",Benefit,,8/2/06,2015\n'
    )


@pytest.mark.integration
def test_dirty_and_growing_ledgers_leave_only_their_good_rows_on_the_chain(tmp_path: Path) -> None:
    first, second = tmp_path / "i.csv", tmp_path / "r.csv"
    good = "8/2/06,ACR1,2003,2006,100,90,10\n"
    first.write_text(
        ISSUANCES + good + "8/2/06,ACR2,2003,2006,100,90,11\n" + "x,ACR3,2003,2006,5,5,0\n" + good
    )
    second.write_text(
        RETIREMENTS
        + row_of(1, 1, 20)
        + row_of(1, 15, 30)
        + row_of(1, 31, 40, quantity=11)
        + row_of(2, 1, 5)
        + row_of(1, 101, 175)
    )

    async def scenario() -> None:
        async with Localnet(tmp_path / "net", validators=4) as net, net.client() as client:
            code, report = await run_import(net, "acr", first, second)
            assert code == 1
            assert [(bad["line"], bad["code"]) for bad in report["problems"]] == [
                (3, "sum"),
                (4, "date"),
                (5, "duplicate"),
                (3, "overlap"),
                (4, "quantity"),
                (5, "project"),
            ]
            assert report["onChain"]["issuedTonnes"] == 100
            assert report["onChain"]["retiredTonnes"] == 95
            assert report["onChain"]["releasedTonnes"] == 5
            assert await find_origin(client, "ACR-US-1-2003-5", 25) == 0
            # A later export: one issuance and two retirements more. One of them meets serials
            # that the chain has from the first export, which this file no longer lists.
            first.write_text(ISSUANCES + good + "9/3/07,ACR1,2003,2007,50,50,0\n")
            second.write_text(
                RETIREMENTS + row_of(1, 101, 175) + row_of(1, 18, 22) + row_of(1, 200, 219)
            )
            code, report = await run_import(net, "acr", first, second)
            assert code == 1
            assert [(bad["line"], bad["code"]) for bad in report["problems"]] == [
                (3, "origin-overlap")
            ]
            assert report["thisRun"]["issuances"] == 1
            assert report["thisRun"]["retirements"] == 1
            assert report["onChain"]["retiredTonnes"] == 115
            assert await find_origin(client, "ACR-US-1-2003-5", 21) == 0
            code, report = await run_import(net, "acr", first, second)
            assert report["thisRun"]["issuances"] == report["thisRun"]["retirements"] == 0
            assert report["onChain"]["retiredTonnes"] == 115
            assert len(await get_roots(net)) == 1

    asyncio.run(scenario())


@pytest.mark.integration
def test_an_import_that_cannot_begin_says_why_and_sends_nothing(tmp_path: Path) -> None:
    first, second = tmp_path / "i.csv", tmp_path / "r.csv"
    first.write_text(ISSUANCES + "8/2/06,ACR1,2003,2006,100,90,10\n")
    second.write_text(RETIREMENTS)
    empty = tmp_path / "empty.csv"
    empty.write_text("")

    async def scenario() -> None:
        async with Localnet(tmp_path / "net", validators=1) as net:
            keys = net.directory / "keys"
            cases: list[tuple[tuple[str, ...], int, str]] = [
                ((str(empty), str(second), "--localnet", str(net.directory)), 1, "empty"),
                ((str(second), str(second), "--localnet", str(net.directory)), 1, "missing"),
                ((str(first), str(second), "--node", net.endpoints[0]), 2, "--holder-key"),
                (
                    (
                        *(str(first), str(second), "--node", net.endpoints[0]),
                        *("--key", str(keys / "bank.key")),
                        *("--holder-key", str(keys / "acr-accounts.key")),
                    ),
                    1,
                    "not accredited",
                ),
                (
                    (
                        *(str(first), str(second), "--node", net.endpoints[0]),
                        *("--key", str(keys / "registry.key")),
                        *("--holder-key", str(keys / "registry.key")),
                    ),
                    1,
                    "one organisation",
                ),
                (
                    (
                        *(str(first), str(second), "--node", net.endpoints[0]),
                        *("--key", str(net.nodes[0].home / "node.key")),
                        *("--holder-key", str(keys / "acr-accounts.key")),
                    ),
                    1,
                    "no member",
                ),
            ]
            for arguments, expected, words in cases:
                code, _, errors = await run_command("import", "acr", *arguments)
                assert (code, words in errors) == (expected, True), errors
            async with net.client() as client:
                total = await client.state_call("units", "total")
                assert total.value["issued_kg"] == 0

    asyncio.run(scenario())
