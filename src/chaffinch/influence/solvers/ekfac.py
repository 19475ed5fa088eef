"""EK-FAC: the Fisher matrix in a Kronecker eigenbasis, layer by layer."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientBlock
from chaffinch.gradients.batch import batches
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.objective import logits_of
from chaffinch.gradients.recorder import evaluating
from chaffinch.influence.bilinear import Bilinear
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import Averaged, Influence, estimator
from chaffinch.influence.inverse import Solution
from chaffinch.influence.kronecker import DiagonalBasis, KroneckerBasis, has_factors, is_bias_of
from chaffinch.influence.task import Task, choose_damping, generator
from chaffinch.models.forward import forward

Basis: TypeAlias = KroneckerBasis | DiagonalBasis


@final
@estimator(
    "ekfac",
    summary="Kronecker eigenbasis of every linear and convolutional layer, eigenvalues corrected",
    paper="Grosse et al., 2023 (arXiv 2308.03296); George et al., NeurIPS 2018",
    cost="3 N P once, I^3 + O^3 a layer, 4 P (I + O) for every target",
)
@dataclass(frozen=True)
class Ekfac(Averaged):
    """``g_j^T (F + damping)^-1 g_i`` with F block-diagonal over layers, diagonal in ``U_S x U_A``.

    The basis comes from the second moments of layer inputs and output errors, the eigenvalues are
    the second moments of whole gradients in it. Weight and bias of a layer share one basis. Other
    parameters (norm layers, embeddings, tied weights) get their diagonal, and a note.

    Attributes:
        damping: Of all layers; None for a tenth of the mean eigenvalue of each layer.
        labels: "sampled" from the model's own distribution for the true Fisher matrix, which is
            the Gauss-Newton matrix on average, or "empirical" for the given ones. None samples
            where the loss is cross-entropy.
        seed: Of the sampled labels.
    """

    damping: float | None = None
    labels: Literal["sampled", "empirical"] | None = None
    seed: int = 0

    def influence(self, task: Task) -> Influence:
        """At one checkpoint.

        Raises:
            InputError: Sampled labels for a loss that defines no distribution.
        """
        if self.labels not in (None, "sampled", "empirical"):
            raise InputError("labels sampled or empirical", repr(self.labels), "Choose one")
        if self.labels == "sampled" and task.loss is not None:
            raise InputError(
                "cross-entropy, which says how to sample labels",
                "a loss function",
                "Use labels='empirical'",
            )
        return Bilinear(task, lambda: self.invert(task))

    def invert(self, task: Task) -> "KroneckerInverse":
        """The inverse as a linear map."""
        last = task.last_layer
        given = task.gradients(task.data, "factored") if last is None else last.block
        if self.labels == "empirical" or task.loss is not None:
            curved = given
        elif last is not None:
            curved = last.with_labels(_sample(last.probabilities, self.seed)).block
        else:
            curved = task.gradients(_relabelled(task, self.seed), "factored")
        return KroneckerInverse(given, curved, self.damping)


@final
class KroneckerInverse:
    """The inverse of a Fisher matrix that is block-diagonal over layers.

    Args:
        block: The training gradients, factored.
        curved: The gradients whose second moments are the curvature.
        damping: Of all layers; None for a tenth of the mean eigenvalue of each.
    """

    def __init__(self, block: GradientBlock, curved: GradientBlock, damping: float | None) -> None:
        self._block = block
        self._places = _groups(curved)
        self._bases: list[Basis] = []
        self._damping: dict[str, float] = {}
        diagonal = []
        for names in self._places:
            first = curved.pieces[names[0]]
            if isinstance(first, Factored) and has_factors(first):
                self._bases.append(KroneckerBasis(first, len(names) > 1))
            else:
                self._bases.append(DiagonalBasis(first))
                diagonal.append(names[0])
            self._damping[" + ".join(names)] = choose_damping(damping, curved.select(names))
        notes = (f"EK-FAC is diagonal for {', '.join(diagonal)}.",) if diagonal else ()
        self._diagnostics = Diagnostics(damping=self._damping, notes=notes)

    def apply(self, vectors: Tensor) -> Solution:
        """(P, K): the inverse times vectors."""
        result, places = torch.empty_like(vectors), self._block.parameter_slices
        for names, basis, damping in self._layers():
            where = [places[name] for name in names]
            given = torch.cat([vectors[one] for one in where])
            solved = basis.apply(self._block.pieces[names[0]], given, damping)
            start = 0
            for one in where:
                size = one.stop - one.start
                result[one] = solved[start : start + size]
                start += size
        return Solution(result, self._diagnostics)

    def diagonal(self) -> Solution:
        """(N,): ``g_i^T A^-1 g_i`` of the training gradients, from their factors."""
        total = self._block.self_dot().zero_()
        for names, basis, damping in self._layers():
            piece: Any = self._block.pieces[names[0]]
            total += basis.forms(piece, damping)
        return Solution(total, self._diagnostics)

    def _layers(self) -> list[tuple[tuple[str, ...], Basis, float]]:
        return list(zip(self._places, self._bases, self._damping.values(), strict=True))


def _groups(block: GradientBlock) -> list[tuple[str, ...]]:
    """Names of parameters that share a basis: weight and bias together, all else alone."""
    groups: list[tuple[str, ...]] = []
    for names in block.layers.values():
        rest = list(names)
        for name in names:
            weight = block.pieces[name]
            biases = [n for n in rest if n != name and is_bias_of(block.pieces[n], weight)]
            if name in rest and has_factors(weight) and len(biases) == 1:
                groups.append((name, biases[0]))
                rest = [n for n in rest if n not in groups[-1]]
        groups.extend((name,) for name in rest)
    return groups


def _sample(probabilities: Tensor, seed: int) -> Tensor:
    """(N,) labels drawn from (N, C) probabilities."""
    chances = probabilities.cpu().double()
    drawn = torch.multinomial(chances, 1, generator=generator(seed))[:, 0]
    return drawn.to(probabilities.device)


class _Relabelled(torch.utils.data.Dataset[tuple[Any, Tensor]]):
    def __init__(self, data: Any, codes: Tensor) -> None:
        self._data = data
        self._codes = codes

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, index: int) -> tuple[Any, Tensor]:
        return self._data[index][0], self._codes[index]


def _relabelled(task: Task, seed: int) -> Any:
    """The training samples with labels drawn from the model."""
    probabilities = []
    for x, _y in batches(task.data, task.model, task.batch_size):
        with evaluating(task.model), torch.no_grad():
            outputs = forward(task.model, x)
        logits = logits_of(outputs)
        probabilities.append(torch.softmax(logits.double(), 1).cpu())
    codes = _sample(torch.cat(probabilities), seed)
    if isinstance(task.data, tuple | list):
        return task.data[0], codes
    return _Relabelled(task.data, codes)
