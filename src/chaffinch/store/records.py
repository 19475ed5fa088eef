"""The records of a task in a run folder: one .npy file each, and a list of them written last."""

import json
from pathlib import Path

import numpy as np

from chaffinch.core.errors import RunError
from chaffinch.core.parsing import parse_json
from chaffinch.core.records import Records
from chaffinch.store.run import write_text

INDEX = "records.json"


def save_records(records: Records, folder: Path) -> None:
    """Write records into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in records.arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    axes = {name: list(records.axes[name]) for name in records.arrays}
    write_text(folder / INDEX, json.dumps({"ids": records.ids.tolist(), "axes": axes}) + "\n")


def load_records(folder: Path) -> Records:
    """Read them back, memory-mapped.

    Raises:
        RunError: They are missing or damaged.
    """
    try:
        index = parse_json((folder / INDEX).read_text("utf-8"))
        axes = {str(name): tuple(letters) for name, letters in index["axes"].items()}
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in axes}
        return Records(np.asarray(index["ids"], dtype=np.str_), arrays, axes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"records in {folder}",
            str(error) or type(error).__name__,
            "Scan again with --overwrite",
        ) from error
