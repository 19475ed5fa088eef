"""The factored last-layer gradient of each sample, from saved evidence."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence
from chaffinch.core.types import Codes, Floats
from chaffinch.gradients import GradientBlock
from chaffinch.scorers.probability import softmax


def output_errors(logits: Floats, codes: Codes) -> Floats:
    """(N, C) gradient of cross-entropy by the logits: probabilities minus the one-hot label."""
    errors = softmax(logits).astype(np.float32)
    errors[np.arange(len(codes)), codes] -= 1
    return errors


@once_per_evidence
def last_layer_gradients(evidence: Evidence) -> GradientBlock:
    """The gradients of the last epoch's model, one a sample, as (errors, features) factors."""
    errors = output_errors(evidence.need("logits")[-1], evidence.labels.codes)
    features = np.asarray(evidence.need("features"), dtype=np.float32)
    return GradientBlock.from_last_layer(errors, features, bias=evidence.bias)
