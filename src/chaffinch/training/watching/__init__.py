"""Recording, weighting and judging of samples inside the user's own training loop.

`cf.watch` is in `watch`, the records are described in `observer`.
"""
