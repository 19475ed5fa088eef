"""Tiny models of Transformers with random weights, and texts that a few words tell apart."""

import numpy as np
import pandas as pd
import torch

GOOD = ["good", "fine", "lovely", "warm"]
BAD = ["bad", "awful", "cold", "dull"]
PLAIN = ["the", "a", "day", "was", "it", "very", "so", "film"]
COLOURS = ["red", "blue", "green", "black"]
NUMBERS = ["one", "two", "three", "four"]
ASKED = ["tell", "me", "what", "goes", "with", "please", "word", "of"]
WORDS = ["[PAD]", "[UNK]", "[END]", *GOOD, *BAD, *PLAIN, *COLOURS, *NUMBERS, *ASKED]


def save_tokenizer(folder):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    known = {word: number for number, word in enumerate(WORDS)}
    inner = Tokenizer(WordLevel(known, unk_token="[UNK]"))
    inner.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", eos_token="[END]"
    ).save_pretrained(folder)


def sizes():
    """Of all models here."""
    return {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "pad_token_id": 0,
    }


def save_encoder(folder, seed=0):
    """A BERT that has learned nothing, and its tokenizer."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    BertModel(BertConfig(**sizes())).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def make_causal():
    """A Llama that has learned nothing."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**sizes()))


def reviews(count=96, wrong=10, seed=0):
    """A table of texts and labels, and which labels are wrong."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 2, count)
    texts = []
    for code in codes:
        words = [*random.choice(PLAIN, random.integers(3, 9))]
        words += [*random.choice(GOOD if code else BAD, 2)]
        texts.append(" ".join(random.permutation(words)))
    errors = np.zeros(count, dtype=bool)
    errors[random.choice(count, wrong, replace=False)] = True
    names = np.asarray(["no", "yes"])[np.where(errors, 1 - codes, codes)]
    return pd.DataFrame({"text": texts, "label": names}), errors


def pair(random):
    """A prompt with a colour, and the number that belongs to it."""
    code = int(random.integers(len(COLOURS)))
    words = [*random.choice(ASKED, random.integers(4, 9))]
    words.insert(int(random.integers(len(words))), COLOURS[code])
    return " ".join(words), NUMBERS[code]
