"""The old name of `chaffinch.corruptions`: ``chaffinch.bench.inject``. It goes with version 0.3."""

import warnings

from chaffinch import corruptions as inject

__all__ = ["inject"]

warnings.warn(
    "chaffinch.bench.inject is now chaffinch.corruptions", DeprecationWarning, stacklevel=2
)
