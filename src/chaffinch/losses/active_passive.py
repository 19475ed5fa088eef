"""Active-passive loss: normalised cross-entropy and reverse cross-entropy."""

from typing import Unpack

from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.losses.cross_entropy import CrossEntropy, loss
from chaffinch.losses.loss import Batch, Common, check_number
from chaffinch.losses.symmetric_cross_entropy import reverse_cross_entropy


def normalized_cross_entropy(log_p: Tensor) -> Tensor:
    """(B, C) ``log p_y / sum_k log p_k`` for each class y, in 0..1.

    Raises:
        InputError: There is one class; the ratio is 0 / 0.
    """
    if log_p.shape[1] < 2:
        raise InputError("two classes at least", "one", "Normalised losses need another class")
    return log_p / log_p.sum(1, keepdim=True)


@loss("active_passive", "Ma et al., ICML 2020")
class ActivePassive(CrossEntropy):
    """``alpha NCE + beta RCE``, NCE being ``log p_y / sum_k log p_k``.

    Each resists symmetric noise. NCE raises the label's probability, RCE lowers the others'.

    Args:
        alpha: Weight of the normalised cross-entropy. The paper has (1, 1) for CIFAR-10 and
            (10, .1) for CIFAR-100.
        beta: Weight of the reverse cross-entropy.
        common: See `CrossEntropy`.
    """

    def __init__(self, alpha: float = 1.0, beta: float = 1.0, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.alpha = check_number("alpha", alpha, 0)
        self.beta = check_number("beta", beta, 0)

    def class_losses(self, batch: Batch) -> Tensor:
        """(B, C) the loss with each class as the label.

        Raises:
            InputError: There is one class.
        """
        log_p = batch.log_probabilities
        passive = reverse_cross_entropy(log_p)
        return self.alpha * normalized_cross_entropy(log_p) + self.beta * passive
