"""Gradients on disk: one file a parameter, one row a sample; written so that a stop loses little.

The folder is whole once ``table.json`` says so. Until then the same work goes on where it stopped.
"""

import json
import logging
import mmap
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chaffinch.core.durable import replace
from chaffinch.core.errors import InputError, RunError
from chaffinch.core.parsing import parse_json
from chaffinch.gradients.rows import as_tensor, row_blocks
from chaffinch.influence.queries.layout import Layout

_LOG = logging.getLogger("chaffinch")

_STATE = "table.json"
_OWN = re.compile(r"[0-9]{4,}\.npy|moments-[0-9]+\.pt|table\.json(\.part)?")
_BLOCK_FLOATS = 1 << 24
"""Numbers that are read at once: 64 MiB."""


@final
class GradientTable:
    """The kept gradients of N samples, memory-mapped and read-only.

    Args:
        folder: What a `GradientWriter` wrote.

    Raises:
        RunError: The folder is not whole.
    """

    def __init__(self, folder: Path) -> None:
        state = read_state(folder)
        if not state.get("whole"):
            raise RunError(
                f"finished gradients in {folder}",
                f"{state.get('done', 0)} of {state.get('samples', '?')} samples",
                "Run the command again that was writing them; it goes on where it stopped",
            )
        self.folder = folder
        self.key = str(state["key"])
        self.layout = Layout.from_json(state["layout"])
        self._rows = {
            name: np.load(_file(folder, i), mmap_mode="r")
            for i, name in enumerate(self.layout.names)
        }
        self._count = int(state["samples"])

    def __len__(self) -> int:
        return self._count

    def rows(self, name: str, index: slice | NDArray[Any] = slice(None)) -> Tensor:
        """(n, K) of one parameter, float32, without a copy where ``index`` is a slice."""
        return as_tensor(self._rows[name][index])

    def blocks(self, name: str) -> Iterator[tuple[slice, Tensor]]:
        """All rows of one parameter, a bounded number at a time."""
        for where in row_blocks(len(self), self.layout.widths[name], _BLOCK_FLOATS):
            yield where, self.rows(name, where)
            _release(self._rows[name])

    def squared_norms(self, name: str) -> Tensor:
        """(N,) squared L2 norms by one parameter."""
        parts = [rows.square().sum(1) for _, rows in self.blocks(name)]
        return torch.cat(parts) if parts else torch.zeros(0)

    def moments(self) -> dict[str, Tensor]:
        """What was added up beside the rows, by name; empty if nothing was."""
        return read_moments(self.folder, self._count)


@final
class GradientWriter:
    """Gradients of N samples that are being written.

    Args:
        folder: Where; made if it is not there.
        layout: What is kept.
        samples: N.
        key: What the gradients depend on; a folder with another key is begun anew.

    Raises:
        InputError: Too little free disk, no folder can be made there, or one that holds other
            files would have to be replaced.
    """

    def __init__(self, folder: Path, layout: Layout, samples: int, key: str) -> None:
        self.folder, self._layout, self._samples, self._key = folder, layout, samples, key
        state = read_state(folder) if folder.is_dir() else {}
        fits = state.get("key") == key and state.get("layout") == _plain(layout.to_json())
        fits = fits and _readable(folder, layout, samples, state.get("done"))
        self.done = int(state["done"]) if fits else 0
        if not fits:
            _need_own(folder)
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            _reserve(folder, 4 * samples * sum(layout.widths.values()))
        self._rows = {
            name: np.load(_file(folder, i), mmap_mode="r+")
            if fits
            else np.lib.format.open_memmap(
                _file(folder, i), mode="w+", dtype=np.float32, shape=(samples, width)
            )
            for i, (name, width) in enumerate(layout.widths.items())
        }
        self.moments = read_moments(folder, self.done) if fits else {}
        if not fits:
            self.keep(0)

    def add(self, at: NDArray[np.int64], parts: Mapping[str, Tensor]) -> None:
        """Write the rows of the samples at the positions ``at``."""
        for name, values in parts.items():
            self._rows[name][at] = values.detach().float().cpu().numpy()

    def keep(self, done: int) -> None:
        """Put on disk that ``done`` samples are written, with what was added up so far."""
        for rows in self._rows.values():
            rows.flush()
            _release(rows)
        before = self.done
        if self.moments:
            # Named by their samples, so that sums and state never tell of different ones.
            torch.save(self.moments, _moments(self.folder, done))
        self._state(done, whole=False)
        if before != done:
            _moments(self.folder, before).unlink(missing_ok=True)

    def finish(self) -> GradientTable:
        """Say that the folder is whole, and open it."""
        self.keep(self._samples)
        self._state(self._samples, whole=True)
        return GradientTable(self.folder)

    def _state(self, done: int, whole: bool) -> None:
        content = {
            "key": self._key,
            "layout": self._layout.to_json(),
            "samples": self._samples,
            "done": done,
            "whole": whole,
        }
        part = self.folder / f"{_STATE}.part"
        part.write_text(json.dumps(content), "utf-8")
        replace(part, self.folder / _STATE)
        self.done = done


def read_state(folder: Path) -> dict[str, Any]:
    """What ``table.json`` says; empty if there is none or it cannot be read."""
    try:
        content = parse_json((folder / _STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_moments(folder: Path, done: int) -> dict[str, Tensor]:
    """Sums beside the rows of the first ``done`` samples; empty if there are none."""
    place = _moments(folder, done)
    found: dict[str, Tensor] = torch.load(place, weights_only=True) if place.is_file() else {}
    return found


def _need_own(folder: Path) -> None:
    """Refuse to delete files that no writer of gradients has made."""
    others = [one for one in folder.glob("*") if not _OWN.fullmatch(one.name)]
    if others:
        raise InputError(
            f"a folder for gradients at {folder}",
            f"one that holds other files, such as {others[0].name!r}",
            "Choose another --out",
        )


def _readable(folder: Path, layout: Layout, samples: int, done: object) -> bool:
    """Whether what an interrupted pass left can be gone on with; if not, that is said."""
    try:
        if not isinstance(done, int) or not 0 <= done <= samples:
            raise ValueError(f"{done!r} samples done")
        for number, width in enumerate(layout.widths.values()):
            shape = np.load(_file(folder, number), mmap_mode="r").shape
            if shape != (samples, width):
                raise ValueError(f"shape {shape}")
        read_moments(folder, done)
    except Exception as error:  # on arbitrary bytes NumPy and the unpickler let any through
        _LOG.warning("%s is damaged and is begun anew (%s)", folder, " ".join(str(error).split()))
        return False
    return True


def _release(rows: NDArray[Any]) -> None:
    """Give back the memory of what was read or flushed; the next look reads it again.

    What is mapped counts as memory of the process as long as no other needs it: without this, the
    whole table would in the end.
    """
    mapped: Any = rows.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _moments(folder: Path, done: int) -> Path:
    return folder / f"moments-{done}.pt"


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content))


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:04d}.npy"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"a folder that can be written at {folder.parent}",
            error.strerror or str(error),
            "Choose another --out",
        ) from error


def _reserve(folder: Path, size: int) -> None:
    """Refuse early: writing to a memory map on a full disk kills the process."""
    free = shutil.disk_usage(folder).free
    if free < size + 2**20:
        raise InputError(
            f"{size / 2**20:.0f} MiB of free disk in {folder}",
            f"{free / 2**20:.0f} MiB",
            "Free some space, or keep fewer numbers of each parameter",
        )
