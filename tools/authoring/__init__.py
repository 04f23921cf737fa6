"""For those who test contracts: a chain under control, the pytest fixture, properties.

Never talks to a node. Source: docs/contracts.md, "Testing a contract".
"""
