"""Keys on disk are a contract with every existing folder: these bytes never change."""

from __future__ import annotations

from storage import schema


def test_golden_keys() -> None:
    assert schema.SCHEMA_VERSION == 2
    assert schema.META_CHAIN_ID == b"mchain-id"
    assert schema.META_SCHEMA == b"mschema"
    assert schema.META_TIP == b"mtip"
    assert schema.META_LOWEST == b"mlowest"
    assert schema.INDEX_SCHEMA_VERSION == 2
    assert schema.META_INDEX_GENERATION == b"mgeneration"
    assert schema.META_INDEX_HEIGHT == b"mindex-height"
    assert schema.META_INDEX_LOWEST == b"mindex-lowest"
    assert schema.META_INDEX_SEED == b"mindex-seed"
    assert schema.STATE_PREFIX == b"s"
    assert schema.make_height_key(b"b", 0x0102) == b"b" + bytes.fromhex("0000000000000102")
    assert schema.make_tree_key(5, 4, 0xABCD) == b"k" + bytes.fromhex("540000abcd")
    assert schema.encode_location(1, 2) == bytes.fromhex("000000000000000100000002")
    assert schema.decode_location(bytes.fromhex("000000000000000100000002")) == (1, 2)
    assert schema.encode_height(258) == bytes.fromhex("0000000000000102")
    assert schema.decode_height(bytes.fromhex("0000000000000102")) == 258
    assert schema.make_name_part("units") == b"\x00\x05units"
    assert schema.make_name_part("é") == b"\x00\x02\xc3\xa9"


def test_golden_tables() -> None:
    chain = {table.name: table.prefix for table in schema.CHAIN_TABLES}
    assert chain == {
        "meta": b"m",
        "headers": b"h",
        "blocks": b"b",
        "certificates": b"c",
        "results": b"r",
        "receipts": b"p",
        "events": b"e",
        "hashes": b"i",
        "transactions": b"t",
        "ids": b"d",
        "epochs": b"x",
        "state": b"s",
        "tree": b"k",
    }
    index = {table.name: table.prefix for table in schema.INDEX_TABLES}
    assert index == {
        "meta": b"m",
        "outcomes": b"x",
        "senders": b"a",
        "contracts": b"c",
        "events": b"e",
        "named": b"n",
        "accounts": b"o",
        "lots": b"l",
        "owned": b"w",
        "steps": b"u",
    }


def test_no_two_tables_of_a_store_share_a_prefix_and_every_row_is_described() -> None:
    for tables in (schema.CHAIN_TABLES, schema.INDEX_TABLES):
        prefixes = [table.prefix for table in tables]
        assert len(set(prefixes)) == len(prefixes)
        assert all(len(prefix) == 1 for prefix in prefixes)
        assert all(table.key and table.value and table.meaning for table in tables)


def test_the_order_of_keys_is_the_order_of_heights() -> None:
    heights = [0, 1, 255, 256, 65_535, 1 << 40]
    keys = [schema.make_height_key(b"b", height) for height in heights]
    assert sorted(keys) == keys


def test_no_name_is_a_prefix_of_another() -> None:
    names = ["a", "ab", "a\0", "b", ""]
    parts = [schema.make_name_part(name) for name in names]
    for part in parts:
        assert sum(other.startswith(part) for other in parts) == 1
