"""Lists of rows: a page, one row by its key, and everything as a stream. One set of
operations for each ``Listing`` of the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from tools.explorer.naming import Abis
from tools.explorer.operation import Operation, Values
from tools.explorer.pages import dump_cursor, make_statement, start_after
from tools.explorer.parameters import (
    CURSOR,
    FROM_HEIGHT,
    LIMIT,
    ORDER_DOWN,
    ORDER_UP,
    PROOF,
    TO_HEIGHT,
    Parameter,
    make_filter,
    make_segment,
)
from tools.explorer.problems import Problem
from tools.explorer.proofs import prove_row
from tools.explorer.rendering import (
    dump_csv,
    dump_header,
    dump_json,
    list_names,
    make_schema,
    render_row,
)
from tools.explorer.service import Answer, Service
from tools.indexer.book import Listing

ROOT: Final = "/api/v1"
EXPORT_ROWS: Final = 1_000
EXPORT_COST: Final = 20
HEIGHT_SCHEMA: Final[dict[str, Any]] = {
    "type": "integer", "minimum": 0, "description": "what the index holds: up to this height"
}  # fmt: skip
CURSOR_SCHEMA: Final[dict[str, Any]] = {
    "type": ["string", "null"], "description": "cursor of the next page; null on the last"
}  # fmt: skip


def make_operations(listing: Listing) -> list[Operation]:
    """Return the operations of a list."""
    item = {"$ref": f"#/components/schemas/{listing.name}"}
    filters = _make_filters(listing)
    found = [
        Operation(
            f"list-{listing.name}", f"{ROOT}/{listing.name}", listing.about,
            partial(show_page, listing), wrap({"items": {"type": "array", "items": item},
            "next_cursor": CURSOR_SCHEMA}), (LIMIT, CURSOR, *filters), "lists",
        ),
        *(
            Operation(
                f"export-{listing.name}-{form}", f"{ROOT}/{listing.name}.{form}",
                f"All of {listing.name} that the filters choose, as {form.upper()}, at one height.",
                partial(show_page, listing), {}, filters, "exports", EXPORT_COST, listing.name,
                media,
            )
            for form, media in (("csv", "text/csv"), ("json", "application/json"))
        ),
    ]  # fmt: skip
    if listing.item:
        segments = tuple(make_segment(listing.table.columns[name]) for name in listing.key)
        proof = (PROOF,) if listing.proof is not None else ()
        places = "/".join("{" + name + "}" for name in listing.key)
        found.append(
            Operation(
                f"get-{listing.name}", f"{ROOT}/{listing.name}/{places}",
                f"One of {listing.name} by its key.", partial(show_item, listing),
                wrap({"item": item}, optional={"proof": {"type": "object"}}),
                (*segments, *proof), "lists", problems=(400, 404, 429, 500, 502, 503),
            )
        )  # fmt: skip
    return found


def wrap(members: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an answer: the index's height beside its members."""
    properties = {"index_height": HEIGHT_SCHEMA, **members}
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def _make_filters(listing: Listing) -> tuple[Parameter, ...]:
    columns = listing.table.columns
    filters = [make_filter(columns[name]) for name in listing.filter_names]
    if listing.key[0] == "height":
        filters += [FROM_HEIGHT, TO_HEIGHT]
    return (*filters, ORDER_DOWN if listing.newest_first else ORDER_UP)


async def show_page(listing: Listing, service: Service, values: Values) -> Answer:
    """Return one page."""

    def read(connection: Connection) -> dict[str, Any]:
        statement = start_after(make_statement(listing, values), listing, values)
        rows = connection.execute(statement).mappings().all()
        abis = Abis(connection)
        shown = rows[: values["limit"]]
        more = len(rows) > len(shown)
        return {
            "items": [render_row(listing, row, abis) for row in shown],
            "next_cursor": dump_cursor(listing, values, shown[-1]) if more else None,
        }

    height, page = await service.read(read)
    return Answer({"index_height": height, **page}, height)


async def show_item(listing: Listing, service: Service, values: Values) -> Answer:
    """Return one row, with its proof where asked."""

    def read(connection: Connection) -> Any:
        statement = make_statement(listing, {"order": "asc"})
        for name in listing.key:
            statement = statement.where(listing.table.columns[name] == values[name])
        row = connection.execute(statement).mappings().first()
        if row is None:
            return None
        return dict(row), render_row(listing, row, Abis(connection))

    height, found = await service.read(read)
    if found is None:
        raise Problem("not-found", f"no such row in {listing.name}")
    row, item = found
    document: dict[str, Any] = {"index_height": height, "item": item}
    wants_proof = bool(values.get("proof"))
    if wants_proof:
        document["proof"] = await prove_row(service, listing, row)
    return Answer(document, height, wants_proof)


def iterate_export(
    listing: Listing, values: Values, connection: Connection, height: int, form: str
) -> Iterator[str]:
    """Yield the text of everything that the filters choose, piece by piece."""
    abis, names = Abis(connection), list_names(listing)
    statement = make_statement(listing, values).execution_options(yield_per=EXPORT_ROWS)
    is_csv = form == "csv"
    yield dump_header(names) if is_csv else f'{{"index_height":{height},"items":['
    first = True
    for part in connection.execute(statement).mappings().partitions():
        items = [render_row(listing, row, abis) for row in part]
        if is_csv:
            yield dump_csv(items, names)
        else:
            yield ("" if first else ",") + ",".join(dump_json(item) for item in items)
        first = False
    if not is_csv:
        yield "]}"


def make_schemas(listings: dict[str, Listing]) -> dict[str, Any]:
    """Return the schemas of all items, by the names of their lists."""
    return {name: make_schema(listing) for name, listing in listings.items()}
