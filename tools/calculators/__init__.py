"""Runs the chain's own calculators offline, on documents that people have."""
