"""Methods of detection that need no other library; importing this registers them."""

from benchmarks.methods import ablation, control, paper, scorer, tool

__all__ = ["ablation", "control", "paper", "scorer", "tool"]
