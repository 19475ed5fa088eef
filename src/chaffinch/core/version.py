"""The version, where the packaging and the run records find it."""

VERSION = "0.1.0"
