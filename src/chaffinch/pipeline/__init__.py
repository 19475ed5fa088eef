"""Floor 4: configuration, the evidence needed, the run from data to findings."""
