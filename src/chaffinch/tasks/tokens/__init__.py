"""One tag a token: entities in sentences."""
