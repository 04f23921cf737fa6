"""Whole cases: two contracts that call each other's functions, and transactions for them.

``make_case(seed)`` is a function of its seed alone. Sizes are small: many programs find
more than long ones.
"""

import re
from random import Random
from typing import Any

from tests.fuzz.cases import NEW_BLOCK, Case
from tests.fuzz.generator.expressions import Expressions, Function, Module
from tests.fuzz.generator.kinds import (
    EVENTS,
    KEYS,
    RECORDS,
    Kind,
    make_key_kind,
    make_kind,
    make_literal,
    make_wire,
    spell,
)  # fmt: skip
from tests.fuzz.generator.library import find_records, list_modules

HEADER = (
    "from vm import Var, Map, record, event, export, view, init, ctx, require, revert, emit,"
    " replace\nfrom vm import mul_div, mul_div_up, parse_fixed, format_fixed, sha256,"
    " verify_ed25519, call, Address\n"
)
_STRING = re.compile(r"f?b?'(?:[^'\\]|\\.)*'|f?b?\"(?:[^\"\\]|\\.)*\"")
_COLUMNS = 90
IMPORTING = 0.25
"""Odds that a contract imports from the library."""


def wrap(line: str) -> str:
    """Break a long line at blanks inside brackets, as the text's bounds want."""
    if len(line) <= _COLUMNS:
        return line
    pieces, position, depth, column = [], 0, 0, 0
    while position < len(line):
        match = _STRING.match(line, position)
        piece = match.group() if match else line[position]
        position += len(piece)
        depth += (piece in ("(", "[", "{")) - (piece in (")", "]", "}"))
        column += len(piece)
        if piece in (" ", "(", "[", "{") and depth and column > 36:
            piece, column = piece.rstrip() + "\n ", 1
        pieces.append(piece)
    return "".join(pieces)


