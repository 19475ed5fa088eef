"""Floor 2: how many samples are wrong, which, and what they should be."""
