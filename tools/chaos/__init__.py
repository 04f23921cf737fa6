"""Chaos: a network of real processes under load and faults, and whether it kept its promises."""
