"""Whether a contract's next version reads what its last one wrote.

Storage is rows by variable name, in a form that the declared type gives. So a new version
keeps every variable: its name, whether it is a Var or a Map, the types of key and value,
and the default that absent rows stand for. New variables are free. A record may gain
fields at its end: older rows read them as zero (vm/types.py, make_zero_wire).
Source: docs/decisions/0040-contract-life-cycle.md.
"""

from __future__ import annotations

from vm.declarations import Contract, Variable
from vm.types import DictType, ListType, RecordType, TupleType, Type


def find_storage_changes(old: Contract, new: Contract) -> list[str]:
    """Return the variables of ``old`` that ``new`` does not keep, in the order declared."""
    return [
        name
        for name, variable in old.variables.items()
        if name not in new.variables or not _is_kept(variable, new.variables[name])
    ]


def _is_kept(old: Variable, new: Variable) -> bool:
    if (old.key is None) != (new.key is None):
        return False
    # As text: True == 1, yet they are different defaults.
    if (old.has_default, repr(old.default)) != (new.has_default, repr(new.default)):
        return False
    keys_kept = old.key is None or new.key is None or is_type_kept(old.key, new.key)
    return keys_kept and is_type_kept(old.value, new.value)


def is_type_kept(old: Type, new: Type) -> bool:
    """Whether values written as ``old`` read as ``new``: records may gain fields at their end."""
    match old, new:
        case RecordType(), RecordType():
            if old.name != new.name or len(old.fields) > len(new.fields):
                return False
            pairs = zip(old.fields, new.fields, strict=False)
            return all(a[0] == b[0] and is_type_kept(a[1], b[1]) for a, b in pairs)
        case ListType(), ListType():
            return is_type_kept(old.item, new.item)
        case DictType(), DictType():
            return is_type_kept(old.key, new.key) and is_type_kept(old.value, new.value)
        case TupleType(), TupleType():
            return len(old.items) == len(new.items) and all(map(is_type_kept, old.items, new.items))
    return old == new
