"""How likely each tag of each sample is wrong: missing where it holds, or given by mistake."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import logit
from scipy.stats import chi2

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.rate import interval
from chaffinch.diagnosis.selection import LEAST_SUSPICION, Threshold, q_values
from chaffinch.tasks.multilabel.noise import TagNoise
from chaffinch.tasks.multilabel.other_tags import from_other_tags
from chaffinch.tasks.multilabel.tags import ABSENT, PRESENT, Tags

MISSING_TAG: Final = "missing_tag"
INVENTED_TAG: Final = "invented_tag"
BOTH: Final = "both"
CLEAN: Final = "clean"

KINDS: Final = (MISSING_TAG, INVENTED_TAG, BOTH, CLEAN)
"""What can be the matter with the tags of a sample, in the order of `TagVerdict.kinds`."""

LEAST_EXPLAINED = 0.01
"""Share of a tag's entropy that predictions must explain for the tag to be flagged."""

_CHANCE = 1e-3
_CERTAIN = 1e-6
_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class TagVerdict:
    """What is said of the K tags of N samples.

    Attributes:
        tags: The given ones.
        wrong: (N, K) calibrated probability that the given tag, or its absence, is wrong; 0 where
            it is unknown whether the tag holds.
        holds: (N, K) calibrated probability that the tag holds, all things considered.
        flagged: (N, K) which to change, by the rule asked for.
        q: (N, K) share of false alarms if this and all worse ones are flagged; 1 where unknown.
        explained: (K,) tags that the predictions explain; others are never flagged.
        noise: The model behind it.
        notes: What a reader must know.
    """

    tags: Tags
    wrong: Floats
    holds: Floats
    flagged: Mask
    q: Floats
    explained: Mask
    noise: TagNoise
    notes: tuple[str, ...]

    @property
    def missing(self) -> Floats:
        """(N,) probability that a sample lacks at least one tag that holds."""
        return _any(self.wrong * (self.tags.values == ABSENT))

    @property
    def invented(self) -> Floats:
        """(N,) probability that a sample has at least one tag that does not hold."""
        return _any(self.wrong * (self.tags.values == PRESENT))

    @property
    def suspicion(self) -> Floats:
        """(N,) probability that at least one tag of a sample is wrong."""
        return _any(self.wrong)

    @property
    def kinds(self) -> Floats:
        """(N, 4) probability of each of `KINDS`; rows sum to 1."""
        lacks, adds = self.missing, self.invented
        return np.column_stack(
            [lacks * (1 - adds), adds * (1 - lacks), lacks * adds, (1 - lacks) * (1 - adds)]
        )

    @property
    def suggested(self) -> Tags:
        """The tags with the flagged ones added or removed."""
        return Tags(np.where(self.flagged, 1 - self.tags.values, self.tags.values), self.tags.names)

    @property
    def rates(self) -> list[dict[str, Any]]:
        """Estimated rates with 95 % intervals, for all tags together and for each.

        Entries have ``of`` ("all" or "tag"), ``name``, ``kind``, ``rate``, ``low`` and ``high``.
        The kind `MISSING_TAG` is the share of samples without the tag in which it is missing, the
        kind `INVENTED_TAG` the share of samples with the tag in which it is wrong.
        """
        found = []
        for kind, value in ((MISSING_TAG, ABSENT), (INVENTED_TAG, PRESENT)):
            given = self.tags.values == value
            found.append(_rate("all", "all", kind, self.wrong[given]))
            for column, name in enumerate(self.tags.names):
                found.append(_rate("tag", name, kind, self.wrong[given[:, column], column]))
        return [entry for entry in found if entry]


