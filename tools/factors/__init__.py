"""Published tables of factors become factor sets on a running chain.

``figures`` has what a figure is and reads decimals exactly, ``known`` and ``land_use``
say what each known file means, ``loading`` puts sets on a chain and reads them back.
"""