class Statements(Expressions):
    """Writes the bodies of functions."""

    def __init__(self, rng: Random, module: Module, function: Function) -> None:
        super().__init__(rng, module)
        self.function = function
        self.names = dict(function.parameters)
        self.lines: list[str] = []
        self.gave = False
        self.can_write = function.role != "view" or self.chance(0.05)

    def write(self, level: int, text: str) -> None:
        self.lines.append(wrap("    " * level + text))

    def body(self, level: int, count: int) -> None:
        start = len(self.lines)
        for _ in range(count):
            self.statement(level)
        if len(self.lines) == start:
            self.write(level, "pass")

    def nested(self, level: int, count: int) -> None:
        """A block that may not run: what it binds is not certain after it."""
        outer = dict(self.names)
        self.body(level, count)
        if not self.chance(0.03):
            self.names = outer

    def statement(self, level: int) -> None:
        deep = level < 4 and len(self.lines) < 16
        ways = 3 * [self.assign, self.store] + 2 * [self.change, self.mutate, self.effect]
        ways += [self.branch, self.branch, self.iterate, self.iterate, self.spin] if deep else []
        if self.chance(0.03):
            ways = [self.leave]
        self.rng.choice(ways)(level)

    def assign(self, level: int) -> None:
        roll = self.rng.random()
        if roll < 0.15:
            kinds = [make_kind(self.rng, 1) for _ in range(2)]
            values = ", ".join(self.make(kind, 2) for kind in kinds)
            if self.chance(0.5):
                values = self.make(("tuple", *kinds), 2)
            names = [self.bind_name(), self.bind_name()]
            self.write(level, f"{', '.join(names)} = ({values})")
            self.names |= dict(zip(names, kinds, strict=True))
            return
        kind = pick_kind(self.rng, self.module)
        value = self.make(kind)
        if self.names and roll < 0.4:
            name = self.rng.choice(list(self.names))
            kind = self.names[name]
            value = self.make(kind)
        else:
            name = self.bind_name()
        note = f": {spell(kind)}" if self.chance(0.1) else ""
        self.write(level, f"{name}{note} = ({value})")
        self.names[name] = kind

    def bind_name(self) -> str:
        if self.chance(0.03) and self.module.constants:
            return self.rng.choice(list(self.module.constants))
        return self.fresh("x")

    def change(self, level: int) -> None:
        """Augmented assignment to a local, an item, or what is stored."""
        op = self.rng.choice(("+", "-", "*", "+", "-", "&", "|", "^"))
        if self.chance(0.1):
            op = self.rng.choice(("//", "%", ">>", "<<", "**"))
        numbers = self.names_of("int")
        ways = (
            [lambda: f"{self.rng.choice(numbers)} {op}= {self.make('int', 2)}"] if numbers else []
        )
        for kind in ("str", "bytes", ("list", "int"), ("list", "str")):
            ways += [
                lambda name=name, kind=kind: f"{name} += {self.make(kind, 2)}"
                for name in self.names_of(kind)
            ]
        ways += [
            lambda name=name: f"{name}[{self.index()}] {op}= {self.make('int', 1)}"
            for name in self.names_of(("list", "int"))
            if self.chance(0.3)
        ]
        if self.can_write:
            ways += [
                lambda name=name, key=key: f"{name}[{self.key(key)}] {op}= {self.make('int', 2)}"
                for name, key in self.variables_of("int", is_map=True)
                if name in self.module.defaulted or self.chance(0.1)
            ] * 2
        self.write(level, self.rng.choice(ways)() if ways else "pass")

    def store(self, level: int) -> None:
        if not self.can_write or not self.module.variables:
            return
        name, (key, kind) = self.rng.choice(list(self.module.variables.items()))
        if key is None:
            self.write(level, f"{name}.set({self.make(kind)})")
        elif self.chance(0.8):
            self.write(level, f"{name}[{self.key(key, 1)}] = {self.make(kind)}")
        else:
            self.write(level, f"if {self.key(key)} in {name}:")
            self.write(level + 1, f"del {name}[{self.key(key)}]")

    def mutate(self, level: int) -> None:
        """Change a local list or dict, which another name may hold as well."""
        names = [(n, k) for n, k in self.names.items() if k[0] in ("list", "dict")]
        if not names:
            return
        name, kind = self.rng.choice(names)
        item, at = kind[-1], self.index()
        if kind[0] == "list":
            text = self.rng.choice((
                f"{name}.append({self.make(item, 2)})", f"{name}.append({self.make(item, 2)})",
                f"{name}.extend({self.make(kind, 2)})", f"{name}[{at}] = {self.make(item, 2)}",
                f"del {name}[{at}]", f"{name}.pop()", f"{name}.pop({at})",
            ))  # fmt: skip
        else:
            key = self.key(kind[1], 1)
            text = self.rng.choice((
                f"{name}[{key}] = {self.make(item, 2)}",
                f"{name}[{key}] = {self.make(item, 2)}",
                f"{name}.pop({key}, {self.make(item, 0)})",
                f"del {name}[{key}]", f"{name}.pop({key})",
            ))  # fmt: skip
        grows = text.startswith((f"{name}.append", f"{name}.extend"))
        grows = grows or (kind[0] == "dict" and "] =" in text)
        if not grows and self.chance(0.9):
            self.write(level, f"if {key} in {name}:" if kind[0] == "dict" else f"if {name}:")
            level += 1
        self.write(level, text)

    def effect(self, level: int) -> None:
        roll, calls = self.rng.random(), [f for f in self.module.functions if not f.role]
        others = [(to, f) for to, fs in self.module.others.items() for f in fs if self.may_call(f)]
        if roll < 0.35 and self.can_write:
            for _ in range(self.rng.choice((1, 1, 2))):
                self.write(level, f"emit({self.event(2)})")
        elif roll < 0.5:
            self.write(level, f"require({self.make('bool', 2)} or True, {self.make('str', 0)})")
        elif roll < 0.53:
            self.write(level, f"require({self.make('bool', 2)}, 'no')")
        elif roll < 0.8 and calls:
            self.write(level, self.call(self.rng.choice(calls), 2))
        elif others:
            self.write(level, self.call_other(*self.rng.choice(others)))

    def branch(self, level: int) -> None:
        self.write(level, f"if ({self.make('bool')}):")
        self.nested(level + 1, self.rng.randint(1, 2))
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            self.write(level, f"elif ({self.make('bool', 2)}):")
            self.nested(level + 1, 1)
        if self.chance(0.4):
            self.write(level, "else:")
            self.nested(level + 1, self.rng.randint(1, 2))

    def iterate(self, level: int) -> None:
        outer = dict(self.names)
        target, source, kinds = self.loop(2)
        self.write(level, f"for {target} in ({source}):")
        self.names |= kinds
        self._loop_body(level + 1)
        self.names = outer

    def _loop_body(self, level: int) -> None:
        self.body(level, self.rng.randint(1, 3))
        if self.chance(0.25):
            self.write(level, f"if ({self.make('bool', 2)}):")
            self.write(level + 1, self.rng.choice(("break", "continue")))
        if self.chance(0.15):
            self.write(level - 1, "else:")
            self.nested(level, 1)

    def spin(self, level: int) -> None:
        name = self.fresh("n")
        self.write(level, f"{name} = {self.rng.choice('0123')}")
        self.names[name] = "int"
        outer = dict(self.names)
        self.write(level, f"while ({name} > 0 and {self.make('bool', 1)}):")
        self.write(level + 1, f"{name} -= 1")
        self._loop_body(level + 1)
        self.names = outer

    def leave(self, level: int) -> None:
        if self.chance(0.3):
            self.write(level, self.rng.choice(("revert('gone')", f"revert({self.make('str', 0)})")))
        else:
            self.give(level)

    def finish(self) -> None:
        """End the function; mostly with a local, so that what it did is seen."""
        names = [name for name in self.names if name not in dict(self.function.parameters)]
        if names and not self.gave and self.chance(0.6):
            name = self.rng.choice(names)
            self.function.returns = self.names[name]
            self.write(1, f"return {name}")
        else:
            self.give(1)

    def give(self, level: int) -> None:
        self.gave = True
        returns = self.function.returns
        self.write(level, "return" if returns is None else f"return ({self.make(returns)})")


