"""Evidence on disk: one ``.npy`` a record, memory-mapped when it is read.

A folder may be half-written (training is going on); it is whole once ``evidence.json`` is there.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.durable import replace, sync
from chaffinch.core.errors import InputError, RunError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.parsing import parse_json
from chaffinch.core.sample_groups import SampleGroups

LOG = logging.getLogger("chaffinch")

_MANIFEST = "evidence.json"
_SAMPLES = "samples.parquet"
_CLASSES = "classes.parquet"


class EvidenceFolder:
    """Reads and writes the evidence of one run.

    Args:
        path: The folder; made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def whole(self) -> bool:
        """Whether everything was written."""
        return (self.path / _MANIFEST).is_file()

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Open the float32 record ``name`` for writing; what was written before is kept.

        An existing file of another shape is replaced, and a new one is filled with zeros.

        Raises:
            InputError: The disk is full.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / f"{name}.npy"
        if self.holds(name, shape):
            kept: NDArray[np.float32] = np.load(file, mmap_mode="r+")
            return kept
        self._reserve(name, 4 * int(np.prod(shape)))
        return np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)

    def holds(self, name: str, shape: tuple[int | None, ...]) -> bool:
        """Whether the record ``name`` is on disk, whole and of this shape (None: any length)."""
        file = self.path / f"{name}.npy"
        try:
            array = np.load(file, mmap_mode="r")
            found, kind = tuple(array.shape), array.dtype
        except FileNotFoundError:
            return False
        except Exception as error:  # on arbitrary bytes NumPy lets any error through
            LOG.warning("%s is damaged and is made again (%s)", file, " ".join(str(error).split()))
            return False
        pairs = zip(found, shape, strict=False)
        fits = len(found) == len(shape) and all(want in (None, got) for got, want in pairs)
        return fits and kind == np.float32

    def open(self, name: str) -> NDArray[np.float32]:
        """Open the record ``name`` for reading, memory-mapped."""
        array: NDArray[np.float32] = np.load(self.path / f"{name}.npy", mmap_mode="c")
        return array

    def _reserve(self, name: str, size: int) -> None:
        """Refuse early: writing to a memory map on a full disk kills the process."""
        stat = os.statvfs(self.path)
        free = stat.f_bavail * stat.f_frsize
        if free < size + 2**20:
            raise InputError(
                f"{size / 2**20:.0f} MiB of free disk for the record {name!r} in {self.path}",
                f"{free / 2**20:.0f} MiB",
                "Free some space or choose another --out, then start again: the scan resumes",
            )

    def finish(self, evidence: Evidence) -> None:
        """Write what is not on disk yet and the manifest that makes the folder whole."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name, array in evidence.records.items():
            file = self.path / f"{name}.npy"
            if isinstance(array, np.memmap):
                array.flush()
                sync(file)
                continue
            self._reserve(name, array.nbytes)
            draft = file.with_suffix(".draft.npy")
            np.save(draft, array)
            replace(draft, file)
        samples = {"id": evidence.ids, "label": evidence.labels.codes}
        groups = evidence.groups
        if groups is not None:
            samples["group"] = groups.codes
        pd.DataFrame(samples).to_parquet(self.path / _SAMPLES)
        pd.DataFrame({"label": _storable(evidence.labels)}).to_parquet(self.path / _CLASSES)
        for name in (_SAMPLES, _CLASSES):
            sync(self.path / name)
        manifest: dict[str, Any] = {
            "records": {name: list(array.shape) for name, array in evidence.records.items()},
            "bias": evidence.bias,
        }
        if groups is not None:
            manifest["groups"] = {"column": groups.column, "names": groups.names}
        draft = self.path / (_MANIFEST + ".draft")
        draft.write_text(json.dumps(manifest, indent=1), "utf-8")
        replace(draft, self.path / _MANIFEST)

    def load(self) -> Evidence:
        """Read the evidence; records are memory-mapped, not copied.

        Raises:
            RunError: The folder is not whole or a record is damaged.
        """
        if not self.whole:
            raise RunError(
                f"evidence in {self.path}",
                "none that is whole",
                "Scan again; an interrupted scan resumes",
            )
        try:
            manifest = parse_json((self.path / _MANIFEST).read_text("utf-8"))
            shapes, bias = dict(manifest["records"]), bool(manifest["bias"])
            told = dict(manifest.get("groups") or {})
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(_MANIFEST, str(error)) from error
        records = {}
        for name, shape in shapes.items():
            file = self.path / f"{name}.npy"
            try:
                # Copy on write: as good as read-only, and torch takes it without a copy.
                records[name] = np.load(file, mmap_mode="c")
                found = list(records[name].shape)
            except (OSError, ValueError, EOFError) as error:
                found = [str(error)]
            if found != shape:
                raise self._damaged(f"{file.name} of shape {shape}", str(found))
        samples = self._table(_SAMPLES)
        classes = self._table(_CLASSES)["label"].to_numpy()
        labels = Labels(samples["label"].to_numpy(np.int64), classes)
        ids = samples["id"].to_numpy().astype(np.str_)
        groups = None
        if told:
            codes = samples["group"].to_numpy(np.int64)
            groups = SampleGroups(codes, tuple(told["names"]), told["column"])
        return Evidence(ids, labels, bias=bias, groups=groups, **records)

    def _table(self, name: str) -> pd.DataFrame:
        try:
            return pd.read_parquet(self.path / name)
        except (OSError, ValueError) as error:
            raise self._damaged(name, str(error)) from error

    def _damaged(self, expected: str, got: str) -> RunError:
        remedy = "The file was damaged; scan again with --overwrite"
        return RunError(f"{expected} in {self.path}", got, remedy)


def _storable(labels: Labels) -> NDArray[Any]:
    """Class values as one type that a file can hold; mixed ones become text."""
    mixed = len({type(value) for value in labels.classes.tolist()}) > 1
    return np.asarray(labels.names, dtype=object) if mixed else labels.classes
