"""Which kind of glitch a sample has: a probability for each kind, from few signals a kind."""
