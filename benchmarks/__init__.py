"""Benchmarks: measured figures, printed as Markdown tables. ``python -m benchmarks`` runs all."""
