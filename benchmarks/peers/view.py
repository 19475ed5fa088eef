"""What peers are given of a situation: probabilities, features, gradients, always the same rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.situation import Situation
from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Floats
from chaffinch.gradients import GradientBlock
from chaffinch.influence.last_layer import find_last_layer
from chaffinch.models.inputs import Inputs
from chaffinch.scorers.outliers.last_layer import last_layer_gradients, output_errors
from chaffinch.scorers.probability import softmax

LARGEST_MATRIX = 500_000_000
"""Most numbers (2 GB) of a gradient matrix that is formed for a peer."""


def needing(*records: str) -> Callable[[Situation], bool]:
    """Whether a situation's evidence has all of these records."""

    def runs_on(situation: Situation) -> bool:
        return all(map(situation.evidence.has, records))

    return runs_on


def forming(*records: str) -> Callable[[Situation], bool]:
    """As `needing`, where the matrix of last-layer gradients is small enough to be formed."""

    def runs_on(situation: Situation) -> bool:
        if not needing("logits", "features", *records)(situation):
            return False
        features = situation.evidence.need("features")
        classes = len(situation.evidence.labels.classes)
        return bool(len(features) * classes * (features.shape[1] + 1) <= LARGEST_MATRIX)

    return runs_on


def probabilities(situation: Situation, record: str) -> Floats:
    """(N, C) float64 softmax of the last epoch of ``logits`` or ``held_out_logits``."""
    found = softmax(situation.evidence.need(record)[-1]).astype(np.float64)
    normed: Floats = found / found.sum(axis=1, keepdims=True)
    return normed


def features(situation: Situation) -> Floats:
    """(N, I) inputs of the last layer as float64."""
    return np.asarray(situation.evidence.need("features"), dtype=np.float64)


def dense_gradients(situation: Situation) -> Floats:
    """(N, P) last-layer gradients of the last epoch, formed, float32."""
    formed: Floats = last_layer_gradients(situation.evidence).dense().float().numpy()
    return formed


def dense_validation_gradients(situation: Situation) -> Floats:
    """(M, P) the same of the validation samples."""
    evidence = situation.evidence
    codes = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    errors = output_errors(evidence.need("validation_logits"), codes)
    inputs = np.asarray(evidence.need("validation_features"), dtype=np.float32)
    block = GradientBlock.from_last_layer(errors, inputs, bias=evidence.bias)
    formed: Floats = block.dense().float().numpy()
    return formed


@dataclass(frozen=True, eq=False)
class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Inputs and codes as a torch data set of whole batches.

    Attributes:
        inputs: N samples.
        codes: (N,) their classes.
        size: Samples in a batch.
    """

    inputs: Inputs
    codes: Tensor
    size: int = 256

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.size)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        if not 0 <= place < len(self):
            raise IndexError(place)
        rows = torch.arange(place * self.size, min(len(self.inputs), (place + 1) * self.size))
        return self.inputs.batch(rows), self.codes[rows]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (self[place] for place in range(len(self)))

    def loader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """The batches, in order."""
        return DataLoader(self, batch_size=None)


def training_batches(situation: Situation) -> Batches:
    """The training samples with their given labels."""
    return Batches(situation.inputs, torch.from_numpy(situation.evidence.labels.codes))


def last_layer(situation: Situation) -> tuple[str, nn.Linear]:
    """Name of the model's last linear layer, and the layer.

    Raises:
        InputError: The model ends in something else.
    """
    rows = torch.arange(min(2, len(situation.inputs)))
    some = situation.inputs.batch(rows), torch.from_numpy(situation.evidence.labels.codes)[rows]
    name = find_last_layer(situation.model, some)
    layer = None if name is None else situation.model.get_submodule(name)
    if name is None or not isinstance(layer, nn.Linear):
        raise InputError(
            "a model that ends in a linear layer", "another one", "Leave this peer out"
        )
    return name, layer


def validation_of(situation: Situation) -> tuple[Inputs, Codes]:
    """The validation samples and their classes.

    Raises:
        InputError: There are none.
    """
    if situation.validation is None:
        raise InputError("validation samples", "none", "Leave this peer out")
    return situation.validation
