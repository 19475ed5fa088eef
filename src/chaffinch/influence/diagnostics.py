"""What an estimate has to say about itself, and the warning it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar


class InfluenceWarning(UserWarning):
    """An influence estimate whose values or signs should not be taken at face value."""


@dataclass(frozen=True)
class Diagnostics:
    """How an estimate went; of several checkpoints or strips of targets the worst is kept.

    Attributes:
        damping: Damping used, by the name of what it was added to ("all" for one of all layers).
        iterations: Most iterations of any right-hand side; None for direct solvers.
        residual: Largest ``|A x - v| / |v|`` of an iterative solve; None for direct solvers.
        converged: Whether every iterative solve reached its tolerance.
        gradient_sum: ``|sum_i g_i|`` of the training samples; None where it was not needed.
        gradient_sum_ratio: ``|sum_i g_i| / sum_i |g_i|``: 0 at a stationary point, where the signs
            of train-to-train influence mean nothing; 1 where all gradients are parallel.
        notes: Anything else worth knowing, as sentences.
    """

    damping: Mapping[str, float] = field(default_factory=dict)
    iterations: int | None = None
    residual: float | None = None
    converged: bool = True
    gradient_sum: float | None = None
    gradient_sum_ratio: float | None = None
    notes: tuple[str, ...] = ()

    def merged(self, other: "Diagnostics") -> "Diagnostics":
        """Both together: the later damping and gradient sums, the worse of the rest."""
        ratios = [r for r in (self.gradient_sum_ratio, other.gradient_sum_ratio) if r is not None]
        return Diagnostics(
            damping={**self.damping, **other.damping},
            iterations=_most(self.iterations, other.iterations),
            residual=_most(self.residual, other.residual),
            converged=self.converged and other.converged,
            gradient_sum=other.gradient_sum if self.gradient_sum is None else self.gradient_sum,
            gradient_sum_ratio=min(ratios, default=None),
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
        )


Number = TypeVar("Number", int, float)


def _most(one: Number | None, other: Number | None) -> Number | None:
    found = [value for value in (one, other) if value is not None]
    return max(found, default=None)
