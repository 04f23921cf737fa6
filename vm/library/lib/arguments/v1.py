"""What every contract asks of an argument: an id, a text, the size of a page.

Ids, texts and pages mean the same in all contracts (vm/contracts/README.md, first section), so
that they are refused by the same rule under the same code.
"""
from vm import require


def check_id(text: str) -> None:
    """Reverts `bad-id` unless it has 1 to 64 characters out of a-z A-Z 0-9 . _ -"""
    require(len(text) >= 1 and len(text) <= 64 and len(text.encode()) == len(text), "bad-id")
    require(text.replace("-", "a").replace("_", "a").replace(".", "a").isalnum(), "bad-id")


def check_length(text: str, low: int, high: int) -> None:
    """Reverts `bad-text` unless it has low to high characters."""
    require(len(text) >= low and len(text) <= high, "bad-text")


def check_limit(limit: int) -> None:
    """Reverts `bad-limit` unless a page has 1 to 100 items."""
    require(1 <= limit and limit <= 100, "bad-limit")
