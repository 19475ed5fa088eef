"""Several policies at once, and weights that a person has fixed."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.option import listed
from chaffinch.training.policies.policy import POLICIES, Decision, Policy, PolicyBatch, Setting
from chaffinch.training.watching.observer import EpochRecord

PolicyLike = str | Policy | Sequence["str | Policy"]


class PolicyStack:
    """Policies whose weights are multiplied.

    Args:
        policies: The name of a policy, a policy, or several.

    Raises:
        InputError: An unknown name, or something that is no policy.
    """

    def __init__(self, policies: PolicyLike) -> None:
        one_of = "the name of a policy, a Policy, or several"
        single = isinstance(policies, str | Policy)
        several: list[Any] = [policies] if single else listed(one_of, policies)
        made = [POLICIES[one]() if isinstance(one, str) else one for one in several]
        for one in made:
            if not isinstance(one, Policy):
                raise InputError(
                    "the name of a policy or a Policy", repr(one), f"Known: {', '.join(POLICIES)}"
                )
        self._policies = [one for one in made if type(one) is not Policy]
        self._pins: Tensor | None = None
        self.needs = frozenset().union(*(one.needs for one in self._policies))

    @property
    def idle(self) -> bool:
        """Whether nothing acts."""
        return not self._policies and self._pins is None

    def begin(self, setting: Setting) -> None:
        """Called once, before the first batch."""
        for one in self._policies:
            one.begin(setting)

    def pin(self, ids: Tensor, weight: float | None, num_samples: int) -> None:
        """Fix the weights of some samples, or give them back to the policies (None)."""
        if self._pins is None:
            self._pins = torch.full((num_samples,), torch.nan)
        self._pins[ids] = torch.nan if weight is None else weight
        if not bool(torch.isfinite(self._pins).any()):
            self._pins = None

    def target(self, batch: PolicyBatch) -> Tensor | None:
        """(B, C) labels of the first policy that changes them, or None."""
        found = (one.target(batch) for one in self._policies)
        return next((target for target in found if target is not None), None)

    def weigh(self, batch: PolicyBatch) -> Tensor | None:
        """(B,) the product of all weights, or what was pinned; None for 1 throughout."""
        weights: Tensor | None = None
        for one in self._policies:
            found = one.weigh(batch)
            if found is not None:
                weights = found if weights is None else weights * found
        if self._pins is not None:
            self._pins = self._pins.to(batch.ids.device)
            fixed = self._pins[batch.ids]
            weights = torch.ones_like(fixed) if weights is None else weights
            weights = torch.where(torch.isfinite(fixed), fixed.to(weights), weights)
        return weights

    def end_epoch(self, record: EpochRecord) -> Iterable[tuple[str, Decision]]:
        """Names of policies and what they decided."""
        for one in self._policies:
            for decision in one.end_epoch(record) or ():
                yield one.name or type(one).__name__, decision

    def state_dict(self) -> dict[str, Any]:
        """The states of all policies, and the pins."""
        states = [one.state_dict() for one in self._policies]
        names = [one.name for one in self._policies]
        return {"names": names, "states": states, "pins": self._pins}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Raises:
            InputError: It is of other policies.
        """
        names = [one.name for one in self._policies]
        if state["names"] != names:
            raise InputError(
                f"the state of the policies {names}",
                f"that of {state['names']}",
                "Watch with the policy that the checkpoint was written with",
            )
        for one, own in zip(self._policies, state["states"], strict=True):
            one.load_state_dict(own)
        self._pins = state["pins"]
