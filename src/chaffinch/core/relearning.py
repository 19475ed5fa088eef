"""What an answer teaches about samples like the one that was answered.

The calibration (`chaffinch.core.calibration`) learns a few numbers that hold for all samples. This
learns where: errors lie close together in the embedding. A statement ``(x, c)`` says that ``c`` is
*not* the right class of sample ``x``. Its log-odds are those of the calibration plus a Gaussian
process ``g`` with the covariance

    k((x, c), (x', c')) = (near * [c = c'] + spot * [both on given labels]) r(x, x')

where ``r(x, x') = exp(-|x - x'|^2 / 2 l^2)`` on embeddings of length 1: what is right for a sample
is likely right for one beside it, and where labels are wrong, others are. An answer makes up to
three statements: the given label is right or wrong; the class that was named is right; and so the
class that had been suggested is not. The posterior mode is found by Newton's method (Rasmussen and
Williams, *Gaussian Processes for Machine Learning*, 2006, section 3.4, algorithm 3.1); g elsewhere
is its mean under that mode. Since reviewers look where they expect errors, their answers say little
of how many there are: the level stays that of the calibration, and only the differences between
samples are learned.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq
from scipy.special import expit, logit

from chaffinch.core.answers import Answers
from chaffinch.core.basis import Basis
from chaffinch.core.types import Codes, Floats

NEAR, SPOT = 1.0, 0.3
"""Variances of the process. A third or twice of `NEAR`, or no `SPOT`, changes the area under the
ROC curve of the undecided by .003 at most; an effect of classes or of pairs of classes gained
nothing and is left out."""

REACH = 0.7
"""Length ``l`` as a multiple of the median distance to the tenth nearest neighbour; from .5 to 1
the area changes by .004 at most, at 1.5 half of what is gained is lost."""

MOST_STATEMENTS = 1_500
"""Of more, an even part is used: the cost is cubic in their number."""

_TENTH, _PROBES, _FIELD = 10, 256, 10_000
_CERTAIN = 1e-4
_STEPS = 50
_BLOCK = 10_000


@dataclass(frozen=True, eq=False)
class Likeness:
    """What makes samples alike.

    Attributes:
        places: (N, K) embeddings of length 1.
        reach: Distance over which answers count.
    """

    places: NDArray[np.float32]
    reach: float

    @classmethod
    def of(cls, embeddings: Floats) -> "Likeness":
        """From embeddings (N, K) of any length."""
        places = np.asarray(embeddings, dtype=np.float32)
        norms = np.linalg.norm(places, axis=1, keepdims=True)
        places = places / np.maximum(norms, 1e-12)
        return cls(places, REACH * _usual_distance(places))

    def covariance(self, one: "Statements", two: "Statements") -> Floats:
        """(n, m) between two sets of statements."""
        same = one.codes[:, None] == two.codes[None]
        both = one.on_given[:, None] & two.on_given[None]
        cosine = self.places[one.rows] @ self.places[two.rows].T
        near = np.exp((cosine - 1) / np.float32(self.reach**2))
        total = near * (np.float32(NEAR) * same + np.float32(SPOT) * both)
        return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Statements:
    """n statements that a class is not the right one of a sample.

    Attributes:
        rows: (n,) samples.
        codes: (n,) classes.
        on_given: (n,) whether the class is the given label.
    """

    rows: Codes
    codes: Codes
    on_given: NDArray[np.bool_]


def taught(chance: Floats, basis: Basis, answers: Answers, embeddings: Floats) -> Floats:
    """Probabilities of wrong labels after answers taught about samples like those answered.

    Args:
        chance: (N,) probability that each label is wrong, by the calibration: also where it was
            answered, what the calibration alone would say.
        basis: The given labels, and of which other class a sample could be.
        answers: What was answered.
        embeddings: (N, K) description of the samples that was made without their labels.

    Returns:
        (N,) probabilities; what was answered is as told, and the others' sum is that of `chance`.
    """
    like, given = Likeness.of(embeddings), basis.given.astype(np.int64)
    said, off, told = _statements(chance, basis, answers, given)
    residual = _mode(like.covariance(said, said), off, told)
    odds = _log_odds(chance)
    shift = np.empty(len(odds))
    for start in range(0, len(odds), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(odds)))
        asked = Statements(rows, given[rows], np.ones(len(rows), dtype=np.bool_))
        shift[rows] = like.covariance(asked, said) @ residual
    open_ = np.ones(len(odds), dtype=np.bool_)
    open_[answers.rows] = False
    made = chance.copy()
    made[open_] = _at_level(odds[open_] + shift[open_], float(chance[open_].sum()))
    made[answers.rows] = answers.wrong
    return made


def _statements(
    chance: Floats, basis: Basis, answers: Answers, given: Codes
) -> tuple[Statements, Floats, Floats]:
    """Statements, their log-odds (n,) before they were told, and (n,) what was told."""
    rows, named = answers.rows, answers.codes >= 0
    suggested = basis.others[rows, 0].astype(np.int64)
    refuted = (suggested >= 0) & (suggested != given[rows])
    refuted &= np.where(named, suggested != answers.codes, answers.wrong == 0)
    parts = [
        (rows, given[rows], answers.wrong),
        (rows[named], answers.codes[named], np.zeros(int(named.sum()))),
        (rows[refuted], suggested[refuted], np.ones(int(refuted.sum()))),
    ]
    who, codes, told = (np.concatenate(part) for part in zip(*parts, strict=True))
    on_given = codes == given[who]
    shares = (basis.shares[who] * (basis.others[who] == codes[:, None])).sum(axis=1)
    right = chance[who] * shares
    odds = np.where(on_given, _log_odds(chance[who]), -_log_odds(right))
    kept = np.unique(np.linspace(0, len(who) - 1, min(len(who), MOST_STATEMENTS)).astype(np.int64))
    return Statements(who[kept], codes[kept], on_given[kept]), odds[kept], told[kept]


def _mode(covariance: Floats, odds: Floats, told: Floats) -> Floats:
    """(n,) gradient of the log-likelihood at the posterior mode: what `covariance` spreads."""
    weights, best = np.zeros(len(odds)), -np.inf
    step, target = 1.0, weights
    for _ in range(_STEPS):
        tried = weights + step * (target - weights)
        g = covariance @ tried
        height = float((told * (odds + g) - np.logaddexp(0, odds + g)).sum()) - float(tried @ g) / 2
        if height < best - 1e-9:
            step /= 2
            if step < 1e-4:
                break
            continue
        done, weights, best, step = height - best < 1e-6, tried, height, 1.0
        chance = expit(odds + g)
        if done:
            break
        spread = np.maximum(chance * (1 - chance), 1e-10)
        root = np.sqrt(spread)
        pull = spread * g + told - chance
        factor = cho_factor(np.eye(len(odds)) + root[:, None] * covariance * root)
        target = pull - root * cho_solve(factor, root * (covariance @ pull))
    return weights


def _at_level(odds: Floats, total: float) -> Floats:
    """Probabilities with these log-odds, but for a constant that gives them the sum `total`."""
    by = 0.0
    if len(odds) and 0 < total < len(odds):
        by = brentq(lambda shift: float(expit(odds + shift).sum()) - total, -60, 60)
    made: Floats = expit(odds + by)
    return made


def _log_odds(chance: Floats) -> Floats:
    clipped: Floats = logit(np.clip(chance, _CERTAIN, 1 - _CERTAIN))
    return clipped


def _usual_distance(places: NDArray[np.float32]) -> float:
    """Median distance to the tenth neighbour, the sample itself not counted, from some samples."""
    field = places[:: -(-len(places) // _FIELD)]
    probes = places[:: -(-len(places) // _PROBES)]
    squares = np.maximum(2 - 2 * probes @ field.T, 0)
    tenth = min(_TENTH, len(field) - 1)
    usual = float(np.median(np.sqrt(np.partition(squares, tenth, axis=1)[:, tenth])))
    return max(usual, 1e-3)
