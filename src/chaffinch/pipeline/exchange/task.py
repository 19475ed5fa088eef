"""What a reviewer sees of a sample, whatever the tool."""

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.version import VERSION
from chaffinch.data import AudioData
from chaffinch.pipeline.gallery import wav_uri

AGENT = f"chaffinch {VERSION}"
"""Who made the suggestions, for tools that ask."""

ACTIONS = ("remove", "quarantine", "unsure")
"""What a reviewer can say besides choosing a class."""

TOLD = ("row", "source", "given_label", "suggested_label", "suspicion", "kind", "why")
"""Columns of the findings that go along with a sample, where they are there."""


@dataclass(frozen=True)
class Task:
    """One sample for a reviewer.

    Attributes:
        id: Of the sample.
        field: ``text``, ``image`` or ``audio``.
        content: The text; or the path of an image or sound, or its content as a data URI.
        told: What the findings say of it, as plain values.
        suggestion: The likeliest other class; None where there is none.
        score: How sure the suggestion is, in 0..1.
    """

    id: str
    field: str
    content: str
    told: Mapping[str, Any]
    suggestion: str | None
    score: float | None


def tasks(findings: pd.DataFrame, data: Dataset) -> Iterator[Task]:
    """The samples of a findings table, in its order.

    Raises:
        InputError: Data that do not hold the samples, or that nobody can look at.
    """
    place = {str(name): position for position, name in enumerate(data.ids)}
    missing = [name for name in findings["id"].astype(str) if name not in place]
    if missing:
        raise InputError(
            "the data that were scanned",
            f"data without {len(missing)} of the samples, such as {missing[0]!r}",
            "Name the data of the run with --data",
        )
    for row in findings.to_dict("records"):
        position = place[str(row["id"])]
        field, content = _content(data, position)
        told = {name: plain(row.get(name)) for name in TOLD if name in row}
        suggestion = plain(row["suggested_label"])
        yield Task(
            str(row["id"]),
            field,
            content,
            told,
            None if suggestion is None else str(suggestion),
            plain(row["suggestion_confidence"]),
        )


def plain(value: Any) -> Any:
    """A value that JSON can hold; None for a missing one."""
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _content(data: Dataset, position: int) -> tuple[str, str]:
    files = getattr(data, "files", None)
    heard = isinstance(data, AudioData)
    if files is not None:
        return "audio" if heard else "image", files[position]
    if isinstance(data, AudioData):
        return "audio", wav_uri(data.play(position))
    shown = data.show(position)
    if "image" in shown:
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(shown["image"], np.uint8)).save(buffer, "PNG")
        return "image", f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    if set(shown) == {"text"}:
        return "text", str(shown["text"])
    if not shown:
        raise InputError("samples that can be shown", f"a {data.modality}", "Use --to csv")
    return "text", "\n".join(f"{name}: {value}" for name, value in shown.items())
