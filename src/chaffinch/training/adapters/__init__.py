"""Watches in training loops that others wrote: one file a library."""
