"""Mixup: train on blends of samples, with labels blended alike."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.losses.loss import check_distributions, check_number, check_range


def mixup(
    inputs: Tensor,
    target: Tensor,
    num_classes: int,
    random: np.random.Generator,
    alpha: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Blend each sample of a batch with another one (Zhang et al., ICLR 2018).

    Every loss of this package takes the soft labels. A blend is no sample: losses with a state by
    sample do not go with it.

    Args:
        inputs: (B, ...) in floating point.
        target: (B,) codes, or (B, C) soft labels.
        num_classes: C.
        random: Decides partners and share, ``chaffinch.core.randomness.stream(seed, "mixup")``.
        alpha: Both parameters of the beta distribution of the batch's share; 0 leaves the batch as
            it is. Against wrong labels the paper takes 8 to 32.

    Returns:
        (B, ...) blended inputs and (B, C) soft labels, in the type of the inputs.

    Raises:
        InputError: Inputs are no floating-point numbers, or labels do not fit them or are no
            distributions.
    """
    if not inputs.is_floating_point():
        raise InputError("inputs in floating point", str(inputs.dtype), "Blend embeddings instead")
    soft = target.is_floating_point()
    if tuple(target.shape) != ((len(inputs), num_classes) if soft else (len(inputs),)):
        raise InputError(
            f"codes ({len(inputs)},) or soft labels ({len(inputs)}, {num_classes})",
            f"shape {tuple(target.shape)}",
            "Give one label a sample",
        )
    if soft:
        check_distributions(target)
    else:
        check_range("codes", target, num_classes)
        target = F.one_hot(target.long(), num_classes)
    target = target.to(inputs.dtype)
    check_number("alpha", alpha, 0)
    share = float(random.beta(alpha, alpha)) if alpha else 1.0
    partners = torch.from_numpy(random.permutation(len(inputs))).to(inputs.device)
    return _blend(inputs, partners, share), _blend(target, partners, share)


def _blend(rows: Tensor, partners: Tensor, share: float) -> Tensor:
    return share * rows + (1 - share) * rows[partners]
