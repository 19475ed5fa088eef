"""Verification: does training on the repaired data give a better model?"""

from chaffinch.pipeline.verification.comparison import verify
from chaffinch.pipeline.verification.outcome import Outcome, Part

__all__ = ["Outcome", "Part", "verify"]