def pick_kind(rng: Random, module: Module) -> Kind:
    """A random kind, now and then a record that the contract imports."""
    imported = module.records[len(RECORDS) :]
    if imported and rng.random() < 0.3:
        return ("record", rng.choice(imported))
    return make_kind(rng)


def make_contract(rng: Random, name: str, others: dict[str, list[Function]]) -> tuple[Module, str]:
    """A contract's declarations and its text."""
    module = Module(name, others=others)
    parts = ['"""Generated."""\n' if rng.random() < 0.3 else "", HEADER]
    if rng.random() < IMPORTING:
        parts[-1] += _make_imports(rng, module)
    for index in range(rng.randint(0, 3)):
        kind = make_kind(rng)
        literal = make_literal(rng, kind)
        if literal is not None:
            parts.append(wrap(f"K{index} = {literal}") + "\n")
            module.constants[f"K{index}"] = kind
    for index in range(rng.randint(1, 3)):
        parts.append(_make_variable(rng, module, f"v{index}"))
    for index in range(rng.randint(1, 3)):
        parts.append(_make_function(rng, module, index))
    parts.insert(2, _declare("".join(parts)))
    return module, "".join(parts)


def _make_imports(rng: Random, module: Module) -> str:
    """Import lines of one or two modules; what they bring is known to ``module`` from then on."""
    text = ""
    modules = list_modules()
    for name in rng.sample(sorted(modules), rng.choice((1, 1, 2))):
        words = modules[name]
        count = min(len(words.functions), rng.randint(1, 4))
        chosen = rng.sample(sorted(words.functions), count)
        records = dict[str, None]()
        for function in chosen:
            parameters, returns = words.functions[function]
            module.functions.append(Function(function, parameters, returns, "", True))
            for kind in (*[kind for _, kind in parameters], returns):
                records |= dict.fromkeys(find_records(kind))
        constants = [word for word in sorted(words.constants) if rng.random() < 0.3]
        module.constants |= {word: words.constants[word] for word in constants}
        module.records += tuple(records)
        wanted = [*chosen, *records, *constants]
        rng.shuffle(wanted)
        text += wrap(f"from {name} import ({', '.join(wanted)})") + "\n"
    return text


