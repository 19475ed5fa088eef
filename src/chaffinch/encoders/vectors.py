"""Vectors that were computed elsewhere: arrays, ``.npy``, ``.npz`` and ``.parquet`` files."""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats, Strings

SUFFIXES = (".npy", ".npz", ".parquet")

_VECTORS = ("embeddings", "embedding", "features", "vectors", "x")
_IDS = ("id", "ids", "key", "keys")


@dataclass(frozen=True, eq=False)
class Vectors:
    """(R, K) vectors, by row or by id.

    Attributes:
        values: (R, K) float32, all finite.
        source: Where they came from, for people.
        ids: (R,) what they belong to; None where the rows of the data do, in their order.
    """

    values: Floats
    source: str
    ids: Strings | None = None

    @classmethod
    def of(cls, values: Any, source: str, ids: Any = None) -> "Vectors":
        """Check vectors.

        Args:
            values: (R, K) numbers.
            source: Where they came from, for people.
            ids: (R,) what they belong to.

        Raises:
            InputError: Another shape, NaN or infinite values, or ids that repeat.
        """
        try:
            array = np.asarray(to_numpy(values), dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"vectors of numbers in {source}", str(error), "Give an array of shape (N, K)"
            ) from error
        if array.ndim != 2 or not array.size:
            raise InputError(
                f"vectors of shape (N, K) in {source}", f"shape {array.shape}", "One row a sample"
            )
        finite = np.isfinite(array).all(axis=1)
        if not finite.all():
            raise InputError(
                f"finite vectors in {source}",
                f"NaN, infinite or huge values in {int((~finite).sum()):,} rows, the first "
                f"{int(np.flatnonzero(~finite)[0])}",
                "Encode these samples again, or drop them from the data",
            )
        if ids is None:
            return cls(array, source)
        named = np.asarray([str(one) for one in np.asarray(ids).ravel()], dtype=np.str_)
        if len(named) != len(array) or len(set(named.tolist())) != len(named):
            raise InputError(
                f"a different id for each of {len(array):,} vectors in {source}",
                f"{len(named):,} ids, {len(set(named.tolist())):,} of them different",
                "Give one vector an id",
            )
        return cls(array, source, named)

    @property
    def digest(self) -> str:
        """Hash of values and ids."""
        hasher = hashlib.blake2b(np.ascontiguousarray(self.values).tobytes(), digest_size=16)
        hasher.update("\n".join(() if self.ids is None else self.ids.tolist()).encode())
        return hasher.hexdigest()

    def by_row(self, first: Strings, second: Strings | None = None) -> tuple["Vectors", "Vectors"]:
        """The vectors of the samples and of the validation samples, both by id.

        Args:
            first: (N,) ids of the samples.
            second: (M,) ids of the validation samples, whose vectors follow behind the first N.

        Raises:
            InputError: More or fewer vectors than samples.
        """
        if self.ids is not None:
            return self, self
        more = 0 if second is None else len(second)
        if len(self.values) != len(first) + more:
            behind = f" and, behind them, {more:,} validation samples" if more else ""
            raise InputError(
                f"a vector for each of {len(first):,} samples{behind} in {self.source}",
                f"{len(self.values):,} vectors",
                "Give them in the order of the data, or by id in a Parquet or .npz file",
            )
        rest = np.zeros(0, np.str_) if second is None else second
        own, other = self.values[: len(first)], self.values[len(first) :]
        return Vectors(own, self.source, first), Vectors(other, self.source, rest)

    def at(self, ids: Sequence[str] | Strings) -> Floats:
        """(n, K) vectors of n ids.

        Raises:
            InputError: An id without a vector.
        """
        place = {
            name: row for row, name in enumerate(() if self.ids is None else self.ids.tolist())
        }
        missing = [str(name) for name in ids if str(name) not in place]
        if missing:
            raise InputError(
                f"a vector for each sample in {self.source}",
                f"none for {len(missing):,} of {len(ids):,}, such as {missing[0]!r}",
                "Name the column of the same ids in the data with --id (id_column=)",
            )
        return self.values[[place[str(name)] for name in ids]]


def read_vectors(path: Path, id_column: str | None = None) -> Vectors:
    """Read vectors from a file.

    Args:
        path: ``.npy``: (N, K) by row. ``.npz``: the array embeddings, embedding, features, vectors
            or x, and where there is one ids or id. ``.parquet``: one column of lists, or columns of
            numbers, and where there is one a column of ids.
        id_column: Name of the ids, if it is not id or ids.

    Raises:
        InputError: A file that cannot be read, or that holds something else.
    """
    if not path.is_file():
        raise InputError(f"a file of vectors at {path}", "none", "Check --encoder")
    try:
        if path.suffix == ".parquet":
            return _of_frame(pd.read_parquet(path), path.name, id_column)
        with path.open("rb") as file:  # np.load leaves its own open where it fails
            loaded = np.load(file, allow_pickle=False)
            arrays = None if path.suffix == ".npy" else dict(loaded)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"vectors in {path.name}",
            " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__,
            "Save plain numbers with numpy.save, or a table with to_parquet",
        ) from error
    if arrays is None:
        return Vectors.of(loaded, path.name)
    return _of_arrays(arrays, path.name, id_column)


def _of_arrays(arrays: dict[str, Any], source: str, id_column: str | None) -> Vectors:
    lower = {name.lower(): name for name in arrays}
    found = [lower[name] for name in _VECTORS if name in lower]
    found = found or [name for name, array in arrays.items() if array.ndim == 2]
    if len(found) != 1:
        raise InputError(
            f"one array of vectors in {source}, such as 'embeddings'",
            ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "no array",
            "Save it as numpy.savez(file, embeddings=..., ids=...)",
        )
    names = [id_column] if id_column is not None and id_column in arrays else []
    names += [lower[name] for name in _IDS if name in lower]
    return Vectors.of(arrays[found[0]], source, arrays[names[0]] if names else None)


def _of_frame(frame: pd.DataFrame, source: str, id_column: str | None) -> Vectors:
    frame = frame.rename(columns=str)
    names = [id_column] if id_column is not None and id_column in frame else []
    names += [name for name in frame.columns if name.lower() in _IDS]
    ids = frame[names[0]].tolist() if names else None
    rest = frame.drop(columns=names)
    lists = [name for name in rest.columns if rest[name].dtype == object]
    if len(lists) == 1 and rest[lists[0]].map(np.ndim).eq(1).all():
        lengths = rest[lists[0]].map(len)
        if lengths.nunique() != 1:
            raise InputError(
                f"vectors of one length in {lists[0]!r} of {source}",
                f"lengths from {lengths.min()} to {lengths.max()}",
                "Encode all samples by the same encoder",
            )
        return Vectors.of(np.stack(rest[lists[0]].tolist()), source, ids)
    if not len(rest.columns) or not all(pd.api.types.is_numeric_dtype(one) for one in rest.dtypes):
        words = [
            str(name) for name in rest.columns if not pd.api.types.is_numeric_dtype(rest[name])
        ]
        raise InputError(
            f"columns of numbers or one of lists in {source}, beside the ids",
            f"others: {', '.join(words[:5]) or 'no column'}",
            "Keep the ids in a column 'id' and the vectors in the others",
        )
    return Vectors.of(rest.to_numpy(np.float32, na_value=np.nan), source, ids)
