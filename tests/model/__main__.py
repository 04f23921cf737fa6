"""``python -m tests.model``: the view change, searched until nothing new is left.

One height, four validators of which any one lies, three views. The three honest ones are the
real ``Replica``. Bounds: views 0 to ``--views`` - 1 (nobody moves further); the liar has two
blocks of its own in a view that it leads, and may propose again any block ever prepared for; an
honest leader has one (which one makes no difference). Liars, one search each: the leader of
view 0, of 1, of 2, and one that leads none of them.

A step brings a replica what changes it at once: a proposal with its body and execution, a
quorum of PREPAREs, the VIEW-CHANGEs that make it follow or lead, a time-out. Each may come at
any time or never, in any order. What is left out can only take possibilities away: a body that
comes late or never is a proposal that does; COMMITs need not arrive, since two certificates
that *can be formed* break agreement already. Who of the validators signed a certificate is
forgotten: nothing hangs on it. Messages that do not verify are refused by the same code as in
tests/unit/consensus and are not part of the alphabet.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from tests.model.broken import BROKEN
from tests.model.search import Search
from tests.model.words import VALIDATORS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 1 when an invariant broke, or a broken model passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--broken", action="store_true", help="only the broken models")
    options = parser.parse_args(arguments)
    bad = 0
    for liar in () if options.broken else range(VALIDATORS):
        started = time.process_time()
        found = Search(liar, options.views).run()
        took = time.process_time() - started
        print(
            f"liar v{liar}, {options.views} views: {found.states} states, {found.steps} steps, "
            f"depth {found.depth}; {found.locals} states of one replica, {found.core_steps} "
            f"steps of the real core; {took:.0f} s of CPU; "
            f"{found.violation or 'all invariants hold'}",
            flush=True,
        )
        print(*found.trace, sep="\n", end="\n" if found.trace else "")
        bad += bool(found.violation)
    for name, (replica_type, validators) in BROKEN.items():
        # The liar leads view 0; agreement alone is looked at, so that the fork itself is shown.
        found = Search(1, options.views, replica_type, validators, rules=False).run()
        print(f"{name}: {found.violation or 'NOT FOUND'} ({found.states} states)", flush=True)
        print(*(f"  {line}" for line in found.trace), sep="\n")
        bad += not found.violation
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
