"""Seeded simulation of consensus: the real core, a fake clock, network and disk."""
