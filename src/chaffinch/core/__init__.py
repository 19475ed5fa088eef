"""Errors, ids, labels, evidence, scorers' contract, findings."""
