"""The entry: look at a data set, without a model and without a training, for what is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.checks.opening import Opened, Wanted, gather, open_one
from chaffinch.checks.registry import CHECKS
from chaffinch.checks.result import CheckResult, result_of
from chaffinch.checks.subject import Subject
from chaffinch.core.errors import InputError


def check(
    data: Any,
    label: str | None = None,
    splits: Any = None,
    seed: int = 0,
    *,
    id_column: str | None = None,
    text_column: str | None = None,
    series: str | bool | None = None,
    max_pixels: int | None = None,
) -> CheckResult:
    """Look at a data set itself for what is wrong: no model is trained, and labels are optional.

    Args:
        data: What `chaffinch.open_data` takes; tables, arrays and folders of images or sounds
            without labels too. Or a mapping of several such data sets by the name of their split.
        label: Column of the labels; by default the only one of the usual names, if there is one.
        splits: A column of `data` that names the split of each row (by default a column ``split``
            of words such as train and test); or further data sets by name, beside which `data` is
            "train"; or a list of paths below `data`, or beside it, of which each is a split.
        seed: Decides every random choice.
        id_column: As for `chaffinch.scan`.
        text_column: As for `chaffinch.scan`; "none" for a table.
        series: As for `chaffinch.scan`.
        max_pixels: As for `chaffinch.scan`.

    Returns:
        The issues, and a table with one row a sample.

    Raises:
        InputError: Data that cannot be read, or splits that are not there or of different kinds.
    """
    column = splits if isinstance(splits, str) else None
    long = None if series is None or series is False else str(series)
    wanted = Wanted(label, id_column, text_column, column, max_pixels, long)
    parts = {name: open_one(part, wanted) for name, part in _parts(data, splits).items()}
    if column is not None:
        _need_split(parts, column)
    subject = gather(parts, seed)
    if not len(subject):
        raise InputError("at least one sample", "none", "Check the data")
    return check_subject(subject)


def check_subject(subject: Subject) -> CheckResult:
    """Run all checks for which the data have what they need."""
    chosen = [one for _, one in CHECKS.items() if one.runs_on(subject)]
    found = [(one, one.function(subject)) for one in chosen]
    table = pd.DataFrame({"id": subject.ids, "row": subject.rows, "source": subject.sources})
    if subject.split is not None:
        names = np.asarray([*subject.split_names, ""], dtype=object)
        table["split"] = names[subject.split]
    return result_of(found, table, subject.notes)


def named_splits(text: str, data: str) -> Any:
    """What a text of the command line means: a column, or paths with commas between.

    Args:
        text: A name, a path, or several with commas between; also as ``NAME=PATH``.
        data: The path of the data.
    """
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise InputError("a column or paths for --splits", repr(text), "Name at least one")
    if all("=" in item for item in items):
        return dict(item.split("=", 1) for item in items)
    (first, *others) = items
    if others or Path(first).exists() or (Path(data) / first).exists():
        return items
    return first


def _parts(data: Any, splits: Any) -> dict[str, Any]:
    """The data sets by name of their split."""
    if isinstance(data, Mapping) and data and all(map(_is_set, data.values())):
        return {str(name): part for name, part in data.items()}
    if splits is None or isinstance(splits, str):
        return {"": data}
    if isinstance(splits, Mapping):
        own = "train" if "train" not in splits else "data"
        return {own: data, **{str(name): part for name, part in splits.items()}}
    return _below(data, list(splits))


def _is_set(part: Any) -> bool:
    """Whether a value of a mapping is itself a data set rather than a column or an array."""
    return (
        isinstance(part, pd.DataFrame | Path | tuple)
        or hasattr(part, "column_names")
        or hasattr(part, "digests")
        or (isinstance(part, str))
    )


def _below(data: Any, names: list[Any]) -> dict[str, Any]:
    """Splits by their paths: as they are, or names of what lies in the folder `data`."""
    root = Path(data) if isinstance(data, str | Path) else None
    found: dict[str, Any] = {}
    for name in names:
        place = Path(str(name)).expanduser()
        inside = [] if root is None or not root.is_dir() else sorted(root.glob(f"{place.name}.*"))
        if root is not None and root.is_dir() and (root / place).exists():
            found[str(name)] = root / place
        elif place.exists():
            found[str(name)] = place
        elif len(inside) == 1:
            found[str(name)] = inside[0]
        else:
            raise InputError(
                f"a split {str(name)!r}: a path, or a folder or file in {data}",
                "none there",
                "Name the column of the splits, or paths that exist",
            )
    inner = root is not None and any(root in Path(one).parents for one in found.values())
    return found if inner else {"train" if "train" not in found else "data": data, **found}


def _need_split(parts: Mapping[str, Opened], column: str) -> None:
    if any(part.split is None for part in parts.values()):
        raise InputError(
            f"data with columns for the split column {column!r}",
            "data without",
            "Pass the splits as data sets of their own: splits={'test': data}",
        )
