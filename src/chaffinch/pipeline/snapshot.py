"""From data to a `Snapshot`: the files that hold them, or files made of what is in memory."""

import io
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import numpy as np
import pandas as pd

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.data import (
    AudioData,
    ImageData,
    SeriesData,
    TableData,
    TensorData,
    TextData,
)
from chaffinch.data.file import is_url
from chaffinch.store.content import Contents, Source, describe
from chaffinch.store.version import Snapshot, rows_of


def location_of(data: Any) -> str | None:
    """Where data lie: an absolute path or a URL; None for data in memory."""
    if not isinstance(data, str | os.PathLike):
        return None
    path = os.fspath(data)
    return path if is_url(path) else os.path.abspath(Path(path).expanduser())


def snapshot(
    data: Dataset,
    location: str | None = None,
    rows: pd.DataFrame | None = None,
    **facts: str | None,
) -> Snapshot:
    """The state of the data, ready to be recorded.

    Args:
        data: The data.
        location: Where they lie, as `location_of` gives it. Data in memory are written as a
            Parquet file or as arrays, from which they can be restored.
        rows: Their rows, where they say more than the data themselves (weights).
        **facts: What else is to be recorded: parent, plan, run.
    """
    sources, folder = _in_memory(data) if location is None else _located(location, data)
    known = {
        "fingerprint": data.fingerprint,
        "source": data.source,
        "location": location,
        "modality": data.modality,
    }
    return Snapshot(rows_of(data) if rows is None else rows, sources, folder, {**known, **facts})


def files_of(location: str, data: Dataset | None = None) -> Contents:
    """Names, sizes and hashes of the files at a place, by which a version of them is found."""
    sources, folder = _located(location, data)
    return describe(sources, folder)


def _located(location: str, data: Dataset | None) -> tuple[list[Source], bool]:
    if is_url(location):
        return [Source(location.rsplit("/", 1)[-1], lambda: _remote(location))], False
    place = Path(location)
    if place.is_dir():
        files = sorted(path for path in place.rglob("*") if path.is_file())
        return [_file(path, place) for path in files if not _hidden(path, place)], True
    if not place.exists():
        raise InputError("a file or folder that exists", repr(location), "Check the path")
    beside = getattr(data, "files", None)
    if not beside:
        return [_file(place, place.parent)], False
    # A table that lists files: its folder is the root.
    # Absolute, so that the order of the files does not hang on the current folder.
    there = (Path(file).absolute() for file in beside if Path(file).is_file())
    paths = sorted({place.absolute(), *there})
    outside = [path for path in paths if not path.is_relative_to(place.parent)]
    if outside or any(".." in path.parts for path in paths):
        raise InputError(
            f"files below {place.parent}",
            f"some elsewhere, such as {str((outside or paths)[0])!r}",
            "Move them below the folder of the table",
        )
    return [_file(path, place.parent) for path in paths], True


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _file(path: Path, root: Path) -> Source:
    return Source(path.relative_to(root).as_posix(), lambda: path.open("rb"))


def _remote(url: str) -> BinaryIO:
    stream: BinaryIO = fsspec.open(url, "rb").open()
    return stream


def _in_memory(data: Dataset) -> tuple[list[Source], bool]:
    """Files that hold data which have none; the same data give the same bytes."""
    if isinstance(data, TableData):
        return [_made("data.parquet", lambda: _parquet(data, data.frame))], False
    if isinstance(data, TextData):
        texts = pd.DataFrame({"text": list(data.texts)})
        return [_made("data.parquet", lambda: _parquet(data, texts))], False
    array: Any = None
    if isinstance(data, AudioData):
        waves = [one for one in data.store if isinstance(one, tuple)]
        if len(waves) < len(data):
            return [], False
        rates = np.asarray([rate for _, rate in waves])
        return _in_one_row(data, [wave for wave, _ in waves], {"rate": rates}), True
    if isinstance(data, SeriesData):
        return _in_one_row(data, data.values, {}), True
    if isinstance(data, TensorData):
        array = data.x.numpy()
    elif isinstance(data, ImageData) and isinstance(data.store, np.ndarray):
        array = data.store
    if array is None:
        return [], False
    named = {"x": array, "y": _plain(data.labels.values), "id": data.ids}
    return [_made(f"{name}.npy", partial(_npy, part)) for name, part in named.items()], True


def _in_one_row(data: Dataset, parts: Sequence[Any], beside: dict[str, Any]) -> list[Source]:
    """Arrays of different lengths one after the other, with these lengths."""
    lengths = np.asarray([len(part) for part in parts])
    held = {"x": np.concatenate(parts), "length": lengths, "y": _plain(data.labels.values)}
    named = {**held, "id": data.ids, **beside}
    return [_made(f"{name}.npy", partial(_npy, part)) for name, part in named.items()]


def _made(name: str, content: Callable[[], bytes]) -> Source:
    return Source(name, lambda: io.BytesIO(content()))


def _parquet(data: Dataset, frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    labelled = frame.assign(chaffinch_id=data.ids, chaffinch_label=_plain(data.labels.values))
    labelled.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _plain(values: Any) -> Any:
    """Values of one type that a file can hold; mixed ones become text, missing ones empty text."""
    values = np.asarray(["" if one is None else one for one in values.tolist()], dtype=object)
    if len({type(value) for value in values.tolist()}) > 1:
        return np.asarray([str(value) for value in values])
    return np.asarray(values.tolist())
