"""What can be read from a watch, during the training and after it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.types import Strings
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.training.watching.clock import EpochClock
from chaffinch.training.watching.head import HeadListener
from chaffinch.training.watching.ledger import Ledger
from chaffinch.training.watching.observer import Observer, in_charge

if TYPE_CHECKING:
    from chaffinch.training.alarms import Alarm

_MOST_NAMED = 10


class Reading:
    """The part of a watch that only looks at its records; see `Watch`."""

    _clock: EpochClock
    _head: HeadListener
    _ledger: Ledger
    _model: nn.Module
    _observers: list[Observer]

    @property
    def model(self) -> nn.Module:
        """The model that is watched."""
        return self._model

    @property
    def epoch(self) -> int:
        """The present epoch, from 0; after the last one, how many there were."""
        return self._clock.epoch

    @property
    def alarms(self) -> list["Alarm"]:
        """All alarms raised so far, by ``alarms=`` or by a `Monitor` among the callbacks.

        Raises:
            InputError: Nothing raises alarms.
        """
        from chaffinch.training.live.monitor import Monitor

        found = next((one for one in self._observers if isinstance(one, Monitor)), None)
        if found is None:
            raise InputError(
                "a watch that raises alarms", "one that does not", "Watch with alarms=True"
            )
        return found.alarms

    @property
    def path(self) -> Path:
        """The folder of records and decisions."""
        return self._ledger.archive.path

    def log(self, action: str, reason: str, ids: Any = (), source: str = "user") -> None:
        """Add a line to the log of decisions.

        Args:
            action: A word.
            reason: A sentence without the full stop.
            ids: (n,) positions of the samples that it is about.
            source: Who decided.
        """
        if in_charge():
            rows = [int(one) for one in ids]
            line = {"epoch": self._clock.epoch, "source": source, "action": action}
            self._ledger.archive.decide({**line, "reason": reason, "count": len(rows), "ids": rows})

    def decisions(self) -> list[dict[str, Any]]:
        """What was decided so far, as in ``decisions.jsonl``."""
        return self._ledger.archive.decisions()

    def history(self, name: str) -> NDArray[np.float32]:
        """(E, N) the record ``name`` of `FIELDS` in all finished epochs, NaN where not seen.

        "logits" are (E, N, C). Under data parallel training only the first process has them.

        Raises:
            InputError: There is no such record.
        """
        return self._ledger.history(name)

    def evidence(self) -> Evidence:
        """Evidence of all finished epochs, also written to ``evidence`` in the watch's folder.

        Outputs are those that the samples had when they were trained on, in training mode. Where a
        sample did not come in an epoch, it has what it had before; one that never came is left out.

        Raises:
            InputError: No epoch is finished, or outputs are not kept.
        """
        layer = self._head.layer
        return self._ledger.evidence(layer is None or layer.bias is not None)

    def findings(
        self,
        scorers: Sequence[str] | None = None,
        seed: int = 0,
        assume: Assumption = "auto",
    ) -> Findings:
        """Judge the labels by what was recorded so far, as `cf.judge` does.

        Samples that never came with a label and a finite loss, and the only ones of their class,
        are not among them; notes name these.

        Args:
            scorers: Names of scorers; None for the usual ones.
            seed: Decides every random choice.
            assume: What a label is, as for `cf.judge`.

        Raises:
            InputError: No epoch is finished, outputs are not kept, or another assumption.
        """
        evidence, rows, notes = self.judged()
        found = judge_evidence(evidence, scorers, seed, assume=assume)
        found = found.placed(rows, [""] * len(found))
        return replace(found, notes=(*notes, *found.notes))

    def judged(self) -> tuple[Evidence, list[int], tuple[str, ...]]:
        """The samples that can be judged by what was recorded so far.

        Returns:
            Their evidence, their positions among all samples, and notes on those left out.

        Raises:
            InputError: No epoch is finished, or outputs are not kept.
        """
        evidence = self.evidence()
        labels = evidence.labels
        lonely = labels.counts[labels.codes] == 1
        notes = (
            *_left_out(self._ledger.unseen, "never came with a label and a finite loss"),
            *_left_out(evidence.ids[lonely], "had a class of their own"),
        )
        rows = self._ledger.seen[~lonely]
        return evidence.take(np.flatnonzero(~lonely)), rows.tolist(), notes


def _left_out(ids: Strings, reason: str) -> tuple[str, ...]:
    """A note on samples that are not among the findings; none where there are no such."""
    if not len(ids):
        return ()
    more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
    named = ", ".join(ids[:_MOST_NAMED]) + more
    return (f"Samples that {reason} are not among the findings ({len(ids):,}): {named}.",)
