"""Specific embedded emissions of goods under the EU's border adjustment (CBAM), and certificates.

Numbers are wide: ints at scale 24 of t, t CO2e, TJ, MWh, t CO2e/t; what one tonne carries is solved at
scale 36. Own and linked processes of an installation are one linear system, cycles included.
Sources: Regulation (EU) 2023/956 Annex IV; Implementing Regulation (EU) 2025/2547 Annexes II and III
(before 2026: (EU) 2023/1773 Annex III F); free allocation: Implementing Regulation (EU) 2025/2620.
"""
from vm import mul_div, mul_div_up, require

ONE = 1000000000000000000000000
FINE = 1000000000000000000000000000000000000
FINE_PER_WIDE = 1000000000000
PROCESSES_MAX = 20
TOLERANCE = 1000000000
# A pivot below 10**-9: the goods of a cycle go round and next to nothing leaves it.
PIVOT_MIN = 1000000000000000000000000000
EF_NATURAL_GAS = 56100000000000000000000000
WASTE_GAS_EFFICIENCY = 667000000000000000000000
BOILER_EFFICIENCY = 900000000000000000000000


def round_ratio(a: int, b: int, c: int) -> int:
    """a * b / c (c above 0) to the nearest integer, from the middle to the even one."""
    low = mul_div(a, b, c)
    doubled = mul_div(2 * a, b, c)
    if doubled == 2 * low:
        return low
    if mul_div_up(2 * a, b, c) == doubled and low % 2 == 0:
        return low
    return low + 1


def check_amount(amount: int) -> None:
    """Reverts `negative-activity` below 0."""
    require(amount >= 0, "negative-activity")


def compute_emissions(amount: int, factor: int) -> int:
    """Em = amount times factor: heat in TJ, electricity in MWh, a precursor in t."""
    check_amount(amount)
    require(factor >= 0, "negative-factor")
    return round_ratio(amount, factor, ONE)


def compute_waste_gas_in(energy: int, natural_gas: int) -> int:
    """What a process takes over with a waste gas: V NCV EF of natural gas; `energy` in TJ."""
    return compute_emissions(energy, natural_gas)


def compute_waste_gas_out(energy: int, natural_gas: int, efficiency: int) -> int:
    """What it hands over with one: V NCV EF of natural gas, times 0.667 for the worse use."""
    check_amount(energy)
    require(natural_gas >= 0, "negative-factor")
    require(0 <= efficiency <= ONE, "bad-share")
    return round_ratio(energy * natural_gas, efficiency, ONE * ONE)


def compute_heat_factor(fuel_factor: int, efficiency: int) -> int:
    """EF of heat = EF of the fuel mix / efficiency of the boiler (0.9 where none is known)."""
    require(fuel_factor >= 0, "negative-factor")
    require(0 < efficiency <= ONE, "bad-share")
    return round_ratio(fuel_factor, ONE, efficiency)


def compute_attributed(
    direct: int, heat_in: int, heat_out: int, gas_in: int, gas_out: int, electricity_out: int
) -> int:
    """AttrEm = DirEm + heat in - heat out + gas in - gas out - electricity out; at least 0."""
    for part in [heat_in, heat_out, gas_in, gas_out, electricity_out]:
        check_amount(part)
    return max(0, direct + heat_in - heat_out + gas_in - gas_out - electricity_out)


