"""Random changes of training images that keep their class."""

import torch
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError


def crop_and_flip(images: Tensor, margin: int = 4) -> Tensor:
    """Shift each image at random by up to ``margin`` pixels and mirror half of them.

    Args:
        images: (B, channels, H, W); what is shifted in from outside is 0.
        margin: Largest shift in either direction.

    Returns:
        (B, channels, H, W), drawn from torch's own random state.

    Raises:
        InputError: No images.
    """
    if images.ndim != 4:
        raise InputError(
            "images of shape (B, channels, H, W)", f"{tuple(images.shape)}", "Leave augment out"
        )
    count, _, height, width = images.shape
    padded = F.pad(images, (margin,) * 4)
    offsets = torch.randint(0, 2 * margin + 1, (2, count, 1))
    mirrored = torch.rand(count, 1) < 0.5
    columns = torch.arange(width).expand(count, width)
    columns = torch.where(mirrored, width - 1 - columns, columns) + offsets[1]
    rows = torch.arange(height) + offsets[0]
    sample = torch.arange(count)[:, None, None].to(images.device)
    rows, columns = rows.to(images.device), columns.to(images.device)
    # Indexing puts the channels last.
    cut = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2)
