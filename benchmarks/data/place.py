"""Where real data lie: a folder that is looked up, never shipped."""

import os
from pathlib import Path

from chaffinch.core.errors import InputError

VARIABLE = "CHAFFINCH_DATA"
_CHECKOUT = Path(__file__).resolve().parents[2]


def data_folder() -> Path | None:
    """The folder ``CHAFFINCH_DATA``, else ``../shared/data`` beside a checkout, or None."""
    named = os.environ.get(VARIABLE)
    if named:
        place = Path(named).expanduser()
        return place if place.is_dir() else None
    beside = _CHECKOUT.parent / "shared" / "data"
    return beside if (_CHECKOUT / "pyproject.toml").is_file() and beside.is_dir() else None


def need_file(name: str) -> Path:
    """The path of a data file.

    Args:
        name: Its path inside the data folder.

    Raises:
        InputError: No data folder, or no such file in it.
    """
    folder = data_folder()
    if folder is None or not (folder / name).is_file():
        raise InputError(
            f"real data with the file {name}",
            "no data folder" if folder is None else f"a folder {folder} without it",
            f"Set {VARIABLE} to the folder that holds it",
        )
    return folder / name
