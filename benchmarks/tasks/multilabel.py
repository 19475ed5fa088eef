"""Wrong tags: Chaffinch and cleanlab on the same held-out predictions.

Run: python -m benchmarks.tasks.multilabel [--seeds 0 1 2 3 4] [--sets yeast pairs] [--samples 4000]

Errors are injected into Yeast (2,417 genes, 14 tags) and into pairs of handwritten digits (two side
by side; a tag for each digit that is there, ten in all): a share of all tags is flipped, or a share
of the tags that hold goes missing. The predictions are the default model's, by five folds. Each
method ranks all N x K tags, and the N samples by whether any of their tags is wrong. The peer is
given the best of its three scores, with and without adjustment, for each figure apart.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.data import load_or_exit, need_file
from benchmarks.markdown import table
from benchmarks.peers.library import library, undisturbed
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats, Mask
from chaffinch.tasks.multilabel.heads import fit_heads
from chaffinch.tasks.multilabel.judgement import TagVerdict, judge_tags
from chaffinch.tasks.multilabel.tags import Tags

FOLDS = 5
CELLS = (
    ("yeast", "flipped", 0.05),
    ("yeast", "missing", 0.2),
    ("pairs", "flipped", 0.05),
    ("pairs", "flipped", 0.2),
    ("pairs", "missing", 0.05),
    ("pairs", "missing", 0.2),
)
_SCORES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
_WIDTH = 128


@dataclass(frozen=True, eq=False)
class TagSet:
    """Features (N, I) and right tags (N, K) of a data set."""

    features: Floats
    tags: Tags


def yeast(_samples: int, _seed: int) -> TagSet:
    """All genes."""
    frame = pd.read_parquet(need_file("yeast_multilabel.parquet"))
    names = tuple(f"label{number}" for number in range(1, 15))
    inputs = [name for name in frame.columns if name.startswith("x")]
    values = frame[list(names)].to_numpy().astype(np.int8)
    return TagSet(frame[inputs].to_numpy(np.float32), Tags(values, names))


def pairs(samples: int, seed: int) -> TagSet:
    """Pairs of digits drawn anew for each seed, as principal components of their pixels."""
    mnist = load_or_exit("mnist")
    size = len(mnist.samples)
    images, digits = np.asarray(mnist.samples).reshape(size, 28, 28), np.asarray(mnist.labels)
    drawn = stream(seed, "digit pairs").choice(size, (2, samples), replace=False)
    values = np.zeros((samples, 10), np.int8)
    for side in drawn:
        values[np.arange(samples), digits[side]] = 1
    both = np.concatenate([images[drawn[0]], images[drawn[1]]], axis=2)
    pixels = both.reshape(samples, -1).astype(np.float32) / 255
    features = PCA(_WIDTH, svd_solver="randomized", random_state=0).fit_transform(pixels)
    return TagSet(features.astype(np.float32), Tags(values, tuple("0123456789")))


SETS = {"yeast": yeast, "pairs": pairs}


def injected(tags: Tags, kind: str, share: float, seed: int) -> tuple[Tags, Mask]:
    """The tags with exactly this share flipped, or missing of those that hold, and where."""
    values = tags.values.copy()
    open_to = np.arange(values.size) if kind == "flipped" else np.flatnonzero(values)
    count = round(share * len(open_to))
    chosen = stream(seed, f"injection {kind}").choice(open_to, count, replace=False)
    values.flat[chosen] ^= 1
    return Tags(values, tags.names), values != tags.values


def held_out(features: Floats, tags: Tags, seed: int) -> Floats:
    """(N, K) log-odds by models of five folds."""
    fold = stream(seed, "folds").permutation(len(tags)) % FOLDS
    found = np.empty(tags.values.shape)
    for number in range(FOLDS):
        out = fold == number
        found[out] = fit_heads(features[~out], tags.take(~out), seed + number)(features[out])
    return found


def peer_scores(tags: Tags, chances: Floats) -> Iterator[tuple[Floats, Floats]]:
    """By each of the peer's scores: suspicions of tags (N, K) and of samples (N,)."""
    rank = library("cleanlab.multilabel_classification.rank")
    given = [np.flatnonzero(row).tolist() for row in tags.values]
    for method in _SCORES:
        # The entropy cannot be adjusted.
        for adjusted in (False, True) if method != _SCORES[2] else (False,):
            told = {"method": method, "adjust_pred_probs": adjusted}
            with undisturbed():
                by_tag = rank.get_label_quality_scores_per_class(given, chances, **told)
                by_sample = rank.get_label_quality_scores(given, chances, **told)
            yield 1 - np.asarray(by_tag), 1 - np.asarray(by_sample)


