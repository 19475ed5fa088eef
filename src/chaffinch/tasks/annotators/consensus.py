"""One label out of several answers."""

from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.tasks.annotators.agreement import krippendorff_alpha
from chaffinch.tasks.annotators.answers import Answers, read_answers
from chaffinch.tasks.annotators.assignment import best_annotator
from chaffinch.tasks.annotators.dawid_skene import Fit, dawid_skene, majority_vote
from chaffinch.tasks.annotators.glad import glad
from chaffinch.tasks.annotators.result import Consensus
from chaffinch.tasks.annotators.with_features import with_features

METHODS = ("auto", "majority", "dawid-skene", "glad", "features")


def consensus(
    answers: Any,
    *,
    sample: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
    features: Any = None,
    method: str = "auto",
    seed: int = 0,
) -> Consensus:
    """Find the right labels, and how good each annotator is, from several answers a sample.

    Args:
        answers: A DataFrame or a CSV or Parquet file: long (one row an answer) or wide (one row
            a sample, one column an annotator); or an (N, W) array with NaN for no answer.
        sample: Column of the sample ids; by default a usual name.
        annotator: Column of the annotators, in a long table; by default a usual name.
        label: Column of the answers, in a long table; by default a usual name.
        features: (N, F) numbers of the samples, such as embeddings: an array in the order of the
            samples' first answers, or a DataFrame with the sample ids as index. A classifier of
            them judges beside the annotators.
        method: ``majority``; ``dawid-skene`` (a confusion matrix an annotator); ``glad``
            (ability and difficulty, Whitehill et al. 2009); ``features`` (Dawid-Skene with a
            classifier, Raykar et al. 2010). ``auto``: ``features`` where there are any, else
            ``dawid-skene``.
        seed: Of the folds of the classifier.

    Raises:
        InputError: Columns, features or method do not fit.
    """
    if method not in METHODS:
        raise InputError("a method", repr(method), f"Use one of: {', '.join(METHODS)}")
    read = read_answers(answers, sample=sample, annotator=annotator, label=label)
    if method == "auto":
        method = "dawid-skene" if features is None else "features"
    if method == "features" and features is None:
        raise InputError("features of the samples", "none", "Give features=, or another method")
    if len(read.classes) == 1:
        fit = majority_vote(read)  # nothing to tell apart
    elif method == "features":
        fit = with_features(read, _features(features, read), seed)
    else:
        fit = {"majority": majority_vote, "dawid-skene": dawid_skene, "glad": glad}[method](read)
    return _result(read, fit, method)


def _features(features: Any, answers: Answers) -> Floats:
    N = len(answers.samples)
    if isinstance(features, pd.DataFrame):
        missing = [one for one in answers.samples if one not in features.index]
        if missing or not features.index.is_unique:
            raise InputError(
                "features with one row for each sample, by id",
                f"{len(missing)} samples without, such as {missing[:1]}"
                if missing
                else "an id twice in the index",
                "Set the index of the features to the ids of the samples",
            )
        features = features.loc[list(answers.samples)].to_numpy()
    try:
        values = np.asarray(features, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("features that are numbers", str(error), "Encode them first") from None
    if values.ndim != 2 or len(values) != N or not np.isfinite(values).all():
        got = "values that are not finite" if values.shape[:1] == (N,) else f"shape {values.shape}"
        raise InputError(f"finite features of shape ({N}, F)", got, "Give one row a sample")
    return values


def _result(answers: Answers, fit: Fit, method: str) -> Consensus:
    votes = answers.votes()
    count = votes.sum(axis=1)
    best = fit.posterior.argmax(axis=1)
    classes = np.array([*answers.classes, None], object)[:-1]
    table = pd.DataFrame(
        {
            "id": pd.Series(list(answers.samples)),
            "label": pd.Series(list(classes[best])),
            "confidence": fit.posterior.max(axis=1),
            "answers": count.astype(np.int64),
            "agreement": votes[np.arange(len(best)), best] / np.where(count == 0, np.nan, count),
            "majority": pd.Series(list(classes[votes.argmax(axis=1)])),
        }
    )
    table.loc[count == 0, "majority"] = None
    soft = pd.DataFrame(
        fit.posterior,
        index=pd.Index(list(answers.samples), name="id"),
        columns=pd.Index(list(classes)),
    )
    who, gain = best_annotator(answers, fit)
    asked = np.argsort(-gain, kind="stable")
    asked = asked[who[asked] >= 0]
    following = pd.DataFrame(
        {
            "id": [answers.samples[i] for i in asked],
            "annotator": [answers.annotators[who[i]] for i in asked],
            "gain": gain[asked],
        }
    )
    alpha = krippendorff_alpha(votes)
    people = _annotators(answers, fit)
    return Consensus(table, people, soft, following, alpha, method, fit.confusion)


def _annotators(answers: Answers, fit: Fit) -> pd.DataFrame:
    """How good each annotator is, the others being the judge."""
    W, C = answers.shape[1:]
    rest = _without_own(answers, fit)
    number = np.bincount(answers.annotator, minlength=W)
    right = np.bincount(answers.annotator, rest[np.arange(len(rest)), answers.label], W)
    mean = right.sum() / number.sum()
    given = np.zeros((W, C))
    np.add.at(given, (answers.annotator, answers.label), 1.0)
    expected = np.zeros((W, C))
    np.add.at(expected, answers.annotator, rest)
    excess = (given - expected) / np.maximum(number, 1)[:, None]
    off = fit.confusion * fit.posterior.mean(axis=0)[None, :, None]
    off[:, np.arange(C), np.arange(C)] = -1.0
    worst = off.reshape(W, -1).argmax(axis=1)
    names = answers.classes
    return pd.DataFrame(
        {
            "annotator": list(answers.annotators),
            "answers": number,
            # One answer of average quality more, so that a single answer does not decide.
            "quality": (right + mean) / (number + 1),
            "bias": [names[c] for c in excess.argmax(axis=1)],
            "bias_size": excess.max(axis=1),
            "mistaken_for": [f"{names[w // C]} -> {names[w % C]}" if C > 1 else "" for w in worst],
        }
    )


def _without_own(answers: Answers, fit: Fit) -> Floats:
    """(A, C) probability of each class if the answer itself had not been given."""
    own = fit.confusion[answers.annotator, :, answers.label]
    rest = fit.posterior[answers.sample] / np.maximum(own, 1e-12)
    alone = rest.sum(axis=1) <= 0
    rest[alone] = 1.0
    shares: Floats = rest / rest.sum(axis=1, keepdims=True)
    return shares
