"""Methodologies as files: a manifest beside each method's code, and what becomes of it.

``manifest`` reads one: the draft that a regulator publishes, and the vectors that
anybody runs. The manifests of the shipped methods are in vm/contracts/methods.
"""
