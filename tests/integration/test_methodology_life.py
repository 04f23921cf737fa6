"""A methodology from two files to a result that counts, by the commands, on a real network."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from primitives.params import ChainParams
from tests.integration.test_localnet_control import in_thread
from tools.localnet.network import Localnet

pytestmark = pytest.mark.integration
PARAMS = ChainParams(timeout_base_ms=500, empty_block_interval_ms=1_000)
CODE = '''"""Lime: CaCO3 EF CF. Kind: emission."""
from vm import view
from lib.quantities.v1 import (
    Computation, Quantity, make_line, read_inputs, take_amount, take_share, to_grams,
)

@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, ["AD", "EF", "CF"])
    share = take_share(found, "CF", 1000000000000)
    per = take_amount(found, "EF", "tCO2/t")
    total = take_amount(found, "AD", "t") * per // 10**12 * share // 10**12
    return Computation(to_grams(total), [make_line("Em", "AD EF CF", ["AD"], total, "tCO2")], [])
'''
MANIFEST: dict[str, Any] = {
    "methodology": "lime", "version": 1, "title": "Lime from carbonate", "source": "IPCC 2006",
    "code": "method_lime", "kind": "emission", "ratio": [44, 12], "rounding": "half-even",
    "validFrom": "2006-01-01",
    "requirements": [
        {"name": "AD", "units": ["t"], "least": 1, "most": 1},
        {"name": "EF", "units": ["tCO2/t"], "least": 1, "most": 1},
        {"name": "CF", "units": ["1", "%"], "least": 0, "most": 1},
    ],
    "vectors": [
        {"about": "by hand", "inputs": [["AD", "100", "t"], ["EF", "0.44", "tCO2/t"]],
         "grams": "44000000", "lines": [["Em", "44", "tCO2"]]},
        {"about": "half", "grams": "22000000", "lines": [],
         "inputs": [["AD", "100", "t"], ["EF", "0.44", "tCO2/t"], ["CF", "50", "%"]]},
    ],
}  # fmt: skip


def test_a_methodology_is_tried_published_and_voted_into_force(tmp_path: Path) -> None:
    manifest = tmp_path / "lime.json"
    manifest.write_text(json.dumps(MANIFEST))
    (tmp_path / "method_lime.py").write_text(CODE)
    wrong = tmp_path / "wrong.json"
    vectors = [MANIFEST["vectors"][0] | {"grams": "44000001"}]
    wrong.write_text(json.dumps(MANIFEST | {"methodology": "wrong", "vectors": vectors}))

    async def work() -> None:
        async with Localnet(tmp_path / "net", params=PARAMS, validators=1) as net:
            key = ("--key", str(net.directory / "keys" / "regulator.key"))
            other = ("--key", str(net.directory / "keys" / "bank.key"))

            async def run(*arguments: str, exit_code: int = 0) -> Any:
                home = str(net.directory)
                result = await in_thread("--home", home, "--output", "json", *arguments)
                assert result.exit_code == exit_code, (arguments, result.output, result.stderr)
                return json.loads(result.stdout) if result.stdout else result.stderr

            shipped = (await run("methodology", "list"))["items"]
            assert {row["status"] for row in shipped} == {"active"} and len(shipped) >= 5
            assert len((await run("methodology", "try", str(manifest)))["items"]) == 2
            await run("methodology", "try", str(wrong), exit_code=1)
            await run("methodology", "publish", str(manifest), *key, exit_code=6)
            code = await run("contract", "publish", str(tmp_path / "method_lime.py"), *key)
            await run("contract", "upgrade", "method_lime", code["codeHash"], "--new", *key)
            await run("contract", "activate", "method_lime", *key)
            await run("methodology", "publish", str(manifest), *other, exit_code=4)
            tried = await run("methodology", "publish", str(manifest), *key)
            assert (tried["passed"], tried["vectors"]) == (2, 2)
            assert (await run("methodology", "publish", str(manifest), *key))["passed"] == 0
            assert (await run("methodology", "check", str(manifest), *other))["passed"] == 0
            draft = await run("methodology", "get", "lime")
            assert (draft["status"], draft["unchecked"]) == ("draft", [])
            changed = MANIFEST | {"title": "Another"}
            manifest.write_text(json.dumps(changed))
            await run("methodology", "publish", str(manifest), *key, exit_code=1)
            assert "vectors-fail" in await run(
                "methodology", "publish", str(wrong), *key, exit_code=4
            )
            assert (await run("methodology", "get", "wrong"))["unchecked"] == [0]
            refused = await run("methodology", "activate", "wrong", "1", *key, exit_code=4)
            assert "vectors-unchecked" in refused
            assert (await run("methodology", "activate", "lime", "1", *key))["executed"]
            assert (await run("methodology", "get", "lime"))["status"] == "active"
            inputs = '["lime", 1, 1767225600, 1767225700, [["AD", 10, 0, "t", "activity:a"], '
            inputs += '["EF", 440, 3, "tCO2/t", "activity:b"]]]'
            answer = await run("query", "call", "methodology", "compute", inputs)
            assert int(answer["value"]["grams"]) == 4_400_000
            assert (await run("methodology", "withdraw", "lime", "1", *key))["executed"]
            assert (await run("methodology", "get", "lime"))["status"] == "withdrawn"

    asyncio.run(work())
