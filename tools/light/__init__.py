"""Proofs without a node to trust: from a genesis (or a trusted epoch) to what is certified.

Everything but ``reader`` is pure. docs/light.md says what is proven and what cannot be.
"""
