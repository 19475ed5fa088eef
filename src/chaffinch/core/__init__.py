"""Floor 0: errors, ids, labels, evidence, scorers' contract, findings."""
