"""Floor 1: encoders, default models and layer choice."""
