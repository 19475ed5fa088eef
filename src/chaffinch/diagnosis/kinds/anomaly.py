"""Samples that do not belong: unlike all clean ones, in a cluster under one label or otherwise.

With validation samples, three signals say what only the training data hold: how much denser
training is around the sample (whole clusters, however tight), how much closer training samples of
its label stand (a cluster under one label that is no further off than many a right sample), and
how far the sample is from its nearest validation samples (scattered ones). Each is compared with
the same signal of the validation samples themselves (`excess`). Without validation samples only
isolated samples show.
"""

import logging
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, xlog1py, xlogy
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from chaffinch.core.evidence import Evidence
from chaffinch.core.large import EXACT_UP_TO
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.kinds.crowd import crowding
from chaffinch.diagnosis.kinds.excess import LEAST_REFERENCES, excess
from chaffinch.diagnosis.kinds.isolation import NEAREST, isolated, isolated_among_many, log_mean
from chaffinch.scorers.neighbours.density_ratio import log_density_ratios
from chaffinch.scorers.neighbours.knn import neighbourhood

_LOOKS = 3
_FOLDINGS = 3  # enough where several looks are taken
_WIDTH = 32
_LIKELY = 0.5
_COMPANIONS = 20
_PURE = 0.95  # share of its own label around a sample of a far cluster
_LIKE = 0.4  # how far corrupted samples of one class may gather among other corrupted ones
_FEWEST = 5
_FEWEST_REFERENCES = 3  # so that the second neighbour of each is another one
_MOST = 0.5  # share of unlike samples above which validation is another sort of data

_LOG = logging.getLogger("chaffinch")


@dataclass(frozen=True, eq=False)
class Anomalies:
    """How likely N samples are unlike all clean ones, and in which way.

    Attributes:
        far: (N,) probability of a far cluster: a crowd from elsewhere under one label.
        outlier: (N,) probability of an outlier: corrupted or isolated, whatever its label.
    """

    far: Floats
    outlier: Floats

    @property
    def any(self) -> Floats:
        """(N,) probability of either."""
        return self.far + self.outlier


def find_anomalies(evidence: Evidence, seed: int) -> Anomalies:
    """Tell the samples that are unlike the validation samples, or unlike any other sample.

    Args:
        evidence: With `embeddings`, or with `features` and no validation; otherwise nothing is
            found. Features are not compared with those of validation samples: a network knows the
            samples that it was trained on. Nor are samples of a class that the validation samples
            lack: all of them would be strange.
        seed: Of foldings and tests.
    """
    known = evidence.validation_embeddings
    rows: Floats
    if evidence.embeddings is not None and known is not None and len(known) >= LEAST_REFERENCES:
        rows = np.asarray(evidence.embeddings, dtype=np.float64)
        reference = np.asarray(known, dtype=np.float64)
        given = evidence.validation_codes
        strange = _unlike_comparable(rows, evidence.labels.codes, reference, given, seed)
    elif evidence.embeddings is not None or evidence.features is not None:
        space: Floats = evidence.need_any("embeddings", "features")
        if len(space) <= EXACT_UP_TO:
            rows = np.asarray(space, dtype=np.float64)
            strange = isolated(rows)
        else:
            strange = isolated_among_many(space, neighbourhood(evidence)[0], seed)
            rows = np.asarray(space)
    else:
        return Anomalies(np.zeros(len(evidence)), np.zeros(len(evidence)))
    codes = evidence.labels.codes
    together = gathered(rows, codes, strange > _LIKELY, evidence.labels.counts / len(codes))
    return Anomalies(strange * together, strange * (1 - together))


def _unlike_comparable(
    rows: Floats, codes: Codes, reference: Floats, given: Codes | None, seed: int
) -> Floats:
    """(N,) as `unlike_validation`; zero for classes without a validation sample."""
    if given is None:
        return unlike_validation(rows, reference, seed)
    known = np.asarray(given, dtype=np.int64)
    comparable = np.isin(codes, known)
    strange = np.zeros(len(rows))
    if comparable.any():
        pair = (codes[comparable], known)
        strange[comparable] = unlike_validation(rows[comparable], reference, seed, pair)
    return strange


