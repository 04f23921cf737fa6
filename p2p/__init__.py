"""Links between nodes: wire frames, TLS, the peer table, gossip.

Sockets are touched in ``transport`` (one link) and ``listener`` (the port) alone;
``network`` and ``dialler`` own the tasks; everything else is pure. Nothing here knows
what a transaction or a vote is.
"""
