"""What a scan is asked to do, checked before any work, and what tells it from others."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.kinds import TOO_RARE
from chaffinch.core.types import Mask
from chaffinch.core.version import VERSION
from chaffinch.data import open_data
from chaffinch.data.file import is_text_file
from chaffinch.data.usable import SetAside, split_usable, with_present_classes
from chaffinch.encoders.opening import check_encoder, identity_of
from chaffinch.models.checkpoint import find_checkpoints
from chaffinch.models.factory import is_folder, source_of
from chaffinch.models.language.classification import check_folder, folder_digest
from chaffinch.pipeline.aside import split_trainable
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.resume import Plan
from chaffinch.pipeline.scan_input import Model as Model
from chaffinch.pipeline.scan_input import ScanInput, place_of
from chaffinch.scorers import choose
from chaffinch.store.run import OriginRecord


@dataclass(frozen=True, eq=False)
class Request:
    """What a scan is asked to do, after all checks that need no training.

    Attributes:
        dataset: The samples that can be judged.
        whole: All data.
        aside: The samples of ``whole`` that are not in ``dataset``.
        validation: Validation data, or None.
        model: The user's model, or None for the default.
        options: The checked options.
        known_errors: (N,) samples known to be wrong, in demonstrations; only reported.
        origin: Where the data lie, for later commands.
        validation_used: (M',) which of all validation samples ``validation`` holds.
        notes: What was left out of the validation data.
    """

    dataset: Dataset
    whole: Dataset
    aside: SetAside
    validation: Dataset | None
    model: Model | None
    options: ScanOptions
    known_errors: Mask | None = None
    origin: OriginRecord = field(default_factory=OriginRecord)
    validation_used: Mask = field(default_factory=lambda: np.ones(0, np.bool_))
    notes: tuple[str, ...] = ()


def prepare(given: ScanInput) -> Request:
    """Check everything that can be checked before any work is done.

    Raises:
        InputError: Data, labels, model or options that are not usable.
    """
    checked, label, model = given.options, given.label, given.model
    choose(checked.scorers)
    check_features(checked)
    _check_trained(checked, model)
    whole = given.dataset
    groups = getattr(whole, "groups", None)
    if groups is not None:
        groups.check(len(whole))
    known = None if given.known_errors is None else _mask(given.known_errors, len(whole))
    dataset, aside = split_trainable(whole, strict=checked.strict, keep_classes=model is not None)
    if isinstance(model, Path):
        model = str(model)
    if is_folder(model):
        model = os.path.abspath(os.path.expanduser(model))
        _check_folder(Path(model), checked)
    held, used = None, np.ones(0, np.bool_)
    notes: tuple[str, ...] = ()
    if given.validation is not None:
        opened = _open_validation(given.validation, label, checked)
        held, used, notes = _usable_validation(opened, whole, aside)
    origin = OriginRecord(
        path=given.location,
        label=label,
        validation=place_of(given.validation),
        model=model if isinstance(model, str) else "",
    )
    return Request(dataset, whole, aside, held, model, checked, known, origin, used, notes)


def _check_trained(options: ScanOptions, model: Model | Path | None) -> None:
    """Refuse what cannot be asked of a model that is scored as it is."""
    if options.train and not options.checkpoints:
        return
    if model is None:
        raise InputError("a model to score as it is", "none", "Name the trained model with --model")
    if options.repeats > 1:
        raise InputError(
            "one repetition of a model that is not trained here",
            f"{options.repeats}",
            "Leave out --repeats, or let the scan train",
        )
    if options.rounds != 1:
        raise InputError(
            "one round of a model that is not trained here",
            f"{options.rounds}",
            "Leave out --rounds, or let the scan train",
        )


def _mask(known_errors: Any, count: int) -> Mask:
    """Which samples are known to be wrong, as (N,) booleans.

    Raises:
        InputError: Something else.
    """
    try:
        mask = np.asarray(known_errors)
    except (ValueError, TypeError, RuntimeError):
        mask = np.empty(0)
    if mask.dtype != np.bool_ or mask.shape != (count,):
        raise InputError(
            f"known_errors as {count:,} booleans",
            f"{mask.dtype} of shape {mask.shape}",
            "Give True for each sample that is known to be wrong",
        )
    return mask


def _check_folder(folder: Path, options: ScanOptions) -> None:
    """Refuse what a model in a folder cannot be asked, before it is loaded."""
    check_folder(folder)
    if options.features_by is not None:
        raise InputError(
            "one model for the texts",
            "--model FOLDER and --encoder",
            "Fine-tune it by --model, or train heads on its features by --encoder",
        )
    if not options.train and not options.checkpoints:
        raise InputError(
            "a folder whose encoder is fine-tuned here",
            "train=False: its new head would say nothing",
            "Let it train, or give the states of an earlier run with keep_checkpoints=True",
        )


def check_features(options: ScanOptions) -> None:
    """Refuse what cannot be an encoder before the data are opened."""
    names = ("encoder", "embeddings", "embedder")
    given = [name for name in names if getattr(options, name) is not None]
    if len(given) > 1:
        raise InputError("one source of features", " and ".join(given), "Name one of them")
    if given:
        check_encoder(options.features_by)


def _open_validation(data: Any, label: str | None, options: ScanOptions) -> Dataset:
    """Validation rows are never matched, so columns of keys and groups may be missing."""
    how: dict[str, Any] = {
        "label": label,
        "text_column": options.text_column,
        "series": options.series,
        "trainable": False,
        "max_pixels": options.max_pixels,
    }
    if is_text_file(data):
        how |= options.written
    keys, groups = (options.id_column, None), (options.group, None)
    *more, least = product(dict.fromkeys(keys), dict.fromkeys(groups))
    for key, group in more:
        with suppress(InputError):
            return open_data(data, id_column=key, group=group, **how)
    return open_data(data, id_column=least[0], group=least[1], **how)


def _usable_validation(
    data: Dataset, training: Dataset, aside: SetAside
) -> tuple[Dataset, Mask, tuple[str, ...]]:
    """The validation samples that can be used, which they are, and a note on the others.

    A single validation sample of a class is no fault; one of a class that was set aside is.
    """
    usable, found = split_usable(data, allow_single=True)
    rare = [row for row, fault in aside.faults.items() if fault.kind == TOO_RARE]
    gone = {training.labels.texts[row] for row in rare}
    kept = np.asarray([name not in gone for name in usable.labels.texts], np.bool_)
    if not kept.any():
        raise InputError(
            "validation samples of classes that can be judged",
            f"{len(data):,} of classes with one training sample",
            "Give validation data of the other classes, or more training samples of these",
        )
    if not kept.all():
        usable = with_present_classes(usable.take(kept))
    left = len(data) - len(usable)
    used = found.usable
    used[used] = kept
    if not left:
        return usable, used, ()
    told = f" ({found.listed})" if found.faults else ""
    return usable, used, (f"{left:,} of {len(data):,} validation samples could not be used{told}.",)


def plan_of(request: Request) -> Plan:
    """The data, and all options that decide the outcome."""
    options = request.options
    aside = {"out", "overwrite", "ledger", "strict", "cache", "embeddings", "embedder"}
    configuration = options.model_dump(mode="json", exclude=aside)
    configuration["model"] = _identity(request.model)
    if options.features_by is not None:
        configuration["encoder"] = identity_of(options.features_by)
    configuration["validation"] = request.validation and request.validation.fingerprint
    groups = getattr(request.whole, "groups", None)
    if groups is not None:
        configuration["groups"] = groups.digest
    configuration["versions"] = [VERSION, torch.__version__]
    if options.checkpoints:
        paths = find_checkpoints(options.checkpoints)
        configuration["checkpoint_files"] = {str(path): _content(path) for path in paths}
    return Plan(request.whole.fingerprint, configuration)


def _identity(model: Model | None) -> str | None:
    """What tells one model from another: its name, and its source file or its weights."""
    if model is None:
        return None
    if is_folder(model):
        return f"folder {folder_digest(Path(model))}"
    if isinstance(model, str):
        source = source_of(model)
        return model if source is None else f"{model} {_content(source)}"
    if not isinstance(model, nn.Module):
        return f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', repr(model))}"
    hasher = hashlib.blake2b(digest_size=16)
    for name, value in model.state_dict().items():
        hasher.update(name.encode())
        hasher.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return f"{type(model).__name__} {hasher.hexdigest()}"


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
