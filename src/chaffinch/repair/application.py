"""`apply`: the repaired data, in the form in which the data came."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch.utils.data import Dataset as TorchDataset

from chaffinch.core.dataset import Dataset
from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.option import whole
from chaffinch.data import (
    AudioData,
    ImageData,
    SeriesData,
    TableData,
    TensorData,
    TextData,
    open_data,
)
from chaffinch.data.column import Columns, choose_label, few
from chaffinch.data.huggingface import is_huggingface
from chaffinch.data.opening import columns_of
from chaffinch.data.own import is_own
from chaffinch.data.picture import Span
from chaffinch.data.view import Overlay
from chaffinch.repair.arrays import apply_mapping, apply_pair
from chaffinch.repair.augmentation import change_images, change_series, change_wave, copy_samples
from chaffinch.repair.effect import Effect, resolve
from chaffinch.repair.files import apply_path
from chaffinch.repair.frames import apply_arrow, apply_frame, apply_huggingface
from chaffinch.repair.names import copy_ids
from chaffinch.repair.series import unfolded

_COLUMNS = ("label", "id_column", "text_column", "group", "series", "sep", "decimal", "encoding")
_OPENING = (*_COLUMNS, "max_pixels")
_OPTIONS = (*_OPENING, "out", "links", "overwrite", "weights", "seed")


class ApplyKeywords(TypedDict, total=False):
    """Keyword arguments of `Plan.apply`; `repair.apply` says what they mean."""

    label: str | int | None
    id_column: str | int | None
    text_column: str | int | None
    group: str | int | None
    series: str | bool | None
    sep: str | None
    decimal: str | None
    encoding: str | None
    max_pixels: int | None
    out: str | os.PathLike[str] | None
    links: bool
    overwrite: bool
    weights: bool
    seed: int


def apply_edits(
    edits: Sequence[Edit],
    data: Any,
    *,
    open_labels: bool = False,
    **options: Unpack[ApplyKeywords],
) -> Any:
    """Do what `chaffinch.repair.apply` promises, with the edits of a plan."""
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise InputError(f"the options {few(_OPTIONS)}", few(unknown), "Check the name")
    opening: dict[str, Any] = {name: options.get(name) for name in _OPENING}
    columns = columns_of(**{name: opening[name] for name in _COLUMNS})
    dataset = open_data(data, trainable=False, **opening)
    effect = resolve(edits, dataset, open_labels=open_labels)
    if isinstance(dataset, SeriesData) and dataset.members is not None and not is_own(data):
        dataset, effect = unfolded(dataset, effect)
    if isinstance(data, str | os.PathLike):
        out = options.get("out")
        keep = (bool(options.get("overwrite")), bool(options.get("links")))
        place, seed = None if out is None else Path(out), whole("seed", options.get("seed", 0))
        return apply_path(os.fspath(data), (dataset, effect, columns), place, keep, seed)
    if options.get("out") is not None:
        raise InputError(
            "data in a file or folder with the option out",
            f"a {type(data).__name__}",
            "Leave out away and keep what comes back",
        )
    return _in_memory(data, dataset, effect, columns, options)


def _in_memory(
    data: Any, dataset: Dataset, effect: Effect, columns: Columns, options: ApplyKeywords
) -> Any:
    seed = whole("seed", options.get("seed", 0))
    if is_own(data):
        return apply_dataset(data, effect, seed)
    if isinstance(data, pd.DataFrame):
        return apply_frame(data, effect, dataset, columns, seed)
    if isinstance(data, pa.Table):
        return apply_arrow(data, effect, dataset, columns, seed)
    if isinstance(data, dict):
        return apply_mapping(data, effect, dataset, columns, seed)
    if isinstance(data, tuple | list) and len(data) == 2:
        return apply_pair(data[0], data[1], effect, dataset, seed)
    if is_huggingface(data):
        name = choose_label(list(data.column_names), columns.label, "Hugging Face data set")
        return apply_huggingface(data, effect, dataset, name)
    if isinstance(data, TorchDataset):
        return overlay(data, effect, dataset, bool(options.get("weights")))
    raise InputError(
        "data that open_data opens itself", type(data).__name__, "Pass them as they came"
    )


def apply_dataset(data: Any, effect: Effect, seed: int = 0) -> Any:
    """One of our own data sets, repaired; weights and soft labels are not part of it.

    Args:
        data: Of one of our own kinds.
        effect: Of the plan on it.
        seed: Of changed copies.
    """
    labels = effect.labels(data.labels)
    kept = replace(data, labels=labels).take(effect.rows)
    rows = effect.extra_rows
    if not len(rows):
        return kept
    return joined(kept, extra_samples(data, effect, seed))


def extra_samples(data: Any, effect: Effect, seed: int) -> Any:
    """The changed copies that a plan adds, as a data set of the kind of ``data``."""
    rows = effect.extra_rows
    labels = effect.labels(data.labels).take(rows)
    ids = copy_ids(data.ids, effect.copies)
    source = f"copies from {data.source}"
    if isinstance(data, TableData):
        made = copy_samples(data.frame, effect.codes, rows, seed)
        return TableData.of(made, labels, ids=ids, source=source)
    if isinstance(data, TextData):
        return TextData.of([data.texts[row] for row in rows], labels, ids=ids, source=source)
    if isinstance(data, ImageData):
        part = data.take(rows)
        made = change_images(pixels_of(part), seed)
        return ImageData.of_arrays(made, labels, ids=ids, source=source, span=pixel_span(part))
    if isinstance(data, AudioData):
        waves = [data.wave(row, data.rate) for row in rows]
        changed = [change_wave(one, seed + number) for number, one in enumerate(waves)]
        return AudioData.of_waves(changed, data.rate, labels, ids=ids, source=source)
    if isinstance(data, SeriesData):
        values = [change_series(data.values[row], seed + number) for number, row in enumerate(rows)]
        return SeriesData.of(values, labels, ids=ids, source=source, channels=data.channels)
    made = copy_samples(data.x.numpy(), effect.codes, rows, seed)
    return TensorData.of(torch.from_numpy(made), labels, ids=ids, source=source)


def joined(first: Any, second: Any) -> Any:
    """Two data sets of one kind and the same classes, one after the other."""
    parts: dict[str, Any] = {
        "ids": np.concatenate([first.ids, second.ids]),
        "labels": Labels(
            np.concatenate([first.labels.codes, second.labels.codes]), first.labels.classes
        ),
        "digests": (*first.digests, *second.digests),
    }
    if not isinstance(first, TensorData):
        parts["groups"] = None  # copies are of no group
    if isinstance(first, TableData):
        frame = pd.concat([first.frame, second.frame], ignore_index=True)
        return replace(first, frame=frame, **parts)
    if isinstance(first, TextData):
        return replace(first, texts=(*first.texts, *second.texts), **parts)
    if isinstance(first, ImageData):
        first = first.examined()
        store = np.concatenate([pixels_of(first), second.store])
        return replace(first, store=store, span=pixel_span(first), **parts)
    if isinstance(first, AudioData):
        headers = (*first.headers, *second.headers)
        return replace(first, store=(*first.store, *second.store), headers=headers, **parts)
    if isinstance(first, SeriesData):
        return replace(first, values=(*first.values, *second.values), members=None, **parts)
    return replace(first, x=torch.cat([first.x, second.x]), **parts)


def pixels_of(data: ImageData) -> Any:
    """(N, H, W, C) pixels as they are stored, or decoded from files; their span is `pixel_span`."""
    return data.store if isinstance(data.store, np.ndarray) else data.pixels()


def pixel_span(data: ImageData) -> Span | None:
    """The span of `pixels_of`: what is decoded from deep files fills 16 bits."""
    if data.span is None or isinstance(data.store, np.ndarray):
        return data.span
    return 0.0, 65535.0


def overlay(data: Any, effect: Effect, dataset: Dataset, with_weights: bool) -> Overlay:
    """A view of a torch Dataset; copies are plain repetitions, for the Dataset's own transforms."""
    changed = np.flatnonzero(effect.label_rows != np.arange(len(effect.label_rows)))
    own = {int(row): data[int(row)][1] for row in set(effect.label_rows[changed].tolist())}
    labels = {int(row): own[int(effect.label_rows[row])] for row in changed}
    place, values = effect.new_in(np.arange(len(dataset)))
    labels |= dict(zip(place.tolist(), values.tolist(), strict=True))
    rows = np.concatenate([effect.rows, effect.extra_rows])
    ids = np.concatenate([dataset.ids[effect.rows], copy_ids(dataset.ids, effect.copies)])
    soft = None if effect.soft is None else effect.soft[rows]
    return Overlay(data, rows, labels, ids, effect.weights[rows], soft, with_weights)
