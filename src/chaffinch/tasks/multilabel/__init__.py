"""Several tags per sample: which are missing, and which were given by mistake."""
