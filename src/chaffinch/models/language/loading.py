"""Loading language models: a folder of Transformers, a GGUF file, or a name on the hub."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from torch import nn

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.models.language.adapters import load_adapters
from chaffinch.models.language.model import LanguageModel
from chaffinch.models.language.task import TASKS, LanguageTask

Quantised = Literal["4bit", "8bit"]


def load_language_model(
    place: str | Path,
    adapters: str | Path | None = None,
    task: str = "causal",
    *,
    classes: int | None = None,
    length: int = 512,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    quantised: Quantised | None = None,
) -> LanguageModel:
    """Load a model and its tokenizer.

    Args:
        place: A folder that ``save_pretrained`` wrote, a ``.gguf`` file or a folder with one (its
            weights are unpacked), or a name on the hub.
        adapters: A folder with LoRA or DoRA adapters of PEFT; then only they count.
        task: A name in `TASKS`.
        classes: C of a classifier with a new head; None for that of the folder.
        length: Maximum number of tokens per sample; no more than the model has positions for.
        device: Where to run it.
        dtype: Element type of the weights; None for float32.
        quantised: Keep the frozen base weights in 4 or 8 bits, which needs a GPU and the package
            bitsandbytes.

    Raises:
        MissingExtraError: Transformers or PEFT is not installed.
        InputError: There is no such model, tokenizer or device, or the platform cannot quantise.
    """
    chosen = TASKS[task]
    _check_device(device)
    options: dict[str, Any] = {"dtype": dtype or torch.float32}
    if classes is not None:
        options |= {"num_labels": classes, "ignore_mismatched_sizes": True}
    if task == "multilabel":
        options["problem_type"] = "multi_label_classification"
    if quantised is not None:
        options["quantization_config"] = _bits(quantised)
    folder, file = _place(str(place))
    if file is not None:
        options["gguf_file"] = file
    tokenizer, model = _load(folder, chosen, options)
    if adapters is not None:
        model = load_adapters(model, Path(adapters))
    model.config.use_cache = False  # a cache of keys is of no use where nothing is generated
    if model.config.get_text_config().pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id
    placed = model if quantised is not None else model.to(device)
    return LanguageModel(placed.eval(), tokenizer, chosen, min(length, _context(model, tokenizer)))


def load_encoder(folder: Path) -> tuple[Any, nn.Module, int]:
    """Load an encoder without a head, in float32 on the CPU, and its tokenizer.

    What stands behind its token outputs (a pooler, which may not even be in the folder) is frozen.

    Args:
        folder: A folder that ``save_pretrained`` wrote; nothing is downloaded.

    Returns:
        The tokenizer, the encoder, and the most tokens that it has positions for.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: The folder holds no such encoder or no tokenizer.
    """
    options = {"dtype": torch.float32, "output_loading_info": True}
    with torch.random.fork_rng(devices=[]), _without_report():
        torch.manual_seed(0)  # a pooler that the folder lacks is drawn
        tokenizer, (model, told) = _load(str(folder), _ENCODER, options)
    lacking = sorted(name for name in told["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise InputError(
            f"the weights of all layers in {folder}",
            f"none for {len(lacking)} of them, such as {lacking[0]}",
            "Save the model again with save_pretrained",
        )
    if model.config.is_encoder_decoder:
        raise InputError(
            f"an encoder in {folder}, such as BERT, RoBERTa or MiniLM",
            f"a model with encoder and decoder ({model.config.model_type})",
            "Choose an encoder",
        )
    pooler = getattr(model, "pooler", None)
    if isinstance(pooler, nn.Module):
        pooler.requires_grad_(False)
    return tokenizer, model.eval(), _context(model, tokenizer)


_ENCODER = LanguageTask("text", "AutoModel", "FEATURE_EXTRACTION", None)


def _check_device(device: str | torch.device) -> None:
    try:
        torch.empty(1, device=device).item()  # fails where nothing is computed
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            "a device that this machine has", repr(str(device)), "Choose cpu or cuda"
        ) from error


def _context(model: Any, tokenizer: Any) -> int:
    """The most tokens that the model has positions for."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    known = [one for one in (positions, tokenizer.model_max_length) if isinstance(one, int)]
    return min((one for one in known if one > 0), default=sys.maxsize)


def _place(place: str) -> tuple[str, str | None]:
    """The folder or name, and the GGUF file in it if that is what holds the weights."""
    path = Path(place).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return str(path.parent), path.name
    if path.is_dir() and not (path / "config.json").is_file():
        files = sorted(path.glob("*.gguf"))
        if len(files) == 1:
            return str(path), files[0].name
        raise InputError(
            f"a config.json or one .gguf file in {place}",
            f"{len(files)} .gguf files and no config.json",
            "Give the folder that save_pretrained wrote, or the file itself",
        )
    return str(path) if path.exists() else place, None


def _load(folder: str, task: LanguageTask, options: dict[str, Any]) -> tuple[Any, Any]:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("language models", "text", "transformers") from error
    gguf = {"gguf_file": options["gguf_file"]} if "gguf_file" in options else {}
    try:
        with _without_bars(transformers):
            # No code that comes with a model is run, and nobody is asked whether it may be.
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, **gguf
            )
            model = getattr(transformers, task.loader).from_pretrained(
                folder, trust_remote_code=False, weights_only=True, **options
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, UnpicklingError) as error:
        raise InputError(
            f"a {task.name} model of Transformers in {folder!r}",
            " ".join(str(error).split())[:300].rstrip("."),
            "Give the folder that save_pretrained wrote, with its tokenizer; a .gguf file needs "
            "the package gguf, which the extra text brings",
        ) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise InputError(  # what Transformers makes of a folder without the files of one
            f"a tokenizer in {folder!r}",
            "one without words",
            "Save the model's tokenizer in the same folder (tokenizer.save_pretrained)",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, model


@contextmanager
def _without_bars(transformers: Any) -> Iterator[None]:
    """No progress bars where nobody watches; that of unpacking GGUF files knows no switch."""
    if sys.stderr.isatty():
        yield
        return
    transformers.utils.logging.disable_progress_bar()
    with redirect_stderr(StringIO()):
        yield


@contextmanager
def _without_report() -> Iterator[None]:
    """Keep back what Transformers says of a head that is not used; what is missing is checked."""
    try:
        from transformers.utils import logging
    except ImportError:  # said with the remedy where it is needed
        yield
        return
    quiet: Any = logging
    before = quiet.get_verbosity()
    quiet.set_verbosity_error()
    try:
        yield
    finally:
        quiet.set_verbosity(before)


def _bits(quantised: Quantised) -> Any:
    with suppress(ImportError):
        import bitsandbytes  # type: ignore[import-not-found]  # noqa: F401
        from transformers import BitsAndBytesConfig

        if torch.cuda.is_available():
            config: Any = BitsAndBytesConfig
            return config(**{f"load_in_{quantised}": True})
    raise InputError(
        f"a GPU and the package bitsandbytes for weights in {quantised}",
        "a GPU without it" if torch.cuda.is_available() else "no GPU",
        "Leave the weights as they are, or install bitsandbytes on a machine with a GPU",
    )
