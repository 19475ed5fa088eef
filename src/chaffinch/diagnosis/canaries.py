"""What canaries tell: how far wrong samples can be found here, and how scores become chances."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from chaffinch.core.evidence import Evidence
from chaffinch.core.judged import harm
from chaffinch.core.kinds import KINDS, MISLABELLED
from chaffinch.core.labels import Labels
from chaffinch.core.types import Floats, Mask

_BY_EPOCH = ("logits", "held_out_logits", "feature_norms")
_BY_SAMPLE = ("features", "embeddings")
_QUANTILES = (0.2, 0.4, 0.6)


@dataclass(frozen=True, eq=False)
class CanaryEvidence:
    """What is known of K samples that were spoilt on purpose.

    Attributes:
        evidence: Their records, made beside those of the real samples.
        kinds: (K,) what was done to each.
    """

    evidence: Evidence
    kinds: NDArray[np.str_]

    @property
    def flips(self) -> Mask:
        """(K,) those with a wrong label."""
        wrong: Mask = self.kinds == MISLABELLED
        return wrong

    def joined(self, evidence: Evidence) -> Evidence:
        """The evidence of the N real samples with that of the K canaries after them.

        Records that only one of the two has, and those for certain scorers only, are left out.
        """
        other = self.evidence
        records: dict[str, Any] = {}
        for names, axis in ((_BY_EPOCH, 1), (_BY_SAMPLE, 0)):
            for name in names:
                first, second = getattr(evidence, name), getattr(other, name)
                both = first is not None and second is not None
                records[name] = np.concatenate([first, second], axis=axis) if both else None
        labels = evidence.labels
        codes = np.concatenate([labels.codes, other.labels.codes])
        groups = evidence.groups
        if groups is not None and other.groups is not None:
            groups = groups.joined(other.groups)
        return replace(
            evidence,
            groups=groups,
            ids=np.concatenate([evidence.ids, other.ids]),
            labels=Labels(codes, labels.classes),
            features_by_epoch=None,
            ensemble_logits=None,
            dropout_logits=None,
            held_out_dropout_logits=None,
            fake_class_margins=None,
            fake_class_members=None,
            **records,
        )

    def figures(self, kinds: Floats, least: float) -> dict[str, Mapping[str, float]]:
        """How many of the canaries were found and named rightly, by what was done to them.

        Args:
            kinds: (K, 9) probabilities of the canaries.
            least: Suspicion of the least suspicious sample that is flagged.
        """
        found, named = harm(kinds) >= least, np.asarray(KINDS)[kinds.argmax(axis=1)]
        return {
            str(kind): {
                "count": int((self.kinds == kind).sum()),
                "found": round(float(found[self.kinds == kind].mean()), 6),
                "named": round(float((named == kind)[self.kinds == kind].mean()), 6),
            }
            for kind in dict.fromkeys(self.kinds.tolist())
        }


def chance_from_canaries(scores: Floats, known: Floats) -> Floats:
    """Probability that a sample is wrong, from scores and those of canaries known to be wrong.

    Real samples are a mixture of right and wrong ones, and the wrong ones are taken to score like
    the canaries; the right ones need no model. The share of wrong ones is the least ratio of real
    samples to canaries above a score (Blanchard et al., JMLR 2010), their chance at a score this
    share of the ratio of the densities there, which rises with the score.

    Args:
        scores: (N,) of the real samples, higher = more suspicious.
        known: (K,) of canaries with wrong labels.

    Returns:
        (N + K,) in 0..1 of the samples and then the canaries, never falling with the score.
    """
    values = np.concatenate([scores, known])
    ours = np.arange(len(values)) < len(scores)
    names, inverse = np.unique(values, return_inverse=True)
    real = np.bincount(inverse, weights=ours, minlength=len(names)) / len(scores)
    wrong = np.bincount(inverse, weights=~ours, minlength=len(names)) / len(known)
    total = real + wrong
    fitted = isotonic_regression(wrong / total, sample_weight=total)
    ratio = fitted / np.maximum(1 - fitted, 1e-12)
    chance: Floats = np.clip(wrong_share(scores, known) * ratio, 0, 1)[inverse]
    return chance


def wrong_share(scores: Floats, known: Floats) -> float:
    """Estimated share of the real samples that score like the canaries, 0..1."""
    levels = np.quantile(known, _QUANTILES)
    real = np.asarray([(scores >= level).mean() for level in levels])
    wrong = np.asarray([(known >= level).mean() for level in levels])
    return float(np.clip((real / wrong).min(), 0, 1))
