"""Experiments: one a package, each registered by name; suites declare the cells."""
