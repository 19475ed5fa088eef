"""Runs of equal labels in ordered frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.types import Codes


@dataclass(frozen=True, eq=False)
class Segments:
    """S runs of frames of one sequence with the same label.

    Attributes:
        start: (S,) first frame.
        end: (S,) one past the last frame.
        label: (S,) code of the label.
        sequence: (S,) code of the sequence.
    """

    start: Codes
    end: Codes
    label: Codes
    sequence: Codes

    def __len__(self) -> int:
        return len(self.start)

    @property
    def of_frame(self) -> Codes:
        """(N,) segment of each frame."""
        return np.repeat(np.arange(len(self)), self.end - self.start)


def segments_of(labels: Codes, sequences: Codes) -> Segments:
    """The segments of frames in order, those of a sequence side by side.

    Args:
        labels: (N,) code of each frame's label.
        sequences: (N,) code of each frame's sequence.
    """
    changes = (np.diff(labels) != 0) | (np.diff(sequences) != 0)
    start = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
    end = np.concatenate([start[1:], [len(labels)]]).astype(np.int64)
    return Segments(start, end, labels[start], sequences[start])


def summed(values: NDArray[np.floating], segments: Segments) -> NDArray[np.floating]:
    """(S, ...) sums of (N, ...) values over the frames of each segment."""
    return np.add.reduceat(values, segments.start, axis=0)
