"""`forget`: make a trained model forget samples, without training it again."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.option import listed
from chaffinch.core.progress import Step, track
from chaffinch.core.types import Mask
from chaffinch.data import open_data
from chaffinch.gradients.batch import batches, length
from chaffinch.models.forward import copy_of, running, running_model

_LARGEST_BLOCK = 2**24  # numbers of per-sample gradients held at once
_LARGEST_BATCH = 256

Importance = dict[str, Tensor]


def forget(model: nn.Module, data: Any, ids: Any) -> nn.Module:
    """Dampen the weights that matter more for some samples than for the data as a whole.

    Selective synaptic dampening (Foster, Schoepf and Brintrup, AAAI 2024). With ``I_i(S)`` the mean
    over the samples of S of the squared derivative of the cross-entropy by weight i, in eval mode
    (the diagonal of the empirical Fisher matrix), D all N samples and F the n to forget,

        w_i becomes min(l I_i(D) / I_i(F), 1) w_i  where  I_i(F) / I_i(D) > a.

    The adaptive form (Schoepf, Foster and Brintrup, arXiv 2402.10098, 2024) leaves no parameter to
    choose: l = 1, and a is the percentile ``100 - ln(1 + 100 n / N)`` of the ratios over all
    weights of the network, those left out that no sample depends on.

    The authors' code squares the gradient of a batch, here as in the formula those of samples are
    squared.

    Args:
        model: A trained classifier; left as it is.
        data: N samples as the model reads them and their classes as numbers: a torch Dataset of
            (x, y), or ``(X, y)`` arrays.
        ids: Which to forget: (N,) booleans, positions, or ids as `open_data` names the samples.

    Returns:
        A copy of the model in eval mode.

    Raises:
        InputError: No sample or all of them, an unknown id, or labels that are not classes.
    """
    count = length(data)
    forgotten = _mask(ids, data, count)
    if not 0 < forgotten.sum() < count:
        raise InputError(
            f"at least one and fewer than all {count} samples to forget",
            str(int(forgotten.sum())),
            "Name those that do harm",
        )
    made = copy_of(model).eval()
    with track("weighing what the model learned", count) as advance:
        whole, part = importance(made, data, forgotten, advance)
    dampen(made, whole, part, float(forgotten.mean()))
    return made


def importance(
    model: nn.Module, data: Any, chosen: Mask, advance: Step = lambda _=1: None
) -> tuple[Importance, Importance]:
    """By name of each trainable parameter, the mean over samples of its squared gradients.

    Args:
        model: In eval mode.
        data: N samples and classes.
        chosen: (N,) samples of the second mean.
        advance: Called after each batch with its size.

    Returns:
        The mean over all samples, and that over the chosen ones.
    """
    weights = {k: v.detach() for k, v in model.named_parameters() if v.requires_grad}
    fixed = {k: v.detach() for k, v in model.named_parameters() if not v.requires_grad}
    fixed |= {k: v.detach() for k, v in model.named_buffers()}

    def loss(parameters: Importance, sample: Tensor, code: Tensor) -> Tensor:
        with running_model(model, sample[None]):
            outputs = functional_call(model, {**parameters, **fixed}, (sample[None],))
            return F.cross_entropy(outputs, code[None])

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))
    whole = {name: torch.zeros_like(value) for name, value in weights.items()}
    part = {name: torch.zeros_like(value) for name, value in weights.items()}
    size = max(1, min(_LARGEST_BATCH, _LARGEST_BLOCK // sum(v.numel() for v in weights.values())))
    start = 0
    for x, y in batches(data, model, size):
        own = torch.from_numpy(chosen[start : start + len(y)]).to(y.device)
        with running(f"a model ({type(model).__name__}) that torch.func can differentiate"):
            found = per_sample(weights, x, y.long())
        for name, gradients in found.items():
            squares = gradients.square()
            whole[name] += squares.sum(dim=0)
            part[name] += squares[own].sum(dim=0)
        start += len(y)
        advance(len(y))
    whole = {name: value / len(chosen) for name, value in whole.items()}
    return whole, {name: value / int(chosen.sum()) for name, value in part.items()}


def dampen(model: nn.Module, whole: Importance, part: Importance, share: float) -> float:
    """Dampen a model's weights in place, by the formula in `forget`.

    Args:
        model: The model.
        whole: Importance of its parameters for all samples.
        part: Importance for those to forget.
        share: How many of the samples these are, in 0..1.

    Returns:
        Share of the weights that were dampened.
    """
    tiny = torch.finfo(torch.float32).tiny
    ratios = {name: part[name].double() / whole[name].double().clamp_min(tiny) for name in part}
    known = torch.cat([ratio[whole[name] > 0].flatten() for name, ratio in ratios.items()])
    if not len(known):
        return 0.0
    threshold = float(np.percentile(known.cpu().numpy(), 100 - np.log1p(100 * share)))
    changed = total = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in ratios:
                continue
            chosen = (ratios[name] > threshold) & (whole[name] > 0)
            factor = (1 / ratios[name].clamp_min(tiny)).clamp_max(1).to(parameter)
            parameter.mul_(torch.where(chosen, factor, torch.ones_like(factor)))
            changed += int(chosen.sum())
            total += parameter.numel()
    return changed / total


def _mask(ids: Any, data: Any, count: int) -> Mask:
    with running("positions or ids of samples", "Pass a list of them"):
        found = to_numpy(listed("positions or ids", ids))
    if found.dtype == np.bool_ and found.shape == (count,):
        return found
    mask = np.zeros(count, dtype=np.bool_)
    if found.dtype.kind in "iu":
        if len(found) and not (found.min() >= 0 and found.max() < count):
            raise InputError(f"positions in 0..{count - 1}", str(found.max()), "Check them")
        mask[found] = True
        return mask
    place = {str(name): row for row, name in enumerate(open_data(data, trainable=False).ids)}
    unknown = [str(one) for one in found.ravel().tolist() if str(one) not in place]
    if unknown:
        raise InputError(
            "ids of samples in the data",
            f"{len(unknown)} that are not, such as {unknown[0]!r}",
            "Pass the ids of findings on the same data, or positions",
        )
    mask[[place[str(one)] for one in found.ravel().tolist()]] = True
    return mask
