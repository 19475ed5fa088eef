"""What is wrong with the labels of ordered frames: verdicts on segments and frames."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Floats
from chaffinch.tasks.sequences.segments import Segments, segments_of, summed
from chaffinch.tasks.sequences.trajectories import loss_trajectories

KINDS = ("mislabelled", "disordered", "shifted_boundary", "missing_step")

_PRIOR = 0.05
# Frames of a segment look alike: together they weigh no more than so many separate ones.
_MOST_FRAMES = 4
_FARTHEST_SHIFT = 10
_USUAL = 0.9
_LEAST_SEQUENCES = 5


@dataclass(frozen=True, eq=False)
class SequenceJudgement:
    """What is wrong in S segments of N frames.

    Attributes:
        segments: One row a segment: ``sequence``, ``start``, ``end`` (frames of all sequences
            together, from 0; the end is not included), ``label``, ``kind`` (one of `KINDS`, or
            "" where nothing is wrong), ``suspicion`` (probability that its label is wrong),
            ``suggested`` (label), ``partner`` (row of the segment that it seems to be exchanged
            with, -1: none).
        boundaries: One row a boundary that seems shifted: ``sequence``, ``at`` (first frame of
            the later segment), ``suggested`` (the same as it should be), ``probability``.
        missing: One row a step that seems to be missing: ``sequence``, ``label``, ``at`` (frame
            before which it is expected), ``share`` (of the other sequences that have it).
        frames: (N,) probability that the label of each frame is wrong.
    """

    segments: pd.DataFrame
    boundaries: pd.DataFrame
    missing: pd.DataFrame
    frames: Floats


def judge_sequences(
    frames: Any,
    labels: Iterable[Any],
    sequences: Iterable[Any],
    *,
    losses: Any = None,
    seed: int = 0,
) -> SequenceJudgement:
    """Find wrong segments, segments out of order, shifted boundaries and missing steps.

    Args:
        frames: (N, F) features of frames or log lines in order; None where ``losses`` are given.
        labels: (N,) label of each frame.
        sequences: (N,) id of the sequence of each frame; those of a sequence stand together.
        losses: (E, N, C) held-out loss of each frame for each label, sorted, in each epoch; by
            default those of a small network.
        seed: Decides every random choice.

    Raises:
        InputError: Arrays that do not fit, one label throughout, or a single sequence.
    """
    codes, classes = _codes(labels, "labels")
    sequence, names = _codes(sequences, "sequences")
    _check(codes, classes, sequence, names)
    if losses is None:
        x = _features(frames, len(codes))
        losses = loss_trajectories(x, codes, sequence, len(classes), seed=seed)
    curves = np.asarray(losses, np.float64)
    if curves.ndim != 3 or curves.shape[1:] != (len(codes), len(classes)):
        raise InputError(
            f"losses of shape (E, {len(codes)}, {len(classes)})", f"{curves.shape}", "Check them"
        )
    cost = curves.mean(axis=0)
    segments = segments_of(codes, sequence)
    suspicion, suggested = segment_posterior(cost, segments)
    partner = exchanged(segments, suspicion, suggested)
    kind = np.where(partner >= 0, "disordered", np.where(suspicion > 0.5, "mislabelled", ""))
    table = pd.DataFrame(
        {
            "sequence": names[segments.sequence],
            "start": segments.start,
            "end": segments.end,
            "label": classes[segments.label],
            "kind": kind,
            "suspicion": suspicion,
            "suggested": classes[suggested],
            "partner": partner,
        }
    )
    boundaries, moved = shifted_boundaries(cost, segments, suspicion)
    boundaries["sequence"] = names[boundaries["sequence"]]
    gaps = missing_steps(segments)
    gaps["sequence"] = names[gaps["sequence"]]
    gaps["label"] = classes[gaps["label"]]
    return SequenceJudgement(
        table, boundaries, gaps, np.maximum(suspicion[segments.of_frame], moved)
    )


def segment_posterior(cost: Floats, segments: Segments) -> tuple[Floats, Codes]:
    """(S,) probability that each segment has another label, and the likeliest other one.

    Args:
        cost: (N, C) loss of each frame for each label, averaged over epochs.
        segments: S runs of frames.
    """
    C = cost.shape[1]
    length = segments.end - segments.start
    weight = np.minimum(length, _MOST_FRAMES) / length
    evidence = -summed(cost, segments) * weight[:, None]
    evidence += np.log(_PRIOR / (C - 1))
    rows = np.arange(len(segments))
    own = evidence[rows, segments.label] + np.log((1 - _PRIOR) * (C - 1) / _PRIOR)
    evidence[rows, segments.label] = -np.inf
    other = logsumexp(evidence, axis=1)
    probability: Floats = 1 / (1 + np.exp(np.clip(own - other, -700, 700)))
    return probability, evidence.argmax(axis=1).astype(np.int64)


def exchanged(segments: Segments, suspicion: Floats, suggested: Codes) -> Codes:
    """(S,) segment of the same sequence that each one is exchanged with, or -1.

    Two wrong segments of a sequence, each of which looks like the label of the other.
    """
    partner = np.full(len(segments), -1, np.int64)
    wrong = np.flatnonzero(suspicion > 0.5)
    places: dict[tuple[int, int, int], int] = {}
    for one in wrong.tolist():
        home = int(segments.sequence[one])
        own, looks = int(segments.label[one]), int(suggested[one])
        other = places.pop((home, looks, own), None)
        if other is None:
            places[home, own, looks] = one
        else:
            partner[one], partner[other] = other, one
    return partner


def shifted_boundaries(
    cost: Floats, segments: Segments, suspicion: Floats
) -> tuple[pd.DataFrame, Floats]:
    """Boundaries that fit better a few frames earlier or later, and (N,) frames so moved."""
    rows: list[dict[str, Any]] = []
    moved = np.zeros(len(cost))
    for left in range(len(segments) - 1):
        sound = (suspicion[left : left + 2] <= 0.5).all()
        if not sound or segments.sequence[left] != segments.sequence[left + 1]:
            continue
        at = int(segments.end[left])
        new, chance = _better_boundary(cost, segments, left)
        if chance > 0.5:
            home = int(segments.sequence[left])
            rows.append({"sequence": home, "at": at, "suggested": new, "probability": chance})
            moved[min(at, new) : max(at, new)] = chance
    columns = ["sequence", "at", "suggested", "probability"]
    return pd.DataFrame(rows, columns=columns).astype({"sequence": np.int64}), moved


def _better_boundary(cost: Floats, segments: Segments, left: int) -> tuple[int, float]:
    """The likeliest other end of a segment, and the probability that the given one is wrong."""
    at, own, following = int(segments.end[left]), segments.label[left], segments.label[left + 1]
    first = max(int(segments.start[left]) + 1, at - _FARTHEST_SHIFT)
    last = min(int(segments.end[left + 1]) - 1, at + _FARTHEST_SHIFT)
    places = np.arange(first, last + 1)
    if len(places) < 2:
        return at, 0.0
    # What it gains to give the frames up to each place the label of the left segment.
    gain = cost[first:last, following] - cost[first:last, own]
    total = np.concatenate([[0.0], np.cumsum(gain)])
    given = places == at
    prior = np.where(given, np.log(1 - _PRIOR), np.log(_PRIOR / (len(places) - 1)))
    shares = np.exp(total + prior - logsumexp(total + prior))
    best = int(np.where(given, -1.0, shares).argmax())
    return int(places[best]), float(1 - shares[given][0])


def missing_steps(segments: Segments) -> pd.DataFrame:
    """Labels that nearly all other sequences have, and where they usually follow."""
    number = int(segments.sequence.max()) + 1
    own = [segments.label[segments.sequence == one] for one in range(number)]
    starts = [segments.start[segments.sequence == one] for one in range(number)]
    have = Counter(label for one in own for label in set(one.tolist()))
    before: dict[int, Counter[int]] = {}
    for one in own:
        for previous, label in zip([-1, *one.tolist()], one.tolist(), strict=False):
            before.setdefault(label, Counter())[previous] += 1
    rows = []
    for sequence, steps in enumerate(own):
        for label in sorted(set(have) - set(steps.tolist())):
            share = have[label] / max(number - 1, 1)
            if number < _LEAST_SEQUENCES or share < _USUAL:
                continue
            usual = before[label].most_common(1)[0][0]
            known = np.flatnonzero(steps == usual)
            place = 0 if usual == -1 else int(known[0]) + 1 if len(known) else len(steps)
            at = int(starts[sequence][place]) if place < len(steps) else _end(segments, sequence)
            rows.append({"sequence": sequence, "label": label, "at": at, "share": share})
    made = pd.DataFrame(rows, columns=["sequence", "label", "at", "share"])
    return made.astype({"sequence": np.int64, "label": np.int64})


def _end(segments: Segments, sequence: int) -> int:
    return int(segments.end[segments.sequence == sequence].max())


def _codes(values: Iterable[Any], what: str) -> tuple[Codes, Any]:
    given = pd.Series(list(values))
    if given.empty or given.isna().any():
        raise InputError(f"{what} without gaps", f"{int(given.isna().sum())} missing", "Fill them")
    codes, classes = pd.factorize(given, sort=True)
    return codes.astype(np.int64), np.asarray(classes)


def _check(codes: Codes, classes: Any, sequence: Codes, names: Any) -> None:
    if len(codes) != len(sequence):
        raise InputError(
            f"a sequence for each of {len(codes)} labels", f"{len(sequence)}", "Give one a frame"
        )
    if len(classes) < 2:
        raise InputError("at least two labels", "one throughout", "Check the labels")
    if len(names) < 2:
        raise InputError("at least two sequences", "one", "Cut it where it may be cut")
    if (np.diff(sequence) != 0).sum() != len(names) - 1:
        raise InputError(
            "frames of a sequence side by side", "a sequence in several parts", "Sort the frames"
        )


def _features(frames: Any, number: int) -> Floats:
    try:
        values = np.asarray(frames, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError("frames that are numbers", str(error), "Encode them first") from None
    if values.ndim < 2 or len(values) != number or not np.isfinite(values).all():
        raise InputError(
            f"finite frames of shape ({number}, F)", f"shape {values.shape}", "Give one row a frame"
        )
    return values.reshape(number, -1)
