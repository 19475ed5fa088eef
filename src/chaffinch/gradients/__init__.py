"""Floor 2: exact per-sample gradients that stay factored."""
