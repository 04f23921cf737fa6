"""One file for each contract: its tables, what its events do to them, and how lists show them.

To add a contract: write ``<contract>.py`` with a ``BOOK`` and name it in ``registry.py``.
"""
