"""CORES2: a regulariser that rewards confidence, and a sieve that follows from it."""

from typing import Unpack

from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, Numbers, as_tensor, check_count, check_number


def confidence_regularized(batch: Batch, beta: float, prior: Tensor | None = None) -> Tensor:
    """(B, C) ``-log p_y + beta sum_k r_k log(p_k + 1e-8)`` for each class y; r is 1 / C or `prior`.

    As in the authors' code, the regulariser is bounded by 1e-8.
    """
    bounded = batch.bounded_log_probabilities
    weighted = bounded.mean(1) if prior is None else bounded @ prior
    return beta * weighted[:, None] - batch.log_probabilities


def passes_sieve(batch: Batch) -> Tensor:
    """(B,) bool, labels no less likely than the geometric mean over the classes."""
    mean = batch.bounded_log_probabilities.detach().mean(1)
    return batch.at_label(-batch.log_probabilities.detach()) <= -mean


@loss("cores2", "Cheng et al., ICLR 2021")
class CORES2(CrossEntropy):
    """``CE - beta_e mean_k(-log(p_k + 1e-8))``, beta_e rising from 0 after the warm-up.

    From epoch `sieve` on, samples whose label loses more than the classes on average are left out,
    in training mode; they may come back in any later batch. The mean is that of the others. The
    loss may be below 0. The defaults are the paper's for 100 epochs: with others, scale them.

    Args:
        beta: What beta_e grows to.
        ramp: Epochs after the warm-up until it has; 0 for the full beta at once.
        sieve: Epoch, counted from 0, from which on samples are left out; None for never.
        prior: (C,) shares of the given labels, to weight the classes of the regulariser by, as in
            the paper's theory; None for equal weights, as in its experiments.
        common: See `CrossEntropy`; `warm_up` is 10 by default.
    """

    prior: Tensor | None

    def __init__(
        self,
        beta: float = 2.0,
        ramp: int = 30,
        sieve: int | None = 30,
        prior: Numbers | None = None,
        **common: Unpack[Common],
    ) -> None:
        common.setdefault("warm_up", 10)
        super().__init__(**common)
        self.beta = check_number("beta", beta, 0)
        self.ramp_epochs = check_count("ramp", ramp)
        self.sieve = None if sieve is None else check_count("sieve", sieve)
        self.register_buffer("prior", None if prior is None else as_tensor(prior))

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label.

        Raises:
            InputError: The prior is not of that many classes.
        """
        prior = None if self.prior is None else self.prior.to(batch.logits)
        if prior is not None and prior.shape != batch.logits.shape[1:]:
            raise InputError(
                f"a prior ({batch.logits.shape[1]},) of the classes",
                f"shape {tuple(prior.shape)}",
                "Give the share of each class",
            )
        beta = self.beta * self.ramp(self.ramp_epochs)
        return confidence_regularized(batch, beta, prior)

    def kept(self, batch: Batch) -> Tensor | None:
        """(B,) bool, the samples that pass the sieve; None while it does not act."""
        if self.sieve is None or not self.training or not self.reached(self.sieve):
            return None
        return passes_sieve(batch)
