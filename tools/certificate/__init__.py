"""Retirement certificates: a file that proves a retirement to anyone who has the genesis.

``document`` is the file's form, ``build`` gathers one from a node, ``verify`` checks one
offline. A certificate states nothing that its proof does not prove.
"""
