"""From arrays in memory (or in an .npz file) to rows, images or texts."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from chaffinch.core.array import to_numpy
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.option import listed
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Strings
from chaffinch.data.arrow import frame_of, is_arrow_table, series_of
from chaffinch.data.audio import AudioData
from chaffinch.data.column import Columns, few, need_name, read_groups, read_ids
from chaffinch.data.folder import of_files
from chaffinch.data.frame import Opened, open_features, open_frame, png_of
from chaffinch.data.image import ImageData
from chaffinch.data.series import SeriesData
from chaffinch.data.table import TableData
from chaffinch.data.text import TextData
from chaffinch.data.typed import column_of

SAMPLE_KEYS = ("x", "data", "images", "audio", "features", "x_train", "train_images")
"""Keys of the samples in an .npz file or a mapping, in upper or lower case."""

LABEL_KEYS = ("y", "label", "labels", "target", "targets", "y_train", "train_labels")
"""Keys of the labels in an .npz file or a mapping, in upper or lower case."""


RATE_KEYS = ("rate", "sampling_rate", "sample_rate", "sr")
"""Keys of the sampling rate in Hz, beside which samples are sounds, in upper or lower case."""


def open_pair(x: Any, y: Any, columns: Columns, source: str = "arrays in memory") -> Opened:
    """Open samples and their labels.

    Args:
        x: A DataFrame; a list of strings or of paths of images or sounds; or an array or tensor:
            (N, I) is a table with the columns x0, x1...; (N, H, W), (N, H, W, C), (N, C, H, W) are
            images; floats (N, T, F) that are no brightness, and arrays (T, F) of different T, are
            series.
        y: (N,) or (N, 1) labels.
        columns: The id and text columns of a DataFrame; other samples have none.
        source: Where the data came from, for people.

    Raises:
        InputError: Different lengths, NaN or infinite values, another shape, or any reason for
            which labels or samples are refused.
    """
    labels = Labels.of(_labels(y), f"the labels of {source}", allow_missing=True)
    if is_arrow_table(x):
        x = frame_of(x)
    if isinstance(x, pd.DataFrame):
        return _open_frame_x(x, labels, columns, source)
    as_series = columns.series is not None
    replace(columns, series=None).refuse(source)
    return _open_samples(x, labels, None, source, as_series)


def open_mapping(arrays: Mapping[str, Any], columns: Columns, source: str) -> Opened:
    """Open a mapping: samples and labels under keys, or columns of a table.

    Raises:
        InputError: No key or several keys of samples or of labels, columns of different lengths,
            or any reason that `open_pair` or `open_frame` has.
    """
    keys = [str(key) for key in arrays]
    samples = [key for key in keys if key.lower() in SAMPLE_KEYS and key != columns.label]
    as_series = columns.series is not None
    if as_series and not samples:
        samples = [key for key in keys if key == columns.series]
    if (not samples or as_series) and keys and all(_ndim(arrays[key]) == 1 for key in keys):
        return open_frame(_to_frame(arrays, source), columns, source)
    if columns.text is not None:
        Columns(text=columns.text).refuse(source)
    x = _one(keys, samples, SAMPLE_KEYS, "samples", source)
    if columns.label is not None:
        y = need_name(keys, columns.label, "label", source)
    else:
        found = [key for key in keys if key.lower() in LABEL_KEYS]
        y = _one(keys, found, LABEL_KEYS, "labels", source)
    ids = None
    if columns.id is not None:
        key = need_name(keys, columns.id, "id", source)
        ids = read_ids(pd.Series(to_numpy(arrays[key]).ravel()), key)
    labels = Labels.of(_labels(arrays[y]), f"{y!r} of {source}", allow_missing=True)
    rates = [key for key in keys if key.lower() in RATE_KEYS and key != x]
    if rates:
        opened: Opened = _open_waves(arrays[x], arrays[rates[0]], labels, ids, source)
    else:
        opened = _open_samples(arrays[x], labels, ids, source, as_series)
    if columns.group is None:
        return opened
    key = need_name(keys, columns.group, "group", source)
    groups = SampleGroups.of(_labels(arrays[key]), key)
    _check_length(len(groups), labels, source)
    return replace(opened, groups=groups)


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz file.

    Raises:
        InputError: A damaged file, or one with pickled objects in it.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            "an .npz file of plain arrays",
            f"{path.name} ({reason})",
            "Save numbers and strings with numpy.savez; pickled objects are not loaded",
        ) from error


def _open_frame_x(x: pd.DataFrame, labels: Labels, columns: Columns, source: str) -> Opened:
    if columns.label is not None:
        Columns(label=columns.label).refuse(f"labels in {source}")
    ids = None
    _check_length(len(x), labels, source)
    if columns.id is not None:
        x = x.set_axis([str(column) for column in x.columns], axis=1)
        name = need_name(list(x.columns), columns.id, "id", source)
        ids, x = read_ids(x[name], name), x.drop(columns=[name])
    if columns.group is None:
        return open_features(x, labels, ids, columns.text, source)
    x = x.set_axis([str(column) for column in x.columns], axis=1)
    groups, features = read_groups(x, columns.group, None, source), x.drop(columns=columns.group)
    return replace(open_features(features, labels, ids, columns.text, source), groups=groups)


def _open_samples(
    x: Any, labels: Labels, ids: Strings | None, source: str, as_series: bool = False
) -> Opened:
    if as_series or _differ_in_length(x):
        return SeriesData.of(_each(x), labels, ids=ids, source=source)
    if isinstance(x, list | tuple) and len(x) and all(isinstance(one, Path) for one in x):
        _check_length(len(x), labels, source)
        return of_files(x, labels, ids=ids, source=source)
    if isinstance(x, list | tuple) and len(x) and isinstance(x[0], Image.Image):
        _check_length(len(x), labels, source)
        # Anything else holds no image: it becomes one of the faults.
        files = [png_of(one) if isinstance(one, Image.Image) else b"" for one in x]
        return ImageData.of_files(files, labels, ids=ids, source=source)
    column = series_of(x)
    masked = isinstance(x, np.ma.MaskedArray)
    try:
        array = to_numpy(x if column is None else column)
    except InputError:
        raise
    except ValueError as error:  # rows of different lengths
        raise InputError(
            f"samples of one shape in {source}", str(error).rstrip("."), "Pad or resize them"
        ) from error
    _check_length(len(array) if array.ndim else 0, labels, source)
    if array.ndim == 1 and _is_text(array):
        return TextData.of(array.tolist(), labels, ids=ids, source=source)
    if array.ndim == 2:
        names = [f"x{i}" for i in range(array.shape[1])]
        if array.dtype == object:
            columns = zip(names, array.T.tolist(), strict=True)
            frame = pd.DataFrame({name: column_of(cells) for name, cells in columns})
        else:
            frame = pd.DataFrame(array, columns=names)
        lacking = masked or array.dtype == object
        return TableData.of(frame, labels, ids=ids, source=source, may_lack_cells=lacking)
    if array.ndim == 3 and masked and array.dtype.kind == "f" and _is_no_image(array):
        return SeriesData.of(list(np.ma.filled(x, np.nan)), labels, ids=ids, source=source)
    if array.ndim in (3, 4) and masked and np.ma.getmaskarray(x).any():
        raise InputError(
            f"images without masked pixels in {source}",
            f"{int(np.ma.getmaskarray(x).sum())} masked ones",
            "Fill them in (x.filled(value)) or leave those images out",
        )
    if array.ndim == 3 and _is_no_image(array):
        return SeriesData.of(list(array), labels, ids=ids, source=source)
    if array.ndim in (3, 4):
        return ImageData.of_arrays(array, labels, ids=ids, source=source)
    raise InputError(
        f"a table (N, I), images (N, H, W) or with channels, or a list of strings in {source}",
        f"an array of shape {array.shape} and type {array.dtype}",
        "Reshape it (one column: X.reshape(-1, 1)), or pass a torch Dataset",
    )


def _open_waves(x: Any, rate: Any, labels: Labels, ids: Strings | None, source: str) -> AudioData:
    rates = np.asarray(rate)
    known = rates.item() if rates.size == 1 else rates.tolist()
    waves = list(x) if isinstance(x, list | tuple) else list(to_numpy(x))
    return AudioData.of_waves(waves, known, labels, ids=ids, source=source)


def _each(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return x
    array = to_numpy(x)
    return array[None] if array.ndim == 0 else array


def _differ_in_length(x: Any) -> bool:
    """Whether samples are arrays (T, F), or lists of numbers, of which only T differs."""
    if not isinstance(x, list | tuple) or not all(isinstance(one, np.ndarray) for one in x):
        return False
    shapes = {one.shape for one in x}
    tails = {shape[1:] for shape in shapes}
    return len(shapes) > 1 and len(tails) == 1 and {len(shape) for shape in shapes} <= {1, 2}


def _is_no_image(array: NDArray[Any]) -> bool:
    """Whether numbers of shape (N, T, F) cannot be brightness: below 0, above 255, or missing."""
    if array.dtype.kind != "f" or not array.size:
        return False
    known = array[np.isfinite(array)]
    return bool(known.size) and bool(known.min() < 0 or known.max() > 255)


def _is_text(array: NDArray[Any]) -> bool:
    if array.dtype.kind == "U":
        return True
    values = [value for value in array.tolist() if not _is_missing(value)]
    return array.dtype == object and bool(values) and all(isinstance(v, str) for v in values)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _labels(y: Any) -> Any:
    if isinstance(y, pd.Series):
        return y
    column = series_of(y)
    if column is not None:
        return column
    if is_arrow_table(y):
        y = frame_of(y)
    try:
        array = y.to_numpy() if isinstance(y, pd.DataFrame) else to_numpy(y)
    except ValueError:  # lists of several labels, of different lengths, which `Labels` refuses
        return pd.Series(listed("a list of labels", y), dtype=object)
    if array.ndim == 1 and isinstance(y, list | tuple) and array.dtype.kind in "US":
        return pd.Series(list(y), dtype=object)  # numpy makes text of mixed lists
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _ndim(values: Any) -> int:
    return 1 if series_of(values) is not None else np.ndim(values)


def _to_frame(arrays: Mapping[str, Any], source: str) -> pd.DataFrame:
    lengths = {key: len(values) for key, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{key!r} with {length}" for key, length in list(lengths.items())[:12])
        raise InputError(f"columns of one length in {source}", listed, "Align them")
    return pd.DataFrame({key: _column(values) for key, values in arrays.items()})


def _column(values: Any) -> Any:
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    column = series_of(values)
    return to_numpy(values) if column is None else column


def _one(keys: list[str], found: list[str], known: tuple[str, ...], what: str, source: str) -> str:
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"one key of {what} in {source} (one of {', '.join(known)})",
        f"{few(found)}" if found else f"the keys {few(keys)}",
        "Rename the key, or name that of the labels with label=",
    )


def _check_length(length: int, labels: Labels, source: str) -> None:
    if length != len(labels):
        raise InputError(
            f"as many samples as labels in {source}",
            f"{length} samples and {len(labels)} labels",
            "Pass samples and labels of the same samples",
        )
