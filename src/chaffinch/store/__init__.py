"""Floor 1: what is kept on disk."""

from chaffinch.store.evidence import EvidenceFolder

__all__ = ["EvidenceFolder"]
