"""The ResNet-20 for CIFAR images (He et al., 2016), cut into a frozen trunk and a trained tail."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.data import need_file

WEIGHTS = "models/cifar10_resnet20.pt"
SIDE = 32
_MEAN = (0.485, 0.456, 0.406)
_SPREAD = (0.229, 0.224, 0.225)
_BATCH = 256


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters (option A).

    Args:
        num_in: Channels that come in.
        num_out: Channels that go out; the new ones are 0 in the shortcut.
        stride: Of the first convolution; the shortcut takes every ``stride``-th pixel.
    """

    def __init__(self, num_in: int, num_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)
        self._stride, self._new = stride, num_out - num_in

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) in, (B, channels, H / stride, W / stride) out."""
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self._stride != 1 or self._new:
            half = self._new // 2
            x = F.pad(x[:, :, :: self._stride, :: self._stride], (0, 0, 0, 0, half, half))
        return torch.relu(out + x)


class ResNet20(nn.Module):
    """Three groups of three blocks with 16, 32 and 64 channels, and a linear layer.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32), Block(32, 32))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64), Block(64, 64))
        self.linear = nn.Linear(64, num_classes)

    def trunk(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) normalised to (B, 64, 8, 8): all but the last block and the head."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.layer2(self.layer1(out))
        reached: Tensor = self.layer3[1](self.layer3[0](out))
        return reached

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) normalised to logits (B, C)."""
        logits: Tensor = self.linear(self.layer3[2](self.trunk(x)).mean((2, 3)))
        return logits


class Tail(nn.Module):
    """The last block, as it was pre-trained, and a new linear layer: what is trained.

    Args:
        block: The last block; taken over, not copied.
        num_classes: C.
    """

    def __init__(self, block: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.block = block
        self.head = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 64, 8, 8) from the trunk to logits (B, C)."""
        logits: Tensor = self.head(self.block(x).mean((2, 3)))
        return logits


@lru_cache(maxsize=1)
def pretrained() -> ResNet20:
    """The network with its CIFAR-10 weights, in eval mode; not to be modified.

    Raises:
        InputError: The weights are not there.
    """
    model = ResNet20()
    model.load_state_dict(torch.load(need_file(WEIGHTS), weights_only=True))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval()


def tail_factory(num_classes: int) -> Callable[[], nn.Module]:
    """Makes tails that start from the pre-trained last block."""

    def make() -> nn.Module:
        block = Block(64, 64)
        block.load_state_dict(pretrained().layer3[2].state_dict())
        return Tail(block, num_classes)

    return make


def normalised(images: NDArray[np.uint8]) -> Tensor:
    """Images as the network was trained on them.

    Args:
        images: (n, H, W) or (n, H, W, 1 or 3) bytes, H and W at most 32. Grey ones get three
            equal channels; smaller ones a black margin.

    Returns:
        (n, 3, 32, 32) float32.
    """
    pixels = torch.from_numpy(np.array(images)).float() / 255
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    pixels = pixels.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    high, wide = SIDE - pixels.shape[2], SIDE - pixels.shape[3]
    pixels = F.pad(pixels, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
    mean, spread = (torch.tensor(one)[:, None, None] for one in (_MEAN, _SPREAD))
    return ((pixels - mean) / spread).contiguous(memory_format=torch.channels_last)


def trunk_features(images: NDArray[np.uint8]) -> Tensor:
    """(n, 64, 8, 8) outputs of the frozen trunk, in eval mode, for images as in `normalised`."""
    model = pretrained()
    parts = []
    with torch.no_grad():
        for start in range(0, len(images), _BATCH):
            part = model.trunk(normalised(images[start : start + _BATCH]))
            parts.append(part.contiguous(memory_format=torch.contiguous_format))
    return torch.cat(parts) if parts else torch.zeros(0, 64, 8, 8)
