"""From which size on cheaper ways are taken."""

EXACT_UP_TO = 20_000
"""Samples up to which everything is compared with everything, and computed in the simplest way.

In larger sets, neighbours are looked up in parts of the data, trees draw fewer samples, and long
arrays are worked on in blocks.
"""
