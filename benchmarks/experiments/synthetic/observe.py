"""From a drawn problem to a situation: train a small net and fold nets, and record what they say.

The nets have one output and a sigmoid. Their evidence has two classes with the logits ``-z/2`` and
``z/2``: the same probabilities, losses and margins. The gradient of the last layer then holds the
one of the sigmoid net twice, with opposite signs, so that all norms, products and orders are the
same up to one factor.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.experiments.synthetic.stack import Recipe, Stack, start, train
from benchmarks.situation import Situation
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Floats
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline.collect import fold_of

DEAD_SHARE = 0.01
"""A net is dead where it gives all but this share of the training samples one and the same class.

Without a bias in the last layer, a narrow net whose units stop letting anything through has only
one class left to predict.
"""


@dataclass(frozen=True, eq=False)
class Problem:
    """A binary problem with known glitches.

    Attributes:
        x: (N, I) float32 training samples.
        given: (N,) labels as given, 0 or 1.
        right: (N,) right labels.
        kinds: (N,) name of each sample's glitch.
        validation: M clean samples (M, I) and their classes.
        test: Other clean samples and their classes.
        width: B of the net; 0 for logistic regression without an intercept.
        recipe: How to train.
        folds: K fold nets for predictions on unseen samples, or 0.
        seed: Decides initial weights, batches and folds.
    """

    x: Floats
    given: Codes
    right: Codes
    kinds: NDArray[np.str_]
    validation: tuple[Floats, Codes]
    test: tuple[Floats, Codes]
    width: int
    recipe: Recipe
    folds: int
    seed: int

    @property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Training samples and given labels as `train` takes them."""
        return torch.from_numpy(self.x), torch.from_numpy(self.given)

    def retrain(
        self, weights: Floats, codes: Codes | None = None, seed: int | None = None
    ) -> Stack:
        """Train one net for each row of ``weights`` (K, N), all from the start of the first net."""
        seed = self.seed if seed is None else seed
        x, given = self.tensors
        y = given if codes is None else torch.from_numpy(codes)
        nets = start(self.x.shape[1], self.width, len(weights), seed)
        return train(nets, (x, y), torch.from_numpy(weights), self.recipe, seed=seed)


class BinaryNet(nn.Module):
    """One net of a stack with a logit for each class; its last layer is called ``head``.

    Args:
        inputs: I.
        width: B; 0 for a linear model.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential()
        if width:
            self.body.extend(
                [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
            )
        self.head = nn.Linear(width or inputs, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I) samples to (N, 2) logits."""
        logits: Tensor = self.head(self.body(x))
        return logits


def state_of(stack: Stack, k: int = 0) -> dict[str, object]:
    """The k-th net as the state dict of a `BinaryNet`."""
    *body, last = (part[k].clone() for part in stack.parts)
    names = ("body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias")
    state: dict[str, object] = dict(zip(names, body, strict=False))
    state["head.weight"] = torch.stack([-last / 2, last / 2])
    return state


def accuracies(stack: Stack, x: Floats, codes: Codes) -> Floats:
    """(K,) accuracy of each net on some samples."""
    logits = stack.forward(torch.from_numpy(x).T.contiguous())[0].numpy()
    right: Floats = ((logits > 0) == (codes == 1)).mean(1)
    return right


def dead(stack: Stack, x: Floats) -> NDArray[np.bool_]:
    """(K,) whether a net predicts one class for all samples but `DEAD_SHARE`."""
    logits = stack.forward(torch.from_numpy(x).T.contiguous())[0]
    share = (logits > 0).float().mean(1).numpy()
    silent: NDArray[np.bool_] = np.minimum(share, 1 - share) <= DEAD_SHARE
    return silent