def _declare(text: str) -> str:
    """The records and events that ``text`` names, and those that they name."""
    declared = ""
    for table, word in ((EVENTS, "event"), (RECORDS, "record")):
        for title, fields in reversed(list(table.items())):
            if re.search(rf"\b{title}\b", text + declared):
                rows = "".join(f"    {field}: {spell(kind)}\n" for field, kind in fields)
                declared = f"@{word}\nclass {title}:\n{rows}{declared}"
    return declared


def _make_variable(rng: Random, module: Module, name: str) -> str:
    kind = rng.choice(("int", pick_kind(rng, module), make_kind(rng)))
    key = make_key_kind(rng) if rng.random() < 0.65 else None
    default = make_literal(rng, kind) if rng.random() < 0.7 else None
    module.variables[name] = (key, kind)
    if default is not None:
        module.defaulted.add(name)
    declared = f"Var[{spell(kind)}]" if key is None else f"Map[{spell(key)}, {spell(kind)}]"
    return wrap(f"{name} = {declared}({'' if default is None else 'default=' + default})") + "\n"


def _make_function(rng: Random, module: Module, index: int) -> str:
    role = rng.choices(("export", "view", "", "init"), (5, 2, 3, 0.4))[0]
    if any(item.role == "init" for item in module.functions) and role == "init":
        role = "export"
    count = rng.choice((0, 1, 1, 2, 3))
    parameters = [(f"p{i}", pick_kind(rng, module)) for i in range(count)]
    returns = pick_kind(rng, module) if rng.random() < 0.8 else None
    function = Function(f"{role or 'help'}{index}", parameters, returns, role)
    writer = Statements(rng, module, function)
    writer.body(1, rng.randint(1, 4))
    writer.finish()
    signature = ", ".join(f"{name}: {spell(kind)}" for name, kind in parameters)
    returns = function.returns
    arrow = f" -> {'None' if returns is None else spell(returns)}"
    if rng.random() < 0.15:
        arrow = ""
    module.functions.append(function)
    head = f"@{role}\n" if role else ""
    return (
        head
        + wrap(f"def {function.name}({signature}){arrow}:")
        + "\n"
        + "\n".join(writer.lines)
        + "\n"
    )


def make_case(seed: int) -> Case:
    """The case of a seed."""
    rng = Random(seed)
    others: dict[str, list[Function]] = {}
    contracts: list[tuple[str, str, list[Any]]] = []
    entries: list[tuple[str, Function]] = []
    for name in ("lib", "main") if rng.random() < 0.6 else ("main",):
        module, source = make_contract(rng, name, dict(others))
        init = next((f for f in module.functions if f.role == "init"), None)
        contracts.append((name, source, [] if init is None else _arguments(rng, init)))
        public = [item for item in module.functions if item.role in ("export", "view")]
        others[name] = public
        entries += [(name, item) for item in public]
    transactions = []
    for _ in range(rng.randint(2, 4)):
        chosen = [rng.choice(entries) for _ in range(rng.randint(1, 3))] if entries else []
        calls = [(name, item.name, _arguments(rng, item)) for name, item in chosen]
        gas = rng.choice((200_000, 200_000, 1_500_000, 60_000, rng.randint(600, 30_000)))
        transactions.append((rng.randint(0, 2), gas, calls))
        if rng.random() < 0.4:
            transactions.append((NEW_BLOCK, 0, []))
    return Case(tuple(contracts), tuple(transactions))


def _arguments(rng: Random, function: Function) -> list[Any]:
    return [make_wire(rng, kind) for _, kind in function.parameters]


__all__ = ["HEADER", "KEYS", "Kind", "make_case"]
