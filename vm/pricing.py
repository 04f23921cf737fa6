"""The gas of taking in a source: the same where it is deployed, published or activated.

Source: docs/contracts.md, "Gas"; docs/decisions/0007-gas-prices.md.
"""

from __future__ import annotations

from vm.gas import Schedule
from vm.inclusion import count_words, find_imports
from vm.lexer import SOURCE_BYTES_MAX


def get_deploy_price(source: str, schedule: Schedule) -> int:
    """Return the gas of storing ``source``, without its @init.

    What checking and compiling take follows the words, signs and lines of a text, not its
    length: they are counted here without reading it as a language, so comments count too.
    Of a library's module the functions count that the text names, and what those call.
    """
    text = source[:SOURCE_BYTES_MAX]
    words = count_words(text) + sum(find_imports(text).values())
    return schedule.deploy + schedule.deploy_byte * len(text) + schedule.deploy_word * words
