import numpy as np
import pandas as pd
import pytest
import torch

GOOD, BAD = ("good", "fine", "lovely", "warm"), ("bad", "awful", "cold", "dull")
FILLING = ("the", "day", "was", "and", "a", "number")


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """A tiny BERT of two layers with random weights and a vocabulary of a few words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *FILLING]
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    fast.save_pretrained(place)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=len(vocabulary),
        intermediate_size=24,
        initializer_range=0.4,  # so that every layer matters
        **sizes,
    )
    BertModel(config).save_pretrained(place)
    return place


def moods(count, seed=0):
    """Different texts of one mood each, and their moods."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 2
    texts = [
        " ".join([str(random.choice((GOOD, BAD)[mood])), *random.choice(FILLING, 9)])
        for mood in truth
    ]
    return texts, truth


@pytest.fixture
def text_folder(tmp_path, monkeypatch, encoder_folder):
    """A data folder with small made-up sets under the names of the real ones."""
    place = tmp_path / "data"
    place.mkdir()
    texts, truth = moods(160)
    pd.DataFrame({"text": texts, "label": truth}).to_parquet(place / "sst2_sentence.parquet")
    pairs = pd.DataFrame({"s1": texts, "s2": texts[::-1], "label": truth})
    pairs.to_parquet(place / "mrpc.parquet")
    monkeypatch.setenv("CHAFFINCH_DATA", str(place))
    monkeypatch.setenv("CHAFFINCH_ENCODER", str(encoder_folder))
    return place
