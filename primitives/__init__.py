"""GROUND of the house: values that every other package speaks in.

Transactions, blocks, certificates, keys, hashes, the canonical codec, Merkle
proofs, validator sets, limits and errors. Nothing here does I/O or reads a clock.
"""
