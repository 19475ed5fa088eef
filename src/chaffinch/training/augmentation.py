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


def shift_and_mask(spectrograms: Tensor) -> Tensor:
    """Shift each spectrogram in time, and blank some frames and some bands.

    Shifts are up to a tenth of the frames, and what comes in repeats the end; masks cover up to an
    eighth of the frames and of the bands, with the mean (SpecAugment: Park et al., Interspeech
    2019).

    Args:
        spectrograms: (B, channels, bands, frames), standardised.

    Returns:
        (B, channels, bands, frames), drawn from torch's own random state.

    Raises:
        InputError: No spectrograms.
    """
    if spectrograms.ndim != 4:
        raise InputError(
            "spectrograms of shape (B, channels, bands, frames)",
            f"{tuple(spectrograms.shape)}",
            "Leave augment out",
        )
    count, _, bands, frames = spectrograms.shape
    farthest = frames // 10
    shifts = torch.randint(-farthest, farthest + 1, (count, 1))
    columns = (torch.arange(frames) + shifts).clamp(0, frames - 1).to(spectrograms.device)
    moved = spectrograms.gather(3, columns[:, None, None, :].expand_as(spectrograms))
    hidden = _spans(count, frames)[:, None, None, :] | _spans(count, bands)[:, None, :, None]
    return moved.masked_fill(hidden.to(spectrograms.device), 0.0)


def _spans(count: int, length: int) -> Tensor:
    """(count, length) which places one random span of up to an eighth of the length covers."""
    width = torch.randint(0, length // 8 + 1, (count, 1))
    start = (torch.rand(count, 1) * (length - width + 1)).long()
    place = torch.arange(length)
    return (place >= start) & (place < start + width)
