"""Floor 1: one scorer a file, each a pure function of evidence."""
