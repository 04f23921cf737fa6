"""JSON-RPC 2.0 over HTTP and WebSocket: the node's only door for clients.

``methods`` is the table of every method, ``server`` the sockets, the other modules
one namespace each. Nothing here decides about the chain.
"""
