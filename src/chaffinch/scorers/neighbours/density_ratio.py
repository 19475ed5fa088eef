"""How much more often samples like this one occur in training than among clean samples.

A classifier that tells training samples from validation samples estimates the ratio of the two
densities (Bickel et al., ICML 2007; Sugiyama et al., 2012). What both hold alike it cannot tell
apart; what was only put into the training data, however dense and easy to learn, it can.
"""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats, Mask

NUM_LANDMARKS = 300
NUM_FOLDS = 5
NUM_FOLDINGS = 6  # the mean over several steadies the ratio where few clean samples are known
MOST_LEARNED = 10_000  # training samples a model learns from; more hardly change a smooth ratio
_WIDTH = 0.3  # of the kernel: exp(-0.3 d^2 / K) on standardised columns
_LOOSENESS = 0.3  # scikit-learn's C: the inverse of how strongly the ratio is held to be smooth

_PAPER = (
    "Bickel et al., Discriminative Learning for Differing Training and Test Distributions, 2007"
)


def log_density_ratio(
    rows: Floats,
    known: Floats,
    seed: int,
    codes: tuple[Codes, Codes] | None = None,
    foldings: int = NUM_FOLDINGS,
) -> Floats:
    """(N,) log of how much denser training is than the known samples at each of (N, K) rows.

    Kernel logistic regression on 300 landmarks (Nystroem), every sample judged by models that did
    not see it, the mean over several foldings. Zero throughout where either set has fewer than two
    samples or all rows are equal.

    Args:
        rows: (N, K) training samples.
        known: (M, K) clean samples.
        seed: Decides folds and landmarks.
        codes: (N,) and (M,) labels, which then are part of what is compared.
        foldings: How often all samples are divided anew.
    """
    return log_density_ratios(rows, known, seed, codes, foldings)[: len(rows)]


def log_density_ratios(
    rows: Floats,
    known: Floats,
    seed: int,
    codes: tuple[Codes, Codes] | None = None,
    foldings: int = NUM_FOLDINGS,
) -> Floats:
    """(N + M,) as `log_density_ratio`, at the training samples and then at the known ones."""
    folds = min(NUM_FOLDS, len(rows), len(known))
    both = np.concatenate([rows, known]).astype(np.float64)
    ratios = np.zeros(len(both))
    if folds < 2 or not np.ptp(both, axis=0).any():
        return ratios
    if codes is not None:
        labels = np.concatenate(codes)
        both = np.column_stack([both, np.eye(int(labels.max()) + 1)[labels]])
    ours = np.arange(len(both)) < len(rows)
    random = stream(seed, "density ratio")
    for _ in range(foldings):
        ratios += _held_out_ratio(both, ours, folds, random) / foldings
    return ratios


def _held_out_ratio(both: Floats, ours: Mask, folds: int, random: np.random.Generator) -> Floats:
    """(N + M,) log-ratio at each row, by a model that did not see it."""
    ratios = np.zeros(len(both))
    drawn = int(random.integers(2**31))
    splits = StratifiedKFold(folds, shuffle=True, random_state=drawn)
    for learned, judged in splits.split(both, ours):
        learned = _fewer(learned, ours, random)
        model = make_pipeline(
            StandardScaler(),
            Nystroem(
                gamma=_WIDTH / both.shape[1],
                n_components=min(NUM_LANDMARKS, len(learned)),
                random_state=drawn,
            ),
            LogisticRegression(C=_LOOSENESS, max_iter=300),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a rough fit ranks as well
            model.fit(both[learned], ours[learned])
        share = ours[learned].mean()
        ratios[judged] = model.decision_function(both[judged]) - np.log(share / (1 - share))
    return ratios


def _fewer(learned: NDArray[np.intp], ours: Mask, random: np.random.Generator) -> NDArray[np.intp]:
    """At most 10,000 training samples, and all others."""
    mine = learned[ours[learned]]
    if len(mine) <= MOST_LEARNED:
        return learned
    return np.concatenate([random.permutation(mine)[:MOST_LEARNED], learned[~ours[learned]]])


@scorer(
    "validation_density_ratio",
    family="neighbours",
    needs=("features", "validation_features"),
    paper=_PAPER,
)
def validation_density_ratio(evidence: Evidence, seed: int) -> Floats:
    """How much denser training is than the validation samples around it, in the features."""
    return log_density_ratio(evidence.need("features"), evidence.need("validation_features"), seed)


@scorer(
    "validation_density_ratio_embedding",
    family="neighbours",
    needs=("embeddings", "validation_embeddings"),
    paper=_PAPER,
)
def validation_density_ratio_embedding(evidence: Evidence, seed: int) -> Floats:
    """How much denser training is than the validation samples around it, in the embeddings."""
    return log_density_ratio(
        evidence.need("embeddings"), evidence.need("validation_embeddings"), seed
    )


@scorer(
    "validation_joint_ratio_embedding",
    family="neighbours",
    needs=("embeddings", "validation_embeddings", "validation_codes"),
    paper=_PAPER,
)
def validation_joint_ratio_embedding(evidence: Evidence, seed: int) -> Floats:
    """How much denser training is around sample and label together, in the embeddings."""
    known_codes = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    return log_density_ratio(
        evidence.need("embeddings"),
        evidence.need("validation_embeddings"),
        seed,
        (evidence.labels.codes, known_codes),
    )
