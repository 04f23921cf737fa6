"""Expressions of a wanted kind, over the names in sight. Mostly well-typed, not always.

Whatever may happen at run time may happen here: faults are part of the language.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz.generator.kinds import (
    BYTES,
    EVENTS,
    INTEGERS,
    KEYS,
    RECORDS,
    SMALL,
    TEXTS,
    Kind,
    fields_of,
    make_kind,
    make_literal,
)  # fmt: skip
from tests.fuzz.generator.library import HINTS

POISON = 0.006
"""Odds that an expression has another kind than the wanted one."""
BOMB = 0.006
"""Odds that a text or list is a long one: memory and gas are to be compared as well."""
ORDERED = ("int", "str", "bytes", "Address")


@dataclass
class Function:
    name: str
    parameters: list[tuple[str, Kind]]
    returns: Kind | None
    role: str
    imported: bool = False


@dataclass
class Module:
    """What a generated contract has declared so far."""

    name: str
    constants: dict[str, Kind] = field(default_factory=dict)
    variables: dict[str, tuple[Kind | None, Kind]] = field(default_factory=dict)
    defaulted: set[str] = field(default_factory=set)
    functions: list[Function] = field(default_factory=list)
    others: dict[str, list[Function]] = field(default_factory=dict)
    """Entry points of contracts that this one may call."""
    records: tuple[str, ...] = tuple(RECORDS)


class Expressions:
    """Writes expressions. ``names`` are the locals that are certainly bound, with their kinds."""

    def __init__(self, rng: Random, module: Module) -> None:
        self.rng, self.module = rng, module
        self.names: dict[str, Kind] = {}
        self.counter = 0
        self.can_write = True

    def chance(self, odds: float) -> bool:
        return self.rng.random() < odds

    def fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def names_of(self, kind: Kind) -> list[str]:
        return [name for name, known in self.names.items() if known == kind]

    def variables_of(self, kind: Kind, is_map: bool) -> list[tuple[str, Kind]]:
        return [
            (name, key)
            for name, (key, value) in self.module.variables.items()
            if value == kind and (key is not None) == is_map
        ]

    def make(self, kind: Kind, depth: int = 3) -> str:
        """An expression of ``kind``."""
        if self.chance(POISON):
            kind = make_kind(self.rng, 1)
        if depth <= 0 or self.chance(0.12):
            return self.leaf(kind)
        if self.chance(0.25):
            found = self.shared(kind, depth)
            if found is not None:
                return found
        name = kind if isinstance(kind, str) else kind[0]
        options = getattr(self, f"of_{name.lower()}")(kind, depth)
        return str(self.rng.choice(options)())

    def leaf(self, kind: Kind) -> str:
        """A name, a constant or a literal; a display of leaves for other kinds."""
        names = self.names_of(kind)
        if names and self.chance(0.65):
            return self.rng.choice(names)
        constants = [name for name, known in self.module.constants.items() if known == kind]
        if constants and self.chance(0.4):
            return self.rng.choice(constants)
        if self.chance(BOMB) and (kind in ("str", "bytes") or kind[0] == "list"):
            small = (
                self.display(kind, 0) if kind[0] == "list" else f"{kind[0] * (kind == 'bytes')}'ab'"
            )
            return f"({small} * {self.rng.choice(('5000', '90000', '700000'))})"
        if kind == "int":
            return self.rng.choice(SMALL if self.chance(0.8) else INTEGERS)
        if kind in ("str", "bytes"):
            text = self.rng.choice(TEXTS if kind == "str" else BYTES)
            return f"({text})" if "*" in text else text
        if kind == "bool":
            return self.rng.choice(("True", "False"))
        if kind == "Address":
            return self.rng.choice(("ctx.sender", "ctx.contract", "Address(sha256(b'x'))"))
        if kind[0] == "record":
            return self.record(kind[1], 0)
        return self.display(kind, 0)

    def display(self, kind: Kind, depth: int) -> str:
        """A list, dict or tuple written out."""
        if kind[0] == "tuple":
            return f"({', '.join(self.make(item, depth - 1) for item in kind[1:])},)"
        size = self.rng.choice((0, 1, 2, 3, 3))
        items = [self.make(kind[-1], depth - 1) for _ in range(size)]
        if kind[0] == "list":
            return f"[{', '.join(items)}]"
        pairs = [f"{self.key(kind[1], depth - 1)}: {item}" for item in items]
        return "{" + ", ".join(pairs) + "}"

    def key(self, kind: Kind, depth: int = 0) -> str:
        """A key that is often met again."""
        if not isinstance(kind, str):
            return f"({', '.join(self.key(item) for item in kind[1:])},)"
        if self.chance(0.3):
            return self.make(kind, min(depth, 1))
        choices = {
            "int": ("0", "1", "2", "-1"),
            "str": ("'a'", "'b'", "'ab'"),
            "bytes": ("b'a'", "b''", "b'\\n'"),
            "Address": ("ctx.sender", "ctx.contract"),
        }
        return self.rng.choice(choices[kind])

    def record(self, name: str, depth: int) -> str:
        fields = EVENTS.get(name) or fields_of(name)
        values = [self.make(kind, depth - 1) for _, kind in fields]
        split = self.rng.randint(0, len(fields))
        named = [f"{fields[i][0]}={values[i]}" for i in range(split, len(fields))]
        self.rng.shuffle(named)
        return f"{name}({', '.join(values[:split] + named)})"

    def event(self, depth: int) -> str:
        return self.record(self.rng.choice(list(EVENTS)), depth)

    def index(self) -> str:
        """An index of what has at least one item, mostly one that is there."""
        return self.make("int", 0) if self.chance(0.06) else self.rng.choice(("0", "-1"))

    def receiver(self, kind: Kind, depth: int) -> str:
        """An expression that a dot or bracket may follow."""
        text = self.make(kind, depth)
        return f"({text})" if text[0] in "0123456789-" else text

    # Of any kind

    def shared(self, kind: Kind, depth: int) -> str | None:
        """Ways to a value that every kind has; None when this one has not."""
        make, pick = self.make, self.rng.choice
        ways = [
            lambda: f"({make(kind, depth - 1)} if {make('bool', depth - 1)}"
                    f" else {make(kind, depth - 1)})",
            lambda: f"({make(kind, depth - 1)} {pick(('or', 'and'))} {make(kind, depth - 1)})",
            lambda: f"({make(kind, 0)}, 1)[{pick(('0', '0', '-2'))}]",
        ]  # fmt: skip
        key = pick(KEYS)
        table = ("dict", key, kind)
        ways += [
            lambda: f"{self.receiver(table, depth - 1)}.get({self.key(key)}, {make(kind, 0)})",
        ]
        if kind in ORDERED:
            word = pick(("min", "max"))
            ways.append(lambda: f"{word}({make(kind, depth - 1)}, {make(kind, depth - 1)})")
            ways.append(lambda: f"{word}({make(('list', kind), depth - 1)})")
        ways += self._from_elsewhere(kind, depth)
        return str(pick(ways)())

    def _from_elsewhere(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, ways = self.make, self.rng.choice, []
        for name, key in self.variables_of(kind, is_map=True):
            ways += [
                lambda name=name, key=key: self.read(name, key, kind),
                lambda name=name, key=key: f"{name}.get({self.key(key)}, {make(kind, 0)})",
            ]
        for name, _ in self.variables_of(kind, is_map=False):
            ways += [lambda name=name: f"{name}.get()"]
            ways += [lambda name=name: f"{name}.get({make(kind, 0)})"]
        calls = [item for item in self.module.functions if item.returns == kind and not item.role]
        if calls:
            ways += [lambda: self.call(pick(calls), depth)] * 2
        for contract, functions in self.module.others.items():
            found = [item for item in functions if item.returns == kind and self.may_call(item)]
            if found:
                ways.append(lambda found=found, to=contract: self.call_other(to, pick(found)))
        for record in self.module.records:
            for field_name, field_kind in fields_of(record):
                if field_kind == kind:
                    ways.append(
                        lambda record=record, field_name=field_name: (
                            f"{self.receiver(('record', record), depth - 1)}.{field_name}"
                        )
                    )
        lists = self.names_of(("list", kind))
        if lists:
            ways.append(lambda: f"({pick(lists)} + [{make(kind, 0)}]).pop({self.index()})")
            ways += [lambda: f"({self.item(pick(lists))} {make(kind, 0)})"] * 3
        return ways

    def read(self, name: str, key: Kind, kind: Kind) -> str:
        """``m[k]``, mostly where it is known to be there."""
        at = self.key(key)
        if self.chance(0.1) or name in self.module.defaulted:
            return f"{name}[{at}]"
        return f"({name}[{at}] if {at} in {name} else {self.make(kind, 0)})"

    def item(self, name: str) -> str:
        """An item of a local list, mostly one that is there; something else must follow."""
        index = self.make("int", 0)
        if self.chance(0.2):
            return f"{name}[{self.index()}] or"
        return f"{name}[{index} % len({name})] if {name} else"

    def may_call(self, function: Function) -> bool:
        """Whether a call of another contract's function is likely to end well."""
        return self.can_write or function.role == "view" or self.chance(0.05)

    def call(self, function: Function, depth: int) -> str:
        arguments = [
            self.rng.choice(HINTS[name])
            if function.imported and name in HINTS and self.chance(0.85)
            else self.make(kind, depth - 1)
            for name, kind in function.parameters
        ]
        return f"{function.name}({', '.join(arguments)})"

    def call_other(self, contract: str, function: Function) -> str:
        arguments = [self.make(kind, 1) for _, kind in function.parameters]
        target = f"'{contract}'" if self.chance(0.97) else self.make("str", 0)
        return f"call({', '.join([target, repr(function.name), *arguments])})"

    # By kind: each returns the ways to make one

    def of_int(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, d = self.make, self.rng.choice, depth - 1

        def binary() -> str:
            op = pick(("+", "-", "*", "//", "%", "&", "|", "^", "+", "-", "*", "**", "<<", ">>"))
            right = make("int", d)
            if op in ("**", "<<", ">>"):
                right = pick(("2", "3", "7", "60", "255"))
            elif op in ("//", "%") and self.chance(0.8):
                right = pick(("2", "3", "-7", "1000"))
            return f"({make('int', d)} {op} {right})"

        any_items = pick((("list", "int"), "str", "bytes", ("dict", "str", "int"), ("list", "str")))
        return [
            binary, binary, binary, binary,
            lambda: f"{pick(('-', '~'))}({make('int', d)})",
            lambda: f"abs({make('int', d)})",
            lambda: f"len({make(any_items, d)})",
            lambda: f"sum({make(('list', 'int'), d)})",
            lambda: f"sum({make(('list', 'int'), d)}, {make('int', 0)})",
            lambda: f"int({make(pick(('bool', 'int')), d)})",
            lambda: f"int(str({make('int', d)}))" if self.chance(0.9) else f"int({make('str', d)})",
            lambda: f"{pick(('mul_div', 'mul_div_up'))}({make('int', d)}, {make('int', d)},"
                    f" {make('int', 0)})",
            lambda: f"parse_fixed('{pick(('1.25', '-7', '0.5'))}', {pick('237')})",
            lambda: f"{self.receiver('str', d)}.find({make('str', 0)})",
            lambda: f"{self.receiver('str', d)}.find({make('str', 0)}, {make('int', 0)})",
            lambda: f"divmod({make('int', d)}, {pick(('3', '-7', make('int', d)))})[{pick('01')}]",
            lambda: f"({make('int', d)}, {make('str', 0)})[0]",
            lambda: f"({make('bytes', d)} + b'a')[{self.index()}]",
            lambda: pick(("ctx.height", "ctx.time")),
            lambda: f"range({pick('025')}, {pick(('9', '7', '99'))})[{self.index()}]",
        ]  # fmt: skip

    def of_bool(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, d = self.make, self.rng.choice, depth - 1
        some = make_kind(self.rng, 1)
        ordered = pick(ORDERED)

        def chain() -> str:
            names = self.names_of(ordered) or [self.leaf("int"), "3"]
            ops = ("<", "<=", "==", "!=", ">", ">=")
            return f"({pick(names)} {pick(ops)} {pick(names)} {pick(ops)} {pick(names)})"

        def stored() -> str:
            maps = [(n, k) for n, (k, _) in self.module.variables.items() if k is not None]
            name, key = pick(maps) if maps else ("'a'", "str")
            return f"({self.key(key)} {pick(('in', 'not in'))} {name})"

        return [
            lambda: f"({make(ordered, d)} {pick(('<', '<=', '>', '>='))} {make(ordered, d)})",
            lambda: f"({make('int', d)} {pick(('<', '>=', '==', '!='))} {make('int', d)})",
            lambda: f"({make(some, d)} {pick(('==', '!='))} {make(some, d)})",
            lambda: f"({make(some, d)} {pick(('in', 'not in'))} {make(('list', some), d)})",
            lambda: f"({make('str', d)} in {make('str', d)})",
            lambda: f"({make('bytes', 0)} in {make('bytes', d)})",
            lambda: f"({self.key('str')} in {make(('dict', 'str', 'int'), d)})",
            lambda: f"({make('int', 0)} {pick(('in', 'not in'))} range({make('int', 0)}))",
            lambda: f"({make(some, d)} {pick(('is', 'is not'))} None)",
            lambda: f"(not {make(pick(('bool', some)), d)})",
            lambda: f"({make('bool', d)} {pick(('and', 'or'))} {make('bool', d)})",
            lambda: f"bool({make(some, d)})",
            lambda: f"{pick(('any', 'all'))}({make(('list', pick(('bool', 'int'))), d)})",
            lambda: f"{self.receiver('str', d)}.startswith({make('str', 0)})",
            lambda: f"{self.receiver('str', d)}.endswith({make('str', 0)})",
            lambda: f"{self.receiver('bytes', d)}.startswith({make('bytes', 0)})",
            lambda: f"{self.receiver('str', d)}.{pick(('isdigit', 'isalnum'))}()",
            chain, stored, stored,
            lambda: f"([{make('int', d)}] < [{make('int', d)}, 2])",
            lambda: f"(({make('int', d)}, {make('str', 0)}) >= ({make('int', d)}, 'a'))",
        ]  # fmt: skip

    def of_str(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, d = self.make, self.rng.choice, depth - 1

        def formatted() -> str:
            names = [n for n, k in self.names.items() if k in ("int", "str", "bool", "Address")]
            parts = [f"{{{pick(names)}}}" for _ in range(pick((0, 1, 2)))] if names else []
            parts += pick(((), ("{ctx.height}",), ("a ",), ("{{",), ("\\n}}",), ("{{}}", "b")))
            self.rng.shuffle(parts)
            return f"f'{''.join(parts)}'"

        return [
            formatted, formatted, formatted,
            lambda: f"({make('str', d)} + {make('str', d)})",
            lambda: f"({make('str', d)} * {pick(('2', '0', '-1', '50', make('int', 0)))})",
            lambda: f"({make('str', d)} + 'a')[{self.index()}]",
            lambda: f"{self.receiver('str', d)}[{pick(('', make('int', 0)))}:]",
            lambda: f"{self.receiver('str', d)}[{make('int', 0)}:{make('int', 0)}]",
            lambda: f"str({make(pick(('int', 'bool', 'str', 'Address')), d)})",
            lambda: f"{self.receiver('str', 0)}.join({make(('list', 'str'), d)})",
            lambda: f"{self.receiver('str', d)}.replace({make('str', 0)}, {make('str', 0)})",
            lambda: f"{self.receiver('str', d)}.replace({make('str', 0)}, 'yy', {make('int', 0)})",
            lambda: f"{self.receiver('str', d)}.strip({pick(('', make('str', 0)))})",
            lambda: f"{self.receiver('str', d)}.{pick(('lower', 'upper'))}()",
            lambda: f"{self.receiver(pick(('bytes', 'Address')), d)}.hex()",
            lambda: f"format_fixed({make('int', d)}, {pick(('0', '2', '18', '76'))})",
        ]  # fmt: skip

    def of_bytes(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, d = self.make, self.rng.choice, depth - 1
        return [
            lambda: f"({make('bytes', d)} + {make('bytes', d)})",
            lambda: f"({make('bytes', d)} * {pick('0123')})",
            lambda: f"{self.receiver('bytes', d)}[{make('int', 0)}:]",
            lambda: f"{self.receiver('bytes', d)}[:{make('int', 0)}]",
            lambda: f"{self.receiver('str', d)}.encode()",
            lambda: f"sha256({make(pick(('bytes', 'Address')), d)})",
            lambda: "ctx.tx",
        ]

    def of_address(self, kind: Kind, depth: int) -> list[Any]:
        make, d = self.make, depth - 1
        return [
            lambda: self.leaf("Address"),
            lambda: f"Address(sha256({make('bytes', d)}))",
            lambda: f"Address({make('Address', d)})",
            lambda: f"Address({self.receiver('Address', d)}.hex())",
        ]

    def of_record(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, name = self.make, self.rng.choice, kind[1]
        field_name, field_kind = pick(fields_of(name))
        return [
            lambda: self.record(name, depth),
            lambda: self.record(name, depth),
            lambda: f"replace({make(kind, depth - 1)}, {field_name}={make(field_kind, depth - 1)})",
        ]

    def of_tuple(self, kind: Kind, depth: int) -> list[Any]:
        ways = [lambda: self.display(kind, depth)]
        if kind[1:] == ("int", "int"):
            ways.append(lambda: f"divmod({self.make('int', 1)}, {self.make('int', 1)})")
        if len(set(map(str, kind[1:]))) == 1:
            ways.append(lambda: f"tuple({self.display(('list', kind[1]), depth)})")
        return ways

    def of_dict(self, kind: Kind, depth: int) -> list[Any]:
        d = depth - 1
        return [
            lambda: self.display(kind, depth),
            lambda: self.display(kind, depth),
            lambda: f"dict({self.make(kind, d)})",
            lambda: f"dict({self.make(('list', ('tuple', kind[1], kind[2])), d)})",
            lambda: self.comprehension(kind, depth),
        ]

    def of_list(self, kind: Kind, depth: int) -> list[Any]:
        make, pick, d, item = self.make, self.rng.choice, depth - 1, kind[1]
        ways = [
            lambda: self.display(kind, depth),
            lambda: self.display(kind, depth),
            lambda: self.comprehension(kind, depth),
            lambda: self.comprehension(kind, depth),
            lambda: f"({make(kind, d)} + {make(kind, d)})",
            lambda: f"({make(kind, d)} * {pick(('0', '1', '2', '3', '-1', '40'))})",
            lambda: f"{self.receiver(kind, d)}[{pick(('', make('int', 0)))}:{make('int', 0)}]",
            lambda: f"reversed({make(kind, d)})",
            lambda: f"list({make(kind, d)})",
            lambda: f"{self.receiver(('dict', pick(KEYS), item), d)}.values()",
        ]
        flat = item[1:] if item[0] == "tuple" else (item,)
        if all(part in ORDERED for part in flat) or self.chance(0.05):
            reverse = pick(("", ", reverse=True", ", reverse=False"))
            ways += [lambda: f"sorted({make(kind, d)}{reverse})"] * 2
        if item == "int":
            ways.append(lambda: f"list(range({pick(('3', '0', '-2', '10, 0, -3', '1, 5'))}))")
        if item == "str":
            ways.append(lambda: f"{self.receiver('str', d)}.split()")
            ways.append(lambda: f"{self.receiver('str', d)}.split('{pick((',', 'a', ' '))}')")
            ways.append(lambda: f"{self.receiver('str', d)}.split(',', {make('int', 0)})")
        if item in KEYS:
            ways += [lambda: f"{self.receiver(('dict', item, 'int'), d)}.keys()"] * 2
            ways.append(lambda: f"list({make(('dict', item, 'int'), d)})")
        if item[0] == "tuple" and len(item) == 3:
            ways += [lambda: self.pairs(item, depth)] * 3
        return ways

    def pairs(self, item: Kind, depth: int) -> str:
        """A list of pairs: entries, zip, enumerate, or a scan."""
        make, d, (_, left, right) = self.make, depth - 1, item
        ways = [lambda: f"zip({make(('list', left), d)}, {make(('list', right), d)})"]
        if left in KEYS:
            ways.append(lambda: f"{self.receiver(('dict', left, right), d)}.items()")
        if left == "int":
            start = self.rng.choice(("", ", 1", f", {make('int', 0)}"))
            ways.append(lambda: f"enumerate({make(('list', right), d)}{start})")
        maps = [n for n, (k, v) in self.module.variables.items() if (k, v) == (left, right)]
        if maps:
            ways += [lambda: self.scan(self.rng.choice(maps), left)] * 4
        return str(self.rng.choice(ways)())

    def scan(self, name: str, key: Kind) -> str:
        first = key if isinstance(key, str) else key[1]
        pick = self.rng.choice
        choices = ("", f"prefix={self.key(first)}", f"after={self.key(key)}", "limit=2",
                   "limit=0", f"{self.key(first)}, limit=1", f"after={self.key(key)}, limit=3",
                   f"(), {self.key(key)}, 5")  # fmt: skip
        return f"{name}.scan({pick(choices)})"

    def comprehension(self, kind: Kind, depth: int) -> str:
        outer, loops = dict(self.names), []
        for _ in range(self.rng.choice((1, 1, 1, 2))):
            target, source, kinds = self.loop(depth - 1)
            self.names |= kinds
            condition = f" if {self.make('bool', depth - 2)}" if self.chance(0.3) else ""
            loops.append(f" for {target} in {source}{condition}")
        if kind[0] == "list":
            text = f"[{self.make(kind[1], depth - 1)}{''.join(loops)}]"
        else:
            key, value = self.make(kind[1], depth - 1), self.make(kind[2], depth - 1)
            text = f"{{{key}: {value}{''.join(loops)}}}"
        self.names = outer
        return text

    def loop(self, depth: int) -> tuple[str, str, dict[str, Kind]]:
        """A target, what it runs over, and the kinds of its names."""
        kind = self.rng.choice(("int", "int", "str", make_kind(self.rng, 1)))
        if self.chance(0.25):
            pair = ("tuple", self.rng.choice(KEYS), make_kind(self.rng, 1))
            if self.chance(0.4):  # one that is stored
                maps = [(k, v) for k, v in self.module.variables.values() if k is not None]
                pair = ("tuple", *self.rng.choice(maps)) if maps else pair
            names = [self.target_name(), self.target_name()]
            return (
                ", ".join(names),
                self.pairs(pair, depth),
                dict(zip(names, pair[1:], strict=True)),
            )
        name = self.target_name()
        ways = [lambda: self.make(("list", kind), depth)]
        if kind == "int":
            ways += [lambda: f"range({self.rng.choice('01234')})"] * 2
            ways.append(lambda: self.make("bytes", depth))
        if kind in KEYS:
            ways.append(lambda: self.make(("dict", kind, "int"), depth))
        if kind == "str":
            ways.append(lambda: self.make("str", depth))
        return name, str(self.rng.choice(ways)()), {name: kind}

    def target_name(self) -> str:
        """A new name, or now and then one that hides another."""
        names = list(self.names) + (list(self.module.constants) if self.chance(0.1) else [])
        return self.rng.choice(names) if names and self.chance(0.15) else self.fresh("c")


__all__ = ["Expressions", "Function", "Module", "make_literal"]
