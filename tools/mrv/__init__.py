"""A report traced from its result back to readings, and computed again without the chain.

``document`` is the trace as values and as a file, ``gathering`` reads it from a node that proves
every row, ``recomputing`` runs the methodology's own code on the committed inputs, ``readings``
holds raw readings against the hashes on the chain.
"""