def peer_flags(tags: Tags, chances: Floats) -> Mask:
    """(N, K) what the peer flags by default."""
    found = library("cleanlab.multilabel_classification.filter")
    given = [np.flatnonzero(row).tolist() for row in tags.values]
    with undisturbed():
        flags = found.find_multilabel_issues_per_class(given, chances, n_jobs=1)
    return np.asarray(flags, np.bool_)


def measures(scores: Floats, samples: Floats, wrong: Mask) -> NDArray[np.float64]:
    """AUROC and average precision of tags, then of samples."""
    told = ((wrong.ravel(), scores.ravel()), (wrong.any(axis=1), samples))
    figures = (roc_auc_score, average_precision_score)
    return np.asarray([figure(y, s) for y, s in told for figure in figures])


def f1(flags: Mask, wrong: Mask) -> float:
    """Of what is flagged."""
    return float(2 * (flags & wrong).sum() / max(1, flags.sum() + wrong.sum()))


def best_f1(scores: Floats, wrong: Mask) -> float:
    """Over all thresholds."""
    hits = np.cumsum(wrong.ravel()[np.argsort(-scores.ravel(), kind="stable")])
    return float((2 * hits / (np.arange(1, wrong.size + 1) + wrong.sum())).max())


def held_by_ranges(verdict: TagVerdict, wrong: Mask) -> float:
    """Share of the intervals of rates, over tags and directions, that hold the true rate."""
    held = []
    for entry in verdict.rates:
        value = 0 if entry["kind"] == "missing_tag" else 1
        given = verdict.tags.values == value
        if entry["of"] == "tag":
            column = verdict.tags.names.index(entry["name"])
            given = given & (np.arange(given.shape[1]) == column)
        held.append(entry["low"] <= wrong[given].mean() <= entry["high"])
    return float(np.mean(held))


def row(name: str, kind: str, share: float, seed: int, samples: int) -> list[float]:
    """All figures of one seed."""
    made = SETS[name](samples, seed)
    tags, wrong = injected(made.tags, kind, share, seed)
    logits = held_out(made.features, tags, seed)
    verdict = judge_tags(tags, logits, seed)
    ours = measures(verdict.wrong, verdict.suspicion, wrong)
    chances = expit(logits)
    peers = np.max([measures(*told, wrong) for told in peer_scores(tags, chances)], axis=0)
    own, best = f1(verdict.flagged, wrong), best_f1(verdict.wrong, wrong)
    theirs = f1(peer_flags(tags, chances), wrong)
    rate = [verdict.wrong.mean(), wrong.mean(), held_by_ranges(verdict, wrong)]
    return [float(x) for x in (*ours, *peers, own, best, theirs, *rate)]


HEADS = (
    "set, errors",
    "AUROC tags",
    "peer",
    "AP tags",
    "peer",
    "AUROC samples",
    "peer",
    "AP samples",
    "peer",
    "F1 own threshold",
    "best F1",
    "peer's own",
    "rate told / true",
    "ranges hold",
)


def line(label: str, seeds: list[list[float]]) -> list[str]:
    """Means over the seeds; of what is compared, in how many seeds the peer is not better."""
    figures = np.asarray(seeds)
    mean = figures.mean(axis=0)
    cells = [label]
    for place in range(4):
        wins = int((figures[:, place] >= figures[:, 4 + place]).sum())
        cells += [f"{mean[place]:.3f} ({wins}/{len(seeds)})", f"{mean[4 + place]:.3f}"]
    cells += [f"{mean[place]:.3f}" for place in (8, 9, 10)]
    return [*cells, f"{mean[11]:.2%} / {mean[12]:.2%}", f"{mean[13]:.0%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--samples", type=int, default=4_000, help="pairs of digits")
    told = parser.parse_args()
    rows = []
    for name, kind, share in CELLS:
        if name in told.sets:
            found = [row(name, kind, share, seed, told.samples) for seed in told.seeds]
            rows.append(line(f"{name}, {share:.0%} {kind}", found))
            print(table(HEADS, rows[-1:]), flush=True)
    print(table(HEADS, rows))


if __name__ == "__main__":
    main()
