"""Models of timm as encoders of images."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.data import ImageData
from chaffinch.encoders.encoder import Samples
from chaffinch.encoders.samples import pictures, wrong_medium
from chaffinch.encoders.weights import digest_of_weights


class TimmEncoder:
    """A model of timm without its classifier, which gives the pooled features.

    Images are brought to the size, mean and spread that the model was trained with: the shorter
    side to the size over the model's share of the crop, then the centre.

    Args:
        name: Of the model, as ``timm.create_model`` takes it; ``NAME@FILE`` for weights in a file.
        device: Where to run it.

    Raises:
        MissingExtraError: timm is not installed, or cannot be imported.
        InputError: There is no such model, or no such weights.
    """

    batch_size = 32

    def __init__(self, name: str, device: torch.device) -> None:
        try:
            import timm
            from timm.data import resolve_model_data_config
        except ImportError as error:
            module = error.name or "timm"
            raise MissingExtraError("an encoder of timm", "vision", module) from error
        self.name = f"the timm model {name!r}"
        model, _, file = name.partition("@")
        if file and not Path(file).expanduser().is_file():
            raise InputError(f"weights of {model} in {file}", "no such file", "Check --encoder")
        more: dict[str, Any] = {}
        if file:
            more["pretrained_cfg_overlay"] = {"file": str(Path(file).expanduser())}
        try:
            made = timm.create_model(model, pretrained=True, num_classes=0, **more)
        except Exception as error:  # those of the hub, of its transport, of unpicklers
            raise InputError(
                f"a model of timm with pre-trained weights named {model!r}",
                " ".join(str(error).split())[:200].rstrip("."),
                "See timm.list_models(pretrained=True); for a file write timm:NAME@FILE",
            ) from error
        self._model = made.to(device).eval()
        self._device = device
        told = resolve_model_data_config(made)
        self._size: tuple[int, int] = tuple(told["input_size"][1:])
        self._crop = float(told.get("crop_pct") or 1.0)
        self._mode = "bilinear" if told.get("interpolation") == "bilinear" else "bicubic"
        self._mean = torch.tensor(told["mean"])[:, None, None]
        self._spread = torch.tensor(told["std"])[:, None, None]
        content = f"{model} {told} {digest_of_weights(made)}"
        self.key = f"timm {hashlib.blake2b(content.encode(), digest_size=16).hexdigest()}"

    def present(self, data: Dataset) -> Samples:
        """Images of their own sizes."""
        if not isinstance(data, ImageData):
            raise wrong_medium(
                "images for a model of timm", data, "Choose an encoder for such data"
            )
        return pictures(data)

    def encode(self, batch: Any) -> Tensor:
        """(B, K) features of images (H, W, 3) uint8."""
        images = torch.stack([self._prepared(torch.from_numpy(one.copy())) for one in batch])
        features: Tensor = self._model(images.to(self._device)).float()
        return features

    def _prepared(self, image: Tensor) -> Tensor:
        pixels = image.permute(2, 0, 1)[None].float() / 255
        high, wide = (round(side / self._crop) for side in self._size)
        scale = max(high / pixels.shape[2], wide / pixels.shape[3])
        size = [
            max(least, round(side * scale))
            for least, side in zip((high, wide), pixels.shape[2:], strict=True)
        ]
        large = F.interpolate(pixels, size, mode=self._mode, antialias=True, align_corners=False)
        top, left = ((have - want) // 2 for have, want in zip(size, self._size, strict=True))
        part = large[0, :, top : top + self._size[0], left : left + self._size[1]].clamp(0, 1)
        return (part - self._mean) / self._spread
