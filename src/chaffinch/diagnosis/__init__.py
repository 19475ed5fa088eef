"""How many samples are wrong, which, and what they should be."""
