"""Roles as bits of one integer for each account, kept in a Map of the contract's own:

    roles = Map[Address, int](default=0)
    ...
    require_role(roles[ctx.sender], MINTER)

A role is a number from 0 to 127 (`bad-role` beyond). Functions take and give values: what is
stored stays the contract's to read and write.
"""
from vm import require

ROLE_MAX = 127


def has_role(granted: int, role: int) -> bool:
    require(0 <= role <= ROLE_MAX, "bad-role")
    return granted >> role & 1 == 1


def require_role(granted: int, role: int) -> None:
    """Revert `not-permitted` without the role."""
    require(has_role(granted, role), "not-permitted")


def require_any_role(granted: int, wanted: list[int]) -> None:
    """Revert `not-permitted` with none of the roles."""
    require(any([has_role(granted, role) for role in wanted]), "not-permitted")


def add_role(granted: int, role: int) -> int:
    """The roles with one more; reverts `has-role` when it is there."""
    require(not has_role(granted, role), "has-role")
    return granted | 1 << role


def remove_role(granted: int, role: int) -> int:
    """The roles without one; reverts `no-role` when it is not there."""
    require(has_role(granted, role), "no-role")
    return granted ^ 1 << role


def list_roles(granted: int) -> list[int]:
    return [role for role in range(ROLE_MAX + 1) if has_role(granted, role)]
