"""Trading from programs: money, books, pledges, baskets, tokens, one module for each contract.

``desk`` sends calls and reads typed records, ``decimals`` is how people write prices and money.
"""
