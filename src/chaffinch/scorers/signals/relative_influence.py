"""Relative influence (Barshan et al., AISTATS 2020): influence by how much it takes to be had.

With a Kronecker-factored curvature ``H = S x A`` of the last layer (S of the outputs, A of the
inputs), ``H^-1 g = (S^-1 d) (A^-1 h)^T``, so all stays factored; and unlike for plain gradients,
influence divided by its norm is no cosine.
"""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence, scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import softmax

_NEEDS = ("logits", "features", "validation_logits", "validation_features", "validation_codes")
_PAPER = "Barshan et al., RelatIF, AISTATS 2020"
_DAMPING = 0.1
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Relative:
    """Parts of relative influence of N samples.

    Attributes:
        influence: (N,) mean of ``g_j^T H^-1 g_i`` over the targets, positive = helps.
        change: (N,) norm of ``H^-1 g_i``: how far the sample moves the parameters.
        self_influence: (N,) ``g_i^T H^-1 g_i``: how far it moves its own loss.
    """

    influence: Floats
    change: Floats
    self_influence: Floats


def damped_inverse(matrix: Floats) -> Floats:
    """Inverse of a positive semi-definite matrix plus a tenth of its mean diagonal."""
    damping = max(_DAMPING * float(np.trace(matrix)) / len(matrix), 1e-12)
    inverse: Floats = np.linalg.inv(matrix + damping * np.eye(len(matrix)))
    return inverse


@once_per_evidence
def relative_parts(evidence: Evidence) -> Relative:
    """Compute the parts for the last layer in the last epoch, in float64.

    S is the mean of ``diag p - p p^T``, A that of ``h h^T``, over the training samples.

    Raises:
        InputError: A record is missing.
    """
    codes = evidence.labels.codes
    logits, features = evidence.need("logits")[-1], evidence.need("features")
    blocks = [slice(start, start + _ROWS) for start in range(0, len(codes), _ROWS)]
    outputs, inputs = np.zeros((), np.float64), np.zeros((), np.float64)
    for rows in blocks:
        p, h = softmax(logits[rows]), _inputs(features[rows], evidence.bias)
        outputs = outputs + (np.diag(p.sum(axis=0)) - p.T @ p) / len(codes)
        inputs = inputs + h.T @ h / len(codes)
    s, a = damped_inverse(outputs), damped_inverse(inputs)
    direction = s @ _mean_target(evidence) @ a
    parts = []
    for rows in blocks:
        d, h = _errors(logits[rows], codes[rows]), _inputs(features[rows], evidence.bias)
        left, right = d @ s, h @ a
        change = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        own = (left * d).sum(axis=1) * (right * h).sum(axis=1)
        parts.append((((d @ direction) * h).sum(axis=1), change, own))
    return Relative(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _mean_target(evidence: Evidence) -> Floats:
    """(C, I) mean gradient of the validation samples."""
    targets = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    errors = _errors(evidence.need("validation_logits"), targets)
    inputs = _inputs(evidence.need("validation_features"), evidence.bias)
    mean: Floats = errors.T @ inputs / max(1, len(targets))
    return mean


def _errors(logits: Floats, codes: Codes) -> Floats:
    errors = softmax(logits)
    errors[np.arange(len(codes)), codes] -= 1
    return errors


def _inputs(features: Floats, bias: bool) -> Floats:
    wide = np.asarray(features, dtype=np.float64)
    return np.hstack([wide, np.ones((len(wide), 1))]) if bias else wide


def _ratio(influence: Floats, norm: Floats) -> Floats:
    """Minus the ratio; a sample without a gradient has no influence at all."""
    return -np.divide(influence, norm, out=np.zeros(len(norm)), where=norm > 0)


@scorer("relative_influence_theta", family="signals", needs=_NEEDS, paper=_PAPER)
def relative_influence_theta(evidence: Evidence, _seed: int) -> Floats:
    """Harm to the validation samples by how far the sample moves the parameters (last epoch)."""
    parts = relative_parts(evidence)
    return _ratio(parts.influence, parts.change)


@scorer("relative_influence_loss", family="signals", needs=_NEEDS, paper=_PAPER)
def relative_influence_loss(evidence: Evidence, _seed: int) -> Floats:
    """Harm to the validation samples by how far the sample moves its own loss (last epoch)."""
    parts = relative_parts(evidence)
    return _ratio(parts.influence, np.sqrt(np.maximum(parts.self_influence, 0)))
