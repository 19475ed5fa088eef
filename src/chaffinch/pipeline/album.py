"""Making the album of a run: the flagged samples as thumbnails or lines of text."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from chaffinch.core.dataset import Dataset
from chaffinch.core.findings import Findings
from chaffinch.core.plain_text import clean
from chaffinch.pipeline.gallery import MAX_EXHIBITS, MIN_EXHIBITS
from chaffinch.store.album import Album, Sprite

MOST_TEXTS, MOST_PICTURES = 20_000, 3_000
_BYTES = 3_500_000
"""Upper bound of the texts and of the sprite, so that a report stays below ten megabytes."""

_SIDES = (64, 48, 32, 24)
_LONGEST, _SHORTEST = 400, 60
_QUALITY = 72


def album(dataset: Dataset, findings: Findings) -> Album:
    """The flagged samples in small, most suspicious first; at least those of the gallery.

    Args:
        dataset: All samples.
        findings: What was found, in the order of the data.
    """
    table = findings.table
    suspicion = np.where(findings.is_judged, table["suspicion"].to_numpy(np.float64), -np.inf)
    flagged = int((table["flagged"] & findings.is_judged).sum())
    count = min(int(findings.is_judged.sum()), max(flagged, MIN_EXHIBITS), MOST_TEXTS)
    rows = np.argsort(-suspicion, kind="stable")[:count].tolist()
    if not rows:
        return Album()
    pictures: dict[str, Image.Image] = {}
    texts: dict[str, str] = {}
    side = _SIDES[0] if count <= MAX_EXHIBITS * 10 else _SIDES[1]
    longest = max(_SHORTEST, min(_LONGEST, _BYTES // count))
    for row in rows[: MOST_PICTURES if dataset.modality == "image" else count]:
        name, shown = str(dataset.ids[row]), dict(dataset.show(row))
        pixels = shown.pop("image", None)
        if isinstance(pixels, np.ndarray) and pixels.ndim == 3:
            pictures[name] = _thumbnail(pixels, side)
        line = one_line(shown)[:longest]
        if line:
            texts[name] = line
    return Album(texts=texts, sprite=_sprite(list(pictures), list(pictures.values())))


def one_line(shown: Mapping[str, Any]) -> str:
    """What a person sees of a sample, without pictures, on one line."""
    if set(shown) == {"text"}:
        return " ".join(clean(shown["text"]).split())
    cells = ((name, value) for name, value in shown.items() if not isinstance(value, np.ndarray))
    return ", ".join(f"{clean(name)}={_cell(value)}" for name, value in cells)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    return f"{value:.5g}" if isinstance(value, float) else " ".join(clean(value).split())


def _thumbnail(pixels: Any, side: int) -> Image.Image:
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8)).convert("RGB")
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.resize(size, how)


def _sprite(ids: Sequence[str], pictures: Sequence[Image.Image]) -> Sprite | None:
    """The largest sprite that fits; the least suspicious samples go without where none does."""
    if not pictures:
        return None
    for side in _SIDES:
        if side > max(max(one.size) for one in pictures):
            continue
        sprite = _drawn(ids, pictures, side)
        if len(sprite.image) <= _BYTES * 4 / 3:
            return sprite
    half = len(pictures) // 2
    return _sprite(ids[:half], pictures[:half])


def _drawn(ids: Sequence[str], pictures: Sequence[Image.Image], side: int) -> Sprite:
    across = min(len(pictures), math.ceil(math.sqrt(len(pictures))))
    down = math.ceil(len(pictures) / across)
    sheet = Image.new("RGB", (across * side, down * side), "white")
    for place, picture in enumerate(pictures):
        fitted = picture
        if max(picture.size) > side:
            fitted = picture.copy()
            fitted.thumbnail((side, side), Image.Resampling.LANCZOS)
        left = place % across * side + (side - fitted.width) // 2
        sheet.paste(fitted, (left, place // across * side + (side - fitted.height) // 2))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=_QUALITY, method=4)
    image = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Sprite(side=side, across=across, ids=list(ids), image=image)
