"""What is kept on disk."""

from chaffinch.store.evidence import EvidenceFolder

__all__ = ["EvidenceFolder"]
