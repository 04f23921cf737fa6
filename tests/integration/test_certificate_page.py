"""The page proves a certificate and refuses each spoiled one, in a real browser, offline."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from primitives.codec import pack
from primitives.genesis import dump_genesis
from primitives.params import ChainParams
from tests.integration.chromium import Page, open_page
from tests.unit.tools.test_certificate_changes import AFTER_TWO
from tests.unit.tools.test_certificate_changes import SPOILED as SPOILED_CHANGES
from tests.unit.tools.test_certificate_file import (
    FILE_SPOILS,
    GENESIS,
    GOOD,
    SIGNED_SPOILS,
    Sample,
    make_document,
)
from tools.certificate.page import PAGE, make_page

pytestmark = pytest.mark.integration
LIMIT_S = 180.0
VECTORS = Path(__file__).parents[1] / "vectors"
GENESIS_TEXT = dump_genesis(GENESIS)
WHOLE_NUMBERS_ONLY = frozenset({"the quantity as a fraction"})
"""JavaScript cannot tell 5000.0 from 5000, so the page refuses such a number when it reads it."""
VERIFY = """
(async () => {
  const outcomes = [];
  for (const [certificate, genesis] of %s) {
    try {
      const proven = await carbonode.verify(carbonode.parse(certificate), carbonode.parse(genesis));
      outcomes.push(["valid", proven]);
    } catch (error) { outcomes.push(["refused", error.code ?? String(error)]); }
  }
  return outcomes;
})()
"""


def browse(folder: Path, page: str, work: Callable[[Page], Awaitable[None]]) -> None:
    file = folder / "page.html"
    file.write_text(page, "utf-8")

    async def run() -> None:
        async with asyncio.timeout(LIMIT_S), open_page(folder, file) as opened:
            await work(opened)

    asyncio.run(run())


async def verify_all(page: Page, cases: list[tuple[str, str]]) -> list[Any]:
    outcomes = await page.evaluate(VERIFY % json.dumps(cases))
    assert len(outcomes) == len(cases)
    return list(outcomes)


def test_the_page_proves_a_certificate_and_says_what_the_program_says(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        outcomes = await verify_all(
            page, [(json.dumps(GOOD), GENESIS_TEXT), (json.dumps(AFTER_TWO), GENESIS_TEXT)]
        )
        (kind, proven), (later_kind, later) = outcomes
        assert (kind, later_kind) == ("valid", "valid"), outcomes
        assert later["signers"] == ["v1", "v2", "v3", "v4"]
        assert proven["statement"] == GOOD["retirement"]
        assert proven["signers"] == ["v0", "v1", "v3"]
        assert proven["chainId"] == GOOD["chainId"]
        assert proven["transaction"] == GOOD["transaction"]["id"]

    browse(tmp_path, make_page(), work)


def test_the_page_refuses_every_spoiled_certificate_for_its_reason(tmp_path: Path) -> None:
    expected: dict[str, str] = {}
    cases: list[tuple[str, str]] = []
    for name, (part, spoil) in FILE_SPOILS.items():
        document = copy.deepcopy(GOOD)
        spoil(document)
        expected[name] = "format" if name in WHOLE_NUMBERS_ONLY else part
        cases.append((json.dumps(document), GENESIS_TEXT))
    for name, (part, changes) in SIGNED_SPOILS.items():
        expected[name] = part
        cases.append((json.dumps(make_document(Sample(**changes))), GENESIS_TEXT))
    good = json.dumps(GOOD)
    texts = {
        "not JSON": "{",
        "nothing": "",
        "a list": "[]",
        "a member twice": good[:-1] + f', "chainId": "{GOOD["chainId"]}"}}',
    }
    for name, text in texts.items():
        expected[name] = "format"
        cases.append((text, GENESIS_TEXT))
    expected["another genesis"] = "chain"
    cases.append((good, dump_genesis(replace(GENESIS, chain_name="another"))))
    expected["a genesis that is not its own hash"] = "genesis"
    cases.append((good, GENESIS_TEXT.replace("certificate test", "certificate fest")))
    for name, (part, document) in SPOILED_CHANGES.items():
        expected[f"changes: {name}"] = part
        cases.append((json.dumps(document), GENESIS_TEXT))
    assert len(cases) == len(expected) > 140

    async def work(page: Page) -> None:
        outcomes = await verify_all(page, cases)
        found = dict(zip(expected, outcomes, strict=True))
        wrong = {
            name: (found[name], part)
            for name, part in expected.items()
            if found[name] != ["refused", f"certificate-{part}"]
        }
        assert wrong == {}

    browse(tmp_path, make_page(), work)


def test_signatures_get_the_verdicts_published_for_libsodium(tmp_path: Path) -> None:
    edges = json.loads((VECTORS / "ed25519_speccheck.json").read_text())["cases"]
    rfc = json.loads((VECTORS / "ed25519_rfc8032.json").read_text())
    rfc = rfc if isinstance(rfc, list) else rfc["cases"]
    rows = [[case["public_key"], case["message"], case["signature"]] for case in (*edges, *rfc)]
    script = """
    (async () => {
      const bytes = text => Uint8Array.from(text.match(/../g) ?? [], item => parseInt(item, 16));
      const verdicts = [];
      for (const row of %s) verdicts.push(await carbonode.isSigned(...row.map(bytes)));
      return verdicts;
    })()
    """ % json.dumps(rows)  # noqa: UP031  # the script has braces of its own

    async def work(page: Page) -> None:
        verdicts = await page.evaluate(script)
        assert verdicts == [case["libsodium"] for case in edges] + [True] * len(rfc)

    browse(tmp_path, make_page(), work)


def test_the_canonical_form_is_the_codecs_own(tmp_path: Path) -> None:
    """Golden vectors, and every edge of the integers, both ways."""
    edges = sorted(
        {sign * (1 << bits) + offset for bits in (0, 5, 7, 8, 15, 16, 31, 32, 63, 64, 71, 72, 127,
         128, 200, 254) for sign in (1, -1) for offset in (-1, 0, 1)}
    )  # fmt: skip
    values: list[Any] = [None, True, False, "", "x" * 31, "x" * 32, "é" * 200, [], [[1]], b"\x00"]
    values += [list(range(15)), list(range(16)), b"y" * 300, "z" * 70_000]
    packed = [pack(value).hex() for value in values] + [pack(edge).hex() for edge in edges]
    script = """
    %s.map(text => {
      const bytes = Uint8Array.from(text.match(/../g), item => parseInt(item, 16));
      const again = carbonode.pack(carbonode.unpack(bytes, "value"));
      return Array.from(again, item => item.toString(16).padStart(2, "0")).join("");
    })
    """ % json.dumps(packed)  # noqa: UP031  # as above
    back = "text => String(carbonode.unpack(carbonode.pack(BigInt(text)), 'value'))"
    integers = f"{json.dumps([str(edge) for edge in edges])}.map({back})"

    async def work(page: Page) -> None:
        assert await page.evaluate(script) == packed
        assert await page.evaluate(integers) == [str(edge) for edge in edges]

    browse(tmp_path, make_page(), work)


def test_a_page_with_the_files_inside_shows_the_verdict_at_once(tmp_path: Path) -> None:
    spoiled = copy.deepcopy(GOOD)
    spoiled["retirement"]["purpose"] = "</script><script>document.title = 'taken'</script>"
    wait = """new Promise(done => {
      const look = () => /good|bad/.test(result.className)
        ? done(result.innerText) : setTimeout(look, 20);
      look();
    })"""

    async def good(page: Page) -> None:
        text = await page.evaluate(wait)
        assert text.startswith("VALID")
        assert "5.000 t CO2e" in text
        assert GOOD["chainId"] in text

    async def bad(page: Page) -> None:
        text = await page.evaluate(wait)
        assert text.startswith("REFUSED")
        assert "certificate-statement" in text
        assert await page.evaluate("document.title") != "taken"

    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    browse(tmp_path / "good", make_page(json.dumps(GOOD), GENESIS_TEXT), good)
    browse(tmp_path / "bad", make_page(json.dumps(spoiled), GENESIS_TEXT), bad)


def test_the_page_names_the_parameters_of_a_genesis_in_order_and_needs_no_network() -> None:
    text = PAGE.read_text("utf-8")
    start = text.index("const PARAMS = [")
    listed = json.loads("[" + text[start + 16 : text.index("]", start)].rstrip(" ,\n") + "]")
    assert listed == [field.name for field in fields(ChainParams)]
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text
