"""What a watch knows of its samples: the present epoch in memory, finished ones on disk."""

import logging
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chaffinch.core.errors import InputError, RunError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Strings
from chaffinch.training.watching.archive import Archive
from chaffinch.training.watching.block import Arrivals
from chaffinch.training.watching.evidence import make_evidence
from chaffinch.training.watching.observer import (
    FIELDS,
    EpochRecord,
    ValidationRecord,
    in_charge,
)
from chaffinch.training.watching.options import MOST_LOGITS, WatchOptions, column
from chaffinch.training.watching.tally import OnBlock, Tally

_LOG = logging.getLogger("chaffinch")


class Ledger:
    """Keeps the records of a watch.

    Args:
        num_samples: N.
        options: Those of the watch.
        on_block: Called with every block of rows that was measured, if anybody looks on.
    """

    def __init__(self, num_samples: int, options: WatchOptions, on_block: OnBlock | None) -> None:
        self.num_samples = num_samples
        self.num_classes = options.get("num_classes")
        self._options = options
        self._on_block = on_block
        self._groups = column(options.get("groups"), num_samples, "groups")
        self._sources = None if self._groups is None else SampleGroups.of(self._groups.tolist())
        if self._sources is not None:
            self._sources.check(num_samples)
        names = column(options.get("ids"), num_samples, "ids")
        self._names = (np.arange(num_samples) if names is None else names).astype(np.str_)
        self.archive = Archive(self._folder(options.get("out")), num_samples)
        self._labels = np.full(num_samples, -1, dtype=np.int64)
        self._tally: Tally | None = None
        self._waiting: dict[str, Any] | None = None
        self._rates = 0.0
        self._rated = 0
        self._started: float | None = None

    def _folder(self, out: str | Path | None) -> Path:
        if out is not None:
            if not isinstance(out, str | Path):
                raise InputError(
                    "the path of a folder as out", repr(out), "Leave it out, or name one"
                )
            return Path(out)
        folder = tempfile.mkdtemp(prefix="chaffinch-watch-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @property
    def ready(self) -> bool:
        """Whether the width of the outputs is known."""
        return self._tally is not None

    @property
    def tally(self) -> Tally | None:
        """The records of the present epoch, once the width of the outputs is known."""
        return self._tally

    @property
    def rated(self) -> bool:
        """Whether learning rates are recorded."""
        return self._options.get("optimizer") is not None

    @property
    def steady(self) -> bool:
        """Whether the loop leaves what it gave as it was; see `Tally`."""
        return self._tally is not None and self._tally.steady

    @property
    def keeps_logits(self) -> bool:
        """Whether outputs of every epoch are kept."""
        wanted = self._options.get("logits")
        if wanted is not None:
            return bool(wanted)
        return self.num_samples * (self.num_classes or 0) <= MOST_LOGITS

    def prepare(self, outputs: Tensor, epoch: int) -> None:
        """Make room for N samples with outputs like these.

        Raises:
            InputError: Other classes than announced; a folder that holds another run.
        """
        classes = outputs.shape[1]
        if self.num_classes not in (None, classes):
            raise InputError(
                f"outputs (B, {self.num_classes})", f"{tuple(outputs.shape)}", "Check num_classes"
            )
        self.num_classes = classes
        column(self._options.get("classes"), classes, "classes")
        if in_charge():
            self.archive.open_folder()
        held = len(self.archive.record(FIELDS[0])) if in_charge() else epoch
        if held != epoch:
            raise InputError(
                f"a folder with {epoch} epochs in {self.archive.path}",
                f"one with {held}",
                "Call watch.load_state_dict with your checkpoint, or watch with another out=",
            )
        size = (self.num_samples, classes)
        self._tally = Tally(size, outputs, self.keeps_logits, self._on_block)
        if self._waiting is not None:
            self._tally.load_state_dict(self._waiting)
            self._waiting = None

    def waiting(self) -> dict[str, Tensor] | None:
        """Sums of an epoch under way that were loaded, until outputs come; None for none."""
        return self._waiting

    def add(self, epoch: int, step: int, rows: Arrivals) -> None:
        """Write a batch down; see `Tally.add`."""
        if self._tally is None:
            raise AssertionError("prepare comes first")
        if self._started is None:
            self._started = time.monotonic()
        self._tally.add((epoch, step), rows)
        self.note_rate()

    def note_rate(self) -> None:
        """Add up the learning rate of a step, if there is an optimizer to ask."""
        optimizer = self._options.get("optimizer")
        if optimizer is not None:
            self._rates += float(optimizer.param_groups[0]["lr"])
            self._rated += 1

    def close(self, epoch: int, steps: int, validation: ValidationRecord | None) -> EpochRecord:
        """End an epoch: gather it from all processes and write it to disk."""
        tally = self._tally
        if tally is None:
            raise AssertionError("prepare comes first")
        tally.flush()
        tally.gather()
        if tally.broken:
            _LOG.warning(
                "%d rows of epoch %d had a loss or outputs that are not finite, and were not "
                "recorded",
                tally.broken,
                epoch + 1,
            )
        table = tally.result()
        values = dict(zip(FIELDS, table.values, strict=True))
        logits = table.logits if self.keeps_logits else None
        labels, counts = table.labels, table.counts
        self._labels = np.where(labels >= 0, labels, self._labels)
        rate = self._rates / self._rated if self._rated else float("nan")
        if in_charge():
            kept = values if logits is None else {**values, "logits": logits}
            self.archive.append({**kept, "learning_rate": np.asarray([rate])})
        record = EpochRecord(
            epoch=epoch,
            labels=self._labels,
            seen=counts > 0,
            values=values,
            num_classes=int(self.num_classes or 0),
            rows=int(counts.sum()),
            steps=steps,
            seconds=time.monotonic() - (self._started or time.monotonic()),
            rate=rate,
            logits=logits,
            groups=self._groups,
            validation=validation,
            broken=tally.broken,
        )
        tally.clear()
        self._rates, self._rated, self._started = 0.0, 0, None
        return record

    def history(self, name: str) -> NDArray[np.float32]:
        """(E, N) a record in all finished epochs; (E, N, C) of "logits".

        Raises:
            InputError: There is no such record.
        """
        if name == "logits":
            return self.archive.record(name, self.num_classes or 0).open()
        if name not in FIELDS:
            known = ", ".join((*FIELDS, "logits"))
            raise InputError(f"the name of a record ({known})", repr(name), "Choose one of these")
        return self.archive.record(name).open()

    def evidence(self, bias: bool) -> Evidence:
        """See `Watch.evidence`."""
        size = self.num_classes or 0
        classes = column(self._options.get("classes"), size, "classes")
        shown = np.arange(size) if classes is None else classes
        labels = Labels(self._labels, shown)
        return make_evidence(self.archive, self._names, labels, bias, self._sources)

    @property
    def seen(self) -> Codes:
        """(n,) positions of the samples that have a record of a finished epoch."""
        return np.flatnonzero(self._labels >= 0)

    @property
    def unseen(self) -> Strings:
        """The names of samples that have no record of any finished epoch."""
        return self._names[self._labels < 0]

    def state_dict(self) -> dict[str, Any]:
        """The present epoch, and the finished ones if they are in no folder of the user's."""
        tally = self._waiting if self._tally is None else self._tally.state_dict()
        state: dict[str, Any] = {"tally": tally, "num_samples": self.num_samples}
        state["labels"] = torch.from_numpy(self._labels.copy())
        state["rates"] = (self._rates, self._rated)
        state["num_classes"] = self.num_classes
        own = self._options.get("out") is None
        state["files"] = self.archive.dump() if own and in_charge() else None
        return state

    def load_state_dict(self, state: dict[str, Any], epoch: int) -> None:
        """Go on from `state_dict`.

        Raises:
            InputError: The state is of another number of samples.
            RunError: The folder lacks epochs that the checkpoint had.
        """
        if state["num_samples"] != self.num_samples:
            raise InputError(
                f"the state of a watch of {self.num_samples} samples",
                f"{state['num_samples']}",
                "Watch the data that the checkpoint was written with",
            )
        self._labels = state["labels"].numpy().copy()
        self._rates, self._rated = state["rates"]
        self.num_classes = state["num_classes"]
        if self._tally is None:
            self._waiting = state["tally"]
        elif state["tally"] is not None:
            self._tally.load_state_dict(state["tally"])
        if not in_charge():
            return
        if state["files"] is not None:
            self.archive.restore(state["files"])
        self.archive.truncate(epoch)
        if len(self.archive.record(FIELDS[0])) != epoch:
            raise RunError(
                f"a folder with {epoch} epochs in {self.archive.path}",
                "fewer",
                "Watch with the out= that the checkpoint was written with",
            )
