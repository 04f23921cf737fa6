"""Emission inventories: do the parts of a published inventory add up to its totals?

``tables`` reads regions, sectors and fuels exactly, ``reconcile`` adds them up and says
what does not meet. A statistical difference is a line of every roll-up, never spread.
"""
