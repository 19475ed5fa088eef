"""The state of a run: what was found, where it is kept, and what it was made of."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.notebook import shown
from chaffinch.core.records import Records
from chaffinch.core.types import Floats
from chaffinch.pipeline.labelled import need_labels
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.run_data import open_as_run
from chaffinch.report.projection import Projection, described, project, projection_of
from chaffinch.runs.given import Given, with_data
from chaffinch.runs.view import FindingsView
from chaffinch.store import EvidenceFolder
from chaffinch.store.records import load_records
from chaffinch.store.run import EVIDENCE, RunFolder, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class KeptRun(FindingsView):
    """The part of a run that knows its findings, its evidence and its data; see `Run`.

    Args:
        result: What was found.
        folder: Where it is kept; None for memory.
        given: Data, validation data and model, as they were passed.
    """

    def __init__(
        self, result: Result, folder: RunFolder | None = None, given: Given | None = None
    ) -> None:
        self._result, self._folder = result, folder
        self._given = given or Given()

    @property
    def findings(self) -> Findings:
        """What was found, as answers of people left it where there are any."""
        return self._result.findings

    @property
    def info(self) -> RunRecord:
        """How the run came about: data, model, options, seed, versions, notes (``run.json``)."""
        return self._result.record

    @property
    def path(self) -> Path:
        """The folder of the run.

        Raises:
            InputError: It lives in memory.
        """
        return self._need_folder("the path of a run").path

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def evidence(self) -> Evidence:
        """What the findings were judged by.

        Raises:
            InputError: There is none: the run is on prompts.
            RunError: It is missing in the folder, or damaged.
        """
        if self._result.evidence is not None:
            return self._result.evidence
        need_labels(self.info)
        return EvidenceFolder(self._need_folder("evidence").path / EVIDENCE).load()

    @property
    def records(self) -> Records:
        """What findings on labels that are no classes were judged by.

        Raises:
            InputError: A run on classes, which has `evidence`, or on prompts.
            RunError: They are missing in the folder, or damaged.
        """
        if self._result.records is not None:
            return self._result.records
        if self.info.task is None:
            raise InputError("a run on labels that are no classes", "another", "See its evidence")
        return load_records(self._need_folder("records").path / EVIDENCE)

    def attach(
        self,
        data: Any,
        validation: Any = None,
        *,
        label: str | None = None,
        id_column: str | None = None,
        text_column: str | None = None,
    ) -> Self:
        """Name the data of a run that does not know them, for `apply`, `verify` and `export`.

        Args:
            data: What `chaffinch.open_data` takes, with the samples of the run.
            validation: Clean data of the same kind, for `verify`.
            label: Column of the labels; by default as the run opened its data.
            id_column: Column of unique keys; likewise.
            text_column: Column(s) of the text; likewise.

        Returns:
            This run.

        Raises:
            InputError: Other data than those of the run.
        """
        record = with_data(self.info, data, label, id_column, text_column)
        open_as_run(record, self.table, data)  # refuses those of another run
        self._result = replace(self._result, record=record)
        self._given = replace(self._given, data=data, validation=validation)
        return self

    def _data(self, data: Any = None) -> Any:
        """The data that were named, or passed when the run was made; None for those on record."""
        if data is not None:
            return data
        known = self.info.origin is not None and self.info.origin.path
        return None if known else self._given.data

    def _need_folder(self, what: str) -> RunFolder:
        """The folder of the run.

        Raises:
            InputError: It lives in memory.
        """
        if self._folder is None:
            raise InputError(
                f"a run in a folder, for {what}",
                "a run in memory",
                "Make it with out='run', which keeps it",
            )
        return self._folder

    def plot(
        self,
        kind: str = "scores",
        axes: "Axes | None" = None,
        *,
        points: Floats | None = None,
        colour: str = "kind",
    ) -> "Axes":
        """Draw the findings, with the map that the report shows; see `Findings.plot`.

        Raises:
            InputError: Another kind, no such column, or a map of a run that keeps no embedding.
        """
        if kind == "map" and points is None:
            points = self._points()
        return super().plot(kind, axes, points=points, colour=colour)

    def _points(self) -> Floats | None:
        """(N, 2) where the samples lie; NaN for those not judged, None where nothing tells."""
        known = None if self._folder is None else projection_of(self._folder)
        if known is None and self._result.evidence is not None:
            vectors = described(self._result.evidence)
            if vectors is not None:
                points, method = project(vectors, self.info.seed)
                ids = np.asarray(self._result.evidence.ids).astype(np.str_)
                known = Projection(ids, points, method)
        if known is None:
            return None
        at = pd.Index(known.ids).get_indexer(pd.Index(self.table["id"].astype(str)))
        placed = known.points[at].astype(np.float64)
        placed[at < 0] = np.nan
        return placed

    def _repr_html_(self) -> str:
        place = "in memory" if self._folder is None else str(self._folder.path)
        return shown(f"Run, {place}") + self.findings._repr_html_()

    def __repr__(self) -> str:
        place = "in memory" if self._folder is None else str(self._folder.path)
        return f"Run({place}: {self.findings!r})"
