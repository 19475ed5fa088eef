"""From outputs to weighted losses: the loss in use, and what the policies make of it."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.models.forward import DIFFERENTIABLE, running
from chaffinch.training.policies.policy import PolicyBatch, Setting
from chaffinch.training.policies.stack import PolicyStack
from chaffinch.training.watching.criterion import Criterion, cross_entropy
from chaffinch.training.watching.measures import Head, gradient_norms


class Weighed(NamedTuple):
    """Losses of a batch.

    Attributes:
        mean: () the weighted mean, with its graph.
        shown: (B,) losses with the given labels, before weights; None for cross-entropy.
        weights: (B,), or None for 1.
    """

    mean: Tensor
    shown: Tensor | None
    weights: Tensor | None


class Weighing:
    """Applies a criterion and policies.

    Args:
        criterion: Gives one loss a sample.
        policies: May change labels and weights.
    """

    def __init__(self, criterion: Criterion, policies: PolicyStack) -> None:
        self.criterion = criterion
        self.policies = policies

    @property
    def idle(self) -> bool:
        """Whether nothing acts and the loss is cross-entropy without options."""
        return self.policies.idle and self.criterion.plain

    def __call__(self, batch: PolicyBatch, head: Head | None) -> Weighed:
        """Weigh a batch.

        Args:
            batch: Epoch, ids, outputs and labels.
            head: The last layer in this batch.

        Raises:
            InputError: A policy, and a sample without a label.
        """
        outputs, labels = batch.outputs, batch.target
        if self.policies.idle:
            losses = self.criterion(outputs, labels, batch.ids)
            return Weighed(self.criterion.mean(losses, labels), losses.detach(), None)
        # An accelerator would have to be waited for; there, the policy's own look-up fails.
        if labels.is_cpu and not labels.is_floating_point() and bool((labels < 0).any()):
            raise InputError(
                "a label of every sample under a policy",
                f"the code {int(labels.min())}",
                "Watch without a policy, or leave samples without a label out",
            )
        target = self.policies.target(batch)
        losses = self.criterion(outputs, labels if target is None else target, batch.ids)
        shown = losses.detach()
        if target is not None:
            with torch.no_grad():
                shown = cross_entropy(outputs, labels)
        norms = None
        if "gradient_norms" in self.policies.needs and head is not None and head.linear:
            norms = _norms(losses, outputs, head)
        index = batch.ids.to(outputs.device)
        seen = PolicyBatch(batch.epoch, index, outputs, labels, shown, norms)
        weights = self.policies.weigh(seen)
        if weights is None:
            return Weighed(self.criterion.mean(losses, labels), shown, None)
        weights = weights.detach()
        mean = (losses * weights).sum() / self.criterion.total(losses, labels)
        return Weighed(mean, shown, weights.clone())  # a policy may change its own

    def begin(self, setting: Setting) -> None:
        """Called once, before the first batch."""
        self.criterion.prepare(setting.num_classes, setting.device)
        self.policies.begin(setting)

    def plain(self, outputs: Tensor, labels: Tensor, ids: Tensor) -> Tensor:
        """() the loss in evaluation mode, without weights."""
        with self.criterion.evaluating():
            return self.criterion.mean(self.criterion(outputs, labels, ids), labels)

    def state_dict(self) -> dict[str, Any]:
        """The states of the loss and the policies."""
        return {"criterion": self.criterion.state_dict(), "policies": self.policies.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.criterion.load_state_dict(state["criterion"])
        self.policies.load_state_dict(state["policies"])


def _norms(losses: Tensor, outputs: Tensor, head: Head) -> Tensor:
    """(B,) norms of the gradients of any loss by the last layer.

    Its gradient by the logits comes from automatic differentiation of the loss alone; losses that
    mix samples (peer loss) count with all that a sample's outputs do.
    """
    with running(DIFFERENTIABLE):
        residuals = torch.autograd.grad(losses.sum(), outputs, retain_graph=True)[0]
    lengths = head.lengths()
    return gradient_norms(residuals.to(lengths.dtype), lengths, head.bias)
