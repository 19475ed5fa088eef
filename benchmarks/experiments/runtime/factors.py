"""A situation made of random factors: what judging costs, without a training before it."""

import numpy as np
import torch
from pydantic import Field
from torch import nn

from benchmarks.experiments.declared import Declared
from benchmarks.situation import CLEAN, Situation
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.models.inputs import DenseInputs

_GROWTH = (0.3, 0.6, 1.0)  # of the logits over three epochs
_SPREAD = 0.3
_SURENESS = 0.15
_EMBEDDED = 64


class Sizes(Declared):
    """What a cell of the experiment ``runtime`` may decide.

    Attributes:
        samples: N.
        classes: C.
        inputs: I of the last linear layer, whose gradient has C x (I + 1) entries.
        targets: M validation samples.
        cap: Seconds after which a measurement is given up.
        memory_mib: Further memory beyond which it is given up.
    """

    samples: int = Field(default=2000, ge=10)
    classes: int = Field(default=10, ge=2)
    inputs: int = Field(default=512, ge=1)
    targets: int = Field(default=500, ge=1)
    cap: float = Field(default=30, gt=0)
    memory_mib: int = Field(default=8000, ge=100)


def make_situation(sizes: Sizes, seed: int) -> Situation:
    """Rectified features around class centres, logits of a linear layer, a tenth of labels wrong.

    Args:
        sizes: N, C, I and M.
        seed: Decides all numbers.

    Returns:
        Evidence of three epochs, and a linear model on the features that yields the last logits.
    """
    random = stream(seed, "factors")
    shape = sizes.classes, sizes.inputs
    centres = random.standard_normal(shape, dtype=np.float32)
    weight = np.float32(_SURENESS) * centres

    def draw(count: int) -> tuple[Floats, Codes]:
        codes = random.integers(sizes.classes, size=count)
        rows = random.standard_normal((count, sizes.inputs), dtype=np.float32)
        rows += np.float32(_SPREAD) * centres[codes]
        return np.maximum(rows, 0, out=rows), codes

    features, codes = draw(sizes.samples)
    held, held_codes = draw(sizes.targets)
    wrong = random.random(sizes.samples) < 0.1
    given = np.where(wrong, (codes + 1) % sizes.classes, codes)
    samples = features, Labels(given, np.arange(sizes.classes))
    evidence = _evidence(samples, (held, held_codes), weight)
    model = nn.Sequential(nn.Linear(sizes.inputs, sizes.classes))
    state = {"0.weight": torch.from_numpy(weight), "0.bias": torch.zeros(sizes.classes)}
    model.load_state_dict(state)
    return Situation(
        evidence,
        np.where(wrong, "mislabelled", CLEAN),
        codes,
        DenseInputs(torch.from_numpy(features)),
        (DenseInputs(torch.from_numpy(held)), held_codes),
        None,
        lambda: nn.Sequential(nn.Linear(sizes.inputs, sizes.classes)),
        model.eval(),
        (model.state_dict(),),
    )


def _evidence(
    samples: tuple[Floats, Labels], held: tuple[Floats, Codes], weight: Floats
) -> Evidence:
    features, labels = samples
    logits = features @ weight.T
    norms = np.linalg.norm(features, axis=1)
    return Evidence(
        ids=np.arange(len(features)).astype(np.str_),
        labels=labels,
        logits=np.stack([np.float32(part) * logits for part in _GROWTH]),
        held_out_logits=logits[None],
        features=features,
        feature_norms=np.tile(norms, (len(_GROWTH), 1)),
        embeddings=features[:, :_EMBEDDED],
        learning_rates=np.full(len(_GROWTH), 0.01),
        validation_logits=held[0] @ weight.T,
        validation_features=held[0],
        validation_codes=held[1],
    )
