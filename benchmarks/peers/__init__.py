"""Other libraries as methods of detection; importing this registers them, and imports none."""

from benchmarks.peers import captum, cleanlab, dattri, pyod, sklearn

__all__ = ["captum", "cleanlab", "dattri", "pyod", "sklearn"]
