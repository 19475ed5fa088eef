"""Sift: smoothed labels for all samples, posterior weights where wrong labels stand apart."""

from torch import Tensor
from torch.nn import functional as F

from chaffinch.losses.loss import check_number
from chaffinch.training.policies.policy import PolicyBatch, policy
from chaffinch.training.policies.posterior import Posterior
from chaffinch.training.watching.measures import widened


@policy("sift", "after Arazo et al., ICML 2019, and Lukasik et al., ICML 2020")
class Sift(Posterior):
    """Weights samples as `Posterior` does, and trains on labels smoothed a little.

    Labels that resist learning form a heap of their own where a model learns the others well; their
    samples lose their weight. Wrong labels that form none, as people's mistakes on hard images, and
    those not recognised yet pull the model less towards certainty where labels are smooth. What is
    recorded as loss is the cross-entropy with the given label.

    Args:
        warm_up: Epochs before weights may differ from 1.
        smoothing: In 0..1; share of each label that is spread over all classes.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, warm_up: int = 2, smoothing: float = 0.1) -> None:
        super().__init__(warm_up)
        self.smoothing = check_number("smoothing", smoothing, 0, 1)

    def target(self, batch: PolicyBatch) -> Tensor | None:
        """(B, C) the given labels, smoothed; None where they are not."""
        if not self.smoothing:
            return None
        logits = widened(batch.outputs)
        width = logits.shape[1]
        hard = not batch.target.is_floating_point()
        given = F.one_hot(batch.target, width) if hard else batch.target
        return (1 - self.smoothing) * given.to(logits) + self.smoothing / width
