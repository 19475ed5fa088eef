"""The transition matrix T of label noise: ``T[true, given]``, each row a distribution."""

import math

import numpy as np
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.losses.loss import Numbers, as_tensor, check_number

_SLACK = 1e-4


def transition_from_anchors(probabilities: Floats, quantile: float | None = None) -> Floats:
    """Estimate T from samples that surely belong to each class (Patrini et al., CVPR 2017).

    Of a sample that surely is of class j, the probabilities of the given labels are row j of T.
    Only a model trained by plain cross-entropy on the noisy labels predicts these.

    Args:
        probabilities: (N, C), held-out ones if there are such.
        quantile: Which sample of a class's probabilities, in order, is its anchor; 1 is the
            greatest, which may be an outlier. None for ``1 - .3 / C``, the .97 of the paper where
            there are 10 classes: it must stay within the share of the samples of a class.

    Returns:
        (C, C) T, rows = true, columns = given class.

    Raises:
        InputError: There are no samples, or rows are no distributions.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or not probabilities.size:
        raise InputError(
            "probabilities (N, C)", f"shape {probabilities.shape}", "Give a row a sample"
        )
    _check_rows("probabilities", probabilities)
    count, num_classes = probabilities.shape
    share = 1 - 0.3 / num_classes if quantile is None else check_number("quantile", quantile, 0, 1)
    order = np.argsort(probabilities, axis=0, kind="stable")
    anchors = order[math.floor(share * (count - 1))]
    rows = probabilities[anchors]
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def transition_from_joint(joint: Floats) -> Floats:
    """Estimate T from counts of pairs of labels, as those of confident learning.

    Args:
        joint: (C, C) counts or shares; **rows = given, columns = true** class, as
            `chaffinch.scorers.labels.confident_learning.confident_joint` makes them.

    Returns:
        (C, C) T, rows = true, columns = given class: the transpose, each row divided by its sum. A
        true class that nobody has keeps its label.

    Raises:
        InputError: The matrix is not square, or holds negative or no finite numbers.
    """
    joint = np.asarray(joint, dtype=np.float64)
    square = joint.ndim == 2 and joint.shape[0] == joint.shape[1]
    if not square or not np.isfinite(joint).all() or (joint < 0).any():
        raise InputError(
            "counts (C, C) that are not negative",
            f"shape {joint.shape}",
            "Give the confident joint",
        )
    totals = joint.sum(axis=0)[:, None]
    kept = np.eye(len(joint))
    return np.where(totals > 0, joint.T / np.where(totals > 0, totals, 1), kept)


def check_transition(transition: Numbers) -> Tensor:
    """(C, C) T as a tensor.

    Raises:
        InputError: It is not square, or rows are no distributions.
    """
    tensor = as_tensor(transition)
    if tensor.ndim != 2 or tensor.shape[0] != tensor.shape[1]:
        raise InputError("T (C, C)", f"shape {tuple(tensor.shape)}", "Rows are true, columns given")
    _check_rows("T[true, given]", tensor.double().cpu().numpy())
    return tensor


def check_classes(transition: Tensor, logits: Tensor) -> None:
    """Refuse logits of another number of classes than T has.

    Raises:
        InputError: They are.
    """
    if logits.shape[1] != len(transition):
        raise InputError(
            f"logits of {len(transition)} classes, as T has",
            f"{logits.shape[1]}",
            "Estimate T for all outputs of the model",
        )


def _check_rows(what: str, rows: Floats) -> None:
    good = np.isfinite(rows).all() and (rows >= 0).all()
    if not good or (abs(rows.sum(axis=1) - 1) > _SLACK).any():
        raise InputError(
            f"{what} whose rows are distributions",
            f"entries from {rows.min()} and row sums from {rows.sum(axis=1).min()}"
            f" to {rows.sum(axis=1).max()}",
            "Give non-negative rows that sum to 1",
        )
