"""ResNet-34 for small images."""

import torch
from torch import Tensor, nn

_BLOCKS = (3, 4, 6, 3)


class _Block(nn.Module):
    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(num_out),
            nn.ReLU(),
            nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(num_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if num_in != num_out or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm2d(num_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet34(nn.Module):
    """The 34-layer residual network (He et al., 2016) with a 3 x 3 stem and no pooling before it.

    Args:
        num_classes: C.
        width: Channels of the first stage; 64 in the paper.
        channels: Of an image with values in 0..1, which the first norm standardises.
    """

    def __init__(self, num_classes: int, width: int = 64, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.BatchNorm2d(channels, affine=False),
            nn.Conv2d(channels, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        num_in = width
        for stage, count in enumerate(_BLOCKS):
            num_out = width * 2**stage
            for number in range(count):
                stride = 2 if stage and number == 0 else 1
                blocks.append(_Block(num_in, num_out, stride))
                num_in = num_out
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(num_in, num_classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) in 0..1 to logits (B, C)."""
        logits: Tensor = self.head(self.body(self.stem(x)).mean((2, 3)))
        return logits
