"""Line plots of time series as small pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_HEIGHT, _WIDTH, _SCALE = 120, 240, 3
_MARGIN = 4
_COLOURS = ((47, 79, 111), (200, 100, 58), (90, 140, 90), (150, 110, 160), (120, 120, 120))


def plot(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw the channels of one series over time, each from its lowest to its highest value.

    Args:
        values: (T, F) with T >= 1; missing values leave gaps.

    Returns:
        (120, 240, 3) uint8; of many channels the first five are drawn.
    """
    high, wide, margin = _HEIGHT * _SCALE, _WIDTH * _SCALE, _MARGIN * _SCALE
    image = Image.new("RGB", (wide, high), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    across = np.linspace(margin, wide - margin, len(values))
    for channel, colour in zip(values.T[: len(_COLOURS)], _COLOURS, strict=False):
        known = np.isfinite(channel)
        if not known.any():
            continue
        low, top = float(channel[known].min()), float(channel[known].max())
        up = (
            high / 2
            if top == low
            else high - margin - _share(channel, low, top) * (high - 2 * margin)
        )
        up = np.broadcast_to(up, channel.shape)
        for part in np.split(np.arange(len(channel)), np.flatnonzero(~known)):
            points = [(float(across[step]), float(up[step])) for step in part if known[step]]
            if len(points) > 1:
                draw.line(points, fill=colour, width=_SCALE, joint="curve")
            elif points:
                (x, y), size = points[0], _SCALE
                draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
    small = image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS)
    return np.asarray(small)


def _share(channel: NDArray[np.float32], low: float, top: float) -> NDArray[np.float64]:
    return (np.nan_to_num(channel.astype(np.float64)) - low) / (top - low)
