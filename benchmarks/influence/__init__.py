"""Benchmarks of influence estimators."""
