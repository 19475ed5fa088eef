"""Other libraries as methods of detection; importing this registers them, and imports none."""

from chaffinch.bench.peers import captum, cleanlab, dattri, pyod, sklearn

__all__ = ["captum", "cleanlab", "dattri", "pyod", "sklearn"]