def unlike_validation(
    rows: Floats, reference: Floats, seed: int, labels: tuple[Codes, Codes] | None = None
) -> Floats:
    """(N,) probability that a sample is of a sort that the validation samples lack.

    What is found is taken out and the rest is looked at again, up to three times: a crowd far off
    decides the directions in which samples are compared, and hides one that is nearer.

    Args:
        rows: (N, K) training samples.
        reference: (M, K) validation samples in the same space.
        seed: Of foldings and tests.
        labels: (N,) and (M,) labels, for crowds under one label.

    Returns:
        Zeros where most samples are unlike: then it is validation that is of another sort. Also
        where there are too few validation samples to have neighbours among themselves.
    """
    found = np.zeros(len(rows))
    if len(reference) < _FEWEST_REFERENCES:
        return found
    left = np.arange(len(rows))
    for number in range(_LOOKS):
        pair = None if labels is None else (labels[0][left], labels[1])
        now = _unlike(rows[left], reference, seed + number, pair)
        found[left] = np.maximum(found[left], now)
        if not (now > _LIKELY).any():
            break
        left = left[now <= _LIKELY]
        if not len(left):
            break
    if np.mean(found > _LIKELY) > _MOST:
        _LOG.warning(
            "%s of the training samples look unlike all validation samples (other units, sources "
            "or preparation?): the two cannot be compared, and no group is taken for strange",
            f"{np.mean(found > _LIKELY):.0%}",
        )
        return np.zeros(len(rows))
    return found


def _unlike(
    rows: Floats, reference: Floats, seed: int, labels: tuple[Codes, Codes] | None
) -> Floats:
    rows, reference = _directions(rows, reference)
    ratios = log_density_ratios(rows, reference, seed, foldings=_FOLDINGS)
    search = NearestNeighbors(n_neighbors=min(NEAREST, len(reference) - 1)).fit(reference)
    signals = [(ratios[: len(rows)], ratios[len(rows) :])]
    if labels is not None:
        signals.append(crowding(rows, labels[0], reference, labels[1]))
    signals.append((log_mean(search.kneighbors(rows)[0]), log_mean(search.kneighbors()[0])))
    found: Floats = np.max([excess(*signal, seed) for signal in signals], axis=0)
    return found


def _directions(rows: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Both in the 32 directions in which they differ most: in all of 128, noise decides."""
    both = np.concatenate([rows, reference])
    if both.shape[1] > _WIDTH:
        both = PCA(_WIDTH, svd_solver="randomized", random_state=0).fit_transform(both)
    return both[: len(rows)], both[len(rows) :]


def gathered(rows: Floats, codes: Codes, strange: Mask, shares: Floats) -> Floats:
    """Probability that a strange sample is one of a crowd with one label.

    What corrupts samples strikes all classes; what comes from elsewhere in one piece carries one
    label. Seen from the centre of the class of its label, a corruption moves samples of all classes
    alike. So the labels of those strange samples that are moved most alike are looked at, by
    the likelihood of as many of its own label around it, in a crowd of one label (95 %) and among
    samples that were spoilt at random and still lie near those of their class (40 %).

    Args:
        rows: (N, K) samples.
        codes: (N,) their labels.
        strange: (N,) which samples are anomalies.
        shares: (C,) share of each label in the data.

    Returns:
        (N,) in 0..1; zeros where at most five are strange, which makes them outliers.
    """
    found = np.zeros(len(rows))
    places = np.flatnonzero(strange)
    if len(places) <= _FEWEST:
        return found
    crowd = rows[places] - _class_centres(rows, codes, ~strange)[codes[places]]
    count = min(_COMPANIONS, len(places) - 1, max(_FEWEST, len(places) // 4))
    near = NearestNeighbors(n_neighbors=count).fit(crowd).kneighbors()[1]
    same = (codes[places][near] == codes[places][:, None]).sum(axis=1)
    usual = shares[codes[places]]
    usual = np.minimum(usual + (1 - usual) * _LIKE, 0.9)
    pure = xlogy(same, _PURE) + xlogy(count - same, 1 - _PURE)
    mixed = xlogy(same, usual) + xlog1py(count - same, -usual)
    found[places] = expit(pure - mixed)
    return found


def _class_centres(rows: Floats, codes: Codes, usual: Mask) -> Floats:
    """(C, K) mean of each class over its usual samples; of all usual ones where it has none."""
    size = int(codes.max()) + 1
    sums, counts = np.zeros((size, rows.shape[1])), np.zeros(size)
    np.add.at(sums, codes[usual], rows[usual])
    np.add.at(counts, codes[usual], 1)
    middle = rows[usual].mean(axis=0) if usual.any() else rows.mean(axis=0)
    known = counts > 0
    centres = np.broadcast_to(middle, sums.shape).copy()
    centres[known] = sums[known] / counts[known, None]
    return centres
