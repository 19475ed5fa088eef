"""Data sets of the Hugging Face `datasets` library, known by their shape: it is not imported."""

from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.data.arrow import frame_of_arrow
from chaffinch.data.column import Columns
from chaffinch.data.frame import Opened, open_frame


def is_huggingface(data: Any) -> bool:
    """Whether the object is a `datasets.Dataset`."""
    return hasattr(data, "features") and hasattr(data, "column_names")


def is_split_mapping(data: Any) -> bool:
    """Whether the object is a `datasets.DatasetDict`."""
    return isinstance(data, dict) and bool(data) and all(map(is_huggingface, data.values()))


def refuse_splits(data: dict[str, Any]) -> InputError:
    """Make the error that asks for one split."""
    return InputError(
        "one split of a Hugging Face data set",
        f"all of them: {', '.join(map(repr, data))}",
        f"Pass one, such as data[{next(iter(data))!r}]",
    )


def open_huggingface(data: Any, columns: Columns) -> Opened:
    """Open a `datasets.Dataset`: class names become the labels, images and sounds are read lazily.

    Raises:
        InputError: A streamed data set, or any reason that `open_frame` has.
    """
    if not hasattr(data, "to_pandas") or not hasattr(data, "__len__"):
        raise InputError(
            "a Hugging Face data set in memory or on disk",
            f"a streamed {type(data).__name__}",
            "Load it without streaming=True",
        )
    features = dict(data.features)
    for name, feature in features.items():
        if type(feature).__name__ in ("Image", "Audio") and getattr(feature, "decode", True):
            data = data.cast_column(name, type(feature)(decode=False))
    frame: pd.DataFrame = data.to_pandas()
    _keep_digits(data, frame)
    for name, feature in features.items():
        if type(feature).__name__ == "ClassLabel":
            classes = list(feature.names)
            # -1 is the library's sign for a label that is not known.
            codes = frame[name].to_numpy(np.float64, na_value=-1).astype(np.int64)
            frame[name] = [classes[code] if code >= 0 else None for code in codes]
    return open_frame(frame, columns, "Hugging Face data set")


def _keep_digits(data: Any, frame: pd.DataFrame) -> None:
    """Put whole numbers back of which empty cells beside them made rounded floats."""
    rounded = [
        name
        for name, feature in data.features.items()
        if str(getattr(feature, "dtype", "")) in ("int64", "uint64")
        and getattr(frame[name].dtype, "kind", "") == "f"
    ]
    if rounded:
        whole = frame_of_arrow(data.select_columns(rounded).with_format("arrow")[:])
        for name in rounded:
            frame[name] = whole[name]
