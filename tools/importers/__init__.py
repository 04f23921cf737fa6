"""Importers: public exports of other registries become signed transactions.

``table`` reads CSV, ``formats`` says what ACR's and CAR's columns mean, ``ledger``
turns rows into issuances and retirements or into problems, ``matching`` finds the
kilogram serials that each retirement uses, ``submission`` packs calls into
transactions, ``importing`` does it all on a running chain. README.md has the rules.
"""
