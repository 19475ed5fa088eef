"""What several annotators say together."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.plain_text import clean


@dataclass(frozen=True, eq=False)
class Consensus:
    """The right label of each sample, as far as the answers tell, and how good each annotator is.

    Attributes:
        table: One row a sample: ``id``, ``label`` (consensus), ``confidence`` (probability that
            it is right), ``answers`` (how many), ``agreement`` (share of them that equal the
            consensus), ``majority`` (most frequent answer).
        annotators: One row an annotator: ``annotator``, ``answers``, ``quality`` (expected share
            of right answers, other annotators being the judge), ``bias`` (class given too often),
            ``bias_size`` (by how much, as a share of the answers), ``mistaken_for`` (the most
            frequent confusion, ``right -> given``).
        soft_labels: (N, C) probability of each class, by id; rows sum to 1.
        next: Samples to have answered again, the most worthwhile first: ``id``, ``annotator``,
            ``gain`` (expected information of one more answer, in nats).
        alpha: Krippendorff's alpha, nominal: 1 full agreement, 0 chance; NaN without a sample
            that has two answers.
        method: How the consensus was found.
    """

    table: pd.DataFrame
    annotators: pd.DataFrame
    soft_labels: pd.DataFrame
    next: pd.DataFrame
    alpha: float
    method: str
    _confusions: Any

    def confusion(self, annotator: Any) -> pd.DataFrame:
        """(C, C) what an annotator answers (columns) for each right class (rows).

        Raises:
            InputError: No annotator has that name.
        """
        names = list(self.annotators["annotator"])
        if annotator not in names:
            few = ", ".join(map(str, names[:5]))
            raise InputError("the name of an annotator", repr(annotator), f"Such as: {few}")
        classes = self.soft_labels.columns
        return pd.DataFrame(
            self._confusions[names.index(annotator)],
            index=pd.Index(classes, name="right"),
            columns=pd.Index(classes, name="given"),
        )

    def summary(self) -> str:
        """The consensus in words."""
        unsure = int((self.table["confidence"] < 0.9).sum())
        poor = self.annotators.sort_values("quality", kind="stable").head(3)
        names = ", ".join(
            f"{one['annotator']} ({one['quality']:.2f})" for one in poor.to_dict("records")
        )
        lines = [
            f"{len(self.table):,} samples, {len(self.annotators):,} annotators, "
            f"{int(self.table['answers'].sum()):,} answers; consensus by {self.method}.",
            f"Agreement beyond chance (Krippendorff's alpha): {self.alpha:.2f}.",
            f"{unsure:,} samples are less than 90 % certain.",
            f"Lowest quality: {names}.",
        ]
        return clean("\n".join(lines))

    def __str__(self) -> str:
        return self.summary()

    def to_csv(self, path: str | Path) -> None:
        """Write the table, one row a sample."""
        self.table.to_csv(path, index=False)

    def to_dict(self) -> dict[str, Any]:
        """Alpha, method, annotators and samples as plain values."""
        return {
            "method": self.method,
            "alpha": None if np.isnan(self.alpha) else self.alpha,
            "annotators": json.loads(self.annotators.to_json(orient="records")),
            "samples": json.loads(self.table.to_json(orient="records")),
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """All but the soft labels as JSON.

        Args:
            path: Where to write it too.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", "utf-8")
        return text
