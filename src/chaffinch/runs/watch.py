"""`watch` with a run at its end."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from torch import nn

from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Rule
from chaffinch.pipeline.judged import Opening
from chaffinch.pipeline.keeping import Place
from chaffinch.pipeline.watched import judge_watch
from chaffinch.runs.given import Given
from chaffinch.runs.run import Run
from chaffinch.store.run import RunFolder
from chaffinch.training.watching import watch as training
from chaffinch.training.watching.options import WatchOptions


def watch(model: nn.Module, num_samples: int, **options: Unpack[WatchOptions]) -> "Watch":
    """Watch a model learn, sample by sample, in your own training loop.

    Args:
        model: The model that is trained; hooks on its last linear layer come off at the end.
        num_samples: N; the loop gives each sample's position 0..N - 1 (see `with_ids`).
        **options: See `WatchOptions`.

    Returns:
        A context manager whose `Watch.loss` stands in the place of the loss.

    Raises:
        InputError: An option that is unknown or out of its bounds.

    Example:
        >>> import torch
        >>> model = nn.Linear(3, 2)
        >>> with watch(model, num_samples=4) as watched:
        ...     x, y, ids = torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), torch.arange(4)
        ...     watched.loss(model(x), y, ids).backward()
        >>> watched.history("loss").shape
        (1, 4)
    """
    return Watch(model, num_samples, options)


class Watch(training.Watch):
    """What `watch` returns."""

    def run(
        self,
        out: "str | os.PathLike[str] | None" = None,
        *,
        scorers: str | Sequence[str] | None = None,
        select: Rule = "f1",
        fdr: float = 0.1,
        assume: Assumption = "auto",
        seed: int = 0,
        data: Any = None,
        label: str | None = None,
        id_column: str | None = None,
        text_column: str | None = None,
        overwrite: bool = False,
        ledger: str | None = None,
    ) -> Run:
        """Judge the labels by what was recorded so far, and make a run of it.

        Samples that never came with a label and a finite loss, and the only ones of their class,
        are not among the findings; notes name these.

        Args:
            out: Folder in which the run is kept, with evidence and report; another one than that
                of the records.
            scorers: Names of the score columns wanted; None for the usual ones.
            select: The rule by which samples are flagged: ``f1`` or ``fdr``, see `scan`.
            fdr: The share of false alarms that ``fdr`` allows.
            assume: What a label is, as for `judge`.
            seed: Decides every random choice.
            data: The samples in the order of their positions, as `chaffinch.open_data` takes them;
                `Run.attach` names them later.
            label: Column of their labels.
            id_column: Column of their unique keys.
            text_column: Column(s) of their text.
            overwrite: Whether an earlier run at ``out`` may be replaced.
            ledger: Where the run is recorded; see `chaffinch.pipeline.ledger.ledger_for`.

        Raises:
            InputError: No epoch is finished, outputs are not kept, or data of other samples.
            RunError: ``out`` holds another run.
        """
        place = None if out is None else Place(Path(out), overwrite, ledger)
        result = judge_watch(
            self,
            scorers=scorers,
            select=select,
            fdr=fdr,
            assume=assume,
            seed=seed,
            data=data,
            opening=Opening(label, id_column, text_column),
            place=place,
        )
        return Run(result, None if place is None else RunFolder(place.out), Given(data))
