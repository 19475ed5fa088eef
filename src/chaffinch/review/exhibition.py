"""What can be shown of the samples of a run: from the data themselves, else from the run folder."""

from functools import lru_cache
from typing import Any

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import ChaffinchError
from chaffinch.pipeline.gallery import exhibit
from chaffinch.pipeline.labelled import refuse_prompts
from chaffinch.pipeline.run_data import open_as_run
from chaffinch.store.run import Exhibit, RunFolder

_KEPT = 512
_WITHOUT_WORDS = ("image", "audio", "series")


class Exhibition:
    """Samples by id, as far as they can be shown.

    Args:
        run: The run.
        data: The data, or where they lie now; by default where the run found them.

    Attributes:
        note: What a reviewer should know of the samples shown; "" for nothing.

    Raises:
        InputError: Data were named and cannot be opened, or hold no sample of the run; or the
            run is on prompts.
    """

    def __init__(self, run: RunFolder, data: Any = None) -> None:
        self._kept = {one.id: one for one in run.gallery}
        self._data: Dataset | None = None
        self.note = ""
        refuse_prompts(run.record)
        try:
            self._data = open_as_run(run.record, run.findings, data)
        except (ChaffinchError, OSError) as error:
            if data is not None:
                raise
            self.note = (
                "Only the samples that the run kept can be shown. "
                f"The data could not be opened again: {error}"
            )
        self._place: dict[str, int] = {}
        if self._data is not None:
            self._place = {str(name): row for row, name in enumerate(self._data.ids)}
            if self._data.fingerprint != run.record.data.fingerprint:
                self.note = (
                    "The data have changed since the scan: samples are shown as the run kept them, "
                    "others as they are now, or not at all where they are gone."
                )
        self._changed = bool(self.note)
        self._from_data = lru_cache(_KEPT)(self._read)

    def show(self, sample: str) -> Exhibit:
        """The sample; without content where nothing of it can be shown."""
        if sample in self._kept and (self._changed or sample not in self._place):
            return self._kept[sample]
        if sample in self._place:
            return self._from_data(sample)
        return Exhibit(id=sample, content={})

    def words(self, sample: str) -> str:
        """The texts and values of the sample on one line, for a search."""
        if self._data is not None and self._data.modality in _WITHOUT_WORDS:
            return ""
        content = self.show(sample).content
        return " ".join(str(value) for name, value in content.items() if name != "image")

    def _read(self, sample: str) -> Exhibit:
        if self._data is None:
            raise LookupError(sample)
        try:
            return exhibit(self._data, self._place[sample], playable=True)
        except (ChaffinchError, OSError):  # a file that has gone since the data were opened
            return self._kept.get(sample) or Exhibit(id=sample, content={})
