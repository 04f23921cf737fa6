"""Classes of units: batches that stand for one another, in an order book or in a basket.

A batch fits by what its project is and by its vintage. Only projects of this chain that are
registered or completed count: what is suspended, withdrawn or another registry's fits nothing.
"""
from vm import record, require

CREDITED = ["registered", "completed"]


@record
class Class:
    """What may be delivered: empty texts and lists mean any. A region holds its parts."""

    scope: str
    methodology: str
    region: str
    claims: list[str]
    vintage_from: int
    vintage_to: int


def check_class(wanted: Class) -> None:
    """Reverts `bad-class`: texts to 64 characters, a region to 16, 5 claims, vintages in order."""
    require(len(wanted.scope) <= 64 and len(wanted.methodology) <= 64, "bad-class")
    require(len(wanted.region) <= 16 and len(wanted.claims) <= 5, "bad-class")
    require(0 <= wanted.vintage_from and wanted.vintage_from <= wanted.vintage_to, "bad-class")


def is_fitting(
    wanted: Class, vintage: int, status: str, region: str, methodology: str, scope: str,
    claims: list[str]
) -> bool:
    """Whether a batch of this vintage fits, whose project has this status and these terms."""
    if vintage < wanted.vintage_from or vintage > wanted.vintage_to or status not in CREDITED:
        return False
    if wanted.region not in ["", region] and not region.startswith(f"{wanted.region}-"):
        return False
    fits = wanted.methodology in ["", methodology] and wanted.scope in ["", scope]
    return fits and all([claim in claims for claim in wanted.claims])