def judge_tags(
    tags: Tags,
    logits: Floats,
    seed: int = 0,
    threshold: Threshold | None = None,
    folds: Codes | None = None,
) -> TagVerdict:
    """Say how likely each tag of each sample is wrong.

    Args:
        tags: The given ones.
        logits: (N, K) log-odds of each tag by models that did not learn the sample.
        seed: Decides every random choice.
        threshold: The rule by which tags are flagged.
        folds: (N,) 0..4, by which the other tags are learned; drawn by the seed by default.

    Raises:
        InputError: Predictions of another shape, or not finite; or no tag can be learned.
    """
    rule = Threshold() if threshold is None else threshold
    base = _checked(tags, logits)
    tags.check_trainable()
    sources = from_other_tags(base, tags, seed, folds)  # they know what the predictions know
    sources = sources if len(sources) else base[None]
    noise = TagNoise.fit(sources, tags, seed)
    holds = noise.holds(sources, tags)
    wrong = np.where(tags.values == PRESENT, 1 - holds, holds) * tags.known
    explained = tags.judgeable & _explained(noise, tags)
    wrong[:, ~explained] *= LEAST_SUSPICION / 2
    q, flagged = np.ones(wrong.shape), np.zeros(wrong.shape, np.bool_)
    q[tags.known] = q_values(wrong[tags.known])
    flagged[tags.known] = rule.flag(wrong[tags.known], q[tags.known])
    flagged &= explained
    notes = _notes(tags, explained)
    return TagVerdict(tags, wrong, holds, flagged, q, explained, noise, notes)


def log_odds(probabilities: Floats) -> Floats:
    """(N, K) log-odds of probabilities in 0..1, finite at both ends."""
    clipped = np.clip(np.asarray(probabilities, np.float64), _CERTAIN, 1 - _CERTAIN)
    odds: Floats = logit(clipped)
    return odds


def _checked(tags: Tags, logits: Floats) -> Floats:
    found = np.asarray(logits, np.float64)
    if found.shape != tags.values.shape:
        raise InputError(
            f"predictions {tags.values.shape}, one per sample and tag",
            f"shape {found.shape}",
            "Give the held-out predictions of a model with one output per tag",
        )
    if not np.isfinite(found).all():
        raise InputError("finite predictions", "NaN or infinite ones", "Check the model")
    return found


def _explained(noise: TagNoise, tags: Tags) -> Mask:
    """(K,) whether predictions explain a share of a tag's entropy, and more than by chance.

    By chance, twice the gain in log-likelihood is distributed as chi squared with as many degrees
    of freedom as the model has parameters for the tag (Wilks, 1938).
    """
    size = np.maximum(tags.known.sum(axis=0), 1)
    share = np.clip(tags.counts / size, _CERTAIN, 1 - _CERTAIN)
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    gain = noise.likelihood + entropy
    by_chance = chi2.isf(_CHANCE, len(noise.weights) + 2)
    told: Mask = (gain >= LEAST_EXPLAINED * entropy) & (2 * size * gain > by_chance)
    return told


def _notes(tags: Tags, explained: Mask) -> tuple[str, ...]:
    """What was not judged, and why."""
    notes = []
    rare = ~tags.judgeable
    if rare.any():
        notes.append(
            f"{_named(tags, rare)} cannot be judged: fewer than two samples have the tag, or fewer "
            "than two have it not."
        )
    blind = tags.judgeable & ~explained
    if blind.any():
        notes.append(
            f"Predictions of {_named(tags, blind)} are hardly better than a guess by frequency, so "
            "nothing is flagged there: wrong tags cannot be told from right ones."
        )
    unknown = int((~tags.labelled).sum())
    if unknown:
        notes.append(
            f"{unknown:,} of {len(tags):,} samples have no label (not even an empty one): they "
            "were left out of the training and get suggestions only."
        )
    return tuple(notes)


def _named(tags: Tags, chosen: Mask) -> str:
    names = [tags.names[column] for column in np.flatnonzero(chosen)]
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} of {len(tags.names)} tags ({shown}{more})"


def _any(chances: Floats) -> Floats:
    """(N,) probability that at least one of K things happens."""
    told: Floats = -np.expm1(np.log1p(-np.minimum(chances, 1 - 1e-12)).sum(axis=1))
    return told


def _rate(of: str, name: str, kind: str, chances: Floats) -> dict[str, Any]:
    if not len(chances):
        return {}
    low, high = interval(chances)
    shares = {"rate": float(chances.mean()), "low": low, "high": high}
    return {"of": of, "name": name, "kind": kind} | {key: round(x, 6) for key, x in shares.items()}
