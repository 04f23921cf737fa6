"""Links between nodes: wire frames, TLS, the peer table, gossip.

Everything is pure but for ``transport`` (asyncio I/O of links) and ``network`` (the
tasks that own them). Nothing here knows what a transaction or a vote is.
"""
