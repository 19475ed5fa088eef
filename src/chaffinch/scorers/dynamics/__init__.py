"""Scorers from training dynamics: one trajectory of logits a sample."""
