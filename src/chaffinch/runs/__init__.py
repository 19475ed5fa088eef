"""What `chaffinch.scan`, `chaffinch.judge` and a watch give back, and all that is done with it."""
