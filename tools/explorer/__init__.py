"""The public interface over the index: REST under ``/api/v1``, read-only, in one process with
the indexer. Source: docs/explorer.md.
"""
