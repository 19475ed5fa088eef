"""Encoders, default models and layer choice."""
