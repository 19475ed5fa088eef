"""What all tests share: one hypothesis profile, one thread, made-up evidence of known truth."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels

# No deadline: the machines that run this are shared, and slow is not wrong. Always the same
# examples, so that a red test is red for everyone.
settings.register_profile("chaffinch", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("chaffinch")

# Many small models: threads only slow them down.
torch.set_num_threads(1)


@dataclass(frozen=True)
class Synthetic:
    """Evidence on well separated classes, of which some labels are wrong.

    `evidence` has every record; `truth` (N,) are the right classes as codes.
    """

    evidence: Evidence
    truth: NDArray[np.int64]

    @property
    def errors(self) -> NDArray[np.bool_]:
        return self.truth != self.evidence.labels.codes

    def only(self, *names: str) -> Evidence:
        """The evidence with no other records than these."""
        dropped = {name: None for name in self.evidence.records if name not in names}
        return replace(self.evidence, **dropped)


def make_synthetic(
    num_samples: int = 240,
    num_classes: int = 3,
    rate: float = 0.1,
    seed: int = 0,
    epochs: int = 3,
) -> Synthetic:
    """Blobs, and the logits of a linear layer that grows surer of them epoch by epoch."""
    random = np.random.default_rng(seed)
    width = num_classes + 3
    centres = 4 * np.eye(num_classes, width) + 0.3 * random.normal(size=width)

    def draw(codes: NDArray[np.int64]) -> NDArray[np.float32]:
        noise = random.normal(size=(len(codes), width))
        return (centres[codes] + noise).astype(np.float32)

    def answer(features: NDArray[np.float32], passes: int) -> NDArray[np.float32]:
        weight = (centres - centres.mean(0)).T
        growth = np.linspace(0.1, 0.3, passes)[:, None, None]
        noise = random.normal(size=(passes, len(features), num_classes))
        return (growth * ((features - centres.mean(0)) @ weight) + 0.1 * noise).astype(np.float32)

    truth = np.arange(num_samples) % num_classes
    given = truth.copy()
    wrong = random.choice(num_samples, round(rate * num_samples), replace=False)
    given[wrong] = (truth[wrong] + random.integers(1, num_classes, len(wrong))) % num_classes
    features = draw(truth)
    validation_codes = np.arange(4 * num_classes) % num_classes
    validation_features = draw(validation_codes)
    evidence = Evidence(
        np.asarray([f"s{number}" for number in range(num_samples)]),
        Labels(given, np.arange(num_classes)),
        logits=answer(features, epochs),
        held_out_logits=answer(features, epochs),
        features=features,
        feature_norms=np.tile(np.linalg.norm(features, axis=1), (epochs, 1)),
        embeddings=draw(truth),
        learning_rates=np.linspace(0.1, 0.01, epochs).astype(np.float32),
        validation_logits=answer(validation_features, 1)[0],
        validation_features=validation_features,
        validation_codes=validation_codes,
    )
    # What follows is drawn last, so that the records above do not depend on it.
    growing = (np.arange(1, epochs + 1, dtype=np.float32) / epochs)[:, None, None]
    margins, members = _fake_class(evidence, random)
    evidence = replace(
        evidence,
        ensemble_logits=np.stack([answer(features, 1)[0] for _ in range(3)]),
        dropout_logits=np.stack([answer(features, 1)[0] for _ in range(5)]),
        features_by_epoch=growing * features,
        feature_norms=np.linalg.norm(growing * features, axis=2),
        validation_logits_by_epoch=growing * evidence.need("validation_logits"),
        validation_features_by_epoch=growing * validation_features,
        validation_embeddings=draw(validation_codes),
        fake_class_margins=margins,
        fake_class_members=members,
    )
    held_out = np.stack([answer(features, 1)[0] for _ in range(5)])
    beside = evidence.need("validation_logits")[None] + random.normal(
        size=(2, *evidence.need("validation_logits").shape)
    )
    return Synthetic(
        replace(evidence, held_out_dropout_logits=held_out, validation_held_out_logits=beside),
        truth,
    )


def _fake_class(
    evidence: Evidence, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(R, N) margins of two trainings with a class that does not exist, and its members."""
    logits, codes = evidence.need("logits").mean(axis=0), evidence.labels.codes
    own = np.take_along_axis(logits, codes[:, None], axis=1)[:, 0]
    others = np.where(np.arange(logits.shape[1]) == codes[:, None], -np.inf, logits).max(axis=1)
    size = max(1, len(codes) // (logits.shape[1] + 1))
    order = random.permutation(len(codes))
    members = np.zeros((2, len(codes)), dtype=bool)
    members[0, order[:size]] = members[1, order[size : 2 * size]] = True
    margins = own - others + 0.1 * random.normal(size=members.shape)
    return np.where(members, margins - 8, margins).astype(np.float32), members


@pytest.fixture(scope="session")
def synthetic() -> Callable[..., Synthetic]:
    """The maker of evidence, see `make_synthetic`."""
    return make_synthetic
