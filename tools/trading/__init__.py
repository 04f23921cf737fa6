"""Trading from programs: money, books, auctions, quotes, pledges, baskets, tokens.

One module for each contract. ``desk`` sends calls and reads typed records, ``decimals`` is how
people write prices and money, ``statement`` gathers an account's whole statement and proves that
it adds up, ``book`` keeps an order book from events, ``feed`` streams book, trades and ticker.
"""
