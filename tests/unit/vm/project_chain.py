"""A chain with projects: members for every duty, and a project taken to any point of its life."""

from __future__ import annotations

import zlib

from primitives.codec import Value
from tests.unit.vm.carbon_chain import (
    DAY,
    FOREST,
    HASH,
    IMPORT,
    START_SECONDS,
    Chain,
    address_of,
    make_genesis,
    make_members,
)
from vm.genesis_builder import Administration, Member

P = "projects"
L = "parcels"
EARTH_M2, EARTH_CELLS = 510065621724088, 1 << 43
CELLS = 4096
"""Of the parcel that every project here has, somewhere of its own."""
NOTICE = 3600
FROM = START_SECONDS - 400 * DAY
TO = START_SECONDS + 200 * DAY
SHARE = 2000
"""20 % of the net goes to the buffer."""

DRAFT: tuple[Value, ...] = ("CN-FJ", "forest-sink", "forest", ["biomass", "soil"], FROM, TO, HASH)
IMPORTED: tuple[Value, ...] = (
    "ACR", "ACR123", "alice", "US-CA", "acr-forest", ["biomass"], FROM, TO, HASH, HASH,
)  # fmt: skip
ALL_ROLES = ("project-owner", "verifier", "registry")


def make_project_chain(notice_seconds: int = NOTICE) -> Chain:
    """Members of carbon_chain, and two more: ``many`` with three duties, ``registry-two``."""
    regulator = address_of("regulator")
    more = (
        Member("many", "Many", "CN", ALL_ROLES, (address_of("many"),), (FOREST, IMPORT)),
        Member("unaccredited", "Unaccredited", "CN", ALL_ROLES, (address_of("unaccredited"),)),
        Member("rival", "Rival", "CN", ("project-owner",), (address_of("rival"),)),
    )
    administration = Administration((regulator,), 1, (regulator,), 0, notice_seconds)
    members = (*make_members(), *more)
    return Chain(make_genesis(administration=administration, members=members))


def area_of(cells: int) -> int:
    """Square metres, such that they are this many cells again."""
    return -(-cells * EARTH_M2 // EARTH_CELLS)


def draft(chain: Chain, project: str = "p1", owner: str = "owner") -> None:
    chain.ok(owner, P, "draft", project, *DRAFT)
    first = zlib.crc32(project.encode()) % (EARTH_CELLS // CELLS) * CELLS
    parcel = (HASH, 0, area_of(CELLS), 1, [first, CELLS])
    chain.ok(owner, L, "add_parcel", project, *parcel)


def submit(chain: Chain, project: str = "p1", owner: str = "owner") -> None:
    draft(chain, project, owner)
    chain.ok(owner, P, "submit", project)


def open_notice(chain: Chain, project: str = "p1", owner: str = "owner") -> None:
    submit(chain, project, owner)
    chain.ok("registry", P, "open_notice", project)


def validate(chain: Chain, project: str = "p1", owner: str = "owner") -> None:
    open_notice(chain, project, owner)
    chain.time = max(chain.time, chain.view(P, "get_project", project)[17])
    chain.ok("verifier", P, "validate", project, SHARE, HASH)
    chain.ok("bob", L, "claim", project, 0)


def register(chain: Chain, project: str = "p1", owner: str = "owner") -> None:
    """Bring a new project to ``registered``: a buffer share of 20 %, FROM to TO."""
    validate(chain, project, owner)
    chain.ok("registry", P, "register", project)


def suspend(chain: Chain, project: str = "p1", owner: str = "owner") -> None:
    register(chain, project, owner)
    chain.ok("regulator", P, "suspend", project, "fire")
