"""A page on this computer in which people look at findings and decide.

Decisions go into the ledger, one by one and for good; a later one of the same person counts instead
of an earlier one. The page is served to this computer alone, to whoever has its key, and loads
nothing from elsewhere. Needs the extra ``review``.
"""
