"""Records on disk: one file a record that grows by an epoch, whole after every epoch."""

import io
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.parsing import parse_json

_ROOM = 2**20


@lru_cache(maxsize=16)  # all records of an epoch but one have the same
def _header(epochs: int, shape: tuple[int, ...]) -> bytes:
    """The beginning of a ``.npy`` file, as long for any number of epochs."""
    file = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (epochs, *shape)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


class GrowingArray:
    """An array (E, ...) of float32 in a ``.npy`` file to which epochs are added.

    The values of an epoch are written first, then the header that counts them: whoever reads the
    file after a crash finds whole epochs only.

    Args:
        path: The file.
        shape: The shape of one epoch.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path = path
        self.shape = shape
        self._epochs: int | None = None  # as this object wrote them
        self._start = 0

    def __len__(self) -> int:
        return 0 if not self.path.is_file() else int(self.open().shape[0])

    def open(self) -> NDArray[np.float32]:
        """(E, ...) the epochs so far, memory-mapped.

        Raises:
            RunError: The file is damaged or holds something else.
        """
        if not self.path.is_file():
            return np.empty((0, *self.shape), np.float32)
        try:
            with self.path.open("rb") as file:
                empty = self._read_length(file) == 0
            found = np.load(self.path, mmap_mode=None if empty else "c")
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(str(error)) from error
        if found.shape[1:] != self.shape or found.dtype != np.float32:
            raise self._damaged(f"{found.dtype} {found.shape}")
        kept: NDArray[np.float32] = found
        return kept

    def append(self, values: NDArray[Any]) -> None:
        """Add one epoch of values.

        Raises:
            InputError: The disk is full.
        """
        rows = np.ascontiguousarray(values, dtype="<f4")
        if self._epochs is None or not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.truncate(len(self))
        self._reserve(rows.nbytes)
        epochs = self._epochs or 0
        with self.path.open("r+b", buffering=0) as file:
            file.seek(self._start + epochs * rows.nbytes)
            file.truncate()  # of what a crash left after the last whole epoch
            left = rows.data.cast("B")
            while left:
                left = left[file.write(left) :]
            file.seek(0)
            file.write(_header(epochs + 1, self.shape))
        self._epochs = epochs + 1

    def truncate(self, epochs: int) -> None:
        """Keep the first ``epochs`` only."""
        if not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        header = _header(epochs, self.shape)
        with self.path.open("r+b") as file:
            file.write(header)
        self._start, self._epochs = len(header), epochs

    def _read_length(self, file: Any) -> int:
        np.lib.format.read_magic(file)
        return int(np.lib.format.read_array_header_1_0(file)[0][0])

    def _reserve(self, size: int) -> None:
        stat = os.statvfs(self.path.parent)
        free = stat.f_bavail * stat.f_frsize
        if free < size + _ROOM:
            raise InputError(
                f"{size / 2**20:.0f} MiB of free disk for {self.path}",
                f"{free / 2**20:.0f} MiB",
                "Free some space or watch with another out=; load your checkpoint to go on",
            )

    def _damaged(self, got: str) -> RunError:
        return RunError(
            f"a record (E, {', '.join(map(str, self.shape))}) of float32 in {self.path}",
            got,
            "It belongs to another run or was damaged; watch with another out=",
        )


class Archive:
    """The records and decisions of one watch in a folder.

    Args:
        path: The folder: ``records/NAME.npy`` (E, ...) and ``decisions.jsonl``.
        num_samples: N.
    """

    def __init__(self, path: Path, num_samples: int) -> None:
        self.path = path
        self._num_samples = num_samples
        self._growing: dict[str, GrowingArray] = {}

    def record(self, name: str, width: int | None = None) -> GrowingArray:
        """The record ``name``, (E, N), or (E, N, width)."""
        shape = (self._num_samples,) if width is None else (self._num_samples, width)
        return GrowingArray(self.path / "records" / f"{name}.npy", shape)

    def open_folder(self) -> None:
        """Make the folder of the records, before there is anything to lose.

        Raises:
            InputError: That is not possible there.
        """
        try:
            (self.path / "records").mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # the latter of a path with a zero byte
            raise InputError(
                f"a folder that can be written at {self.path}",
                getattr(error, "strerror", None) or str(error),
                "Watch with another out=",
            ) from error

    def append(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Add one epoch: of each record (N,) or (N, C), or any other shape."""
        for name, rows in values.items():
            file = self._growing.get(name)
            if file is None:
                file = GrowingArray(self.path / "records" / f"{name}.npy", rows.shape)
                self._growing[name] = file
            file.append(rows)

    def truncate(self, epochs: int) -> None:
        """Forget all epochs but the first ``epochs``, and decisions made since.

        Raises:
            RunError: There are fewer.
        """
        self._growing = {}
        for file in sorted((self.path / "records").glob("*.npy")):
            shape = _shape(file)
            if shape[0] < epochs:
                raise RunError(
                    f"at least {epochs} epochs in {file}",
                    f"{shape[0]}",
                    "The folder is not the one that the checkpoint was written with",
                )
            GrowingArray(file, shape[1:]).truncate(epochs)
        kept = [line for line in self.decisions() if line["epoch"] < epochs]
        self.rewrite(kept)

    def dump(self) -> dict[str, Any]:
        """All records as tensors, and the decisions: what a checkpoint without a folder needs."""
        files = sorted((self.path / "records").glob("*.npy"))
        records = {file.stem: torch.from_numpy(_read(file)) for file in files}
        return {"records": records, "decisions": json.dumps(self.decisions())}

    def restore(self, dumped: Mapping[str, Any]) -> None:
        """Write what `dump` gave, in place of what is there."""
        self._growing = {}
        for name, values in dumped["records"].items():
            file = GrowingArray(self.path / "records" / f"{name}.npy", tuple(values.shape[1:]))
            file.truncate(0)
            for rows in values.numpy():
                file.append(rows)
        self.rewrite(parse_json(dumped["decisions"]))

    def decide(self, line: Mapping[str, Any]) -> None:
        """Add a line to the log of decisions."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def decisions(self) -> list[dict[str, Any]]:
        """The log of decisions; a line cut off by a crash is left out."""
        if not self._log.is_file():
            return []
        text = self._log.read_text("utf-8")
        return [parse_json(line) for line in text.split("\n")[:-1] if line]

    def rewrite(self, lines: list[dict[str, Any]]) -> None:
        """Replace the log of decisions."""
        if not lines and not self._log.is_file():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self._log.with_suffix(".draft")
        draft.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        os.replace(draft, self._log)

    @property
    def _log(self) -> Path:
        return self.path / "decisions.jsonl"


def _shape(file: Path) -> tuple[int, ...]:
    with file.open("rb") as opened:
        np.lib.format.read_magic(opened)
        return tuple(np.lib.format.read_array_header_1_0(opened)[0])


def _read(file: Path) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.load(file)
    return values
