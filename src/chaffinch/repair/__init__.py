"""Repair: plans of edits, the actions that they are made of, and applying them to data."""
