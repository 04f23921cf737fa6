"""Perfluorocarbons of primary aluminium by the slope method. Kind: emission.

CF4 = AEM (SEF / 1000) P, C2F6 = CF4 FR. Inputs: `AEM` (min of anode effect a cell-day), `SEF` (kg/t and
minute), `FR` (t C2F6 per t CF4), `P` (t of aluminium), `GWP4` and `GWP6`, the warming potentials of CF4
and C2F6 out of one set. Source: (EU) 2018/2066 Annex IV 8 A; IPCC 2006 vol. 3 eq. 4.26.
"""
from vm import view
from lib.measurement.v1 import compute_c2f6, compute_cf4_by_slope, compute_equivalent
from lib.quantities.v1 import Computation, Quantity, make_line, read_inputs, take_amount, to_grams


@view
def compute(inputs: list[Quantity]) -> Computation:
    found = read_inputs(inputs, ["AEM", "SEF", "FR", "P", "GWP4", "GWP6"])
    cf4 = compute_cf4_by_slope(
        take_amount(found, "AEM", "min"), take_amount(found, "SEF", "kg/t"), take_amount(found, "P", "t")
    )
    c2f6 = compute_c2f6(cf4, take_amount(found, "FR", "1"))
    total = compute_equivalent(cf4, take_amount(found, "GWP4", "1"))
    total += compute_equivalent(c2f6, take_amount(found, "GWP6", "1"))
    lines = [
        make_line("CF4", "AEM SEF / 1000 P", ["AEM", "SEF", "P"], cf4, "t"),
        make_line("C2F6", "CF4 FR", ["CF4", "FR"], c2f6, "t"),
        make_line("Em", "CF4 GWP4 + C2F6 GWP6", ["CF4", "GWP4", "C2F6", "GWP6"], total, "tCO2e"),
    ]
    return Computation(to_grams(total), lines, [])
