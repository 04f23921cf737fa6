"""``carbonode calc``: the chain's calculators, offline, on documents that people have.

Talks to no node. The contract that runs is the one that a chain runs; tools/calculators turns the
document into its inputs. Source: docs/carbon.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tools.calculators.cbam import Answer, compute_see
from tools.calculators.workbook import WorkbookError, parse_document
from tools.cli.session import Session, pass_session


@click.group()
def calc() -> None:
    """Run a calculator of the chain on a file; no node is asked."""


@calc.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--example", help="One of the document's examples. Default: all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@click.option("--inputs", "with_inputs", is_flag=True, help="With the method's inputs and lines.")
@pass_session
def cbam(
    session: Session, file: Path, example: str | None, as_json: bool, with_inputs: bool
) -> None:
    """Specific embedded emissions of an installation (CBAM communication template).

    FILE is one worked example as JSON, or an object of several by name. The rows are direct,
    indirect and total t CO2e and MWh a tonne; of several examples an object by name.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkbookError("the file cannot be read", reason=str(error)[:200]) from None
    installations = parse_document(text)
    if example is not None:
        if example not in installations:
            raise WorkbookError("no such example", example=example, examples=list(installations))
        installations = {example: installations[example]}
    answers = {name: compute_see(one) for name, one in installations.items()}
    documents = {name: _to_document(answer, with_inputs) for name, answer in answers.items()}
    document: Any = documents if len(documents) > 1 else next(iter(documents.values()))
    if as_json or session.is_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for name, answer in answers.items():
        _show(session.console, name, answer)


def _to_document(answer: Answer, with_inputs: bool) -> Any:
    if not with_inputs:
        return answer.rows
    return {
        "rows": answer.rows,
        "flags": answer.flags,
        "inputs": answer.inputs,
        "lines": [[str(cell) if isinstance(cell, int) else cell for cell in line]
                  for line in answer.lines],
    }  # fmt: skip


def _show(console: Console, name: str, answer: Answer) -> None:
    table = Table(title=name or None)
    for title in ("process", "CN", "direct t/t", "indirect t/t", "total t/t", "MWh/t"):
        table.add_column(title, justify="left" if title in ("process", "CN") else "right")
    for row in answer.rows:
        figures = [row["see_direct"], row["see_indirect"], row["see_total"], row["el_mwh_t"]]
        table.add_row(row["process"], row["cn"] or "", *[f"{figure:.5f}" for figure in figures])
    console.print(table)
    for flag in answer.flags:
        console.print(f"flag: {flag}")
