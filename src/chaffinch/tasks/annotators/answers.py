"""Answers of several annotators, from long and wide tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from chaffinch.core.errors import InputError
from chaffinch.core.types import Codes, Floats

_SAMPLE = ("sample", "sample_id", "item", "item_id", "question", "task", "row", "id")
_ANNOTATOR = ("annotator", "annotator_id", "worker", "worker_id", "rater", "labeler", "performer")
_LABEL = ("label", "answer", "response", "rating", "class")


@dataclass(frozen=True, eq=False)
class Answers:
    """A answers of W annotators to N samples, classes out of C.

    Attributes:
        sample: (A,) position of the sample, 0 to N - 1.
        annotator: (A,) position of the annotator, 0 to W - 1.
        label: (A,) position of the class, 0 to C - 1.
        samples: N ids, in the order of their first answer (wide tables: of the rows).
        annotators: W names.
        classes: C classes, sorted.
    """

    sample: Codes
    annotator: Codes
    label: Codes
    samples: tuple[Any, ...]
    annotators: tuple[Any, ...]
    classes: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, W and C."""
        return len(self.samples), len(self.annotators), len(self.classes)

    def votes(self) -> Floats:
        """(N, C) how often each sample was given each class."""
        N, _, C = self.shape
        counted = np.bincount(self.sample * C + self.label, minlength=N * C)
        return counted.reshape(N, C).astype(np.float64)

    def given(self) -> csr_matrix:
        """(N, W * C) sparse 0/1 matrix: who gave which class to which sample."""
        N, W, C = self.shape
        ones = np.ones(len(self.label))
        columns = self.annotator * C + self.label
        return csr_matrix((ones, (self.sample, columns)), shape=(N, W * C))


def read_answers(
    answers: Any,
    *,
    sample: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
) -> Answers:
    """Read answers from a long table, a wide table or an array.

    Args:
        answers: A DataFrame or a CSV or Parquet file: long, one row an answer, or wide, one row a
            sample and one column an annotator; or an (N, W) array, NaN or None where there is no
            answer.
        sample: Column of the sample ids. By default a usual name (``sample``, ``item``,
            ``question``, ``task``, ``id``); in a wide table without one, the index.
        annotator: Column of the annotators, in a long table (``annotator``, ``worker``, ...).
        label: Column of the answers, in a long table (``label``, ``answer``, ...).

    Raises:
        InputError: A column is missing, no answer is left, or an annotator answered a sample
            twice.
    """
    if isinstance(answers, Answers):
        return answers
    table = _table(answers)
    named = [("sample", sample), ("annotator", annotator), ("label", label)]
    for role, name in named:
        if name is not None and name not in table:
            raise InputError(
                f"a column {name!r} for the {role}",
                f"columns {', '.join(map(str, table.columns[:20]))}",
                "Name a column that exists",
            )
    sample = sample or _usual(table, _SAMPLE)
    long = annotator is not None or label is not None
    annotator = annotator or _usual(table, _ANNOTATOR)
    label = label or _usual(table, _LABEL)
    if annotator is not None and label is not None and sample is not None:
        return _from_long(table[[sample, annotator, label]].to_numpy(object))
    if long:
        raise InputError(
            "the columns of samples, annotators and answers",
            f"columns {', '.join(map(str, table.columns[:20]))}",
            "Name all three by sample=, annotator= and label=",
        )
    return _from_wide(table if sample is None else table.set_index(sample))


def read_features(path: str | Path) -> pd.DataFrame:
    """Features of samples from a CSV or Parquet file whose first column are their ids.

    Raises:
        InputError: There is no such file, or it is no table.
    """
    table = _file(Path(path))
    return table.set_index(table.columns[0])


def _file(place: Path) -> pd.DataFrame:
    if not place.is_file():
        raise InputError("a CSV or Parquet file", f"no file {place}", "Check the path")
    try:
        return pd.read_parquet(place) if place.suffix == ".parquet" else pd.read_csv(place)
    except (ValueError, OSError) as error:  # pandas' and pyarrow's own errors are of these
        raise InputError("a CSV or Parquet file", f"{place}: {error}", "Check the file") from None


def _table(answers: Any) -> pd.DataFrame:
    if isinstance(answers, str | Path):
        return _file(Path(answers))
    if isinstance(answers, pd.DataFrame):
        return answers
    if isinstance(answers, np.ndarray | Sequence):
        values = np.asarray(answers)
        if values.ndim == 2:
            return pd.DataFrame(values)
    raise InputError(
        "a DataFrame, a CSV or Parquet file, or an (N, W) array",
        type(answers).__name__,
        "Give one row an answer, or one row a sample and one column an annotator",
    )


def _usual(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    by_name = {str(column).lower(): column for column in table.columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _from_long(cells: Any) -> Answers:
    cells = cells[~pd.isna(cells[:, 2])]
    if len(cells) == 0:
        raise InputError("at least one answer", "none", "Check the column of the answers")
    if pd.isna(cells[:, :2]).any():
        raise InputError(
            "a sample and an annotator for each answer",
            f"{int(pd.isna(cells[:, :2]).any(axis=1).sum())} rows without",
            "Fill or drop these rows",
        )
    sample, samples = pd.factorize(cells[:, 0])
    annotator, annotators = pd.factorize(cells[:, 1])
    return _checked(sample, annotator, cells[:, 2], tuple(samples), tuple(annotators))


def _from_wide(table: pd.DataFrame) -> Answers:
    if not table.index.is_unique:
        raise InputError("one row a sample", "an id twice", "Name the right column by sample=")
    cells = table.to_numpy(object)
    sample, annotator = np.nonzero(~pd.isna(cells))
    if len(sample) == 0:
        raise InputError("at least one answer", "none", "Give one column an annotator")
    given = cells[sample, annotator]
    return _checked(sample, annotator, given, tuple(table.index), tuple(table.columns))


def _checked(
    sample: Any, annotator: Any, given: Any, samples: tuple[Any, ...], annotators: tuple[Any, ...]
) -> Answers:
    pairs = sample.astype(np.int64) * len(annotators) + annotator
    if len(np.unique(pairs)) < len(pairs):
        raise InputError(
            "at most one answer of an annotator to a sample",
            f"{len(pairs) - len(np.unique(pairs))} more",
            "Drop the repeated answers, or name the right columns",
        )
    plain = [str(one) if isinstance(one, str) else one for one in given]
    if any(isinstance(one, float) for one in plain):  # a wide table with gaps turns 1 into 1.0
        plain = [int(x) if isinstance(x, float) and x == int(x) else x for x in plain]
    try:
        classes = sorted(set(plain))
    except TypeError:  # words and numbers mixed
        classes = sorted(set(plain), key=lambda one: (type(one).__name__, str(one)))
    place = {one: position for position, one in enumerate(classes)}
    label = np.array([place[one] for one in plain], np.int64)
    return Answers(
        np.asarray(sample, np.int64),
        np.asarray(annotator, np.int64),
        label,
        samples,
        annotators,
        tuple(classes),
    )
