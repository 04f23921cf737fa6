"""The whole import of one registry on a running chain: read, check, submit, verify.

What is on the chain already is asked of the chain (import keys), never remembered
here: run twice, nothing twice, whatever stopped the first run. Serials that are left
are read from the chain too, so that a later export is matched against the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from primitives.errors import CarbonodeError
from primitives.keys import PrivateKey
from primitives.transaction import Call
from tools.client.client import Client
from tools.client.errors import RpcError
from tools.client.wire import Request, dump_value
from tools.importers.ledger import Issuance
from tools.importers.matching import KILOGRAMS, Matched, Stock
from tools.importers.reading import Ledger, Plan, make_plan, make_stock
from tools.importers.submission import DONE, REFUSED, Item, Outcome, Submission
from tools.importers.table import Problem

KEYS_PER_QUESTION = 200
"""Import keys in one is_imported (vm/contracts/README.md)."""
LOTS_PER_PAGE = 100
ORGANISATION_NONE = ""


class ImportRefused(CarbonodeError):
    """The import cannot begin: a key is not what it must be."""

    code = "import-refused"


@dataclass(frozen=True, slots=True)
class Parties:
    """Who signs: ``issuer`` issues, ``holder`` owns what is issued and retires it.

    They are two organisations: an issuer may not issue to itself.
    """

    issuer: PrivateKey
    holder: PrivateKey


@dataclass(slots=True)
class Progress:
    """What a display needs; the callback gets phase, done and total."""

    on_step: Callable[[str, int, int], None]
    _done: dict[str, int] = field(default_factory=dict)

    def start(self, phase: str, done: int, total: int) -> None:
        self._done[phase] = done
        self.on_step(phase, done, total)

    def advance(self, phase: str, total: int) -> None:
        self._done[phase] += 1
        self.on_step(phase, self._done[phase], total)


@dataclass(slots=True)
class ImportResult:
    """What happened. Quantities in tonnes; ``problems`` are rows that are not on the chain."""

    ledger: Ledger
    holder: str
    issued: list[Outcome] = field(default_factory=list)
    released: list[Outcome] = field(default_factory=list)
    retired: list[Outcome] = field(default_factory=list)
    issued_before: int = 0
    retired_before: int = 0
    matched: tuple[Matched, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    transactions: int = 0
    gas: int = 0
    on_chain: dict[str, int] = field(default_factory=dict)


class Importer:
    """One registry's ledger onto one chain."""

    def __init__(
        self, client: Client, parties: Parties, ledger: Ledger, progress: Progress
    ) -> None:
        self._client = client
        self._parties = parties
        self._ledger = ledger
        self._progress = progress

    async def run(self) -> ImportResult:
        """Put the ledger on the chain and return what happened.

        Raises ImportRefused before anything is sent; SubmissionError or ClientError when
        the chain stops answering: what is final stays, and a second run goes on from there.
        """
        holder = await self.check_parties()
        result = ImportResult(self._ledger, holder, problems=list(self._ledger.problems))
        await self._issue(result)
        plan = await self._plan(result)
        result.matched = plan.matched
        result.problems.extend(plan.problems)
        await self._release(result, plan)
        await self._retire(result, plan)
        result.on_chain = await self._verify()
        return result

    async def check_parties(self) -> str:
        """Return the holder's organisation; raise ImportRefused naming what is missing."""
        issuer = await self._get_organisation("issuer", self._parties.issuer)
        holder = await self._get_organisation("holder", self._parties.holder)
        if issuer == holder:
            raise ImportRefused("issuer and holder are one organisation", organisation=issuer)
        scope = f"import:{self._ledger.form.registry}"
        status = await self._client.status()
        now = int(status.document.get("timeMs", 0)) // 1000
        for organisation in (issuer, holder):
            if not await self._ask("identity", "is_accredited", [organisation, scope, now]):
                raise ImportRefused("not accredited", organisation=organisation, scope=scope)
        if not await self._ask("identity", "has_role", [issuer, "registry"]):
            raise ImportRefused("the issuer is no registry", organisation=issuer)
        return holder

    async def _issue(self, result: ImportResult) -> None:
        issuances = self._ledger.issuances
        present = await self._find_present("units", [item.key for item in issuances])
        result.issued_before = len(present)
        items = [
            Item(issuance.key, self._make_issue(issuance, result.holder))
            for issuance in issuances
            if issuance.key not in present
        ]
        result.issued = await self._submit(
            "issuances", self._parties.issuer, items, result, done=len(present)
        )
        lines = {issuance.key: issuance.line for issuance in issuances}
        result.problems.extend(
            self._refused(self._ledger.issuance_table.name, lines, result.issued)
        )

    async def _plan(self, result: ImportResult) -> Plan:
        """Match the retirements that are not on the chain with the serials that are left."""
        retirements = self._ledger.retirements
        present = await self._find_present("retirement", [item.key for item in retirements])
        result.retired_before = len(present)
        missing = [item for item in retirements if item.key not in present]
        refused = {item.item.name for item in result.issued if item.status == REFUSED}
        issued = [item for item in self._ledger.issuances if item.key not in refused]
        is_new = result.issued_before == 0 and result.retired_before == 0
        vintages = {(item.project, item.vintage) for item in missing}
        needed = [item for item in issued if (item.project, item.vintage) in vintages]
        others = [item for item in issued if (item.project, item.vintage) not in vintages]
        if is_new:
            stocks = [make_stock(item) for item in needed]
        else:
            stocks = [await self._read_stock(item, result.holder) for item in needed]
        # Stocks of other vintages only let a problem name the right thing: nothing is taken.
        stocks += [make_stock(item) for item in others]
        return make_plan(self._ledger.retirement_table.name, stocks, missing)

    async def _release(self, result: ImportResult, plan: Plan) -> None:
        evidence = self._ledger.retirement_table.sha256
        items = [
            Item(
                piece.batch,
                Call(
                    "units",
                    "release_buffer",
                    (piece.batch, piece.start, piece.end, result.holder, evidence),
                ),
            )
            for piece in plan.releases
        ]
        result.released = await self._submit("releases", self._parties.issuer, items, result)

    async def _retire(self, result: ImportResult, plan: Plan) -> None:
        items = [
            Item(item.retirement.key, self._make_retire(item), len(item.pieces))
            for item in plan.matched
        ]
        result.retired = await self._submit(
            "retirements", self._parties.holder, items, result, done=result.retired_before
        )
        lines = {item.key: item.line for item in self._ledger.retirements}
        result.problems.extend(
            self._refused(self._ledger.retirement_table.name, lines, result.retired)
        )

    async def _verify(self) -> dict[str, int]:
        """Ask the chain what of this ledger it holds, batch by batch; in kilograms."""
        keys = [item.key for item in self._ledger.issuances]
        present = await self._find_present("units", keys)
        totals = await self._client.call_many(
            [_make_question("units", "get_totals", [key]) for key in keys if key in present]
        )
        retirement_keys = [item.key for item in self._ledger.retirements]
        sums = {"issued": 0, "buffered": 0, "released": 0, "retired": 0, "cancelled": 0}
        for answer in totals:
            if isinstance(answer, RpcError):
                raise answer
            for name in sums:
                sums[name] += int(answer["value"][f"{name}_kg"])
        return {
            "batches": len(present),
            "retirements": len(await self._find_present("retirement", retirement_keys)),
            **sums,
        }

    # -- calls

    def _make_issue(self, issuance: Issuance, holder: str) -> Call:
        total = issuance.quantity_t * KILOGRAMS
        table = self._ledger.issuance_table
        return Call(
            "units",
            "issue_imported",
            (
                self._ledger.form.registry,
                issuance.key,
                issuance.project,
                issuance.vintage,
                holder,
                0,
                total,
                total,
                issuance.buffer_t * KILOGRAMS,
                issuance.evidence_hash,
                _make_source(table.name, table.sha256, issuance.line),
                issuance.key,
            ),
        )

    def _make_retire(self, matched: Matched) -> Call:
        retirement = matched.retirement
        table = self._ledger.retirement_table
        return Call(
            "retirement",
            "retire_imported",
            (
                self._ledger.form.registry,
                retirement.prefix,
                retirement.origin_start,
                retirement.origin_end,
                [[piece.batch, piece.start, piece.end] for piece in matched.pieces],
                retirement.account_holder,
                retirement.purpose,
                retirement.retired_on.isoformat(),
                _make_source(table.name, table.sha256, retirement.line),
                retirement.key,
            ),
        )

    # -- the chain

    async def _submit(
        self,
        phase: str,
        key: PrivateKey,
        items: Sequence[Item],
        result: ImportResult,
        *,
        done: int = 0,
    ) -> list[Outcome]:
        total = done + len(items)
        self._progress.start(phase, done, total)
        submission = Submission(self._client, key, lambda _: self._progress.advance(phase, total))
        try:
            return await submission.run(items)
        finally:
            result.transactions += submission.transactions
            result.gas += submission.gas

    async def _find_present(self, contract: str, keys: Sequence[str]) -> set[str]:
        """Return those of the import keys that are on the chain."""
        parts = [
            list(keys[start : start + KEYS_PER_QUESTION])
            for start in range(0, len(keys), KEYS_PER_QUESTION)
        ]
        registry = self._ledger.form.registry
        answers = await self._client.call_many(
            [_make_question(contract, "is_imported", [registry, part]) for part in parts]
        )
        present: set[str] = set()
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, RpcError):
                raise answer
            present.update(
                key for key, is_there in zip(part, answer["value"], strict=True) if is_there
            )
        return present

    async def _read_stock(self, issuance: Issuance, holder: str) -> Stock:
        """Return what the chain says is left of a batch."""
        stock = make_stock(issuance)
        stock.free, stock.buffer = [], []
        after = 0
        while True:
            lots = await self._ask("units", "lots_of", [issuance.key, after, LOTS_PER_PAGE])
            for lot in lots:
                serials = (int(lot["start"]), int(lot["end"]))
                if lot["status"] == "active" and lot["owner"] == holder:
                    stock.free.append(serials)
                elif lot["status"] == "buffer":
                    stock.buffer.append(serials)
            if len(lots) < LOTS_PER_PAGE:
                return stock
            after = int(lots[-1]["end"])

    async def _get_organisation(self, role: str, key: PrivateKey) -> str:
        account = "0x" + key.public_key.hex()
        organisation = await self._ask("governance", "organisation_of", [account])
        if organisation == ORGANISATION_NONE:
            raise ImportRefused(f"the {role}'s key is no member's", account=account)
        return str(organisation)

    async def _ask(self, contract: str, method: str, arguments: list[Any]) -> Any:
        return (await self._client.state_call(contract, method, arguments)).value

    def _refused(
        self, file: str, lines: dict[str, int], outcomes: Sequence[Outcome]
    ) -> list[Problem]:
        return [
            Problem(file, lines[item.item.name], item.code, "refused by the chain")
            for item in outcomes
            if item.status == REFUSED
        ]


def _make_question(contract: str, method: str, arguments: list[Any]) -> Request:
    return Request(
        "state_call",
        {"contract": contract, "method": method, "arguments": dump_value(arguments)},
    )


def _make_source(file: str, sha256: bytes, line: int) -> str:
    """Return where a row stands: the file's name and hash, and the line."""
    return f"{file[:60]} sha256:{sha256.hex()[:16]} line {line}"


def count_done(outcomes: Sequence[Outcome]) -> int:
    """Return how many calls took effect."""
    return sum(outcome.status == DONE for outcome in outcomes)
