"""A tiny random language model on disk, and prompts that it can read."""

import warnings

import pandas as pd
import pytest
import torch

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

WORDS = ["the", "a", "red", "blue", "cat", "dog", "runs", "sleeps", "far", "well", "now", "never"]


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = {word: number for number, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    inner = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def write_model(folder, seed=0):
    """A model of Transformers in ``folder/base`` and adapters in ``folder/lora``."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS) + 3,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(folder / "base")
    tokenizer().save_pretrained(folder / "base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
        adapted = peft.get_peft_model(model, lora)
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
        adapted.save_pretrained(folder / "lora")
    return folder / "base", folder / "lora"


def draw_prompts(count, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def words(least, most):
        size = int(torch.randint(least, most, (1,), generator=generator))
        return " ".join(
            WORDS[i] for i in torch.randint(len(WORDS), (size,), generator=generator).tolist()
        )

    rows = [(words(2, 7), words(1, 5), f"task {n % 3}") for n in range(count)]
    return pd.DataFrame(rows, columns=["prompt", "response", "kind"])
