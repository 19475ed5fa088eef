"""Low-rank adapters of PEFT: fresh ones, and those of a folder."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.models.language.model import LanguageModel


def add_lora(
    model: LanguageModel, targets: Sequence[str], rank: int = 8, *, seed: int = 0, **options: Any
) -> LanguageModel:
    """The model with fresh adapters, whose base weights are frozen.

    Args:
        model: The model; its layers are wrapped in place.
        targets: Names of the layers that get adapters, such as ``q_proj`` and ``v_proj``.
        rank: Rank of the adapters.
        seed: Of their initial weights.
        **options: Further options of ``peft.LoraConfig``, such as ``lora_alpha`` or ``use_dora``.

    Raises:
        MissingExtraError: PEFT is not installed.
        InputError: No layer has such a name.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError("low-rank adapters", "text", "peft") from error
    config = LoraConfig(r=rank, target_modules=list(targets), task_type=model.task.peft, **options)
    base: Any = model.model
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            wrapped: Any = get_peft_model(base, config)
    except ValueError as error:
        raise InputError(
            f"layers named {', '.join(targets)}",
            " ".join(str(error).split())[:200],
            "Name layers of the model, such as q_proj and v_proj",
        ) from error
    return LanguageModel(wrapped.eval(), model.tokenizer, model.task, model.length)


def load_adapters(model: Any, folder: Path) -> Any:
    """The model of Transformers under adapters of a folder, which alone are trained.

    Args:
        model: The model whose layers they belong to; wrapped in place.
        folder: What ``save_pretrained`` of the adapted model wrote.

    Raises:
        MissingExtraError: PEFT is not installed.
        InputError: The folder holds no adapters, or those of another model.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("low-rank adapters", "text", "peft") from error
    if not (folder / "adapter_config.json").is_file():
        raise InputError(
            f"adapters of PEFT in {folder}",
            "no adapter_config.json" if folder.is_dir() else "no such folder",
            "Give the folder that save_pretrained of the adapted model wrote",
        )
    try:
        with _quiet():
            return PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    except (OSError, ValueError, RuntimeError, KeyError, UnpicklingError) as error:
        raise InputError(
            f"adapters in {folder} that fit the model",
            " ".join(str(error).split())[:300].rstrip("."),
            "Give the model that they were trained on",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back that PEFT asks Transformers by an old name; the user can do nothing about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        yield
