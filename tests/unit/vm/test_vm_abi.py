"""The ABI: manifest, JSON Schema, conversions there and back."""

import json

import pytest

from tests.unit.vm.vm_corpus import HEADER
from vm.abi import AbiError, make_schema, value_from_json, value_to_json
from vm.authoring import get_abi
from vm.outcome import VmEvent
from vm.types import (
    ADDRESS,
    BOOL,
    BYTES,
    INT,
    NONE,
    STR,
    DictType,
    ListType,
    TupleType,
    make_record_type,
)

POINT = make_record_type("Point", (("x", INT), ("tags", ListType(STR))), False)
HEX = "0x" + "11" * 32
PAIRS = [
    (INT, 5, 5),
    (INT, 2**53, 2**53),
    (INT, 2**53 + 1, str(2**53 + 1)),
    (INT, -(2**255), str(-(2**255))),
    (STR, "a", "a"),
    (BOOL, True, True),
    (BYTES, b"\1\2", "0x0102"),
    (ADDRESS, b"\x11" * 32, HEX),
    (NONE, None, None),
    (ListType(INT), [1, 2], [1, 2]),
    (DictType(STR, INT), [["b", 1], ["a", 2]], {"b": 1, "a": 2}),
    (DictType(INT, STR), [[1, "a"]], [[1, "a"]]),
    (TupleType((INT, STR)), [1, "a"], [1, "a"]),
    (POINT, [1, ["t"]], {"x": 1, "tags": ["t"]}),
    (ListType(POINT), [[1, []]], [{"x": 1, "tags": []}]),
]


@pytest.mark.parametrize(("kind", "wire", "shown"), PAIRS)
def test_a_value_goes_to_json_and_back(kind, wire, shown):
    assert value_to_json(kind, wire) == shown
    assert value_from_json(kind, json.loads(json.dumps(shown))) == wire


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INT, True), (INT, 1.0), (INT, "1e3"), (INT, "0x1"), (INT, 2**255), (INT, None),
        (STR, 1), (STR, "\ud800"), (BOOL, 1), (BYTES, "00"), (BYTES, "0x0"), (ADDRESS, "0x11"),
        (ADDRESS, "alice"), (NONE, 0), (ListType(INT), {"a": 1}), (ListType(INT), [1, "a"]),
        (DictType(STR, INT), [["a"]]), (DictType(STR, INT), {"a": "b"}),
        (TupleType((INT,)), [1, 2]),
        (POINT, {"x": 1}), (POINT, {"x": 1, "tags": [], "z": 1}), (POINT, [1]), (POINT, "x"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_its_place(kind, value):
    with pytest.raises(AbiError) as caught:
        value_from_json(kind, value, "amount")
    assert "amount" in str(caught.value) and caught.value.code == "arguments"


def test_the_manifest_names_functions_records_events_and_storage():
    abi = get_abi(HEADER + '    """Does it."""\n    return a\n')
    manifest = abi.to_json()
    assert manifest["doc"] == "Doc."
    assert manifest["functions"] == [
        {
            "name": "f",
            "role": "export",
            "doc": "Does it.",
            "parameters": [{"name": "a", "type": "int"}],
            "returns": "int",
        }
    ]
    assert [item["name"] for item in manifest["records"]] == ["Lot"]
    assert manifest["events"][0]["fields"][0] == {"name": "to", "type": "Address"}
    assert {"name": "lots", "kind": "Map", "key": "tuple[str, int]", "value": "Lot"} in (
        manifest["storage"]
    )
    assert json.loads(json.dumps(manifest)) == manifest


def test_the_schema_says_what_the_reader_accepts():
    schema = get_abi(HEADER + "    return a\n").to_json_schema()
    assert schema["$defs"]["f"]["required"] == ["a"]
    assert schema["$defs"]["Lot"]["properties"]["tags"] == {
        "type": "array",
        "items": {"type": "string"},
    }
    assert make_schema(ADDRESS)["pattern"].startswith("^0x")


def test_arguments_come_by_position_or_by_name():
    abi = get_abi(HEADER + "    return a\n")
    assert abi.arguments_from_json("f", [1]) == abi.arguments_from_json("f", {"a": "1"}) == (1,)
    for bad in ([], [1, 2], {"b": 1}, {}):
        with pytest.raises(AbiError):
            abi.arguments_from_json("f", bad)
    with pytest.raises(AbiError):
        abi.arguments_from_json("helper", [1])


def test_an_event_is_shown_with_its_field_names():
    abi = get_abi(HEADER + "    return a\n")
    shown = abi.event_to_json(VmEvent("main", "Moved", (b"\x11" * 32, 2**60)))
    assert shown["fields"] == {"to": HEX, "amount": str(2**60)}
    with pytest.raises(AbiError):
        abi.event_to_json(VmEvent("main", "Nothing", ()))
