"""Streams of digits with wrong segments, and with segments that are exchanged.

    python -m benchmarks.tasks.sequences [--seeds 5]

A sequence shows the digits 0 to 9 in order, each for 4 to 12 frames (different images of MNIST).
``mislabelled``: 10 % of the segments get another label. ``disordered``: 5 % of the segments have
changed places with another of their sequence, the labels staying where they were. ``--noise`` makes
single frames hard to read.
"""

import argparse
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.data.place import need_file
from chaffinch.tasks.sequences import judge_sequences

SEQUENCES = 100
STEPS = 10
RATES = {"mislabelled": 0.10, "disordered": 0.05}

Array = NDArray[Any]


def streams(seed: int, kind: str) -> tuple[Array, Array, Array, Array]:
    """Frames (N, 784), labels, sequences, and (S,) which segments, in order, are wrong."""
    archive = np.load(need_file("mnist.npz"))
    images, digits = archive["x_train"], archive["y_train"]
    random = np.random.default_rng(seed)
    by_digit = [iter(random.permutation(np.flatnonzero(digits == c))) for c in range(STEPS)]
    length = random.integers(4, 13, SEQUENCES * STEPS)
    label = np.tile(np.arange(STEPS), SEQUENCES)
    shown, wrong = label.copy(), np.zeros(len(label), np.bool_)
    number = round(RATES[kind] * len(label))
    if kind == "mislabelled":
        rows = random.permutation(len(label))[:number]
        # Not the label of a neighbour: two segments would become one.
        for row in rows.tolist():
            near = {label[row], *label[max(row - 1, 0) : row + 2].tolist()}
            label[row] = random.choice([c for c in range(STEPS) if c not in near])
        wrong[rows] = True
    else:
        for home in random.permutation(SEQUENCES)[: number // 2].tolist():
            one, other = home * STEPS + random.choice(STEPS, 2, replace=False)
            shown[[one, other]] = shown[[other, one]]
            wrong[[one, other]] = True
    frames = [next(by_digit[c]) for c, n in zip(shown, length, strict=True) for _ in range(n)]
    sequence = np.repeat(np.arange(SEQUENCES), STEPS).repeat(length)
    flat = images[np.array(frames)].reshape(len(frames), -1) / 255
    return flat, label.repeat(length), sequence, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation, a pixel")
    chosen = parser.parse_args()
    rows = []
    for kind in RATES:
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            frames, labels, sequences, wrong = streams(seed, kind)
            random = np.random.default_rng(seed + 1)
            frames = frames + chosen.noise * random.normal(size=frames.shape)
            table = judge_sequences(frames, labels.tolist(), sequences.tolist(), seed=seed).segments
            if len(table) != len(wrong):
                raise SystemExit(f"{len(table)} segments instead of {len(wrong)}")
            found = (table["kind"] == kind).to_numpy()
            any_kind = (table["kind"] != "").to_numpy()
            rows.append({"errors": kind, "noise": chosen.noise, "seed": seed})
            rows[-1] |= {"F1": _f1(found, wrong), "F1, whatever the kind": _f1(any_kind, wrong)}
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def _f1(found: Array, wrong: Array) -> float:
    return float(2 * (found & wrong).sum() / max(found.sum() + wrong.sum(), 1))


if __name__ == "__main__":
    main()
