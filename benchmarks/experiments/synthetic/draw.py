"""Two-dimensional data with a few wrong labels (Chhabra et al., ICML 2025, section 4).

Flips are of two kinds. ``random_flips`` may hit any sample, so that some lie near the border, where
both labels are plausible. ``deep_flips`` only hit samples far from the other class: their given
label puts them deep inside the other class, where a wide net can only learn them by heart.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs, make_moons

from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask

DEEP_SHARE = 1 / 3
"""Deep flips are drawn from this share of a class: its samples farthest from the other class."""

MOONS_NOISE = 0.2
CENTRES = ((-1.5, -1.5), (1.5, 1.5))
SPREAD = 1.0


@dataclass(frozen=True, eq=False)
class Points:
    """Samples in the plane.

    Attributes:
        x: (N, 2) float32, standardised by the training samples.
        right: (N,) right class, 0 or 1.
    """

    x: Floats
    right: Codes

    def __len__(self) -> int:
        return len(self.right)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A training set with flips, and clean sets to validate and to test on.

    Attributes:
        train: N samples in random order.
        given: (N,) labels with the flips.
        flipped: (N,) whether the label was flipped.
        validation: M clean samples.
        test: Clean samples, distinct from the validation samples.
    """

    train: Points
    given: Codes
    flipped: Mask
    validation: Points
    test: Points


def draw(data: str, glitch: str, flips: int, sizes: tuple[int, int, int], seed: int) -> Drawn:
    """Draw everything anew.

    Args:
        data: ``blobs`` (two normal classes that a line through the middle parts) or ``moons``.
        glitch: ``random_flips``, ``deep_flips`` or ``none``.
        flips: Wrong labels in each of the two classes.
        sizes: Number of training, validation and test samples.
        seed: Decides the samples and the flips.

    Raises:
        InputError: An unknown name, or more flips than there are samples to flip.
    """
    random = stream(seed, f"{data} in the plane")
    made = [_points(data, size, random) for size in sizes]
    middle, spread = made[0].x.mean(0), made[0].x.std(0)
    train, validation, test = (
        Points(((one.x - middle) / spread).astype(np.float32), one.right) for one in made
    )
    flipped = _choose(train, glitch, flips, stream(seed, "flips in the plane"))
    return Drawn(train, np.where(flipped, 1 - train.right, train.right), flipped, validation, test)


def depth(points: Points) -> Floats:
    """(N,) distance of each sample from the nearest one of the other class."""
    between = cdist(points.x, points.x)
    same = points.right[:, None] == points.right
    nearest: Floats = np.where(same, np.inf, between).min(1)
    return nearest


def _points(data: str, size: int, random: np.random.Generator) -> Points:
    state = int(random.integers(2**31))
    if data == "moons":
        x, right = make_moons(size, noise=MOONS_NOISE, random_state=state)
    elif data == "blobs":
        x, right = make_blobs(
            size, centers=np.array(CENTRES), cluster_std=SPREAD, random_state=state
        )
    else:
        raise InputError("blobs or moons", repr(data), "Choose one of them")
    return Points(np.asarray(x), np.asarray(right, dtype=np.int64))


def _choose(train: Points, glitch: str, flips: int, random: np.random.Generator) -> Mask:
    flipped = np.zeros(len(train), dtype=np.bool_)
    if glitch == "none":
        return flipped
    if glitch not in ("random_flips", "deep_flips"):
        raise InputError("random_flips, deep_flips or none", repr(glitch), "Choose one of them")
    far = depth(train)
    for code in (0, 1):
        members = np.flatnonzero(train.right == code)
        if glitch == "deep_flips":
            deepest = members[np.argsort(-far[members], kind="stable")]
            members = deepest[: round(DEEP_SHARE * len(deepest))]
        if flips > len(members):
            raise InputError(
                f"at most {len(members)} flips a class", str(flips), "Ask for fewer, or draw more"
            )
        flipped[random.choice(members, flips, replace=False)] = True
    return flipped
