"""The index: certified blocks of a chain, verified and kept as rows of an SQL database.

Built from nothing but the genesis and what validators certified, so that two indexes of a
chain are equal row by row. Source: docs/explorer.md, decision 0072.
"""
