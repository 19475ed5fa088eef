"""Texts: sentences, documents, or pairs joined to one string."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import digest, fingerprint, ids_from_digests
from chaffinch.core.kinds import EMPTY
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Modality, Strings

SEPARATOR = " [SEP] "
"""Put between the parts where a sample is made of several text columns."""


@final
@dataclass(frozen=True, eq=False)
class TextData:
    """N labelled texts. Build it with `of`, which checks.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of each text, letter by letter.
        source: Where the texts came from, for people.
        texts: (N,) the texts, unchanged; "" where one is missing.
        notes: What was interpreted when they were read.
        faults: Why texts cannot be used, by id.
        groups: Source, annotator or time slice of each sample, where a column was named.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    faults: Mapping[str, Fault] = field(default_factory=dict)
    groups: SampleGroups | None = None

    modality: ClassVar[Modality] = "text"

    @classmethod
    def of(
        cls,
        texts: Sequence[Any],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "texts in memory",
    ) -> "TextData":
        """Check texts and name them.

        Args:
            texts: (N,) strings; other single values (numbers) are turned into text. One that is
                missing or blank is one of the `faults`.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the texts came from, for people.

        Raises:
            InputError: More or fewer texts than labels.
        """
        if len(texts) != len(labels):
            raise InputError(
                f"as many texts as labels ({len(labels)}) in {source}",
                f"{len(texts)} texts",
                "Pass texts and labels of the same samples",
            )
        strings = tuple("" if _is_missing(value) else str(value) for value in texts)
        blank = [row for row, text in enumerate(strings) if not text.strip()]
        digests = tuple(digest(text.encode("utf-8", "surrogatepass")) for text in strings)
        named = ids_from_digests(digests) if ids is None else ids
        faults = {str(named[row]): Fault(EMPTY, "no text") for row in blank}
        return cls(named, labels, digests, source, strings, faults=faults)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        return fingerprint(self.ids, self.digests, self.labels.values)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            groups=None if self.groups is None else self.groups.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            texts=tuple(self.texts[row] for row in rows),
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """The text, as ``{"text": str}``."""
        return {"text": self.texts[position]}


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or bool(value != value)
