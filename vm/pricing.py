"""The gas of taking in a source: the same where it is deployed, published or activated.

Source: docs/contracts.md, "Gas"; docs/decisions/0007-gas-prices.md.
"""

from __future__ import annotations

import re
from typing import Final

from vm.gas import Schedule
from vm.lexer import SOURCE_BYTES_MAX

_WORD: Final = re.compile(r"[A-Za-z0-9_]+|[^A-Za-z0-9_ ]", re.ASCII)


def get_deploy_price(source: str, schedule: Schedule) -> int:
    """Return the gas of storing ``source``, without its @init.

    What checking and compiling take follows the words, signs and lines of a text, not its
    length: they are counted here without reading it as a language, so comments count too.
    """
    text = source[:SOURCE_BYTES_MAX]
    words = sum(1 for _ in _WORD.finditer(text))
    return schedule.deploy + schedule.deploy_byte * len(text) + schedule.deploy_word * words
