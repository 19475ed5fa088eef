"""Floor 5: the self-contained HTML report and the terminal summary."""
