"""Models of Hugging Face Transformers as encoders of images, texts and sounds."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.data import ImageData, TableData, TextData
from chaffinch.encoders.encoder import Samples
from chaffinch.encoders.pooling import SentenceConfig, pool_patches, pool_tokens
from chaffinch.encoders.samples import SPEECH_RATE, pictures, texts, waveforms, wrong_medium
from chaffinch.models.language.classification import folder_digest

_SAFE = {"trust_remote_code": False}
"""No code that comes with a model is run, and nobody is asked whether it may be."""

_MAX_TOKENS = 256
_UNLIMITED = 10**6  # what tokenizers without a limit say is larger
_BATCHES = {"image": 32, "text": 64, "audio": 8}
_HUB_SECONDS = 5.0

_LOADERS = {
    "image": "AutoImageProcessor",
    "text": "AutoTokenizer",
    "audio": "AutoFeatureExtractor",
}
_PLURAL = {"image": "images", "text": "texts", "audio": "waveforms"}
_JOINT = {
    "image": "get_image_features",
    "text": "get_text_features",
    "audio": "get_audio_features",
}
"""How models of two media (CLIP, SigLIP, CLAP) give the vector of one of them."""


class TransformersEncoder:
    """A pre-trained model with its own processor, tokenizer or feature extractor.

    It is loaded when the data are known, since a model such as CLIP reads images and texts alike.

    Args:
        place: A folder that ``save_pretrained`` wrote, or a name on the hub, which is downloaded
            where it is not known yet.
        device: Where to run it.
        length: Maximum number of tokens per text; by default what the model was trained for, at
            most 256.

    Raises:
        MissingExtraError: Transformers is not installed.
        InputError: There is no such model.
    """

    def __init__(self, place: str, device: torch.device, length: int | None = None) -> None:
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError("an encoder of Transformers", "text", "transformers") from error
        self._transformers: Any = transformers
        self._place = place
        self._device = device
        self._length = length
        self._medium = ""
        folder = Path(place)
        self._folder = folder if folder.is_dir() else find_on_hub(place)
        self._kind = _kind_in(self._folder)
        self._sentence = SentenceConfig.of(self._folder)
        self._weights = folder_digest(self._folder)

    @property
    def name(self) -> str:
        """For people."""
        return f"the {self._kind} model in {self._place}"

    @property
    def key(self) -> str:
        """Hash of the files, and how texts are cut."""
        return f"transformers {self._weights} {self._sentence} {self._length}"

    @property
    def batch_size(self) -> int:
        """Samples a batch."""
        return _BATCHES[self._medium or "text"]

    def present(self, data: Dataset) -> Samples:
        """Images, texts or waveforms, as the model reads them."""
        if isinstance(data, ImageData):
            self._need("image", data)
            return pictures(data)
        if isinstance(data, TextData):
            self._need("text", data)
            return texts(data)
        self._need("audio", data)
        return waveforms(data, _rate_in(self._folder))

    def encode(self, batch: Any) -> Tensor:
        """(B, K) features, pooled by the convention of the model."""
        self._load()
        if self._medium == "image":
            given = self._reader(
                images=batch, return_tensors="pt", input_data_format="channels_last"
            )
            return self._whole({"pixel_values": given["pixel_values"].to(self._device)})
        if self._medium == "text":
            return self._read_texts(batch)
        return self._hear(batch)

    def _need(self, medium: str, data: Dataset) -> None:
        """Refuse a model that does not read these samples, by its configuration alone."""
        auto = self._transformers.models.auto
        known = {
            "image": auto.image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES,
            "text": auto.tokenization_auto.TOKENIZER_MAPPING_NAMES,
            "audio": auto.feature_extraction_auto.FEATURE_EXTRACTOR_MAPPING_NAMES,
        }
        # A model of a kind that no list has is left to its processor.
        read = [_PLURAL[one] for one, kinds in known.items() if self._kind in kinds]
        if read and _PLURAL[medium] not in read:
            remedy = "Choose an encoder of such data"
            if isinstance(data, TableData) and "texts" in read:
                remedy = "Name the text column with --text"
            raise wrong_medium(f"{' or '.join(read)} for the {self._kind} model", data, remedy)
        self._medium = medium

    def _load(self) -> None:
        if hasattr(self, "_model"):
            return
        loader = getattr(self._transformers, _LOADERS[self._medium])
        options: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True}
        try:
            with quiet(self._transformers), torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)  # what the folder lacks is drawn
                self._reader: Any = loader.from_pretrained(self._folder, **_SAFE)
                model, told = self._transformers.AutoModel.from_pretrained(
                    self._folder, weights_only=True, **_SAFE, **options
                )
        except Exception as error:  # unpicklers and processors let any error through
            raise InputError(
                f"a model of Transformers for {_PLURAL[self._medium]} in {self._place!r}",
                " ".join(str(error).split())[:300].rstrip("."),
                "Give the folder that save_pretrained wrote, with its tokenizer or processor",
            ) from error
        lacking = sorted(told["missing_keys"])
        self._trusts_pooler = not any("pooler" in name for name in lacking)
        if needed := [name for name in lacking if "pooler" not in name]:
            raise InputError(
                f"the weights of all layers in {self._place!r}",
                f"none for {len(needed)} of them, such as {needed[0]}",
                "Save the model again with save_pretrained",
            )
        joint = hasattr(model, _JOINT[self._medium])
        if model.config.is_encoder_decoder and not joint:
            model = model.get_encoder()
        self._joint = joint
        self._model: Any = model.to(self._device).eval()

    def _read_texts(self, batch: list[str]) -> Tensor:
        # Some tokenizers add no tokens of their own, and a text without any cannot be averaged.
        unknown = self._reader.unk_token or "."
        lower = self._sentence.lower_case
        filled = [(one.lower() if lower else one) if one.strip() else unknown for one in batch]
        if self._reader.pad_token_id is None:
            self._reader.pad_token = self._reader.eos_token or unknown
        tokens = self._reader(
            filled, padding=True, truncation=True, max_length=self._most_tokens, return_tensors="pt"
        ).to(self._device)
        if self._joint:
            return self._whole(dict(tokens))
        hidden = self._model(**tokens).last_hidden_state
        return pool_tokens(hidden.float(), tokens["attention_mask"], self._sentence)

    @property
    def _most_tokens(self) -> int:
        config = self._model.config
        text = getattr(config, "text_config", None) or config
        positions = getattr(text, "max_position_embeddings", None) or _UNLIMITED
        if getattr(text, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            positions -= 2  # their positions begin behind that of the padding
        own = self._reader.model_max_length
        wanted = self._length or self._sentence.length or _MAX_TOKENS
        return int(min(wanted, positions, own if own < _UNLIMITED else positions))

    def _hear(self, batch: list[Any]) -> Tensor:
        rate = getattr(self._reader, "sampling_rate", None)
        # A model is trained with a mask or without one, and its extractor knows which.
        given = self._reader(batch, sampling_rate=rate, return_tensors="pt", padding=True)
        given = {name: value.to(self._device) for name, value in given.items()}
        if not isinstance(given.get("attention_mask"), Tensor) or self._joint:
            return self._whole(given)
        output = self._model(**given)
        hidden, mask = output.last_hidden_state, given["attention_mask"]
        if hidden.shape[1] != mask.shape[1] and hasattr(
            self._model, "_get_feature_vector_attention_mask"
        ):
            mask = self._model._get_feature_vector_attention_mask(hidden.shape[1], mask)
        if hidden.shape[1] != mask.shape[1]:
            return pool_patches(output, self._model, self._trusts_pooler)
        return pool_tokens(hidden.float(), mask, SentenceConfig(unit_length=False))

    def _whole(self, given: dict[str, Any]) -> Tensor:
        if self._joint:
            found = getattr(self._model, _JOINT[self._medium])(**given)
            vectors = found if isinstance(found, Tensor) else found.pooler_output
            return torch.nn.functional.normalize(vectors.float(), dim=1)
        return pool_patches(self._model(**given), self._model, self._trusts_pooler).float()


def find_on_hub(name: str) -> Path:
    """The folder of a model of the hub, downloaded where it is not on this machine yet.

    Raises:
        InputError: There is neither such a folder nor such a name, or the hub does not answer.
    """
    import huggingface_hub as hub

    try:
        return Path(hub.snapshot_download(name, local_files_only=True))
    except Exception:  # not here yet, or no name that the hub would have
        pass
    try:
        # Asked first, as a download tries again for half a minute where nobody answers.
        hub.model_info(name, timeout=_HUB_SECONDS)
        wanted = ["*.json", "*.txt", "*.model", "*.safetensors", "*/config.json"]
        place = Path(hub.snapshot_download(name, allow_patterns=wanted))
        if not any(place.glob("*.safetensors")):
            place = Path(hub.snapshot_download(name, allow_patterns=[*wanted, "*.bin"]))
    except Exception as error:  # those of the hub, of its transport, of the disk
        raise InputError(
            f"a folder with an encoder at {name}, or its name on the hub",
            f"no such folder, and from the hub: {' '.join(str(error).split())[:200].rstrip('.')}",
            "Check --encoder; a folder can be named from anywhere, the hub only with a network",
        ) from error
    return place


def _kind_in(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text("utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"a model of Transformers in {folder}",
            "no config.json with a model_type",
            "Give the folder that save_pretrained wrote",
        ) from error


def _rate_in(folder: Path) -> int:
    """The sampling rate in Hz that the feature extractor of a model of sounds expects."""
    try:
        told = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
        return int(told.get("sampling_rate") or SPEECH_RATE)
    except (OSError, ValueError, TypeError, AttributeError):  # it is said when it is loaded
        return SPEECH_RATE


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Keep back bars where nobody watches, and reports on weights, which are checked here."""
    logging = transformers.utils.logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
