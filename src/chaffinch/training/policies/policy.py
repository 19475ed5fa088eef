"""What a policy sees, what it may do, and the registry of names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chaffinch.core.registry import Registry
from chaffinch.core.types import Mask
from chaffinch.training.watching.observer import EpochRecord


@dataclass(frozen=True)
class Setting:
    """What a policy is told before the first batch: N, C and the device of the outputs."""

    num_samples: int
    num_classes: int
    device: torch.device


@dataclass(frozen=True, eq=False)
class PolicyBatch:
    """A batch as a policy sees it.

    Attributes:
        epoch: The epoch, from 0.
        ids: (B,) positions of the samples, on the device of the outputs.
        outputs: (B, C) logits, with their graph.
        target: (B,) codes, or (B, C) soft labels.
        losses: (B,) of the loss in use, without their graph; None where labels are still open.
        gradient_norms: (B,) norms of the gradients by the last layer of the loss in use; None if
            the policy does not need them or the last layer is unknown.
    """

    epoch: int
    ids: Tensor
    outputs: Tensor
    target: Tensor
    losses: Tensor | None = None
    gradient_norms: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy did to some samples, and why.

    Attributes:
        action: A word ("quarantined").
        reason: A sentence without the full stop, with the figures behind it.
        ids: (n,) positions of the samples.
    """

    action: str
    reason: str
    ids: NDArray[np.int64]


class Policy:
    """Acts on the loss of single samples; does nothing by itself.

    Weights multiply the losses of a batch, whose sum is divided by the batch size as before. A
    policy changes neither data nor labels, only what counts in the next steps.

    Attributes:
        needs: Of "gradient_norms" and "influence" what it cannot do without.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    name: ClassVar[str] = ""
    paper: ClassVar[str] = ""

    def begin(self, setting: Setting) -> None:
        """Called once, before the first batch."""

    def target(self, batch: PolicyBatch) -> Tensor | None:
        """(B, C) soft labels in place of the given ones; None to keep these."""

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) weights of the samples; None for 1 throughout."""

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision] | None:
        """Learn from an epoch; what changes with the next one, for the log."""

    def state_dict(self) -> dict[str, Any]:
        """What the policy remembers, of tensors and plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; called after `begin`."""


class WeightTable(Policy):
    """A policy that keeps one weight a sample, changed between epochs.

    Attributes:
        weights: (N,) float32; 1 at the beginning.
    """

    weights: Tensor

    def begin(self, setting: Setting) -> None:
        """Begin with weights of 1."""
        self.weights = torch.ones(setting.num_samples, device=setting.device)
        self._plain = True

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) the samples' weights."""
        return None if self._plain else self.weights[batch.ids]

    @property
    def acts(self) -> bool:
        """Whether some weight is not 1."""
        return not self._plain

    def set_weights(self, weights: NDArray[np.floating[Any]]) -> None:
        """Replace the (N,) weights."""
        self.weights.copy_(torch.from_numpy(np.asarray(weights, dtype=np.float32)))
        self._plain = bool((weights == 1).all())

    def state_dict(self) -> dict[str, Any]:
        """The weights."""
        return {"weights": self.weights.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.set_weights(state["weights"].cpu().numpy())


def changes(
    before: Mask, after: Mask, entered: tuple[str, str], left: tuple[str, str]
) -> list[Decision]:
    """Decisions for the samples that entered a set and that left it.

    Args:
        before: (N,) who was in the set.
        after: (N,) who is now.
        entered: Action and reason for those that entered.
        left: Action and reason for those that left.
    """
    found = []
    for who, (action, reason) in ((after & ~before, entered), (before & ~after, left)):
        ids = np.flatnonzero(who)
        if ids.size:
            found.append(Decision(action, reason, ids))
    return found


POLICIES: Registry[type[Policy]] = Registry("policy")

Class = TypeVar("Class", bound=type[Policy])


def policy(name: str, paper: str = "") -> Callable[[Class], Class]:
    """Register the class of a policy by its name and its source."""

    def register(kind: Class) -> Class:
        kind.name, kind.paper = name, paper
        POLICIES.add(name, kind)
        return kind

    return register


policy("observe")(Policy)
