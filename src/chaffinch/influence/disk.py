"""The N x M matrix straight to disk, a tile at a time, so that a stopped run goes on."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chaffinch.core.durable import replace
from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json
from chaffinch.core.progress import track
from chaffinch.gradients.batch import batches, length
from chaffinch.gradients.layer import Layers
from chaffinch.influence.attribution import same_data, target_columns, tiles, warn
from chaffinch.influence.checkpoint import CheckpointedTasks, Checkpoints
from chaffinch.influence.diagnostics import Diagnostics
from chaffinch.influence.estimator import ESTIMATORS, Targets
from chaffinch.influence.task import Loss

_LOG = logging.getLogger("chaffinch")

_FINGERPRINTED = 64


def attribute_to_disk(
    model: nn.Module,
    data: Any,
    targets: Any,
    path: str | Path,
    estimator: str = "tracin",
    layers: Layers = "last",
    checkpoints: Checkpoints = None,
    *,
    loss: Loss | None = None,
    **options: Any,
) -> NDArray[np.float32]:
    """`attribute` for a matrix that is larger than memory.

    The file appears under its name once it is whole. Until then the values are in
    ``<path>.draft``, and a call with the same model, data and options goes on where the last one
    stopped, be it in the middle of a tile.

    Args:
        model: As for `attribute`.
        data: As for `attribute`.
        targets: As for `attribute`.
        path: The ``.npy`` file to write; a finished one is replaced.
        estimator: As for `attribute`.
        layers: As for `attribute`.
        checkpoints: As for `attribute`.
        loss: As for `attribute`.
        **options: As for `attribute`.

    Returns:
        (N, M) float32, memory-mapped and read-only.

    Raises:
        InputError: As for `attribute`, or too little free disk.

    Warns:
        InfluenceWarning: As for `attribute`.
    """
    chosen = Targets(targets)
    tasks = CheckpointedTasks(model, data, layers, loss, checkpoints)
    configured = ESTIMATORS[estimator].configured(options)
    shape = length(data), target_columns(chosen)
    key = _fingerprint(tasks, targets, f"{configured!r} {layers!r} {shape}")
    draft, diagnostics, number = Draft(Path(path), shape, key), Diagnostics(), 0
    everything = shape[0] * shape[1] * len(tasks)
    with track("influence", everything) as advance, torch.inference_mode(False):
        for turn, (weight, influence) in enumerate(configured.influences(tasks)):
            for strip in influence.strips(chosen):
                solved = None
                for rows in tiles(shape[0], strip.columns):
                    if number >= draft.done:
                        solved = solved or strip.solve()
                        values = weight * solved.compute(rows)
                        draft.add(number, (rows, strip.columns), values, first=turn == 0)
                    number += 1
                    advance((rows.stop - rows.start) * (strip.columns.stop - strip.columns.start))
                if solved is not None:
                    diagnostics = diagnostics.merged(solved.diagnostics)
    warn(diagnostics, estimator, same_data(data, targets))
    return draft.finish()


@final
class Draft:
    """A matrix on disk that is being written, and how far it is.

    Adding to values is made safe by writing the new values of a tile aside first: whatever is cut
    off, the tile can be put in place again.

    Args:
        path: The finished file.
        shape: (N, M).
        key: What the values depend on; a draft with another key is started anew.
    """

    def __init__(self, path: Path, shape: tuple[int, int], key: str) -> None:
        self._path = path
        self._draft = path.with_name(path.name + ".draft")
        self._state = path.with_name(path.name + ".draft.json")
        self._tile = path.with_name(path.name + ".draft.tile")
        self._key = key
        self.done = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        state = _read(self._state)
        if state.get("key") == key and self._readable(shape, state.get("done")):
            self._values = np.load(self._draft, mmap_mode="r+")
            self.done = int(state["done"])
            return
        _reserve(path.parent, 4 * shape[0] * shape[1])
        self._values = np.lib.format.open_memmap(
            self._draft, mode="w+", dtype=np.float32, shape=shape
        )
        self._advance(0)

    def _readable(self, shape: tuple[int, int], done: object) -> bool:
        """Whether what an interrupted call left can be gone on with; if not, that is said."""
        if not self._draft.is_file():
            return False
        try:
            if np.load(self._draft, mmap_mode="r").shape != shape or not isinstance(done, int):
                raise ValueError("something else")
            if self._tile.is_file():
                with np.load(self._tile) as kept:
                    _ = kept["values"]
        except Exception as error:  # on arbitrary bytes NumPy lets any error through
            reason = " ".join(str(error).split())
            _LOG.warning("%s is damaged and is begun anew (%s)", self._draft, reason)
            self._tile.unlink(missing_ok=True)
            return False
        return True

    def add(self, number: int, place: tuple[slice, slice], values: Tensor, first: bool) -> None:
        """Add the values of a tile, or set them where they are the ``first``."""
        fresh = values.float().cpu().numpy()
        if not first:
            fresh = self._aside(number, self._values[place] + fresh)
        self._values[place] = fresh
        self._values.flush()
        self._advance(number + 1)

    def finish(self) -> NDArray[np.float32]:
        """Give the file its name, and open it for reading."""
        self._values.flush()
        del self._values
        replace(self._draft, self._path)
        self._state.unlink(missing_ok=True)
        self._tile.unlink(missing_ok=True)
        result: NDArray[np.float32] = np.load(self._path, mmap_mode="r")
        return result

    def _aside(self, number: int, fresh: NDArray[Any]) -> NDArray[Any]:
        """The new values of a tile: as they were computed before a crash, or written aside now."""
        if self._tile.is_file():
            with np.load(self._tile) as kept:
                if str(kept["key"]) == self._key and int(kept["number"]) == number:
                    values: NDArray[Any] = kept["values"]
                    return values
        part = self._tile.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, key=np.array(self._key), number=np.array(number), values=fresh)
        replace(part, self._tile)
        return fresh

    def _advance(self, done: int) -> None:
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps({"key": self._key, "done": done}))
        os.replace(part, self._state)
        self.done = done


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _reserve(folder: Path, size: int) -> None:
    """Refuse early: writing to a memory map on a full disk kills the process."""
    stat = os.statvfs(folder)
    if stat.f_bavail * stat.f_frsize < size + 2**20:
        raise InputError(
            f"{size / 2**20:.0f} MiB of free disk in {folder}",
            f"{stat.f_bavail * stat.f_frsize / 2**20:.0f} MiB",
            "Free some space, or pass fewer targets",
        )


def _fingerprint(tasks: CheckpointedTasks, targets: Any, settings: str) -> str:
    """A hash of the settings, all parameters of all checkpoints, and the first samples."""
    digest = hashlib.sha256(settings.encode())
    for task in tasks:
        for tensor in task.model.state_dict().values():
            digest.update(_bytes(tensor))
    for data in (tasks.data, targets):
        for batch in batches(data, task.model, _FINGERPRINTED, limit=_FINGERPRINTED):
            for tensor in _tensors(batch):
                digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    values = tensor.detach().cpu()
    if values.layout != torch.strided:
        values = values.to_dense()
    return values.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _tensors(part: Any) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, dict):
        yield from (one for value in part.values() for one in _tensors(value))
    elif isinstance(part, tuple):
        yield from (one for value in part for one in _tensors(value))
