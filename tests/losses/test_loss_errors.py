"""What losses refuse, and in which words."""

import pytest
import torch

from chaffinch import losses
from chaffinch.core.errors import InputError

ERRORS = {
    "reduction": (lambda: losses.Blurry(reduction="average"), "'mean', 'sum' or 'none'"),
    "warm_up": (lambda: losses.Blurry(warm_up=-1), "warm_up as an integer >= 0; got -1"),
    "half_epoch": (lambda: losses.Peer(ramp=0.5), "ramp as an integer"),
    "gamma": (lambda: losses.Blurry(-1), "gamma >= 0; got -1"),
    "nan": (lambda: losses.Blurry(float("nan")), "gamma >= 0; got nan"),
    "cutoff": (lambda: losses.PiecewiseZero(2), r"cutoff in 0\.\.1; got 2"),
    "q": (lambda: losses.GeneralizedCrossEntropy(1.5), r"q in 0\.\.1; got 1.5"),
    "t1": (lambda: losses.BiTempered(1.2, 1.2), r"t1 in 0\.\.1; got 1.2"),
    "t2": (lambda: losses.BiTempered(0.8, 0.9), "t2 >= 1; got 0.9"),
    "rate": (lambda: losses.LabelSmoothing(1.5), r"rate in -inf\.\.1; got 1.5"),
    "unknown": (
        lambda: losses.Blurry(gama=1),
        r"options of this loss or reduction, warm_up, weight; got \['gama'\]",
    ),
    "epoch": (lambda: losses.Blurry().epoch(-1), "number of the epoch as an integer"),
}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_options_out_of_bounds_are_refused(name):
    make, words = ERRORS[name]
    with pytest.raises(InputError, match=words):
        make()


CODES = torch.tensor([0, 1])
LOGITS = torch.zeros(2, 3)
CALLS = {
    "three_axes": ((losses.Blurry(), torch.zeros(2, 3, 4), CODES, None), "Flatten all but"),
    "integers": ((losses.Blurry(), LOGITS.long(), CODES, None), "logits .* in floating point"),
    "no_class": ((losses.Blurry(), torch.zeros(2, 0), CODES, None), "logits"),
    "length": ((losses.Blurry(), LOGITS, torch.tensor([0]), None), r"codes \(2,\) or soft labels"),
    "float_codes": ((losses.Blurry(), LOGITS, CODES.float(), None), r"shape \(2,\), torch.float32"),
    "code": ((losses.Blurry(), LOGITS, torch.tensor([0, 3]), None), r"codes in 0\.\.2; got 0 to 3"),
    "negative": ((losses.Blurry(), LOGITS, torch.tensor([-1, 2]), None), "got -1 to 2"),
    "weight": ((losses.Blurry(weight=[1, 2]), LOGITS, CODES, None), r"weights \(3,\) of the"),
    "prior": (
        (losses.CORES2(2, 0, None, [0.5, 0.5], warm_up=0), LOGITS, CODES, None),
        r"a prior \(3,\)",
    ),
    "float_ids": ((losses.Blurry(), LOGITS, CODES, CODES.float()), r"ids \(2,\) as integers"),
    "no_ids": (
        (losses.EarlyLearningRegularization(4, 3), LOGITS, CODES, None),
        r"Call loss\(logits, target, ids\)",
    ),
    "ids": (
        (losses.EarlyLearningRegularization(4, 3), LOGITS, CODES, torch.tensor([-1, 4])),
        r"ids in 0\.\.3; got -1 to 4",
    ),
    "classes": (
        (losses.EarlyLearningRegularization(4, 2), LOGITS, CODES, CODES),
        "logits of 2 classes; got 3",
    ),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_batches_that_do_not_fit_are_refused(name):
    (loss, logits, target, ids), words = CALLS[name]
    with pytest.raises(InputError, match=words):
        loss(logits, target, ids)
