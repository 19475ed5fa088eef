"""What findings keep so that answers of people can recalibrate them."""

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core import durable
from chaffinch.core.errors import RunError
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Floats

FILE = "basis.npz"
"""Name of the file beside the findings of a run."""

_MOST_ALTERNATIVES = 8


@dataclass(frozen=True, eq=False)
class Basis:
    """Evidence on the label of each of N samples, before anybody answered.

    Attributes:
        names: F names of the features, see `chaffinch.core.calibration.design`.
        features: (N, F) float32; higher = more suspicious.
        given: (N,) codes of the given labels.
        others: (N, K) codes of the likeliest classes beside the given one, likeliest first.
        shares: (N, K) float32, how likely each of these is if the label is wrong; rows sum to 1.
        groups: Source, annotator or time slice of each sample; None where none were given.
    """

    names: tuple[str, ...]
    features: NDArray[np.float32]
    given: Codes
    others: NDArray[np.int32]
    shares: NDArray[np.float32]
    groups: SampleGroups | None = None

    def __len__(self) -> int:
        return len(self.features)

    @classmethod
    def of(cls, features: dict[str, Floats], given: Codes, alternatives: Floats) -> "Basis":
        """Keep features (N,) by name, and the likeliest few of the alternatives (N, C)."""
        kept = min(_MOST_ALTERNATIVES, alternatives.shape[1])
        others = np.argsort(-alternatives, axis=1, kind="stable")[:, :kept]
        shares = np.take_along_axis(alternatives, others, axis=1)
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        columns = np.column_stack(list(features.values())).astype(np.float32)
        codes = given.astype(np.int64)
        return cls(
            tuple(features), columns, codes, others.astype(np.int32), shares.astype(np.float32)
        )

    def told(self, rows: Codes, codes: Codes) -> "Basis":
        """The same with the right class of some samples known; -1 where it is not."""
        others, shares = self.others.copy(), self.shares.copy()
        known = rows[codes >= 0]
        others[known, 0], shares[known, 0] = codes[codes >= 0], 1
        shares[known, 1:] = 0
        return replace(self, others=others, shares=shares)

    def flow(self, wrong: Floats, num_classes: int) -> Floats:
        """(C, C) expected number of samples by given (row) and right (column) class.

        Args:
            wrong: (N,) probability that each given label is wrong.
            num_classes: C.
        """
        flow = np.zeros((num_classes, num_classes))
        np.add.at(flow, (self.given[:, None], self.others), wrong[:, None] * self.shares)
        np.add.at(flow, (self.given, self.given), 1 - wrong)
        return flow

    def save(self, folder: Path) -> None:
        """Write ``basis.npz`` into the folder of a run."""
        arrays: dict[str, Any] = {}
        if self.groups is not None:
            arrays["groups"] = self.groups.codes
            arrays["group_names"] = np.asarray([self.groups.column, *self.groups.names])
        draft = folder / (FILE + ".draft")
        with draft.open("wb") as file:
            np.savez_compressed(
                file,
                names=np.asarray(self.names),
                features=self.features,
                given=self.given,
                others=self.others,
                shares=self.shares,
                **arrays,
            )
        durable.replace(draft, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "Basis | None":
        """Read it back; None for runs of versions that kept none.

        Raises:
            RunError: The file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file) as kept:
                names = tuple(kept["names"].tolist())
                arrays = (kept[name] for name in ("features", "given", "others", "shares"))
                groups = None
                if "groups" in kept:
                    column, *called = kept["group_names"].tolist()
                    groups = SampleGroups(kept["groups"], tuple(called), column)
                return replace(cls(names, *arrays), groups=groups)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise RunError(
                f"the evidence on labels in {path}", reason, "Scan again with --overwrite"
            ) from error