def check_system(produced: list[int], uses: list[list[int]], own: list[int]) -> None:
    """Reverts `too-many-processes`, `bad-lengths`, `no-activity`, `negative-activity`, and
    `over-consumed` when more of a good is used inside than is made (beyond 10**-9 of it: the
    workbooks hold binary floats)."""
    count = len(produced)
    require(0 < count and count <= PROCESSES_MAX, "too-many-processes")
    require(len(uses) == count and len(own) == count, "bad-lengths")
    for index, level in enumerate(produced):
        require(level > 0, "no-activity")
        require(len(uses[index]) == count, "bad-lengths")
        for mass in uses[index]:
            check_amount(mass)
        check_amount(own[index])
        used = sum([row[index] for row in uses])
        require(used - level <= level // TOLERANCE, "over-consumed")


def make_matrix(produced: list[int], uses: list[list[int]]) -> list[list[int]]:
    """I - A at scale 36: of one tonne of the row's good, what of each good is in it."""
    rows: list[list[int]] = []
    for index, level in enumerate(produced):
        row = [0 - round_ratio(mass, FINE, level) for mass in uses[index]]
        row[index] += FINE
        rows.append(row)
    return rows


def eliminate(rows: list[list[int]], sides: list[list[int]]) -> None:
    """Brings `rows` to upper triangular form, `sides` with them.

    Without exchange of rows: I - A has a solution that is nowhere below 0 just when every pivot
    is above 0. Reverts `cycle-without-solution` otherwise.
    """
    count = len(rows)
    for step in range(count):
        pivot = rows[step][step]
        require(pivot >= PIVOT_MIN, "cycle-without-solution")
        for below in range(step + 1, count):
            factor = rows[below][step]
            if factor != 0:
                for column in range(step, count):
                    if rows[step][column] != 0:
                        rows[below][column] -= round_ratio(factor, rows[step][column], pivot)
                for side in sides:
                    if side[step] != 0:
                        side[below] -= round_ratio(factor, side[step], pivot)


def substitute(rows: list[list[int]], side: list[int]) -> list[int]:
    """The solution of an upper triangular system, from its last row up."""
    count = len(rows)
    found = [0 for row in rows]
    for back in range(count):
        at = count - 1 - back
        rest = side[at]
        for column in range(at + 1, count):
            if rows[at][column] != 0:
                rest -= round_ratio(rows[at][column], found[column], FINE)
        found[at] = round_ratio(rest, FINE, rows[at][at])
    return found


def solve_linked(
    produced: list[int], uses: list[list[int]], own: list[list[int]]
) -> list[list[int]]:
    """What one tonne of each good carries, for each list of `own`, at scale 36.

    SEE_i = (own_i + sum over j of uses_ij SEE_j) / produced_i; `uses` has a row for each process:
    the mass of each good that enters it. `own` holds emissions or MWh, what purchased precursors
    bring included. Reverts what `check_system` says, and `cycle-without-solution`.
    """
    sides: list[list[int]] = []
    for given in own:
        check_system(produced, uses, given)
        sides.append([round_ratio(given[index], FINE, level) for index, level in
                      enumerate(produced)])
    rows = make_matrix(produced, uses)
    eliminate(rows, sides)
    return [substitute(rows, side) for side in sides]


def to_wide(fine: int) -> int:
    """Scale 36 as scale 24, half to even."""
    return round_ratio(fine, 1, FINE_PER_WIDE)


def split_by_mass(total: int, masses: list[int]) -> list[int]:
    """What each co-product carries, by mass; reverts `bad-shares` when there is none.

    What rounding leaves goes to the first, so that the parts add up.
    """
    whole = sum(masses)
    for mass in masses:
        check_amount(mass)
    require(whole > 0, "bad-shares")
    parts = [mul_div(total, mass, whole) for mass in masses]
    parts[0] += total - sum(parts)
    return parts


def split_by_moles(total: int, masses: list[int], molar_masses: list[int]) -> list[int]:
    """What each co-product carries, by amount of substance: chlorine, lye and hydrogen.

    Reverts `bad-lengths`, `bad-shares`.
    """
    require(len(masses) == len(molar_masses), "bad-lengths")
    for molar in molar_masses:
        require(molar > 0, "bad-shares")
    return split_by_mass(total, [
        round_ratio(mass, ONE, molar_masses[index]) for index, mass in enumerate(masses)
    ])


def check_shares(shares: list[int]) -> None:
    """Reverts `bad-shares` unless they are at least 0 and add up to 1."""
    for share in shares:
        require(share >= 0, "bad-shares")
    require(sum(shares) == ONE, "bad-shares")


def split_by_shares(total: int, shares: list[int]) -> list[int]:
    """Parts of `total` by shares that add up to 1; reverts `bad-shares`."""
    check_shares(shares)
    return split_by_mass(total, shares)


def compute_free_allocation(
    benchmark: int, phase_in: int, correction: int, masses: list[int], adjustments: list[int]
) -> int:
    """SEFA = benchmark x CBAM factor x cross-sectoral factor + sum of m SEFA of the precursors.

    t CO2e/t; `masses` are t of precursor in a tonne. Reverts `bad-share`, `bad-lengths`.
    """
    check_amount(benchmark)
    require(0 <= phase_in <= ONE, "bad-share")
    require(0 <= correction <= ONE, "bad-share")
    require(len(masses) == len(adjustments), "bad-lengths")
    total = round_ratio(benchmark * phase_in, correction, ONE * ONE)
    for index, mass in enumerate(masses):
        total += compute_emissions(mass, adjustments[index])
    return total


def compute_certificates(mass: int, see: int, adjustment: int, price_paid: int) -> int:
    """Certificates = mass (SEE - SEFA) - what a carbon price paid abroad is worth; at least 0.

    t CO2e; `price_paid` in certificates, the amount paid divided by their price.
    """
    check_amount(mass)
    check_amount(see)
    check_amount(adjustment)
    check_amount(price_paid)
    return max(0, round_ratio(mass, see - adjustment, ONE) - price_paid)
