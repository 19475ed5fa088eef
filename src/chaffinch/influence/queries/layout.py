"""How the gradient of each parameter is kept: whole, or projected from both sides."""

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.sketch import Projection, factor_pair

_KIND = "kronecker"


@dataclass(frozen=True)
class Layout:
    """What is kept of the gradients of some parameters.

    A parameter of at most `dimensions` numbers is kept whole. A larger weight matrix is projected
    to ``P_out G P_in^T`` (LoGra, Choe et al. 2024), a larger vector by one matrix; both keep inner
    products on average, so that projections of two samples are compared as the gradients would be.

    Attributes:
        shapes: Name and shape of each parameter, in flat order.
        dimensions: K, numbers kept of a parameter; None for all.
        seed: Of the projections.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    dimensions: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dimensions is not None and self.dimensions < 1:
            raise InputError(
                "at least one number kept of a parameter", str(self.dimensions), "Pass None for all"
            )

    @classmethod
    def of(cls, block: GradientBlock, dimensions: int | None = None, seed: int = 0) -> "Layout":
        """The layout for the parameters of a block."""
        shapes = tuple((name, tuple(piece.shape)) for name, piece in block.pieces.items())
        return cls(shapes, dimensions, seed)

    @classmethod
    def from_json(cls, content: Any) -> "Layout":
        """The layout that `to_json` wrote."""
        shapes = tuple((str(name), tuple(map(int, shape))) for name, shape in content["shapes"])
        return cls(shapes, content["dimensions"], int(content["seed"]))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"shapes": self.shapes, "dimensions": self.dimensions, "seed": self.seed}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(name for name, _ in self.shapes)

    @property
    def widths(self) -> dict[str, int]:
        """Numbers kept of each parameter."""
        return {
            name: prod(shape) if self.keeps_whole(shape) else int(self.dimensions or 0)
            for name, shape in self.shapes
        }

    @property
    def size(self) -> int:
        """P, numbers of all parameters together."""
        return sum(prod(shape) for _, shape in self.shapes)

    def keeps_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether the gradient of a parameter of that shape is kept as it is."""
        return self.dimensions is None or prod(shape) <= self.dimensions

    def compress(self, block: GradientBlock) -> dict[str, Tensor]:
        """(N, K) of each parameter.

        Raises:
            InputError: A block of other parameters.
        """
        found = tuple((name, tuple(piece.shape)) for name, piece in block.pieces.items())
        if found != self.shapes:
            raise InputError(
                f"gradients of {len(self.shapes)} parameters such as {self.names[0]}",
                f"{len(found)} such as {found[0][0]}",
                "Use the model and layers that the store was made with",
            )
        return {name: self._kept(block, name, shape) for name, shape in self.shapes}

    def pair(self, shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
        """The two projections (k_out, O) and (k_in, I) of a weight of that shape."""
        plan = Projection(_KIND, int(self.dimensions or 0), self.seed, 0, prod(shape))
        left, right = factor_pair(plan, shape[0], prod(shape[1:]))
        return left.to(like), right.to(like)

    def _kept(self, block: GradientBlock, name: str, shape: tuple[int, ...]) -> Tensor:
        if self.keeps_whole(shape):
            return block.pieces[name].dense()
        return block.select([name]).sketch(int(self.dimensions or 0), _KIND, self.seed)
