"""The keeper: finds candidates for flags off the chain and claims them on it.

``candidates`` is pure: trades, moves and groups in, claims out. ``keeper`` reads them from a node,
leaves out what carries a flag already, and sends the rest; the contract computes each again, so a
wrong candidate costs gas and raises nothing. Rules: docs/surveillance.md.
"""
