import pytest
import torch

WORDS = ["the", "a", "day", "was", "good", "fine", "lovely", "warm"]
WORDS += ["bad", "awful", "cold", "dull", "and", "number"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep features of tests out of the cache of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "chaffinch" / "features"


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory):
    """A tiny BERT with random weights and a vocabulary of a few words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", *WORDS]
    tokens = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordLevel(tokens, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    fast.save_pretrained(place)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(vocabulary), intermediate_size=16, **sizes)
    BertModel(config).save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory):
    """A tiny vision transformer with random weights."""
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    place = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = ViTConfig(intermediate_size=16, image_size=16, patch_size=8, **sizes)
    ViTModel(config).save_pretrained(place)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory):
    """A tiny wav2vec 2.0 with random weights."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    place = tmp_path_factory.mktemp("wav2vec2")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    convolutions = {"conv_dim": (8, 8), "conv_stride": (5, 2), "conv_kernel": (10, 3)}
    config = Wav2Vec2Config(
        intermediate_size=16,
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        **convolutions,
        **sizes,
    )
    Wav2Vec2Model(config).save_pretrained(place)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(place)
    return place
