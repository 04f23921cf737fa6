"""``consensus status --why``: each thing that a height can wait for, in its own words.

The words are read by operators and by node/status; each state is reached by the messages that
lead there.
"""

from __future__ import annotations

from dataclasses import replace

from consensus.description import PeerDescription, VoteGroup
from consensus.effects import TimerName
from primitives.certificate import Phase
from primitives.hashing import ZERO_HASH, Address
from tests.unit.consensus.harness import NOW, PARAMS, Bench, hash_of


def tell(bench: Bench) -> tuple[str, str]:
    here = bench.replica.describe(bench.now)
    return here.phase, here.why


def test_each_step_of_a_height_in_words() -> None:
    bench = Bench(count=7, me=6)
    proposal = bench.proposal()
    block = proposal.block_hash
    assert tell(bench) == ("waiting-for-proposal", "waiting for the proposal of v1")
    bench.hear(bench.pre_prepare(proposal))
    waiting = f"waiting for the transactions of block {block.hex()}"
    assert tell(bench) == ("prepare", waiting)
    assert not bench.replica.describe(NOW).body_ready
    bench.have_body(proposal)
    assert bench.replica.describe(NOW).body_ready
    assert tell(bench) == ("prepare", "2 of 5 PREPAREs in view 0")
    for signer in (0, 2, 3):
        bench.hear(bench.vote(signer, Phase.PREPARE, 0, block))
    assert tell(bench) == ("commit", "prepared; the block is being executed")
    bench.have_executed(proposal)
    assert tell(bench) == ("commit", "1 of 5 COMMITs in view 0")
    for signer in (0, 1, 2):
        bench.hear(bench.vote(signer, Phase.COMMIT, 0, block, hash_of("state")))
    assert tell(bench) == ("commit", "4 of 5 COMMITs in view 0")
    bench.hear(bench.vote(3, Phase.COMMIT, 0, block, hash_of("other")))
    why = "COMMITs disagree: 2 groups, none of them has 5"
    assert tell(bench) == ("commit", why)
    bench.hear(bench.vote(4, Phase.COMMIT, 0, block, hash_of("state")))
    assert tell(bench) == ("committing", "the block is final and is being written")


def test_a_height_that_is_final_elsewhere_in_words() -> None:
    bench = Bench()
    certificate = bench.certificate((0, 1, 2), Phase.COMMIT, 0, hash_of("b"), hash_of("s"))
    bench.hear(bench.status(2, certificate))
    why = "the height is final elsewhere; fetching or executing its block"
    assert tell(bench) == ("catching-up", why)


def test_a_halted_node_says_why_and_nothing_else() -> None:
    bench = Bench()
    proposal = bench.proposal()
    bench.prepare(proposal)
    for signer in (0, 1, 2):
        bench.hear(bench.vote(signer, Phase.COMMIT, 0, proposal.block_hash, hash_of("theirs")))
    phase, why = tell(bench)
    assert phase == "halted" and why.startswith("divergence at height 1: ")


def test_views_in_words() -> None:
    bench = Bench()
    bench.replica.transactions_waiting(NOW)
    bench.replica.expire(TimerName.VIEW, NOW + 1_000)
    assert tell(bench) == ("view-change", "view 1 has 1 of 3 view changes")
    bench.hear(bench.view_change(0, 1))
    assert tell(bench) == ("view-change", "view 1 has 2 of 3 view changes")
    bench.hear(bench.view_change(1, 2))
    assert tell(bench) == ("view-change", "waiting for the proposal of v2")
    # What was prepared in an earlier view is not prepared in this one.
    proposal = bench.proposal()
    prepared = bench.certificate((0, 1, 2), Phase.PREPARE, 0, proposal.block_hash)
    proof = [bench.view_change(n, 3, prepared) for n in (0, 1, 2)]
    other = Bench()
    other.prepare(proposal)
    other.hear(other.pre_prepare(proposal, 3, proof))
    assert other.replica.describe(NOW).prepared_view == 0
    assert tell(other) == ("prepare", "2 of 3 PREPAREs in view 3")


def test_a_refused_block_in_words() -> None:
    bench = Bench(me=None)
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    assert bench.replica.describe(NOW).refusal == ""
    bench.replica.body_refused(proposal.block_hash, "expired", NOW)
    assert tell(bench) == ("prepare", "the block of v1 was refused: expired")
    # A proposal of this view that was turned down, before another one is taken.
    other = Bench()
    assert other.replica.describe(NOW).refusal == ""
    ahead = other.proposal(time_ms=NOW + PARAMS.clock_drift_ms + 1)
    other.hear(other.pre_prepare(ahead))
    phase, why = tell(other)
    assert phase == "waiting-for-proposal"
    assert why == f"the block of v1 was refused: {other.replica.describe(NOW).refusal}"
    assert "header-time-ahead" in why


def test_one_who_watches_says_so_first() -> None:
    bench = Bench(last_signed=None)
    watching = "watching only, until others have told their heights: the last-signed record is lost"
    here = bench.replica.describe(NOW)
    assert (here.role, here.watching) == ("watching", watching)
    assert here.why == f"{watching}; waiting for the proposal of v1"
    observer = Bench(me=None).replica.describe(NOW)
    assert (observer.role, observer.watching) == ("observer", "")
    assert observer.why == "waiting for the proposal of v1"
    assert Bench().replica.describe(NOW).role == "validator"


def test_everything_that_is_known_is_shown() -> None:
    bench = Bench()
    stranger = Address(hash_of("stranger"))
    idle = bench.replica.describe(NOW)
    assert (idle.due_ms_ago, idle.executed, idle.proposal, idle.body_ready) == (
        None, None, None, False
    )  # fmt: skip
    assert idle.view_timer_in_ms == PARAMS.empty_block_interval_ms + PARAMS.timeout_base_ms
    proposal = bench.proposal()
    bench.hear(bench.pre_prepare(proposal))
    bench.now = NOW + 100
    bench.hear(bench.status(1, None, view=4), 2)
    bench.hear(replace(bench.vote(0, Phase.COMMIT, 0, hash_of("b")), signature=bytes(64)), 0)
    bench.replica._peers.hear(stranger, 9, 8, NOW)
    bench.hear(bench.view_change(1, 7))
    for text in "ab":
        bench.hear(bench.vote(0, Phase.COMMIT, 3, hash_of(text), hash_of("s")))
    bench.replica._accused[stranger] = 0
    here = bench.replica.describe(NOW + 130)
    assert (here.height, here.view, here.leader, here.quorum, here.validators) == (
        1, 0, "v1", 3, 4
    )  # fmt: skip
    assert here.proposal == proposal.block_hash.hex() and not here.body_ready
    assert (here.due_ms_ago, here.view_timer_in_ms) == (130, PARAMS.timeout_base_ms - 130)
    assert here.view_changes == {"v1": 7}
    assert here.accused == ("v0", stranger.hex())
    assert here.peers == (
        PeerDescription("v2", 1, 4, 30, ""),
        PeerDescription("v0", 0, 0, None, "vote: bad signature"),
        PeerDescription(stranger.hex(), 9, 8, 130, ""),
    )
    assert here.groups == (
        VoteGroup("PREPARE", 0, proposal.block_hash.hex(), ZERO_HASH.hex(), ("v1",)),
        VoteGroup("COMMIT", 3, hash_of("a").hex(), hash_of("s").hex(), ("v0",)),
    )
    assert here.departures == ()
