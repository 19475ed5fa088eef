"""Pre-trained encoders: features of samples by people's own models, computed once and kept."""

from chaffinch.encoders.encode import encode
from chaffinch.encoders.opening import check_encoder, identity_of, open_encoder

__all__ = ["check_encoder", "encode", "identity_of", "open_encoder"]
