"""`outlier_gradients`: the samples whose gradients stand out, by a model as it was trained."""

from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import TensorDataset

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.data import open_data
from chaffinch.pipeline.request import Model
from chaffinch.repair.plan import Plan
from chaffinch.runs.scan import scan

DETECTORS = {
    "iforest": "gradient_forest",
    "l1": "gradient_l1",
    "l2": "gradient_l2",
    "lof": "gradient_lof",
    "knn": "gradient_knn_distance",
    "mahalanobis": "gradient_mahalanobis",
    "ocsvm": "gradient_svm",
}
"""Detectors by their usual names, and the scorers that they are."""


def outlier_gradients(
    model: Model,
    data: Any,
    detector: str = "iforest",
    budget: float = 0.05,
    *,
    label: str | None = None,
    seed: int = 0,
) -> Plan:
    """Leave out the samples whose gradients are outliers among all gradients of the training set.

    Outlier Gradient Analysis (Chhabra et al., ICML 2025): one backward pass over the last layer for
    each sample, an outlier detector on these gradients, and the share of the samples that stands
    out most is left out. No inverse Hessian is needed, and how many samples do harm is not
    judged: ``budget`` says it.

    Args:
        model: As it was trained on the data: an ``nn.Module``, or what `scan` takes for one.
        data: What `chaffinch.open_data` takes. Numbers in ``(X, y)`` reach the model as they are.
        detector: One of `DETECTORS`, or the name of any scorer on gradients.
        budget: Share of the samples that are left out.
        label: Column of the labels, where it is not obvious.
        seed: Decides every random choice.

    Returns:
        A plan that trims them: ``plan.apply(data)`` gives the data without, `verify` tells whether
        the model gets better.

    Raises:
        InputError: Data or a model that cannot be used, an unknown detector, or a budget that is no
            share.
    """
    if not isinstance(detector, str):
        raise InputError(
            f"a detector among {', '.join(DETECTORS)}", repr(detector), "Name one of these"
        )
    scorer = DETECTORS.get(detector, detector)
    given = _tensors(data)
    run = scan(given, label, model, train=False, seed=seed, scorers=[scorer])
    plan = run.propose(by=scorer, budget=budget)
    if given is data:
        return plan
    own = open_data(data)  # the same rows under the names that they have there
    edits = (replace(one, id=str(own.ids[one.row])) for one in plan.edits)
    return replace(plan, edits=tuple(edits), fingerprint=own.fingerprint)


def _tensors(data: Any) -> Any:
    """Numbers and labels as a torch data set, which a model is given as it is."""
    if not isinstance(data, tuple) or len(data) != 2:
        return data
    samples, labels = (to_numpy(part) for part in data)
    if samples.dtype.kind not in "fiub" or labels.dtype.kind not in "iub" or labels.ndim != 1:
        return data
    whole = torch.as_tensor(samples, dtype=torch.float32)
    return TensorDataset(whole, torch.as_tensor(labels.astype("int64")))
