"""The last layer at one time of training: the factors from which influence is computed."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.outliers.last_layer import output_errors
from chaffinch.scorers.probability import softmax

BY_EPOCH = ("features_by_epoch", "validation_logits_by_epoch", "validation_features_by_epoch")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Factors of the gradients ``d h^T`` of N samples and M validation samples.

    Under cross-entropy the error of a sample that is relabelled c is ``p - e_c``, so the
    probabilities give the influence that it would have under any label.

    Attributes:
        rate: What a product of gradients counts: the learning rate.
        probabilities: (N, C).
        inputs: (N, I) layer inputs, with a 1 appended where the layer has a bias.
        target_errors: (M, C) ``p_j - e_yj`` of the validation samples.
        target_inputs: (M, I) as ``inputs``.
    """

    rate: float
    probabilities: Tensor
    inputs: Tensor
    target_errors: Tensor
    target_inputs: Tensor

    def errors(self, rows: slice, codes: Codes) -> Tensor:
        """(n, C) errors of the samples at ``rows`` if their labels were ``codes`` (n,)."""
        errors = self.probabilities[rows].clone()
        errors[torch.arange(len(errors)), torch.from_numpy(np.array(codes))] -= 1
        return errors


def num_epochs(evidence: Evidence) -> int:
    """For how many epochs influence can be computed: E, or only the last one.

    Features of the samples and outputs and features of the validation samples in every epoch are
    needed for more; without them, it is that of the last epoch.
    """
    return len(evidence.need("logits")) if _has_epochs(evidence) else 1


def _has_epochs(evidence: Evidence) -> bool:
    return all(map(evidence.has, BY_EPOCH)) and evidence.has("logits")


def snapshot(evidence: Evidence, epoch: int, rows: slice = slice(None)) -> Snapshot:
    """The factors in one epoch.

    Args:
        evidence: With logits, features and validation records.
        epoch: 0 to `num_epochs` - 1.
        rows: Which samples; records on disk are read for these only.

    Raises:
        InputError: A record is missing.
    """
    codes = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    if not _has_epochs(evidence):
        rate, epoch = 1.0, -1
        features = evidence.need_any("features", "features_by_epoch")
        features = features if evidence.has("features") else features[-1]
        logits, inputs = _last_of_validation(evidence)
    else:
        rates = evidence.learning_rates
        rate = 1 / num_epochs(evidence) if rates is None else float(rates[epoch])
        features = evidence.need("features_by_epoch")[epoch]
        logits = evidence.need("validation_logits_by_epoch")[epoch]
        inputs = evidence.need("validation_features_by_epoch")[epoch]
    return Snapshot(
        rate,
        torch.from_numpy(softmax(evidence.need("logits")[epoch, rows]).astype(np.float32)),
        with_bias(features[rows], evidence.bias),
        torch.from_numpy(output_errors(logits, codes)),
        with_bias(inputs, evidence.bias),
    )


def _last_of_validation(evidence: Evidence) -> tuple[Floats, Floats]:
    found = []
    for name in ("validation_logits", "validation_features"):
        record = evidence.need_any(name, f"{name}_by_epoch")
        found.append(record if evidence.has(name) else record[-1])
    return found[0], found[1]


def with_bias(features: Floats, bias: bool) -> Tensor:
    """(N, I) float32 layer inputs to (N, I + 1) with the 1 of the bias, if there is one."""
    inputs = torch.from_numpy(np.array(features, dtype=np.float32))
    return torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1) if bias else inputs
