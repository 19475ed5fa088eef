"""Sift: posterior weights where wrong labels stand apart, revised labels where they do not."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from chaffinch.training.policies.policy import Decision, Policy, PolicyBatch, Setting, policy
from chaffinch.training.policies.posterior import Posterior
from chaffinch.training.policies.revise import Revise
from chaffinch.training.watching.observer import EpochRecord


@policy("sift", "after Arazo et al., ICML 2019, and Huang et al., NeurIPS 2020")
class Sift(Policy):
    """Weights samples as `Posterior` does; as long as that finds one heap, acts as `Revise`.

    Labels that resist learning form a heap of their own where a model learns the others well. Where
    it does not, as with people's mistakes on hard images, what it keeps saying helps more.

    Args:
        warm_up: Epochs before weights may differ from 1.
        memory: How slowly labels move where they are revised.

    Raises:
        InputError: An option is out of its bounds.
    """

    def __init__(self, warm_up: int = 2, memory: float = 0.9) -> None:
        self._posterior = Posterior(warm_up)
        self._revise = Revise(memory)

    @property
    def _acting(self) -> Posterior | Revise:
        return self._posterior if self._posterior.acts else self._revise

    def begin(self, setting: Setting) -> None:
        """Begin with weights of 1 and the given labels."""
        self._posterior.begin(setting)
        self._revise.begin(setting)

    def target(self, batch: PolicyBatch) -> Tensor | None:
        """(B, C) revised labels, as long as there is one heap."""
        return self._acting.target(batch)

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) weights of the policy that acts."""
        return self._acting.weigh(batch)

    def end_epoch(self, record: EpochRecord) -> Sequence[Decision]:
        """Let both learn from the epoch."""
        revised = () if self._posterior.acts else self._revise.end_epoch(record) or ()
        return [*revised, *(self._posterior.end_epoch(record) or ())]

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"posterior": self._posterior.state_dict(), "revise": self._revise.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._posterior.load_state_dict(state["posterior"])
        self._revise.load_state_dict(state["revise"])
