"""The samples to look at: what a person sees, beside what was judged of it."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core import kinds
from chaffinch.core.errors import RunError
from chaffinch.core.explanation import Explanation
from chaffinch.report import wording
from chaffinch.report.course import Course, trace_loss
from chaffinch.report.kind import PROTECTED, title_of
from chaffinch.report.wording import Naming
from chaffinch.store.run import Exhibit

# Nothing but an image held in the page itself may be drawn: a page must not call out.
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*")
_SOUND = re.compile(r"data:audio/wav;base64,[A-Za-z0-9+/]+=*")
_EXCERPT = 600
_MOST_COLUMNS = 60
_TINY = 100


@dataclass(frozen=True)
class Sample:
    """One sample of the gallery.

    Attributes:
        rank: 1 for the most suspicious of the whole set.
        id: Its id.
        given: The given label.
        suggested: The suggested label, None where no other is likelier.
        confidence: How sure the suggestion is, 0..1 as text.
        suspicion: 0..1 as text.
        q: The q-value as text.
        flagged: Whether it is flagged.
        kind: What is wrong with it, where that is known.
        title: The kind in words.
        why: One sentence on why it was judged so; empty where none was kept.
        stability: Share of epochs and trainings that agree, as text.
        course: Its loss over the epochs.
        image: A ``data:`` URL, for images.
        audio: A ``data:`` URL of a sound that can be played; the review page has it.
        text: The text, for texts.
        cells: Column to value as text, for everything else.
        row: Position in the data, from 0, as text; "" where it is not known.
        source: Its file, or ``FILE:ROW``; "" for data in memory.
    """

    rank: int
    id: str
    given: str
    suggested: str | None
    confidence: str
    suspicion: str
    q: str
    flagged: bool
    kind: str | None
    title: str = ""
    why: str = ""
    stability: str = wording.MISSING
    course: Course | None = None
    image: str | None = None
    audio: str | None = None
    text: str | None = None
    cells: dict[str, str] = field(default_factory=dict)
    row: str = ""
    source: str = ""

    @property
    def is_protected(self) -> bool:
        """Whether it is to stay although many scorers find it suspicious."""
        return self.kind in PROTECTED and not self.flagged

    @property
    def is_aside(self) -> bool:
        """Whether it could not be judged."""
        return self.kind in kinds.SET_ASIDE

    @property
    def is_plain(self) -> bool:
        """Whether its kind says no more than whether it is flagged."""
        return self.kind in (None, kinds.MISLABELLED, kinds.CLEAN)

    @property
    def is_tiny(self) -> bool:
        """Whether the image is so small that its pixels should stay sharp when enlarged."""
        head = base64.b64decode((self.image or ",").partition(",")[2][:32])
        return head[1:4] == b"PNG" and int.from_bytes(head[16:20], "big") < _TINY

    @property
    def excerpt(self) -> str:
        """The beginning of the text."""
        return wording.clip(self.text or "", _EXCERPT)

    @property
    def is_long(self) -> bool:
        """Whether the excerpt leaves something out."""
        return len(self.text or "") > _EXCERPT

    @property
    def preview(self) -> str:
        """The sample on one line, for the terminal."""
        if self.text is not None:
            return " ".join(self.text.split())
        return ", ".join(f"{name}={value}" for name, value in self.cells.items())


@dataclass(frozen=True)
class Gallery:
    """The samples to look at, and how to lay them out.

    Attributes:
        samples: Most suspicious first.
        layout: ``image``, ``text`` or ``table``.
        columns: The columns of a table, in the order of the data.
        hidden_columns: How many columns are left out because there are too many to read.
        numeric: Columns whose values are all numbers, to be set flush right.
        protected: Samples that look suspicious to many scorers and are to stay, the surest first.
    """

    samples: tuple[Sample, ...]
    layout: str
    columns: tuple[str, ...]
    hidden_columns: int
    numeric: frozenset[str]
    protected: tuple[Sample, ...] = ()

    @property
    def has_why(self) -> bool:
        """Whether any sample comes with a sentence."""
        return any(one.why for one in (*self.samples, *self.protected))


def hang(
    exhibits: Sequence[Exhibit],
    findings: pd.DataFrame,
    naming: Naming,
    explanations: Sequence[Explanation] = (),
) -> Gallery:
    """Match the exhibits with the findings, and with what explains them, by id.

    Raises:
        RunError: The findings do not hold an exhibit.
    """
    suspicion = findings["suspicion"].to_numpy(dtype=np.float64)
    rank = np.empty(len(findings), dtype=np.int64)
    rank[np.argsort(-suspicion, kind="stable")] = np.arange(1, len(findings) + 1)
    wanted = {exhibit.id for exhibit in exhibits}
    rows = findings.assign(rank=rank)
    rows = rows[rows["id"].astype(str).isin(wanted)]
    by_id = {str(row["id"]): row for row in rows.to_dict("records")}
    lost = wanted - by_id.keys()
    if lost:
        raise RunError(
            "a gallery and findings of the same run",
            f"{len(lost)} samples without findings, such as {min(lost)!r}",
            "Scan again with --overwrite",
        )
    told = {one.id: one for one in explanations}
    everyone = tuple(
        _sample(exhibit, by_id[exhibit.id], naming, told.get(exhibit.id)) for exhibit in exhibits
    )
    columns = list(dict.fromkeys(name for one in everyone for name in one.cells))
    return Gallery(
        samples=tuple(one for one in everyone if not one.is_protected),
        layout=_layout(everyone),
        protected=tuple(one for one in everyone if one.is_protected),
        columns=tuple(columns[:_MOST_COLUMNS]),
        hidden_columns=max(0, len(columns) - _MOST_COLUMNS),
        numeric=frozenset(name for name in columns if _all_numbers(exhibits, name)),
    )


def _sample(
    exhibit: Exhibit, row: dict[Any, Any], naming: Naming, told: Explanation | None
) -> Sample:
    content = dict(exhibit.content)
    image = content.pop("image", None) if is_image(content.get("image")) else None
    heard = content.pop("audio", None)
    audio = heard if isinstance(heard, str) and _SOUND.fullmatch(heard) else None
    text = content.pop("text") if set(content) == {"text"} else None
    suggested = naming(row.get("suggested_label"))
    kind = row.get("kind")
    return Sample(
        rank=int(row["rank"]),
        id=wording.clean(exhibit.id),
        given=wording.clean(naming(row["given_label"]) or wording.MISSING),
        suggested=None if suggested is None else wording.clean(suggested),
        confidence=wording.score(row.get("suggestion_confidence"), 2),
        suspicion=wording.score(row["suspicion"]),
        q=wording.rate(row.get("q_value")),
        flagged=bool(row["flagged"]),
        kind=None if wording.is_missing(kind) else wording.clean(kind),
        title="" if wording.is_missing(kind) else wording.clean(title_of(str(kind), naming)),
        why=wording.clean(told.why if told is not None else row.get("why") or ""),
        stability=wording.share(row.get("stability")),
        course=None if told is None else trace_loss(told),
        image=image,
        audio=audio,
        text=None if text is None else wording.clean(text),
        cells={wording.clean(name): wording.cell(value) for name, value in content.items()},
        row="" if wording.is_missing(row.get("row")) else str(int(row["row"])),
        source=wording.clean(str(row.get("source") or "")),
    )


def is_image(value: object) -> bool:
    """Whether a page may draw it: an image held in the text itself, of a kind that runs nothing."""
    return isinstance(value, str) and _IMAGE.fullmatch(value) is not None


def _layout(samples: Sequence[Sample]) -> str:
    if samples and all(one.text is not None for one in samples):
        return "text"
    return "image" if any(one.image is not None for one in samples) else "table"


def _all_numbers(exhibits: Sequence[Exhibit], name: str) -> bool:
    values = [one.content.get(name) for one in exhibits]
    return all(
        wording.is_missing(value) or (isinstance(value, int | float) and value is not True)
        for value in values
    )