@dataclass
class _Record:
    problem: Problem
    fold: NDArray[np.int64]
    logits: list[Floats] = field(default_factory=list)
    held_out: list[Floats] = field(default_factory=list)
    features: list[Floats] = field(default_factory=list)
    validation: list[tuple[Floats, Floats]] = field(default_factory=list)
    states: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, _number: int, stack: Stack) -> None:
        z, features, _ = stack.forward(torch.from_numpy(self.problem.x).T.contiguous())
        first = Stack(stack.flat[:1], stack.inputs, stack.width)
        seen = first.forward(torch.from_numpy(self.problem.validation[0]).T.contiguous())
        self.logits.append(_two_classes(z[0]))
        self.features.append(features[0].T.numpy().copy())
        self.validation.append((_two_classes(seen[0][0]), seen[1][0].T.numpy().copy()))
        self.states.append(state_of(stack))
        if len(stack) > 1:
            own = torch.from_numpy(self.fold + 1)
            self.held_out.append(_two_classes(z[own, torch.arange(z.shape[1])]))


def observe(problem: Problem) -> Situation:
    """Train the net and its fold nets side by side, and keep what every checkpoint says.

    Args:
        problem: What to learn.

    Returns:
        The situation, with all records of evidence but ensembles, dropout and fake classes.
    """
    samples = len(problem.given)
    fold = fold_of(problem.given, max(1, problem.folds), problem.seed).numpy()
    weights = np.ones((1 + problem.folds, samples), dtype=np.float32)
    for k in range(problem.folds):
        weights[1 + k, fold == k] = 0
    record = _Record(problem, fold)
    nets = start(problem.x.shape[1], problem.width, len(weights), problem.seed)
    train(
        nets,
        problem.tensors,
        torch.from_numpy(weights),
        problem.recipe,
        record,
        seed=problem.seed,
    )
    inputs, width = problem.x.shape[1], problem.width
    model = BinaryNet(inputs, width)
    model.load_state_dict(record.states[-1])
    return Situation(
        evidence=_evidence(problem, record),
        kinds=problem.kinds,
        truth=problem.right,
        inputs=DenseInputs(torch.from_numpy(problem.x)),
        validation=_encoded(problem.validation),
        test=_encoded(problem.test),
        factory=lambda: BinaryNet(inputs, width),
        model=model,
        checkpoints=tuple(record.states),
        retrain=_retrain(problem),
    )


def _evidence(problem: Problem, record: _Record) -> Evidence:
    recipe, features = problem.recipe, np.stack(record.features)
    epochs = len(record.logits)
    return Evidence(
        ids=np.arange(len(problem.given)).astype(np.str_),
        labels=Labels(problem.given, np.arange(2)),
        logits=np.stack(record.logits),
        held_out_logits=np.stack(record.held_out) if record.held_out else None,
        features=features[-1],
        features_by_epoch=features,
        feature_norms=np.linalg.norm(features, axis=2),
        embeddings=problem.x,
        learning_rates=np.full(epochs, recipe.rate, dtype=np.float32),
        validation_logits=record.validation[-1][0],
        validation_features=record.validation[-1][1],
        validation_logits_by_epoch=np.stack([one for one, _ in record.validation]),
        validation_features_by_epoch=np.stack([one for _, one in record.validation]),
        validation_codes=problem.validation[1],
        bias=False,
    )


def _retrain(
    problem: Problem,
) -> Callable[[NDArray[np.int64], Codes | None, Floats | None, int], float]:
    def retrain(
        rows: NDArray[np.int64], codes: Codes | None, weights: Floats | None, seed: int
    ) -> float:
        kept = np.zeros((1, len(problem.given)), dtype=np.float32)
        kept[0, rows] = 1 if weights is None else weights[rows]
        return float(accuracies(problem.retrain(kept, codes, seed), *problem.test)[0])

    return retrain


def _two_classes(z: Tensor) -> Floats:
    """(N,) logits of class 1 to (N, 2) logits of both."""
    both: Floats = torch.stack([-z / 2, z / 2], 1).numpy()
    return both


def _encoded(part: tuple[Floats, Codes]) -> tuple[DenseInputs, Codes]:
    return DenseInputs(torch.from_numpy(part[0])), part[1]
