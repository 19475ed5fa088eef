"""Configuration, the evidence needed, the run from data to findings."""
