"""A chain with a small method contract, factors, and what a methodology version is made of."""

from __future__ import annotations

import hashlib
from typing import Any

from primitives.block import Receipt
from primitives.transaction import Call
from tests.unit.vm.carbon_chain import HASH, Chain
from vm.inclusion import compute_code_hash

M = "methodology"
YEAR = 365 * 24 * 3600
GAS = 40_000_000

METHOD = '''"""Fuel burnt: FQ x EF, in grams."""
from vm import require, view
from lib.quantities.v1 import Computation, Line, Quantity

@view
def compute(inputs: list[Quantity]) -> Computation:
    total = 0
    factor = 0
    lines: list[Line] = []
    for given in inputs:
        if given.name == "EF":
            factor = given.value
        if given.name.startswith("FQ"):
            require(given.value >= 0, "negative-activity")
            total += given.value
    # t x (t CO2/t x 10^9) = 10^-3 g: what is left of the scale.
    grams = total * factor // 1000
    lines.append(Line("Em", "sum(FQ) x EF", ["FQ", "EF"], grams, 6, "t CO2"))
    names = [given.name for given in inputs]
    return Computation(grams, lines, ["seen-" + "-".join(names)])
'''


def native(chain: Chain, method: str, *arguments: Any) -> Receipt:
    receipt = chain.run(chain.make("regulator", Call("system", method, arguments), gas=GAS))[0][0]
    assert receipt.status == "ok", receipt
    return receipt


def quantity(name: str, value: int = 0, reference: str = "activity:a1", **more: Any) -> list[Any]:
    values = {"scale": 0, "unit": "t"} | more
    return [name, value, values["scale"], values["unit"], reference]


def factor(name: str, reference: str, unit: str = "t CO2/t") -> list[Any]:
    return quantity(name, 0, reference, unit=unit)


VECTOR: list[Any] = [
    [quantity("FQ", 10), quantity("EF", 2_500_000_000, "parameter-free", scale=9, unit="t CO2/t")],
    25_000_000,
    [["Em", 25_000_000, 6, "t CO2"]],
]
"""10 t x 2.5 t CO2/t = 25 t."""


def dump_vector(vector: list[Any]) -> bytes:
    """The text as vm/contracts/README.md describes it, written apart from the contract."""
    inputs, grams, lines = vector
    text = f"vector 1 {grams} {len(inputs)} {len(lines)}"
    for row in (*inputs, *lines):
        text += "".join(f" {len(str(field))}:{field}" for field in row)
    return text.encode()


def hash_vector(vector: list[Any]) -> bytes:
    return hashlib.sha256(dump_vector(vector)).digest()


def draft(**changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "title": "Fuel burnt", "source": "IR (EU) 2025/2547", "code": "method_fuel",
        "code_hash": compute_code_hash(METHOD), "kind": "emission", "gwp_set": "",
        "ratio_num": 3664, "ratio_den": 1000, "rounding": "half-even",
        "valid_from": 0, "valid_to": 10 * YEAR,
        "requirements": [["FQ", ["t"], 1, 2], ["EF", ["t CO2/t"], 1, 1], ["N", ["t"], 0, 9]],
        "parameters": [quantity("P", 7, "parameter:P")], "vectors": [hash_vector(VECTOR)],
        "supersedes": 0,
    }  # fmt: skip
    return list((values | changes).values())


def decide(chain: Chain, name: str, version: int, wanted: bool = True) -> Receipt:
    """One administrator carries a vote in this chain: propose and execute."""
    arguments = ("methodology", name, version, wanted)
    number = chain.ok("regulator", "governance", "propose_decision", *arguments)
    return chain.send("regulator", "governance", "execute", number)


def put_factors(chain: Chain) -> None:
    """coal.ef: verified; peat.ef: copied; ch4: AR5, n2o: AR6; each 2.5."""
    plan = [
        ("coal.ef", "verified", ""), ("peat.ef", "unverified", ""), ("ch4", "verified", "AR5"),
        ("n2o", "verified", "AR6"), ("hfc", "unverified", "AR5"),
    ]  # fmt: skip
    for name, status, gwp_set in plan:
        arguments = (name, "Annex", HASH, "EU", gwp_set, 0, 10 * YEAR, status, "")
        chain.ok("regulator", "factors", "open_set", *arguments)
        row = [name, 2_500_000_000, 9, "t CO2/t", "CO2", "Table 1"]
        chain.ok("regulator", "factors", "add", name, [row])
        chain.ok("regulator", "factors", "publish", name, 1)


def make_chain() -> Chain:
    """The method is deployed and ``fuel`` version 1 in force."""
    chain = Chain()
    put_factors(chain)
    native(chain, "deploy", "method_fuel", METHOD)
    chain.ok("regulator", M, "publish", "fuel", 1, draft())
    chain.ok("alice", M, "check_vector", "fuel", 1, 0, VECTOR)
    assert decide(chain, "fuel", 1).status == "ok"
    return chain
