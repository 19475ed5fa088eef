"""Benchmarks of tasks beyond one class a sample."""
