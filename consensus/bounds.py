"""The core's own bounds and intervals: name, unit, reason."""

from typing import Final

STATUS_INTERVAL_MS: Final = 1_000
"""Lost messages are repaired within about this; shorter only where timeouts are shorter."""

VIEWS_KEPT_MAX: Final = 4
"""Views for which one signer's votes are kept at one height: its highest ones."""

PROPOSALS_KEPT_MAX: Final = 16
"""Headers with ids kept for one height: the locked one and the latest prepared ones."""

FUTURE_MESSAGES_PER_PEER_MAX: Final = 512
"""Messages of the next height kept for one link: a relay hands on several a validator."""

FUTURE_BYTES_PER_PEER_MAX: Final = 4 * 1024 * 1024
"""Bytes of the same: room for two of the largest messages."""

PEERS_KEPT_MAX: Final = 256
"""Links remembered: every validator twice over, and some observers."""

SIGNATURES_KEPT_MAX: Final = 4_096
"""Verified signatures remembered: the votes of several heights of a hundred validators."""

REPAIR_GAP_MS: Final = 200
"""One peer is answered at most so often for each kind: STATUS must not amplify."""

DEPARTURES_KEPT_MAX: Final = 16
"""Views of one height of which we remember why they were left: 16 of them are minutes."""

EVIDENCE_KEPT_MAX: Final = 128
"""Accused validators remembered in one epoch: all of them, and some."""
