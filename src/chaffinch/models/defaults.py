"""Default networks: small, fast on two cores, with the last linear layer called ``head``."""

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Two hidden layers for encoded tables and texts.

    Args:
        num_inputs: I.
        num_classes: C.
        width: Units a hidden layer.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self, num_inputs: int, num_classes: int, width: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(num_inputs, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I), dense or sparse, to logits (B, C)."""
        logits: Tensor = self.head(self.body(x.flatten(1) if x.ndim > 2 else x))
        return logits


class BagOfTerms(nn.Module):
    """One hidden layer over TF-IDF terms; deeper ones memorise small text sets at once.

    Args:
        num_inputs: I, the number of terms.
        num_classes: C.
        width: Hidden units.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self, num_inputs: int, num_classes: int, width: int = 64, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(num_inputs, width), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, I), dense or sparse, to logits (B, C)."""
        logits: Tensor = self.head(self.body(x))
        return logits


class LinearHead(nn.Module):
    """One linear layer on features of a pre-trained encoder.

    Args:
        num_inputs: K.
        num_classes: C.
    """

    def __init__(self, num_inputs: int, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(num_inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K) to logits (B, C)."""
        logits: Tensor = self.head(x)
        return logits


class FeatureMLP(nn.Module):
    """One hidden layer on features of a pre-trained encoder.

    Args:
        num_inputs: K.
        num_classes: C.
        width: Hidden units.
        dropout: Share of hidden units dropped in training.
    """

    def __init__(
        self, num_inputs: int, num_classes: int, width: int = 256, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(num_inputs, width), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K) to logits (B, C)."""
        logits: Tensor = self.head(self.body(x))
        return logits


class _Residual(nn.Module):
    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(num_out)
        self.second = nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(num_out)
        self.shortcut: nn.Module = nn.Identity()
        if num_in != num_out or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm2d(num_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(out)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """A residual network of three blocks (He et al., 2016) for images of any size.

    Args:
        shape: (channels, height, width) of an image with values in 0..1.
        num_classes: C.
        width: Channels of the first block; the next have two and four times as many.
    """

    def __init__(self, shape: tuple[int, ...], num_classes: int, width: int = 16) -> None:
        super().__init__()
        channels, side = shape[0], min(shape[1:])
        stride = 1 if side < 16 else 2  # full resolution costs four times as much
        self.stem = nn.Sequential(
            nn.BatchNorm2d(channels),  # learns the mean and spread of the pixels
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.body = nn.Sequential(
            _Residual(width, width, 1),
            _Residual(width, 2 * width, 2),
            _Residual(2 * width, 4 * width, 2),
        )
        self.head = nn.Linear(4 * width, num_classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) in 0..1 to logits (B, C)."""
        logits: Tensor = self.head(self.body(self.stem(x)).mean((2, 3)))
        return logits


class _ResidualInTime(nn.Module):
    def __init__(self, num_in: int, num_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(num_in, num_out, 7, stride, 3, bias=False),
            nn.BatchNorm1d(num_out),
            nn.ReLU(),
            nn.Conv1d(num_out, num_out, 5, 1, 2, bias=False),
            nn.BatchNorm1d(num_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv1d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm1d(num_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class SeriesNet(nn.Module):
    """A residual network over time (Wang et al., 2017) for series of any length.

    Args:
        num_channels: F.
        num_steps: T, which decides whether blocks halve it.
        num_classes: C.
        width: Channels of the first block; the next two have twice as many.
    """

    def __init__(
        self, num_channels: int, num_steps: int, num_classes: int, width: int = 32
    ) -> None:
        super().__init__()
        stride = 1 if num_steps < 32 else 2
        self.body = nn.Sequential(
            _ResidualInTime(num_channels, width, stride),
            _ResidualInTime(width, 2 * width, stride),
            _ResidualInTime(2 * width, 2 * width, 1),
        )
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, T) to logits (B, C)."""
        logits: Tensor = self.head(self.body(x).mean(2))
        return logits
