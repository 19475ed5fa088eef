"""Mean influence on validation samples, last layer and last epoch."""

import numpy as np
import torch

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.gradients import GradientBlock
from chaffinch.scorers.outliers.last_layer import last_layer_gradients, output_errors


@scorer(
    "validation_influence",
    family="signals",
    needs=("logits", "features", "validation_logits", "validation_features", "validation_codes"),
    paper="Myrtakis et al., 2024 (MI, with the sign that flags harm)",
)
def validation_influence(evidence: Evidence, _seed: int) -> Floats:
    """How much a gradient step on the sample raises the mean validation loss (grad-dot)."""
    codes = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    errors = output_errors(evidence.need("validation_logits"), codes)
    features = np.asarray(evidence.need("validation_features"), dtype=np.float32)
    targets = GradientBlock.from_last_layer(errors, features, bias=evidence.bias)
    mean = targets.weighted_sum(torch.full((len(errors),), 1 / len(errors)))
    return -last_layer_gradients(evidence).matvec(mean).numpy()
