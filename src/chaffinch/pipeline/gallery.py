"""The most suspicious samples in a form that a page or a person can show."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from chaffinch.core.dataset import Dataset
from chaffinch.core.findings import Findings
from chaffinch.data import AudioData
from chaffinch.diagnosis.explanation.explain import PROTECTED
from chaffinch.store.run import Exhibit

MAX_EXHIBITS = 60
MIN_EXHIBITS = 12
MAX_PROTECTED = 12
MAX_ASIDE = 12
MAX_TEXT = 2000
SHOWN_SIDE = 112


def gallery(dataset: Dataset, findings: Findings) -> list[Exhibit]:
    """The samples that a report shows.

    First the flagged ones, at least 12 and at most 60, most suspicious first; then up to 12 of
    those that could not be judged, and up to 12 of those that are protected, the surest first.
    """
    table, judged = findings.table, findings.is_judged
    flagged = int((table["flagged"] & judged).sum())
    count = min(int(judged.sum()), MAX_EXHIBITS, max(MIN_EXHIBITS, flagged))
    # Those that could not be judged would stand first.
    ranks = np.where(judged, -table["suspicion"].to_numpy(), np.inf)
    order = np.argsort(ranks, kind="stable")[:count]
    aside = np.flatnonzero(~judged)[:MAX_ASIDE]
    sure = table["kind_probability"].to_numpy(np.float64)
    kept = np.flatnonzero(table["kind"].isin(PROTECTED) & ~table["flagged"])
    kept = kept[np.argsort(-sure[kept], kind="stable")]
    kept = kept[~np.isin(kept, order)][:MAX_PROTECTED]
    return [exhibit(dataset, int(position)) for position in (*order, *aside, *kept)]


def exhibit(dataset: Dataset, position: int, playable: bool = False) -> Exhibit:
    """One sample as a page shows it: images as data URIs, long texts cut.

    Args:
        dataset: The data.
        position: Of the sample.
        playable: Whether a sound comes with what a browser plays, as a data URI.
    """
    content = _content(dataset.show(position))
    if playable and isinstance(dataset, AudioData) and "image" in content:
        content["audio"] = wav_uri(dataset.play(position))
    return Exhibit(id=str(dataset.ids[position]), content=content)


def wav_uri(content: bytes) -> str:
    """A WAV file as a data URI."""
    return "data:audio/wav;base64," + base64.b64encode(content).decode()


def _content(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 3:
        return _data_uri(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + " ..."
    if value is None or isinstance(value, bool | int):
        return value
    if pd.isna(value):
        return None
    return value if isinstance(value, float) else str(value)


def _data_uri(pixels: Any) -> str:
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    scale = max(1, SHOWN_SIDE // max(image.size))
    if scale > 1:  # small images are enlarged without blur, so that their pixels can be seen
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
