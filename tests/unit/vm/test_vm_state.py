"""Overlay and keys: order, merging, undo. Randomised against plain models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vm.keys import build_key_decoder, build_key_encoder, build_prefix_encoder
from vm.outcome import Fault
from vm.state import MemoryReader, Overlay
from vm.types import ADDRESS, BYTES, INT, STR, Address, TupleType

TEXT = st.text(
    alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=8
)
PARTS = {
    STR: TEXT,
    INT: st.integers(-(2**255), 2**255 - 1) | st.integers(-300, 300),
    BYTES: st.binary(max_size=6) | st.lists(st.sampled_from([0, 1, 255]), max_size=5).map(bytes),
    ADDRESS: st.binary(min_size=32, max_size=32).map(Address),
}
KINDS = st.lists(st.sampled_from(list(PARTS)), min_size=1, max_size=3).map(
    lambda kinds: kinds[0] if len(kinds) == 1 else TupleType(tuple(kinds))
)


def draw_key(data, kind):
    if isinstance(kind, TupleType):
        return tuple(data.draw(PARTS[item]) for item in kind.items)
    return data.draw(PARTS[kind])


@settings(max_examples=400, deadline=None)
@given(st.data(), KINDS)
def test_the_order_of_encoded_keys_is_the_order_of_keys(data, kind):
    encode = build_key_encoder(b"c\0v\0", kind)
    one, other = draw_key(data, kind), draw_key(data, kind)
    assert (one < other) == (encode(one) < encode(other))
    assert (one == other) == (encode(one) == encode(other))
    assert build_key_decoder(b"c\0v\0", kind)(encode(one)) == one
    if one != other:
        assert not encode(one).startswith(encode(other))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_leading_parts_are_a_prefix_of_exactly_their_keys(data):
    kind = TupleType((STR, BYTES, INT))
    encode, prefix = build_key_encoder(b"c\0v\0", kind), build_prefix_encoder(b"c\0v\0", kind)
    key, other = draw_key(data, kind), draw_key(data, kind)
    for count in (1, 2, 3):
        assert encode(key).startswith(prefix(key[:count]))
        assert encode(other).startswith(prefix(key[:count])) == (other[:count] == key[:count])
    assert prefix(key[0]) == prefix(key[:1]) and prefix(None) == prefix(()) == b"c\0v\0"


@given(TEXT, TEXT)
def test_a_text_prefix_is_the_beginning_of_the_text(text, start):
    encode, prefix = build_key_encoder(b"", STR), build_prefix_encoder(b"", STR)
    assert encode(text).startswith(prefix(start)) == text.startswith(start)


@given(st.binary(max_size=6), st.binary(max_size=3))
def test_a_bytes_prefix_is_the_beginning_of_the_bytes(data, start):
    encode, prefix = build_key_encoder(b"", BYTES), build_prefix_encoder(b"", BYTES)
    assert encode(data).startswith(prefix(start)) == data.startswith(start)


def test_golden_keys():
    encode = build_key_encoder(b"units\0lots\0", TupleType((STR, INT, BYTES)))
    assert encode(("b1", -5, b"a\0b")) == (
        b"units\0lots\0b1\0" + b"\x7f" + b"\xff" * 30 + b"\xfb" + b"a\0\xffb\0\0"
    )
    assert build_key_encoder(b"", INT)(1) == b"\x80" + bytes(30) + b"\1"
    assert build_key_encoder(b"", STR)("1") == b"1\0"


@pytest.mark.parametrize(
    ("kind", "key", "code"),
    [
        (STR, "a\0b", "value"),
        (STR, 1, "type"),
        (STR, "a" * 256, "size"),
        (INT, True, "type"),
        (BYTES, Address(bytes(32)), "type"),
        (ADDRESS, bytes(32), "type"),
        (TupleType((STR, INT)), ("a",), "type"),
        (TupleType((STR, INT)), ["a", 1], "type"),
    ],
)
def test_a_key_of_another_type_or_too_long_faults(kind, key, code):
    with pytest.raises(Fault) as caught:
        build_key_encoder(b"c\0v\0", kind)(key)
    assert caught.value.code == code


KEYS = st.binary(min_size=1, max_size=2)
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "mark", "rollback", "commit", "scan"]), KEYS),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, st.binary(max_size=2), max_size=30), STEPS)
def test_an_overlay_is_a_dict_with_undo_and_ordered_scans(base, steps):
    overlay, model, marks = Overlay(MemoryReader(base)), dict(base), []
    for number, (step, key) in enumerate(steps):
        if step == "put":
            overlay.put(key, b"%d" % number)
            model[key] = b"%d" % number
        elif step == "delete":
            overlay.put(key, None)
            model.pop(key, None)
        elif step == "mark":
            marks.append((overlay.mark(), dict(model)))
        elif step == "rollback" and marks:
            mark, model = marks.pop()
            overlay.rollback(mark)
        elif step == "commit" and marks:
            overlay.commit(marks.pop()[0])
        else:
            prefix, limit = key[:1], len(key) * 3
            rows = sorted(item for item in model.items() if item[0].startswith(prefix))
            assert overlay.scan(prefix, None, limit) == rows[:limit]
            after = [row for row in rows if row[0] > key]
            assert overlay.scan(prefix, key, limit) == after[:limit]
            assert Overlay(overlay).scan(b"", None, 1000) == sorted(model.items())
    assert all(overlay.get(key) == model.get(key) for key in {*base, *model})


def test_a_scan_pages_through_a_base_hidden_by_deletions():
    base = {b"k%03d" % number: b"v" for number in range(500)}
    overlay = Overlay(MemoryReader(base))
    for number in range(480):
        overlay.put(b"k%03d" % number, None)
    assert [key for key, _ in overlay.scan(b"k", None, 5)] == [
        b"k%03d" % n for n in range(480, 485)
    ]
    assert overlay.scan_counted(b"k", None, 5, 10) == ([], 11)


def test_deleted_rows_under_a_scan_are_paid_for():
    overlay = Overlay(MemoryReader())
    overlay.put(b"a", b"1")
    overlay.put(b"a", None)
    assert overlay.scan_counted(b"", None, 5, None) == ([], 1)


def test_an_overlay_remembers_what_was_read_and_scanned():
    overlay = Overlay(MemoryReader({b"a": b"1"}))
    overlay.get(b"a")
    overlay.scan(b"b", None, 1)
    assert overlay.reads == {b"a"} and overlay.scanned == {b"b"}


def test_an_inner_level_that_is_kept_can_still_be_undone_by_the_outer():
    overlay = Overlay(MemoryReader())
    outer, inner = overlay.mark(), overlay.mark()
    overlay.put(b"a", b"1")
    overlay.commit(inner)
    overlay.rollback(outer)
    assert overlay.writes == {} and overlay.scan(b"", None, 5) == []
