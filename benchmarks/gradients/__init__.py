"""Benchmarks of exact per-sample gradients."""
