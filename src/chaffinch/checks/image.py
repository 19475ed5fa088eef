"""Issues of images: odd brightness, sharpness, size, form, information and colour.

The names are those that users of CleanVision know. An image is flagged where it is bad by an
absolute measure and also far from what is usual in its data set, so that a set of dark or small
images is no set of issues.
"""

import numpy as np

from chaffinch.checks.registry import Finding, Severity, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.tail import beyond, clipped
from chaffinch.core.types import Floats, Mask

_BASIS = "CleanVision's issue of that name; Tukey's outer fences within the data set"
_DARK = 0.32
_LIGHT = 0.95
_BLURRED = 0.6
_SIZE_FACTOR = 1.5
_RATIO_FACTOR = 2.0
_POOR = 0.3
_BLANK = 0.02
_COLOURLESS = 3 / 255  # what the compression of a gray picture may leave
_COLOURED = 0.2
_RARE = 0.1


@register(
    "dark",
    "samples",
    ("images",),
    remedy="Look at them; take the picture again, brighten it or drop it",
    basis=_BASIS,
)
def dark(subject: Subject) -> Finding:
    """Images that are nearly black."""
    return _found(subject, *dark_images(subject.properties["high"]))


def dark_images(high: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by the 99th percentile of luminance, (N,) in 0..1."""
    return (high < _DARK) & beyond(high, "low"), clipped(1 - high)


@register(
    "light",
    "samples",
    ("images",),
    remedy="Look at them; take the picture again, darken it or drop it",
    basis=_BASIS,
)
def light(subject: Subject) -> Finding:
    """Images that are nearly white."""
    return _found(subject, *light_images(subject.properties["low"]))


def light_images(low: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by the 5th percentile of luminance, (N,) in 0..1."""
    return (low > _LIGHT) & beyond(low, "high"), clipped(low)


@register(
    "blurry",
    "samples",
    ("images",),
    remedy="Look at them; drop those that people cannot tell either",
    basis="Crete et al. 2007; Tukey's outer fences within the data set",
)
def blurry(subject: Subject) -> Finding:
    """Images that are out of focus."""
    properties = subject.properties
    flagged, scores = blurry_images(properties["blur"], properties["entropy"])
    return _found(subject, flagged, scores)


def blurry_images(blur: Floats, entropy: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by blur in 0..1; images of next to no information are never blurred."""
    told = np.where(entropy / 8 > _BLANK, blur, np.nan)
    # By the logarithm of what is sharp: the measure crowds near 1.
    sharpness = np.log(np.maximum(1 - told, 1e-6))
    return (told > _BLURRED) & beyond(sharpness, "low", 1.5), clipped(told)


@register(
    "odd_size",
    "samples",
    ("images",),
    remedy="Check where they come from; they may be thumbnails or scans among photographs",
    basis=_BASIS,
)
def odd_size(subject: Subject) -> Finding:
    """Images much larger or smaller than the others."""
    properties = subject.properties
    flagged, scores = odd_logarithms(
        np.log(properties["height"] * properties["width"]) / 2, _SIZE_FACTOR
    )
    return _found(subject, flagged, scores, "low")


@register(
    "odd_aspect_ratio",
    "samples",
    ("images",),
    remedy="Crop them to what the label names, or drop them",
    basis=_BASIS,
)
def odd_aspect_ratio(subject: Subject) -> Finding:
    """Images much longer or wider than the others."""
    properties = subject.properties
    flagged, scores = odd_logarithms(
        np.log(properties["width"]) - np.log(properties["height"]), _RATIO_FACTOR
    )
    return _found(subject, flagged, scores, "low")


def odd_logarithms(values: Floats, factor: float) -> tuple[Mask, Floats]:
    """Flags and scores of logarithms that differ from their median by at least a factor.

    Args:
        values: (N,) logarithms of a size or a ratio.
        factor: By which a value must differ.

    Returns:
        Flags, and scores that are 0 at the median and 0.5 at the factor.
    """
    if not np.isfinite(values).any():
        return np.zeros(len(values), np.bool_), np.zeros(len(values))
    away = np.abs(values - np.nanmedian(values))
    outside = beyond(values, "low") | beyond(values, "high")
    return outside & (away >= np.log(factor) - 1e-9), clipped(1 - np.exp2(-away / np.log(factor)))


@register(
    "low_information",
    "samples",
    ("images",),
    remedy="Drop blank images; they teach nothing",
    basis=_BASIS,
)
def low_information(subject: Subject) -> Finding:
    """Images that are blank or nearly so."""
    flagged, scores = poor_images(subject.properties["entropy"])
    return _found(subject, flagged, scores)


def poor_images(entropy: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by the entropy of luminance in bits, (N,) in 0..8."""
    share = entropy / 8
    return (share < _BLANK) | ((share < _POOR) & beyond(share, "low")), clipped(1 - share)


@register(
    "grayscale",
    "samples",
    ("images",),
    remedy="Check where they come from; make all images gray if colour does not matter",
    basis=_BASIS,
)
def grayscale(subject: Subject) -> Finding:
    """Gray images among coloured ones."""
    flagged, scores = gray_images(subject.properties["colour"])
    return _found(subject, flagged, scores, "low")


def gray_images(colour: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by the 99th percentile of the spread between the channels, (N,) in 0..1.

    Where more than a tenth of the images are gray, that is how the set is.
    """
    gray = colour <= _COLOURLESS
    scores = clipped(1 - colour / _COLOURED)
    return gray if gray.mean() <= _RARE else np.zeros(len(gray), np.bool_), scores


def _found(
    subject: Subject, flagged: Mask, scores: Floats, severity: Severity = "medium"
) -> Finding:
    scores = np.where(subject.usable, scores, 0.0)
    return Finding("", severity, flagged & subject.usable, scores)
